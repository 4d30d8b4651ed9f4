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
  nextInQueue: Waiter | null;
  previousInQueue: Waiter | null;
  /** It may be ready. Marks; must resume nobody (R3). */
  wake(): void;
}

/** Those who wait for one thing, first come first served. */
export class WaitQueue {
  /** Who has waited longest, null if nobody waits. */
  first: Waiter | null = null;
  /** Who came last. */
  last: Waiter | null = null;
  /** How many wait. */
  size = 0;

  /** Adds at the end. */
  push(waiter: Waiter): void {
    const { last } = this;
    waiter.inQueue = this;
    waiter.previousInQueue = last;
    if (last === null) this.first = waiter;
    else last.nextInQueue = waiter;
    this.last = waiter;
    this.size++;
  }

  /** Takes out `waiter`, who must be in this queue. */
  remove(waiter: Waiter): void {
    const { nextInQueue, previousInQueue } = waiter;
    if (previousInQueue === null) this.first = nextInQueue;
    else previousInQueue.nextInQueue = nextInQueue;
    if (nextInQueue === null) this.last = previousInQueue;
    else nextInQueue.previousInQueue = previousInQueue;
    waiter.inQueue = null;
    waiter.nextInQueue = null;
    waiter.previousInQueue = null;
    this.size--;
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
