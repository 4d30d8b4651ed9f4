// SPDX-License-Identifier: MIT
// The beginning and the end of using Winsock; what holds for the table of sockets as a whole; calls
// outside of coroutines of ours; the errors of a network that only a simulation can bring about.

import { run as effectionRun, spawn } from "effection";
import { afterEach, describe, expect, it } from "vitest";
import { go, now, run, sleep, withNetwork } from "../../src/index.ts";
import { drop } from "../../src/testing.ts";
import * as winsock from "../../src/winsock/index.ts";
import { allDescriptors, MAX_SOCKETS } from "../../src/winsock/table.ts";
import { cut, expectGone, scene } from "../socket/support/sim.ts";
import {
  bad,
  connected,
  connecting,
  expectAll,
  fails,
  good,
  linger,
  listening,
  nobody,
  nonBlocking,
  pattern,
  readAll,
  sendAll,
  soon,
  stream,
} from "./support/helpers.ts";

const { AF_INET, SOCK_STREAM, WSANOTINITIALISED } = winsock;
const NAME: winsock.Sockaddr = { family: AF_INET, port: 80, address: "10.0.0.1" };

/** As the tests leave it: not in use. */
afterEach(() => {
  while (winsock.cleanup() === 0) {}
  expect(allDescriptors()).toHaveLength(0);
});

/** Every call but `startup` itself. */
function* everyCall(s: number): Generator<never, void> {
  const buf = new Uint8Array(1);
  const overlapped = new winsock.Overlapped();
  bad(WSANOTINITIALISED, winsock.socket(AF_INET, SOCK_STREAM, 0));
  bad(WSANOTINITIALISED, winsock.duplicateSocket(s));
  bad(WSANOTINITIALISED, winsock.bind(s, NAME));
  bad(WSANOTINITIALISED, winsock.listen(s, 1));
  bad(WSANOTINITIALISED, winsock.shutdown(s, winsock.SD_SEND));
  bad(WSANOTINITIALISED, winsock.getsockname(s, nobody()));
  bad(WSANOTINITIALISED, winsock.getpeername(s, nobody()));
  bad(WSANOTINITIALISED, winsock.setsockopt(s, winsock.SOL_SOCKET, winsock.SO_DONTLINGER, true));
  bad(WSANOTINITIALISED, winsock.getsockopt(s, winsock.SOL_SOCKET, winsock.SO_TYPE, { value: 0 }));
  bad(WSANOTINITIALISED, winsock.ioctlsocket(s, winsock.FIONBIO, { value: 1 }));
  bad(WSANOTINITIALISED, winsock.wsaSend(s, buf, 0, overlapped));
  bad(WSANOTINITIALISED, winsock.wsaRecv(s, buf, 0, overlapped));
  bad(WSANOTINITIALISED, winsock.wsaGetOverlappedResult(s, overlapped));
  bad(WSANOTINITIALISED, winsock.cleanup());
}

function* everyOperation(s: number) {
  const buf = new Uint8Array(1);
  yield* fails(WSANOTINITIALISED, winsock.accept(s));
  yield* fails(WSANOTINITIALISED, winsock.connect(s, NAME));
  yield* fails(WSANOTINITIALISED, winsock.send(s, buf, 1, 0));
  yield* fails(WSANOTINITIALISED, winsock.recv(s, buf, 1, 0));
  yield* fails(WSANOTINITIALISED, winsock.closesocket(s));
  const event = winsock.wsaCreateEvent();
  const waited = yield* winsock.wsaWaitForMultipleEvents([event], true, 0);
  expect([waited, winsock.getLastError()]).toEqual([winsock.WSA_WAIT_FAILED, WSANOTINITIALISED]);
}

describe("startup and cleanup", () => {
  it("WSANOTINITIALISED before startup and after cleanup, from every call", async () => {
    await scene(function* () {
      yield* everyCall(4);
      yield* everyOperation(4);
      winsock.startup(0x0202);
      const s = stream();
      good(winsock.cleanup());
      yield* everyCall(s);
      yield* everyOperation(s);
    });
  });

  it("are counted: the last cleanup ends it, and resets what is open", async () => {
    await scene(function* (it) {
      winsock.startup(0x0202);
      winsock.startup(0x0202);
      const { client, server } = yield* connected(it);
      const graceful = yield* connected(it);
      good(yield* winsock.closesocket(graceful.client));
      good(winsock.cleanup());
      yield* sendAll(client, pattern(10));
      expect(good(yield* winsock.recv(server, new Uint8Array(10), 10, 0))).toBe(10);
      good(winsock.cleanup());
      bad(WSANOTINITIALISED, winsock.cleanup());
      // Both ends are gone; what was closed before ends by itself.
      yield* sleep(now() + 200);
      expect(it.server.leftovers()).toMatchObject({ sockets: 0, listeners: 0 });
    });
  });

  it("tells the version: the one asked for, 2.2 at most; there is no version 0", () => {
    const data = { version: 0, highVersion: 0 };
    for (const [asked, told] of [
      [0x0202, 0x0202],
      [0x0101, 0x0101],
      [0x0302, 0x0202],
      [0x0003, 0x0202],
    ] as const) {
      expect(winsock.startup(asked, data)).toBe(0);
      expect(data).toEqual({ version: told, highVersion: 0x0202 });
    }
    expect(winsock.startup(0)).toBe(winsock.WSAVERNOTSUPPORTED);
  });
});

describe("the table of sockets", () => {
  it("has a limit: WSAEMFILE, and a connection goes on waiting to be accepted", async () => {
    await scene(function* (it) {
      winsock.startup(0x0202);
      const { s: listener, name } = yield* listening(it.server);
      const client = yield* connecting(it.client, name);
      const others: number[] = [];
      for (let i = allDescriptors().length; i < MAX_SOCKETS; i++) others.push(stream());
      bad(winsock.WSAEMFILE, winsock.socket(AF_INET, SOCK_STREAM, 0));
      bad(winsock.WSAEMFILE, winsock.duplicateSocket(client));
      yield* fails(winsock.WSAEMFILE, winsock.accept(listener));
      good(yield* winsock.closesocket(others[0] as number));
      const server = good(yield* winsock.accept(listener));
      yield* sendAll(client, pattern(3));
      expect(good(yield* winsock.recv(server, new Uint8Array(3), 3, 8))).toBe(3);
    });
  });

  it("is empty when the coroutines that opened sockets have ended", async () => {
    await scene(function* (it) {
      winsock.startup(0x0202);
      const worker = yield* go(function* () {
        const { server } = yield* connected(it);
        winsock.duplicateSocket(server);
        stream();
        expect(allDescriptors()).toHaveLength(5);
      });
      yield* worker.join(soon());
      expect(allDescriptors()).toHaveLength(0);
    });
  });
});

describe("outside of coroutines", () => {
  it("plain calls work, with a last error of their own; cleanup closes the sockets", async () => {
    winsock.startup(0x0202);
    winsock.setLastError(7);
    const s = stream();
    bad(winsock.WSAENOTCONN, winsock.shutdown(s, winsock.SD_SEND));
    await run(function* () {
      expect(winsock.getLastError()).toBe(0);
      yield* fails(winsock.WSAEINVAL, winsock.accept(s));
    });
    expect(winsock.getLastError()).toBe(winsock.WSAENOTCONN);
    good(winsock.cleanup());
    expect(allDescriptors()).toHaveLength(0);
  });

  it("an overlapped operation is WSAEINVAL: there is no coroutine to end it", () => {
    winsock.startup(0x0202);
    const s = stream();
    const overlapped = new winsock.Overlapped();
    bad(winsock.WSAEINVAL, winsock.wsaRecv(s, new Uint8Array(1), 0, overlapped));
  });

  it("calls that block work in a plain Effection task, and halting it withdraws them", async () => {
    await scene(function* (it) {
      winsock.startup(0x0202);
      const { client, server } = yield* connected(it);
      const bytes = pattern(1_000);
      const task = yield* spawn(function* () {
        good(yield* winsock.send(client, bytes, bytes.length, 0));
        good(winsock.shutdown(client, winsock.SD_SEND));
        return yield* readAll(client);
      });
      expectAll(yield* readAll(server), bytes);
      const waiting = yield* spawn(() => winsock.recv(client, new Uint8Array(1), 1, 0));
      yield* sleep(now() + 50);
      yield* waiting.halt();
      good(yield* winsock.closesocket(server));
      expectAll(yield* task, new Uint8Array(0));
    });
    await effectionRun(function* () {
      const event = winsock.wsaCreateEvent();
      expect(yield* winsock.wsaWaitForMultipleEvents([event], true, 1)).toBe(
        winsock.WSA_WAIT_TIMEOUT,
      );
    });
  });

  it("a task that is halted while closesocket lingers has reset the connection", async () => {
    await scene(function* (it) {
      winsock.startup(0x0202);
      const { client, server } = yield* connected(it);
      cut(it);
      linger(client, 60);
      const task = yield* spawn(() => winsock.closesocket(client));
      yield* sleep(now() + 50);
      yield* task.halt();
      yield* fails(winsock.WSAENOTSOCK, winsock.closesocket(client));
      linger(server, 0);
      good(yield* winsock.closesocket(server));
      good(winsock.cleanup());
      expectGone(it.client);
    });
  });
});

describe("a network that fails", () => {
  it("WSAENETDOWN where there is none: bind and connect", async () => {
    await run(
      function* () {
        winsock.startup(0x0202);
        bad(winsock.WSAENETDOWN, winsock.bind(stream(), { ...NAME, port: 0 }));
        yield* fails(winsock.WSAENETDOWN, winsock.connect(stream(), NAME));
      },
      { clock: "virtual" },
    );
  });

  it("connect: each error of the network has its code", async () => {
    await scene(
      function* (it) {
        winsock.startup(0x0202);
        const { name } = yield* listening(it.server);
        yield* withNetwork(it.client, function* () {
          const { WSAEADDRINUSE, WSAEADDRNOTAVAIL, WSAEHOSTUNREACH, connect } = winsock;
          yield* fails(WSAEHOSTUNREACH, connect(stream(), { ...name, address: "10.0.0.77" }));
          yield* fails(
            winsock.WSAENETUNREACH,
            connect(stream(), { ...name, address: "192.0.2.1" }),
          );
          const six = good(winsock.socket(winsock.AF_INET6, SOCK_STREAM, 0));
          const v6 = { family: winsock.AF_INET6, port: 80, address: "2001:db8::1" };
          yield* fails(winsock.WSAEAFNOSUPPORT, connect(six, v6));
          const foreign = stream();
          good(winsock.bind(foreign, { ...name, address: "192.0.2.1", port: 0 }));
          yield* fails(WSAEADDRNOTAVAIL, connect(foreign, name));
          const first = stream();
          good(winsock.bind(first, { ...name, address: "0.0.0.0", port: 5_000 }));
          good(yield* connect(first, name));
          const second = stream();
          good(winsock.bind(second, { ...name, address: "0.0.0.0", port: 5_000 }));
          yield* fails(WSAEADDRINUSE, connect(second, name));
          good(yield* connect(stream(), name));
          yield* fails(winsock.WSAEMFILE, connect(stream(), name));
        });
      },
      { client: { context: { limits: { maxSockets: 2 } } } },
    );
  });

  it("connect to a silent host: WSAETIMEDOUT when TCP gives up", async () => {
    await scene(function* (it) {
      winsock.startup(0x0202);
      const { s: listener, name } = yield* listening(it.server);
      yield* connecting(it.client, name);
      good(yield* winsock.accept(listener));
      it.serverHost.link.rule((frame) => (frame.isTcp ? drop : undefined), "server");
      const startMs = now();
      const s = stream();
      yield* withNetwork(it.client, () => fails(winsock.WSAETIMEDOUT, winsock.connect(s, name)));
      expect(now() - startMs).toBe(180_000);
    });
  });

  it("recv and send of a connection that has timed out: WSAETIMEDOUT", async () => {
    await scene(
      function* (it) {
        winsock.startup(0x0202);
        const { client } = yield* connected(it);
        cut(it);
        yield* sendAll(client, pattern(10));
        yield* fails(winsock.WSAETIMEDOUT, winsock.recv(client, new Uint8Array(1), 1, 0));
        yield* fails(winsock.WSAETIMEDOUT, winsock.send(client, new Uint8Array(1), 1, 0));
        good(yield* winsock.closesocket(client));
      },
      { client: { context: { tcp: { r2Ms: 5_000 } } } },
    );
  });

  it("an attempt that was begun without blocking goes on when the socket is made blocking", async () => {
    await scene(function* (it) {
      winsock.startup(0x0202);
      const { name } = yield* listening(it.server);
      const s = stream();
      nonBlocking(s);
      yield* withNetwork(it.client, () => fails(winsock.WSAEWOULDBLOCK, winsock.connect(s, name)));
      // Making it blocking does not make the attempt another one.
      nonBlocking(s, false);
      yield* withNetwork(it.client, () => fails(winsock.WSAEALREADY, winsock.connect(s, name)));
      while (winsock.getpeername(s, nobody()) !== 0) yield* sleep(now() + 5);
      yield* sendAll(s, pattern(10));
    });
  });
});
