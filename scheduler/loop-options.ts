// SPDX-License-Identifier: MIT
// What goes into a loop and what it tells about itself.

import type { Clock } from "./clock.ts";

/** A source of turns of Node's event loop, for a loop on the real clock that spins. */
export interface Spinner {
  /** Calls `turn` once a turn until it is stopped. @returns false: that is not to be had here */
  start(turn: () => void): boolean;
  /** Takes that back. Idempotent. */
  stop(turn: () => void): void;
}

/** Something that the loop polls: a context with its driver. */
export interface Poller {
  /** For messages. */
  readonly name: string;
  /** Takes what has arrived. @returns how much work was found */
  poll(nowMs: number): number;
  /** Sends what the round has given rise to. */
  flush(nowMs: number): void;
  /** True for a device outside this process, which no virtual clock can hurry. */
  readonly isReal: boolean;
  /** Where to get turns while spinning; without one the clock gives them. */
  readonly spinner?: Spinner | undefined;
  /** Asks for one `wake` when something arrives. @returns false: there is work already */
  armWake(wake: () => void): boolean;
  /** Takes that back. */
  disarmWake(): void;
}

/** When the loop polls: always, for a while after the last work, or only when woken. */
export type BusyPoll = "always" | "adaptive" | "never";

/** How a loop runs. */
export interface LoopOptions {
  readonly clock?: Clock;
  /** Default "adaptive". */
  readonly busyPoll?: BusyPoll;
  /** How long "adaptive" spins after the last work, microseconds; default 200. */
  readonly spinUs?: number;
}

/** Counters of a loop. */
export interface LoopStatistics {
  readonly rounds: number;
  /** Times a coroutine was resumed. */
  readonly switches: number;
  readonly started: number;
  readonly alive: number;
  readonly timers: number;
  readonly timersFired: number;
  readonly sleeps: number;
  /** Coroutines ended by force because they swallowed ECANCELED for ever. */
  readonly forcedEnds: number;
}

/** What is still there, for tests. */
export interface LoopLeftovers {
  readonly coroutines: number;
  readonly timers: number;
  readonly pollers: number;
  readonly foreignTasks: number;
}
