// SPDX-License-Identifier: MIT
// The suite of UDP behaviour over the kernel's sockets.

import {
  type Context,
  createKernelContext,
  go,
  type KernelContextOptions,
  type Operation,
  run,
} from "../../src/index.ts";
import type { SocketNetwork } from "../socket/behaviour.ts";
import { describeDatagramBehaviour } from "../socket/udp-behaviour.ts";

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
