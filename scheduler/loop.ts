// SPDX-License-Identifier: MIT
// The run loop. A round: read the clock once, poll each driver, expire timers, run ready
// coroutines up to a budget, flush. Between rounds it decides to go on, to let Node run, to sleep
// until something happens, or (virtual clock) to jump to the next timer.

import type { Scope } from "effection";
import type { Bundle } from "./bundle.ts";
import type { Clock } from "./clock.ts";
import { RealClock } from "./clock-real.ts";
import type { Coroutine } from "./coroutine.ts";
import { setLoop } from "./current.ts";
import type { ForeignTask } from "./foreign.ts";
import type {
  BusyPoll,
  LoopLeftovers,
  LoopOptions,
  LoopStatistics,
  Poller,
} from "./loop-options.ts";
import { NetError } from "./net-error.ts";
import { ReadyList } from "./ready-list.ts";
import { OUTSIDE, Reducer, UNKNOWN } from "./reducer.ts";
import { createLoopScope } from "./routine.ts";
import { TimerWheel } from "./timer-wheel.ts";
import { treeOf } from "./tree.ts";
import { Turns } from "./turns.ts";

/** Coroutines resumed per round before I/O and timers are looked at again. */
export const STEPS_PER_ROUND = 256;
/** Real time that the loop keeps from Node's event loop at most, ms. */
const TURN_MS = 0.05;
/** Rounds on the virtual clock before Node's event loop gets a turn. */
const VIRTUAL_ROUNDS_PER_TURN = 1_000;
/** Turns of Node's event loop granted to effects of others before virtual time moves on. */
const FOREIGN_TURNS = 3;
/**
 * Real time granted to an effect of Effection's of which nothing tells whether the world outside
 * ends it (a promise) or one of our coroutines (a signal, the end of a task).
 */
const FOREIGN_GRACE_MS = 100;
/** Node's timers count whole ms: a shorter wait is spun away when there is I/O to poll anyway. */
const SHORTEST_SLEEP_MS = 1;

/**
 * One scheduler. One per thread is usual; tests run one after the other.
 *
 * @example
 * ```ts
 * await run(function* () {
 *   yield* sleep(now() + 10);
 * }, { onLoop: (loop) => console.log(loop.statistics()) });
 * ```
 */
export class Loop {
  readonly clock: Clock;
  /** @internal When it was made, ms on its clock. */
  readonly startedMs: number;
  /** @internal */
  readonly timers: TimerWheel;
  /** Time of the current round, ms. */
  nowMs: number;
  /** @internal Operations that the running coroutine may still do without letting others run. */
  credits: number;
  /** @internal Steps the plain Effection tasks below the coroutines. */
  readonly reducer: Reducer;
  /** @internal Waits of ours in plain Effection tasks. */
  readonly foreignTasks: Set<ForeignTask>;
  /** @internal The bundle of the root coroutine, null for the default loop. */
  root: Bundle | null;
  /** @internal Told when the root coroutine has ended. */
  onRootEnded: (() => void) | null;
  /** @internal Told when it cannot go on; the first time the root can still be cancelled. */
  onFatal: ((error: unknown, isFirst: boolean) => void) | null;
  /** Effects that are not ours and have begun, by origin. */
  private readonly effects: [number, number, number];
  private scope: (Scope & AsyncDisposable) | null;
  private fatalErrors: number;
  /** Something was asked for during this round. */
  private isKicked: boolean;
  /** The root coroutine has ended: the loop ends with this round. */
  private isOver: boolean;
  private readonly busyPoll: BusyPoll;
  private readonly spinMs: number;
  private readonly pollers: Poller[];
  private foreignReady: ForeignTask[];
  private readonly ready: ReadyList;
  private isInRound: boolean;
  private isEnded: boolean;
  private stopSleeping: (() => void) | null;
  private lastWorkMs: number;
  private foreignTurns: number;
  private isGraceOver: boolean;
  private aliveCount: number;
  private counts: {
    rounds: number;
    switches: number;
    started: number;
    fired: number;
    sleeps: number;
  };
  private forcedEnds: number;
  private readonly turns: Turns;

  constructor(options: LoopOptions = {}) {
    this.clock = options.clock ?? new RealClock();
    this.busyPoll = options.busyPoll ?? "adaptive";
    this.spinMs = (options.spinUs ?? 200) / 1_000;
    // Every poll gets it. As a field that was only ever a number it would get a box at each.
    this.nowMs = null as unknown as number;
    this.nowMs = this.clock.read();
    this.credits = 0;
    this.startedMs = this.nowMs;
    this.timers = new TimerWheel(this.nowMs);
    this.reducer = new Reducer(this);
    this.effects = [0, 0, 0];
    this.scope = null;
    this.fatalErrors = 0;
    this.isKicked = false;
    this.isOver = false;
    this.foreignTasks = new Set();
    this.root = null;
    this.onRootEnded = null;
    this.onFatal = null;
    this.pollers = [];
    this.foreignReady = [];
    this.ready = new ReadyList();
    this.isInRound = false;
    this.isEnded = false;
    this.stopSleeping = null;
    this.lastWorkMs = this.nowMs;
    this.foreignTurns = 0;
    this.isGraceOver = false;
    this.aliveCount = 0;
    this.counts = { rounds: 0, switches: 0, started: 0, fired: 0, sleeps: 0 };
    this.forcedEnds = 0;
    this.turns = new Turns(this.clock, () => this.runTurn());
  }

  /**
   * The time: of the round while one runs, else of the clock.
   *
   * @returns ms, monotonic, from an arbitrary start
   */
  now(): number {
    if (!this.isInRound) this.nowMs = this.clock.read();
    return this.nowMs;
  }

  /**
   * Adds a device to poll.
   *
   * @param poller - polled and flushed once a round from now on
   */
  addPoller(poller: Poller): void {
    this.pollers.push(poller);
    this.turns.offer(poller.spinner);
    this.kick();
  }

  /**
   * Takes a device off. Idempotent.
   *
   * @param poller - what `addPoller` was given
   */
  removePoller(poller: Poller): void {
    const at = this.pollers.indexOf(poller);
    if (at < 0) return;
    this.pollers.splice(at, 1);
    poller.disarmWake();
  }

  /** Makes sure that a round follows: something was marked ready from outside a round. */
  kick(): void {
    this.isKicked = true;
    if (this.isInRound || this.isEnded) return;
    if (this.turns.ask()) this.wakeUp();
  }

  /** @internal Puts a coroutine at the end of the ready list. */
  enqueue(coroutine: Coroutine): void {
    if (this.ready.push(coroutine)) this.kick();
  }

  /** @internal The same for a wait of a plain Effection task. */
  enqueueForeign(task: ForeignTask): void {
    this.foreignReady.push(task);
    this.kick();
  }

  /** @internal A coroutine begins. */
  started(coroutine: Coroutine): void {
    this.aliveCount++;
    this.counts.started++;
    this.enqueue(coroutine);
  }

  /** @internal A coroutine has ended. */
  ended(coroutine: Coroutine): void {
    this.aliveCount--;
    if (coroutine.bundle === this.root && this.root.size === 0) this.isOver = true;
  }

  /** @internal A coroutine has swallowed its cancellation too often. */
  reportForcedEnd(coroutine: Coroutine): void {
    this.forcedEnds++;
    process.stderr.write(
      `caraway: coroutine "${coroutine.name || "(unnamed)"}" kept swallowing ECANCELED and is ` +
        "ended by force\n",
    );
  }

  /** @internal An effect that is not ours has begun. */
  effectBegins(origin: number): void {
    this.effects[origin as 0]++;
  }

  /** @internal It has ended, and whoever waited for it goes on. */
  effectEnds(origin: number): void {
    this.effects[origin as 0]--;
    this.kick();
  }

  /** @internal The scope from which all Effection scopes of this loop descend. */
  effectionScope(): Scope {
    this.scope ??= createLoopScope(this) as Scope & AsyncDisposable;
    return this.scope;
  }

  /** Ends the loop; nothing of it runs any more. */
  end(): void {
    this.isEnded = true;
    this.wakeUp();
    this.turns.rest();
    for (const poller of [...this.pollers]) this.removePoller(poller);
    // Nothing is left in it, so this only takes it off Effection's global scope.
    void this.scope?.[Symbol.asyncDispose]();
    this.scope = null;
  }

  /**
   * The tree of bundles and coroutines: what each waits for and until when.
   *
   * @returns one line per bundle and coroutine, children indented
   */
  tree(): string {
    return treeOf(this);
  }

  /**
   * Counters since the loop began.
   *
   * @returns a snapshot
   */
  statistics(): LoopStatistics {
    const { fired: timersFired, ...counts } = this.counts;
    const { aliveCount: alive, forcedEnds, timers } = this;
    return { ...counts, timersFired, alive, timers: timers.size, forcedEnds };
  }

  /**
   * What is still there.
   *
   * @returns how many of each; all 0 once `run` has settled
   */
  leftovers(): LoopLeftovers {
    return {
      coroutines: this.aliveCount,
      timers: this.timers.size,
      pollers: this.pollers.length,
      foreignTasks: this.foreignTasks.size,
    };
  }

  /** One round. @returns how much was done */
  private round(nowMs: number): number {
    this.nowMs = nowMs;
    const { counts, pollers } = this;
    counts.rounds++;
    let work = 0;
    for (let i = 0; i < pollers.length; i++) {
      work += this.guarded(pollers[i] as Poller, false, nowMs);
    }
    const fired = this.timers.size === 0 ? 0 : this.fireTimers(nowMs);
    counts.fired += fired;
    work += fired + this.runForeign();
    let steps = 0;
    this.reducer.isHeld = true;
    for (; steps < STEPS_PER_ROUND; steps++) {
      const coroutine = this.ready.shift();
      if (coroutine === null) break;
      coroutine.run();
      if (this.reducer.isPending) this.reducer.drain();
    }
    this.reducer.isHeld = false;
    counts.switches += steps;
    for (let i = 0; i < pollers.length; i++) this.guarded(pollers[i] as Poller, true, nowMs);
    if (this.isOver) this.onRootEnded?.();
    return work + steps;
  }

  private fireTimers(nowMs: number): number {
    try {
      return this.timers.advance(nowMs);
    } catch (error) {
      this.fatal(error);
      return 1;
    }
  }

  /** A device that throws is taken off, and its error ends the root coroutine. */
  private guarded(poller: Poller, isFlush: boolean, nowMs: number): number {
    try {
      if (!isFlush) return poller.poll(nowMs);
      poller.flush(nowMs);
    } catch (error) {
      this.removePoller(poller);
      this.fatal(error);
    }
    return 0;
  }

  private runForeign(): number {
    const tasks = this.foreignReady;
    if (tasks.length === 0) return 0;
    this.foreignReady = [];
    for (const task of tasks) task.run();
    return tasks.length;
  }

  private runTurn(): void {
    if (this.isEnded) return;
    setLoop(this);
    this.isInRound = true;
    this.isKicked = false;
    let again = true;
    try {
      again = this.clock.isVirtual ? this.virtualTurn() : this.realTurn();
    } finally {
      this.isInRound = false;
      if (this.isEnded) setLoop(null);
      else if (again || this.isKicked) {
        this.turns.spin();
        this.kick();
      } else this.turns.rest();
    }
  }

  /** @returns true if another turn must follow at once */
  private realTurn(): boolean {
    let nowMs = this.clock.read();
    const turnEndMs = nowMs + TURN_MS;
    for (;;) {
      const work = this.round(nowMs);
      if (this.isEnded) return false;
      if (work > 0) this.lastWorkMs = nowMs;
      const isBusy = work > 0 || !this.ready.isEmpty || this.foreignReady.length > 0;
      if (!isBusy && !this.keepsSpinning()) return !this.sleep();
      // Once a round: looking at the clock costs more than all else that an empty round does.
      nowMs = this.clock.read();
      // The next round sends what this one has written, which must not wait for Node's turn unless
      // Node has waited twice as long as it should.
      if (nowMs >= (work === 0 ? turnEndMs : turnEndMs + TURN_MS)) return true;
    }
  }

  private keepsSpinning(): boolean {
    if (this.pollers.length === 0 || this.busyPoll === "never") return false;
    if (this.busyPoll === "always") return true;
    return (
      this.nowMs - this.lastWorkMs < this.spinMs ||
      this.timers.nextMs() - this.nowMs < SHORTEST_SLEEP_MS
    );
  }

  /** Sleeps until the next timer or until woken. @returns false: there is work already */
  private sleep(): boolean {
    const { clock } = this;
    // From here on a kick means that something came in between.
    this.isKicked = false;
    if (!this.armPollers(() => this.kick())) return false;
    const nextMs = this.timers.nextMs();
    const stopTimer =
      nextMs === Number.POSITIVE_INFINITY
        ? null
        : clock.after(Math.max(0, nextMs - clock.read()), () => this.kick());
    this.counts.sleeps++;
    this.stopSleeping = () => {
      stopTimer?.();
      this.disarmPollers();
    };
    return true;
  }

  private wakeUp(): void {
    const stop = this.stopSleeping;
    this.stopSleeping = null;
    stop?.();
  }

  private armPollers(wake: () => void): boolean {
    for (const poller of this.pollers) {
      if (!poller.armWake(wake)) {
        this.disarmPollers();
        return false;
      }
    }
    return true;
  }

  private disarmPollers(): void {
    for (const poller of this.pollers) poller.disarmWake();
  }

  /** @returns true if another turn must follow at once */
  private virtualTurn(): boolean {
    for (let rounds = 0; rounds < VIRTUAL_ROUNDS_PER_TURN; rounds++) {
      const work = this.round(this.clock.read());
      if (this.isEnded) return false;
      if (work > 0) {
        this.foreignTurns = 0;
        this.isGraceOver = false;
        continue;
      }
      if (!this.ready.isEmpty || this.foreignReady.length > 0) continue;
      const isQuiet = this.armPollers(() => {});
      this.disarmPollers();
      if (!isQuiet) continue;
      this.isKicked = false;
      // Whoever ends an effect of the world outside kicks the loop.
      if (this.effects[OUTSIDE] > 0) return false;
      if (this.effects[UNKNOWN] > 0) {
        if (this.foreignTasks.size === 0) {
          if (!this.isGraceOver) return this.startGrace();
        } else if (this.foreignTurns++ < FOREIGN_TURNS) return true;
      }
      if (!this.jump()) return false;
    }
    return true;
  }

  /** Waits for effects that are not ours. @returns false: the loop is kicked when it goes on */
  private startGrace(): boolean {
    if (this.timers.nextMs() === Number.POSITIVE_INFINITY) return false;
    this.stopSleeping = this.clock.after(FOREIGN_GRACE_MS, () => {
      this.isGraceOver = true;
      this.kick();
    });
    return false;
  }

  /** Jumps to the next timer. @returns false: nothing can ever happen again */
  private jump(): boolean {
    const nextMs = this.timers.nextMs();
    const real = this.pollers.find((poller) => poller.isReal);
    if (real !== undefined) {
      this.fatal(
        new NetError("EINVAL", "run", {
          message: `the virtual clock cannot jump while ${real.name} is open: use the real clock`,
        }),
      );
      return true;
    }
    if (nextMs === Number.POSITIVE_INFINITY) {
      if (this.effects[UNKNOWN] > 0) return false;
      // A default loop of plain tasks simply has nothing to do.
      if (this.root === null || this.root.size === 0) return false;
      this.fatal(
        new NetError("EDEADLK", "run", {
          message: `nothing can ever happen again, every coroutine waits:\n${this.tree()}`,
        }),
      );
      return true;
    }
    this.clock.jump(nextMs);
    return true;
  }

  /** The loop cannot go on like this: the root coroutine ends with `error`. */
  private fatal(error: unknown): void {
    if (this.onFatal === null) throw error;
    this.onFatal(error, this.fatalErrors++ === 0);
  }
}

let shared: Loop | null = null;

/** The loop for plain Effection tasks, on the real clock; made when first asked for. */
export function defaultLoop(): Loop {
  shared ??= new Loop();
  return shared;
}
