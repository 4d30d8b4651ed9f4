// SPDX-License-Identifier: MIT
// How Winsock's calls behave, as one suite for every network. Nothing here asserts how long
// anything takes; deadlines that must not pass are generous, those that must pass are short.

import { describe, it } from "vitest";
import { go } from "../../src/index.ts";
import * as winsock from "../../src/winsock/index.ts";
import type { SocketNetwork } from "../socket/behaviour.ts";
import { settled } from "../socket/support/helpers.ts";
import { BLOCKING } from "./behaviour-blocking.ts";
import { OPENING } from "./behaviour-calls.ts";
import { CLOSESOCKET } from "./behaviour-closesocket.ts";
import { OPTIONS } from "./behaviour-options.ts";
import { OVERLAPPED } from "./behaviour-overlapped.ts";
import { TRANSFER } from "./behaviour-transfer.ts";
import { good } from "./support/helpers.ts";

const SUITE = {
  "making connections": OPENING,
  "send, recv, shutdown": TRANSFER,
  options: OPTIONS,
  "blocking calls": BLOCKING,
  overlapped: OVERLAPPED,
  closesocket: CLOSESOCKET,
} as const;

/**
 * Registers the suite. Each test ends with nothing left in either context.
 *
 * @param name - of the network, for the titles
 * @param network - how to get two ends
 */
export function describeWinsock(name: string, network: SocketNetwork): void {
  describe(`winsock over ${name}`, () => {
    for (const [group, scenarios] of Object.entries(SUITE)) {
      describe(group, () => {
        for (const { title, body } of scenarios) {
          it(title, async () => {
            good(winsock.startup(0x0202));
            try {
              await network.run(function* (net) {
                // A coroutine of its own: its end closes what the test has not closed.
                const running = yield* go(() => body(net), { name: title });
                yield* running.join(-1);
                yield* settled(net);
              });
            } finally {
              winsock.cleanup();
            }
          });
        }
      });
    }
  });
}
