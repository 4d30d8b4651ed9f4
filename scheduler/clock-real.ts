// SPDX-License-Identifier: MIT
// The real clock. This file and clock-virtual.ts are the only ones that may ask the machine for
// the time or for a turn of its event loop (R1). Turns may also come from a poller (`Spinner`):
// that is I/O, told of itself by whoever does it, and what time it is still only the clock says.

import type { Clock } from "./clock.ts";

/**
 * What the clock shows when the process starts, ms. Not 0: `now() - 1_000` must not be negative,
 * which means never, and a length of time taken for a deadline must have passed.
 */
const START_MS = 1_000_000;
/** Longest delay of Node's timers, ms; the loop simply looks again then. */
const MAX_DELAY_MS = 2 ** 31 - 1;
/** A global of Node's is looked up by name at every use; the clock is read in every round. */
const machine = performance;

/** The machine's monotonic clock. */
export class RealClock implements Clock {
  readonly isVirtual = false;

  read(): number {
    return START_MS + machine.now();
  }

  jump(): void {}

  soon(turn: () => void): void {
    setImmediate(turn);
  }

  after(delayMs: number, turn: () => void): () => void {
    const timeout = setTimeout(turn, Math.min(Math.ceil(delayMs), MAX_DELAY_MS));
    return () => clearTimeout(timeout);
  }

  keepAlive(): () => void {
    const interval = setInterval(() => {}, MAX_DELAY_MS);
    return () => clearInterval(interval);
  }
}
