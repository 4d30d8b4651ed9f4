// SPDX-License-Identifier: MIT
// How UDP sockets behave, as one suite for every network: simulated, on devices, the kernel's.
// Nothing here asserts how long anything takes, nor the order in which datagrams arrive, which UDP
// does not promise; but a few small ones do arrive on every network of the tests.

import { describe, expect, it } from "vitest";
import {
  bundle,
  choose,
  go,
  now,
  type Operation,
  sleep,
  type UdpSocket,
  udp,
  withDeadline,
} from "../../src/index.ts";
import type { SocketNetwork } from "./behaviour.ts";
import {
  codeOf,
  expectSame,
  fails,
  failure,
  pattern,
  type Scenario,
  scenario,
  settled,
  soon,
  type TwoEnds,
} from "./support/helpers.ts";
import { BESIDE_TCP } from "./udp-beside-tcp.ts";

/** One socket in each context, and how the client reaches the server's. */
interface Sockets {
  readonly server: UdpSocket;
  readonly client: UdpSocket;
  readonly to: { readonly host: string; readonly port: number };
}

function* opened(net: TwoEnds): Operation<Sockets> {
  const server = yield* udp.open({ context: net.server });
  const client = yield* udp.open({ context: net.client });
  return { server, client, to: { host: net.server.address, port: server.local.port } };
}

/** Receives one datagram of at most 2,000 bytes. */
function* received(socket: UdpSocket): Operation<Uint8Array> {
  const buf = new Uint8Array(2_000);
  const { length } = yield* socket.recv(buf, soon());
  return buf.subarray(0, length);
}

/** Nothing arrives for a while. */
function* expectSilence(socket: UdpSocket): Operation<void> {
  yield* fails("ETIMEDOUT", () => socket.recv(new Uint8Array(2_000), now() + 40));
}

function textOf({ host, port }: { host: string; port: number }): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

const DATAGRAMS: readonly Scenario[] = [
  scenario("a datagram tells its sender, who can be answered", function* (net) {
    const { server, client, to } = yield* opened(net);
    const buf = new Uint8Array(100);
    yield* client.send(pattern(60), to, soon());
    const got = yield* server.recv(buf, soon());
    expect(got).toEqual({ length: 60, host: net.client.address, port: client.local.port });
    expectSame(buf.subarray(0, 60), pattern(60));
    yield* server.send(buf.subarray(0, got.length), got, soon());
    expect(yield* client.recv(buf, soon())).toEqual({ length: 60, ...to });
  }),

  scenario("carries payloads of every size that one packet holds, none too", function* (net) {
    const { server, client, to } = yield* opened(net);
    for (const length of [0, 1, 2, 3, 511, 512, 1_000, 1_471, 1_472]) {
      yield* client.send(pattern(length, length), to, soon());
      expectSame(yield* received(server), pattern(length, length));
    }
  }),

  scenario("keeps datagrams apart", function* (net) {
    const { server, client, to } = yield* opened(net);
    const lengths = [5, 0, 700, 1, 300];
    for (const length of lengths) yield* client.send(pattern(length), to, soon());
    const got: number[] = [];
    for (const _ of lengths) got.push((yield* received(server)).length);
    expect(got.sort((a, b) => a - b)).toEqual(lengths.sort((a, b) => a - b));
  }),

  scenario("a datagram longer than the buffer is EMSGSIZE, which tells all", function* (net) {
    const { server, client, to } = yield* opened(net);
    yield* client.send(pattern(1_000), to, soon());
    const buf = new Uint8Array(300);
    const error = yield* fails("EMSGSIZE", () => server.recv(buf, soon()));
    expect([error.bytesReceived, error.datagramBytes]).toEqual([300, 1_000]);
    expect(error.message).toContain("1000 bytes");
    expect([error.address, error.port]).toEqual([net.client.address, client.local.port]);
    expectSame(buf, pattern(1_000).subarray(0, 300));
    // The rest is not taken for another datagram.
    yield* client.send(pattern(300, 7), to, soon());
    expect((yield* server.recv(buf, soon())).length).toBe(300);
    expectSame(buf, pattern(300, 7));
    yield* client.send(pattern(1), to, soon());
    const none = yield* fails("EMSGSIZE", () => server.recv(new Uint8Array(0), soon()));
    expect([none.bytesReceived, none.datagramBytes]).toEqual([0, 1]);
    const late = yield* fails("ETIMEDOUT", () => server.recv(buf, 0));
    expect(late.datagramBytes).toBeUndefined();
    yield* client.send(pattern(0), to, soon());
    expect((yield* server.recv(new Uint8Array(0), soon())).length).toBe(0);
  }),

  scenario("more than UDP can say is EMSGSIZE, and the socket lives on", function* (net) {
    const { server, client, to } = yield* opened(net);
    const error = yield* fails("EMSGSIZE", () => client.send(new Uint8Array(65_508), to, soon()));
    expect(error.message).toContain("65508 bytes");
    yield* client.send(pattern(9), to, soon());
    expect((yield* received(server)).length).toBe(9);
  }),

  scenario("takes whom to send to as text", function* (net) {
    const { server, client, to } = yield* opened(net);
    yield* client.send(Uint8Array.of(1), textOf(to), soon());
    yield* client.send(Uint8Array.of(2), textOf(to), soon());
    yield* client.send(Uint8Array.of(3), to, soon());
    const sum = [yield* received(server), yield* received(server), yield* received(server)];
    expect(sum.reduce((total, [byte]) => total + (byte ?? 0), 0)).toBe(6);
  }),

  scenario("one socket talks with many", function* (net) {
    const server = yield* udp.open({ context: net.server });
    const to = { host: net.server.address, port: server.local.port };
    const echoing = yield* go(function* () {
      const buf = new Uint8Array(2_000);
      for (;;) {
        const got = yield* server.recv(buf);
        yield* server.send(buf.subarray(0, got.length), got);
      }
    });
    const group = yield* bundle();
    for (let i = 0; i < 20; i++) {
      yield* group.go(function* () {
        const socket = yield* udp.open({ context: net.client });
        for (let k = 0; k < 10; k++) {
          const message = pattern(10 + i, 100 * i + k);
          yield* socket.send(message, to, soon());
          expectSame(yield* received(socket), message);
        }
      });
    }
    yield* group.wait(soon());
    echoing.cancel();
  }),

  scenario("several coroutines may send at once", function* (net) {
    const { server, client, to } = yield* opened(net);
    const group = yield* bundle();
    for (let i = 0; i < 10; i++) {
      yield* group.go(() => client.send(Uint8Array.of(i), to, soon()));
    }
    yield* group.wait(soon());
    const got: number[] = [];
    for (let i = 0; i < 10; i++) got.push((yield* received(server))[0] as number);
    expect(got.sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  }),

  scenario("sending faster than the network waits, and is not refused", function* (net) {
    const { server, client, to } = yield* opened(net);
    const data = new Uint8Array(1_200);
    for (let i = 0; i < 2_000; i++) yield* client.send(data, to, soon());
    expect((yield* received(server)).length).toBe(1_200);
  }),
];

const CONNECTED: readonly Scenario[] = [
  scenario("with a remote it sends there and hears nobody else", function* (net) {
    const { server, to } = yield* opened(net);
    const other = yield* udp.open({ context: net.server });
    const client = yield* udp.open({ remote: to, context: net.client });
    expect([client.remote, server.remote]).toEqual([to, null]);
    const back = { host: net.client.address, port: client.local.port };
    yield* client.send(Uint8Array.of(1), undefined, soon());
    yield* received(server);
    yield* other.send(Uint8Array.of(66), back, soon());
    yield* server.send(Uint8Array.of(2), back, soon());
    expect(yield* received(client)).toEqual(Uint8Array.of(2));
    yield* expectSilence(client);
  }),

  scenario("whom to send to must be said once: at open or at send", function* (net) {
    const { client, to } = yield* opened(net);
    const connected = yield* udp.open({ remote: textOf(to), context: net.client });
    yield* fails("EDESTADDRREQ", () => client.send(Uint8Array.of(1), undefined, soon()));
    yield* fails("EISCONN", () => connected.send(Uint8Array.of(1), to, soon()));
  }),

  scenario("a port that nobody has is ECONNREFUSED, once, and not the end", function* (net) {
    const { server, to } = yield* opened(net);
    const client = yield* udp.open({ remote: to, context: net.client });
    server.close();
    yield* client.send(Uint8Array.of(1), undefined, soon());
    const error = yield* fails("ECONNREFUSED", () => client.recv(new Uint8Array(9), soon()));
    expect([error.syscall, error.address, error.port]).toEqual(["udp.recv", to.host, to.port]);
    yield* expectSilence(client);
    const again = yield* udp.open({ port: to.port, context: net.server });
    yield* client.send(Uint8Array.of(2), undefined, soon());
    expect(yield* received(again)).toEqual(Uint8Array.of(2));
  }),

  scenario("the next send hears of it, too, and sends nothing", function* (net) {
    const { server, to } = yield* opened(net);
    const client = yield* udp.open({ remote: to, context: net.client });
    server.close();
    yield* client.send(Uint8Array.of(1), undefined, soon());
    let code = "";
    for (let i = 0; i < 50 && code === ""; i++) {
      yield* sleep(now() + 5);
      try {
        yield* client.send(Uint8Array.of(2), undefined, soon());
      } catch (error) {
        code = (error as { code: string }).code;
      }
    }
    expect(code).toBe("ECONNREFUSED");
  }),

  scenario("without a remote nobody is told", function* (net) {
    const { server, client, to } = yield* opened(net);
    server.close();
    yield* client.send(Uint8Array.of(1), to, soon());
    yield* expectSilence(client);
    yield* client.send(Uint8Array.of(1), to, soon());
  }),
];

const PORTS: readonly Scenario[] = [
  scenario("a port can be had once, and again after closing", function* (net) {
    const first = yield* udp.open({ context: net.server });
    const { port } = first.local;
    expect(port).toBeGreaterThan(0);
    const error = yield* fails("EADDRINUSE", () => udp.open({ port, context: net.server }));
    expect([error.syscall, error.port]).toEqual(["udp.open", port]);
    first.close();
    const again = yield* udp.open({ port, context: net.server });
    expect(again.local.port).toBe(port);
  }),

  scenario("free ports differ", function* (net) {
    const ports = new Set<number>();
    for (let i = 0; i < 20; i++) ports.add((yield* udp.open({ context: net.server })).local.port);
    expect(ports.size).toBe(20);
  }),

  scenario("an address of ours can be chosen, another cannot", function* (net) {
    const host = net.server.address;
    const socket = yield* udp.open({ host, context: net.server });
    expect(socket.local).toEqual({ host, port: socket.local.port });
    const client = yield* udp.open({ context: net.client });
    yield* client.send(Uint8Array.of(1), socket.local, soon());
    yield* received(socket);
    yield* fails("EADDRNOTAVAIL", () => udp.open({ host: "192.0.2.1", context: net.server }));
  }),

  scenario("what comes before anybody receives waits", function* (net) {
    const { server, client, to } = yield* opened(net);
    yield* client.send(Uint8Array.of(1), to, soon());
    yield* client.send(Uint8Array.of(2), to, soon());
    yield* sleep(now() + 30);
    const got = [yield* received(server), yield* received(server)];
    expect(got.map(([byte]) => byte).sort()).toEqual([1, 2]);
  }),
];

const WAITING: readonly Scenario[] = [
  scenario("a receive that times out harms nothing", function* (net) {
    const { server, client, to } = yield* opened(net);
    const buf = new Uint8Array(10);
    yield* fails("ETIMEDOUT", () => server.recv(buf, 0));
    yield* fails("ETIMEDOUT", () => server.recv(buf, now() + 10));
    yield* fails("ETIMEDOUT", () => withDeadline(now() + 10, () => server.recv(buf)));
    yield* client.send(Uint8Array.of(1), to, soon());
    expect((yield* server.recv(buf, soon())).length).toBe(1);
  }),

  scenario("what is there beats a deadline that has passed", function* (net) {
    const { server, client, to } = yield* opened(net);
    yield* client.send(Uint8Array.of(1), to, 0);
    yield* client.send(Uint8Array.of(2), to, 0);
    yield* received(server);
    yield* sleep(now() + 30);
    expect((yield* server.recv(new Uint8Array(10), 0)).length).toBe(1);
  }),

  scenario("several may wait, and each gets one", function* (net) {
    const { server, client, to } = yield* opened(net);
    const got: number[] = [];
    const group = yield* bundle();
    for (let i = 0; i < 5; i++) {
      yield* group.go(function* () {
        got.push((yield* received(server))[0] as number);
      });
    }
    yield* sleep(now() + 5);
    for (let i = 0; i < 5; i++) yield* client.send(Uint8Array.of(i), to, soon());
    yield* group.wait(soon());
    expect(got.sort()).toEqual([0, 1, 2, 3, 4]);
  }),

  scenario("who has waited longest gets the first", function* (net) {
    const { server, client, to } = yield* opened(net);
    const order: number[] = [];
    const group = yield* bundle();
    for (let i = 0; i < 3; i++) {
      yield* group.go(function* () {
        yield* received(server);
        order.push(i);
      });
    }
    yield* sleep(now() + 5);
    for (let i = 0; i < 3; i++) {
      yield* client.send(Uint8Array.of(i), to, soon());
      while (order.length <= i) yield* sleep(now() + 1);
    }
    expect(order).toEqual([0, 1, 2]);
  }),

  scenario("a cancelled receive takes nothing with it", function* (net) {
    const { server, client, to } = yield* opened(net);
    let code = "";
    const waiting = yield* go(function* () {
      code = (yield* failure(() => server.recv(new Uint8Array(9), soon()))).code;
    });
    yield* sleep(now() + 5);
    waiting.cancel();
    while (!waiting.isEnded) yield* sleep(now() + 1);
    expect(code).toBe("ECANCELED");
    yield* client.send(Uint8Array.of(1), to, soon());
    yield* received(server);
  }),

  scenario("one that is cancelled or times out leaves its turn to the next", function* (net) {
    const { server, client, to } = yield* opened(net);
    const first = yield* go(() => server.recv(new Uint8Array(9), soon()));
    const second = yield* go(() => fails("ETIMEDOUT", () => server.recv(new Uint8Array(9), now())));
    const third = yield* go(() => received(server));
    yield* sleep(now() + 5);
    first.cancel();
    yield* second.join(soon());
    yield* client.send(Uint8Array.of(7), to, soon());
    expect(yield* third.join(soon())).toEqual(Uint8Array.of(7));
  }),

  scenario("works in a choose, and the clause that loses has taken nothing", function* (net) {
    const { server, client, to } = yield* opened(net);
    const other = yield* udp.open({ context: net.server });
    const buf = new Uint8Array(10);
    const timed = yield* choose([server.recv(buf), sleep(now() + 10)]);
    expect(timed.index).toBe(1);
    yield* client.send(Uint8Array.of(1), to, soon());
    yield* client.send(Uint8Array.of(2), { ...to, port: other.local.port }, soon());
    yield* sleep(now() + 30);
    const first = yield* choose([other.recv(buf), server.recv(buf)], soon());
    expect([first.index, buf[0]]).toEqual([0, 2]);
    const second = yield* choose([other.recv(buf), server.recv(buf)], soon());
    expect([second.index, buf[0]]).toEqual([1, 1]);
    const sent = yield* choose([server.recv(buf), client.send(Uint8Array.of(3), to)], soon());
    expect(sent.index).toBe(1);
    expect(yield* received(server)).toEqual(Uint8Array.of(3));
  }),
];

const ENDS: readonly Scenario[] = [
  scenario("close ends what waits with EBADF, and every later call", function* (net) {
    const { server, to } = yield* opened(net);
    const codes: string[] = [];
    const group = yield* bundle();
    for (let i = 0; i < 3; i++) {
      yield* group.go(function* () {
        codes.push((yield* failure(() => server.recv(new Uint8Array(9), soon()))).code);
      });
    }
    yield* sleep(now() + 5);
    const { local } = server;
    expect(server.isOpen).toBe(true);
    server.close();
    server.close();
    server.abort();
    yield* group.wait(soon());
    expect(codes).toEqual(["EBADF", "EBADF", "EBADF"]);
    expect([server.isOpen, server.local]).toEqual([false, local]);
    yield* fails("EBADF", () => server.recv(new Uint8Array(9), soon()));
    yield* fails("EBADF", () => server.send(new Uint8Array(9), to, soon()));
    expect(codeOf(() => server.moveTo(group))).toBe("EBADF");
  }),

  scenario("what was sent just before close goes out", function* (net) {
    const { server, client, to } = yield* opened(net);
    for (let i = 0; i < 3; i++) yield* client.send(Uint8Array.of(i), to, soon());
    client.close();
    for (let i = 0; i < 3; i++) expect((yield* received(server)).length).toBe(1);
  }),

  scenario("what was not received when it closes is gone", function* (net) {
    const { server, client, to } = yield* opened(net);
    for (let i = 0; i < 10; i++) yield* client.send(pattern(1_000), to, soon());
    yield* received(server);
    yield* sleep(now() + 20);
    server.close();
    const again = yield* udp.open({ port: to.port, context: net.server });
    yield* expectSilence(again);
  }),

  scenario("the end of the coroutine that opened it closes it", function* (net) {
    const opener = yield* go(function* () {
      return yield* udp.open({ context: net.server });
    });
    const socket = yield* opener.join(soon());
    expect(socket.isOpen).toBe(false);
    const { port } = socket.local;
    expect((yield* udp.open({ port, context: net.server })).local.port).toBe(port);
  }),

  scenario("moveTo hands it on; the end of its owner closes it", function* (net) {
    const owner = yield* bundle();
    const opener = yield* go(function* () {
      const socket = yield* udp.open({ context: net.server });
      socket.moveTo(owner);
      return socket;
    });
    const socket = yield* opener.join(soon());
    expect(socket.isOpen).toBe(true);
    const client = yield* udp.open({ context: net.client });
    const to = { host: net.server.address, port: socket.local.port };
    yield* client.send(Uint8Array.of(1), to, soon());
    yield* received(socket);
    yield* owner.close();
    expect(socket.isOpen).toBe(false);
    const other = yield* udp.open({ context: net.server });
    expect(codeOf(() => other.moveTo(owner))).toBe("EBADF");
    expect(other.isOpen).toBe(false);
  }),

  scenario("the end of the context ends its sockets with ENETDOWN", function* (net) {
    const { server, to } = yield* opened(net);
    let code = "";
    const waiting = yield* go(function* () {
      code = (yield* failure(() => server.recv(new Uint8Array(9), soon()))).code;
    });
    yield* sleep(now() + 5);
    net.server.close();
    yield* waiting.join(soon());
    expect(code).toBe("ENETDOWN");
    yield* fails("ENETDOWN", () => server.send(Uint8Array.of(1), to, soon()));
    yield* fails("ENETDOWN", () => udp.open({ context: net.server }));
    server.close();
  }),
];

const SUITE = {
  datagrams: DATAGRAMS,
  "with a remote": CONNECTED,
  ports: PORTS,
  waiting: WAITING,
  "the end of a socket": ENDS,
  "beside connections": BESIDE_TCP,
} as const;

/**
 * Registers the suite. Each test ends with nothing left in either context.
 *
 * @param name - of the network, for the titles
 * @param network - how to get two ends
 */
export function describeDatagramBehaviour(name: string, network: SocketNetwork): void {
  describe(`datagrams over ${name}`, () => {
    for (const [group, scenarios] of Object.entries(SUITE)) {
      describe(group, () => {
        for (const { title, body } of scenarios) {
          it(title, async () => {
            await network.run(function* (net) {
              // A coroutine of its own: its end closes what the test has not closed.
              const running = yield* go(() => body(net), { name: title });
              yield* running.join(-1);
              yield* settled(net);
            });
          });
        }
      });
    }
  });
}
