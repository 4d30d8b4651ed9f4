// SPDX-License-Identifier: MIT
// Where one stands while one waits. It is the waiter that stands in the queue, not the operation:
// a coroutine waits for one thing at a time, so it is its own node, and since nearly all waiters
// are coroutines, the code of a queue meets one shape of object however many kinds of operations
// there are.

import type { Wait } from "./wait.ts";

/** Who waits: a coroutine, a clause of a `choose`, a plain Effection task. */
export interface Waiter {
  /** What it waits for, null while for nothing. */
  readonly wait: Wait<unknown> | null;
  /** The queue it stands in, null if in none. */
  inQueue: WaitQueue | null;
  /** Who came next, null for whoever came last. */
  nextInQueue: Waiter | null;
  /** Who came before; for the first in a queue whoever came last. */
  previousInQueue: Waiter | null;
  /** It may be ready. Marks; must resume nobody (R3). */
  wake(): void;
}

/** Those who wait for one thing, first come first served. */
export class WaitQueue {
  /** Who has waited longest, null if nobody waits. */
  first: Waiter | null = null;

  /** True while nobody waits. */
  get isEmpty(): boolean {
    return this.first === null;
  }

  /** Adds at the end. */
  push(waiter: Waiter): void {
    const { first } = this;
    waiter.inQueue = this;
    if (first === null) {
      this.first = waiter;
      waiter.previousInQueue = waiter;
      return;
    }
    const last = first.previousInQueue as Waiter;
    last.nextInQueue = waiter;
    waiter.previousInQueue = last;
    first.previousInQueue = waiter;
  }

  /** Takes out `waiter`, who must be in this queue. */
  remove(waiter: Waiter): void {
    const { nextInQueue, previousInQueue } = waiter;
    const { first } = this;
    if (waiter === first) this.first = nextInQueue;
    else (previousInQueue as Waiter).nextInQueue = nextInQueue;
    // Behind the last comes the first, who is `waiter` if nobody else waits.
    const behind = nextInQueue ?? (first as Waiter);
    behind.previousInQueue = previousInQueue;
    waiter.inQueue = null;
    waiter.nextInQueue = null;
    waiter.previousInQueue = null;
  }

  /** Marks who has waited longest ready. @returns false if nobody waits */
  wakeOne(): boolean {
    const { first } = this;
    if (first === null) return false;
    this.wake(first);
    return true;
  }

  /** Marks `waiter`, who must be in this queue, ready. */
  wake(waiter: Waiter): void {
    this.remove(waiter);
    waiter.wake();
  }

  /** Marks all ready, in order. */
  wakeAll(): void {
    while (this.first !== null) this.wake(this.first);
  }
}
