// SPDX-License-Identifier: MIT
// The suite of Winsock's calls on the simulated network, under the virtual clock: on a perfect
// link, and on one that is slow, jittery, and doubles and reorders frames.

import { type Context, go, type Operation } from "../../src/index.ts";
import { type LinkConditions, simulate } from "../../src/testing.ts";
import type { SocketNetwork } from "../socket/behaviour.ts";
import { describeWinsock } from "./behaviour.ts";

function simulated(link: LinkConditions): SocketNetwork {
  return {
    async run(op: (net: { server: Context; client: Context }) => Operation<void>) {
      await simulate(1, function* (net) {
        const server = net.host("server", { link });
        const client = net.host("client", { link });
        const ends = { server: server.context, client: client.context };
        yield* (yield* go(() => op(ends))).join(-1);
      });
    },
  };
}

describeWinsock("a perfect link", simulated({}));
describeWinsock(
  "a slow and rough link",
  simulated({ delayMs: 0.5, jitterMs: 0.5, duplicate: 0.05, reorder: 0.05, reorderMs: 1 }),
);
