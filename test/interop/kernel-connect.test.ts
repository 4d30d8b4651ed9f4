// SPDX-License-Identifier: MIT
// Opening connections over the kernel: addresses of both families, names, ports that are free
// again, and every way in which a connect can fail.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { currentLoop } from "../../scheduler/internal.ts";
import {
  createKernelContext,
  go,
  type KernelContext,
  now,
  type Operation,
  run,
  sleep,
  type TcpListener,
  tcp,
} from "../../src/index.ts";
import { NameLookup, type Resolve } from "../../src/kernel/lookup.ts";
import { expectNothingLeft } from "../../src/testing.ts";
import { fails, failure, soon } from "../socket/support/helpers.ts";
import { describeWithNic, NetNs } from "../support/netns.ts";

/** Runs `op`; afterwards nothing is left in its context. */
async function within(
  op: (context: KernelContext) => Operation<void>,
  options: Parameters<typeof createKernelContext>[0] = {},
): Promise<void> {
  await run(function* () {
    const context = createKernelContext(options);
    yield* (yield* go(() => op(context))).join();
    expectNothingLeft(context);
  });
}

/** Connects to where it listens. @returns the ends as the server sees them */
function* meet(
  listener: TcpListener,
  host: string,
  context: KernelContext,
): Operation<{ remote: string; local: string }> {
  const client = yield* tcp.connect({ host, port: listener.local.port, context }, soon());
  const server = yield* listener.accept(soon());
  expect(server.remote.port).toBe(client.local.port);
  const ends = { remote: server.remote.host, local: server.local.host };
  client.abort();
  server.abort();
  return ends;
}

describe("addresses", () => {
  it("a listener without one takes both families, each under its own name", async () => {
    await within(function* (context) {
      const listener = yield* tcp.listen({ port: 0, context });
      const v4 = { remote: "127.0.0.1", local: "127.0.0.1" };
      expect(yield* meet(listener, "127.0.0.1", context)).toEqual(v4);
      expect(yield* meet(listener, "::ffff:127.0.0.1", context)).toEqual(v4);
      expect(yield* meet(listener, "::1", context)).toEqual({ remote: "::1", local: "::1" });
    });
  });

  it("a listener on one family refuses the other", async () => {
    await within(function* (context) {
      const v4 = yield* tcp.listen({ host: "0.0.0.0", port: 0, context });
      yield* meet(v4, "127.0.0.1", context);
      yield* fails("ECONNREFUSED", () => meet(v4, "::1", context));
      const v6 = yield* tcp.listen({ host: "::", port: 0, context });
      yield* meet(v6, "::1", context);
      yield* fails("ECONNREFUSED", () => meet(v6, "127.0.0.1", context));
    });
  });

  it("the context's own is where it listens and what it connects from", async () => {
    await within(
      function* (context) {
        const listener = yield* tcp.listen({ port: 0, context });
        expect(listener.local.host).toBe("127.0.0.7");
        const ends = yield* meet(listener, "127.0.0.7", context);
        expect(ends).toEqual({ remote: "127.0.0.7", local: "127.0.0.7" });
        yield* fails("ECONNREFUSED", () => meet(listener, "127.0.0.1", context));
      },
      { address: "127.0.0.7" },
    );
  });

  it("localHost and localPort are used", async () => {
    await within(function* (context) {
      const listener = yield* tcp.listen({ host: "127.0.0.1", port: 0, context });
      const free = yield* tcp.listen({ host: "127.0.0.9", port: 0, context });
      const { port } = free.local;
      free.close();
      const to = { ...listener.local, context };
      const client = yield* tcp.connect({ ...to, localHost: "127.0.0.9", localPort: port }, soon());
      expect(client.local).toEqual({ host: "127.0.0.9", port });
      const again = { ...to, localHost: "127.0.0.9", localPort: port };
      yield* fails("EADDRINUSE", () => tcp.connect(again, soon()));
    });
  });
});

describe("names", () => {
  it("localhost is looked up and reached", async () => {
    await run(function* () {
      const listener = yield* tcp.listen({ port: 0 });
      const client = yield* tcp.connect(`localhost:${listener.local.port}`, soon());
      const server = yield* listener.accept(soon());
      expect(["127.0.0.1", "::1"]).toContain(client.remote.host);
      expect(server.local.host).toBe(client.remote.host);
    });
  });

  it("an unknown one is ENOENT, or EAGAIN where nobody can be asked", async () => {
    await run(function* () {
      const error = yield* failure(() => tcp.connect("caraway.invalid:80", soon()));
      expect(error.message).toMatch(/^(ENOENT: no such host name|EAGAIN: .*), tcp\.connect car/);
      expect([error.syscall, error.address, error.port]).toEqual([
        "tcp.connect",
        "caraway.invalid",
        80,
      ]);
    });
  });

  it("one with several addresses is tried until somebody answers", async () => {
    await within(function* (context) {
      const resolve: Resolve = (_host, done) =>
        done(null, [
          { address: "127.0.0.3", family: 4 },
          { address: "::1", family: 6 },
          { address: "127.0.0.1", family: 4 },
        ]);
      context.lookup = (host) => new NameLookup(host, currentLoop(), resolve);
      const listener = yield* tcp.listen({ host: "127.0.0.1", port: 0, context });
      const to = { host: "three.test", port: listener.local.port, context };
      const conn = yield* tcp.connect(to, soon());
      expect(conn.remote.host).toBe("127.0.0.1");
      conn.abort();
      listener.close();
      yield* fails("ECONNREFUSED", () => tcp.connect(to, soon()));
    });
  });

  it("deadlines and cancellation end a lookup; so does the end of the context", async () => {
    await run(function* () {
      const context = createKernelContext();
      const hanging = { host: "localhost", port: 9, context };
      // A name service that never answers, and of which the context knows.
      const never: Resolve = () => {};
      const { lookup } = context;
      context.lookup = (host) => new NameLookup(host, currentLoop(), never);
      yield* fails("ETIMEDOUT", () => tcp.connect(hanging, now() + 20));
      yield* fails("ETIMEDOUT", () => tcp.connect(hanging, 0));
      const cancelled = yield* go(() => tcp.connect(hanging));
      yield* sleep(now() + 5);
      cancelled.cancel();
      yield* fails("ECANCELED", () => cancelled.join(soon()));
      expect(context.leftovers()).toMatchObject({ sockets: 0, timers: 0 });

      context.lookup = lookup;
      const connecting = yield* go(() => fails("ENETDOWN", () => tcp.connect(hanging, soon())));
      yield* sleep(0);
      yield* go(function* () {
        context.close();
      });
      yield* connecting.join(soon());
    });
  });
});

describe("connecting that fails", () => {
  it("at once when the deadline is 0 or past, and leaves nothing", async () => {
    await within(function* (context) {
      const listener = yield* tcp.listen({ port: 0, context });
      const to = { host: "127.0.0.1", port: listener.local.port, context };
      yield* fails("ETIMEDOUT", () => tcp.connect(to, 0));
      yield* fails("ETIMEDOUT", () => tcp.connect(to, now() - 10));
      expect(context.leftovers().sockets).toBe(0);
      // The listener may have seen them come and go.
      listener.close();
    });
  });

  it("when nobody answers: the deadline, and nothing left of it", async () => {
    await within(function* (context) {
      const listener = yield* tcp.listen({ port: 0, backlog: 1, context });
      const to = { host: "127.0.0.1", port: listener.local.port, context };
      const first = yield* tcp.connect(to, soon());
      yield* fails("ETIMEDOUT", () => tcp.connect(to, now() + 50));
      expect(context.leftovers().sockets).toBe(1);
      const waiting = yield* go(() => tcp.connect(to));
      yield* sleep(now() + 20);
      waiting.cancel();
      yield* fails("ECANCELED", () => waiting.join(soon()));
      expect(context.leftovers().sockets).toBe(1);
      expect(first.isOpen).toBe(true);
      expect(context.statistics().events["tcp.backlogFull"]).toBeGreaterThan(0);
    });
  });

  it("when the context closes meanwhile", async () => {
    await run(function* () {
      const server = createKernelContext();
      const context = createKernelContext();
      const listener = yield* tcp.listen({ port: 0, backlog: 1, context: server });
      const to = { host: "127.0.0.1", port: listener.local.port, context };
      yield* tcp.connect(to, soon());
      const connecting = yield* go(() => fails("ENETDOWN", () => tcp.connect(to, soon())));
      yield* sleep(now() + 20);
      context.close();
      yield* connecting.join(soon());
      yield* fails("ENETDOWN", () => tcp.connect(to, soon()));
      yield* fails("ENETDOWN", () => tcp.listen({ port: 0, context }));
      expectNothingLeft(context);
    });
  });

  it("by what is wrong with our end", async () => {
    await within(function* (context) {
      const to = { host: "127.0.0.1", port: 9, context };
      const foreign = { ...to, localHost: "192.0.2.1" };
      yield* fails("EADDRNOTAVAIL", () => tcp.connect(foreign, soon()));
      yield* fails("EAFNOSUPPORT", () => tcp.connect({ ...to, localHost: "::1" }, soon()));
      const listener = yield* tcp.listen({ host: "127.0.0.1", port: 0, context });
      const { port } = listener.local;
      const taken = { ...to, localHost: "127.0.0.1", localPort: port };
      yield* fails("EADDRINUSE", () => tcp.connect(taken, soon()));
    });
  });
});

describe("listening that fails", () => {
  it("on a port in use, on an address that is not ours", async () => {
    await within(function* (context) {
      const listener = yield* tcp.listen({ host: "127.0.0.1", port: 0, context });
      const { port } = listener.local;
      const error = yield* fails("EADDRINUSE", () =>
        tcp.listen({ host: "127.0.0.1", port, context }),
      );
      expect([error.syscall, error.address, error.port]).toEqual(["tcp.listen", "127.0.0.1", port]);
      yield* fails("EADDRINUSE", () => tcp.listen({ port, context }));
      yield* fails("EADDRNOTAVAIL", () => tcp.listen({ host: "192.0.2.1", port: 0, context }));
      expect(context.leftovers()).toMatchObject({ sockets: 0, listeners: 1 });
    });
  });

  it("not on a port whose listener and connections have just gone", async () => {
    await within(function* (context) {
      let port = 0;
      for (let i = 0; i < 5; i++) {
        const listener = yield* tcp.listen({ host: "127.0.0.1", port, context });
        port = listener.local.port;
        const client = yield* tcp.connect({ ...listener.local, context }, soon());
        const server = yield* listener.accept(soon());
        // The server closes first: TIME-WAIT stays on its port.
        const closing = yield* go(() => server.close(soon()));
        expect(yield* client.recvSome(new Uint8Array(1), soon())).toBe(0);
        yield* client.close(soon());
        yield* closing.join(soon());
        listener.close();
      }
    });
  });
});

describeWithNic("routes that lead nowhere", () => {
  let netns: NetNs;

  beforeAll(async () => {
    netns = await NetNs.create();
    netns.addVeth("veth-x", "veth-y");
    netns.ip("addr add 10.90.0.1/24 dev veth-x");
    netns.ip("route add unreachable 10.91.0.0/24");
    netns.ip("route add prohibit 10.92.0.0/24");
  });
  afterAll(() => netns?.remove());

  const FAILURES = {
    "10.90.0.77": "EHOSTUNREACH",
    "10.91.0.1": "EHOSTUNREACH",
    "10.92.0.1": "EACCES",
    "10.93.0.1": "ENETUNREACH",
  } as const;

  for (const [host, code] of Object.entries(FAILURES)) {
    it(`${host} is ${code}`, async () => {
      await within(
        function* (context) {
          const error = yield* failure(() => tcp.connect({ host, port: 9, context }, soon()));
          expect([error.code, error.address]).toEqual([code, host]);
          expect(context.leftovers().sockets).toBe(0);
        },
        { netns: netns.path },
      );
    });
  }

  it("without IPv6 a listener without an address takes IPv4", async () => {
    await within(
      function* (context) {
        const listener = yield* tcp.listen({ port: 0, context });
        expect(yield* meet(listener, "127.0.0.1", context)).toEqual({
          remote: "127.0.0.1",
          local: "127.0.0.1",
        });
      },
      { netns: netns.path },
    );
  });
});
