// SPDX-License-Identifier: MIT
// The suite of UDP behaviour over the kernel's sockets; and names, which only the kernel has.
// R1: a resolver of the tests calls back from a turn of Node's, as the real one does.

import { describe, expect, it } from "vitest";
import { currentLoop } from "../../scheduler/internal.ts";
import {
  type Context,
  choose,
  createKernelContext,
  go,
  type KernelContext,
  type KernelContextOptions,
  now,
  type Operation,
  run,
  sleep,
  type UdpSocket,
  udp,
  type Wait,
} from "../../src/index.ts";
import { NameLookup, type Resolve } from "../../src/kernel/lookup.ts";
import { expectNothingLeft } from "../../src/testing.ts";
import type { SocketNetwork } from "../socket/behaviour.ts";
import { fails, failure, soon } from "../socket/support/helpers.ts";
import { describeDatagramBehaviour } from "../socket/udp-behaviour.ts";
import { describeWithNic, NetNs } from "../support/netns.ts";

type Ends = { readonly server: Context; readonly client: Context };

function network(server: KernelContextOptions, client: KernelContextOptions): SocketNetwork {
  return {
    async run(op: (net: Ends) => Operation<void>): Promise<void> {
      await run(function* () {
        const ends = { server: createKernelContext(server), client: createKernelContext(client) };
        yield* (yield* go(() => op(ends))).join();
      });
    },
  };
}

describeDatagramBehaviour(
  "the kernel on loopback",
  network({ address: "127.0.0.1" }, { address: "127.0.0.2" }),
);
describeDatagramBehaviour(
  "the kernel on IPv6 loopback",
  network({ address: "::1" }, { address: "::1" }),
);

type Found = Parameters<Parameters<Resolve>[1]>[1];
const BYTES = Uint8Array.of(1, 2, 3);
const V4: Found = [{ address: "127.0.0.1", family: 4 }];
const BOTH: Found = [{ address: "::1", family: 6 }, ...V4];
const never: Resolve = () => {};

/** Runs with a context whose names are found by `resolve`; at the end no lookup goes on. */
async function withNames(
  resolve: Resolve,
  op: (context: KernelContext, lookups: readonly NameLookup[]) => Operation<void>,
): Promise<void> {
  await run(function* () {
    const context = createKernelContext();
    const lookups: NameLookup[] = [];
    context.lookup = (host) => {
      const lookup = new NameLookup(host, currentLoop(), resolve);
      lookups.push(lookup);
      return lookup;
    };
    yield* (yield* go(() => op(context, lookups))).join();
    expect(lookups.filter(({ addresses }) => addresses === null)).toEqual([]);
    expectNothingLeft(context);
  });
}

/** Finds `found`, a little later. */
function finds(found: Found): Resolve {
  return (_host, done) => setImmediate(() => done(null, found));
}

/** One datagram arrives. @returns the address that it came from */
function* heard(socket: UdpSocket): Operation<string> {
  const { length, host } = yield* socket.recv(new Uint8Array(10), soon());
  expect(length).toBe(BYTES.length);
  return host;
}

describe("UDP to names over the kernel", () => {
  it("localhost is looked up and reached, by send and by open", async () => {
    await run(function* () {
      const server = yield* udp.open();
      const { port } = server.local;
      const client = yield* udp.open();
      yield* client.send(BYTES, `localhost:${port}`, soon());
      yield* client.send(BYTES, { host: "localhost", port }, soon());
      const connected = yield* udp.open({ remote: `localhost:${port}` }, soon());
      expect(["127.0.0.1", "::1"]).toContain(connected.remote?.host);
      expect(connected.remote?.port).toBe(port);
      yield* connected.send(BYTES, undefined, soon());
      for (let i = 0; i < 3; i++) expect(["127.0.0.1", "::1"]).toContain(yield* heard(server));
    });
  });

  it("an unknown one is ENOENT, or EAGAIN where nobody can be asked", async () => {
    await run(function* () {
      const socket = yield* udp.open();
      const calls = {
        "udp.send": () => socket.send(BYTES, "nosuch.invalid:53", soon()),
        "udp.open": () => udp.open({ remote: "nosuch.invalid:53" }, soon()),
      };
      for (const [syscall, call] of Object.entries(calls)) {
        const error = yield* failure(call);
        expect(error.code).toMatch(/^(ENOENT|EAGAIN)$/);
        expect(error).toMatchObject({ syscall, address: "nosuch.invalid", port: 53 });
      }
      expect(socket.isOpen).toBe(true);
    });
  });

  it("the first address that the socket can send to is used", async () => {
    await withNames(finds(BOTH), function* (context) {
      const server = yield* udp.open({ context });
      const to = `both.test:${server.local.port}`;
      const HOSTS = { "127.0.0.1": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::1": "::1", "::": "::1" };
      for (const [host, peer] of Object.entries(HOSTS)) {
        const client = yield* udp.open({ host, context });
        yield* client.send(BYTES, to, soon());
        expect(yield* heard(server)).toBe(peer);
        const connected = yield* udp.open({ host, remote: to, context }, soon());
        expect(connected.remote?.host).toBe(peer);
        yield* connected.send(BYTES, undefined, soon());
        expect(yield* heard(server)).toBe(peer);
      }
    });
  });

  it("one without such an address is EAFNOSUPPORT, one that is blocked ENOENT", async () => {
    const blocked: Found = [{ address: "0.0.0.0", family: 4 }];
    const CASES = { EAFNOSUPPORT: V4, ENOENT: blocked } as const;
    for (const [code, found] of Object.entries(CASES)) {
      await withNames(finds(found), function* (context) {
        const socket = yield* udp.open({ host: "::1", context });
        const remote = "four.test:53";
        const where = { code, address: "four.test", port: 53 };
        expect(yield* failure(() => socket.send(BYTES, remote, soon()))).toMatchObject(where);
        const opening = udp.open({ host: "::1", remote, context }, soon());
        expect(yield* failure(() => opening)).toMatchObject(where);
        expect(context.leftovers().sockets).toBe(1);
      });
    }
  });

  it("what is wrong with the place is told of the place", async () => {
    await withNames(finds(V4), function* (context) {
      const { port } = (yield* udp.open({ host: "127.0.0.1", context })).local;
      const taken = { host: "127.0.0.1", port, remote: "four.test:53", context };
      const error = yield* fails("EADDRINUSE", () => udp.open(taken, soon()));
      expect(error).toMatchObject({ address: "127.0.0.1", port });
      expect(context.leftovers().sockets).toBe(1);
    });
  });

  it("an address is kept until another target is given, or sending fails", async () => {
    await withNames(finds(BOTH), function* (context, lookups) {
      const server = yield* udp.open({ host: "127.0.0.1", context });
      const { port } = server.local;
      const client = yield* udp.open({ host: "127.0.0.1", context });
      const again = client.send(BYTES, `both.test:${port}`, soon());
      for (let i = 0; i < 3; i++) {
        yield* again;
        yield* client.send(BYTES, `both.test:${port}`, soon());
      }
      // What needs no lookup needs no time either.
      yield* client.send(BYTES, `both.test:${port}`, 0);
      expect(lookups.length).toBe(1);
      yield* client.send(BYTES, server.local, soon());
      yield* client.send(BYTES, `both.test:${port}`, soon());
      expect(lookups.length).toBe(2);
      const tooLong = new Uint8Array(65_508);
      yield* fails("EMSGSIZE", () => client.send(tooLong, `both.test:${port}`, soon()));
      yield* client.send(BYTES, `both.test:${port}`, soon());
      expect(lookups.length).toBe(3);
      for (let i = 0; i < 10; i++) yield* heard(server);
    });
  });

  it("deadlines and cancellation end a lookup, and a choose that takes another clause", async () => {
    await withNames(never, function* (context, lookups) {
      const socket = yield* udp.open({ context });
      const CALLS: readonly ((deadline?: number) => Wait<unknown>)[] = [
        (deadline) => socket.send(BYTES, "never.test:9", deadline),
        (deadline) => udp.open({ remote: "never.test:9", context }, deadline),
      ];
      for (const call of CALLS) {
        yield* fails("ETIMEDOUT", () => call(now() + 20));
        const error = yield* fails("ETIMEDOUT", () => call(0));
        expect(error).toMatchObject({ address: "never.test", port: 9 });
        const cancelled = yield* go(() => call());
        yield* sleep(now() + 5);
        cancelled.cancel();
        yield* fails("ECANCELED", () => cancelled.join(soon()));
        expect((yield* choose([call(), sleep(now() + 5)])).index).toBe(1);
        expect(lookups.filter(({ addresses }) => addresses === null)).toEqual([]);
      }
      expect(lookups.length).toBe(8);
      expect(context.leftovers().sockets).toBe(1);
      // None of that has harmed the socket.
      yield* socket.send(BYTES, { host: "127.0.0.1", port: socket.local.port }, soon());
      expect(yield* heard(socket)).toBe("127.0.0.1");
    });
  });

  it("the end of the socket ends what it looks up, with EBADF", async () => {
    await withNames(never, function* (context, lookups) {
      const socket = yield* udp.open({ context });
      // Without a deadline, which would end it as well.
      const sending = yield* go(() => fails("EBADF", () => socket.send(BYTES, "never.test:9")));
      yield* sleep(now() + 5);
      expect(lookups[0]?.addresses).toBe(null);
      socket.close();
      yield* sending.join(soon());
      yield* fails("EBADF", () => socket.send(BYTES, "never.test:9", soon()));
      expect(lookups.length).toBe(1);
    });
  });

  it("the end of the context ends both with ENETDOWN", async () => {
    await run(function* () {
      const context = createKernelContext();
      const socket = yield* udp.open({ context });
      const sending = yield* go(() => fails("ENETDOWN", () => socket.send(BYTES, "localhost:9")));
      const opening = yield* go(() =>
        fails("ENETDOWN", () => udp.open({ remote: "localhost:9", context })),
      );
      yield* sleep(0);
      yield* go(function* () {
        context.close();
      });
      yield* sending.join(soon());
      yield* opening.join(soon());
      expectNothingLeft(context);
    });
  });

  it("a socket opened after a lookup is owned by who opened it", async () => {
    await withNames(finds(V4), function* (context) {
      const opening = yield* go(() => udp.open({ remote: "four.test:9", context }, soon()));
      const socket = yield* opening.join(soon());
      expect(socket.isOpen).toBe(false);
      expect(context.leftovers().sockets).toBe(0);
    });
  });
});

describeWithNic("UDP over the kernel of a host without a route", () => {
  it("tells who waits in recv that what was sent could not go", async () => {
    const netns = await NetNs.create();
    try {
      await run(function* () {
        const context = createKernelContext({ netns: netns.path });
        const socket = yield* udp.open({ host: "0.0.0.0", context });
        const receiving = yield* go(() =>
          fails("ENETUNREACH", () => socket.recv(new Uint8Array(10), soon())),
        );
        yield* socket.send(new Uint8Array(1), "192.0.2.1:9", soon());
        yield* receiving.join(soon());
      });
    } finally {
      netns.remove();
    }
  });
});
