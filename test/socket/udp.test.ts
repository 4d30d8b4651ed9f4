// SPDX-License-Identifier: MIT
// The suite of datagram behaviour on the simulated driver, under the virtual clock: on a perfect
// link, and on one that is slow and overtakes.

import { type Context, go, type Operation } from "../../src/index.ts";
import { type LinkConditions, simulate } from "../../src/testing.ts";
import type { SocketNetwork } from "./behaviour.ts";
import { describeDatagramBehaviour } from "./udp-behaviour.ts";

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

describeDatagramBehaviour("a perfect link", simulated({}));
describeDatagramBehaviour("a slow and rough link", simulated({ delayMs: 0.5, jitterMs: 0.5 }));
