// SPDX-License-Identifier: MIT
// Time: `now`, `sleep` until a point in time, and `yieldNow`.

import type { Effect } from "effection";
import { current, loop } from "./current.ts";
import { defaultLoop } from "./loop.ts";
import { checkTime, finish, PENDING, READY, Wait, waits } from "./wait.ts";
import type { Waiter, WaitQueue } from "./wait-queue.ts";

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

/** `yieldNow`: without state in a coroutine, so that one object serves them all. */
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

  override parkApart(waiter: Waiter): void {
    this.isHanded = true;
    waiter.wake();
  }

  override take(): void {}

  override [Symbol.iterator](): Iterator<Effect<unknown>, void, unknown> {
    return this as unknown as Iterator<Effect<unknown>, void, unknown>;
  }

  override next(outcome?: unknown): IteratorResult<unknown, void> {
    if (outcome === READY) return DONE;
    if (outcome !== undefined) return finish(this, outcome as number);
    // A plain Effection task parks it.
    if (current === null) return { done: false, value: new YieldWait() };
    const first = current.yieldTurn();
    return first > READY ? waits(first) : finish(this, first);
  }
}

const DONE: IteratorReturnResult<void> = { done: true, value: undefined };
const YIELD: YieldWait = new YieldWait();

/** @returns `clause`; for `yieldNow` one of its own: a `choose` parks it, so it has state there */
export function ownClause<T>(clause: Wait<T>): Wait<T> {
  return (clause as Wait<unknown>) === YIELD ? (new YieldWait() as unknown as Wait<T>) : clause;
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
  return YIELD;
}
