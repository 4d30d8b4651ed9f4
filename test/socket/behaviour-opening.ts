// SPDX-License-Identifier: MIT
// How connections begin, and whose they are. Part of the suite in behaviour.ts.

import { expect } from "vitest";
import { bundle, go, now, sleep, tcp, withNetwork } from "../../src/index.ts";
import {
  codeOf,
  connected,
  echo,
  expectSame,
  fails,
  failure,
  pattern,
  type Scenario,
  scenario,
  soon,
} from "./support/helpers.ts";

/** Connect and accept. */
export const OPENING: readonly Scenario[] = [
  scenario("both ends know each other's addresses", function* (net) {
    const { client, server, listener } = yield* connected(net);
    expect(client.local).toEqual(server.remote);
    expect(client.remote).toEqual(server.local);
    expect(client.remote).toEqual(listener.local);
    expect(client.local.host).toBe(net.client.address);
    expect(client.info().state).toBe("ESTABLISHED");
  }),

  scenario("connect returns when ESTABLISHED, before anybody accepts", function* (net) {
    const listener = yield* tcp.listen({ port: 0, context: net.server });
    const client = yield* tcp.connect({ ...listener.local, context: net.client }, soon());
    yield* client.send(Uint8Array.of(1), soon());
    const server = yield* listener.accept(soon());
    yield* server.recv(new Uint8Array(1), soon());
  }),

  scenario("connect uses the local port it is given", function* (net) {
    const listener = yield* tcp.listen({ port: 0, context: net.server });
    const options = { ...listener.local, context: net.client, localPort: 40_001 };
    const client = yield* tcp.connect(options, soon());
    expect(client.local.port).toBe(40_001);
    yield* fails("EADDRINUSE", () => tcp.connect(options, soon()));
  }),

  scenario("connect to a port where nobody listens: ECONNREFUSED", function* (net) {
    const host = net.server.address;
    const error = yield* fails("ECONNREFUSED", () =>
      tcp.connect({ host, port: 9, context: net.client }, soon()),
    );
    expect([error.address, error.port, error.syscall]).toEqual([host, 9, "tcp.connect"]);
  }),

  scenario("accept takes connections in the order in which they came", function* (net) {
    const listener = yield* tcp.listen({ port: 0, context: net.server });
    const ports: number[] = [];
    for (let i = 0; i < 5; i++) {
      const client = yield* tcp.connect({ ...listener.local, context: net.client }, soon());
      ports.push(client.local.port);
    }
    for (const port of ports) expect((yield* listener.accept(soon())).remote.port).toBe(port);
    expect(listener.statistics()).toMatchObject({ accepted: 5, waiting: 0, halfOpen: 0 });
  }),

  scenario("several coroutines may wait in accept", function* (net) {
    const listener = yield* tcp.listen({ port: 0, context: net.server });
    const accepted: number[] = [];
    for (let i = 0; i < 3; i++) {
      yield* go(function* () {
        accepted.push((yield* listener.accept(soon())).remote.port);
        yield* sleep(now() + 20);
      });
    }
    const ports: number[] = [];
    for (let i = 0; i < 3; i++) {
      const client = yield* tcp.connect({ ...listener.local, context: net.client }, soon());
      ports.push(client.local.port);
    }
    while (accepted.length < 3) yield* sleep(now() + 2);
    expect([...accepted].sort()).toEqual([...ports].sort());
  }),

  scenario("accept that times out leaves the listener as it was", function* (net) {
    const listener = yield* tcp.listen({ port: 0, context: net.server });
    yield* fails("ETIMEDOUT", () => listener.accept(now() + 10));
    yield* fails("ETIMEDOUT", () => listener.accept(0));
    yield* tcp.connect({ ...listener.local, context: net.client }, soon());
    yield* listener.accept(soon());
  }),

  scenario("closing the listener ends accept with EBADF", function* (net) {
    const listener = yield* tcp.listen({ port: 0, context: net.server });
    let code = "";
    const accepting = yield* go(function* () {
      code = (yield* failure(() => listener.accept(soon()))).code;
    });
    yield* sleep(now() + 5);
    listener.close();
    listener.close();
    yield* accepting.join(soon());
    expect([code, listener.isOpen]).toEqual(["EBADF", false]);
    yield* fails("EBADF", () => listener.accept(soon()));
  }),

  scenario("closing the listener resets who waits there, and refuses who comes", function* (net) {
    const listener = yield* tcp.listen({ port: 0, context: net.server });
    const target = { ...listener.local, context: net.client };
    const waiting = yield* tcp.connect(target, soon());
    yield* sleep(now() + 5);
    listener.close();
    yield* fails("ECONNRESET", () => waiting.recv(new Uint8Array(1), soon()));
    yield* fails("ECONNREFUSED", () => tcp.connect(target, soon()));
  }),

  scenario("a full backlog drops SYNs, and lets them in when there is room", function* (net) {
    const listener = yield* tcp.listen({ port: 0, backlog: 2, context: net.server });
    const target = { ...listener.local, context: net.client };
    yield* tcp.connect(target, soon());
    yield* tcp.connect(target, soon());
    yield* sleep(now() + 20);
    yield* fails("ETIMEDOUT", () => tcp.connect(target, now() + 100));
    expect(net.server.statistics().events["tcp.backlogFull"]).toBeGreaterThan(0);
    yield* listener.accept(soon());
    yield* tcp.connect(target, soon());
  }),

  scenario("a port can be listened on once, and again after closing", function* (net) {
    const listener = yield* tcp.listen({ port: 4_000, context: net.server });
    yield* fails("EADDRINUSE", () => tcp.listen({ port: 4_000, context: net.server }));
    yield* fails("EADDRNOTAVAIL", () =>
      tcp.listen({ port: 4_001, host: "192.0.2.1", context: net.server }),
    );
    listener.close();
    const again = yield* tcp.listen({ port: 4_000, context: net.server });
    expect(again.local.port).toBe(4_000);
  }),

  scenario("carries a hundred connections at once", function* (net) {
    const listener = yield* tcp.listen({ port: 0, context: net.server });
    const serving = yield* go(() => listener.serve(echo));
    const group = yield* bundle();
    let done = 0;
    for (let i = 0; i < 100; i++) {
      yield* group.go(function* () {
        const conn = yield* tcp.connect({ ...listener.local, context: net.client }, soon());
        const message = pattern(1_000 + i, i);
        const back = new Uint8Array(message.length);
        yield* conn.send(message, soon());
        yield* conn.recv(back, soon());
        expectSame(back, message);
        yield* conn.close(soon());
        done++;
      });
    }
    yield* group.wait(soon());
    expect(done).toBe(100);
    yield* sleep(now() + 50);
    serving.cancel();
  }),
];

/** Ownership. */
export const OWNERSHIP: readonly Scenario[] = [
  scenario("the end of the coroutine that opened a connection resets it", function* (net) {
    const listener = yield* tcp.listen({ port: 0, context: net.server });
    const target = { ...listener.local, context: net.client };
    const opener = yield* go(function* () {
      const conn = yield* tcp.connect(target, soon());
      yield* sleep(now() + 20);
      return conn;
    });
    const server = yield* listener.accept(soon());
    const conn = yield* opener.join(soon());
    expect(conn.isOpen).toBe(false);
    yield* fails("ECONNRESET", () => server.recv(new Uint8Array(1), soon()));
  }),

  scenario("moveTo hands a connection on; the end of its owner resets it", function* (net) {
    const listener = yield* tcp.listen({ port: 0, context: net.server });
    const target = { ...listener.local, context: net.client };
    const owner = yield* bundle();
    const opener = yield* go(function* () {
      const conn = yield* tcp.connect(target, soon());
      conn.moveTo(owner);
      return conn;
    });
    const conn = yield* opener.join(soon());
    const server = yield* listener.accept(soon());
    expect(conn.isOpen).toBe(true);
    yield* conn.send(Uint8Array.of(1), soon());
    yield* server.recv(new Uint8Array(1), soon());
    yield* owner.close();
    expect(conn.isOpen).toBe(false);
    yield* fails("ECONNRESET", () => server.recv(new Uint8Array(1), soon()));
  }),

  scenario("moveTo a bundle that is closed resets the connection: EBADF", function* (net) {
    const { client, server } = yield* connected(net);
    const owner = yield* bundle();
    yield* owner.close();
    expect(codeOf(() => client.moveTo(owner))).toBe("EBADF");
    expect(client.isOpen).toBe(false);
    yield* fails("ECONNRESET", () => server.recv(new Uint8Array(1), soon()));
    expect(codeOf(() => client.moveTo(owner))).toBe("EBADF");
  }),

  scenario("the end of a listener's owner closes it, and resets who waits there", function* (net) {
    const home = yield* bundle();
    const opener = yield* go(function* () {
      const listener = yield* tcp.listen({ port: 0, context: net.server });
      const conn = yield* tcp.connect({ ...listener.local, context: net.client }, soon());
      conn.moveTo(home);
      return { conn, local: listener.local };
    });
    const { conn, local } = yield* opener.join(soon());
    yield* fails("ECONNRESET", () => conn.recv(new Uint8Array(1), soon()));
    yield* fails("ECONNREFUSED", () => tcp.connect({ ...local, context: net.client }, soon()));
  }),

  scenario("a listener can be moved too", function* (net) {
    const home = yield* bundle();
    const opener = yield* go(function* () {
      const listener = yield* tcp.listen({ port: 0, context: net.server });
      listener.moveTo(home);
      return listener;
    });
    const listener = yield* opener.join(soon());
    expect(listener.isOpen).toBe(true);
    yield* withNetwork(net.client, () => tcp.connect(listener.local, soon()));
    yield* home.close();
    expect(listener.isOpen).toBe(false);
    expect(codeOf(() => listener.moveTo(home))).toBe("EBADF");
  }),
];
