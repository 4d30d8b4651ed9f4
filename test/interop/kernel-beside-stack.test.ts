// SPDX-License-Identifier: MIT
// A stack of ours and the kernel's sockets in one loop: a proxy between both, over a cable and over
// a TAP device whose other side is the kernel, however the loop polls.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type Context,
  createContext,
  createKernelContext,
  go,
  type Operation,
  openDriver,
  run,
  type TcpConnection,
  type TcpListener,
  tcp,
} from "../../src/index.ts";
import { createCable } from "../../src/testing.ts";
import { echo, pattern, readAll, soon } from "../socket/support/helpers.ts";
import { describeWithNic, NetNs } from "../support/netns.ts";

const CLIENTS = 8;
const MODES = ["never", "adaptive", "always"] as const;

/** One direction. */
function* pump(from: TcpConnection, to: TcpConnection): Operation<void> {
  const buf = new Uint8Array(16_384);
  for (let n: number; (n = yield* from.recvSome(buf, soon())) > 0; ) {
    yield* to.send(buf.subarray(0, n), soon());
  }
  to.done();
}

/** Passes on what comes to `proxy` to `origin`, from `context`, and back. */
function* serveProxy(proxy: TcpListener, origin: TcpListener, context: Context): Operation<void> {
  yield* proxy.serve(function* (conn) {
    const upstream = yield* tcp.connect({ ...origin.local, context }, soon());
    const back = yield* go(() => pump(upstream, conn));
    yield* pump(conn, upstream);
    yield* back.join(soon());
    yield* upstream.close(soon());
    yield* conn.close(soon());
  });
}

/** Sends through `to` and wants it back. */
function* client(to: TcpListener, context: Context, bytes: Uint8Array): Operation<void> {
  const conn = yield* tcp.connect({ ...to.local, context }, soon());
  const sending = yield* go(function* () {
    yield* conn.send(bytes, soon());
    conn.done();
  });
  expect(Buffer.compare(yield* readAll(conn), bytes)).toBe(0);
  yield* sending.join(soon());
  yield* conn.close(soon());
}

/** Several clients of `outer`, through a proxy that listens there, to a server behind `inner`. */
function* exchange(places: {
  readonly clients: Context;
  readonly proxyListens: Context;
  readonly proxyConnects: Context;
  readonly origin: Context;
}): Operation<void> {
  const origin = yield* tcp.listen({ port: 0, context: places.origin });
  yield* go(() => origin.serve(echo));
  const proxy = yield* tcp.listen({ port: 0, context: places.proxyListens });
  yield* go(() => serveProxy(proxy, origin, places.proxyConnects));
  const clients = [];
  for (let i = 0; i < CLIENTS; i++) {
    clients.push(yield* go(() => client(proxy, places.clients, pattern(200_000, i))));
  }
  for (const each of clients) yield* each.join(soon());
}

describe.each(MODES)("a proxy in a loop that polls %s", (busyPoll) => {
  it("from the kernel to a stack on a cable, and back", async () => {
    await run(
      function* () {
        const [a, b] = createCable();
        const origin = createContext({ driver: a, address: "10.0.0.1/24" });
        const proxyConnects = createContext({ driver: b, address: "10.0.0.2/24" });
        const kernel = createKernelContext({ address: "127.0.0.1" });
        yield* exchange({ clients: kernel, proxyListens: kernel, proxyConnects, origin });
      },
      { busyPoll },
    );
  });

  it("from a stack on a cable to the kernel, and back", async () => {
    await run(
      function* () {
        const [a, b] = createCable();
        const clients = createContext({ driver: a, address: "10.0.0.1/24" });
        const proxyListens = createContext({ driver: b, address: "10.0.0.2/24" });
        const kernel = createKernelContext({ address: "127.0.0.1" });
        yield* exchange({ clients, proxyListens, proxyConnects: kernel, origin: kernel });
      },
      { busyPoll },
    );
  });
});

describeWithNic("a stack on a TAP device, and the kernel beyond it", () => {
  let netns: NetNs;

  beforeAll(async () => {
    netns = await NetNs.create();
  });
  afterAll(() => netns?.remove());

  for (const busyPoll of MODES) {
    it(`in one loop that polls ${busyPoll}`, async () => {
      await run(
        function* () {
          const driver = openDriver({
            driver: "tap",
            interface: `tap-${busyPoll}`,
            netns: netns.path,
            kernelAddress: "10.95.0.1/24",
          });
          const stack = createContext({ driver, address: "10.95.0.2/24" });
          const kernel = createKernelContext({ netns: netns.path, address: "10.95.0.1" });
          yield* exchange({
            clients: kernel,
            proxyListens: stack,
            proxyConnects: stack,
            origin: kernel,
          });
        },
        { busyPoll },
      );
    });
  }
});
