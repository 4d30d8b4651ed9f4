// SPDX-License-Identifier: MIT
// The suite `connect`: whole lives of connections per second: connect, one 64-byte request, FIN by
// both sides, each acknowledged, nobody resets.

import { type Comparison, type ComparisonGoal, comparing } from "./support/comparison.ts";
import { boundOf, everybody } from "./support/contestants.ts";
import { CONNECTIONS, type Load, P50, P99 } from "./support/load.ts";
import type { Suite } from "./support/suite.ts";

const LIVES = { mode: "connect", bytes: 64 } as const;
const AT_ONCE_1: Load = { ...LIVES, name: "connect + echo + close, 1 at once", connections: 1 };
const AT_ONCE_64: Load = { ...LIVES, name: "connect + echo + close, 64 at once", connections: 64 };

const GOALS: readonly ComparisonGoal[] = ["af_xdp", "tap"].flatMap((ours) => {
  const both = { load: AT_ONCE_64.name, metric: CONNECTIONS, ours, is: "at least" } as const;
  return [
    { ...both, theirs: "node net", limit: 2.5 },
    { ...both, theirs: "C epoll", limit: 1.2 },
    { ...both, theirs: "C epoll, spinning", limit: 1.2 },
    { ...both, theirs: boundOf(ours), limit: 0.75 },
  ];
});

/** The table. */
export const comparison: Comparison = {
  name: "connect",
  loads: [AT_ONCE_1, AT_ONCE_64],
  goals: GOALS,
  servers: everybody,
  metrics: () => [CONNECTIONS, P50, P99],
};

/** The suite `connect`. */
export const suite: Suite = comparing(comparison);
