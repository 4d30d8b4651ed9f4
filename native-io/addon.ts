// SPDX-License-Identifier: MIT
// Finds and loads the compiled addon, and describes all that it exposes (src/module.cc). Loading
// is tried once, when a driver is first opened: without the addon the rest of Caraway works.

import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";

/** Indices into the status array (`Status` in src/driver-contract.h). */
export const STATUS_NOW_MS = 0;
/** Frames given to the stack. */
export const STATUS_RX_FRAMES = 1;
/** Bytes of those frames. */
export const STATUS_RX_BYTES = 2;
/** Frames lost before the stack saw them. */
export const STATUS_RX_DROPPED = 3;
/** Frames the device has taken. */
export const STATUS_TX_FRAMES = 4;
/** Bytes of those frames. */
export const STATUS_TX_BYTES = 5;
/** Frames the device refused. */
export const STATUS_TX_DROPPED = 6;
/** Calls of `poll`. */
export const STATUS_POLLS = 7;
/** Part of the dropped ones: the kernel found the ring full. */
export const STATUS_RX_OVERRUNS = 8;
/** Part of the dropped ones: longer than there was room for. */
export const STATUS_RX_TOO_LARGE = 9;
/** Part of the received ones: several segments in one frame. */
export const STATUS_RX_SUPER_FRAMES = 10;
/** memif: how often a peer has connected. */
export const STATUS_CONNECTS = 14;
/** memif: 1 while a peer is connected. */
export const STATUS_IS_CONNECTED = 15;
/** Length of the status array. */
export const STATUS_FIELDS = 16;

/** Why an open failed. */
export interface OpenFailure {
  /** Negative errno. */
  readonly errno: number;
  /** Names the thing and the remedy. */
  readonly message: string;
}

/** An open driver: one shared memory, and where in it everything lies. */
export interface OpenedDriver {
  /** Names the driver in every other call; never used again after `close`. */
  readonly handle: number;
  /** Frame memory, tables, control and status. Detached by `close`. */
  readonly buffer: ArrayBuffer;
  /** Bytes of frame memory, from the start of `buffer`. */
  readonly framesBytes: number;
  /** Byte offset of the rx table. */
  readonly rxOffset: number;
  /** Entries of the rx table. */
  readonly rxEntries: number;
  /** Byte offset of the tx ring. */
  readonly txOffset: number;
  /** Slots of the tx ring. */
  readonly txSlots: number;
  /** Bytes of frame memory behind each tx slot. */
  readonly txFrameBytes: number;
  /** Largest IP packet it takes to cut up itself, in bytes; 0: none. */
  readonly tsoMaxBytes: number;
  /** Byte offset of the control fields. */
  readonly controlOffset: number;
  /** Byte offset of the status, `STATUS_FIELDS` float64. */
  readonly statusOffset: number;
  /** Largest IP packet in bytes. */
  readonly mtu: number;
  /** The interface's name as the kernel knows it. */
  readonly interface: string;
  /** How it is attached, where there is more than one way; else `""`. */
  readonly mode: string;
  /** Six bytes. */
  readonly macAddress: Uint8Array;
}

/** Options as the addon wants them: checked, and with nothing left out. */
export interface AddonAfPacketOptions {
  readonly interface: string;
  readonly netns: string;
  readonly macAddress: Uint8Array | null;
  readonly rxSlots: number;
  readonly txSlots: number;
  readonly rxFrameBytes: number;
  readonly receiveBufferBytes: number;
  readonly promiscuous: boolean;
  readonly qdiscBypass: boolean;
  readonly sendOffload: boolean;
  /** -1: no fanout group. */
  readonly fanoutId: number;
  /** PACKET_FANOUT_*. */
  readonly fanoutMode: number;
}

/** Options as the addon wants them: checked, and with nothing left out. */
export interface AddonMemifOptions {
  /** A path, or `"@"` and an abstract name. */
  readonly socket: string;
  readonly isServer: boolean;
  readonly id: number;
  readonly secret: string;
  readonly macAddress: Uint8Array | null;
  readonly mtu: number;
  readonly ringSlots: number;
  readonly bufferBytes: number;
  readonly txSlots: number;
  readonly checksums: boolean;
}

/** Options as the addon wants them: checked, and with nothing left out. */
export interface AddonAfXdpOptions {
  readonly interface: string;
  readonly netns: string;
  readonly macAddress: Uint8Array | null;
  /** Four bytes each, network byte order. */
  readonly addresses: Uint8Array;
  /** None: all. */
  readonly ports: Uint16Array;
  readonly queue: number;
  /** `XdpMode` of src/xdp-program.h. */
  readonly mode: number;
  readonly zeroCopy: boolean;
  readonly rxSlots: number;
  readonly txSlots: number;
  /** 0: what the MTU needs. */
  readonly frameBytes: number;
  /** 0, 1, or -1: on veth. */
  readonly trustUnfinishedChecksums: number;
}

/** Options as the addon wants them: checked, and with nothing left out. */
export interface AddonTapOptions {
  readonly interface: string;
  readonly netns: string;
  readonly macAddress: Uint8Array | null;
  readonly txSlots: number;
  /** 0: as the device has it. */
  readonly mtu: number;
  readonly persist: boolean;
  readonly linkUp: boolean;
  readonly receiveOffload: boolean;
  readonly sendOffload: boolean;
  /** Four bytes, network byte order. */
  readonly kernelAddress: Uint8Array | null;
  /** Four bytes, network byte order. */
  readonly kernelNetmask: Uint8Array | null;
}

/** All that the addon exposes. */
export interface Addon {
  /** Opens an AF_PACKET driver. */
  openAfPacket(options: AddonAfPacketOptions): OpenedDriver | OpenFailure;
  /** Opens an AF_XDP driver. */
  openAfXdp(options: AddonAfXdpOptions): OpenedDriver | OpenFailure;
  /** Opens a memif driver. The peer need not be there yet. */
  openMemif(options: AddonMemifOptions): OpenedDriver | OpenFailure;
  /** Opens a TAP driver. */
  openTap(options: AddonTapOptions): OpenedDriver | OpenFailure;
  /**
   * Sends what the tx ring holds, receives what is there, writes the clock and the counters.
   * The frames received last are given back. Never waits.
   *
   * @returns frames in the rx table, `-ENETDOWN` for ever once the device has gone, `-EBADF` after
   *   `close`.
   */
  poll(handle: number): number;
  /**
   * Calls `wake` once from the event loop when the driver may have work. Until then it keeps the
   * process alive.
   *
   * @returns false, and nothing is armed, when there is work already or the driver is closed.
   */
  armWake(handle: number, wake: () => void): boolean;
  /** Takes the request back. Harmless when there is none. */
  disarmWake(handle: number): void;
  /** memif: who is at the other end, or why nobody is. `""` of other drivers. */
  linkText(handle: number): string;
  /** Closes the device, detaches `buffer` and frees its memory. Idempotent. */
  close(handle: number): void;
  /**
   * Calls `turn` once in every turn of the event loop, which does not sleep meanwhile, so that the
   * process stays alive. One at a time.
   *
   * @returns false, and nothing was started: somebody spins already (another copy of this module),
   *   or libuv has no loop to offer.
   */
  startSpinning(turn: () => void): boolean;
  /** Takes that back. Harmless when there is nothing to take back. */
  stopSpinning(): void;
  /** CLOCK_MONOTONIC in milliseconds: the base of `process.hrtime`. */
  monotonicMs(): number;
}

/** Either the addon or why it is not to be had. */
export type LoadedAddon = { readonly addon: Addon } | { readonly reason: string };

const FILE = "caraway_native_io.node";
let loaded: LoadedAddon | null = null;

/** Loads the addon, once: the file CARAWAY_NATIVE_IO names, or the package's own. */
export function loadAddon(): LoadedAddon {
  loaded ??= load();
  return loaded;
}

function load(): LoadedAddon {
  if (process.platform !== "linux") {
    return { reason: `they need Linux, this is ${process.platform}` };
  }
  const home = homeDirectory();
  const require = createRequire(import.meta.url);
  const reasons: string[] = [];
  const chosen = process.env["CARAWAY_NATIVE_IO"] ?? "";
  for (const file of chosen === "" ? candidates(home) : [path.resolve(chosen)]) {
    if (chosen === "" && !existsSync(file)) continue;
    try {
      return { addon: require(file) as Addon };
    } catch (error) {
      // Its first line: who has required what does not help.
      const [why] = (error as Error).message.split("\n", 1);
      reasons.push(`${file} does not load: ${why}`);
    }
  }
  if (reasons.length === 0) reasons.push(buildFailure(home));
  return { reason: reasons.join("; ") };
}

/** The package's native-io/, seen from the source and from dist/native-io/. */
function homeDirectory(): string {
  const here = path.dirname(fileURLToPath(import.meta.url));
  const fromDist = path.join(here, "..", "..", "native-io");
  const isDist = path.basename(path.dirname(here)) === "dist" && existsSync(fromDist);
  return isDist ? fromDist : here;
}

/** Where the addon may lie: built by the installation, or prebuilt. */
function candidates(home: string): string[] {
  return [
    path.join(home, "build", "Release", FILE),
    path.join(home, "prebuilds", `linux-${process.arch}`, FILE),
  ];
}

/** What install.mjs wrote down. */
function buildFailure(home: string): string {
  const file = path.join(home, "build", "install-error.txt");
  if (existsSync(file))
    return readFileSync(file, "utf8")
      .trim()
      .replace(/\s*\n\s*/g, "; ");
  return `it has not been built; \`node ${path.join(home, "install.mjs")}\` builds it`;
}
