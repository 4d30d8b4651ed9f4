// SPDX-License-Identifier: MIT
// A driver around a driver that shows every frame that passes: for packet traces and captures of
// real devices, where no simulated link can be asked. It adds no crossing and copies nothing.

import {
  DESCRIPTOR_FIELDS,
  DESCRIPTOR_LENGTH,
  DESCRIPTOR_OFFSET,
  type Driver,
  type DriverCapabilities,
  type DriverSpinner,
  type DriverStatistics,
  TX_TAIL,
} from "./driver.ts";

/** Which way a frame passed: sent by our stack, or received by it. */
export type FrameDirection = "out" | "in";

/**
 * Is told of a frame. Must not throw.
 *
 * @param direction - sent by the stack over the driver, or received
 * @param frame - from the Ethernet header on; a view that is valid during the call only. A frame
 *   sent with TX_CHECKSUM does not have its transport checksum yet, and a super-segment, as tcpdump
 *   sees it too, has not been cut up.
 * @param nowMs - time of the round, ms on the loop's clock
 */
export type FrameListener = (direction: FrameDirection, frame: Uint8Array, nowMs: number) => void;

/** What `traceDriver` makes. */
class TraceDriver implements Driver {
  readonly name: string;
  readonly macAddress: Uint8Array;
  readonly capabilities: DriverCapabilities;
  readonly frames: Uint8Array;
  readonly rx: Int32Array;
  readonly tx: Int32Array;
  readonly txSlots: number;
  readonly txFrameBytes: number;
  readonly control: Int32Array;
  readonly isReal: boolean;

  private readonly inner: Driver;
  private readonly listener: FrameListener;
  /** Frames of the tx ring shown so far; counts as TX_TAIL does. */
  private shown: number;

  constructor(inner: Driver, listener: FrameListener) {
    this.name = inner.name;
    this.macAddress = inner.macAddress;
    this.capabilities = inner.capabilities;
    this.frames = inner.frames;
    this.rx = inner.rx;
    this.tx = inner.tx;
    this.txSlots = inner.txSlots;
    this.txFrameBytes = inner.txFrameBytes;
    this.control = inner.control;
    this.isReal = inner.isReal;
    this.inner = inner;
    this.listener = listener;
    this.shown = inner.control[TX_TAIL] as number;
  }

  get addresses(): readonly string[] | undefined {
    return this.inner.addresses;
  }

  get spinner(): DriverSpinner | undefined {
    return this.inner.spinner;
  }

  poll(nowMs: number): number {
    // Before the driver sees them: afterwards their slots may be given back and written again.
    // Of a closed native driver the ring is gone, and with it its tail.
    const tail = this.control[TX_TAIL] ?? this.shown;
    for (; this.shown !== tail; this.shown = (this.shown + 1) | 0) {
      const frame = this.frameOf(this.tx, this.shown & (this.txSlots - 1));
      if (frame.length > 0) this.listener("out", frame, nowMs);
    }
    const count = this.inner.poll(nowMs);
    for (let entry = 0; entry < count; entry++) {
      this.listener("in", this.frameOf(this.rx, entry), nowMs);
    }
    return count;
  }

  armWake(wake: () => void): boolean {
    return this.inner.armWake(wake);
  }

  disarmWake(): void {
    this.inner.disarmWake();
  }

  statistics(): DriverStatistics {
    return this.inner.statistics();
  }

  close(): void {
    this.inner.close();
  }

  private frameOf(table: Int32Array, entry: number): Uint8Array {
    const at = entry * DESCRIPTOR_FIELDS;
    const offset = table[at + DESCRIPTOR_OFFSET] as number;
    return this.frames.subarray(offset, offset + (table[at + DESCRIPTOR_LENGTH] as number));
  }
}

/**
 * Wraps a driver so that every frame passing it is shown.
 *
 * @param driver - an open driver; closing the wrapper closes it
 * @param listener - called for each frame, in the order of the wire as our end sees it
 * @returns a driver to use in the place of `driver`
 * @throws TypeError: an argument is of the wrong type.
 * @example
 * ```ts
 * import { openDriver } from "caraway";
 * import { PacketText, traceDriver, traceLine } from "caraway/testing";
 *
 * const text = new PacketText();
 * const driver = traceDriver(
 *   openDriver({ driver: "tap", kernelAddress: "10.9.0.1/24" }),
 *   (direction, frame, nowMs) => console.log(traceLine(nowMs, direction, text.format(frame))),
 * );
 * ```
 */
export function traceDriver(driver: Driver, listener: FrameListener): Driver {
  if (typeof driver?.poll !== "function") throw new TypeError("driver must be an open driver");
  if (typeof listener !== "function") throw new TypeError("listener must be a function");
  return new TraceDriver(driver, listener);
}
