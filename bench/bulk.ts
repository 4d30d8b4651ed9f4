// SPDX-License-Identifier: MIT
// The suite `bulk`: one stream over a veth pair or a TAP device, one way and both ways, with
// segments as long as drivers and kernel take them, and with segments of 1,500 bytes.

import { type Comparison, type ComparisonGoal, comparing } from "./support/comparison.ts";
import {
  bunAndDeno,
  iperf,
  kernelSockets,
  nodeNet,
  ourStack,
  withoutOffloads,
} from "./support/contestants.ts";
import { BITS, type Load } from "./support/load.ts";
import type { Suite } from "./support/suite.ts";

const PLACE = "veth";
const STREAM = { connections: 1, bytes: 65_536 } as const;
const LOADS: readonly Load[] = [
  { ...STREAM, name: "to the server", mode: "send" },
  { ...STREAM, name: "from the server", mode: "receive" },
  { ...STREAM, name: "both ways, a stream each", mode: "both" },
];

const GOALS: readonly ComparisonGoal[] = LOADS.slice(0, 2).flatMap((load) =>
  ["tap", "af_packet"].map((ours) => {
    const both = { load: load.name, metric: BITS, ours, theirs: "iperf3" } as const;
    return { ...both, is: "at least" as const, limit: 0.7 };
  }),
);

/** The table. */
export const comparison: Comparison = {
  name: "bulk",
  loads: LOADS,
  goals: GOALS,
  servers: (site) => [
    ourStack(site, "tap"),
    ourStack(site, "af_packet"),
    kernelSockets(site, PLACE),
    nodeNet(site, PLACE),
    ...bunAndDeno(site, PLACE),
    iperf(site),
    withoutOffloads(site, ourStack(site, "af_packet", { driver: { sendOffload: false } })),
    withoutOffloads(site, ourStack(site, "af_xdp")),
    withoutOffloads(site, nodeNet(site, PLACE)),
    withoutOffloads(site, iperf(site)),
  ],
  metrics: () => [BITS],
};

/** The suite `bulk`. */
export const suite: Suite = comparing(comparison);
