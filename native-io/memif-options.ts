// SPDX-License-Identifier: MIT
// The options of the `memif` driver: what they mean, their ranges and defaults.

import type { AddonMemifOptions } from "./addon.ts";
import {
  flag,
  integer,
  invalid,
  knownKeys,
  macAddress,
  slots,
  text,
  wrongType,
} from "./option-checks.ts";

/**
 * Options of the `memif` driver: a cable of shared memory to another process of this machine, one
 * of ours, of DPDK or of VPP. Neither needs privileges, and the kernel sees no frame.
 */
export interface MemifOptions {
  readonly driver: "memif";
  /**
   * Where the two sides meet: the path of a UNIX socket, up to 107 bytes, or `"@name"`, an abstract
   * one. Who may connect to it is all there is of access control, but for the `secret`.
   */
  readonly socket: string;
  /** The server makes the socket and waits there; the client makes the memory. One each. */
  readonly role: "server" | "client";
  /** Number of the interface, 0 to 4,294,967,295, the same on both sides; default 0. */
  readonly id?: number;
  /** Up to 24 bytes of UTF-8. A server that has one takes only a client with the same one. */
  readonly secret?: string;
  /** Our station address, six bytes or text. Default: random, locally administered. */
  readonly macAddress?: Uint8Array | string;
  /**
   * Largest IP packet, 68 to 65,521 bytes; default 1500, which every peer takes. A frame takes as
   * many buffers as it needs; whether the peer can do with long ones is for you to know. Ours can:
   * 65,521 on both sides is several times as fast for bulk data.
   */
  readonly mtu?: number;
  /**
   * Descriptors of a ring, a power of two from 16 to 16,384; default 1024. The client makes the
   * rings as deep as it says, or as the server allows, whichever is less.
   */
  readonly ringSlots?: number;
  /** Of the client: bytes per buffer, a multiple of 64 from 128 to 65,536; default 2048. */
  readonly bufferBytes?: number;
  /** Depth of the send ring in front of it, a power of two from 16 to 65,536; default 512. */
  readonly txSlots?: number;
  /**
   * Finish the checksums of what is sent, verify those of what is received; default true. False is
   * for two of ours with false on both sides: memory does not flip bits on the way.
   */
  readonly checksums?: boolean;
}

const MEMIF_KEYS: readonly (keyof MemifOptions)[] = [
  "driver",
  "socket",
  "role",
  "id",
  "secret",
  "macAddress",
  "mtu",
  "ringSlots",
  "bufferBytes",
  "txSlots",
  "checksums",
];
/** sun_path less the terminating zero. */
const SOCKET_BYTES_MAX = 107;
const SECRET_BYTES_MAX = 24;
const RING_SLOTS_MAX = 16_384;
/** Of the buffers of both rings. */
const MEMORY_MAX = 2 ** 30;
/** Ethernet header. */
const HEADER_BYTES = 14;

/** Checks the options of a `memif` driver and fills in the defaults. */
export function checkMemif(options: MemifOptions): AddonMemifOptions {
  knownKeys(options, MEMIF_KEYS);
  const { role } = options;
  if (typeof role !== "string") throw wrongType("role", "a string", role);
  if (role !== "server" && role !== "client") {
    throw invalid("role", `must be "server" or "client", got ${JSON.stringify(role)}`);
  }
  const mtu = integer("mtu", options.mtu ?? 1500, 68, 65_521);
  const ringSlots = slots("ringSlots", options.ringSlots ?? 1024, RING_SLOTS_MAX);
  const bufferBytes = integer("bufferBytes", options.bufferBytes ?? 2048, 128, 65_536);
  if (bufferBytes % 64 !== 0) throw invalid("bufferBytes", "must be a multiple of 64");
  if (2 * ringSlots * bufferBytes > MEMORY_MAX) {
    throw invalid("bufferBytes", "times ringSlots must be 512 MiB at most");
  }
  if (ringSlots * bufferBytes < mtu + HEADER_BYTES) {
    throw invalid("mtu", "must not be more than a ring of ringSlots * bufferBytes can hold");
  }
  return {
    socket: socketName(options.socket),
    isServer: role === "server",
    id: integer("id", options.id ?? 0, 0, 0xffff_ffff),
    secret: secretText(options.secret ?? ""),
    macAddress: macAddress(options.macAddress),
    mtu,
    ringSlots,
    bufferBytes,
    txSlots: slots("txSlots", options.txSlots ?? 512),
    checksums: flag("checksums", options.checksums ?? true),
  };
}

function socketName(value: string): string {
  const name = text("socket", value);
  const bytes = new TextEncoder().encode(name).length;
  if (bytes > 0 && bytes <= SOCKET_BYTES_MAX && name !== "@") return name;
  throw invalid("socket", `must be a path or "@name" of 1 to ${SOCKET_BYTES_MAX} bytes`);
}

function secretText(value: string): string {
  const secret = text("secret", value);
  if (new TextEncoder().encode(secret).length <= SECRET_BYTES_MAX) return secret;
  throw invalid("secret", `must be ${SECRET_BYTES_MAX} bytes at most`);
}
