// SPDX-License-Identifier: MIT
// A coroutine: a generator that the loop steps, what it waits for, how it is cancelled, and how it
// ends. It ends in this order: its children are cancelled and waited for, then what it owns is
// aborted, then its Effection scope (if it ever asked for one) is destroyed, then joiners hear.

import type { Operation } from "effection";
import { Bundle } from "./bundle.ts";
import { setCurrent } from "./current.ts";
import { Failure } from "./failure.ts";
import {
  MAX_STEPS_CANCELLED,
  MAX_SWALLOWED_CANCELLATIONS,
  READY_OPERATIONS_BUDGET,
} from "./limits.ts";
import type { Loop } from "./loop.ts";
import { NetError } from "./net-error.ts";
import { abandoned } from "./operation.ts";
import { DESTROYING, ENDED, ENDING, RUNNING } from "./phases.ts";
import { Routine } from "./routine.ts";
import { PENDING, READY, type Wait, type WaitOwner, type WaitQueue } from "./wait.ts";
import { WakeTimer } from "./wake-timer.ts";

/** An operation, or a function that makes one: what `go` and `run` take. */
export type OperationLike<T> = Operation<T> | (() => Operation<T>);

/** ECANCELED of Linux, as an outcome. */
const ECANCELED = -125;
/** ETIMEDOUT of Linux, as an outcome. */
const ETIMEDOUT = -110;

/** How the generator is to be resumed. */
export const NEXT = 0;
export const THROW = 1;
export const RETURN = 2;
/** Not at all: whoever it waits for says how. */
const NOT_YET = 3;
/** With ECANCELED thrown by what it is parked on. */
const CANCEL = 4;
/** Its body is done and its children are gone: it ends. */
const FINISH = 5;
/** With the wait that its budget has kept it from beginning. */
const BEGIN = 6;

/** What `advance` returns when the body has not ended. */
const WAITING: unique symbol = Symbol("waiting");
/** Result of a coroutine that its cancellation has ended. */
export const CANCELED: unique symbol = Symbol("canceled");

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
  /** Deadline of the innermost `withDeadline`, null for none. */
  deadlineMs: number | null;
  /** Siblings in the bundle. */
  nextSibling: Coroutine | null;
  previousSibling: Coroutine | null;
  /** Where its own `go` puts coroutines, made when first needed. */
  ownBundle: Bundle | null;
  /** Bundles it made with `bundle()`, made when first needed. */
  bundles: Set<Bundle> | null;
  /** Values in scope by key. Shared with its spawner until either sets one. */
  locals: ReadonlyMap<symbol, unknown> | null;
  /** Who waits for its end, made when first needed. */
  joiners: WaitQueue | null;
  /** Its face towards Effection, made when it first yields an effect of Effection's. */
  routine: Routine | null;
  result: unknown;
  /** What it failed with, null if it did not. */
  failure: Failure | null;

  constructor(
    loop: Loop,
    bundle: Bundle,
    name: string,
    iterator: Iterator<unknown, unknown, unknown>,
    deadlineMs: number | null,
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
    if (this.isCancelled && this.shields === 0 && !wait.isUncancellable) return this.refuse();
    if (--this.credits < 0) {
      // It has had its share: others run first, then it begins this wait.
      this.wait = wait;
      wait.owner = this;
      this.resumeMode = BEGIN;
      this.makeReady();
      return PENDING;
    }
    const { nowMs } = this.loop;
    const outcome = wait.poll(nowMs);
    if (outcome !== PENDING) return outcome;
    if (wait.givenMs !== null || wait.dueMs !== null || this.deadlineMs !== null) {
      if (this.limitOf(wait) <= nowMs) return ETIMEDOUT;
      this.armTimer(wait);
    }
    this.wait = wait;
    wait.park(this);
    return PENDING;
  }

  /**
   * A cancelled coroutine asks for something.
   *
   * @returns -ECANCELED; or PENDING once it has swallowed too many: it is to be ended by force
   */
  refuse(): number {
    if (++this.swallowed <= MAX_SWALLOWED_CANCELLATIONS) return ECANCELED;
    if (!this.isForced) {
      this.isForced = true;
      this.loop.reportForcedEnd(this);
    }
    return PENDING;
  }

  /** Runs it: called by the loop, which has just taken it from the ready list. */
  run(): void {
    const { wait } = this;
    if (wait !== null) {
      this.goOn(wait);
      return;
    }
    const mode = this.resumeMode;
    if (mode === NOT_YET) return;
    if (mode === FINISH) {
      this.finish();
      return;
    }
    const value = this.resumeValue;
    this.resumeMode = NEXT;
    this.resumeValue = undefined;
    this.step(mode, value);
  }

  /** Goes on with the wait that it is parked on, or is to begin. */
  private goOn(wait: Wait<unknown>): void {
    const mode = this.resumeMode;
    this.resumeMode = NEXT;
    let outcome = READY;
    try {
      if (mode === CANCEL) outcome = ECANCELED;
      else if (mode === BEGIN) outcome = this.beginDeferred(wait);
      else if (!wait.isHanded) outcome = this.pollAgain(wait);
    } catch (error) {
      this.unpark(wait);
      this.step(THROW, error);
      return;
    }
    if (outcome === PENDING && !this.isForced) return;
    this.unpark(wait);
    this.step(outcome === PENDING ? RETURN : NEXT, outcome);
  }

  private beginDeferred(wait: Wait<unknown>): number {
    this.wait = null;
    wait.owner = null;
    this.credits = READY_OPERATIONS_BUDGET;
    setCurrent(this);
    try {
      return this.begin(wait);
    } finally {
      setCurrent(null);
    }
  }

  /** An effect of Effection's that it waited for is done. */
  resume(mode: number, value: unknown): void {
    this.resumeMode = mode;
    this.resumeValue = value;
    this.makeReady();
  }

  /** The timer of its wait has fired. */
  timeUp(): void {
    if (this.wait !== null) this.makeReady();
    else this.routine?.interrupt(new NetError("ETIMEDOUT", "effect"));
  }

  /** Bounds an effect of Effection's by the enclosing deadline. */
  armDeadline(): void {
    if (this.deadlineMs !== null) this.armAt(this.deadlineMs);
  }

  /** Takes that back. */
  disarm(): void {
    if (this.timer?.isArmed === true) this.loop.timers.cancel(this.timer);
  }

  /** When what it is parked on ends at the latest, ms; Infinity for never. */
  get untilMs(): number {
    const { wait } = this;
    if (wait === null) return this.deadlineMs ?? Number.POSITIVE_INFINITY;
    return Math.min(this.limitOf(wait), wait.dueMs ?? Number.POSITIVE_INFINITY);
  }

  /** Asks it to end: its pending wait, and each later one, throws ECANCELED. Idempotent. */
  cancel(): void {
    if (this.isCancelled || this.phase === ENDED) return;
    this.isCancelled = true;
    if (this.phase === RUNNING) this.interrupt();
  }

  /** Something it started without joining it has failed: it ends with that error. */
  failFrom(error: unknown): void {
    this.failure ??= new Failure(error);
    this.cancel();
  }

  /** The bundle for `go` and for what this coroutine opens. */
  bundleForOwn(): Bundle {
    this.ownBundle ??= new Bundle(this.loop, this, null, "");
    return this.ownBundle;
  }

  /** Called by a bundle of it that has become empty. */
  childrenEnded(): void {
    if (this.phase !== ENDING || this.hasChildren()) return;
    // By way of the loop, since a chain of ancestors may end one after the other.
    this.resumeMode = FINISH;
    this.makeReady();
  }

  /** A value in scope: set by it, or by its spawner before it was started. */
  local(key: symbol): unknown {
    return this.locals?.get(key);
  }

  /** Puts a value in scope for itself and for what it starts from now on. */
  setLocal(key: symbol, value: unknown): void {
    this.locals = new Map(this.locals ?? []).set(key, value);
  }

  /** A child in its Effection scope has failed: it unwinds by Effection's rules. */
  unwind(): void {
    if (this.wait === null || this.isReady) return;
    this.withdraw(this.wait);
    this.resume(RETURN, undefined);
  }

  private withdraw(wait: Wait<unknown>): void {
    this.unpark(wait);
    wait.withdrawn(ECANCELED);
  }

  private pollAgain(wait: Wait<unknown>): number {
    const { nowMs } = this.loop;
    const outcome = wait.poll(nowMs);
    if (outcome !== PENDING) return outcome;
    if (this.isCancelled && this.shields === 0 && !wait.isUncancellable) return ECANCELED;
    if (this.limitOf(wait) <= nowMs) return ETIMEDOUT;
    this.armTimer(wait);
    wait.park(this);
    return PENDING;
  }

  private limitOf(wait: Wait<unknown>): number {
    const given = wait.givenMs;
    const enclosing = this.deadlineMs;
    if (given === null || given < 0) return enclosing ?? Number.POSITIVE_INFINITY;
    return enclosing !== null && enclosing < given ? enclosing : given;
  }

  private armTimer(wait: Wait<unknown>): void {
    const limitMs = this.limitOf(wait);
    const at = wait.dueMs !== null && wait.dueMs < limitMs ? wait.dueMs : limitMs;
    if (at !== Number.POSITIVE_INFINITY) this.armAt(at);
  }

  private armAt(atMs: number): void {
    this.timer ??= new WakeTimer(this);
    this.loop.timers.arm(this.timer, atMs);
  }

  private unpark(wait: Wait<unknown>): void {
    wait.unpark();
    this.wait = null;
    if (this.timer?.isArmed === true) this.loop.timers.cancel(this.timer);
  }

  /** Cancellation reaches what it waits for now. */
  private interrupt(): void {
    // What stands in the ready list has been handed something: that still arrives.
    if (this.isReady || this.shields > 0) return;
    const { wait } = this;
    if (wait === null) {
      this.routine?.interrupt(new NetError("ECANCELED", "effect"));
    } else if (!wait.isUncancellable) {
      // Out of the queue at once, so that nobody hands anything to it any more.
      wait.unpark();
      this.resumeMode = CANCEL;
      this.makeReady();
    }
  }

  /** Resumes the generator; it waits or ends. */
  private step(mode: number, value: unknown): void {
    setCurrent(this);
    this.credits = READY_OPERATIONS_BUDGET;
    let result: unknown;
    let failure: Failure | null = null;
    try {
      result = this.advance(mode, value);
    } catch (error) {
      failure = new Failure(error);
    }
    setCurrent(null);
    if (result !== WAITING) this.bodyEnded(result, failure);
  }

  /** Steps the generator until it waits. @returns WAITING, or what it has returned */
  private advance(mode: number, value: unknown): unknown {
    let step = mode === NEXT ? this.iterator.next(value) : this.stepAbruptly(mode, value);
    for (;;) {
      if (step.done === true) return step.value;
      const { wait } = this;
      if (wait !== null && step.value === wait) {
        if (this.routine === null || !this.routine.mustUnwind) return WAITING;
        this.withdraw(wait);
        step = this.stepAbruptly(RETURN, undefined);
      } else {
        if (!this.perform(step.value)) return WAITING;
        step = this.stepAbruptly(this.resumeMode, this.resumeValue);
      }
    }
  }

  /** The body yielded what is not a wait of ours. @returns false: it waits */
  private perform(effect: unknown): boolean {
    if (this.isForced && this.shields === 0) {
      if (++this.swallowed > MAX_STEPS_CANCELLED) throw abandoned(this.iterator);
      this.resumeMode = RETURN;
      return true;
    }
    this.routine ??= new Routine(this);
    const { routine } = this;
    this.resumeMode = NOT_YET;
    if (!routine.perform(effect)) return false;
    this.resumeMode = routine.mode;
    this.resumeValue = routine.value;
    if (--this.credits >= 0) return true;
    if (this.isInterrupted && !routine.data.critical) {
      // Effects that never wait must not keep a cancelled coroutine going for ever.
      this.refuse();
      this.resumeMode = THROW;
      this.resumeValue = new NetError("ECANCELED", "effect");
      this.credits = READY_OPERATIONS_BUDGET;
      return true;
    }
    this.makeReady();
    return false;
  }

  private stepAbruptly(mode: number, value: unknown): IteratorResult<unknown, unknown> {
    const { iterator } = this;
    this.resumeMode = NEXT;
    this.resumeValue = undefined;
    if (mode === NEXT) return iterator.next(value);
    if (this.routine !== null) this.routine.data.unwinding = false;
    if (mode === RETURN) return iterator.return?.(value) ?? { done: true, value };
    if (iterator.throw === undefined) throw value;
    return iterator.throw(value);
  }

  private bodyEnded(result: unknown, failure: Failure | null): void {
    if (this.phase === DESTROYING) {
      // What ended is the destruction of its Effection scope.
      this.failure ??= failure;
      this.settle();
      return;
    }
    this.phase = ENDING;
    this.result = result;
    if (failure !== null) {
      if (!isOwnCancellation(this, failure.error)) this.failure ??= failure;
      else if (this.failure === null) this.result = CANCELED;
    }
    if (this.ownBundle !== null || this.bundles !== null) {
      this.ownBundle?.beginClose();
      if (this.bundles !== null) for (const bundle of [...this.bundles]) bundle.beginClose();
      // Bundles without coroutines have closed; the last of the others calls `childrenEnded`.
      if (this.hasChildren()) {
        this.resumeMode = NOT_YET;
        return;
      }
    }
    this.finish();
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
    this.resumeMode = NEXT;
    if (this.bundles !== null) {
      for (const bundle of [...this.bundles]) {
        this.failure ??= bundle.takeFailure();
        bundle.end();
      }
    }
    this.ownBundle?.end();
    if (this.routine?.hasScope === true) {
      this.phase = DESTROYING;
      this.shields++;
      this.deadlineMs = null;
      this.iterator = this.routine.destroyScope();
      this.makeReady();
      return;
    }
    this.settle();
  }

  private settle(): void {
    this.phase = ENDED;
    const { failure, joiners } = this;
    const hasJoiner = joiners !== null && joiners.size > 0;
    if (hasJoiner) {
      for (let at = joiners.first; at !== null; at = at.nextInQueue) {
        at.isHanded = true;
        failure?.offer();
      }
      joiners.wakeAll();
    }
    this.bundle.childEnded(this, hasJoiner);
  }
}

/** The ECANCELED that a cancelled coroutine ends with is no failure. */
function isOwnCancellation(coroutine: Coroutine, error: unknown): boolean {
  return coroutine.isCancelled && error instanceof NetError && error.code === "ECANCELED";
}
