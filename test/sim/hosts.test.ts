// SPDX-License-Identifier: MIT
import { describe, expect, it } from "vitest";
import { go, now, run, sleep } from "../../scheduler/index.ts";
import { createContext, tcp, useNetwork } from "../../src/index.ts";
import {
  craftTcp,
  createCable,
  drop,
  expectNothingLeft,
  FrameView,
  type SimHost,
  type SimNetwork,
  simulate,
  TCP_FLAGS,
} from "../../src/testing.ts";

const PORT = 80;

/** Starts an echo server on a host. */
function* serveEcho(host: SimHost) {
  return yield* host.go(function* () {
    const listener = yield* tcp.listen({ port: PORT });
    for (;;) {
      const conn = yield* listener.accept();
      yield* go(function* () {
        const buf = new Uint8Array(16_384);
        for (let n = 0; (n = yield* conn.recvSome(buf)) > 0; ) {
          yield* conn.send(buf.subarray(0, n));
        }
        yield* conn.close(now() + 60_000);
      });
    }
  });
}

/** Sends `bytes` to the echo server and checks what comes back; both handshakes are full. */
function* echo(server: SimHost, bytes: Uint8Array) {
  const conn = yield* tcp.connect({ host: server.address, port: PORT }, now() + 60_000);
  yield* go(function* () {
    yield* conn.send(bytes, now() + 600_000);
    conn.done();
  });
  const back = new Uint8Array(bytes.length);
  yield* conn.recv(back, now() + 600_000);
  yield* conn.close(now() + 60_000);
  return back;
}

function* rough(net: SimNetwork) {
  const link = { delayMs: 10, jitterMs: 5, loss: 0.02, duplicate: 0.02, reorder: 0.02 };
  const server = net.host("server", { link });
  const client = net.host("client", { link: { ...link, corrupt: 0.02 } });
  yield* serveEcho(server);
  const bytes = net.random.fork("data").bytes(100_000);
  const back = yield* client.run(() => echo(server, bytes));
  expect(Buffer.compare(back, bytes)).toBe(0);
  return net.statistics();
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "none",
    (error: { code?: string }) => error.code ?? String(error),
  );
}

describe("hosts with the real stack", () => {
  it("shake hands, exchange data and close on virtual time", async () => {
    const { trace, virtualMs } = await simulate(1, function* (net) {
      const server = net.host("server");
      const client = net.host("client", { link: { delayMs: 10 } });
      yield* serveEcho(server);
      const back = yield* client.run(() => echo(server, Uint8Array.of(1, 2, 3)));
      expect(back).toEqual(Uint8Array.of(1, 2, 3));
      yield* sleep(now() + 100); // our last ACK is on its way; the server is not to be cancelled yet
    });
    const flags = trace.map((line) => /\[(.*?)\]/.exec(line)?.[1]).filter((f) => f !== undefined);
    expect(flags.slice(0, 2)).toEqual(["SYN", "SYN,ACK"]);
    expect(flags.slice(2).every((f) => f?.includes("ACK"))).toBe(true);
    expect(flags.filter((f) => f.includes("FIN"))).toHaveLength(2);
    expect(flags.filter((f) => f.includes("RST"))).toHaveLength(0);
    expect(virtualMs).toBeLessThan(1000);
  });

  it("deliver every byte over links that lose, corrupt, double and reorder", async () => {
    const { result } = await simulate(5, rough);
    expect(result["client"]?.["client"]?.lost).toBeGreaterThan(0);
    expect(result["client"]?.["client"]?.corrupted).toBeGreaterThan(0);
  });

  it("do the same again for the same seed, frame for frame (R4)", async () => {
    const first = await simulate(6, rough);
    const second = await simulate(6, rough);
    expect(second.traceHash).toBe(first.traceHash);
    expect(second.virtualMs).toBe(first.virtualMs);
    expect(second.trace).toEqual(first.trace);
    expect((await simulate(7, rough)).traceHash).not.toBe(first.traceHash);
  });

  it("meet over a point-to-point link", async () => {
    await simulate(1, function* (net) {
      const link = net.link("a", "b", { delayMs: 1, bandwidthBps: 10_000_000 });
      const [a, b] = [net.host("a"), net.host("b")];
      expect([a.address, b.address, link.name]).toEqual(["10.0.0.1", "10.0.0.2", "a-b"]);
      yield* serveEcho(b);
      yield* a.run(() => echo(b, new Uint8Array(50_000)));
      expect(() => net.link(a, "c")).toThrow(/first/);
    });
  });

  it("survive the loss of the first SYN, by rule", async () => {
    const { trace } = await simulate(1, function* (net) {
      const server = net.host("server");
      const client = net.host("client");
      yield* serveEcho(server);
      const rule = client.link.rule(({ syn }) => (syn && rule.hits === 0 ? drop : undefined));
      const startMs = now();
      yield* client.run(() => echo(server, Uint8Array.of(1)));
      expect(now() - startMs).toBeGreaterThanOrEqual(1_000); // RFC 6298 (2.1): the initial RTO
    });
    expect(trace.some((line) => line.includes("*dropped by rule*"))).toBe(true);
  });

  it("get ETIMEDOUT from a silent host, at the deadline", async () => {
    await simulate(1, function* (net) {
      const silent = net.silentHost("silent");
      const client = net.host("client");
      const startMs = now();
      let code = "";
      try {
        yield* client.run(() => tcp.connect({ host: silent.address, port: 1 }, now() + 5_000));
      } catch (error) {
        code = (error as { code: string }).code;
      }
      expect([code, now() - startMs]).toEqual(["ETIMEDOUT", 5_000]);
      expect(client.context.leftovers().sockets).toBe(0);
    });
  });

  it("answer a hostile peer that sends frames by hand", async () => {
    await simulate(1, function* (net) {
      const server = net.host("server");
      const evil = net.rawHost("evil");
      const fields = { ...evil.to(server), sourcePort: 7, destinationPort: 9 };
      evil.send(craftTcp({ ...fields, flags: TCP_FLAGS.SYN, seq: 41 }));
      const reply = new FrameView();
      while (!reply.isTcp) reply.parse(yield* evil.recv(now() + 1_000));
      expect([reply.rst, reply.ack]).toEqual([true, 42]);
    });
  });

  it("vanish in a crash without a packet, and know nothing after a restart", async () => {
    const { trace } = await simulate(1, function* (net) {
      const server = net.host("server");
      const client = net.host("client");
      const program = yield* serveEcho(server);
      yield* client.run(function* () {
        const conn = yield* tcp.connect({ host: server.address, port: PORT }, now() + 1_000);
        const sentBefore = server.link.from("server").statistics.sent;
        yield* server.crash();
        expect([server.isUp, program.isEnded]).toEqual([false, true]);
        yield* conn.send(Uint8Array.of(1), now() + 1_000);
        yield* sleep(now() + 2_000);
        expect(server.link.from("server").statistics.sent).toBe(sentBefore);
        expect(server.missed).toBeGreaterThan(0);
        server.restart();
        expect(server.starts).toBe(2);
        let code = "";
        try {
          yield* conn.recvSome(new Uint8Array(1), now() + 60_000);
        } catch (error) {
          code = (error as { code: string }).code;
        }
        expect(code).toBe("ECONNRESET");
        conn.abort();
      });
      yield* serveEcho(server);
      yield* client.run(() => echo(server, Uint8Array.of(1)));
    });
    expect(trace.length).toBeGreaterThan(0);
  });

  it("cannot be crashed by their own programs: EDEADLK", async () => {
    await simulate(1, function* (net) {
      const host = net.host("a");
      const program = yield* host.go(function* () {
        yield* sleep(now() + 1);
        yield* host.crash();
      });
      let code = "";
      try {
        yield* program.join(-1);
      } catch (error) {
        code = (error as { code: string }).code;
      }
      expect([code, host.isUp]).toEqual(["EDEADLK", true]);
    });
  });

  it("heal after a partition", async () => {
    await simulate(1, function* (net) {
      const server = net.host("server");
      const client = net.host("client", { link: { delayMs: 5 } });
      yield* serveEcho(server);
      yield* go(function* () {
        yield* sleep(now() + 12);
        net.partition([client], [server]);
        yield* sleep(now() + 3_000);
        net.repair([client], [server]);
      });
      yield* client.run(() => echo(server, new Uint8Array(200_000)));
    });
  });

  it("belong to the network, not to the coroutine that made them", async () => {
    await simulate(1, function* (net) {
      const maker = yield* go(function* () {
        yield* serveEcho(net.host("server"));
        return net.host("client");
      });
      const client = yield* maker.join(-1);
      expect([net.host("server").isUp, client.context.isOpen]).toEqual([true, true]);
    });
  });

  it("are missed when the program leaves something behind", async () => {
    const promise = simulate(
      1,
      function* (net) {
        const host = net.host("a");
        // Opened outside any coroutine of the program: nobody closes it.
        host.context.stack.listen(null, 99, 1, { listenerReady: () => {} } as never);
      },
      { settleMs: 1_000 },
    );
    await expect(promise).rejects.toThrow(/a: 1 listeners/);
    expect(await codeOf(promise)).not.toBe("none");
  });
});

describe("two contexts over an in-process link", () => {
  for (const clock of ["virtual", "real"] as const) {
    it(`exchange data on the ${clock} clock`, async () => {
      let loop: { leftovers(): object } | undefined;
      await run(
        function* () {
          const [left, right] = createCable();
          const server = createContext({ driver: left, address: "10.0.0.1/24" });
          const client = createContext({ driver: right, address: "10.0.0.2/24" });
          yield* go(function* () {
            yield* useNetwork(server);
            const listener = yield* tcp.listen({ port: PORT });
            const conn = yield* listener.accept();
            yield* conn.send(new Uint8Array(300_000).fill(7), now() + 10_000);
            yield* conn.close(now() + 10_000);
          });
          yield* useNetwork(client);
          const conn = yield* tcp.connect({ host: "10.0.0.1", port: PORT }, now() + 10_000);
          const buf = new Uint8Array(300_000);
          yield* conn.recv(buf, now() + 10_000);
          expect(buf.every((byte) => byte === 7)).toBe(true);
          yield* conn.close(now() + 10_000);
          expectNothingLeft(client);
        },
        {
          clock,
          onLoop: (made) => {
            loop = made;
          },
        },
      );
      expectNothingLeft(loop as { leftovers(): object });
    });
  }
});
