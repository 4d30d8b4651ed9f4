// SPDX-License-Identifier: MIT
// closesocket: each row of its table and each of its codes, from both sides. Part of the suite in
// behaviour.ts.

import { expect } from "vitest";
import { go, now, sleep, withNetwork } from "../../src/index.ts";
import * as winsock from "../../src/winsock/index.ts";
import {
  bad,
  blocked,
  connected,
  connecting,
  dontLinger,
  expectAll,
  expectStale,
  FLOOD_BYTES,
  fails,
  fill,
  good,
  linger,
  listening,
  nonBlocking,
  pattern,
  readAll,
  type Scenario,
  scenario,
  sendAll,
  soon,
  stream,
} from "./support/helpers.ts";

const FLOOD = pattern(FLOOD_BYTES);

const SIDES = ["client", "server"] as const;

const BACKGROUND: readonly Scenario[] = [
  ...SIDES.map((side) =>
    scenario(
      `SO_DONTLINGER, the ${side}: at once; the peer gets every byte and the end`,
      function* (net) {
        const sockets = yield* connected(net);
        const other = sockets[side === "client" ? "server" : "client"];
        const sent = yield* fill(sockets[side], FLOOD);
        const closing = yield* go(() => winsock.closesocket(sockets[side]));
        yield* sleep(now() + 1);
        expect(closing.isEnded).toBe(true);
        expect(yield* closing.join(soon())).toBe(0);
        yield* expectStale(sockets[side]);
        expectAll(yield* readAll(other), FLOOD.subarray(0, sent));
        good(yield* winsock.closesocket(other));
      },
    ),
  ),

  scenario("SO_DONTLINGER on a non-blocking socket: the same", function* (net) {
    const { client, server } = yield* connected(net);
    const sent = yield* fill(client, FLOOD);
    nonBlocking(client);
    good(yield* winsock.closesocket(client));
    expectAll(yield* readAll(server), FLOOD.subarray(0, sent));
  }),

  scenario("SO_DONTLINGER outlives the coroutine that opened the socket", function* (net) {
    const { s: listener, name } = yield* listening(net.server);
    const owner = yield* go(function* () {
      const s = yield* connecting(net.client, name);
      yield* sendAll(s, pattern(200_000));
      good(yield* winsock.closesocket(s));
    });
    yield* owner.join(soon());
    expectAll(yield* readAll(good(yield* winsock.accept(listener))), pattern(200_000));
  }),

  scenario("shutdown, recv until 0, closesocket: nothing is lost on either side", function* (net) {
    const { client, server } = yield* connected(net);
    const answering = yield* go(function* () {
      const seen = yield* readAll(server);
      yield* sendAll(server, seen.bytes);
      return yield* winsock.closesocket(server);
    });
    yield* sendAll(client, pattern(100_000));
    good(winsock.shutdown(client, winsock.SD_SEND));
    expectAll(yield* readAll(client), pattern(100_000));
    good(yield* winsock.closesocket(client));
    expect(yield* answering.join(soon())).toBe(0);
  }),
];

const HARD: readonly Scenario[] = [
  ...SIDES.map((side) =>
    scenario(`SO_LINGER 0, the ${side}: reset at once, unsent data is lost`, function* (net) {
      const sockets = yield* connected(net);
      const other = sockets[side === "client" ? "server" : "client"];
      const sent = yield* fill(sockets[side], FLOOD);
      linger(sockets[side], 0);
      good(yield* winsock.closesocket(sockets[side]));
      yield* expectStale(sockets[side]);
      const seen = yield* readAll(other);
      expect(seen.end).toBe(winsock.WSAECONNRESET);
      expect(seen.bytes.length).toBeLessThan(sent);
    }),
  ),

  scenario("SO_LINGER 0 on a non-blocking socket: the same", function* (net) {
    const { client, server } = yield* connected(net);
    nonBlocking(client);
    linger(client, 0);
    good(yield* winsock.closesocket(client));
    expect((yield* readAll(server)).end).toBe(winsock.WSAECONNRESET);
  }),

  scenario("SO_LINGER 0 of a peer that waits in recv: WSAECONNRESET", function* (net) {
    const { client, server } = yield* connected(net);
    const receiving = yield* blocked(() => winsock.recv(server, new Uint8Array(1), 1, 0));
    linger(client, 0);
    good(yield* winsock.closesocket(client));
    expect(yield* receiving.ended()).toEqual([-1, winsock.WSAECONNRESET]);
  }),
];

const WAITING: readonly Scenario[] = [
  scenario(
    "SO_LINGER, blocking: returns once the peer has every byte and the end",
    function* (net) {
      const { client, server } = yield* connected(net);
      const sent = yield* fill(client, FLOOD);
      linger(client, 60);
      const closing = yield* blocked(() => winsock.closesocket(client));
      // The number is gone while it waits.
      yield* expectStale(client);
      expectAll(yield* readAll(server), FLOOD.subarray(0, sent));
      expect((yield* closing.ended())[0]).toBe(0);
      good(yield* winsock.closesocket(server));
    },
  ),

  scenario("SO_LINGER, blocking: with nothing to send only the end is waited for", function* (net) {
    const { client, server } = yield* connected(net);
    linger(client, 60);
    good(yield* winsock.closesocket(client));
    expectAll(yield* readAll(server), new Uint8Array(0));
  }),

  scenario("SO_LINGER, blocking, the interval ends: reset before it returns 0", function* (net) {
    const { client, server } = yield* connected(net);
    const sent = yield* fill(client, FLOOD);
    linger(client, 1);
    expect(good(yield* winsock.closesocket(client))).toBe(0);
    yield* sleep(now() + 20);
    nonBlocking(server);
    const seen = yield* readAll(server);
    expect(seen.end).toBe(winsock.WSAECONNRESET);
    expect(seen.bytes.length).toBeLessThan(sent);
  }),

  scenario(
    "SO_LINGER, blocking, cancelled or past a deadline: the peer sees a reset",
    function* (net) {
      const { client, server } = yield* connected(net);
      yield* fill(client, FLOOD);
      linger(client, 60);
      const closing = yield* blocked(() => winsock.closesocket(client));
      closing.cancel();
      expect(yield* closing.ended()).toEqual([-1, winsock.WSAEINTR]);
      yield* expectStale(client);
      expect((yield* readAll(server)).end).toBe(winsock.WSAECONNRESET);
    },
  ),

  scenario(
    "SO_LINGER, blocking: a reset by the peer ends the wait, which is no failure",
    function* (net) {
      const { client, server } = yield* connected(net);
      yield* fill(client, FLOOD);
      linger(client, 60);
      const closing = yield* blocked(() => winsock.closesocket(client));
      linger(server, 0);
      good(yield* winsock.closesocket(server));
      expect((yield* closing.ended())[0]).toBe(0);
    },
  ),

  scenario(
    "SO_LINGER, blocking: the end of the owner resets; the closer gets WSAEINTR",
    function* (net) {
      const { s: listener, name } = yield* listening(net.server);
      let s = 0;
      let isFull = false;
      const owner = yield* go(function* () {
        s = yield* connecting(net.client, name);
        yield* fill(s, FLOOD);
        linger(s, 60);
        isFull = true;
        yield* sleep(-1);
      });
      const server = good(yield* winsock.accept(listener));
      while (!isFull) yield* sleep(now() + 5);
      const closing = yield* blocked(() => winsock.closesocket(s));
      owner.cancel();
      expect(yield* closing.ended()).toEqual([-1, winsock.WSAEINTR]);
      expect((yield* readAll(server)).end).toBe(winsock.WSAECONNRESET);
    },
  ),
];

const WOULD_BLOCK: readonly Scenario[] = [
  scenario(
    "SO_LINGER, non-blocking: WSAEWOULDBLOCK until SO_DONTLINGER; nothing begins",
    function* (net) {
      const { client, server } = yield* connected(net);
      nonBlocking(client);
      linger(client, 60);
      const buf = new Uint8Array(100);
      for (let i = 0; i < 3; i++) {
        yield* fails(winsock.WSAEWOULDBLOCK, winsock.closesocket(client));
        // No end has been sent: both directions work.
        yield* sendAll(client, pattern(100));
        expect(good(yield* winsock.recv(server, buf, 100, 8))).toBe(100);
        yield* sendAll(server, pattern(50));
        yield* sleep(now() + 20);
        expect(good(yield* winsock.recv(client, buf, 100, 0))).toBe(50);
      }
      const peer = { family: 0, port: 0, address: "" };
      good(winsock.getpeername(client, peer));
      dontLinger(client);
      good(yield* winsock.closesocket(client));
      expectAll(yield* readAll(server), new Uint8Array(0));
      yield* expectStale(client);
    },
  ),

  scenario("SO_LINGER, non-blocking, cancels nothing when it fails", function* (net) {
    const { client, server } = yield* connected(net);
    const receiving = yield* blocked(() => winsock.recv(client, new Uint8Array(1), 1, 0));
    const overlapped = new winsock.Overlapped();
    bad(winsock.WSA_IO_PENDING, winsock.wsaRecv(client, new Uint8Array(1), 0, overlapped));
    nonBlocking(client);
    linger(client, 60);
    yield* fails(winsock.WSAEWOULDBLOCK, winsock.closesocket(client));
    expect(receiving.outcome()).toBe(null);
    yield* sendAll(server, pattern(2));
    expect((yield* receiving.ended())[0]).toBe(1);
    yield* sleep(now() + 20);
    expect([overlapped.error, overlapped.bytesTransferred]).toEqual([0, 1]);
  }),

  scenario("SO_LINGER, non-blocking, succeeds where there is nothing to wait for", function* (net) {
    // All acknowledged after shutdown; never connected; listening; broken.
    const first = yield* connected(net);
    good(winsock.shutdown(first.client, winsock.SD_SEND));
    expect((yield* readAll(first.server)).end).toBe(0);
    yield* sleep(now() + 60);
    const second = yield* connected(net);
    linger(second.server, 0);
    good(yield* winsock.closesocket(second.server));
    yield* readAll(second.client);
    for (const s of [first.client, second.client, second.listener, stream()]) {
      nonBlocking(s);
      linger(s, 60);
      expect(good(yield* winsock.closesocket(s))).toBe(0);
    }
  }),
];

const REFERENCES: readonly Scenario[] = [
  scenario("closesocket of one of two descriptors leaves the connection alone", function* (net) {
    for (const seconds of [null, 0, 60]) {
      const { client, server } = yield* connected(net);
      const other = good(winsock.duplicateSocket(client));
      expect(other).not.toBe(client);
      yield* sendAll(server, pattern(300));
      if (seconds !== null) linger(client, seconds);
      good(yield* winsock.closesocket(client));
      yield* expectStale(client);
      // What was queued is there, in both directions.
      yield* sendAll(other, pattern(400));
      const buf = new Uint8Array(400);
      expect(good(yield* winsock.recv(server, buf, 400, 8))).toBe(400);
      expect(good(yield* winsock.recv(other, buf, 300, 8))).toBe(300);
      // The settings are the socket's, not the descriptor's.
      const set = { onOff: -1, linger: -1 };
      good(winsock.getsockopt(other, winsock.SOL_SOCKET, winsock.SO_LINGER, set));
      expect(set).toEqual(
        seconds === null ? { onOff: 0, linger: 0 } : { onOff: 1, linger: seconds },
      );
      good(yield* winsock.closesocket(other));
      const { end } = yield* readAll(server);
      expect(end).toBe(seconds === 0 ? winsock.WSAECONNRESET : 0);
    }
  }),

  scenario("a duplicate of a listener goes on listening", function* (net) {
    const { s, name } = yield* listening(net.server);
    const other = good(winsock.duplicateSocket(s));
    const accepting = yield* blocked(() => winsock.accept(s));
    good(yield* winsock.closesocket(s));
    expect(yield* accepting.ended()).toEqual([-1, winsock.WSAEINTR]);
    yield* connecting(net.client, name);
    good(yield* winsock.accept(other));
  }),

  scenario("calls on the other descriptor are not cancelled", function* (net) {
    const { client, server } = yield* connected(net);
    const other = good(winsock.duplicateSocket(client));
    const mine = yield* blocked(() => winsock.recv(client, new Uint8Array(1), 1, 0));
    const theirs = yield* blocked(() => winsock.recv(other, new Uint8Array(1), 1, 0));
    good(yield* winsock.closesocket(client));
    expect(yield* mine.ended()).toEqual([-1, winsock.WSAEINTR]);
    expect(theirs.outcome()).toBe(null);
    yield* sendAll(server, pattern(1));
    expect((yield* theirs.ended())[0]).toBe(1);
  }),

  scenario("the end of one owner leaves the other's descriptor", function* (net) {
    const { client, server } = yield* connected(net);
    const owner = yield* go(function* () {
      return good(winsock.duplicateSocket(client));
    });
    yield* fails(winsock.WSAENOTSOCK, winsock.closesocket(yield* owner.join(soon())));
    yield* sendAll(client, pattern(10));
    good(yield* winsock.closesocket(client));
    expectAll(yield* readAll(server), pattern(10));
  }),
];

const OTHERS: readonly Scenario[] = [
  scenario("a number is never given out again", function* () {
    const numbers = new Set<number>();
    for (let i = 0; i < 1_000; i++) {
      const s = stream();
      numbers.add(s);
      good(yield* winsock.closesocket(s));
    }
    expect(numbers.size).toBe(1_000);
    const latest = stream();
    for (const s of numbers) yield* fails(winsock.WSAENOTSOCK, winsock.closesocket(s));
    good(yield* winsock.closesocket(latest));
  }),

  scenario("WSAENOTSOCK for what is no socket at all", function* () {
    for (const s of [-1, 0, 1, 2 ** 40, Number.NaN]) yield* expectStale(s);
  }),

  scenario("a listener: those it has not accepted are reset", function* (net) {
    const { s, name } = yield* listening(net.server);
    const client = yield* connecting(net.client, name);
    yield* sleep(now() + 20);
    good(yield* winsock.closesocket(s));
    expect((yield* readAll(client)).end).toBe(winsock.WSAECONNRESET);
  }),

  scenario("a socket that is connecting: nothing of the attempt is left", function* (net) {
    const { name } = yield* listening(net.server);
    const s = stream();
    nonBlocking(s);
    yield* withNetwork(net.client, () => fails(winsock.WSAEWOULDBLOCK, winsock.connect(s, name)));
    good(yield* winsock.closesocket(s));
    yield* expectStale(s);
  }),

  scenario(
    "WSAENETDOWN once the network is gone; the socket is closed all the same",
    function* (net) {
      const intervals = [null, 0, 60];
      const clients: number[] = [];
      const { listener } = yield* connected(net);
      for (const seconds of intervals) {
        const { client } = yield* connected(net);
        if (seconds !== null) linger(client, seconds);
        clients.push(client);
      }
      net.client.close();
      net.server.close();
      for (const client of clients) {
        yield* fails(winsock.WSAENETDOWN, winsock.send(client, new Uint8Array(1), 1, 0));
        yield* fails(winsock.WSAENETDOWN, winsock.recv(client, new Uint8Array(1), 1, 0));
        yield* fails(winsock.WSAENETDOWN, winsock.closesocket(client));
        yield* expectStale(client);
      }
      yield* fails(winsock.WSAENETDOWN, winsock.accept(listener));
      yield* fails(winsock.WSAENETDOWN, winsock.closesocket(listener));
      yield* expectStale(listener);
    },
  ),

  scenario("WSAENETDOWN when the network goes while closesocket waits", function* (net) {
    const { client } = yield* connected(net);
    yield* fill(client, FLOOD);
    linger(client, 60);
    const closing = yield* blocked(() => winsock.closesocket(client));
    net.client.close();
    expect(yield* closing.ended()).toEqual([-1, winsock.WSAENETDOWN]);
  }),
];

/** closesocket. */
export const CLOSESOCKET: readonly Scenario[] = [
  ...BACKGROUND,
  ...HARD,
  ...WAITING,
  ...WOULD_BLOCK,
  ...REFERENCES,
  ...OTHERS,
];
