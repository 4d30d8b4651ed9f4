// SPDX-License-Identifier: MIT
// How sockets behave, as one suite for every driver: the simulated one on virtual time, and real
// ones. Nothing here asserts how long anything takes; deadlines that must not pass are generous,
// deadlines that must pass are short.

import { describe, it } from "vitest";
import { type Context, go, type Operation } from "../../src/index.ts";
import { CANCELLATION } from "./behaviour-cancelling.ts";
import { CLOSING, HANDLES, RESETS } from "./behaviour-closing.ts";
import { LINGERING } from "./behaviour-lingering.ts";
import { OPENING, OWNERSHIP } from "./behaviour-opening.ts";
import { SERVING } from "./behaviour-serving.ts";
import { DEADLINES, RECEIVE, STREAM } from "./behaviour-streams.ts";
import { VIEWS } from "./behaviour-views.ts";
import { settled } from "./support/helpers.ts";

/** What the suite runs over. */
export interface SocketNetwork {
  /**
   * Makes two contexts that can reach each other, runs `op` on a loop, closes everything.
   *
   * @param op - gets the contexts; none of them is in scope
   */
  run(op: (net: { server: Context; client: Context }) => Operation<void>): Promise<void>;
}

const SUITE = {
  "send and receive": STREAM,
  receive: RECEIVE,
  "without copies": VIEWS,
  "connect and accept": OPENING,
  deadlines: DEADLINES,
  cancellation: CANCELLATION,
  ownership: OWNERSHIP,
  "the end of a connection": CLOSING,
  "handles that are gone": HANDLES,
  resets: RESETS,
  "linger and release": LINGERING,
  serve: SERVING,
} as const;

/**
 * Registers the suite. Each test ends with nothing left in either context.
 *
 * @param name - of the driver, for the titles
 * @param network - how to get two ends
 */
export function describeSocketBehaviour(name: string, network: SocketNetwork): void {
  describe(`sockets over ${name}`, () => {
    for (const [group, scenarios] of Object.entries(SUITE)) {
      describe(group, () => {
        for (const { title, body } of scenarios) {
          it(title, async () => {
            await network.run(function* (net) {
              // A coroutine of its own: its end aborts what the test has not closed.
              const running = yield* go(() => body(net), { name: title });
              yield* running.join(-1);
              yield* settled(net);
            });
          });
        }
      });
    }
  });
}
