// SPDX-License-Identifier: MIT
// Making sockets and connections. Part of the suite in behaviour.ts.

import { expect } from "vitest";
import { go, now, type Operation, sleep, withNetwork } from "../../src/index.ts";
import * as winsock from "../../src/winsock/index.ts";
import { allDescriptors } from "../../src/winsock/table.ts";
import {
  bad,
  connected,
  connecting,
  fails,
  good,
  listening,
  nobody,
  nonBlocking,
  pattern,
  readAll,
  type Scenario,
  scenario,
  sendAll,
  soon,
  stream,
  type TwoEnds,
} from "./support/helpers.ts";

const ANY: winsock.Sockaddr = { family: winsock.AF_INET, port: 0, address: "0.0.0.0" };

/** Where nobody listens, and lately somebody did. */
function* deadEnd(net: TwoEnds): Operation<winsock.Sockaddr> {
  const { s, name } = yield* listening(net.server);
  good(yield* winsock.closesocket(s));
  return name;
}

/** The code that SO_ERROR has. */
function socketError(s: number): number {
  const optval = { value: -1 };
  good(winsock.getsockopt(s, winsock.SOL_SOCKET, winsock.SO_ERROR, optval));
  return optval.value;
}

/** Asks again, without waiting, until a non-blocking connect has ended. @returns the last code */
function* outcomeOf(s: number, name: winsock.Sockaddr): Operation<number> {
  const endMs = soon();
  do {
    yield* sleep(now() + 2);
    expect(yield* winsock.connect(s, name)).toBe(winsock.SOCKET_ERROR);
  } while (winsock.getLastError() === winsock.WSAEALREADY && now() < endMs);
  return winsock.getLastError();
}

/** Making connections. */
export const OPENING: readonly Scenario[] = [
  scenario("socket, bind, listen, accept, connect: names at all four ends", function* (net) {
    const { s: listener, name } = yield* listening(net.server);
    expect(name.address).toBe(net.server.address);
    expect(name.port).toBeGreaterThan(0);
    const client = yield* connecting(net.client, name);
    const peer = nobody();
    const server = good(yield* winsock.accept(listener, peer));
    const [ours, theirs, remote] = [nobody(), nobody(), nobody()];
    good(winsock.getsockname(client, ours));
    good(winsock.getpeername(client, remote));
    good(winsock.getsockname(server, theirs));
    expect(remote).toEqual(name);
    expect(theirs).toEqual(name);
    expect(peer).toEqual(ours);
    expect(ours.address).toBe(net.client.address);
    bad(winsock.WSAENOTCONN, winsock.getpeername(listener, nobody()));
  }),

  scenario("socket: what there is not", function* () {
    const { AF_INET, SOCK_STREAM, socket } = winsock;
    bad(winsock.WSAEAFNOSUPPORT, socket(1, SOCK_STREAM, 0));
    bad(winsock.WSAESOCKTNOSUPPORT, socket(AF_INET, winsock.SOCK_DGRAM, 0));
    bad(winsock.WSAEPROTONOSUPPORT, socket(AF_INET, SOCK_STREAM, 17));
    good(socket(winsock.AF_INET6, SOCK_STREAM, 0));
  }),

  scenario("bind: once, to an address of the socket's family", function* (net) {
    yield* withNetwork(net.server, function* () {
      const s = stream();
      bad(winsock.WSAEINVAL, winsock.getsockname(s, nobody()));
      const { AF_INET, AF_INET6 } = winsock;
      for (const name of [
        { family: AF_INET6, port: 0, address: "::1" },
        { family: AF_INET, port: 0, address: "::1" },
        { family: AF_INET, port: 0, address: "somewhere" },
        { family: AF_INET, port: 65_536, address: "0.0.0.0" },
        { family: AF_INET, port: 0.5, address: "0.0.0.0" },
      ]) {
        bad(winsock.WSAEFAULT, winsock.bind(s, name));
      }
      good(winsock.bind(s, { ...ANY, port: 4_000 }));
      bad(winsock.WSAEINVAL, winsock.bind(s, { ...ANY, port: 4_001 }));
      const name = nobody();
      good(winsock.getsockname(s, name));
      expect(name).toEqual({ ...ANY, port: 4_000 });
    });
  }),

  scenario("bind of what is connected is WSAEINVAL", function* (net) {
    const { client } = yield* connected(net);
    bad(winsock.WSAEINVAL, winsock.bind(client, ANY));
  }),

  scenario("bind chooses the network: listen and connect need none in scope", function* (net) {
    const listener = stream();
    yield* withNetwork(net.server, function* () {
      good(winsock.bind(listener, { ...ANY, address: net.server.address }));
    });
    good(winsock.listen(listener, winsock.SOMAXCONN));
    const name = nobody();
    good(winsock.getsockname(listener, name));
    const client = stream();
    yield* withNetwork(net.client, function* () {
      good(winsock.bind(client, ANY));
    });
    good(yield* winsock.connect(client, name));
    good(yield* winsock.accept(listener));
  }),

  scenario("connect from a bound port", function* (net) {
    const { name } = yield* listening(net.server);
    const free = yield* deadEnd({ server: net.client, client: net.server });
    const s = stream();
    yield* withNetwork(net.client, function* () {
      good(winsock.bind(s, { ...ANY, port: free.port }));
      good(yield* winsock.connect(s, name));
    });
    const ours = nobody();
    good(winsock.getsockname(s, ours));
    expect(ours).toEqual(free);
  }),

  scenario(
    "listen: WSAEINVAL unbound, WSAEADDRINUSE, WSAEADDRNOTAVAIL, WSAEISCONN",
    function* (net) {
      const { s, name } = yield* listening(net.server);
      good(winsock.listen(s, 7));
      bad(winsock.WSAEINVAL, winsock.listen(stream(), 5));
      const { client } = yield* connected(net);
      bad(winsock.WSAEISCONN, winsock.listen(client, 5));
      yield* withNetwork(net.server, function* () {
        const second = stream();
        good(winsock.bind(second, name));
        bad(winsock.WSAEADDRINUSE, winsock.listen(second, 5));
        const foreign = stream();
        good(winsock.bind(foreign, { ...name, address: "192.0.2.1" }));
        bad(winsock.WSAEADDRNOTAVAIL, winsock.listen(foreign, 5));
      });
    },
  ),

  scenario("a closed listener frees its port at once, and refuses", function* (net) {
    const name = yield* deadEnd(net);
    const s = stream();
    yield* withNetwork(net.client, () => fails(winsock.WSAECONNREFUSED, winsock.connect(s, name)));
    yield* withNetwork(net.server, function* () {
      const again = stream();
      good(winsock.bind(again, name));
      good(winsock.listen(again, 5));
    });
    // The same socket may try again.
    good(yield* withNetwork(net.client, () => winsock.connect(s, name)));
  }),

  scenario("connect: what cannot be connected to", function* (net) {
    const { s: listener, name } = yield* listening(net.server);
    const s = stream();
    yield* withNetwork(net.client, function* () {
      const { AF_INET6, connect } = winsock;
      yield* fails(winsock.WSAEAFNOSUPPORT, connect(s, { ...name, family: AF_INET6 }));
      yield* fails(winsock.WSAEFAULT, connect(s, { ...name, address: "somewhere" }));
      yield* fails(winsock.WSAEADDRNOTAVAIL, connect(s, { ...name, address: "0.0.0.0" }));
      yield* fails(winsock.WSAEADDRNOTAVAIL, connect(s, { ...name, port: 0 }));
      yield* fails(winsock.WSAEINVAL, connect(listener, name));
      good(yield* connect(s, name));
      yield* fails(winsock.WSAEISCONN, connect(s, name));
    });
  }),

  scenario("a non-blocking connect: WSAEWOULDBLOCK, WSAEALREADY, then WSAEISCONN", function* (net) {
    const { s: listener, name } = yield* listening(net.server);
    const s = stream();
    nonBlocking(s);
    yield* withNetwork(net.client, function* () {
      yield* fails(winsock.WSAEWOULDBLOCK, winsock.connect(s, name));
      expect(socketError(s)).toBe(0);
      expect(yield* outcomeOf(s, name)).toBe(winsock.WSAEISCONN);
    });
    const server = good(yield* winsock.accept(listener));
    yield* sendAll(server, pattern(100));
    yield* sleep(now() + 20);
    const buf = new Uint8Array(200);
    expect(good(yield* winsock.recv(s, buf, 200, 0))).toBe(100);
  }),

  scenario("a non-blocking connect that is refused: told once, by connect", function* (net) {
    const name = yield* deadEnd(net);
    const s = stream();
    nonBlocking(s);
    yield* withNetwork(net.client, function* () {
      yield* fails(winsock.WSAEWOULDBLOCK, winsock.connect(s, name));
      expect(yield* outcomeOf(s, name)).toBe(winsock.WSAECONNREFUSED);
      expect(socketError(s)).toBe(0);
      yield* fails(winsock.WSAEWOULDBLOCK, winsock.connect(s, name));
    });
  }),

  scenario("a non-blocking connect that is refused: told once, by SO_ERROR", function* (net) {
    const name = yield* deadEnd(net);
    const s = stream();
    nonBlocking(s);
    yield* withNetwork(net.client, () => fails(winsock.WSAEWOULDBLOCK, winsock.connect(s, name)));
    const endMs = soon();
    let code = 0;
    while (code === 0 && now() < endMs) {
      yield* sleep(now() + 2);
      code = socketError(s);
    }
    expect([code, socketError(s)]).toEqual([winsock.WSAECONNREFUSED, 0]);
    yield* fails(winsock.WSAENOTCONN, winsock.send(s, new Uint8Array(1), 1, 0));
  }),

  scenario("accept: WSAEINVAL, WSAEWOULDBLOCK; the new socket has the settings", function* (net) {
    yield* fails(winsock.WSAEINVAL, winsock.accept(stream()));
    const { s: listener, name } = yield* listening(net.server);
    nonBlocking(listener);
    const linger = { onOff: 1, linger: 7 };
    good(winsock.setsockopt(listener, winsock.SOL_SOCKET, winsock.SO_LINGER, linger));
    yield* fails(winsock.WSAEWOULDBLOCK, winsock.accept(listener));
    yield* connecting(net.client, name);
    yield* sleep(now() + 20);
    const server = good(yield* winsock.accept(listener));
    const seen = { onOff: 0, linger: 0 };
    good(winsock.getsockopt(server, winsock.SOL_SOCKET, winsock.SO_LINGER, seen));
    expect(seen).toEqual(linger);
    yield* fails(winsock.WSAEWOULDBLOCK, winsock.recv(server, new Uint8Array(1), 1, 0));
  }),

  scenario(
    "a socket belongs to the coroutine that opened it, not to one that uses it",
    function* (net) {
      const { s: listener, name } = yield* listening(net.server);
      const s = stream();
      const user = yield* go(() => withNetwork(net.client, () => winsock.connect(s, name)));
      good(yield* user.join(soon()));
      const server = good(yield* winsock.accept(listener));
      yield* sendAll(s, pattern(10));
      const buf = new Uint8Array(10);
      expect(good(yield* winsock.recv(server, buf, 10, 0))).toBe(10);
    },
  ),

  scenario("whoever runs listen, accept or finds a connection made may end", function* (net) {
    const listener = stream();
    const { s: other, name } = yield* listening(net.server);
    const helper = yield* go(function* () {
      yield* withNetwork(net.server, function* () {
        good(winsock.bind(listener, { ...ANY, address: net.server.address }));
        good(winsock.listen(listener, 5));
      });
    });
    yield* helper.join(soon());
    const where = nobody();
    good(winsock.getsockname(listener, where));
    // Its descriptor ends with the coroutine that accepts; the connection is held by another.
    const client = yield* connecting(net.client, where);
    let kept = 0;
    const accepting = yield* go(function* () {
      const mine = good(yield* winsock.accept(listener));
      yield* sleep(now() + 20);
      expect(kept).toBeGreaterThan(0);
      return mine;
    });
    while (kept === 0) {
      yield* sleep(now() + 1);
      const made = allDescriptors().find(
        ({ core }) => core.stream?.flow.localEnd.port === where.port,
      );
      if (made !== undefined) kept = good(winsock.duplicateSocket(made.handle));
    }
    yield* fails(winsock.WSAENOTSOCK, winsock.closesocket(yield* accepting.join(soon())));
    yield* sendAll(client, pattern(5));
    expect(good(yield* winsock.recv(kept, new Uint8Array(5), 5, 8))).toBe(5);
    const s = stream();
    nonBlocking(s);
    yield* withNetwork(net.client, () => fails(winsock.WSAEWOULDBLOCK, winsock.connect(s, name)));
    const finding = yield* go(function* () {
      while (winsock.getpeername(s, nobody()) !== 0) yield* sleep(now() + 1);
    });
    yield* finding.join(soon());
    good(yield* winsock.accept(other));
    good(yield* winsock.send(s, pattern(5), 5, 0));
  }),

  scenario("the end of its owner closes a socket hard", function* (net) {
    const { s: listener, name } = yield* listening(net.server);
    const owner = yield* go(() => connecting(net.client, name));
    const s = yield* owner.join(soon());
    yield* fails(winsock.WSAENOTSOCK, winsock.send(s, new Uint8Array(1), 1, 0));
    // It may be reset before it is accepted: then it is not accepted at all.
    nonBlocking(listener);
    yield* sleep(now() + 20);
    const server = yield* winsock.accept(listener);
    if (server !== winsock.INVALID_SOCKET) {
      nonBlocking(server, false);
      expect((yield* readAll(server)).end).toBe(winsock.WSAECONNRESET);
    }
  }),

  scenario("each coroutine has a last error of its own, and success leaves it", function* (net) {
    const { client } = yield* connected(net);
    bad(winsock.WSAEINVAL, winsock.shutdown(client, 3));
    const other = yield* go(function* () {
      const before = winsock.getLastError();
      bad(winsock.WSAENOTSOCK, winsock.listen(-1, 1));
      return before;
    });
    expect(yield* other.join(soon())).toBe(0);
    good(winsock.shutdown(client, winsock.SD_SEND));
    expect(winsock.getLastError()).toBe(winsock.WSAEINVAL);
    winsock.setLastError(12);
    expect(winsock.getLastError()).toBe(12);
  }),
];
