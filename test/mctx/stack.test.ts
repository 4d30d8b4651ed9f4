// SPDX-License-Identifier: MIT
// A stack at its limits: full rings, full tables, floods, TIME-WAIT, and a device that goes away.

import { describe, expect, it } from "vitest";
import { bundle, go, now, type Operation, sleep, tcp } from "../../src/index.ts";
import { portsWord } from "../../src/mctx/flow.ts";
import { FlowTable } from "../../src/mctx/flow-table.ts";
import { craftTcp, FrameView, simulate, TCP_FLAGS } from "../../src/testing.ts";
import {
  connected,
  echo,
  expectSame,
  fails,
  failure,
  pattern,
  soon,
} from "../socket/support/helpers.ts";
import { connectedScene, flagsBy, quiet, scene } from "../socket/support/sim.ts";
import { Random } from "../tcp/support/random.ts";
import {
  benchStack,
  exchange,
  ip,
  listenOn,
  open,
  round,
  take,
  talk,
} from "./support/bench-stack.ts";

const PORT = 80;

describe("the flow table", () => {
  it("finds, adds and removes as a map does, through growth", () => {
    const bench = benchStack(1);
    const table = new FlowTable(77);
    const random = new Random(3);
    const model = new Map<string, unknown>();
    const local = ip("10.0.0.1");
    for (let i = 0; i < 5_000; i++) {
      const remote = ip(`10.0.${random.below(4)}.${1 + random.below(9)}`);
      const port = 1 + random.below(200);
      const key = `${remote} ${port}`;
      const hash = table.hash(local, PORT, remote, port);
      const found = table.find(hash, local, PORT, remote, port);
      expect(found ?? undefined).toBe(model.get(key));
      if (found === null) {
        const flow = Object.assign(Object.create(Object.prototype), {
          hash,
          local,
          remote,
          ports: portsWord(PORT, port),
          next: null,
        });
        table.add(flow);
        model.set(key, flow);
      } else if (random.chance(0.3)) {
        expect(table.remove(found)).toBe(true);
        expect(table.remove(found)).toBe(false);
        model.delete(key);
      }
      expect(table.size).toBe(model.size);
    }
    expect(new Set(table.all())).toEqual(new Set(model.values()));
    expect(bench.stack.flows()).toEqual([]);
  });
});

describe("listeners", () => {
  it("may share a port only if their addresses differ; the nearer address wins", () => {
    const { stack, address } = benchStack(1, { limits: { maxListeners: 3 } });
    const sink = { listenerReady: () => {} };
    const any = stack.listen(null, PORT, 1, sink);
    expect(typeof any).toBe("object");
    expect(stack.listen(null, PORT, 1, sink)).toBe(-98);
    expect(stack.listen(address, PORT, 1, sink)).toBe(-98);
    expect(stack.listen(ip("10.0.0.9"), PORT, 1, sink)).toBe(-99);
    const own = stack.listen(address, PORT + 1, 1, sink);
    expect(stack.listen(null, PORT + 1, 1, sink)).toBe(-98);
    expect(stack.findListener(address, PORT)).toBe(any);
    expect(stack.findListener(address, PORT + 1)).toBe(own);
    expect(stack.findListener(address, PORT + 2)).toBeNull();
    expect(typeof stack.listen(null, 0, 1, sink)).toBe("object");
    expect(stack.listen(null, 0, 1, sink)).toBe(-23); // ENFILE
  });

  it("chooses free ports for port 0 until none is left: EADDRNOTAVAIL", () => {
    const limits = { ephemeralFirst: 60_000, ephemeralLast: 60_006 };
    const { stack } = benchStack(1, { limits });
    const ports = new Set<number>();
    for (let i = 0; i < 7; i++) ports.add(listenOn({ stack } as never, 0).port);
    expect(ports.size).toBe(7);
    expect(stack.listen(null, 0, 1, { listenerReady: () => {} })).toBe(-99);
  });
});

describe("a full tx ring", () => {
  it("loses nothing: every connection goes on (4 slots, 40 connections)", async () => {
    const nic = { driver: { txSlots: 4 } };
    await scene(
      function* (it) {
        const listener = yield* tcp.listen({ port: PORT, context: it.server });
        const serving = yield* go(() => listener.serve(echo));
        const group = yield* bundle();
        for (let i = 0; i < 40; i++) {
          yield* group.go(function* () {
            const target = { ...listener.local, context: it.client };
            const conn = yield* tcp.connect(target, now() + 60_000);
            const bytes = pattern(20_000, i);
            const back = new Uint8Array(bytes.length);
            yield* go(() => conn.send(bytes, now() + 60_000));
            yield* conn.recv(back, now() + 60_000);
            expectSame(back, bytes);
            yield* conn.close(now() + 60_000);
          });
        }
        yield* group.wait(now() + 60_000);
        yield* quiet();
        serving.cancel();
        expect(it.client.statistics().events["tx.full"]).toBeGreaterThan(0);
        expect(it.client.statistics().tcp["retransmits"]).toBeLessThan(40);
      },
      { server: nic, client: nic },
    );
  });

  it("delays RSTs and drops none: a thousand connections reset in one round", async () => {
    const COUNT = 1_000;
    const { trace } = await scene(
      function* (it) {
        const listener = yield* tcp.listen({ port: PORT, backlog: COUNT, context: it.server });
        const owner = yield* bundle();
        for (let i = 0; i < COUNT; i++) {
          const conn = yield* tcp.connect({ ...listener.local, context: it.client }, soon());
          conn.moveTo(owner);
          yield* listener.accept(soon());
        }
        yield* owner.close();
        // The server's handles are open still: only RSTs can end its connections.
        yield* quiet(1_000);
        expect(it.client.leftovers().sockets).toBe(0);
        expect(it.server.leftovers().sockets).toBe(0);
      },
      { client: { driver: { txSlots: 16 } }, server: { driver: { rxSlots: 2_048 } } },
    );
    expect(flagsBy(trace, "client").some((flags) => flags.includes("RST"))).toBe(true);
  });

  it("closing a context resets every connection, however many", async () => {
    await scene(
      function* (it) {
        const listener = yield* tcp.listen({ port: PORT, context: it.server });
        for (let i = 0; i < 60; i++) {
          yield* tcp.connect({ ...listener.local, context: it.client }, soon());
        }
        yield* quiet();
        expect(it.server.leftovers().sockets).toBe(60);
        it.client.close();
        it.client.close();
        yield* quiet();
        expect(it.server.leftovers().sockets).toBe(0);
        const target = { ...listener.local, context: it.client };
        expect((yield* failure(() => tcp.connect(target, soon()))).code).toBe("ENETDOWN");
      },
      { client: { driver: { txSlots: 4 } } },
    );
  });
});

describe("a device that goes away", () => {
  it("ends every pending call with ENETDOWN; nothing hangs, closing works", async () => {
    await simulate(1, function* (net) {
      const server = net.host("server");
      const client = net.host("client");
      yield* (yield* go(function* () {
        const { context } = client;
        const pair = yield* connected({ server: server.context, client: context });
        const second = yield* connected({ server: server.context, client: context });
        const third = yield* connected({ server: server.context, client: context });
        const listener = yield* tcp.listen({ port: 81, context });
        const codes: Record<string, string> = {};
        const calls: Record<string, () => Operation<unknown>> = {
          recv: () => pair.client.recv(new Uint8Array(1)),
          send: () => pair.client.send(pattern(3_000_000)),
          recvSome: () => second.client.recvSome(new Uint8Array(1)),
          close: () => third.client.close(),
          accept: () => listener.accept(),
          serve: () => listener.serve(echo),
          connect: () => tcp.connect({ host: "10.0.0.77", port: 1, context }),
        };
        const group = yield* bundle();
        for (const [name, call] of Object.entries(calls)) {
          yield* group.go(function* () {
            codes[name] = (yield* failure(call)).code;
          });
        }
        yield* sleep(now() + 20);
        client.driver.fail();
        yield* group.wait(soon());
        for (const name of Object.keys(calls))
          expect([name, codes[name]]).toEqual([name, "ENETDOWN"]);
        expect(context.isOpen).toBe(false);
        yield* fails("ENETDOWN", () => tcp.listen({ port: 82, context }));
        yield* fails("ENETDOWN", () => pair.client.send(Uint8Array.of(1), soon()));
        pair.client.abort();
        context.close();
        expect(context.leftovers()).toMatchObject({ sockets: 0, timers: 0, listeners: 0 });
      })).join(-1);
    });
  });
});

describe("floods of SYNs", () => {
  it("evict the oldest half-open connections, and the listener recovers (E1)", async () => {
    await simulate(1, function* (net) {
      const limits = { maxHalfOpen: 64 };
      const server = net.host("server", { context: { limits } });
      const client = net.host("client");
      const evil = net.rawHost("evil");
      yield* (yield* go(function* () {
        const net2 = { server: server.context, client: client.context };
        const before = yield* connected(net2);
        const { listener } = before;
        for (let i = 0; i < 5_000; i++) {
          evil.send(
            craftTcp({
              ...evil.to(server),
              source: `10.0.0.${100 + (i % 100)}`,
              sourcePort: 1_024 + i,
              destinationPort: listener.local.port,
              seq: i * 7_919,
              flags: TCP_FLAGS.SYN,
            }),
          );
          if (i % 50 === 0) yield* sleep(now() + 1);
        }
        yield* sleep(now() + 10);
        expect(listener.statistics().halfOpen).toBe(64);
        expect(server.context.statistics().events["tcp.halfOpenEvicted"]).toBeGreaterThan(4_000);
        // The old connection has not noticed, and a new one gets in.
        yield* before.client.send(Uint8Array.of(1), soon());
        yield* before.server.recv(new Uint8Array(1), soon());
        const late = yield* tcp.connect({ ...listener.local, context: client.context }, soon());
        expect((yield* listener.accept(soon())).remote).toEqual(late.local);
      })).join(-1);
    });
  });

  it("a connection completed beyond the backlog waits; none beyond backlog + maxHalfOpen", async () => {
    await scene(function* (it) {
      const listener = yield* tcp.listen({ port: PORT, backlog: 1, context: it.server });
      const group = yield* bundle();
      for (let i = 0; i < 5; i++) {
        yield* group.go(function* () {
          const conn = yield* tcp.connect({ ...listener.local, context: it.client }, soon());
          yield* conn.recvSome(new Uint8Array(1), now() + 60_000);
        });
      }
      yield* quiet(200);
      expect(listener.statistics().waiting).toBe(5);
      for (let i = 0; i < 5; i++) {
        yield* (yield* listener.accept(soon())).send(Uint8Array.of(1), soon());
      }
      yield* group.wait(soon());
    });
  });
});

describe("TIME-WAIT", () => {
  const tcpConfig = { receiveBufferBytes: 65_536 };

  it("is bounded: the oldest ends early, counted", () => {
    const a = benchStack(1, { limits: { maxTimeWait: 4 }, tcp: tcpConfig });
    const b = benchStack(2);
    const listener = listenOn(b, PORT);
    let nowMs = 1_000;
    for (let i = 0; i < 10; i++) {
      const flow = open(a, b, PORT, nowMs);
      nowMs = talk(a, b, nowMs, nowMs + 5);
      flow.finish(nowMs);
      const far = take(listener);
      far?.finish(nowMs);
      nowMs = talk(a, b, nowMs, nowMs + 100);
      expect(flow.isOrderlyClosed).toBe(true);
    }
    expect(a.stack.leftovers()).toMatchObject({ sockets: 0, timeWait: 4 });
    expect(a.stack.network.counters.get("tcp.timeWaitEvicted")).toBe(6);
    talk(a, b, nowMs, nowMs + 60_000, 1_000);
    expect(a.stack.leftovers().timeWait).toBe(0);
    expect(a.timers.size).toBe(0);
  });

  it("makes way for a newer SYN on the same 4-tuple, with an ISS above the old (RFC 6191)", () => {
    const server = benchStack(1, { tcp: tcpConfig });
    const client = benchStack(2, { limits: { maxTimeWait: 1 } });
    const listener = listenOn(server, PORT);
    let nowMs = 1_000;
    let lastNxt: number | null = null;
    for (let i = 0; i < 5; i++) {
      const flow = open(client, server, PORT, nowMs, 5_555);
      nowMs = talk(client, server, nowMs, nowMs + 5);
      const near = take(listener);
      expect(near, `connection ${i}`).not.toBeNull();
      if (near === null) return;
      if (lastNxt !== null) expect((near.tcb.snd.iss - lastNxt) | 0).toBeGreaterThan(0);
      // Much faster than the 250 bytes per ms of the ISN clock: the new ISS must still be above.
      const bytes = new Uint8Array(32_768);
      const into = new Uint8Array(65_536);
      for (let sent = 0; sent < 3_000_000; nowMs += 0.01) {
        sent += Math.max(0, near.send(bytes, 0, bytes.length));
        exchange(client, server, nowMs);
        while (flow.receive(into, 0, into.length) > 0);
      }
      near.finish(nowMs);
      for (let round = 0; round < 100; round++, nowMs += 0.5) {
        exchange(client, server, nowMs);
        while (flow.receive(into, 0, into.length) > 0);
      }
      flow.finish(nowMs);
      nowMs = talk(client, server, nowMs, nowMs + 5);
      expect(near.isTimeWait).toBe(true);
      lastNxt = near.tcb.snd.nxt;
    }
  });

  it("keeps unread bytes for the handle long after 2 MSL", async () => {
    await connectedScene(function* ({ conn, peer }) {
      yield* peer.send(pattern(5_000), soon());
      conn.done();
      peer.done();
      yield* sleep(now() + 200_000);
      const got = new Uint8Array(5_000);
      yield* conn.recv(got, soon());
      expectSame(got, pattern(5_000));
      expect(yield* conn.recvSome(got, soon())).toBe(0);
      yield* conn.close(soon());
      yield* peer.close(soon());
    });
  });
});

describe("what peers cannot guess", () => {
  function isnOf(options: { seed: number; port?: number; atMs?: number }): number {
    const driver = { rxSlots: 16, txSlots: 16 };
    const { stack, sent } = benchStack(1, { seed: options.seed, driver });
    const flow = stack.connect(
      ip("10.0.0.2"),
      options.port ?? PORT,
      40_000,
      stack.tcpConfig,
      { flowEvents: () => {} },
      options.atMs ?? 1_000,
    );
    sent.length = 0;
    if (typeof flow === "number") throw new Error(String(flow));
    return flow.tcb.snd.iss;
  }

  it("the ISN grows by 250 per ms for one 4-tuple, and differs by secret and by tuple (F1)", () => {
    expect((isnOf({ seed: 1, atMs: 3_000 }) - isnOf({ seed: 1, atMs: 1_000 })) | 0).toBe(500_000);
    expect(isnOf({ seed: 1 })).not.toBe(isnOf({ seed: 2 }));
    // Over many tuples every bit is set half of the time, and neighbours are not related.
    const isns: number[] = [];
    for (let port = 1; port <= 2_000; port++) isns.push(isnOf({ seed: 1, port }));
    for (let bit = 0; bit < 32; bit++) {
      const ones = isns.filter((isn) => ((isn >>> bit) & 1) === 1).length;
      expect(Math.abs(ones - 1_000), `bit ${bit}`).toBeLessThan(150);
    }
    const steps = new Set(isns.map((isn, i) => (isn - (isns[i - 1] ?? 0)) | 0));
    expect(steps.size).toBeGreaterThan(1_990);
  });

  it("ephemeral ports are spread evenly, and each destination has its own sequence (F2)", () => {
    const bench = benchStack(1, { limits: { maxSockets: 100_000 } });
    const buckets = new Array<number>(16).fill(0);
    const steps = new Map<number, number>();
    let last = 0;
    for (let i = 0; i < 8_000; i++) {
      const remote = ip(`10.0.0.${2 + (i % 200)}`);
      const { stack } = bench;
      const flow = stack.connect(remote, 1 + (i % 977), 0, stack.tcpConfig, { flowEvents() {} }, 1);
      if (typeof flow === "number") throw new Error(String(flow));
      const { localPort } = flow;
      expect(localPort).toBeGreaterThanOrEqual(49_152);
      const bucket = (localPort - 49_152) >> 10;
      buckets[bucket] = (buckets[bucket] as number) + 1;
      steps.set(localPort - last, (steps.get(localPort - last) ?? 0) + 1);
      last = localPort;
      stack.abortFlow(flow, 1);
    }
    const expected = 8_000 / 16;
    const chiSquare = buckets.reduce((sum, n) => sum + (n - expected) ** 2 / expected, 0);
    expect(chiSquare).toBeLessThan(60); // 15 degrees of freedom: p < 1e-6 beyond
    expect(Math.max(...steps.values())).toBeLessThan(30); // no counter shared by destinations
    round(bench, 2);
  });

  it("every ephemeral port of a range is tried, whatever its size", () => {
    for (const count of [1, 3, 50, 16_384]) {
      const limits = { ephemeralFirst: 30_000, ephemeralLast: 30_000 + count - 1 };
      const { stack } = benchStack(1, { limits, seed: count });
      const ports = new Set<number>();
      const sink = { flowEvents: () => {} };
      for (let i = 0; i < count; i++) {
        const flow = stack.connect(ip("10.0.0.2"), PORT, 0, stack.tcpConfig, sink, 1);
        if (typeof flow !== "number") ports.add(flow.localPort);
      }
      expect(ports.size).toBe(count);
      expect(stack.connect(ip("10.0.0.2"), PORT, 0, stack.tcpConfig, sink, 1)).toBe(-99);
    }
  });
});

describe("resets without a connection", () => {
  it("answer as RFC 9293 §3.10.7.1 says, and never a RST", async () => {
    await simulate(1, function* (net) {
      const host = net.host("host");
      const raw = net.rawHost("raw");
      const { SYN, ACK, RST } = TCP_FLAGS;
      const fields = { ...raw.to(host), sourcePort: 7, destinationPort: 9 };
      raw.send(craftTcp({ ...fields, flags: RST, seq: 1 }));
      raw.send(craftTcp({ ...fields, flags: RST | ACK, seq: 1 }));
      raw.send(craftTcp({ ...fields, flags: SYN, seq: 10, payload: "abc" }));
      raw.send(craftTcp({ ...fields, flags: ACK, seq: 1, ack: 99 }));
      yield* sleep(now() + 10);
      const seen: unknown[] = [];
      const view = new FrameView();
      for (let frame = raw.take(); frame !== null; frame = raw.take()) {
        view.parse(frame);
        if (view.isTcp) seen.push([view.rst, view.seq, view.hasAck ? view.ack : null]);
      }
      expect(seen).toEqual([
        [true, 0, 14],
        [true, 99, null],
      ]);
    });
  });
});
