// SPDX-License-Identifier: MIT
// The suite `echo`: 64-byte requests over a veth pair, and over a TAP device, from one kernel-TCP
// client for all; and from a client on our own stack, which shows what the kernel's hides.

import { type Comparison, type ComparisonGoal, comparing } from "./support/comparison.ts";
import {
  boundOf,
  bunAndDeno,
  cEpoll,
  everybody,
  nodeNet,
  ourClient,
  ourStack,
  withOurClient,
} from "./support/contestants.ts";
import { type Load, type Metric, P50, P99, P999, RATE } from "./support/load.ts";
import type { Suite } from "./support/suite.ts";

const SPINNING = "C epoll, spinning";

function load(connections: number): Load {
  const many = connections === 1 ? "1 connection" : `${connections} connections`;
  return { name: `echo, ${many}`, mode: "echo", connections, bytes: 64 };
}

const [ECHO_1, ECHO_16, ECHO_64, ECHO_256] = [load(1), load(16), load(64), load(256)] as const;

const OUR_CLIENT_LOADS = [ECHO_1.name, ECHO_64.name];

type Limits = readonly (readonly [theirs: string, limit: number])[];

function goals(
  ours: string,
  under: Load,
  metric: Metric,
  is: "at most" | "at least",
  limits: Limits,
): ComparisonGoal[] {
  return limits.map(([theirs, limit]) => ({ load: under.name, metric, ours, theirs, is, limit }));
}

const GOALS: readonly ComparisonGoal[] = [
  ...["af_xdp", "tap"].flatMap((ours) => [
    ...goals(ours, ECHO_1, P50, "at most", [
      ["node net", 0.3],
      [SPINNING, 0.9],
    ]),
    ...goals(ours, ECHO_64, RATE, "at least", [
      ["node net", 2],
      ["bun", 1.2],
      ["C epoll", 1.2],
      [SPINNING, 1.2],
    ]),
  ]),
  ...["af_xdp", "tap", "af_packet"].flatMap((ours) =>
    goals(ours, ECHO_64, RATE, "at least", [[boundOf(ours), 0.75]]),
  ),
  // The same without the kernel's client, which takes more of each round trip than the servers do.
  ...goals(ourClient("af_xdp"), ECHO_1, P50, "at most", [[ourClient("node net"), 0.3]]),
  ...goals(ourClient("af_xdp"), ECHO_64, RATE, "at least", [
    [ourClient("node net"), 2],
    [ourClient("bun"), 1.2],
    [ourClient("C epoll"), 1.2],
    [ourClient(SPINNING), 1.2],
  ]),
  ...goals("kernel sockets", ECHO_64, RATE, "at least", [
    ["node net", 1.6],
    ["bun", 1],
  ]),
];

/** The table. */
export const comparison: Comparison = {
  name: "echo",
  loads: [ECHO_1, ECHO_16, ECHO_64, ECHO_256],
  goals: GOALS,
  servers: (site) => [
    ...everybody(site),
    withOurClient(ourStack(site, "af_packet"), "af_packet", OUR_CLIENT_LOADS),
    ...[
      ourStack(site, "af_xdp"),
      nodeNet(site, "veth"),
      ...bunAndDeno(site, "veth"),
      cEpoll(site, "veth", "block"),
      cEpoll(site, "veth", "spin"),
    ].map((server) => withOurClient(server, "af_xdp", OUR_CLIENT_LOADS)),
  ],
  metrics: () => [RATE, P50, P99, P999],
};

/** The suite `echo`. */
export const suite: Suite = comparing(comparison);
