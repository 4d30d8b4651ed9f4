// SPDX-License-Identifier: MIT
// A driver without a device: the stack writes to its tx ring and reads its rx table exactly as it
// does with a NIC, and the frames come from and go to a FrameSink in this process. When more
// frames arrive between two polls than there are rx slots, the rest is dropped, as a NIC does.

import {
  CONTROL_FIELDS,
  DESCRIPTOR_CHECKSUM,
  DESCRIPTOR_FIELDS,
  DESCRIPTOR_FLAGS,
  DESCRIPTOR_LENGTH,
  DESCRIPTOR_OFFSET,
  type Driver,
  type DriverCapabilities,
  type DriverStatistics,
  TX_CHECKSUM,
  TX_HEAD,
  TX_SEGMENT,
  TX_TAIL,
} from "../link/driver.ts";
import { integerIn, powerOfTwoIn, wrong } from "./check.ts";
import type { FrameSink } from "./frame-sink.ts";
import { cutSegments } from "./segmenter.ts";

const ENETDOWN = 100;
/** Ethernet header and one VLAN tag, in bytes. */
const LINK_HEADER_BYTES = 18;
/** Frame memory starts at multiples of this many bytes. */
const FRAME_ALIGNMENT_BYTES = 64;
/** Largest IP packet, RFC 791. */
const MTU_MAX = 65_535;
/** Smallest MTU of IPv4, RFC 791 §3.2. */
const MTU_MIN = 68;

/** How a simulated NIC is made. */
export interface SimDriverOptions {
  /** For messages; default `"sim"`. */
  readonly name?: string;
  /** Six bytes, an individual address. Default 02:00:00:00:00:01. */
  readonly macAddress?: Uint8Array;
  /** Largest IP packet in bytes, 68 to 65,535; default 1500. */
  readonly mtu?: number;
  /** A power of two, at most 65,536; default 512. */
  readonly rxSlots?: number;
  /** A power of two, at most 65,536; default 256. */
  readonly txSlots?: number;
  /** Finish transport checksums as a NIC with offload does; default false. */
  readonly checksumTx?: boolean;
  /**
   * Cut super-segments up as a NIC with segmentation offload does: the largest IP packet in bytes,
   * at most 65,535. Such a NIC finishes checksums too. Default 0: none.
   */
  readonly tsoMaxBytes?: number;
}

/**
 * A NIC made of memory.
 *
 * @example
 * ```ts
 * import { SimDriver } from "caraway/testing";
 * const nic = new SimDriver({ mtu: 9000 });
 * nic.connect({ receive: (_bytes, _offset, length) => console.log(`${length} bytes sent`) });
 * nic.close();
 * ```
 */
export class SimDriver implements Driver, FrameSink {
  readonly name: string;
  readonly macAddress: Uint8Array;
  readonly capabilities: DriverCapabilities;
  readonly frames: Uint8Array;
  readonly rx: Int32Array;
  readonly tx: Int32Array;
  readonly txSlots: number;
  readonly txFrameBytes: number;
  readonly control: Int32Array = new Int32Array(CONTROL_FIELDS);
  readonly isReal = false;

  private readonly rxSlots: number;
  private readonly frameBytes: number;
  /** Frames put into rx memory, and frames whose slot is free again; both count for ever. */
  private rxFilled = 0;
  private rxFreed = 0;
  private rxDescribed = 0;
  private readonly rxLengths: Int32Array;
  private out: FrameSink | null = null;
  private isDown = false;
  private isDownTold = false;
  private wake: (() => void) | null = null;
  private rxFrames = 0;
  private rxBytes = 0;
  private rxDropped = 0;
  private txFrames = 0;
  private txBytes = 0;
  private txDropped = 0;
  private polls = 0;

  /** @throws NetError EINVAL: an option is out of range. */
  constructor(options: SimDriverOptions = {}) {
    const mtu = integerIn("sim.driver", "mtu", options.mtu ?? 1500, MTU_MIN, MTU_MAX);
    const tsoMaxBytes = integerIn(
      "sim.driver",
      "tsoMaxBytes",
      options.tsoMaxBytes ?? 0,
      0,
      MTU_MAX,
    );
    this.rxSlots = powerOfTwoIn("sim.driver", "rxSlots", options.rxSlots ?? 512, 65_536);
    this.txSlots = powerOfTwoIn("sim.driver", "txSlots", options.txSlots ?? 256, 65_536);
    this.name = options.name ?? "sim";
    this.macAddress = checkMac(options.macAddress ?? new Uint8Array([2, 0, 0, 0, 0, 1]));
    this.capabilities = {
      mtu,
      checksumTx: tsoMaxBytes > 0 || (options.checksumTx ?? false),
      checksumRx: false,
      tsoMaxBytes,
      canWake: true,
    };
    const unaligned = mtu + LINK_HEADER_BYTES;
    this.frameBytes = Math.ceil(unaligned / FRAME_ALIGNMENT_BYTES) * FRAME_ALIGNMENT_BYTES;
    this.txFrameBytes = this.frameBytes;
    this.frames = new Uint8Array((this.rxSlots + this.txSlots) * this.frameBytes);
    this.rx = new Int32Array(this.rxSlots * DESCRIPTOR_FIELDS);
    this.tx = new Int32Array(this.txSlots * DESCRIPTOR_FIELDS);
    this.rxLengths = new Int32Array(this.rxSlots);
    for (let slot = 0; slot < this.txSlots; slot++) {
      this.tx[slot * DESCRIPTOR_FIELDS + DESCRIPTOR_OFFSET] =
        (this.rxSlots + slot) * this.frameBytes;
    }
  }

  /**
   * Says where sent frames go; null: nowhere, as with the cable unplugged.
   *
   * @param out - takes each frame during `poll`
   */
  connect(out: FrameSink | null): void {
    this.out = out;
  }

  /** Makes the device disappear: every later poll says ENETDOWN, and no frame gets in or out. */
  fail(): void {
    this.isDown = true;
    this.callWake();
  }

  /** See {@link Driver.poll}. */
  poll(nowMs: number): number {
    if (this.isDown) {
      this.isDownTold = true;
      return -ENETDOWN;
    }
    this.polls++;
    if (this.control[TX_HEAD] !== this.control[TX_TAIL]) this.send(nowMs);
    this.rxFreed = this.rxDescribed;
    return this.describe();
  }

  /** Takes a frame from the other side into rx memory. */
  receive(bytes: Uint8Array, offset: number, length: number, _nowMs: number): void {
    if (this.isDown) return;
    if (this.rxFilled - this.rxFreed >= this.rxSlots || length > this.frameBytes) {
      this.rxDropped++;
      return;
    }
    const slot = this.rxFilled & (this.rxSlots - 1);
    const at = slot * this.frameBytes;
    const frames = this.frames;
    if (length <= 128) {
      for (let i = 0; i < length; i++) frames[at + i] = bytes[offset + i] as number;
    } else {
      frames.set(bytes.subarray(offset, offset + length), at);
    }
    this.rxLengths[slot] = length;
    this.rxFilled++;
    this.rxFrames++;
    this.rxBytes += length;
    if (this.wake !== null) this.callWake();
  }

  /** See {@link Driver.armWake}. */
  armWake(wake: () => void): boolean {
    if (this.hasWork) return false;
    this.wake = wake;
    return true;
  }

  /** See {@link Driver.disarmWake}. */
  disarmWake(): void {
    this.wake = null;
  }

  /** Whether the next poll has something to do. */
  get hasWork(): boolean {
    if (this.isDown) return !this.isDownTold;
    return this.rxFilled !== this.rxDescribed || this.control[TX_HEAD] !== this.control[TX_TAIL];
  }

  /**
   * See {@link Driver.statistics}.
   *
   * @returns a copy of the counters
   */
  statistics(): DriverStatistics {
    return {
      rxFrames: this.rxFrames,
      rxBytes: this.rxBytes,
      rxDropped: this.rxDropped,
      txFrames: this.txFrames,
      txBytes: this.txBytes,
      txDropped: this.txDropped,
      polls: this.polls,
    };
  }

  /** See {@link Driver.close}. */
  close(): void {
    this.isDown = true;
    this.out = null;
    this.wake = null;
  }

  private describe(): number {
    const count = this.rxFilled - this.rxDescribed;
    for (let i = 0; i < count; i++) {
      const slot = (this.rxDescribed + i) & (this.rxSlots - 1);
      const at = i * DESCRIPTOR_FIELDS;
      this.rx[at + DESCRIPTOR_OFFSET] = slot * this.frameBytes;
      this.rx[at + DESCRIPTOR_LENGTH] = this.rxLengths[slot] as number;
      this.rx[at + DESCRIPTOR_FLAGS] = 0;
    }
    this.rxDescribed = this.rxFilled;
    return count;
  }

  private send(nowMs: number): void {
    const tail = this.control[TX_TAIL] as number;
    let head = this.control[TX_HEAD] as number;
    for (; head !== tail; head = (head + 1) | 0) {
      const at = (head & (this.txSlots - 1)) * DESCRIPTOR_FIELDS;
      const offset = this.tx[at + DESCRIPTOR_OFFSET] as number;
      const length = this.tx[at + DESCRIPTOR_LENGTH] as number;
      const flags = this.tx[at + DESCRIPTOR_FLAGS] as number;
      if (length === 0) continue;
      if (length < 0 || length > this.largestFrame(flags)) {
        this.txDropped++;
      } else if ((flags & TX_SEGMENT) !== 0) {
        const frame = this.frames.subarray(offset, offset + length);
        for (const segment of cutSegments(frame, flags >>> 16)) {
          this.emit(segment, 0, segment.length, nowMs);
        }
      } else {
        const checksum = this.tx[at + DESCRIPTOR_CHECKSUM] as number;
        if ((flags & TX_CHECKSUM) !== 0) finishChecksum(this.frames, offset, length, checksum);
        this.emit(this.frames, offset, length, nowMs);
      }
    }
    this.control[TX_HEAD] = head;
  }

  private largestFrame(flags: number): number {
    const { mtu, tsoMaxBytes } = this.capabilities;
    // Into segments of nothing it cannot be cut.
    if ((flags & TX_SEGMENT) !== 0 && flags >>> 16 === 0) return 0;
    return ((flags & TX_SEGMENT) !== 0 ? tsoMaxBytes : mtu) + LINK_HEADER_BYTES;
  }

  private emit(bytes: Uint8Array, offset: number, length: number, nowMs: number): void {
    this.txFrames++;
    this.txBytes += length;
    if (this.out !== null) this.out.receive(bytes, offset, length, nowMs);
  }

  private callWake(): void {
    const wake = this.wake;
    this.wake = null;
    if (wake !== null) wake();
  }
}

function finishChecksum(frames: Uint8Array, offset: number, length: number, where: number): void {
  const start = where >>> 16;
  const field = start + (where & 0xffff);
  if (field + 2 > length) return;
  let sum = 0;
  for (let i = start; i < length; i += 2) {
    const low = i + 1 < length ? (frames[offset + i + 1] as number) : 0;
    sum += ((frames[offset + i] as number) << 8) | low;
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + Math.floor(sum / 65_536);
  // Zero would mean "no checksum" in UDP (RFC 768); in TCP both forms verify. Linux does the same.
  sum = ~sum & 0xffff || 0xffff;
  frames[offset + field] = sum >>> 8;
  frames[offset + field + 1] = sum;
}

function checkMac(macAddress: Uint8Array): Uint8Array {
  if (!(macAddress instanceof Uint8Array) || macAddress.length !== 6) {
    throw wrong("sim.driver", "macAddress", "must be 6 bytes", macAddress);
  }
  if (((macAddress[0] as number) & 1) !== 0) {
    throw wrong("sim.driver", "macAddress", "must not be a group address", macAddress);
  }
  return macAddress.slice();
}
