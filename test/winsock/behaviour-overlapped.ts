// SPDX-License-Identifier: MIT
// Overlapped sending and receiving, events, completion routines. Part of the suite in behaviour.ts.

import { expect } from "vitest";
import { go, now, sleep, withDeadline } from "../../src/index.ts";
import * as winsock from "../../src/winsock/index.ts";
import {
  bad,
  connected,
  expectAll,
  expectStale,
  FLOOD_BYTES,
  fails,
  fill,
  good,
  linger,
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
const { Overlapped, WSA_INFINITE, WSA_IO_INCOMPLETE, WSA_IO_PENDING, WSA_OPERATION_ABORTED } =
  winsock;

/** An operation with an event. */
function withEvent(): { overlapped: winsock.Overlapped; event: winsock.WsaEvent } {
  const event = winsock.wsaCreateEvent();
  return { overlapped: new Overlapped({ event }), event };
}

/** An operation that writes down what its completion routine is told. */
function withRoutine(calls: string[], name = ""): winsock.Overlapped {
  return new Overlapped({
    completionRoutine: (error, bytes) => {
      calls.push(`${name}${error} ${bytes}`);
    },
  });
}

const ENDING: readonly Scenario[] = [
  scenario("wsaRecv pends, then sets its event; the result tells the bytes", function* (net) {
    const { client, server } = yield* connected(net);
    const { overlapped, event } = withEvent();
    winsock.wsaSetEvent(event);
    const buf = new Uint8Array(100);
    bad(WSA_IO_PENDING, winsock.wsaRecv(server, buf, 0, overlapped));
    expect([event.isSet, overlapped.error]).toEqual([false, WSA_IO_INCOMPLETE]);
    bad(WSA_IO_INCOMPLETE, winsock.wsaGetOverlappedResult(server, overlapped));
    bad(winsock.WSAEINVAL, winsock.wsaRecv(server, buf, 0, overlapped));
    yield* sendAll(client, pattern(60));
    expect(yield* winsock.wsaWaitForMultipleEvents([event], false, WSA_INFINITE)).toBe(0);
    expect(winsock.wsaGetOverlappedResult(server, overlapped)).toBe(60);
    expect(buf.subarray(0, 60)).toEqual(pattern(60));
  }),

  scenario("wsaRecv of what is there ends at once, and tells so all the same", function* (net) {
    const { client, server } = yield* connected(net);
    yield* sendAll(client, pattern(60));
    yield* sleep(now() + 30);
    const { overlapped, event } = withEvent();
    expect(good(winsock.wsaRecv(server, new Uint8Array(10), 0, overlapped))).toBe(0);
    expect([event.isSet, overlapped.error, overlapped.bytesTransferred]).toEqual([true, 0, 10]);
    const calls: string[] = [];
    good(winsock.wsaRecv(server, new Uint8Array(50), 0, withRoutine(calls)));
    expect(calls).toEqual([]);
    yield* sleep(now() + 1);
    expect(calls).toEqual(["0 50"]);
  }),

  scenario("wsaSend of more than fits ends when all of it is taken", function* (net) {
    const { client, server } = yield* connected(net);
    const { overlapped, event } = withEvent();
    bad(WSA_IO_PENDING, winsock.wsaSend(client, FLOOD, 0, overlapped));
    const reading = yield* go(() => readAll(server));
    expect(yield* winsock.wsaWaitForMultipleEvents([event], true, WSA_INFINITE)).toBe(0);
    expect(overlapped.bytesTransferred).toBe(FLOOD_BYTES);
    good(winsock.shutdown(client, winsock.SD_SEND));
    expectAll(yield* reading.join(soon()), FLOOD);
  }),

  scenario(
    "operations and blocking calls are served in the order of their beginning",
    function* (net) {
      const { client, server } = yield* connected(net);
      const calls: string[] = [];
      const bufs = [new Uint8Array(2), new Uint8Array(3), new Uint8Array(4)] as const;
      bad(WSA_IO_PENDING, winsock.wsaRecv(server, bufs[0], 8, withRoutine(calls, "a ")));
      bad(WSA_IO_PENDING, winsock.wsaRecv(server, bufs[1], 8, withRoutine(calls, "b ")));
      const blocking = yield* go(function* () {
        calls.push(`c ${good(yield* winsock.recv(server, bufs[2], 4, 8))}`);
      });
      yield* sleep(now() + 1);
      yield* sendAll(client, Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9));
      yield* blocking.join(soon());
      expect(calls.sort()).toEqual(["a 0 2", "b 0 3", "c 4"]);
      expect(bufs.map((buf) => [...buf])).toEqual([
        [1, 2],
        [3, 4, 5],
        [6, 7, 8, 9],
      ]);
    },
  ),

  scenario(
    "a completion routine may begin the next operation; the end is 0 bytes",
    function* (net) {
      const { client, server } = yield* connected(net);
      const buf = new Uint8Array(10);
      const seen: number[] = [];
      const overlapped: winsock.Overlapped = new Overlapped({
        completionRoutine(_error, bytes) {
          seen.push(bytes);
          if (bytes > 0) winsock.wsaRecv(server, buf, 0, overlapped);
        },
      });
      bad(WSA_IO_PENDING, winsock.wsaRecv(server, buf, 0, overlapped));
      for (let i = 0; i < 3; i++) {
        yield* sendAll(client, pattern(5));
        yield* sleep(now() + 20);
      }
      good(winsock.shutdown(client, winsock.SD_SEND));
      const endMs = soon();
      while (seen.at(-1) !== 0 && now() < endMs) yield* sleep(now() + 1);
      expect(seen).toEqual([5, 5, 5, 0]);
    },
  ),

  scenario("a failure is told by event and routine: WSAECONNRESET, WSAESHUTDOWN", function* (net) {
    const first = yield* connected(net);
    const { overlapped, event } = withEvent();
    bad(WSA_IO_PENDING, winsock.wsaRecv(first.client, new Uint8Array(1), 0, overlapped));
    linger(first.server, 0);
    good(yield* winsock.closesocket(first.server));
    yield* winsock.wsaWaitForMultipleEvents([event], true, WSA_INFINITE);
    expect(overlapped.error).toBe(winsock.WSAECONNRESET);
    bad(winsock.WSAECONNRESET, winsock.wsaGetOverlappedResult(first.client, overlapped));
    bad(winsock.WSAECONNRESET, winsock.wsaRecv(first.client, new Uint8Array(1), 0, overlapped));
    const second = yield* connected(net);
    const calls: string[] = [];
    bad(WSA_IO_PENDING, winsock.wsaRecv(second.client, new Uint8Array(1), 0, withRoutine(calls)));
    good(winsock.shutdown(second.client, winsock.SD_RECEIVE));
    yield* sleep(now() + 10);
    expect(calls).toEqual([`${winsock.WSAESHUTDOWN} 0`]);
  }),

  scenario("the deadline around its beginning bounds an operation: WSAETIMEDOUT", function* (net) {
    const { server } = yield* connected(net);
    const { overlapped, event } = withEvent();
    yield* withDeadline(now() + 30, function* () {
      bad(WSA_IO_PENDING, winsock.wsaRecv(server, new Uint8Array(1), 0, overlapped));
    });
    yield* winsock.wsaWaitForMultipleEvents([event], true, WSA_INFINITE);
    expect(overlapped.error).toBe(winsock.WSAETIMEDOUT);
  }),

  scenario("events: one of several, all of them, timeout, cancelled, wrong", function* () {
    const { wsaWaitForMultipleEvents: wait, wsaSetEvent, wsaResetEvent } = winsock;
    const events = [winsock.wsaCreateEvent(), winsock.wsaCreateEvent()] as const;
    const [, last] = events;
    expect(yield* wait(events, false, 0)).toBe(winsock.WSA_WAIT_TIMEOUT);
    expect(yield* wait(events, false, 5)).toBe(winsock.WSA_WAIT_TIMEOUT);
    wsaSetEvent(last);
    expect(yield* wait(events, false, WSA_INFINITE)).toBe(1);
    expect(yield* wait(events, true, 5)).toBe(winsock.WSA_WAIT_TIMEOUT);
    const all = yield* go(() => wait(events, true, WSA_INFINITE));
    yield* sleep(now() + 1);
    wsaSetEvent(events[0]);
    expect(yield* all.join(soon())).toBe(0);
    wsaResetEvent(last);
    expect(last.isSet).toBe(false);
    expect(yield* wait([], false, 0)).toBe(winsock.WSA_WAIT_FAILED);
    expect(winsock.getLastError()).toBe(winsock.WSAEINVAL);
    const late = withDeadline(now() + 10, () => wait([last], true, WSA_INFINITE));
    expect(yield* late).toBe(winsock.WSA_WAIT_FAILED);
    expect(winsock.getLastError()).toBe(winsock.WSAETIMEDOUT);
    let code = 0;
    const cancelled = yield* go(function* () {
      expect(yield* wait([last], true, WSA_INFINITE)).toBe(winsock.WSA_WAIT_FAILED);
      code = winsock.getLastError();
    });
    yield* sleep(now() + 1);
    cancelled.cancel();
    yield* sleep(now() + 1);
    expect(code).toBe(winsock.WSAEINTR);
  }),
];

const ABORTED: readonly Scenario[] = [
  scenario("closesocket aborts them: no event, no routine", function* (net) {
    const { client } = yield* connected(net);
    yield* fill(client, FLOOD);
    const calls: string[] = [];
    const [receive, send] = [withEvent(), withEvent()];
    const told = withRoutine(calls);
    const buf = new Uint8Array(1);
    bad(WSA_IO_PENDING, winsock.wsaRecv(client, buf, 0, receive.overlapped));
    bad(WSA_IO_PENDING, winsock.wsaRecv(client, buf, 0, told));
    bad(WSA_IO_PENDING, winsock.wsaSend(client, buf, 0, send.overlapped));
    good(yield* winsock.closesocket(client));
    for (const each of [receive.overlapped, send.overlapped, told]) {
      expect([each.error, each.bytesTransferred]).toEqual([WSA_OPERATION_ABORTED, 0]);
    }
    expect(yield* winsock.wsaWaitForMultipleEvents([receive.event, send.event], false, 60)).toBe(
      winsock.WSA_WAIT_TIMEOUT,
    );
    expect(calls).toEqual([]);
    yield* expectStale(client);
  }),

  scenario("so do a hard close, one that lingers, and cleanup", function* (net) {
    for (const how of ["hard", "linger", "cleanup"]) {
      const { client, server } = yield* connected(net);
      const { overlapped, event } = withEvent();
      bad(WSA_IO_PENDING, winsock.wsaRecv(client, new Uint8Array(1), 0, overlapped));
      if (how === "cleanup") good(winsock.cleanup());
      else {
        linger(client, how === "hard" ? 0 : 5);
        good(yield* winsock.closesocket(client));
        expect((yield* readAll(server)).end).toBe(how === "hard" ? winsock.WSAECONNRESET : 0);
      }
      yield* sleep(now() + 20);
      expect([overlapped.error, event.isSet]).toEqual([WSA_OPERATION_ABORTED, false]);
    }
    winsock.startup(0x0202);
  }),

  scenario(
    "the end of the coroutine that began it aborts it, and the socket goes on",
    function* (net) {
      const { client, server } = yield* connected(net);
      const { overlapped, event } = withEvent();
      const buf = new Uint8Array(10);
      const starter = yield* go(function* () {
        bad(WSA_IO_PENDING, winsock.wsaRecv(server, buf, 0, overlapped));
        yield* sleep(now() + 10);
      });
      yield* starter.join(soon());
      expect([overlapped.error, event.isSet]).toEqual([WSA_OPERATION_ABORTED, false]);
      yield* sendAll(client, pattern(10));
      expect(good(yield* winsock.recv(server, buf, 10, 0))).toBe(10);
    },
  ),

  scenario("more than may wait on one socket: WSAENOBUFS", function* (net) {
    const { client } = yield* connected(net);
    const { wsaRecv } = winsock;
    const buf = new Uint8Array(1);
    for (let i = 0; i < 1_024; i++) bad(WSA_IO_PENDING, wsaRecv(client, buf, 0, new Overlapped()));
    bad(winsock.WSAENOBUFS, wsaRecv(client, buf, 0, new Overlapped()));
    good(yield* winsock.closesocket(client));
  }),
];

const IN_PROGRESS: readonly Scenario[] = [
  scenario("in a completion routine: closesocket of its socket is WSAEINPROGRESS", function* (net) {
    const { client, server } = yield* connected(net);
    let hasEnded = false;
    const overlapped = new Overlapped({
      *completionRoutine() {
        yield* fails(winsock.WSAEINPROGRESS, winsock.closesocket(server));
        yield* sleep(now() + 30);
        hasEnded = true;
      },
    });
    bad(WSA_IO_PENDING, winsock.wsaRecv(server, new Uint8Array(10), 0, overlapped));
    yield* sendAll(client, pattern(10));
    yield* sleep(now() + 20);
    // It is still being processed: for others too the socket stays open, and works.
    yield* fails(winsock.WSAEINPROGRESS, winsock.closesocket(server));
    yield* sendAll(server, pattern(5));
    expect(good(yield* winsock.recv(client, new Uint8Array(5), 5, 8))).toBe(5);
    while (!hasEnded) yield* sleep(now() + 1);
    yield* sleep(now() + 1);
    good(yield* winsock.closesocket(server));
    expect((yield* readAll(client)).end).toBe(0);
  }),

  scenario("in a completion routine: calls that block are WSAEINPROGRESS", function* (net) {
    const { client, server, listener } = yield* connected(net);
    const other = yield* connected(net);
    linger(other.client, 5);
    const buf = new Uint8Array(10);
    let hasEnded = false;
    const event = winsock.wsaCreateEvent();
    const overlapped = new Overlapped({
      *completionRoutine() {
        const { WSAEINPROGRESS } = winsock;
        yield* fails(WSAEINPROGRESS, winsock.recv(server, buf, 1, 0));
        yield* fails(WSAEINPROGRESS, winsock.send(server, buf, 1, 0));
        yield* fails(WSAEINPROGRESS, winsock.accept(listener));
        yield* fails(WSAEINPROGRESS, winsock.closesocket(other.client));
        const waited = yield* winsock.wsaWaitForMultipleEvents([event], true, WSA_INFINITE);
        expect([waited, winsock.getLastError()]).toEqual([winsock.WSA_WAIT_FAILED, WSAEINPROGRESS]);
        bad(WSAEINPROGRESS, winsock.cleanup());
        // What does not wait is as ever, other sockets included.
        nonBlocking(server);
        good(yield* winsock.send(server, buf, 10, 0));
        good(yield* winsock.closesocket(other.server));
        hasEnded = true;
      },
    });
    bad(WSA_IO_PENDING, winsock.wsaRecv(server, buf, 0, overlapped));
    yield* sendAll(client, pattern(10));
    const endMs = soon();
    while (!hasEnded && now() < endMs) yield* sleep(now() + 1);
    expect(hasEnded).toBe(true);
    nonBlocking(server, false);
    expect(good(yield* winsock.recv(client, buf, 10, 8))).toBe(10);
  }),

  scenario("what a completion routine opens is of whoever began the operation", function* (net) {
    const { client, server } = yield* connected(net);
    const opened: number[] = [];
    const codes: number[] = [];
    const buf = new Uint8Array(1);
    const starter = yield* go(function* () {
      const slow = new Overlapped({
        *completionRoutine() {
          opened.push(stream());
          try {
            yield* sleep(-1);
          } finally {
            // The starter has ended: there is nobody left whose anything new could be.
            opened.push(winsock.socket(winsock.AF_INET, winsock.SOCK_STREAM, 0));
            winsock.wsaRecv(server, buf, 0, new Overlapped());
            codes.push(winsock.getLastError());
          }
        },
      });
      const quick = new Overlapped({ completionRoutine: () => opened.push(stream()) });
      winsock.wsaRecv(server, buf, 0, slow);
      winsock.wsaRecv(server, buf, 0, quick);
      yield* sleep(now() + 60);
      // Both routines have opened one, and one of them has ended.
      expect(opened).toHaveLength(2);
      for (const s of opened) good(winsock.ioctlsocket(s, winsock.FIONBIO, { value: 1 }));
    });
    yield* sendAll(client, pattern(2));
    yield* starter.join(soon());
    expect(codes).toEqual([winsock.WSAEINTR]);
    expect(opened).toHaveLength(3);
    for (const s of opened) yield* fails(winsock.WSAENOTSOCK, winsock.closesocket(s));
  }),

  scenario("an error in a completion routine ends whoever began the operation", function* (net) {
    const { client, server } = yield* connected(net);
    const starter = yield* go(function* () {
      const overlapped = new Overlapped({
        completionRoutine: () => {
          throw new Error("the routine is broken");
        },
      });
      bad(WSA_IO_PENDING, winsock.wsaRecv(server, new Uint8Array(1), 0, overlapped));
      yield* sleep(-1);
    });
    yield* sleep(now() + 1);
    yield* sendAll(client, pattern(1));
    let message = "";
    try {
      yield* starter.join(soon());
    } catch (error) {
      ({ message } = error as Error);
    }
    expect(message).toBe("the routine is broken");
    // The socket is not held by it any more.
    good(yield* winsock.closesocket(server));
  }),
];

/** Overlapped operations. */
export const OVERLAPPED: readonly Scenario[] = [...ENDING, ...ABORTED, ...IN_PROGRESS];
