// SPDX-License-Identifier: MIT
// A Wait inside a plain Effection task: it is polled and parked on the ambient loop just as in a
// coroutine, and its outcome goes to Effection's resolver. Halting the task withdraws it.

import type { Result, Scope } from "effection";
import { loop as runningLoop, setAncestor, setEnterTask } from "./current.ts";
import { defaultLoop, type Loop } from "./loop.ts";
import { COROUTINE_CONTEXT } from "./routine.ts";
import { Timer } from "./timer-wheel.ts";
import { PENDING, type Wait } from "./wait.ts";
import type { Waiter, WaitQueue } from "./wait-queue.ts";

const ECANCELED = -125;
const ETIMEDOUT = -110;

/** The loop of a plain Effection task: that of the coroutine it descends from, or the default. */
export function loopOf(routine: unknown): Loop {
  const scope = (routine as { scope?: Scope }).scope;
  return scope?.get(COROUTINE_CONTEXT)?.loop ?? runningLoop ?? defaultLoop();
}

class ForeignTimer extends Timer {
  readonly task: ForeignTask;

  constructor(task: ForeignTask) {
    super();
    this.task = task;
  }

  override fire(): void {
    this.task.wake();
  }
}

/** One wait of a plain Effection task. */
export class ForeignTask implements Waiter {
  readonly loop: Loop;
  readonly wait: Wait<unknown>;
  inQueue: WaitQueue | null = null;
  nextInQueue: Waiter | null = null;
  previousInQueue: Waiter | null = null;
  private readonly resolve: (result: Result<number>) => void;
  private readonly timer: Timer;
  private readonly limitMs: number;
  private isReady = false;
  private isSettled = false;

  constructor(loop: Loop, wait: Wait<unknown>, resolve: (result: Result<number>) => void) {
    this.loop = loop;
    this.wait = wait;
    this.resolve = resolve;
    this.timer = new ForeignTimer(this);
    this.limitMs = wait.deadlineMs >= 0 ? wait.deadlineMs : Number.POSITIVE_INFINITY;
    loop.foreignTasks.add(this);
  }

  /** Polls; settles or parks. */
  run(): void {
    this.isReady = false;
    if (this.isSettled) return;
    const { wait, loop } = this;
    const nowMs = loop.now();
    let outcome = wait.poll(nowMs);
    if (outcome === PENDING && this.limitMs <= nowMs) outcome = ETIMEDOUT;
    if (outcome !== PENDING) {
      this.leave();
      // What it has begun, bytes to send for instance, wants a round, and the loop may be asleep.
      loop.kick();
      this.resolve({ ok: true, value: outcome });
      return;
    }
    const at = Math.min(this.limitMs, wait.dueMs ?? Number.POSITIVE_INFINITY);
    if (at !== Number.POSITIVE_INFINITY) loop.timers.arm(this.timer, at);
    wait.park(this);
    loop.kick();
  }

  /** Waiter: marks. */
  wake(): void {
    if (this.isReady || this.isSettled) return;
    this.isReady = true;
    this.loop.enqueueForeign(this);
  }

  /** The task was halted, or goes on. */
  withdraw(): void {
    if (this.isSettled) return;
    const { wait } = this;
    // Told of something that it will not take: that is for the next in the queue.
    const wasWoken = this.isReady && this.inQueue === null && !wait.isHanded;
    this.leave();
    wait.withdrawn(ECANCELED);
    if (wasWoken) wait.queue()?.wakeOne();
  }

  private leave(): void {
    this.isSettled = true;
    this.loop.foreignTasks.delete(this);
    this.loop.timers.cancel(this.timer);
    this.wait.unpark();
  }
}

/** `Wait.enter`: what Effection calls when a plain task yields a Wait. */
function enterForeign(
  wait: Wait<unknown>,
  resolve: (result: Result<number>) => void,
  routine: unknown,
): (didExit: (result: Result<void>) => void) => void {
  const task = new ForeignTask(loopOf(routine), wait, resolve);
  const { scope } = routine as { scope?: Scope };
  const before = setAncestor(scope?.get(COROUTINE_CONTEXT) ?? null);
  try {
    task.run();
  } finally {
    setAncestor(before);
  }
  return (didExit) => {
    task.withdraw();
    didExit({ ok: true, value: undefined });
  };
}

setEnterTask(enterForeign);
