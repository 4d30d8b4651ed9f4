// SPDX-License-Identifier: MIT
// The two ways to end a connection that SO_LINGER needs besides close and abort: linger, which
// waits for the peer's acknowledgement alone, and release, which waits for nothing. Part of the
// suite in behaviour.ts.

import { expect } from "vitest";
import { bundle, go, type NetError, now, shield, sleep, tcp } from "../../src/index.ts";
import { expectGone } from "./behaviour-closing.ts";
import {
  connected,
  expectSame,
  fails,
  failure,
  pattern,
  readAll,
  type Scenario,
  scenario,
  soon,
} from "./support/helpers.ts";

/** More than fits into the buffers of both ends, whatever network it is. */
const FLOOD = pattern(16_000_000);

const LINGER: readonly Scenario[] = [
  ...(["client", "server"] as const).map((side) =>
    scenario(
      `linger by the ${side}: every byte and the end of the stream, and no wait for the peer's own end`,
      function* (net) {
        const pair = yield* connected(net);
        const other = pair[side === "client" ? "server" : "client"];
        const bytes = pattern(1_000_000);
        const lingering = yield* go(function* () {
          yield* pair[side].send(bytes, soon());
          yield* pair[side].linger(soon());
        });
        expectSame(yield* readAll(other, 3_000), bytes);
        yield* lingering.join(soon());
        expect(other.isOpen).toBe(true);
        // The rest happens in the background, in order: no reset for whoever closes later.
        yield* other.close(soon());
        yield* expectGone(pair[side]);
      },
    ),
  ),

  scenario("linger by both at once: both return", function* (net) {
    const { client, server } = yield* connected(net);
    const group = yield* bundle();
    yield* group.go(() => client.linger(soon()));
    yield* group.go(() => server.linger(soon()));
    yield* group.wait(soon());
  }),

  scenario("linger after done, linger after the peer has closed", function* (net) {
    const { client, server } = yield* connected(net);
    client.done();
    expect(yield* server.recvSome(new Uint8Array(1), soon())).toBe(0);
    yield* client.linger(soon());
    yield* server.linger(soon());
  }),

  scenario("data that arrives meanwhile does not keep linger from returning", function* (net) {
    const { client, server } = yield* connected(net);
    yield* server.send(pattern(100_000), soon());
    const lingering = yield* go(() => client.linger(soon()));
    // It may arrive after the end of the other side, which nobody has to take.
    let code = "none";
    const sending = yield* go(function* () {
      try {
        yield* server.send(pattern(500_000), soon());
      } catch (error) {
        code = (error as NetError).code;
      }
    });
    yield* lingering.join(soon());
    yield* sending.join(soon());
    expect(code).toMatch(/^(none|ECONNRESET)$/);
  }),

  scenario("linger does not return while the peer has not taken every byte", function* (net) {
    const { client, server } = yield* connected(net);
    const filled = yield* fails("ETIMEDOUT", () => client.send(FLOOD, now() + 100));
    const lingering = yield* go(() => client.linger(soon()));
    yield* sleep(now() + 50);
    expect(lingering.isEnded).toBe(false);
    expect(yield* readAll(server)).toHaveLength(filled.bytesSent as number);
    yield* lingering.join(soon());
  }),

  scenario("linger at its deadline: ETIMEDOUT here, ECONNRESET there", function* (net) {
    const { client, server } = yield* connected(net);
    yield* fails("ETIMEDOUT", () => client.send(FLOOD, now() + 100));
    const error = yield* fails("ETIMEDOUT", () => client.linger(now() + 30));
    expect(error.syscall).toBe("tcp.linger");
    yield* expectGone(client);
    yield* fails("ECONNRESET", () => readAll(server));
  }),

  scenario("linger with deadline 0 resets unless all is acknowledged", function* (net) {
    const { client, server } = yield* connected(net);
    yield* fails("ETIMEDOUT", () => client.linger(0));
    yield* fails("ECONNRESET", () => server.recv(new Uint8Array(1), soon()));
  }),

  scenario("linger that is cancelled: ECANCELED here, ECONNRESET there", function* (net) {
    const { client, server } = yield* connected(net);
    yield* fails("ETIMEDOUT", () => client.send(FLOOD, now() + 100));
    let code = "";
    const lingering = yield* go(function* () {
      code = (yield* failure(() => client.linger())).code;
    });
    yield* sleep(now() + 10);
    lingering.cancel();
    yield* sleep(now() + 10);
    expect(code).toBe("ECANCELED");
    yield* expectGone(client);
    yield* fails("ECONNRESET", () => readAll(server));
  }),

  scenario("linger in a coroutine that is cancelled already: a reset", function* (net) {
    const { client, server } = yield* connected(net);
    let code = "";
    const worker = yield* go(function* () {
      try {
        yield* sleep(-1);
      } finally {
        code = (yield* failure(() => client.linger(soon()))).code;
      }
    });
    yield* sleep(now() + 5);
    worker.cancel();
    yield* fails("ECONNRESET", () => server.recv(new Uint8Array(1), soon()));
    expect([code, client.isOpen]).toEqual(["ECANCELED", false]);
  }),

  scenario("linger works inside shield in a cancelled coroutine", function* (net) {
    const { client, server } = yield* connected(net);
    let hasEnded = false;
    const worker = yield* go(function* () {
      try {
        yield* sleep(-1);
      } finally {
        yield* shield(soon(), () => client.linger(soon()));
        hasEnded = true;
      }
    });
    yield* sleep(now() + 5);
    worker.cancel();
    expect(yield* readAll(server)).toHaveLength(0);
    while (!hasEnded) yield* sleep(now() + 1);
    yield* server.close(soon());
  }),

  scenario("linger of a connection that the peer has reset: ECONNRESET", function* (net) {
    const { client, server } = yield* connected(net);
    server.abort();
    yield* fails("ECONNRESET", () => client.recv(new Uint8Array(1), soon()));
    yield* fails("ECONNRESET", () => client.linger(soon()));
    yield* expectGone(client);
  }),

  scenario("linger and close twice: the second is EBADF, the first goes on", function* (net) {
    const { client, server } = yield* connected(net);
    yield* fails("ETIMEDOUT", () => client.send(FLOOD, now() + 100));
    const lingering = yield* go(() => client.linger(soon()));
    yield* sleep(now() + 5);
    yield* fails("EBADF", () => client.linger(soon()));
    yield* fails("EBADF", () => client.close(0));
    client.release();
    yield* readAll(server);
    yield* lingering.join(soon());
  }),

  scenario("abort overtakes linger: EBADF here, ECONNRESET there", function* (net) {
    const { client, server } = yield* connected(net);
    yield* fails("ETIMEDOUT", () => client.send(FLOOD, now() + 100));
    let code = "";
    const lingering = yield* go(function* () {
      code = (yield* failure(() => client.linger())).code;
    });
    yield* sleep(now() + 10);
    client.abort();
    yield* lingering.join(soon());
    expect(code).toBe("EBADF");
    yield* fails("ECONNRESET", () => readAll(server));
  }),
];

const RELEASE: readonly Scenario[] = [
  ...(["client", "server"] as const).map((side) =>
    scenario(
      `release by the ${side}: gone at once, and every byte arrives, then the end`,
      function* (net) {
        const pair = yield* connected(net);
        const other = pair[side === "client" ? "server" : "client"];
        const bytes = pattern(200_000);
        yield* pair[side].send(bytes, soon());
        pair[side].release();
        yield* expectGone(pair[side]);
        expectSame(yield* readAll(other), bytes);
        yield* other.close(soon());
      },
    ),
  ),

  scenario("release of a full send buffer: every byte that was taken arrives", function* (net) {
    const { client, server } = yield* connected(net);
    const { bytesSent } = yield* fails("ETIMEDOUT", () => client.send(FLOOD, now() + 100));
    client.release();
    expectSame(yield* readAll(server), FLOOD.subarray(0, bytesSent));
    yield* server.close(soon());
  }),

  scenario("release outlives the coroutine that opened the connection", function* (net) {
    const listener = yield* tcp.listen({ port: 0, context: net.server });
    const bytes = pattern(200_000);
    const opener = yield* go(function* () {
      const conn = yield* tcp.connect({ ...listener.local, context: net.client }, soon());
      yield* conn.send(bytes, soon());
      conn.release();
    });
    yield* opener.join(soon());
    const server = yield* listener.accept(soon());
    expectSame(yield* readAll(server), bytes);
    yield* server.close(soon());
  }),

  scenario("release works in a cancelled coroutine", function* (net) {
    const { client, server } = yield* connected(net);
    yield* client.send(pattern(1_000), soon());
    const worker = yield* go(function* () {
      try {
        yield* sleep(-1);
      } finally {
        client.release();
      }
    });
    yield* sleep(now() + 5);
    worker.cancel();
    expectSame(yield* readAll(server), pattern(1_000));
    yield* server.close(soon());
  }),

  scenario("release by both at once, release after done, release after the peer", function* (net) {
    const first = yield* connected(net);
    first.client.release();
    first.server.release();
    const second = yield* connected(net);
    second.client.done();
    second.client.release();
    expect(yield* second.server.recvSome(new Uint8Array(1), soon())).toBe(0);
    second.server.release();
  }),

  scenario("release gives EBADF to those blocked on the handle", function* (net) {
    const { client, server } = yield* connected(net);
    const codes: string[] = [];
    let sent = -1;
    yield* go(function* () {
      codes.push((yield* failure(() => client.recv(new Uint8Array(1), soon()))).code);
    });
    yield* go(function* () {
      const error = yield* failure(() => client.send(FLOOD, soon()));
      codes.push(error.code);
      sent = error.bytesSent as number;
    });
    yield* sleep(now() + 20);
    client.release();
    yield* sleep(now() + 10);
    expect(codes).toEqual(["EBADF", "EBADF"]);
    expectSame(yield* readAll(server), FLOOD.subarray(0, sent));
    yield* server.close(soon());
  }),

  scenario("release of a connection that the peer has reset leaves nothing", function* (net) {
    const { client, server } = yield* connected(net);
    server.abort();
    yield* fails("ECONNRESET", () => client.recv(new Uint8Array(1), soon()));
    client.release();
    yield* expectGone(client);
  }),

  scenario("a peer that resets what was released leaves nothing", function* (net) {
    const { client, server } = yield* connected(net);
    yield* fails("ETIMEDOUT", () => client.send(FLOOD, now() + 100));
    client.release();
    server.abort();
  }),
];

/** Linger and release. */
export const LINGERING: readonly Scenario[] = [...LINGER, ...RELEASE];
