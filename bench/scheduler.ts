// SPDX-License-Identifier: MIT
// What the scheduler's primitives cost, beside Effection, async/await and a bare generator in the
// same process. Generator functions are defined once, as a program would define them.

import { run as runEffection, spawn } from "effection";
import { type Channel, channel, go, type Operation, run, yieldNow } from "../scheduler/index.ts";
import { Timer, TimerWheel } from "../scheduler/internal.ts";
import { heldBytesFigure } from "./memory-holds.ts";
import { type Figure, OURS } from "./support/figure.ts";
import type { Pace } from "./support/pace.ts";
import type { Suite } from "./support/suite.ts";

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
  /** A goal as a share of a peer's figure. */
  readonly shareGoals?: Readonly<Record<string, number>>;
  /** What libdill's own benchmarks print, shared library and static: it is not in this process. */
  readonly libdillNs?: readonly number[];
}

/** Runs are short here: some more make the median firmer. */
const EXTRA_TURNS = 4;
const LIBDILL_SOURCE = "libdill 2.14, in C, on 2 cores of an AMD EPYC virtual machine";

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
    goal: 60,
    libdillNs: [28, 37],
    ours: ours(switchOurs),
    peers: { Effection: switchEffection, "async/await": switchAwait, "bare generator": switchBare },
    peerShare: { Effection: 0.1 },
  },
  {
    name: "go + end",
    count: 300_000,
    goal: 200,
    libdillNs: [80, 94],
    shareGoals: { Effection: 0.01 },
    ours: ours(goOurs),
    peers: { Effection: goEffection, "async/await": goAwait, "bare generator": goBare },
    peerShare: { Effection: 0.005 },
  },
  {
    name: "channel send + recv",
    count: 500_000,
    goal: 130,
    libdillNs: [64, 64],
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

/** Runs all measures of a case in turn, so that a change of the machine's speed hits all alike. */
async function measureCase(each: Case, pace: Pace): Promise<Figure> {
  const measures: [string, Measure][] = [[OURS, each.ours], ...Object.entries(each.peers)];
  const samples = measures.map((): number[] => []);
  for (let turn = -1; turn < pace.turns + EXTRA_TURNS; turn++) {
    for (const [at, [name, measure]] of measures.entries()) {
      const share = pace.share * (each.peerShare?.[name] ?? 1);
      const ns = await measure(Math.max(200, Math.round(each.count * share)));
      // The first run warms up.
      if (turn >= 0) samples[at]?.push(ns);
    }
  }
  const series = measures.map(([name], at) => ({
    name,
    isOurs: at === 0,
    samples: samples[at] ?? [],
  }));
  const quoted = { name: "libdill", isOurs: false, quotedFrom: LIBDILL_SOURCE };
  const shares = Object.entries(each.shareGoals ?? {});
  return {
    name: each.name,
    unit: "ns",
    better: "lower",
    series:
      each.libdillNs === undefined ? series : [...series, { ...quoted, samples: each.libdillNs }],
    goals: [
      { ours: OURS, is: "at most", limit: each.goal },
      ...shares.map(([theirs, limit]) => ({ ours: OURS, theirs, is: "at most" as const, limit })),
    ],
  };
}

/** The suite `scheduler`. */
export const suite: Suite = {
  expectedSeconds: (pace) => Math.ceil(1 + (8 * pace.share + 0.1) * (pace.turns + EXTRA_TURNS)),
  async run(pace) {
    const figures: Figure[] = [];
    for (const each of CASES) {
      process.stderr.write(`scheduler: ${each.name}\n`);
      figures.push(await measureCase(each, pace));
    }
    figures.push(heldBytesFigure("coroutine", pace));
    return { figures, notes: [] };
  },
};
