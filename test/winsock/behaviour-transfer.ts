// SPDX-License-Identifier: MIT
// send, recv, shutdown. Part of the suite in behaviour.ts.

import { expect } from "vitest";
import { go, now, sleep } from "../../src/index.ts";
import * as winsock from "../../src/winsock/index.ts";
import {
  bad,
  blocked,
  connected,
  expectAll,
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

const { MSG_OOB, MSG_PEEK, MSG_WAITALL, SD_BOTH, SD_RECEIVE, SD_SEND } = winsock;

/** send, recv, shutdown. */
export const TRANSFER: readonly Scenario[] = [
  scenario("a million bytes each way at once", function* (net) {
    const { client, server } = yield* connected(net);
    const [there, back] = [pattern(1_000_000, 1), pattern(1_000_000, 2)];
    for (const [s, bytes] of [
      [client, there],
      [server, back],
    ] as const) {
      yield* go(function* () {
        yield* sendAll(s, bytes);
        good(winsock.shutdown(s, SD_SEND));
      });
    }
    const reading = yield* go(() => readAll(client));
    expectAll(yield* readAll(server), there);
    expectAll(yield* reading.join(soon()), back);
  }),

  scenario("recv takes what is there; len bounds it; 0 bytes are no wait", function* (net) {
    const { client, server } = yield* connected(net);
    const buf = new Uint8Array(100);
    expect(good(yield* winsock.recv(server, buf, 0, 0))).toBe(0);
    expect(good(yield* winsock.send(client, buf, 0, 0))).toBe(0);
    yield* sendAll(client, pattern(50));
    expect(good(yield* winsock.recv(server, buf, 20, 0))).toBe(20);
    expect(good(yield* winsock.recv(server, buf, 100, 0))).toBe(30);
    expect(buf.subarray(0, 30)).toEqual(pattern(50).subarray(20));
    yield* fails(winsock.WSAEFAULT, winsock.recv(server, buf, 101, 0));
    yield* fails(winsock.WSAEFAULT, winsock.send(client, buf, 101, 0));
    yield* fails(winsock.WSAEFAULT, winsock.send(client, buf, -1, 0));
  }),

  scenario("MSG_PEEK leaves the bytes; FIONREAD counts them", function* (net) {
    const { client, server } = yield* connected(net);
    yield* sendAll(client, pattern(50));
    const buf = new Uint8Array(50);
    expect(good(yield* winsock.recv(server, buf, 50, MSG_PEEK))).toBe(50);
    const waiting = { value: 0 };
    good(winsock.ioctlsocket(server, winsock.FIONREAD, waiting));
    expect(waiting.value).toBe(50);
    expect(good(yield* winsock.recv(server, buf, 50, 0))).toBe(50);
    expect(buf).toEqual(pattern(50));
    good(winsock.ioctlsocket(server, winsock.FIONREAD, waiting));
    expect(waiting.value).toBe(0);
  }),

  scenario("MSG_WAITALL fills the buffer, or ends with the stream", function* (net) {
    const { client, server } = yield* connected(net);
    const bytes = pattern(900_000);
    yield* go(function* () {
      for (let at = 0; at < bytes.length; at += 90_000) {
        yield* sendAll(client, bytes.subarray(at, at + 90_000));
        yield* sleep(now() + 1);
      }
      good(winsock.shutdown(client, SD_SEND));
    });
    const buf = new Uint8Array(300_000);
    expect(good(yield* winsock.recv(server, buf, 1_000, MSG_WAITALL))).toBe(1_000);
    expect(Buffer.compare(buf.subarray(0, 1_000), bytes.subarray(0, 1_000))).toBe(0);
    const rest: Uint8Array[] = [];
    for (let n = 0; (n = good(yield* winsock.recv(server, buf, 300_000, MSG_WAITALL))) > 0; ) {
      rest.push(buf.slice(0, n));
    }
    expect(rest.map((part) => part.length)).toEqual([300_000, 300_000, 299_000]);
    expect(Buffer.compare(Buffer.concat(rest), bytes.subarray(1_000))).toBe(0);
  }),

  scenario("flags that there are not, and sockets that cannot: codes", function* (net) {
    const { client, server, listener } = yield* connected(net);
    const buf = new Uint8Array(1);
    yield* fails(winsock.WSAEOPNOTSUPP, winsock.send(client, buf, 1, MSG_OOB));
    yield* fails(winsock.WSAEOPNOTSUPP, winsock.recv(server, buf, 1, MSG_OOB));
    yield* fails(winsock.WSAEOPNOTSUPP, winsock.recv(server, buf, 1, MSG_PEEK | MSG_WAITALL));
    good(yield* winsock.send(client, buf, 1, winsock.MSG_DONTROUTE));
    nonBlocking(server);
    yield* fails(winsock.WSAEOPNOTSUPP, winsock.recv(server, buf, 1, MSG_WAITALL));
    for (const s of [stream(), listener]) {
      yield* fails(winsock.WSAENOTCONN, winsock.send(s, buf, 1, 0));
      yield* fails(winsock.WSAENOTCONN, winsock.recv(s, buf, 1, 0));
      bad(winsock.WSAENOTCONN, winsock.shutdown(s, SD_BOTH));
      bad(winsock.WSAENOTCONN, winsock.ioctlsocket(s, winsock.FIONREAD, { value: 0 }));
    }
  }),

  scenario("a non-blocking socket: WSAEWOULDBLOCK, and what there is room for", function* (net) {
    const { client, server } = yield* connected(net);
    nonBlocking(server);
    yield* fails(winsock.WSAEWOULDBLOCK, winsock.recv(server, new Uint8Array(1), 1, 0));
    const bytes = pattern(FLOOD_BYTES);
    const sent = yield* fill(client, bytes);
    expect(sent).toBeLessThan(FLOOD_BYTES);
    nonBlocking(client);
    yield* fails(winsock.WSAEWOULDBLOCK, winsock.send(client, bytes, 1, 0));
    good(winsock.shutdown(client, SD_SEND));
    nonBlocking(server, false);
    expectAll(yield* readAll(server), bytes.subarray(0, sent));
  }),

  scenario(
    "SO_RCVTIMEO and SO_SNDTIMEO: WSAETIMEDOUT, and the connection is sound",
    function* (net) {
      const { client, server } = yield* connected(net);
      const { SOL_SOCKET, SO_RCVTIMEO, SO_SNDTIMEO, WSAETIMEDOUT, setsockopt } = winsock;
      good(setsockopt(server, SOL_SOCKET, SO_RCVTIMEO, 30));
      yield* fails(WSAETIMEDOUT, winsock.recv(server, new Uint8Array(1), 1, 0));
      yield* sendAll(client, pattern(10));
      yield* sleep(now() + 20);
      expect(good(yield* winsock.recv(server, new Uint8Array(10), 10, 0))).toBe(10);
      good(setsockopt(client, SOL_SOCKET, SO_SNDTIMEO, 30));
      const sent = yield* fill(client, pattern(FLOOD_BYTES));
      yield* fails(WSAETIMEDOUT, winsock.send(client, new Uint8Array(1), 1, 0));
      good(winsock.shutdown(client, SD_SEND));
      good(setsockopt(server, SOL_SOCKET, SO_RCVTIMEO, 0));
      expect((yield* readAll(server)).bytes.length).toBe(sent);
    },
  ),

  scenario("several receivers are served in the order in which they asked", function* (net) {
    const { client, server } = yield* connected(net);
    const got: string[] = [];
    for (const [name, len] of [
      ["first", 3],
      ["second", 5],
    ] as const) {
      yield* go(function* () {
        const buf = new Uint8Array(len);
        const n = yield* winsock.recv(server, buf, len, MSG_WAITALL);
        got.push(`${name} ${n} ${buf}`);
      });
      yield* sleep(now() + 1);
    }
    yield* sendAll(client, Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8));
    yield* sleep(now() + 30);
    expect(got).toEqual(["first 3 1,2,3", "second 5 4,5,6,7,8"]);
  }),

  scenario("several senders do not mix their bytes", function* (net) {
    const { client, server } = yield* connected(net);
    for (const value of [1, 2, 3]) {
      yield* go(() => sendAll(client, new Uint8Array(400_000).fill(value)));
      yield* sleep(now() + 1);
    }
    const buf = new Uint8Array(1_200_000);
    expect(good(yield* winsock.recv(server, buf, buf.length, MSG_WAITALL))).toBe(buf.length);
    const expected = new Uint8Array(1_200_000).fill(1, 0, 400_000);
    expected.fill(2, 400_000, 800_000).fill(3, 800_000);
    expect(Buffer.compare(buf, expected)).toBe(0);
  }),

  scenario(
    "SD_SEND: the peer sees the end, sending is WSAESHUTDOWN, receiving goes on",
    function* (net) {
      const { client, server } = yield* connected(net);
      yield* sendAll(client, pattern(1_000));
      good(winsock.shutdown(client, SD_SEND));
      good(winsock.shutdown(client, SD_SEND));
      yield* fails(winsock.WSAESHUTDOWN, winsock.send(client, new Uint8Array(1), 1, 0));
      expectAll(yield* readAll(server), pattern(1_000));
      yield* sendAll(server, pattern(500));
      good(winsock.shutdown(server, SD_SEND));
      expectAll(yield* readAll(client), pattern(500));
    },
  ),

  scenario("SD_SEND ends a send that waits: WSAESHUTDOWN", function* (net) {
    const { client, server } = yield* connected(net);
    yield* fill(client, pattern(FLOOD_BYTES));
    const sending = yield* blocked(() => winsock.send(client, pattern(9), 9, 0));
    good(winsock.shutdown(client, SD_SEND));
    expect(yield* sending.ended()).toEqual([-1, winsock.WSAESHUTDOWN]);
    expect((yield* readAll(server)).end).toBe(0);
  }),

  scenario("SD_RECEIVE drops what comes, ends who waits, and sending goes on", function* (net) {
    const { client, server } = yield* connected(net);
    const receiving = yield* blocked(() => winsock.recv(server, new Uint8Array(1), 1, 0));
    good(winsock.shutdown(server, SD_RECEIVE));
    expect(yield* receiving.ended()).toEqual([-1, winsock.WSAESHUTDOWN]);
    yield* sendAll(client, pattern(2_000_000));
    good(winsock.shutdown(client, SD_SEND));
    yield* fails(winsock.WSAESHUTDOWN, winsock.recv(server, new Uint8Array(1), 1, 0));
    yield* sendAll(server, pattern(1_000));
    good(winsock.shutdown(server, SD_BOTH));
    expectAll(yield* readAll(client), pattern(1_000));
    bad(winsock.WSAEINVAL, winsock.shutdown(client, 3));
  }),

  scenario(
    "a reset by the peer: WSAECONNRESET for those who wait and for all later calls",
    function* (net) {
      const { client, server } = yield* connected(net);
      const receiving = yield* blocked(() => winsock.recv(client, new Uint8Array(1), 1, 0));
      yield* fill(client, pattern(FLOOD_BYTES));
      const sending = yield* blocked(() => winsock.send(client, pattern(9), 9, 0));
      linger(server, 0);
      good(yield* winsock.closesocket(server));
      expect(yield* receiving.ended()).toEqual([-1, winsock.WSAECONNRESET]);
      expect(yield* sending.ended()).toEqual([-1, winsock.WSAECONNRESET]);
      yield* fails(winsock.WSAECONNRESET, winsock.recv(client, new Uint8Array(1), 1, 0));
      yield* fails(winsock.WSAECONNRESET, winsock.send(client, new Uint8Array(1), 1, 0));
      bad(winsock.WSAECONNRESET, winsock.shutdown(client, SD_SEND));
      const error = { value: 0 };
      good(winsock.getsockopt(client, winsock.SOL_SOCKET, winsock.SO_ERROR, error));
      expect(error.value).toBe(winsock.WSAECONNRESET);
      good(winsock.getsockopt(client, winsock.SOL_SOCKET, winsock.SO_ERROR, error));
      expect(error.value).toBe(0);
      good(yield* winsock.closesocket(client));
    },
  ),

  scenario("wrong types are TypeErrors that name the argument", function* (net) {
    const { s } = yield* listening(net.server);
    const wrong = "7" as unknown as number;
    const buf = new Uint8Array(1);
    const calls: readonly [string, () => unknown][] = [
      ["len", () => [...(winsock.send(s, buf, wrong, 0) as Iterable<unknown>)]],
      ["flags", () => [...(winsock.recv(s, buf, 1, wrong) as Iterable<unknown>)]],
      ["buf", () => [...(winsock.recv(s, wrong as never, 1, 0) as Iterable<unknown>)]],
      ["name", () => winsock.bind(s, wrong as never)],
      ["backlog", () => winsock.listen(s, wrong)],
      ["code", () => winsock.setLastError(wrong)],
      ["optval", () => winsock.setsockopt(s, winsock.SOL_SOCKET, winsock.SO_LINGER, 1)],
      ["argp", () => winsock.ioctlsocket(s, winsock.FIONBIO, wrong as never)],
      ["overlapped", () => winsock.wsaRecv(s, buf, 0, {} as never)],
    ];
    for (const [name, call] of calls) {
      let message = "none";
      try {
        call();
      } catch (error) {
        expect(error).toBeInstanceOf(TypeError);
        ({ message } = error as Error);
      }
      expect(message).toContain(name);
    }
  }),
];
