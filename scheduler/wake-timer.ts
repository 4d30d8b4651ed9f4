// SPDX-License-Identifier: MIT
// The one timer of a coroutine: the deadline of what it waits for.

import { Timer } from "./timer-wheel.ts";

/** Tells a coroutine that its time is up. */
export class WakeTimer extends Timer {
  readonly sleeper: { timeUp(): void };

  constructor(sleeper: { timeUp(): void }) {
    super();
    this.sleeper = sleeper;
  }

  override fire(): void {
    this.sleeper.timeUp();
  }
}
