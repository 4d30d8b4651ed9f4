// SPDX-License-Identifier: MIT
// How connections end: half-close, close by either side and by both, abort. Part of the suite in
// behaviour.ts.

import { expect } from "vitest";
import { bundle, go, now, type Operation, shield, sleep, tcp } from "../../src/index.ts";
import {
  codeOf,
  connected,
  expectSame,
  fails,
  failure,
  type Pair,
  pattern,
  readAll,
  type Scenario,
  scenario,
  soon,
} from "./support/helpers.ts";

/** Every call on a handle that is gone. */
export function* expectGone(conn: Pair["client"]): Operation<void> {
  const owner = yield* bundle();
  expect(conn.isOpen).toBe(false);
  yield* fails("EBADF", () => conn.send(Uint8Array.of(1), soon()));
  yield* fails("EBADF", () => conn.recv(new Uint8Array(1), soon()));
  yield* fails("EBADF", () => conn.recvSome(new Uint8Array(1), soon()));
  yield* fails("EBADF", () => conn.close(soon()));
  yield* fails("EBADF", () => conn.linger(soon()));
  expect(codeOf(() => conn.done())).toBe("EBADF");
  expect(codeOf(() => conn.moveTo(owner))).toBe("EBADF");
  conn.release();
  conn.abort();
  yield* owner.close();
}

/** The end of a connection. */
export const CLOSING: readonly Scenario[] = [
  ...(["client", "server"] as const).flatMap((side) => {
    const other = side === "client" ? "server" : "client";
    return [
      scenario(`half-close by the ${side}: the other direction goes on`, function* (net) {
        const pair = yield* connected(net);
        const bytes = pattern(300_000);
        yield* pair[side].send(Uint8Array.of(1, 2), soon());
        pair[side].done();
        expect(yield* readAll(pair[other])).toEqual(Uint8Array.of(1, 2));
        yield* go(function* () {
          yield* pair[other].send(bytes, soon());
          yield* pair[other].close(soon());
        });
        expectSame(yield* readAll(pair[side]), bytes);
        yield* pair[side].close(soon());
      }),

      scenario(`close by the ${side}, then by the other: both orderly`, function* (net) {
        const pair = yield* connected(net);
        const closing = yield* go(() => pair[side].close(soon()));
        expect(yield* readAll(pair[other])).toHaveLength(0);
        expect(closing.isEnded).toBe(false);
        yield* pair[other].close(soon());
        yield* closing.join(soon());
        expect([pair.client.isOpen, pair.server.isOpen]).toEqual([false, false]);
      }),

      scenario(`close by the ${side} delivers every byte first`, function* (net) {
        const pair = yield* connected(net);
        const bytes = pattern(1_000_000);
        const closing = yield* go(function* () {
          yield* pair[side].send(bytes, soon());
          yield* pair[side].close(soon());
        });
        expectSame(yield* readAll(pair[other], 3_000), bytes);
        yield* pair[other].close(soon());
        yield* closing.join(soon());
      }),
    ];
  }),

  scenario("close by both at once: both orderly", function* (net) {
    const { client, server } = yield* connected(net);
    const group = yield* bundle();
    yield* group.go(() => client.close(soon()));
    yield* group.go(() => server.close(soon()));
    yield* group.wait(soon());
  }),

  scenario("close after done, close after the peer has closed", function* (net) {
    const { client, server } = yield* connected(net);
    client.done();
    expect(yield* server.recvSome(new Uint8Array(1), soon())).toBe(0);
    const closing = yield* go(() => server.close(soon()));
    yield* sleep(now() + 10);
    yield* client.close(soon());
    yield* closing.join(soon());
  }),

  scenario("bytes that came before both FINs can be read long after", function* (net) {
    const { client, server } = yield* connected(net);
    yield* server.send(pattern(1_000), soon());
    server.done();
    client.done();
    yield* sleep(now() + 50);
    expectSame(yield* readAll(client), pattern(1_000));
    yield* client.close(soon());
    yield* server.close(soon());
  }),

  scenario("close drops what is unread, and what still arrives, without a RST", function* (net) {
    const { client, server } = yield* connected(net);
    yield* server.send(pattern(100_000), soon());
    const closing = yield* go(() => client.close(soon()));
    yield* server.send(pattern(500_000), soon());
    expect(yield* server.recvSome(new Uint8Array(1), soon())).toBe(0);
    yield* server.close(soon());
    yield* closing.join(soon());
  }),

  scenario("close works inside shield in a cancelled coroutine: orderly", function* (net) {
    const { client, server } = yield* connected(net);
    let hasClosed = false;
    const worker = yield* go(function* () {
      try {
        yield* sleep(-1);
      } finally {
        yield* shield(soon(), () => client.close(soon()));
        hasClosed = true;
      }
    });
    yield* sleep(now() + 5);
    worker.cancel();
    expect(yield* server.recvSome(new Uint8Array(1), soon())).toBe(0);
    yield* server.close(soon());
    while (!hasClosed) yield* sleep(now() + 1);
  }),
];

/** Handles that are gone. */
export const HANDLES: readonly Scenario[] = [
  scenario("after close every call is EBADF, and abort does nothing", function* (net) {
    const { client, server } = yield* connected(net);
    const closing = yield* go(() => server.close(soon()));
    yield* client.close(soon());
    yield* closing.join(soon());
    yield* expectGone(client);
  }),

  scenario("after abort every call is EBADF, and abort does nothing", function* (net) {
    const { client } = yield* connected(net);
    client.abort();
    yield* expectGone(client);
  }),

  scenario("close twice: the second is EBADF and does not disturb the first", function* (net) {
    const { client, server } = yield* connected(net);
    const closing = yield* go(() => client.close(soon()));
    yield* sleep(now() + 5);
    yield* fails("EBADF", () => client.close(soon()));
    yield* fails("EBADF", () => client.close(0));
    yield* server.close(soon());
    yield* closing.join(soon());
  }),

  scenario("a second close in a cancelled coroutine does not disturb the first", function* (net) {
    const { client, server } = yield* connected(net);
    const closing = yield* go(() => client.close(soon()));
    const second = yield* go(function* () {
      try {
        yield* sleep(-1);
      } finally {
        yield* failure(() => client.close(soon()));
      }
    });
    yield* sleep(now() + 5);
    second.cancel();
    yield* sleep(now() + 5);
    expect(closing.isEnded).toBe(false);
    yield* server.close(soon());
    yield* closing.join(soon());
  }),

  scenario("close gives EBADF to those blocked on the handle", function* (net) {
    const { client, server } = yield* connected(net);
    const codes: string[] = [];
    yield* go(function* () {
      codes.push((yield* failure(() => client.recv(new Uint8Array(1), soon()))).code);
    });
    yield* go(function* () {
      codes.push((yield* failure(() => client.send(pattern(3_000_000), soon()))).code);
    });
    yield* sleep(now() + 20);
    const closing = yield* go(() => client.close(soon()));
    yield* readAll(server);
    expect(codes).toEqual(["EBADF", "EBADF"]);
    yield* server.close(soon());
    yield* closing.join(soon());
  }),

  scenario("abort gives EBADF to those blocked on the handle", function* (net) {
    const { client } = yield* connected(net);
    const codes: string[] = [];
    yield* go(function* () {
      codes.push((yield* failure(() => client.recvSome(new Uint8Array(1)))).code);
    });
    yield* go(function* () {
      codes.push((yield* failure(() => client.send(pattern(3_000_000)))).code);
    });
    yield* sleep(now() + 20);
    client.abort();
    yield* sleep(now() + 10);
    expect(codes).toEqual(["EBADF", "EBADF"]);
  }),

  scenario("after done: send is EPIPE, done is EPIPE, receiving goes on", function* (net) {
    const { client, server } = yield* connected(net);
    client.done();
    const error = yield* fails("EPIPE", () => client.send(Uint8Array.of(1), soon()));
    expect(error.bytesSent).toBe(0);
    expect(codeOf(() => client.done())).toBe("EPIPE");
    yield* server.send(Uint8Array.of(4), soon());
    const buf = new Uint8Array(1);
    yield* client.recv(buf, soon());
    expect(buf[0]).toBe(4);
  }),

  scenario("done ends a blocked send with EPIPE; what was taken is delivered", function* (net) {
    const { client, server } = yield* connected(net);
    const bytes = pattern(3_000_000);
    let sent = -1;
    yield* go(function* () {
      sent = (yield* fails("EPIPE", () => client.send(bytes, soon()))).bytesSent as number;
    });
    yield* sleep(now() + 20);
    client.done();
    const got = yield* readAll(server);
    expect(sent).toBe(got.length);
    expectSame(got, bytes.subarray(0, sent));
  }),
];

/** Resets. */
export const RESETS: readonly Scenario[] = [
  scenario(
    "abort by the peer: ECONNRESET for those who wait and for all later calls",
    function* (net) {
      const { client, server } = yield* connected(net);
      const codes: string[] = [];
      const receiving = yield* go(function* () {
        codes.push((yield* failure(() => client.recv(new Uint8Array(1), soon()))).code);
      });
      const sending = yield* go(function* () {
        codes.push((yield* failure(() => client.send(pattern(3_000_000), soon()))).code);
      });
      yield* sleep(now() + 20);
      server.abort();
      yield* receiving.join(soon());
      yield* sending.join(soon());
      expect(codes).toEqual(["ECONNRESET", "ECONNRESET"]);
      yield* fails("ECONNRESET", () => client.recvSome(new Uint8Array(1), soon()));
      yield* fails("ECONNRESET", () => client.send(Uint8Array.of(1), soon()));
      expect(codeOf(() => client.done())).toBe("ECONNRESET");
      expect(client.isOpen).toBe(true);
      const error = yield* fails("ECONNRESET", () => client.close(soon()));
      expect(error.syscall).toBe("tcp.close");
      expect(client.isOpen).toBe(false);
      yield* fails("EBADF", () => client.close(soon()));
    },
  ),

  scenario("bytes and the FIN that came before a RST can still be read", function* (net) {
    const { client, server } = yield* connected(net);
    yield* server.send(pattern(500), soon());
    server.done();
    yield* sleep(now() + 30);
    server.abort();
    yield* sleep(now() + 30);
    const got = new Uint8Array(500);
    yield* client.recv(got, soon());
    expectSame(got, pattern(500));
    yield* fails("ECONNRESET", () => client.send(Uint8Array.of(1), soon()));
  }),

  scenario("bytes that came before a RST can still be read, then ECONNRESET", function* (net) {
    const { client, server } = yield* connected(net);
    yield* server.send(pattern(500), soon());
    yield* sleep(now() + 30);
    server.abort();
    yield* sleep(now() + 30);
    const got = new Uint8Array(500);
    yield* client.recv(got, soon());
    expectSame(got, pattern(500));
    yield* fails("ECONNRESET", () => client.recvSome(got, soon()));
  }),

  scenario("bytes that came before our network was closed can still be read", function* (net) {
    const { client, server } = yield* connected(net);
    yield* server.send(pattern(500), soon());
    yield* sleep(now() + 30);
    net.client.close();
    const got = new Uint8Array(500);
    yield* client.recv(got, soon());
    expectSame(got, pattern(500));
    yield* fails("ENETDOWN", () => client.recvSome(got, soon()));
  }),

  scenario("abort by the peer while closing: ECONNRESET, and the handle is gone", function* (net) {
    const { client, server } = yield* connected(net);
    let code = "";
    const closing = yield* go(function* () {
      code = (yield* failure(() => client.close(soon()))).code;
    });
    yield* sleep(now() + 20);
    server.abort();
    yield* closing.join(soon());
    expect([code, client.isOpen]).toEqual(["ECONNRESET", false]);
  }),

  scenario(
    "close that times out resets the peer: ETIMEDOUT here, ECONNRESET there",
    function* (net) {
      const { client, server } = yield* connected(net);
      yield* fails("ETIMEDOUT", () => client.close(now() + 30));
      expect(client.isOpen).toBe(false);
      // The FIN came before the RST: what was to be read has been read, sending fails.
      expect(yield* server.recvSome(new Uint8Array(1), soon())).toBe(0);
      yield* sleep(now() + 20);
      yield* fails("ECONNRESET", () => server.send(Uint8Array.of(1), 0));
      yield* fails("ECONNRESET", () => server.close(soon()));
    },
  ),

  scenario("close with deadline 0 resets unless the peer has closed", function* (net) {
    const { client, server } = yield* connected(net);
    yield* fails("ETIMEDOUT", () => client.close(0));
    yield* fails("ECONNRESET", () => server.recv(new Uint8Array(1), soon()));
  }),

  scenario("close that is cancelled resets the peer: ECANCELED", function* (net) {
    const { client, server } = yield* connected(net);
    let code = "";
    const closing = yield* go(function* () {
      code = (yield* failure(() => client.close())).code;
    });
    expect(yield* server.recvSome(new Uint8Array(1), soon())).toBe(0);
    closing.cancel();
    yield* sleep(now() + 10);
    expect([code, client.isOpen]).toEqual(["ECANCELED", false]);
    yield* fails("ECONNRESET", () => server.close(soon()));
  }),

  scenario("close in a coroutine that is cancelled already: RST, handle gone", function* (net) {
    const { client, server } = yield* connected(net);
    let code = "";
    const worker = yield* go(function* () {
      try {
        yield* sleep(-1);
      } finally {
        code = (yield* failure(() => client.close(soon()))).code;
      }
    });
    yield* sleep(now() + 5);
    worker.cancel();
    yield* fails("ECONNRESET", () => server.recv(new Uint8Array(1), soon()));
    expect([code, client.isOpen]).toEqual(["ECANCELED", false]);
  }),

  scenario("close holds its deadline against a peer that sends for ever", function* (net) {
    const { client, server } = yield* connected(net);
    const flooding = yield* go(function* () {
      const bytes = new Uint8Array(100_000);
      return yield* failure(function* () {
        for (;;) {
          yield* server.send(bytes, soon());
          yield* sleep(now() + 1);
        }
      });
    });
    yield* sleep(now() + 20);
    yield* fails("ETIMEDOUT", () => client.close(now() + 60));
    expect((yield* flooding.join(soon())).code).toBe("ECONNRESET");
  }),

  scenario("a connection refused after the handshake does not hurt the listener", function* (net) {
    const listener = yield* tcp.listen({ port: 0, context: net.server });
    const target = { ...listener.local, context: net.client };
    const dead = yield* tcp.connect(target, soon());
    dead.abort();
    yield* sleep(now() + 30);
    // It was reset before anybody took it: accept never gives it out.
    const alive = yield* tcp.connect(target, soon());
    const server = yield* listener.accept(soon());
    expect(server.remote.port).toBe(alive.local.port);
  }),
];
