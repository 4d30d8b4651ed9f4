// SPDX-License-Identifier: MIT
// The options of the native drivers: what they mean, their ranges and defaults. A wrong value is
// EINVAL and a wrong type a TypeError, both naming the option.

import type { AddonAfPacketOptions, AddonTapOptions } from "./addon.ts";
import type { AfXdpOptions } from "./af-xdp-options.ts";
import type { MemifOptions } from "./memif-options.ts";
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

/** How a fanout group spreads frames over its members (packet(7), PACKET_FANOUT_*). */
export type FanoutMode = "hash" | "load-balance" | "cpu" | "rollover" | "random" | "queue";

/** A group of drivers that share the frames of one interface. */
export interface FanoutOptions {
  /** 0 to 65,535; the same for all members, which must have the same interface and mode. */
  readonly id: number;
  /** `"hash"` keeps the frames of one flow on one member. */
  readonly mode: FanoutMode;
}

/** Options of the `af_packet` driver: frames of an interface there is, as tcpdump sees them. */
export interface AfPacketOptions {
  readonly driver: "af_packet";
  /** Name of an interface that carries Ethernet and is up: `"veth0"`. */
  readonly interface: string;
  /**
   * Network namespace to open the interface in: a name under /run/netns or a path. Default: the
   * process's own. Needs CAP_SYS_ADMIN.
   */
  readonly netns?: string;
  /** Our station address: six bytes or `"02:00:00:00:00:01"`. Default: the interface's. */
  readonly macAddress?: Uint8Array | string;
  /** Depth of the receive ring, a power of two from 16 to 65,536; default 1024. */
  readonly rxSlots?: number;
  /** Depth of the send ring, a power of two from 16 to 65,536; default 512. */
  readonly txSlots?: number;
  /**
   * Longest frame a ring slot takes, 64 to 131,072 bytes; default: what the interface's MTU needs.
   * Longer ones (super-frames of a local peer, up to 64 KB) are taken whole another way, at the
   * price of a system call each.
   */
  readonly rxFrameBytes?: number;
  /**
   * Memory for super-frames that wait to be taken; default 16 MiB. Without CAP_NET_ADMIN the
   * kernel grants net.core.rmem_max at most. What does not fit is dropped and counted.
   */
  readonly receiveBufferBytes?: number;
  /** Receive frames for other stations too; default false. Virtual interfaces show them anyhow. */
  readonly promiscuous?: boolean;
  /**
   * Send past the interface's queueing discipline; default true: lower latency. It ends with the
   * first super-segment that the device does not cut up itself: the way through does it.
   */
  readonly qdiscBypass?: boolean;
  /**
   * Leave checksums and the cutting up of super-segments of up to 64 KB to the kernel and the
   * device; default true. False: every frame is sent finished, and none is longer than the MTU.
   */
  readonly sendOffload?: boolean;
  /** Share the interface with other drivers, one per core. Default: none. */
  readonly fanout?: FanoutOptions;
}

/** Options of the `tap` driver: a cable to the kernel of this host. */
export interface TapOptions {
  readonly driver: "tap";
  /** Device to make or to attach to; `%d` becomes a free number. Default `"caraway%d"`. */
  readonly interface?: string;
  /** Network namespace to make the device in: a name under /run/netns or a path. */
  readonly netns?: string;
  /** Our station address, six bytes or text. Default: random, locally administered. */
  readonly macAddress?: Uint8Array | string;
  /** Depth of the send ring, a power of two from 16 to 65,536; default 512. */
  readonly txSlots?: number;
  /** MTU to give the device, 68 to 65,521; default: leave it (1500 for a new one). */
  readonly mtu?: number;
  /** Keep the device after closing; default false. */
  readonly persist?: boolean;
  /** Set the kernel's end up; default true. False: it must be up already. */
  readonly linkUp?: boolean;
  /**
   * Let the kernel send unfinished checksums and super-frames of up to 64 KB; default true. That
   * is ten times as fast for bulk data, and nothing leaves the host.
   */
  readonly receiveOffload?: boolean;
  /**
   * Leave checksums and the cutting up of super-segments of up to 64 KB to the kernel; default
   * true. False: every frame is sent finished, and none is longer than the MTU.
   */
  readonly sendOffload?: boolean;
  /** IPv4 address and prefix of the kernel's end: `"10.9.0.1/24"`. Default: none is set. */
  readonly kernelAddress?: string;
}

/** Options of every native driver. */
export type NativeDriverOptions = AfPacketOptions | AfXdpOptions | MemifOptions | TapOptions;

const AF_PACKET_KEYS: readonly (keyof AfPacketOptions)[] = [
  "driver",
  "interface",
  "netns",
  "macAddress",
  "rxSlots",
  "txSlots",
  "rxFrameBytes",
  "receiveBufferBytes",
  "promiscuous",
  "qdiscBypass",
  "sendOffload",
  "fanout",
];
const TAP_KEYS: readonly (keyof TapOptions)[] = [
  "driver",
  "interface",
  "netns",
  "macAddress",
  "txSlots",
  "mtu",
  "persist",
  "linkUp",
  "receiveOffload",
  "sendOffload",
  "kernelAddress",
];
/** PACKET_FANOUT_* of <linux/if_packet.h>. */
const FANOUT_MODES: Readonly<Record<FanoutMode, number>> = {
  hash: 0,
  "load-balance": 1,
  cpu: 2,
  rollover: 3,
  random: 4,
  queue: 5,
};
const RECEIVE_BUFFER_BYTES = 16 * 1024 * 1024;

/** Checks the options of an `af_packet` driver and fills in the defaults. */
export function checkAfPacket(options: AfPacketOptions): AddonAfPacketOptions {
  knownKeys(options, AF_PACKET_KEYS);
  const fanout = options.fanout;
  if (fanout !== undefined && (typeof fanout !== "object" || fanout === null)) {
    throw wrongType("fanout", "an object { id, mode }", fanout);
  }
  if (fanout !== undefined && !Object.hasOwn(FANOUT_MODES, fanout.mode)) {
    throw invalid("fanout.mode", `must be one of ${Object.keys(FANOUT_MODES).join(", ")}`);
  }
  return {
    interface: interfaceName(options.interface),
    netns: text("netns", options.netns ?? ""),
    macAddress: macAddress(options.macAddress),
    rxSlots: slots("rxSlots", options.rxSlots ?? 1024),
    txSlots: slots("txSlots", options.txSlots ?? 512),
    rxFrameBytes:
      options.rxFrameBytes === undefined
        ? 0
        : integer("rxFrameBytes", options.rxFrameBytes, 64, 131_072),
    receiveBufferBytes: integer(
      "receiveBufferBytes",
      options.receiveBufferBytes ?? RECEIVE_BUFFER_BYTES,
      4096,
      2 ** 30,
    ),
    promiscuous: flag("promiscuous", options.promiscuous ?? false),
    qdiscBypass: flag("qdiscBypass", options.qdiscBypass ?? true),
    sendOffload: flag("sendOffload", options.sendOffload ?? true),
    fanoutId: fanout === undefined ? -1 : integer("fanout.id", fanout.id, 0, 65_535),
    fanoutMode: fanout === undefined ? 0 : FANOUT_MODES[fanout.mode],
  };
}

/** Checks the options of a `tap` driver and fills in the defaults. */
export function checkTap(options: TapOptions): AddonTapOptions {
  knownKeys(options, TAP_KEYS);
  const kernel = ipv4Prefix(options.kernelAddress);
  return {
    interface: interfaceName(options.interface ?? "caraway%d"),
    netns: text("netns", options.netns ?? ""),
    macAddress: macAddress(options.macAddress),
    txSlots: slots("txSlots", options.txSlots ?? 512),
    // ETH_MAX_MTU less the Ethernet header is what the kernel allows a TAP device.
    mtu: options.mtu === undefined ? 0 : integer("mtu", options.mtu, 68, 65_521),
    persist: flag("persist", options.persist ?? false),
    linkUp: flag("linkUp", options.linkUp ?? true),
    receiveOffload: flag("receiveOffload", options.receiveOffload ?? true),
    sendOffload: flag("sendOffload", options.sendOffload ?? true),
    kernelAddress: kernel === null ? null : kernel.address,
    kernelNetmask: kernel === null ? null : kernel.netmask,
  };
}

function ipv4Prefix(
  value: string | undefined,
): { readonly address: Uint8Array; readonly netmask: Uint8Array } | null {
  if (value === undefined) return null;
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\/(\d{1,2})$/.exec(
    text("kernelAddress", value),
  );
  const numbers = (match ?? []).slice(1).map(Number);
  const bits = numbers[4] ?? 99;
  if (bits < 1 || bits > 31 || numbers.slice(0, 4).some((byte) => byte > 255)) {
    throw invalid("kernelAddress", `must look like "10.9.0.1/24", got ${JSON.stringify(value)}`);
  }
  const netmask = new Uint8Array(4);
  new DataView(netmask.buffer).setUint32(0, (0xffffffff << (32 - bits)) >>> 0);
  return { address: Uint8Array.from(numbers.slice(0, 4)), netmask };
}
