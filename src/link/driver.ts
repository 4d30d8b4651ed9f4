// SPDX-License-Identifier: MIT
// The driver contract: what moves frames between the stack and a NIC, a TAP device, an in-process
// cable or a simulated link. A driver is a block of frame memory, two descriptor tables of int32
// in memory that C++ can share, and one `poll` per round that does both directions (R6).
//
//   rx table   rewritten by each poll: entries 0 .. n-1 are the frames just received, where n is
//              what poll returned. They stay valid until the next poll.
//   tx ring    control[TX_TAIL] is advanced by the stack when it commits a frame, control[TX_HEAD]
//              by the driver when a slot may be written again. Both count for ever (int32, they
//              wrap); slot = counter & (slots - 1). The offset of each slot's frame memory is set
//              by the driver when it opens and never changes.
//
// A super-segment (TX_SEGMENT) is longer than a slot's memory: it goes on over that of the slots
// behind, which the stack commits with it, empty (length 0). Slots stay as small as common frames
// need, and the ring stays in the cache. So a driver with `tsoMaxBytes` lays its slots out evenly
// spaced, in order, and whatever it keeps between their frames may be written over.

/** int32 fields per descriptor, in the rx table and the tx ring. */
export const DESCRIPTOR_FIELDS = 4;
/** Byte offset of the frame in `frames`. In the tx ring it is fixed per slot. */
export const DESCRIPTOR_OFFSET = 0;
/**
 * Frame length in bytes, Ethernet header included, frame check sequence excluded. In the tx ring
 * 0 sends nothing: the slot is given back with those before it.
 */
export const DESCRIPTOR_LENGTH = 1;
/** Bit set of `RX_*` or `TX_*` flags; with TX_SEGMENT more in the upper half. */
export const DESCRIPTOR_FLAGS = 2;
/**
 * tx with TX_CHECKSUM: `(start << 16) | offset`: the checksum is summed from byte `start` of the
 * frame and stored at byte `start + offset`, where the folded pseudo-header sum already lies.
 */
export const DESCRIPTOR_CHECKSUM = 3;

/** rx flag: the driver has verified the transport checksum, or it never left this host. */
export const RX_CHECKSUM_VALID = 1;
/** tx flag: the driver finishes the transport checksum (capability `checksumTx`). */
export const TX_CHECKSUM = 1;
/**
 * tx flag: the driver, or the kernel behind it, cuts this TCP packet into segments (capability
 * `tsoMaxBytes`). The payload bytes of each are the upper 16 bits of DESCRIPTOR_FLAGS. Goes with
 * TX_CHECKSUM.
 */
export const TX_SEGMENT = 2;

/** Index into `control`: frames the stack has committed to the tx ring so far (int32, wraps). */
export const TX_TAIL = 0;
/** Index into `control`: tx slots the driver has given back so far (int32, wraps). */
export const TX_HEAD = 1;
/** Length of `control` in int32 fields; those not named here are reserved. */
export const CONTROL_FIELDS = 16;

/** What a driver can do, fixed while it is open. */
export interface DriverCapabilities {
  /** Largest IP packet in bytes that fits one frame. */
  readonly mtu: number;
  /** The driver finishes transport checksums marked TX_CHECKSUM. */
  readonly checksumTx: boolean;
  /** The driver sets RX_CHECKSUM_VALID on frames whose transport checksum it verified. */
  readonly checksumRx: boolean;
  /** Largest IP packet in bytes that it takes with TX_SEGMENT; 0: none. */
  readonly tsoMaxBytes: number;
  /** Whether `armWake` can wake a sleeping loop. False: the loop must look again by itself. */
  readonly canWake: boolean;
}

/** Counters of a driver since it opened. All only grow. */
export interface DriverStatistics {
  readonly rxFrames: number;
  readonly rxBytes: number;
  /** Frames dropped before the stack saw them: ring overrun, too large, not understood. */
  readonly rxDropped: number;
  readonly txFrames: number;
  readonly txBytes: number;
  /** Frames the device refused. */
  readonly txDropped: number;
  readonly polls: number;
}

/** Turns of Node's event loop for who spins. Of the thread: it outlives the driver. */
export interface DriverSpinner {
  /** Calls `turn` once a turn until it is stopped. @returns false: that is not to be had here */
  start(turn: () => void): boolean;
  /** Takes that back. Idempotent. */
  stop(turn: () => void): void;
}

/** One open NIC, TAP device, cable end or simulated link end. */
export interface Driver {
  /** For messages and `loop.tree()`: `"af_packet(veth0)"`. */
  readonly name: string;
  /** The 6-byte Ethernet address frames to us carry. */
  readonly macAddress: Uint8Array;
  readonly capabilities: DriverCapabilities;
  /** All frame memory, rx and tx. */
  readonly frames: Uint8Array;
  /** rx table, DESCRIPTOR_FIELDS int32 per entry. */
  readonly rx: Int32Array;
  /** tx ring, DESCRIPTOR_FIELDS int32 per slot. */
  readonly tx: Int32Array;
  /** Slots of the tx ring, a power of two. */
  readonly txSlots: number;
  /** Bytes of frame memory behind each tx slot. */
  readonly txFrameBytes: number;
  /** Counters TX_TAIL and TX_HEAD. */
  readonly control: Int32Array;
  /** True for a device outside this process: a virtual clock must not jump while it is open. */
  readonly isReal: boolean;
  /** IPv4 addresses, the only ones to which packets are received; without: all. */
  readonly addresses?: readonly string[] | undefined;
  /** How a loop that polls it gets its turns while it spins; without: from Node. */
  readonly spinner?: DriverSpinner | undefined;
  /**
   * Sends what is in the tx ring and receives what is there, never waiting.
   *
   * @param nowMs - time of the round, ms on the loop's clock
   * @returns frames now described by `rx[0 .. n)`, or `-errno` once the device is gone
   *   (`-ENETDOWN`), on every later call too.
   */
  poll(nowMs: number): number;
  /**
   * Asks for one call of `wake` as soon as a frame may be there. Looks at the ring after arming.
   *
   * @param wake - called at most once, from outside any poll
   * @returns false when there is work already: poll again instead of sleeping.
   */
  armWake(wake: () => void): boolean;
  /** Takes the request back. */
  disarmWake(): void;
  /**
   * Counts what has passed since it opened.
   *
   * @returns a snapshot
   */
  statistics(): DriverStatistics;
  /** Frees the device and its memory; `frames` must not be touched afterwards. Idempotent. */
  close(): void;
}
