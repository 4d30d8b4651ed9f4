// SPDX-License-Identifier: MIT
// The virtual clock: time stands still while anything can run, then jumps to the next timer. A
// two-minute timeout takes no time, and the same program sees the same times every run.

import type { Clock } from "./clock.ts";

/** Start of virtual time, ms: above 0, since 0 as a deadline means "now" and -1 "never". */
const START_MS = 1_000;

/** A clock that the loop moves. */
export class VirtualClock implements Clock {
  readonly isVirtual = true;
  #nowMs: number = START_MS;

  read(): number {
    return this.#nowMs;
  }

  jump(toMs: number): void {
    // Never back: a timer armed for the past fires at the present.
    if (toMs > this.#nowMs) this.#nowMs = toMs;
  }

  soon(turn: () => void): void {
    setImmediate(turn);
  }

  after(delayMs: number, turn: () => void): () => void {
    const timeout = setTimeout(turn, delayMs);
    return () => clearTimeout(timeout);
  }

  keepAlive(): () => void {
    const interval = setInterval(() => {}, 2 ** 31 - 1);
    return () => clearInterval(interval);
  }
}
