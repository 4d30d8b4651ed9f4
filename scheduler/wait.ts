// SPDX-License-Identifier: MIT
// The one thing that blocks: a Wait. It is an operation (iterable, for `yield*`), an effect (what
// it yields is itself, so that a coroutine of ours and a plain Effection task can both interpret
// it), a clause of `choose`, and the node by which it stands in a queue. Whoever can make it ready
// wakes the queue; that only marks (R3), the run loop polls the Wait again.

import type { Effect, Operation, Result } from "effection";
import { begin, current, enterTask } from "./current.ts";
import { codeOf, ERRNO } from "./errno.ts";
import { NetError } from "./net-error.ts";
import { explainPassed } from "./passed-deadline.ts";

/** Outcome of `Wait.poll`: the result can be taken. */
export const READY = 0;
/** Outcome of `Wait.poll`: not yet; park on `queue()`. */
export const PENDING = 1;

/** Who is told that a Wait may be ready: a coroutine, a choose, a plain Effection task. */
export interface WaitOwner {
  /** Marks; must resume nobody. */
  wake(wait: Wait<unknown>): void;
}

/**
 * An operation that may block. Subclasses say how to try, where to park and what comes out.
 *
 * Order at every Wait: cancelled, then ready, then the deadline, then parked.
 *
 * @example
 * ```ts
 * const values = channel<string>(1);
 * const sending = values.send("hello"); // nothing has happened yet
 * yield* sending;
 * ```
 */
export abstract class Wait<T> implements Operation<T>, Effect<number> {
  /** The operation as users know it, for errors and `loop.tree()`: `"tcp.connect"`. */
  readonly syscall: string;
  // Two times that most waits do not have: `null`, because a number would cost each wait a box.
  /** The deadline as given: ms on the loop's clock, negative never, 0 now; null: omitted. */
  readonly givenMs: number | null;
  /** @internal A time at which to poll again although nothing woke it; null for none. */
  dueMs: number | null;
  /** @internal Set while parked: who is told. */
  owner: WaitOwner | null;
  /** @internal The queue it stands in, null if in none. */
  inQueue: WaitQueue | null;
  /** @internal */
  nextInQueue: Wait<unknown> | null;
  /** @internal */
  previousInQueue: Wait<unknown> | null;
  /** @internal Set once this use of the object has begun. */
  isStarted: boolean;
  /** @internal It is one of several in a `choose`, so it must take nothing unless it takes all. */
  isClause: boolean;
  /** @internal A result is ours already: whoever wakes this wait has handed it over. */
  isHanded: boolean;

  constructor(syscall: string, deadline?: number) {
    if (deadline !== undefined) checkTime(syscall, deadline);
    this.syscall = syscall;
    this.givenMs = deadline === undefined ? null : deadline;
    this.dueMs = null;
    this.owner = null;
    this.inQueue = null;
    this.nextInQueue = null;
    this.previousInQueue = null;
    this.isStarted = false;
    this.isClause = false;
    this.isHanded = false;
  }

  /** The deadline as given: ms on the loop's clock, negative never, 0 now, NaN omitted. */
  get deadlineMs(): number {
    return this.givenMs ?? Number.NaN;
  }

  /**
   * Tries; may make progress.
   *
   * @param nowMs - the time of this round
   * @returns READY, PENDING or -errno
   */
  abstract poll(nowMs: number): number;
  /**
   * Where to stand while PENDING.
   *
   * @returns a queue; null: only time or cancellation ends it
   */
  abstract queue(): WaitQueue | null;
  /**
   * The result, asked for once after READY.
   *
   * @returns what `yield*` evaluates to
   */
  abstract take(): T;

  /**
   * The wait ends without a result: -errno, or 0 when `choose` took another clause. Undo here what
   * `poll` has begun.
   *
   * @param _errno - negative, or 0
   */
  withdrawn(_errno: number): void {}

  /**
   * What is thrown when the wait ends without a result.
   *
   * @param errno - negative
   * @returns a NetError unless a subclass says otherwise
   */
  error(errno: number): Error {
    return new NetError(codeOf(errno), this.syscall);
  }

  /** Forgets an earlier use of the same object. */
  reset(): void {}

  /** True: a cancelled coroutine waits for it all the same (closing what it has started). */
  get isUncancellable(): boolean {
    return false;
  }

  /** @internal Begins to stand where `queue()` says. */
  park(owner: WaitOwner): void {
    this.owner = owner;
    if (this.inQueue === null) this.queue()?.push(this);
  }

  /** @internal Stands nowhere any more. */
  unpark(): void {
    this.owner = null;
    if (this.inQueue !== null) this.inQueue.remove(this);
  }

  /** Effection's description of an effect. */
  get description(): string {
    return this.syscall;
  }

  [Symbol.iterator](): Iterator<Effect<unknown>, T, unknown> {
    this.restart();
    return this as unknown as Iterator<Effect<unknown>, T, unknown>;
  }

  /** @internal Makes the object ready for another use. */
  restart(): void {
    if (this.owner !== null) {
      throw new NetError("EBUSY", this.syscall, {
        message: "this operation is being waited for already",
      });
    }
    this.isStarted = false;
    this.isClause = false;
    this.isHanded = false;
    this.reset();
  }

  /** @internal The step: finishes at once if it can, else yields itself and gets an outcome. */
  next(outcome?: unknown): IteratorResult<unknown, T> {
    if (!this.isStarted) {
      this.isStarted = true;
      // Outside our coroutines Effection calls `enter`, which begins.
      if (current === null) return parked(this);
      const first = begin(current, this);
      return first === PENDING ? parked(this) : finish(this, first);
    }
    return finish(this, outcome as number);
  }

  /** @internal An iterator's `throw`. */
  throw(error: unknown): never {
    throw error;
  }

  /** @internal An iterator's `return`. */
  return(value: unknown): IteratorResult<unknown, T> {
    return { done: true, value: value as T };
  }

  /** @internal Effection's side: called when a plain Effection task yields this. */
  enter(
    resolve: (result: Result<number>) => void,
    routine: unknown,
  ): (resolve: (result: Result<void>) => void) => void {
    return enterTask(this as Wait<unknown>, resolve, routine);
  }
}

// `yield*` reads an iterator's result before anything else runs, so one object of each kind does.
const PARKED: { done: false; value: unknown } = { done: false, value: null };
const RESULT: { done: true; value: unknown } = { done: true, value: undefined };

function parked(wait: Wait<unknown>): IteratorResult<unknown, never> {
  PARKED.value = wait;
  return PARKED;
}

function finish<T>(wait: Wait<T>, outcome: number): IteratorResult<unknown, T> {
  if (outcome === READY) {
    RESULT.value = wait.take();
    return RESULT as IteratorResult<unknown, T>;
  }
  wait.withdrawn(outcome);
  const error = wait.error(outcome);
  throw outcome === -ERRNO.ETIMEDOUT ? explainPassed(error, wait.givenMs) : error;
}

/** Refuses what is no point in time. */
export function checkTime(syscall: string, deadline: unknown): asserts deadline is number {
  if (typeof deadline !== "number") {
    throw new TypeError(`${syscall}: deadline must be a number of ms, got ${typeof deadline}`);
  }
  if (Number.isNaN(deadline)) {
    throw new NetError("EINVAL", syscall, { message: "deadline must not be NaN" });
  }
}

/** Those who wait for one thing, first come first served. */
export class WaitQueue {
  /** Who has waited longest, null if nobody waits. */
  first: Wait<unknown> | null = null;
  /** Who came last. */
  last: Wait<unknown> | null = null;
  /** Waits in the queue. */
  size = 0;

  /** Adds at the end. */
  push(wait: Wait<unknown>): void {
    wait.inQueue = this;
    wait.nextInQueue = null;
    wait.previousInQueue = this.last;
    if (this.last === null) this.first = wait;
    else this.last.nextInQueue = wait;
    this.last = wait;
    this.size++;
  }

  /** Takes out `wait`, which must be in this queue. */
  remove(wait: Wait<unknown>): void {
    const { nextInQueue, previousInQueue } = wait;
    if (previousInQueue === null) this.first = nextInQueue;
    else previousInQueue.nextInQueue = nextInQueue;
    if (nextInQueue === null) this.last = previousInQueue;
    else nextInQueue.previousInQueue = previousInQueue;
    wait.inQueue = null;
    wait.nextInQueue = null;
    wait.previousInQueue = null;
    this.size--;
  }

  /** Marks who has waited longest ready. @returns false if nobody waits */
  wakeOne(): boolean {
    const wait = this.first;
    if (wait === null) return false;
    this.wake(wait);
    return true;
  }

  /** Marks `wait`, which must be in this queue, ready. */
  wake(wait: Wait<unknown>): void {
    this.remove(wait);
    (wait.owner as WaitOwner).wake(wait);
  }

  /** Marks all ready, in order. */
  wakeAll(): void {
    while (this.first !== null) this.wakeOne();
  }
}
