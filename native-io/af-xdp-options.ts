// SPDX-License-Identifier: MIT
// The options of the `af_xdp` driver: what they mean, their ranges and defaults.

import type { AddonAfXdpOptions } from "./addon.ts";
import {
  flag,
  integer,
  interfaceName,
  invalid,
  knownKeys,
  macAddress,
  slots,
  text,
  wrongType,
} from "./option-checks.ts";

/** Where the XDP program runs: in the device's driver, in the kernel, or where it can. */
export type XdpMode = "auto" | "native" | "generic";

/**
 * Options of the `af_xdp` driver: one queue of an interface, shared with the kernel. ARP about
 * `addresses` and IPv4 to them go to the stack, everything else goes on to the kernel. Where the
 * interface carries VLANs too, `ethtool -K eth0 rxvlan off` keeps the tags in the frames (veth:
 * `txvlan off` on the peer): XDP does not see those that the NIC has taken out.
 */
export interface AfXdpOptions {
  readonly driver: "af_xdp";
  /** Name of an interface that carries Ethernet and is up: `"eth0"`. */
  readonly interface: string;
  /**
   * The stack's IPv4 addresses, 1 to 16: `["10.0.0.2"]`. One that the kernel has on this interface
   * is EINVAL without `ports`: it would take SSH away from the machine. A broadcast address is
   * received only if it is among them.
   */
  readonly addresses: readonly string[];
  /**
   * TCP and UDP ports that are the stack's, at most 64; default: all. With them, other ports, other
   * protocols than ICMP, and fragments go to the kernel, and the stack can connect from these ports
   * alone.
   */
  readonly ports?: readonly number[];
  /**
   * Network namespace to open the interface in: a name under /run/netns or a path. Default: the
   * process's own. Needs CAP_SYS_ADMIN.
   */
  readonly netns?: string;
  /** Our station address: six bytes or `"02:00:00:00:00:01"`. Default: the interface's. */
  readonly macAddress?: Uint8Array | string;
  /**
   * The queue whose frames are received, default 0; those of others go to the kernel. A NIC has
   * several: `ethtool -L eth0 combined 1` leaves one, `ethtool -N` steers flows.
   */
  readonly queue?: number;
  /**
   * `"native"` is faster on NICs and cannot have packets of over 3,500 bytes or so; `"generic"`
   * works on any interface; before Linux 6.6 it loses segments that a local peer has merged.
   * Default `"auto"`: native, else generic.
   */
  readonly mode?: XdpMode;
  /** Let the NIC write into frame memory itself; default false. Needs its driver's support. */
  readonly zeroCopy?: boolean;
  /** Depth of the receive ring, a power of two from 16 to 65,536; default 1024. */
  readonly rxSlots?: number;
  /** Depth of the send ring, a power of two from 16 to 65,536; default 512. */
  readonly txSlots?: number;
  /**
   * Memory per frame, 2048 or 4096 bytes, of which 274 are not for the packet: that bounds the
   * MTU. Default: the smaller one that fits the interface's MTU.
   */
  readonly frameBytes?: number;
  /**
   * Take a TCP or UDP checksum for valid that a kernel of this host left unfinished. AF_XDP does
   * not tell which are: they hold the sum of the pseudo-header. Default: on veth, whose other end
   * is this host. Where it is false, `ethtool -K <peer> tx off` makes a local peer finish them.
   */
  readonly trustUnfinishedChecksums?: boolean;
}

const KEYS: readonly (keyof AfXdpOptions)[] = [
  "driver",
  "interface",
  "addresses",
  "ports",
  "netns",
  "macAddress",
  "queue",
  "mode",
  "zeroCopy",
  "rxSlots",
  "txSlots",
  "frameBytes",
  "trustUnfinishedChecksums",
];
/** `XdpMode` of src/xdp-program.h. */
const MODES: Readonly<Record<XdpMode, number>> = { auto: 0, native: 1, generic: 2 };
const ADDRESSES_MAX = 16;
const PORTS_MAX = 64;
/** Entries of the XSKMAP less one (src/xdp-program.cc). */
const QUEUE_MAX = 1023;

/** Checks the options of an `af_xdp` driver and fills in the defaults. */
export function checkAfXdp(options: AfXdpOptions): AddonAfXdpOptions {
  knownKeys(options, KEYS);
  const { trustUnfinishedChecksums: trust, mode = "auto", frameBytes } = options;
  if (!Object.hasOwn(MODES, mode)) {
    throw invalid("mode", `must be one of ${Object.keys(MODES).join(", ")}`);
  }
  if (frameBytes !== undefined && frameBytes !== 2048 && frameBytes !== 4096) {
    if (typeof frameBytes !== "number") throw wrongType("frameBytes", "a number", frameBytes);
    throw invalid("frameBytes", `must be 2048 or 4096, got ${frameBytes}`);
  }
  return {
    interface: interfaceName(options.interface),
    netns: text("netns", options.netns ?? ""),
    macAddress: macAddress(options.macAddress),
    addresses: addresses(options.addresses),
    ports: ports(options.ports ?? []),
    queue: integer("queue", options.queue ?? 0, 0, QUEUE_MAX),
    mode: MODES[mode],
    zeroCopy: flag("zeroCopy", options.zeroCopy ?? false),
    rxSlots: slots("rxSlots", options.rxSlots ?? 1024),
    txSlots: slots("txSlots", options.txSlots ?? 512),
    frameBytes: frameBytes ?? 0,
    trustUnfinishedChecksums:
      trust === undefined ? -1 : Number(flag("trustUnfinishedChecksums", trust)),
  };
}

function addresses(given: readonly string[]): Uint8Array {
  if (given === undefined) {
    throw invalid("addresses", 'must name the stack\'s own, such as ["10.0.0.2"]');
  }
  if (!Array.isArray(given)) throw wrongType("addresses", "an array of strings", given);
  if (given.length < 1 || given.length > ADDRESSES_MAX) {
    throw invalid("addresses", `must be 1 to ${ADDRESSES_MAX}, got ${given.length}`);
  }
  return Uint8Array.from(given.flatMap(ipv4Address));
}

function ipv4Address(given: string): number[] {
  const bytes = text("addresses", given).split(".");
  const isAddress = bytes.every((byte) => /^(0|[1-9]\d{0,2})$/.test(byte) && Number(byte) < 256);
  if (bytes.length === 4 && isAddress) return bytes.map(Number);
  throw invalid("addresses", `must be like "10.0.0.2", got ${JSON.stringify(given.slice(0, 40))}`);
}

function ports(given: readonly number[]): Uint16Array {
  if (!Array.isArray(given)) throw wrongType("ports", "an array of numbers", given);
  if (given.length > PORTS_MAX) {
    throw invalid("ports", `must be at most ${PORTS_MAX}, got ${given.length}`);
  }
  return Uint16Array.from(given, (port) => integer("ports", port, 1, 65_535));
}
