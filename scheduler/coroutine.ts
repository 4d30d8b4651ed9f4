// SPDX-License-Identifier: MIT
// A coroutine: a generator that the loop steps, what it waits for, how it is cancelled, and how it
// ends. It ends in this order: its children are cancelled and waited for, then what it owns is
// aborted, then its Effection scope (if it ever asked for one) is destroyed, then joiners hear.

import type { Operation } from "effection";
import { Bundle } from "./bundle.ts";
import { setCurrent } from "./current.ts";
import type { Loop } from "./loop.ts";
import { NetError } from "./net-error.ts";
import { Routine } from "./routine.ts";
import { Timer } from "./timer-wheel.ts";
import { PENDING, type Wait, type WaitOwner, type WaitQueue } from "./wait.ts";

/** An operation, or a function that makes one: what `go` and `run` take. */
export type OperationLike<T> = Operation<T> | (() => Operation<T>);

/** Operations that need not wait, before a coroutine must let the others run. */
export const READY_OPERATIONS_BUDGET = 128;
/** How often a cancelled coroutine may swallow ECANCELED before it is ended by force. */
export const MAX_SWALLOWED_CANCELLATIONS = 1_000;
/** How many more waits its `finally` blocks may then try. */
const MAX_FORCED_RETURNS = 100;

/** ECANCELED of Linux, as an outcome. */
const ECANCELED = -125;
/** ETIMEDOUT of Linux, as an outcome. */
const ETIMEDOUT = -110;

/** How the generator is to be resumed. */
export const NEXT = 0;
export const THROW = 1;
export const RETURN = 2;

/** A coroutine's way through life. */
export const RUNNING = 0;
/** Its body is done; children are being waited for. */
export const ENDING = 1;
/** Children and handles are gone; its Effection scope is being destroyed. */
export const DESTROYING = 2;
export const ENDED = 3;

/** Wakes a coroutine whose wait has a deadline. */
class WakeTimer extends Timer {
  readonly coroutine: Coroutine;

  constructor(coroutine: Coroutine) {
    super();
    this.coroutine = coroutine;
  }

  override fire(): void {
    this.coroutine.makeReady();
  }
}

/** One coroutine. Users hold it through a `Handle`. */
export class Coroutine implements WaitOwner {
  readonly loop: Loop;
  /** The bundle it runs in. */
  readonly bundle: Bundle;
  readonly name: string;
  iterator: Iterator<unknown, unknown, unknown>;
  phase: number;
  /** Next in the loop's ready list; meaningful while `isReady`. */
  nextReady: Coroutine | null;
  isReady: boolean;
  /** What it is parked on, null if on nothing of ours. */
  wait: Wait<unknown> | null;
  timer: WakeTimer | null;
  /** How to resume when `wait` is null. */
  resumeMode: number;
  resumeValue: unknown;
  /** Operations it may still do without letting others run. */
  credits: number;
  isCancelled: boolean;
  /** Depth of `shield`s; cancellation waits outside. */
  shields: number;
  swallowed: number;
  /** It has swallowed too many: only `finally` blocks still run. */
  isForced: boolean;
  /** Deadline of the innermost `withDeadline`, Infinity for none. */
  deadlineMs: number;
  /** Siblings in the bundle. */
  nextSibling: Coroutine | null;
  previousSibling: Coroutine | null;
  /** Where its own `go` puts coroutines, made when first needed. */
  ownBundle: Bundle | null;
  /** Bundles it made with `bundle()`, made when first needed. */
  bundles: Set<Bundle> | null;
  /** Values by key that children see too, made when first needed. */
  locals: Map<symbol, unknown> | null;
  /** Who waits for its end, made when first needed. */
  joiners: WaitQueue | null;
  /** Its face towards Effection, made when it first yields an effect of Effection's. */
  routine: Routine | null;
  result: unknown;
  /** What it failed with, null if it did not. */
  failure: { readonly error: unknown } | null;

  constructor(
    loop: Loop,
    bundle: Bundle,
    name: string,
    iterator: Iterator<unknown, unknown, unknown>,
    deadlineMs: number,
  ) {
    this.loop = loop;
    this.bundle = bundle;
    this.name = name;
    this.iterator = iterator;
    this.phase = RUNNING;
    this.nextReady = null;
    this.isReady = false;
    this.wait = null;
    this.timer = null;
    this.resumeMode = NEXT;
    this.resumeValue = undefined;
    this.credits = READY_OPERATIONS_BUDGET;
    this.isCancelled = false;
    this.shields = 0;
    this.swallowed = 0;
    this.isForced = false;
    this.deadlineMs = deadlineMs;
    this.nextSibling = null;
    this.previousSibling = null;
    this.ownBundle = null;
    this.bundles = null;
    this.locals = null;
    this.joiners = null;
    this.routine = null;
    this.result = undefined;
    this.failure = null;
  }

  /** True while a wait of it would throw ECANCELED. */
  get isInterrupted(): boolean {
    return this.isCancelled && this.shields === 0;
  }

  /** Puts it at the end of the ready list, unless it stands there. */
  makeReady(): void {
    if (!this.isReady) this.loop.enqueue(this);
  }

  /** WaitOwner: what it is parked on may be ready. */
  wake(_wait: Wait<unknown>): void {
    if (!this.isReady) this.loop.enqueue(this);
  }

  /** First step of a wait. @returns as `Wait.poll`; PENDING: it is parked on `wait` */
  begin(wait: Wait<unknown>): number {
    if (this.isCancelled && this.shields === 0 && !wait.isUncancellable) {
      if (++this.swallowed <= MAX_SWALLOWED_CANCELLATIONS) return ECANCELED;
      this.isForced = true;
      return PENDING;
    }
    const { loop } = this;
    if (--this.credits < 0) {
      // It has had its share: others run first, then this wait is polled.
      this.park(wait, this.limitOf(wait));
      this.makeReady();
      return PENDING;
    }
    const outcome = wait.poll(loop.nowMs);
    if (outcome !== PENDING) return outcome;
    const limitMs = this.limitOf(wait);
    if (limitMs <= loop.nowMs) return ETIMEDOUT;
    this.park(wait, limitMs);
    wait.park(this);
    return PENDING;
  }

  /** Runs it: called by the loop, which has just taken it from the ready list. */
  run(): void {
    const { wait } = this;
    if (wait === null) {
      const mode = this.resumeMode;
      const value = this.resumeValue;
      this.resumeMode = NEXT;
      this.resumeValue = undefined;
      this.step(mode, value);
      return;
    }
    const outcome = this.pollAgain(wait);
    if (outcome === PENDING) return;
    this.unpark(wait);
    this.step(NEXT, outcome);
  }

  /** Asks it to end: its pending wait, and each later one, throws ECANCELED. Idempotent. */
  cancel(): void {
    if (this.isCancelled || this.phase === ENDED) return;
    this.isCancelled = true;
    if (this.phase === RUNNING) this.interrupt();
  }

  /** Something it started without joining it has failed: it ends with that error. */
  failFrom(error: unknown): void {
    if (this.failure === null) this.failure = { error };
    this.cancel();
  }

  /** The error of a wait that its cancellation has ended. */
  cancellation(): NetError {
    return new NetError("ECANCELED", "effect");
  }

  /** The bundle for `go` and for what this coroutine opens. */
  bundleForOwn(): Bundle {
    this.ownBundle ??= new Bundle(this.loop, this, null, "");
    return this.ownBundle;
  }

  /** Called by a bundle of it that has become empty. */
  childrenEnded(): void {
    if (this.phase === ENDING && !this.hasChildren()) this.finish();
  }

  /** A value set by it or by the nearest ancestor that has set one. */
  local(key: symbol): unknown {
    for (let at: Coroutine | null = this; at !== null; at = at.bundle.parent) {
      const value = at.locals?.get(key);
      if (value !== undefined) return value;
    }
    return undefined;
  }

  /** A child in its Effection scope has failed: it unwinds by Effection's rules. */
  unwind(): void {
    if (this.wait === null || this.isReady) return;
    this.withdraw(this.wait);
    this.resumeMode = RETURN;
    this.makeReady();
  }

  private withdraw(wait: Wait<unknown>): void {
    this.unpark(wait);
    wait.withdrawn(ECANCELED);
  }

  private pollAgain(wait: Wait<unknown>): number {
    const nowMs = this.loop.nowMs;
    const outcome = wait.poll(nowMs);
    if (outcome !== PENDING) return outcome;
    if (this.isCancelled && this.shields === 0 && !wait.isUncancellable) return ECANCELED;
    if (wait.limitMs <= nowMs) return ETIMEDOUT;
    this.armTimer(wait);
    wait.park(this);
    return PENDING;
  }

  private limitOf(wait: Wait<unknown>): number {
    const given = wait.deadlineMs;
    const enclosing = wait.isUncancellable ? Number.POSITIVE_INFINITY : this.deadlineMs;
    // NaN (omitted) and negative (never) both fail this comparison.
    return given >= 0 && given < enclosing ? given : enclosing;
  }

  private park(wait: Wait<unknown>, limitMs: number): void {
    this.wait = wait;
    wait.owner = this;
    wait.limitMs = limitMs;
    this.armTimer(wait);
  }

  private armTimer(wait: Wait<unknown>): void {
    const at = Math.min(wait.limitMs, wait.wakeAtMs);
    if (at === Number.POSITIVE_INFINITY) return;
    this.timer ??= new WakeTimer(this);
    this.loop.timers.arm(this.timer, at);
  }

  private unpark(wait: Wait<unknown>): void {
    wait.unpark();
    this.wait = null;
    if (this.timer?.isArmed === true) this.loop.timers.cancel(this.timer);
  }

  /** Cancellation reaches what it waits for now. */
  private interrupt(): void {
    if (this.isReady || this.shields > 0) return;
    if (this.wait !== null) {
      if (!this.wait.isUncancellable) this.makeReady();
    } else {
      this.routine?.interrupt(this.cancellation());
    }
  }

  /** Resumes the generator, and goes on until it waits or ends. */
  private step(mode: number, value: unknown): void {
    const previous = setCurrent(this);
    this.credits = READY_OPERATIONS_BUDGET;
    try {
      let forced = 0;
      for (;;) {
        const { iterator } = this;
        let step: IteratorResult<unknown, unknown>;
        if (mode === NEXT) step = iterator.next(value);
        else if (mode === THROW) step = this.throwInto(iterator, value);
        else step = iterator.return?.(value) ?? { done: true, value };
        if (step.done === true) {
          this.bodyEnded(step.value, null);
          return;
        }
        const effect = step.value;
        const { wait } = this;
        if (effect === wait && wait !== null) {
          if (this.routine?.mustUnwind !== true) return;
          this.withdraw(wait);
          this.routine.data.unwinding = false;
          mode = RETURN;
          value = undefined;
        } else if (this.isForced) {
          if (forced++ === 0) this.loop.reportForcedEnd(this);
          if (forced > MAX_FORCED_RETURNS) {
            this.bodyEnded(undefined, { error: new NetError("ECANCELED", "go") });
            return;
          }
          mode = RETURN;
          value = undefined;
        } else {
          this.routine ??= new Routine(this);
          const { routine } = this;
          if (!routine.perform(effect)) return;
          mode = routine.mode;
          value = routine.value;
        }
      }
    } catch (error) {
      this.bodyEnded(undefined, { error });
    } finally {
      setCurrent(previous);
    }
  }

  private throwInto(
    iterator: Iterator<unknown, unknown, unknown>,
    error: unknown,
  ): IteratorResult<unknown, unknown> {
    if (iterator.throw === undefined) throw error;
    return iterator.throw(error);
  }

  private bodyEnded(result: unknown, failure: { error: unknown } | null): void {
    if (this.phase === DESTROYING) {
      // What ended is the destruction of its Effection scope.
      if (failure !== null && this.failure === null) this.failure = failure;
      this.settle();
      return;
    }
    this.phase = ENDING;
    this.result = result;
    if (failure !== null && this.failure === null && !isOwnCancellation(this, failure.error)) {
      this.failure = failure;
    }
    if (this.hasChildren()) {
      this.ownBundle?.cancelAll();
      if (this.bundles !== null) for (const bundle of this.bundles) bundle.cancelAll();
    } else {
      this.finish();
    }
  }

  private hasChildren(): boolean {
    if (this.ownBundle !== null && this.ownBundle.size > 0) return true;
    if (this.bundles !== null) {
      for (const bundle of this.bundles) if (bundle.size > 0) return true;
    }
    return false;
  }

  /** Children are gone. */
  private finish(): void {
    if (this.bundles !== null) {
      for (const bundle of [...this.bundles]) {
        const failure = bundle.takeFailure();
        if (failure !== null && this.failure === null) this.failure = failure;
        bundle.end();
      }
    }
    this.ownBundle?.end();
    if (this.routine?.hasScope === true) {
      this.iterator = this.routine.destroyScope();
      this.phase = DESTROYING;
      this.shields++;
      this.makeReady();
      return;
    }
    this.settle();
  }

  private settle(): void {
    this.phase = ENDED;
    this.wait = null;
    if (this.timer?.isArmed === true) this.loop.timers.cancel(this.timer);
    const hasJoiner = this.joiners !== null && this.joiners.size > 0;
    this.joiners?.wakeAll();
    this.bundle.childEnded(this, hasJoiner);
  }
}

/** True for the ECANCELED that a cancelled coroutine ends with: no failure. */
function isOwnCancellation(coroutine: Coroutine, error: unknown): boolean {
  return coroutine.isCancelled && error instanceof NetError && error.code === "ECANCELED";
}
