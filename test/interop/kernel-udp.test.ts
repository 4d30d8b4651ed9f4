// SPDX-License-Identifier: MIT
// The suite of UDP behaviour over the kernel's sockets.

import { it } from "vitest";
import {
  type Context,
  createKernelContext,
  go,
  type KernelContextOptions,
  type Operation,
  run,
  udp,
} from "../../src/index.ts";
import type { SocketNetwork } from "../socket/behaviour.ts";
import { fails, soon } from "../socket/support/helpers.ts";
import { describeDatagramBehaviour } from "../socket/udp-behaviour.ts";
import { describeWithNic, NetNs } from "../support/netns.ts";

type Ends = { readonly server: Context; readonly client: Context };

function network(server: KernelContextOptions, client: KernelContextOptions): SocketNetwork {
  return {
    async run(op: (net: Ends) => Operation<void>): Promise<void> {
      await run(function* () {
        const ends = { server: createKernelContext(server), client: createKernelContext(client) };
        yield* (yield* go(() => op(ends))).join();
      });
    },
  };
}

describeDatagramBehaviour(
  "the kernel on loopback",
  network({ address: "127.0.0.1" }, { address: "127.0.0.2" }),
);
describeDatagramBehaviour(
  "the kernel on IPv6 loopback",
  network({ address: "::1" }, { address: "::1" }),
);

describeWithNic("UDP over the kernel of a host without a route", () => {
  it("tells who waits in recv that what was sent could not go", async () => {
    const netns = await NetNs.create();
    try {
      await run(function* () {
        const context = createKernelContext({ netns: netns.path });
        const socket = yield* udp.open({ host: "0.0.0.0", context });
        const receiving = yield* go(() =>
          fails("ENETUNREACH", () => socket.recv(new Uint8Array(10), soon())),
        );
        yield* socket.send(new Uint8Array(1), "192.0.2.1:9", soon());
        yield* receiving.join(soon());
      });
    } finally {
      netns.remove();
    }
  });
});
