// SPDX-License-Identifier: MIT
// The suite of mtcp behaviour over the kernel's sockets, on loopback.

import { type Context, createKernelContext, type Operation, run } from "../../src/index.ts";
import { describeMtcp } from "../mtcp/behaviour.ts";

/** Small buffers, so that a peer that does not read is felt. */
const BUFFERS = { sendBufferBytes: 65_536, receiveBufferBytes: 65_536 };

describeMtcp("the kernel on loopback", {
  async run(op: (net: { server: Context; client: Context }) => Operation<void>) {
    await run(function* () {
      const server = createKernelContext({ ...BUFFERS, address: "127.0.0.1" });
      const client = createKernelContext({ ...BUFFERS, address: "127.0.0.2" });
      yield* op({ server, client });
    });
  },
});
