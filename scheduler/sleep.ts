// SPDX-License-Identifier: MIT
// Time: `now`, `sleep` until a point in time, and `yieldNow`.

import { loop } from "./current.ts";
import { defaultLoop } from "./loop.ts";
import { checkTime, PENDING, READY, Wait, type WaitOwner, type WaitQueue } from "./wait.ts";

/**
 * The time on the loop's clock, in ms with fractions: monotonic, from an arbitrary start. It stands
 * still while one coroutine runs; a round reads the clock once.
 *
 * @returns the time, to which deadlines are relative
 * @example
 * ```ts
 * yield* sleep(now() + 100);
 * ```
 */
export function now(): number {
  return (loop ?? defaultLoop()).now();
}

class SleepWait extends Wait<void> {
  constructor(untilMs: number) {
    super("sleep");
    this.dueMs = untilMs < 0 ? null : untilMs;
  }

  override poll(nowMs: number): number {
    return this.dueMs !== null && nowMs >= this.dueMs ? READY : PENDING;
  }

  override queue(): WaitQueue | null {
    return null;
  }

  override take(): void {}
}

/**
 * Waits until a point in time.
 *
 * @param deadline - absolute ms on the loop's clock; in the past or 0: returns at once; negative:
 *   waits until cancelled
 * @throws NetError ECANCELED, EINVAL, ETIMEDOUT (an enclosing `withDeadline` ends first)
 * @example
 * ```ts
 * yield* sleep(now() + 250);
 * ```
 */
export function sleep(deadline: number): Wait<void> {
  checkTime("sleep", deadline);
  return new SleepWait(deadline);
}

class YieldWait extends Wait<void> {
  constructor() {
    super("yieldNow");
  }

  override poll(): number {
    return this.isHanded ? READY : PENDING;
  }

  override queue(): WaitQueue | null {
    return null;
  }

  override park(owner: WaitOwner): void {
    this.owner = owner;
    this.isHanded = true;
    owner.wake(this);
  }

  override take(): void {}
}

/**
 * Lets every other coroutine that is ready run once.
 *
 * @throws NetError ECANCELED, ETIMEDOUT (an enclosing `withDeadline` has passed)
 * @example
 * ```ts
 * for (let i = 0; i < 1e9; i++) if (i % 1e6 === 0) yield* yieldNow();
 * ```
 */
export function yieldNow(): Wait<void> {
  return new YieldWait();
}
