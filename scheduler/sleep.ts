// SPDX-License-Identifier: MIT
// Time: `now`, `sleep` until a point in time, and `yieldNow`.

import { loop } from "./current.ts";
import { defaultLoop } from "./loop.ts";
import { checkTime, PENDING, READY, Wait, type WaitOwner, type WaitQueue } from "./wait.ts";

/**
 * The time on the loop's clock, in ms with fractions: monotonic, from an arbitrary start. It stands
 * still while one coroutine runs; a round reads the clock once.
 *
 * @example
 * ```ts
 * yield* sleep(now() + 100);
 * ```
 */
export function now(): number {
  return (loop ?? defaultLoop()).now();
}

class SleepWait extends Wait<void> {
  readonly untilMs: number;

  constructor(untilMs: number) {
    super("sleep");
    this.untilMs = untilMs;
  }

  override get wakeAtMs(): number {
    return this.untilMs;
  }

  override poll(nowMs: number): number {
    return nowMs >= this.untilMs ? READY : PENDING;
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
 */
export function sleep(deadline: number): Wait<void> {
  checkTime("sleep", deadline);
  return new SleepWait(deadline < 0 ? Number.POSITIVE_INFINITY : deadline);
}

class YieldWait extends Wait<void> {
  hasYielded: boolean;

  constructor() {
    super("yieldNow");
    this.hasYielded = false;
  }

  override reset(): void {
    this.hasYielded = false;
  }

  override poll(): number {
    if (this.hasYielded) return READY;
    this.hasYielded = true;
    return PENDING;
  }

  override queue(): WaitQueue | null {
    return null;
  }

  override park(owner: WaitOwner): void {
    this.owner = owner;
    owner.wake(this);
  }

  override take(): void {}
}

/**
 * Lets every other coroutine that is ready run once.
 *
 * @throws NetError ECANCELED, ETIMEDOUT (an enclosing `withDeadline` has passed)
 */
export function yieldNow(): Wait<void> {
  return new YieldWait();
}
