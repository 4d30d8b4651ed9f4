// SPDX-License-Identifier: MIT
// A coroutine: a generator that the loop steps, what it waits for, and how it is cancelled. How it
// ends is told in ending.ts.

import type { Operation } from "effection";
import { Bundle } from "./bundle.ts";
import { setCurrent } from "./current.ts";
import { bodyEnded, finish, hasChildren } from "./ending.ts";
import { Extras, Inherited } from "./extras.ts";
import { Failure } from "./failure.ts";
import {
  MAX_STEPS_CANCELLED,
  MAX_SWALLOWED_CANCELLATIONS,
  READY_OPERATIONS_BUDGET,
} from "./limits.ts";
import type { Loop } from "./loop.ts";
import { BEGIN, CANCEL, FINISH, NEXT, NOT_YET, RETURN, THROW, YIELDED } from "./modes.ts";
import { NetError } from "./net-error.ts";
import { abandoned } from "./operation.ts";
import { ENDED, ENDING, RUNNING } from "./phases.ts";
import { Routine } from "./routine.ts";
import { FORCED, PARKED, PENDING, READY, type Wait } from "./wait.ts";
import type { Waiter, WaitQueue } from "./wait-queue.ts";
import { WakeTimer } from "./wake-timer.ts";

/** An operation, or a function that makes one: what `go` and `run` take. */
export type OperationLike<T> = Operation<T> | (() => Operation<T>);

/** ECANCELED of Linux, as an outcome. */
const ECANCELED = -125;
/** ETIMEDOUT of Linux, as an outcome. */
const ETIMEDOUT = -110;

/** What `advance` returns when the body has not ended. */
const WAITING: unique symbol = Symbol("waiting");
/** One coroutine. Users hold it through a `Handle`. */
export class Coroutine implements Waiter {
  /** The bundle it runs in. */
  readonly bundle: Bundle;
  iterator: Iterator<unknown, unknown, unknown>;
  phase: number;
  isCancelled: boolean;
  /** How to resume; while it is parked on `wait` NEXT, or why not to ask that first. */
  resumeMode: number;
  /** Next in the loop's ready list, itself if it is the last there, null if it is not there. */
  nextReady: Coroutine | null;
  /** What it is parked on, null if on nothing of ours. */
  wait: Wait<unknown> | null;
  inQueue: WaitQueue | null;
  nextInQueue: Waiter | null;
  previousInQueue: Waiter | null;
  timer: WakeTimer | null;
  /** Siblings in the bundle. */
  nextSibling: Coroutine | null;
  previousSibling: Coroutine | null;
  /** Where its own `go` puts coroutines, made when first needed. */
  ownBundle: Bundle | null;
  /** Deadline and values in scope, null for neither. */
  inherited: Inherited | null;
  extras: Extras | null;

  constructor(
    bundle: Bundle,
    iterator: Iterator<unknown, unknown, unknown>,
    inherited: Inherited | null,
  ) {
    this.bundle = bundle;
    this.iterator = iterator;
    this.phase = RUNNING;
    this.isCancelled = false;
    this.resumeMode = NEXT;
    this.nextReady = null;
    this.wait = null;
    this.inQueue = null;
    this.nextInQueue = null;
    this.previousInQueue = null;
    this.timer = null;
    this.nextSibling = null;
    this.previousSibling = null;
    this.ownBundle = null;
    this.inherited = inherited;
    this.extras = null;
  }

  get loop(): Loop {
    return this.bundle.loop;
  }

  get name(): string {
    return this.extras?.name ?? "";
  }

  /** What it failed with, null if it did not. */
  get failure(): Failure | null {
    return this.extras?.failure ?? null;
  }

  /** What its body has returned, or CANCELED. */
  get result(): unknown {
    return this.extras?.result;
  }

  /** Bundles it made with `bundle()`. */
  get bundles(): Set<Bundle> | null {
    return this.extras?.bundles ?? null;
  }

  /** Its face towards Effection. */
  get routine(): Routine | null {
    return this.extras?.routine ?? null;
  }

  /** Deadline of the innermost `withDeadline`, null for none. */
  get deadlineMs(): number | null {
    return this.inherited === null ? null : this.inherited.deadlineMs;
  }

  set deadlineMs(ms: number | null) {
    this.inherit(ms, this.locals);
  }

  /** Values in scope by key. */
  get locals(): ReadonlyMap<symbol, unknown> | null {
    return this.inherited === null ? null : this.inherited.locals;
  }

  set locals(values: ReadonlyMap<symbol, unknown> | null) {
    this.inherit(this.deadlineMs, values);
  }

  /** True while it stands in the loop's ready list. */
  get isReady(): boolean {
    return this.nextReady !== null;
  }

  /** The rarer half of it. */
  more(): Extras {
    this.extras ??= new Extras();
    return this.extras;
  }

  private inherit(ms: number | null, locals: ReadonlyMap<symbol, unknown> | null): void {
    this.inherited = ms === null && locals === null ? null : new Inherited(ms, locals);
  }

  /** True while a wait of it would throw ECANCELED. */
  get isInterrupted(): boolean {
    return this.isCancelled && !this.isShielded;
  }

  /** True inside a `shield`: cancellation waits outside. */
  get isShielded(): boolean {
    return this.extras !== null && this.extras.shields > 0;
  }

  /** Puts it at the end of the ready list, unless it stands there. */
  makeReady(): void {
    if (this.nextReady === null) this.bundle.loop.enqueue(this);
  }

  /** Waiter: what it is parked on may be ready. */
  wake(): void {
    if (this.nextReady === null) this.bundle.loop.enqueue(this);
  }

  /** First step of a wait. @returns as `Wait.poll`, or FORCED; PENDING: it is parked on `wait` */
  begin(wait: Wait<unknown>): number {
    if (this.isCancelled && this.isInterrupted && !wait.isUncancellable) return this.refuse();
    const { loop } = this.bundle;
    if (--loop.credits < 0) return this.beginLater(wait);
    const { nowMs } = loop;
    const outcome = wait.poll(nowMs);
    if (outcome !== PENDING) return outcome;
    if (this.inherited !== null || wait.givenMs !== null || wait.dueMs !== null) {
      if (this.limitOf(wait) <= nowMs) return ETIMEDOUT;
      this.armTimer(wait);
    }
    this.wait = wait;
    wait.park(this);
    return PENDING;
  }

  /** It has had its share: others run first, then it begins this wait. */
  private beginLater(wait: Wait<unknown>): number {
    this.wait = wait;
    wait.waiter = this;
    this.resumeMode = BEGIN;
    this.makeReady();
    return PENDING;
  }

  /** What has just begun here is the wait of a task that the body has started. @returns it */
  giveBack(): Wait<unknown> | null {
    const { wait } = this;
    if (wait !== null) this.unpark(wait);
    this.resumeMode = NEXT;
    return wait;
  }

  /** `yieldNow`: others run first. @returns PENDING, FORCED or -errno */
  yieldTurn(): number {
    if (this.isCancelled && this.isInterrupted) return this.refuse();
    if (this.inherited !== null && this.untilMs <= this.loop.nowMs) return ETIMEDOUT;
    this.resumeMode = YIELDED;
    this.makeReady();
    return PENDING;
  }

  /** A cancelled coroutine asks for something. @returns -ECANCELED; or FORCED: it swallows them */
  refuse(): number {
    const extras = this.more();
    if (++extras.swallowed <= MAX_SWALLOWED_CANCELLATIONS) return ECANCELED;
    if (!extras.isForced) {
      extras.isForced = true;
      this.loop.reportForcedEnd(this);
    }
    return FORCED;
  }

  /** Runs it: called by the loop, which has just taken it from the ready list. */
  run(): void {
    const { wait } = this;
    if (wait === null) {
      this.runOn();
      return;
    }
    let outcome = READY;
    if (this.resumeMode !== NEXT || !wait.isHanded) {
      outcome = this.look(wait);
      if (outcome === PENDING) return;
    }
    // What `Wait.unpark` does, without asking the wait; a `choose` sees to its clauses itself.
    wait.waiter = null;
    this.wait = null;
    if (this.inQueue !== null) this.inQueue.remove(this);
    if (this.timer !== null) this.disarm();
    if (outcome !== FORCED) this.step(NEXT, outcome);
    else {
      wait.unpark();
      wait.withdrawn(ECANCELED);
      this.step(RETURN, undefined);
    }
  }

  /** Goes on where it waits for nothing of ours. */
  private runOn(): void {
    const mode = this.resumeMode;
    this.resumeMode = NEXT;
    if (mode === YIELDED) this.step(NEXT, READY);
    else if (mode === FINISH) finish(this);
    else if (mode === NOT_YET) this.resumeMode = NOT_YET;
    else if (this.phase !== ENDED) this.step(mode, this.takeResumeValue());
  }

  private takeResumeValue(): unknown {
    const { extras } = this;
    if (extras === null) return undefined;
    const value = extras.resumeValue;
    extras.resumeValue = undefined;
    return value;
  }

  /** Looks what has become of its wait. @returns PENDING: it stays parked, or has gone on */
  private look(wait: Wait<unknown>): number {
    const mode = this.resumeMode;
    this.resumeMode = NEXT;
    if (mode === CANCEL) return ECANCELED;
    try {
      return mode === BEGIN ? this.beginDeferred(wait) : this.pollAgain(wait);
    } catch (error) {
      this.unpark(wait);
      this.step(THROW, error);
      return PENDING;
    }
  }

  private beginDeferred(wait: Wait<unknown>): number {
    this.wait = null;
    wait.waiter = null;
    this.loop.credits = READY_OPERATIONS_BUDGET;
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
    this.more().resumeValue = value;
    this.makeReady();
  }

  /** The timer of its wait has fired. */
  timeUp(): void {
    if (this.wait !== null) this.makeReady();
    else this.routine?.interrupt(new NetError("ETIMEDOUT", "effect"));
  }

  /** Bounds an effect of Effection's by the enclosing deadline. */
  armDeadline(): void {
    const { deadlineMs } = this;
    if (deadlineMs !== null) this.armAt(deadlineMs);
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
    this.more().failure ??= new Failure(error);
    this.cancel();
  }

  /** The bundle for `go` and for what this coroutine opens. */
  bundleForOwn(): Bundle {
    this.ownBundle ??= new Bundle(this.loop, this, null, "");
    return this.ownBundle;
  }

  /** Called by a bundle of it that has become empty. */
  childrenEnded(): void {
    if (this.phase !== ENDING || hasChildren(this)) return;
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
    const { nowMs } = this.bundle.loop;
    const outcome = wait.poll(nowMs);
    if (outcome !== PENDING) return outcome;
    if (this.isCancelled && this.isInterrupted && !wait.isUncancellable) return ECANCELED;
    if (this.inherited !== null || wait.givenMs !== null || wait.dueMs !== null) {
      if (this.limitOf(wait) <= nowMs) return ETIMEDOUT;
      this.armTimer(wait);
    }
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
    this.disarm();
  }

  /** Cancellation reaches what it waits for now. */
  private interrupt(): void {
    // What stands in the ready list has been handed something: that still arrives.
    if (this.isReady || this.isShielded) return;
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
    this.bundle.loop.credits = READY_OPERATIONS_BUDGET;
    setCurrent(this);
    let result: unknown = WAITING;
    let failure: Failure | null = null;
    try {
      const first = mode === NEXT ? this.iterator.next(value) : this.stepAbruptly(mode, value);
      if (first !== PARKED || this.extras !== null) result = this.advance(first);
    } catch (error) {
      result = undefined;
      failure = new Failure(error);
    }
    setCurrent(null);
    if (result !== WAITING) bodyEnded(this, result, failure);
  }

  /** Steps the generator until it waits. @returns WAITING, or what it has returned */
  private advance(first: IteratorResult<unknown, unknown>): unknown {
    let step = first;
    for (;;) {
      if (step.done === true) return step.value;
      const { wait } = this;
      // An iterator of somebody else's may have passed on the value in an object of its own.
      if (step.value === PARKED.value && (wait !== null || this.isReady)) {
        if (this.extras?.routine?.mustUnwind !== true) return WAITING;
        if (wait !== null) this.withdraw(wait);
        step = this.stepAbruptly(RETURN, undefined);
      } else {
        if (!this.perform(step.value)) return WAITING;
        step = this.stepAbruptly(this.resumeMode, this.takeResumeValue());
      }
    }
  }

  /** The body yielded what is not a wait of ours. @returns false: it waits */
  private perform(effect: unknown): boolean {
    const extras = this.more();
    if (extras.isForced && extras.shields === 0) {
      if (++extras.swallowed > MAX_STEPS_CANCELLED) throw abandoned(this.iterator);
      this.resumeMode = RETURN;
      return true;
    }
    extras.routine ??= new Routine(this);
    const { routine } = extras;
    this.resumeMode = NOT_YET;
    if (!routine.perform(effect)) return false;
    this.resumeMode = routine.mode;
    extras.resumeValue = routine.value;
    const { loop } = this;
    if (--loop.credits >= 0) return true;
    if (this.isInterrupted && !routine.data.critical) {
      // Effects that never wait must not keep a cancelled coroutine going for ever.
      this.refuse();
      this.resumeMode = THROW;
      extras.resumeValue = new NetError("ECANCELED", "effect");
      loop.credits = READY_OPERATIONS_BUDGET;
      return true;
    }
    this.makeReady();
    return false;
  }

  private stepAbruptly(mode: number, value: unknown): IteratorResult<unknown, unknown> {
    const { iterator, routine } = this;
    this.resumeMode = NEXT;
    if (mode === NEXT) return iterator.next(value);
    if (routine !== null) routine.data.unwinding = false;
    if (mode === RETURN) return iterator.return?.(value) ?? { done: true, value };
    if (iterator.throw === undefined) throw value;
    return iterator.throw(value);
  }
}
