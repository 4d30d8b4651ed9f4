// SPDX-License-Identifier: MIT
// The suite `memory`: what is held for a coroutine, a connection, a port on which nothing happens.

import { heldBytesFigure, KINDS } from "./memory-holds.ts";
import type { Suite } from "./support/suite.ts";

/** The suite `memory`. */
export const suite: Suite = {
  expectedSeconds: (pace) => Math.ceil(pace.turns * (1.5 + 10 * pace.share)),
  async run(pace) {
    const kinds = Object.keys(KINDS) as (keyof typeof KINDS)[];
    return { figures: kinds.map((kind) => heldBytesFigure(kind, pace)), notes: [] };
  },
};
