// SPDX-License-Identifier: MIT
// The suite `memif`: two processes, each with a stack of ours, which share memory. Beside them what
// the rings carry without a stack, and the UNIX sockets of the same machine.

import { type Comparison, type ComparisonGoal, comparing } from "./support/comparison.ts";
import { memif, memifFrames, unixServers } from "./support/contestants.ts";
import { BITS, CONNECTIONS, type Load, P50, P99, P999, RATE } from "./support/load.ts";
import type { Suite } from "./support/suite.ts";

const OURS = "memif";
const LONG_FRAMES = { mtu: 65_521, bufferBytes: 16_384 } as const;
const ECHO_1: Load = { name: "echo, 1 connection", mode: "echo", connections: 1, bytes: 64 };
const ECHO_64: Load = { name: "echo, 64 connections", mode: "echo", connections: 64, bytes: 64 };
const LIVES: Load = {
  name: "connect + echo + close, 64 at once",
  mode: "connect",
  connections: 64,
  bytes: 64,
};
const BULK: readonly Load[] = [
  { name: "bulk to the server", mode: "send", connections: 1, bytes: 65_536 },
  { name: "bulk from the server", mode: "receive", connections: 1, bytes: 65_536 },
];

const GOALS: readonly ComparisonGoal[] = [
  { load: ECHO_1.name, metric: P50, ours: OURS, is: "at most", limit: 5 },
  { load: ECHO_64.name, metric: RATE, ours: OURS, is: "at least", limit: 500_000 },
  {
    load: ECHO_64.name,
    metric: RATE,
    ours: OURS,
    theirs: "frames over memif",
    is: "at least",
    limit: 0.4,
  },
  { load: LIVES.name, metric: CONNECTIONS, ours: OURS, is: "at least", limit: 60_000 },
];

/** The table. */
export const comparison: Comparison = {
  name: "memif",
  loads: [ECHO_1, ECHO_64, LIVES, ...BULK],
  goals: GOALS,
  servers: (site) => [
    memif(site),
    { ...memif(site, "memif, long frames", LONG_FRAMES), loads: BULK.map(({ name }) => name) },
    { ...memifFrames(site), loads: [ECHO_1.name, ECHO_64.name] },
    ...unixServers(site),
  ],
  metrics({ mode }) {
    if (mode === "echo") return [RATE, P50, P99, P999];
    return mode === "connect" ? [CONNECTIONS, P50, P99] : [BITS];
  },
};

/** The suite `memif`. */
export const suite: Suite = comparing(comparison);
