// SPDX-License-Identifier: MIT
// What the scheduler's primitives cost, beside Effection, async/await and a bare generator in the
// same process. Generator functions are defined once, as a program would define them.

import { run as runEffection, spawn } from "effection";
import {
  type Channel,
  channel,
  go,
  type Operation,
  run,
  sleep,
  yieldNow,
} from "../scheduler/index.ts";
import { Timer, TimerWheel } from "../scheduler/internal.ts";
import type { Figure } from "./figure.ts";

/** How the suite runs. */
export interface SchedulerSuiteOptions {
  /** Fewer operations and runs: a smoke test, below ten seconds. */
  readonly quick: boolean;
}

/** Does something `count` times. @returns ns per operation */
type Measure = (count: number) => Promise<number>;

interface Case {
  readonly name: string;
  readonly count: number;
  readonly goal: number;
  readonly ours: Measure;
  readonly peers: Readonly<Record<string, Measure>>;
  /** Operations of a peer per operation of ours, where one of it takes much longer. */
  readonly peerShare?: Readonly<Record<string, number>>;
}

const PARKED_GOAL_BYTES = 700;

function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] as number;
}

function nsPerOperation(startMs: number, count: number): number {
  return ((performance.now() - startMs) * 1e6) / count;
}

function* yieldMany(count: number): Operation<void> {
  for (let i = 0; i < count; i++) yield* yieldNow();
}

function* switchOurs(count: number): Operation<number> {
  const startMs = performance.now();
  const other = yield* go(() => yieldMany(count >> 1));
  yield* yieldMany(count >> 1);
  yield* other.join();
  return nsPerOperation(startMs, count);
}

async function switchAwait(count: number): Promise<number> {
  const startMs = performance.now();
  const many = async (): Promise<void> => {
    for (let i = 0; i < count >> 1; i++) await null;
  };
  await Promise.all([many(), many()]);
  return nsPerOperation(startMs, count);
}

function* bareMany(count: number): Generator<void> {
  for (let i = 0; i < count; i++) yield;
}

async function switchBare(count: number): Promise<number> {
  const startMs = performance.now();
  const one = bareMany(count >> 1);
  const two = bareMany(count >> 1);
  while (one.next().done !== true && two.next().done !== true);
  return nsPerOperation(startMs, count);
}

/** An effect of Effection that resolves at once: the cheapest thing its tasks can yield. */
const IMMEDIATE = {
  description: "immediate",
  enter(resolve: (result: { ok: true; value: undefined }) => void) {
    resolve({ ok: true, value: undefined });
    return (done: (result: { ok: true; value: undefined }) => void) =>
      done({ ok: true, value: undefined });
  },
};

function* effectMany(count: number): Operation<void> {
  for (let i = 0; i < count; i++) yield IMMEDIATE as never;
}

async function switchEffection(count: number): Promise<number> {
  const startMs = performance.now();
  await runEffection(() => effectMany(count));
  return nsPerOperation(startMs, count);
}

function* nothing(): Operation<void> {}

const GO_BATCH = 100;

function* goOurs(count: number): Operation<number> {
  const startMs = performance.now();
  for (let i = 0; i < count; i++) {
    yield* go(nothing);
    // Lets the started ones end, as a server's accept loop does.
    if (i % GO_BATCH === 0) yield* yieldNow();
  }
  yield* yieldNow();
  return nsPerOperation(startMs, count);
}

function* spawnMany(count: number): Operation<void> {
  for (let i = 0; i < count; i++) {
    const task = yield* spawn(nothing);
    yield* task;
  }
}

async function goEffection(count: number): Promise<number> {
  const startMs = performance.now();
  await runEffection(() => spawnMany(count));
  return nsPerOperation(startMs, count);
}

async function asyncNothing(): Promise<void> {}

async function goAwait(count: number): Promise<number> {
  const startMs = performance.now();
  for (let i = 0; i < count; i++) await asyncNothing();
  return nsPerOperation(startMs, count);
}

async function goBare(count: number): Promise<number> {
  const startMs = performance.now();
  for (let i = 0; i < count; i++) bareMany(0).next();
  return nsPerOperation(startMs, count);
}

function* sendMany(values: Channel<number>, count: number): Operation<void> {
  for (let i = 0; i < count; i++) yield* values.send(i);
}

function* channelOurs(count: number): Operation<number> {
  const values = channel<number>();
  const startMs = performance.now();
  yield* go(() => sendMany(values, count));
  for (let i = 0; i < count; i++) yield* values.recv();
  return nsPerOperation(startMs, count);
}

/** The least that a promise-based rendezvous needs: one promise per value. */
async function channelAwait(count: number): Promise<number> {
  let give: (value: number) => void = () => {};
  const startMs = performance.now();
  for (let i = 0; i < count; i++) {
    const received = new Promise<number>((resolve) => {
      give = resolve;
    });
    give(i);
    await received;
  }
  return nsPerOperation(startMs, count);
}

class Deadline extends Timer {
  override fire(): void {}
}

async function deadlineOurs(count: number): Promise<number> {
  const wheel = new TimerWheel(0);
  const timers = Array.from({ length: 64 }, () => new Deadline());
  const startMs = performance.now();
  for (let i = 0; i < count; i++) {
    const timer = timers[i & 63] as Deadline;
    wheel.arm(timer, 1_000 + (i & 1023));
    wheel.cancel(timer);
  }
  return nsPerOperation(startMs, count);
}

async function deadlineNode(count: number): Promise<number> {
  const startMs = performance.now();
  for (let i = 0; i < count; i++) clearTimeout(setTimeout(asyncNothing, 1_000 + (i & 1023)));
  return nsPerOperation(startMs, count);
}

function ours(op: (count: number) => Operation<number>): Measure {
  return (count) => run(() => op(count));
}

const CASES: readonly Case[] = [
  {
    name: "switch",
    count: 1_000_000,
    goal: 120,
    ours: ours(switchOurs),
    peers: { Effection: switchEffection, "async/await": switchAwait, "bare generator": switchBare },
    peerShare: { Effection: 0.1 },
  },
  {
    name: "go + end",
    count: 300_000,
    goal: 600,
    ours: ours(goOurs),
    peers: { Effection: goEffection, "async/await": goAwait, "bare generator": goBare },
    peerShare: { Effection: 0.005 },
  },
  {
    name: "channel send + recv",
    count: 500_000,
    goal: 250,
    ours: ours(channelOurs),
    peers: { "async/await": channelAwait },
  },
  {
    name: "arm + cancel a deadline",
    count: 1_000_000,
    goal: 100,
    ours: deadlineOurs,
    peers: { setTimeout: deadlineNode },
  },
];

function* parkedInner(): Operation<void> {
  yield* sleep(-1);
}

function* parkedOuter(): Operation<void> {
  yield* parkedInner();
}

function* parkMany(count: number): Operation<number> {
  collectGarbage();
  const before = process.memoryUsage();
  for (let i = 0; i < count; i++) {
    yield* go(parkedOuter);
    if (i % GO_BATCH === 0) yield* yieldNow();
  }
  yield* yieldNow();
  collectGarbage();
  const after = process.memoryUsage();
  const bytes = after.heapUsed + after.arrayBuffers - before.heapUsed - before.arrayBuffers;
  return bytes / count;
}

/** Available under `node --expose-gc`; without it the figure includes garbage. */
function collectGarbage(): void {
  (globalThis as { gc?: () => void }).gc?.();
}

/** Runs all measures of a case in turn, so that a change of the machine's speed hits all alike. */
async function measureCase(each: Case, runs: number, share: number): Promise<Figure> {
  const results = new Map<string, number[]>();
  const measures: [string, Measure][] = [["", each.ours], ...Object.entries(each.peers)];
  for (let i = 0; i <= runs; i++) {
    for (const [name, measure] of measures) {
      const count = Math.max(200, Math.round(each.count * share * (each.peerShare?.[name] ?? 1)));
      const ns = await measure(count);
      // The first run warms up.
      if (i > 0) results.set(name, [...(results.get(name) ?? []), ns]);
    }
  }
  const medians = new Map([...results].map(([name, values]) => [name, medianOf(values)]));
  const median = medians.get("") as number;
  medians.delete("");
  return {
    name: each.name,
    unit: "ns",
    median,
    goal: each.goal,
    peers: Object.fromEntries(medians),
  };
}

/**
 * Measures the scheduler.
 *
 * @param options - `quick` for a smoke test
 * @returns the figures of the issue: switch, go + end, channel, deadline, parked coroutines
 */
export async function runSchedulerSuite(options: SchedulerSuiteOptions): Promise<Figure[]> {
  const figures: Figure[] = [];
  for (const each of CASES) {
    figures.push(await measureCase(each, options.quick ? 5 : 9, options.quick ? 0.1 : 1));
  }
  const start = figures.find((figure) => figure.name === "go + end") as Figure;
  figures.push({
    name: "go + end, as a share of Effection's spawn + join",
    unit: "ratio",
    median: start.median / (start.peers?.["Effection"] as number),
    goal: 0.01,
  });
  const parked = options.quick ? 100_000 : 1_000_000;
  figures.push({
    name: `parked coroutine, one of ${parked}`,
    unit: "bytes",
    median: await run(() => parkMany(parked)),
    goal: PARKED_GOAL_BYTES,
  });
  return figures;
}
