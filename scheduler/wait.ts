// SPDX-License-Identifier: MIT
// The one thing that blocks: a Wait. It is an operation (iterable, for `yield*`), an effect (so
// that a coroutine of ours and a plain Effection task can both interpret it) and a clause of
// `choose`. Whoever can make it ready wakes the queue it names; that only marks (R3), the run loop
// polls the Wait again.
//
// A program has many kinds of Waits, so that each access to one from here or from the coroutine
// costs a look-up: they hold little, and what belongs to whoever waits is kept by the waiter.

import type { Effect, Operation, Result } from "effection";
import { current, enterTask } from "./current.ts";
import { codeOf, ERRNO } from "./errno.ts";
import { NetError } from "./net-error.ts";
import { explainPassed } from "./passed-deadline.ts";
import type { Waiter, WaitQueue } from "./wait-queue.ts";

/** Outcome of `Wait.poll`: the result can be taken. */
export const READY = 0;
/** Outcome of `Wait.poll`: not yet; park on `queue()`. */
export const PENDING = 1;

/** What a coroutine gets that is to be ended by force: no outcome, its generator returns. */
export const FORCED = 2;

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
  /** @internal Set while parked: who waits for it. */
  waiter: Waiter | null;
  /** @internal It is one of several in a `choose`, so it must take nothing unless it takes all. */
  isClause: boolean;
  /** @internal A result is ours already: whoever wakes this wait has handed it over. */
  isHanded: boolean;

  constructor(syscall: string, deadline?: number) {
    if (deadline !== undefined) checkTime(syscall, deadline);
    this.syscall = syscall;
    this.givenMs = deadline === undefined ? null : deadline;
    this.dueMs = null;
    this.waiter = null;
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

  /** @internal `waiter` stands where `queue()` says, if it does not yet. */
  park(waiter: Waiter): void {
    this.waiter = waiter;
    if (waiter.inQueue !== null) return;
    const queue = this.queue();
    if (queue === null) this.parkApart(waiter);
    else queue.push(waiter);
  }

  /** @internal It was parked, and there is no queue. */
  parkApart(_waiter: Waiter): void {}

  /** @internal Nobody waits for it any more. Idempotent. */
  unpark(): void {
    const { waiter } = this;
    this.waiter = null;
    if (waiter !== null && waiter.inQueue !== null) waiter.inQueue.remove(waiter);
  }

  /** @internal Wakes whoever stands in a queue for it, and nobody else there. */
  wakeWaiter(): void {
    const { waiter } = this;
    if (waiter !== null && waiter.inQueue !== null) waiter.inQueue.wake(waiter);
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
    if (this.waiter !== null) {
      throw new NetError("EBUSY", this.syscall, {
        message: "this operation is being waited for already",
      });
    }
    this.isClause = false;
    this.isHanded = false;
    this.reset();
  }

  /**
   * @internal The step: finishes at once if it can, else waits. `yield*` makes the first without a
   * value; whoever resumes it afterwards does so with an outcome.
   */
  next(outcome?: unknown): IteratorResult<unknown, T> {
    if (outcome !== undefined) return finish(this, outcome as number);
    // Outside our coroutines Effection calls `enter`, which begins.
    if (current === null) return { done: false, value: this };
    const first = current.begin(this);
    return first > READY ? waits(first) : finish(this, first);
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

/** The effect that stands for a wait of the running coroutine. */
const WAITS: Effect<number> = {
  description: "waits",
  // Effection steps a task that is started in a coroutine's body (its `run`) before the body goes
  // on. What began as the coroutine's wait was the task's: it is given back, and begins there.
  enter(resolve, routine) {
    const wait = current?.giveBack() ?? null;
    if (wait !== null) return enterTask(wait, resolve, routine);
    resolve({ ok: true, value: READY });
    return (didExit) => didExit({ ok: true, value: undefined });
  },
};
/**
 * What a Wait yields in a coroutine: it waits, and the coroutine knows for what. `yield*` passes
 * the very object on, through all generators, so that nobody looks into it.
 */
export const PARKED: { readonly done: false; readonly value: unknown } = {
  done: false,
  value: WAITS,
};
/** What it yields in a coroutine that is to be ended by force. */
const UNWIND: { readonly done: false; readonly value: unknown } = { done: false, value: null };
// `yield*` reads an iterator's result before anything else runs, so one object does.
const RESULT: { done: true; value: unknown } = { done: true, value: undefined };

/** @returns what is yielded for PENDING or FORCED */
export function waits(outcome: number): IteratorResult<unknown, never> {
  return outcome === FORCED ? UNWIND : PARKED;
}

/** @returns the last step of `wait`: its result; or throws the error that `outcome` stands for */
export function finish<T>(wait: Wait<T>, outcome: number): IteratorResult<unknown, T> {
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
