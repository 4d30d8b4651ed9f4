// SPDX-License-Identifier: MIT
// Cancels a coroutine at its k-th wait, for every k: what a sweep of cancellations needs. A wait
// is a park: a call that returns at once has nothing to cancel.

import { expect } from "vitest";
import { Timer, Wait, type Waiter } from "../../scheduler/internal.ts";
import { currentLoop, type Handle } from "../../src/index.ts";

/** Waits more than any scenario has: a sweep must end by itself. */
export const MOST_WAITS = 500;

/** Fires in the next round, at the same time: cancels. */
class Canceller extends Timer {
  handle: Handle<unknown> | null = null;

  override fire(): void {
    this.handle?.cancel();
  }
}

/** Counts the waits of one coroutine, and cancels it at the k-th. One at a time. */
export class CancelWatch {
  /** Waits so far. */
  seen = 0;
  readonly #at: number;
  readonly #timer: Canceller = new Canceller();
  readonly #park: (waiter: Waiter) => void;

  /** @param at - which wait, from 1 */
  constructor(at: number) {
    this.#at = at;
    this.#park = Wait.prototype.park;
    const watch = this;
    const { park } = Wait.prototype;
    Wait.prototype.park = function (this: Wait<unknown>, waiter: Waiter): void {
      park.call(this, waiter);
      watch.#parked(waiter);
    };
  }

  /** Whose waits are counted. */
  set handle(handle: Handle<unknown>) {
    this.#timer.handle = handle;
  }

  /** Counts no more. */
  end(): void {
    Wait.prototype.park = this.#park;
  }

  #parked(waiter: Waiter): void {
    if (this.#timer.handle?.coroutine !== waiter) return;
    if (++this.seen === this.#at) currentLoop().timers.arm(this.#timer, currentLoop().nowMs);
  }
}

/**
 * Runs a scenario once to count the waits of the coroutine it watches, then once for each of them,
 * cancelling there. The scenario says what must hold after each.
 *
 * @param scenario - sets `watch.handle`; gets the number of the wait, MOST_WAITS the first time
 * @param most - runs at most, spread over all waits; default: every wait
 * @returns how many waits there were
 */
export async function sweepCancellations(
  scenario: (watch: CancelWatch, k: number) => Promise<void>,
  most: number = MOST_WAITS,
): Promise<number> {
  const runAt = async (k: number): Promise<number> => {
    const watch = new CancelWatch(k);
    try {
      await scenario(watch, k);
    } finally {
      watch.end();
    }
    return watch.seen;
  };
  const waits = await runAt(MOST_WAITS);
  expect(waits).toBeGreaterThan(0);
  expect(waits).toBeLessThan(MOST_WAITS);
  const step = Math.max(1, Math.ceil(waits / most));
  for (let k = 1; k <= waits; k += step) {
    try {
      await runAt(k);
    } catch (error) {
      throw new Error(`cancelled at wait ${k} of ${waits}: ${String(error)}`, { cause: error });
    }
  }
  return waits;
}
