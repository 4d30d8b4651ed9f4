// SPDX-License-Identifier: MIT
// The suite `scale`: what a request costs beside very many connections on which nothing happens;
// what very many connections cost by themselves; and whether two contexts on two processors do
// twice the work of one. Descriptors bound how many connections kernel sockets and the kernel's
// client can have; our own go on to 100,000 in one process, both ends of each.

import { coresFigure } from "./scale-cores.ts";
import { manyFigures, manySeconds } from "./scale-many.ts";
import { type Comparison, comparing } from "./support/comparison.ts";
import { bunAndDeno, cEpoll, kernelSockets, nodeNet, ourStack } from "./support/contestants.ts";
import { type Load, P50, P99, RATE } from "./support/load.ts";
import type { Suite } from "./support/suite.ts";

const PLACE = "veth";
/** One of so many connections is active, and one at least. */
const ACTIVE_SHARE = 100;
const CORES_SECONDS = 3;

const LOADS = [1, 10, 100, 1_000, 10_000].map((connections): Load => {
  const active = Math.ceil(connections / ACTIVE_SHARE);
  const many = connections.toLocaleString("en-US");
  const name = `echo, ${active} of ${many} connection${connections === 1 ? "" : "s"}`;
  return { name, mode: "echo", connections, active, bytes: 64 };
});

/** The table. */
export const comparison: Comparison = {
  name: "scale",
  loads: LOADS,
  goals: [],
  servers: (site) => [
    ourStack(site, "tap"),
    ourStack(site, "af_packet"),
    kernelSockets(site, PLACE),
    nodeNet(site, PLACE),
    ...bunAndDeno(site, PLACE).filter(({ name }) => name === "bun"),
    cEpoll(site, PLACE, "block"),
  ],
  metrics: () => [RATE, P50, P99],
};

/** The suite `scale`. */
export const suite: Suite = {
  ...comparing(comparison),
  expectedSeconds(pace) {
    const compared = comparing(comparison).expectedSeconds(pace);
    if (pace.only !== undefined) return compared;
    const cores = pace.turns * (pace.seconds * CORES_SECONDS);
    return Math.ceil(compared + manySeconds(pace) + cores);
  },
  async run(pace) {
    if (pace.only !== undefined) return comparing(comparison).run(pace);
    const many = manyFigures(pace);
    const cores = await coresFigure(pace);
    const { figures, notes } = await comparing(comparison).run(pace);
    return { figures: [...figures, ...many, cores], notes };
  },
};
