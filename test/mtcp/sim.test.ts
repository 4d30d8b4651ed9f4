// SPDX-License-Identifier: MIT
// The suite of mtcp behaviour on the simulated driver, under the virtual clock: on a perfect link,
// and on one that is slow, jittery, and doubles and reorders frames.

import type { Context, Operation } from "../../src/index.ts";
import { type LinkConditions, simulate } from "../../src/testing.ts";
import { describeMtcp, type MtcpNetwork } from "./behaviour.ts";

function simulated(link: LinkConditions): MtcpNetwork {
  return {
    async run(op: (net: { server: Context; client: Context }) => Operation<void>) {
      await simulate(1, function* (net) {
        const server = net.host("server", { link });
        const client = net.host("client", { link });
        yield* op({ server: server.context, client: client.context });
      });
    },
  };
}

describeMtcp("a perfect link", simulated({}));
describeMtcp(
  "a slow and rough link",
  simulated({ delayMs: 0.5, jitterMs: 0.5, duplicate: 0.05, reorder: 0.05, reorderMs: 1 }),
);
