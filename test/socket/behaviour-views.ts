// SPDX-License-Identifier: MIT
// Streams without copies: readable, peek and consume, reserve and commit. Part of the suite in
// behaviour.ts.

import { expect } from "vitest";
import { choose, go, now, type Operation, sleep, type TcpConnection } from "../../src/index.ts";
import {
  codeOf,
  connected,
  expectSame,
  fails,
  pattern,
  readAll,
  type Scenario,
  scenario,
  soon,
} from "./support/helpers.ts";

/** Sends back all that comes, and copies it once: from where it came to where it goes. */
function* echoOnce(conn: TcpConnection): Operation<void> {
  for (let n = 0; (n = yield* conn.readable(soon())) > 0; ) {
    const room = yield* conn.reserve(Math.min(n, 9_000), soon());
    room.set(conn.peek().subarray(0, room.length));
    conn.commit(room.length);
    conn.consume(room.length);
  }
  yield* conn.close(soon());
}

/** Reads to the end by views. */
function* viewAll(conn: TcpConnection, most = 5_000): Operation<Uint8Array> {
  const parts: Uint8Array[] = [];
  for (let n = 0; (n = yield* conn.readable(soon())) > 0; ) {
    const bytes = conn.peek();
    expect(bytes.length).toBeGreaterThanOrEqual(n);
    parts.push(bytes.slice(0, most));
    conn.consume(Math.min(bytes.length, most));
  }
  expect(conn.peek().length).toBe(0);
  return new Uint8Array(Buffer.concat(parts));
}

/** Lets what was sent arrive. */
function* peeked(conn: TcpConnection, wanted: number): Operation<number[]> {
  const endMs = soon();
  while (conn.peek().length < wanted && now() < endMs) yield* sleep(now() + 1);
  return [...conn.peek()];
}

/** Receiving. */
const RECEIVING: readonly Scenario[] = [
  scenario("carries any number of bytes there and back", function* (net) {
    const { client, server } = yield* connected(net);
    const echoing = yield* go(() => echoOnce(server));
    const bytes = pattern(700_001);
    yield* go(function* () {
      for (let at = 0; at < bytes.length; at += 30_011) {
        yield* client.send(bytes.subarray(at, at + 30_011), soon());
      }
      client.done();
    });
    expectSame(yield* viewAll(client), bytes);
    yield* client.close(soon());
    yield* echoing.join(soon());
  }),

  scenario("peek takes nothing, consume takes what it is told", function* (net) {
    const { client, server } = yield* connected(net);
    expect(server.peek().length).toBe(0);
    yield* client.send(Uint8Array.of(1, 2, 3, 4), soon());
    expect(yield* peeked(server, 4)).toEqual([1, 2, 3, 4]);
    expect([...server.peek()]).toEqual([1, 2, 3, 4]);
    expect(yield* server.readable(0)).toBe(4);
    server.consume(0);
    server.consume(1);
    expect([...server.peek()]).toEqual([2, 3, 4]);
    const buf = new Uint8Array(2);
    yield* server.recv(buf, 0);
    expect([...buf, ...server.peek()]).toEqual([2, 3, 4]);
    server.consume(1);
    expect(server.peek().length).toBe(0);
    yield* fails("ETIMEDOUT", () => server.readable(0));
  }),

  scenario("what has been peeked at and not consumed stays, while more arrives", function* (net) {
    const { client, server } = yield* connected(net);
    yield* client.send(Uint8Array.of(1, 2), soon());
    yield* peeked(server, 2);
    server.consume(1);
    yield* client.send(Uint8Array.of(3, 4), soon());
    expect(yield* peeked(server, 3)).toEqual([2, 3, 4]);
    client.done();
    expect([...(yield* readAll(server))]).toEqual([2, 3, 4]);
  }),

  scenario("consume opens the window: the peer goes on", function* (net) {
    const { client, server } = yield* connected(net);
    const bytes = pattern(3_000_000);
    const sending = yield* go(() => client.send(bytes, soon()));
    yield* sleep(now() + 30);
    expect(sending.isEnded).toBe(false);
    yield* go(function* () {
      yield* sending.join(soon());
      client.done();
    });
    expectSame(yield* viewAll(server, 1_000_000), bytes);
  }),

  scenario(
    "refuses to consume more than peek shows: EINVAL, and what is no count",
    function* (net) {
      const { client, server } = yield* connected(net);
      expect(() => server.consume(1)).toThrow(/what peek has shown, nothing: call it first; got 1/);
      yield* client.send(Uint8Array.of(1, 2), soon());
      yield* peeked(server, 2);
      expect(() => server.consume(3)).toThrow(/what peek has shown, 2 bytes; got 3/);
      for (const count of [3, -1, 0.5, Number.NaN]) {
        expect(codeOf(() => server.consume(count))).toBe("EINVAL");
      }
      expect(() => server.consume("1" as never)).toThrow(TypeError);
      expect([...server.peek()]).toEqual([1, 2]);
    },
  ),

  scenario("readable waits until its deadline, and tells the end by 0", function* (net) {
    const { client, server } = yield* connected(net);
    yield* fails("ETIMEDOUT", () => server.readable(now() + 5));
    yield* client.send(Uint8Array.of(1), soon());
    expect(yield* server.readable(soon())).toBe(1);
    server.consume(1);
    client.done();
    expect(yield* server.readable(soon())).toBe(0);
    expect(yield* server.readable(0)).toBe(0);
  }),

  scenario("readable is a clause that takes nothing", function* (net) {
    const { client, server } = yield* connected(net);
    const none = yield* choose([server.readable(), sleep(now() + 5)]);
    expect(none.index).toBe(1);
    yield* client.send(Uint8Array.of(7), soon());
    const some = yield* choose([server.readable(), sleep(soon())]);
    expect(some).toEqual({ index: 0, value: 1 });
    expect([...server.peek()]).toEqual([7]);
  }),

  scenario("a cancelled readable has taken nothing", function* (net) {
    const { client, server } = yield* connected(net);
    const waiting = yield* go(() => fails("ECANCELED", () => server.readable(soon())));
    yield* sleep(now() + 1);
    waiting.cancel();
    yield* waiting.join(soon());
    yield* client.send(Uint8Array.of(5), soon());
    client.done();
    expect([...(yield* readAll(server))]).toEqual([5]);
  }),

  scenario("EBUSY beside a receive that waits, which is not disturbed", function* (net) {
    const { client, server } = yield* connected(net);
    const buf = new Uint8Array(2);
    const receiving = yield* go(() => server.recv(buf, soon()));
    yield* sleep(now() + 1);
    expect(codeOf(() => server.peek())).toBe("EBUSY");
    expect(codeOf(() => server.consume(0))).toBe("EBUSY");
    yield* fails("EBUSY", () => server.readable(soon()));
    yield* client.send(Uint8Array.of(1, 2), soon());
    yield* receiving.join(soon());
    expect([...buf]).toEqual([1, 2]);
    const waiting = yield* go(() => server.readable(soon()));
    yield* sleep(now() + 1);
    yield* fails("EBUSY", () => server.recvSome(buf, soon()));
    yield* client.send(Uint8Array.of(3), soon());
    expect(yield* waiting.join(soon())).toBe(1);
  }),
];

/** What the user may do to memory that is lent. */
const LENDING: readonly Scenario[] = [
  scenario("what peek and reserve lend cannot be given away to another thread", function* (net) {
    const { client, server } = yield* connected(net);
    const bytes = pattern(3_000);
    const room = yield* client.reserve(1_000, soon());
    giveAway(room);
    expect(room.length).toBe(1_000);
    room.set(bytes.subarray(0, 1_000));
    client.commit(1_000);
    yield* peeked(server, 1_000);
    giveAway(server.peek());
    expectSame(server.peek(), bytes.subarray(0, 1_000));
    server.consume(1_000);
    // Nor can the memory of what is empty, which all that are empty share.
    giveAway(server.peek());
    yield* client.send(bytes.subarray(1_000), soon());
    client.done();
    expectSame(yield* readAll(server), bytes.subarray(1_000));
  }),
];

/** Tries to move the memory of `bytes` into a message. */
function giveAway(bytes: Uint8Array): void {
  try {
    structuredClone(bytes, { transfer: [bytes.buffer as ArrayBuffer] });
  } catch (error) {
    expect((error as Error).name).toBe("DataCloneError");
  }
}

/** Sending. */
const SENDING: readonly Scenario[] = [
  scenario("commit sends what was written, or the first part of it", function* (net) {
    const { client, server } = yield* connected(net);
    const room = yield* client.reserve(4, soon());
    expect(room.length).toBe(4);
    room.set([1, 2, 3, 4]);
    client.commit(3);
    (yield* client.reserve(1, soon())).fill(9);
    client.commit(1);
    yield* client.send(Uint8Array.of(5), soon());
    client.done();
    expect([...(yield* readAll(server))]).toEqual([1, 2, 3, 9, 5]);
  }),

  scenario("reserved sizes of all kinds arrive in order, between sends", function* (net) {
    const { client, server } = yield* connected(net);
    const all = pattern(400_000);
    const reading = yield* go(() => readAll(server));
    let at = 0;
    for (let i = 0; at < all.length; i++) {
      const piece = all.subarray(at, at + 1 + ((i * 7_919) % 20_000));
      if (i % 3 === 0) {
        yield* client.send(piece, soon());
      } else {
        const room = yield* client.reserve(piece.length + (i % 5), soon());
        room.set(piece);
        client.commit(piece.length);
      }
      at += piece.length;
    }
    client.done();
    expectSame(yield* reading.join(soon()), all);
  }),

  scenario("reserve waits while the peer does not read, and goes on when it does", function* (net) {
    const { client, server } = yield* connected(net);
    let committed = 0;
    const sending = yield* go(function* () {
      while (committed < 3_000_000) {
        const room = yield* client.reserve(50_000, soon());
        room.fill(committed / 50_000);
        client.commit(50_000);
        committed += 50_000;
      }
      client.done();
    });
    yield* sleep(now() + 30);
    expect(sending.isEnded).toBe(false);
    yield* fails("EBUSY", () => client.send(Uint8Array.of(1), soon()));
    yield* fails("EBUSY", () => client.reserve(1, soon()));
    const got = yield* readAll(server);
    expect(got.length).toBe(3_000_000);
    for (let at = 0; at < got.length; at += 49_999) expect(got[at]).toBe(Math.floor(at / 50_000));
    yield* sending.join(soon());
  }),

  scenario("a cancelled reserve has taken no room, and nothing of it is sent", function* (net) {
    const { client, server } = yield* connected(net);
    let committed = 0;
    const waiting = yield* go(() =>
      fails("ECANCELED", function* () {
        for (;;) {
          (yield* client.reserve(50_000, soon())).fill(1);
          client.commit(50_000);
          committed += 50_000;
        }
      }),
    );
    yield* sleep(now() + 30);
    expect(waiting.isEnded).toBe(false);
    waiting.cancel();
    yield* waiting.join(soon());
    expect(codeOf(() => client.commit(0))).toBe("EINVAL");
    const reading = yield* go(() => readAll(server));
    (yield* client.reserve(1, soon())).fill(2);
    client.commit(1);
    client.done();
    const got = yield* reading.join(soon());
    expect([got.length, got.indexOf(2)]).toEqual([committed + 1, committed]);
  }),

  scenario("a reservation that is not committed is gone, and nothing is sent", function* (net) {
    const { client, server } = yield* connected(net);
    expect(codeOf(() => client.commit(0))).toBe("EINVAL");
    (yield* client.reserve(4, soon())).fill(1);
    yield* client.send(Uint8Array.of(2), soon());
    expect(codeOf(() => client.commit(4))).toBe("EINVAL");
    (yield* client.reserve(4, soon())).fill(3);
    yield* sleep(now() + 2);
    expect(codeOf(() => client.commit(4))).toBe("EINVAL");
    (yield* client.reserve(4, soon())).fill(4);
    (yield* client.reserve(2, soon())).fill(5);
    expect(codeOf(() => client.commit(3))).toBe("EINVAL");
    client.commit(2);
    expect(codeOf(() => client.commit(0))).toBe("EINVAL");
    client.done();
    expect([...(yield* readAll(server))]).toEqual([2, 5, 5]);
  }),

  scenario("refuses lengths that make no sense", function* (net) {
    const { client } = yield* connected(net);
    for (const length of [0, -1, 1.5, 1e9, Number.NaN]) {
      expect(codeOf(() => client.reserve(length))).toBe("EINVAL");
    }
    expect(() => client.reserve("1" as never)).toThrow(TypeError);
    yield* client.reserve(1, soon());
    expect(() => client.commit(null as never)).toThrow(TypeError);
  }),

  scenario("EPIPE after done, EBADF after the end, for each of the calls", function* (net) {
    const { client, server } = yield* connected(net);
    yield* client.reserve(1, soon());
    client.done();
    expect(codeOf(() => client.commit(1))).toBe("EPIPE");
    yield* fails("EPIPE", () => client.reserve(1, soon()));
    client.abort();
    expect(codeOf(() => client.commit(0))).toBe("EBADF");
    expect(codeOf(() => client.peek())).toBe("EBADF");
    expect(codeOf(() => client.consume(0))).toBe("EBADF");
    yield* fails("EBADF", () => client.readable(soon()));
    yield* fails("EBADF", () => client.reserve(1, soon()));
    server.abort();
  }),

  scenario("a reserve that waits hears of the end of the handle", function* (net) {
    const { client } = yield* connected(net);
    const waiting = yield* go(() =>
      fails("EBADF", function* () {
        for (;;) {
          yield* client.reserve(50_000, soon());
          client.commit(50_000);
        }
      }),
    );
    yield* sleep(now() + 30);
    client.abort();
    yield* waiting.join(soon());
  }),
];

/** Without copies. */
export const VIEWS: readonly Scenario[] = [...RECEIVING, ...LENDING, ...SENDING];
