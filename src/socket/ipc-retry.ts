// SPDX-License-Identifier: MIT
// Trying again after a while, where the kernel does not tell when it is worth while: unix(7) tells
// nobody that a full backlog, or the full queue of a receiver, has room again.

import { type Loop, Timer, type Wait } from "../../scheduler/internal.ts";

/** How soon to try again: twice as long each time. */
const FIRST_RETRY_MS = 1;
const LAST_RETRY_MS = 50;

/** Wakes a Wait that stands in a queue. */
export class RetryTimer extends Timer {
  readonly #wait: Wait<unknown>;
  #delayMs = 0;

  constructor(wait: Wait<unknown>) {
    super();
    this.#wait = wait;
  }

  /** Has it polled again, later than the last time. */
  arm(loop: Loop, nowMs: number): void {
    this.#delayMs = this.#delayMs === 0 ? FIRST_RETRY_MS : this.#delayMs * 2;
    this.#delayMs = Math.min(this.#delayMs, LAST_RETRY_MS);
    loop.timers.arm(this, nowMs + this.#delayMs);
  }

  override fire(): void {
    this.#wait.wakeWaiter();
  }
}
