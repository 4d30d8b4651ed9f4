// SPDX-License-Identifier: MIT
// The suite of Winsock's calls over the kernel's sockets: on loopback, which every machine has.

import { type Context, createKernelContext, go, type Operation, run } from "../../src/index.ts";
import type { SocketNetwork } from "../socket/behaviour.ts";
import { describeWinsock } from "../winsock/behaviour.ts";

/** Small buffers, so that a peer that does not read is felt. */
const BUFFERS = { sendBufferBytes: 65_536, receiveBufferBytes: 65_536 };

const loopback: SocketNetwork = {
  async run(op: (net: { server: Context; client: Context }) => Operation<void>) {
    await run(function* () {
      const server = createKernelContext({ ...BUFFERS, address: "127.0.0.1" });
      const client = createKernelContext({ ...BUFFERS, address: "127.0.0.2" });
      yield* (yield* go(() => op({ server, client }))).join();
    });
  },
};

describeWinsock("the kernel on loopback", loopback);
