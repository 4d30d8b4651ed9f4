// SPDX-License-Identifier: MIT
// The suite `kernel`: servers on the kernel's sockets over loopback, where nothing but the kernel
// and the server is at work. Epoll in C is what the kernel itself can do.

import { type Comparison, type ComparisonGoal, comparing } from "./support/comparison.ts";
import { bunAndDeno, cEpoll, kernelSockets, nodeNet } from "./support/contestants.ts";
import { BITS, CONNECTIONS, type Load, P50, P99, RATE, SERVER_TIME } from "./support/load.ts";
import type { Suite } from "./support/suite.ts";

const PLACE = "loopback";
const CHUNK_BYTES = 65_536;
const OURS = "kernel sockets";

const ECHO_1: Load = { name: "echo, 1 connection", mode: "echo", connections: 1, bytes: 64 };
const ECHO_64: Load = { name: "echo, 64 connections", mode: "echo", connections: 64, bytes: 64 };

const LOADS: readonly Load[] = [
  ECHO_1,
  ECHO_64,
  { name: "connect + echo + close, 64 at once", mode: "connect", connections: 64, bytes: 64 },
  { name: "bulk to the server", mode: "send", connections: 1, bytes: CHUNK_BYTES },
  { name: "bulk from the server", mode: "receive", connections: 1, bytes: CHUNK_BYTES },
];

const GOALS: readonly ComparisonGoal[] = [
  { load: ECHO_1.name, metric: P50, ours: OURS, theirs: "node net", is: "at most", limit: 0.8 },
  { load: ECHO_64.name, metric: RATE, ours: OURS, theirs: "node net", is: "at least", limit: 1.6 },
  { load: ECHO_64.name, metric: RATE, ours: OURS, theirs: "bun", is: "at least", limit: 1 },
];

/** The table. */
export const comparison: Comparison = {
  name: "kernel",
  loads: LOADS,
  goals: GOALS,
  servers: (site) => [
    kernelSockets(site, PLACE),
    { ...kernelSockets(site, PLACE, "never"), isFullRunOnly: true },
    nodeNet(site, PLACE),
    ...bunAndDeno(site, PLACE),
    cEpoll(site, PLACE, "block"),
    cEpoll(site, PLACE, "spin"),
  ],
  metrics({ mode }) {
    if (mode === "echo") return [RATE, P50, P99, SERVER_TIME];
    return mode === "connect" ? [CONNECTIONS, P50, P99, SERVER_TIME] : [BITS];
  },
};

/** The suite `kernel`. */
export const suite: Suite = comparing(comparison);
