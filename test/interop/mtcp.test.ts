// SPDX-License-Identifier: MIT
// The suite of mtcp behaviour over the kernel's sockets, on loopback.

import { expect, it } from "vitest";
import { type Context, createKernelContext, type Operation, run, sleep } from "../../src/index.ts";
import * as mtcp from "../../src/mtcp/index.ts";
import { describeMtcp } from "../mtcp/behaviour.ts";
import { connected, hear, nameOf, say } from "../mtcp/support/scene.ts";

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

it("a network of IPv6 alone carries no mtcp: EAFNOSUPPORT", () =>
  run(function* () {
    mtcp.init({ network: () => createKernelContext({ address: "::1" }) });
    expect(mtcp.createContext(0)).toBeNull();
    expect(mtcp.errno()).toBe(mtcp.EAFNOSUPPORT);
    yield* sleep(0);
  }));

it("without `network` it is the kernel's, with all its addresses", () =>
  run(function* () {
    mtcp.init({});
    const mctx = mtcp.createContext(0) as mtcp.Mctx;
    const pair = yield* connected({
      server: mctx,
      client: mctx,
      host: "127.0.0.1",
      networks: { server: mctx.context, client: mctx.context },
    });
    expect(nameOf(mctx, pair.listener).address).toBe(mtcp.INADDR_ANY);
    expect(nameOf(mctx, pair.served)).toEqual(mtcp.sockaddrIn("127.0.0.1", pair.port));
    yield* say(mctx, pair.dialed, "one context, both ends");
    expect(yield* hear(mctx, pair.served)).toBe("one context, both ends");
    mtcp.destroy();
  }));
