// SPDX-License-Identifier: MIT
// How the calls of caraway/mtcp behave, as one suite for every network: the simulated one on
// virtual time, and the kernel's. Nothing here asserts how long anything takes.

import { describe, it } from "vitest";
import type { Context, Operation } from "../../src/index.ts";
import { CLOSING } from "./behaviour-closing.ts";
import { EPOLL } from "./behaviour-epoll.ts";
import { OPENING } from "./behaviour-opening.ts";
import { STREAMS } from "./behaviour-streams.ts";
import { type Scenario, withContexts } from "./support/scene.ts";

/** What the suite runs over. */
export interface MtcpNetwork {
  /**
   * Makes two networks that can reach each other, runs `op` on a loop, closes everything.
   *
   * @param op - gets the networks
   */
  run(op: (net: { server: Context; client: Context }) => Operation<void>): Promise<void>;
}

const SUITE: Readonly<Record<string, readonly Scenario[]>> = {
  "opening connections": OPENING,
  "reading and writing": STREAMS,
  epoll: EPOLL,
  closing: CLOSING,
};

/**
 * Registers the suite. Each test ends with nothing left in either network.
 *
 * @param name - of the network, for the titles
 * @param network - how to get two ends
 */
export function describeMtcp(name: string, network: MtcpNetwork): void {
  describe(`mtcp over ${name}`, () => {
    for (const [group, scenarios] of Object.entries(SUITE)) {
      describe(group, () => {
        for (const { title, conf, body } of scenarios) {
          it(title, () => network.run((net) => withContexts(net, conf, body)));
        }
      });
    }
  });
}
