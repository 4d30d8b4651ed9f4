// SPDX-License-Identifier: MIT
// The in-process link: two drivers back to back, without delay, loss or anything in between. What
// one end's poll sends, the other end's next poll receives. It needs no clock and no simulation.

import { wrong } from "./check.ts";
import type { FrameRecorder, FrameSink } from "./frame-sink.ts";
import { SimDriver, type SimDriverOptions } from "./sim-driver.ts";

/** How a cable is made. */
export interface CableOptions {
  /** Options of both ends: `mtu`, `rxSlots`, `txSlots`, `checksumTx`. */
  readonly driver?: Omit<SimDriverOptions, "name" | "macAddress">;
  /** Names of the ends; default `["cable-a", "cable-b"]`. */
  readonly names?: readonly [string, string];
  /** MAC addresses; default 02:00:00:00:00:01 and :02. */
  readonly macAddresses?: readonly [Uint8Array, Uint8Array];
  /** Is told of every frame: a capture or a printer of traces. */
  readonly recorder?: FrameRecorder;
}

/**
 * Makes an in-process link.
 *
 * @param options - sizes, names, addresses
 * @returns the two ends; the caller closes both.
 * @throws NetError EINVAL: an option is out of range, or both ends have one MAC address.
 * @example
 * ```ts
 * import { createCable } from "caraway/testing";
 * const [a, b] = createCable();
 * a.close();
 * b.close();
 * ```
 */
export function createCable(options: CableOptions = {}): [SimDriver, SimDriver] {
  const names = options.names ?? ["cable-a", "cable-b"];
  const macs = options.macAddresses ?? [
    new Uint8Array([2, 0, 0, 0, 0, 1]),
    new Uint8Array([2, 0, 0, 0, 0, 2]),
  ];
  const a = new SimDriver({ ...options.driver, name: names[0], macAddress: macs[0] });
  const b = new SimDriver({ ...options.driver, name: names[1], macAddress: macs[1] });
  if (a.macAddress.every((byte, i) => byte === b.macAddress[i])) {
    throw wrong("sim.cable", "macAddresses", "must differ", macs[0]);
  }
  const { recorder } = options;
  a.connect(recorder === undefined ? b : new Tap(recorder, b));
  b.connect(recorder === undefined ? a : new Tap(recorder, a));
  return [a, b];
}

/** Tells a recorder of each frame on its way. */
class Tap implements FrameSink {
  private readonly recorder: FrameRecorder;
  private readonly next: FrameSink;

  constructor(recorder: FrameRecorder, next: FrameSink) {
    this.recorder = recorder;
    this.next = next;
  }

  receive(bytes: Uint8Array, offset: number, length: number, nowMs: number): void {
    this.recorder.record(bytes, offset, length, nowMs);
    this.next.receive(bytes, offset, length, nowMs);
  }
}
