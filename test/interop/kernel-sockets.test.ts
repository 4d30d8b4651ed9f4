// SPDX-License-Identifier: MIT
// The suite of socket behaviour over the kernel's sockets: on loopback, which every machine has,
// and over a veth pair between two network namespaces.

import { afterAll, beforeAll } from "vitest";
import {
  type Context,
  createKernelContext,
  go,
  type KernelContextOptions,
  type Operation,
  run,
} from "../../src/index.ts";
import { describeSocketBehaviour, type SocketNetwork } from "../socket/behaviour.ts";
import { describeWithNic, NetNs } from "../support/netns.ts";

type Ends = { readonly server: Context; readonly client: Context };

/** Small buffers, so that a peer that does not read is felt. */
const BUFFERS = { sendBufferBytes: 65_536, receiveBufferBytes: 65_536 };

function network(
  options: () => readonly [KernelContextOptions, KernelContextOptions],
): SocketNetwork {
  return {
    async run(op: (net: Ends) => Operation<void>) {
      await run(function* () {
        const [server, client] = options();
        const ends = {
          server: createKernelContext({ ...BUFFERS, ...server }),
          client: createKernelContext({ ...BUFFERS, ...client }),
        };
        yield* (yield* go(() => op(ends))).join();
      });
    },
  };
}

describeSocketBehaviour(
  "the kernel on loopback",
  network(() => [{ address: "127.0.0.1" }, { address: "127.0.0.2" }]),
);
describeSocketBehaviour(
  "the kernel on IPv6 loopback",
  network(() => [{ address: "::1" }, { address: "::1" }]),
);

describeWithNic("kernel sockets over veth", () => {
  let near: NetNs;
  let far: NetNs;

  beforeAll(async () => {
    near = await NetNs.create();
    far = await NetNs.create();
    near.addVeth("veth-n", "veth-f");
    near.ip(`link set veth-f netns ${far.pid}`);
    near.ip("addr add 10.81.0.1/24 dev veth-n");
    far.ip("addr add 10.81.0.2/24 dev veth-f");
    far.ip("link set veth-f up");
  });
  afterAll(() => {
    near?.remove();
    far?.remove();
  });

  describeSocketBehaviour(
    "the kernels at both ends of a veth pair",
    network(() => [
      { netns: near.path, address: "10.81.0.1" },
      { netns: far.path, address: "10.81.0.2" },
    ]),
  );
});
