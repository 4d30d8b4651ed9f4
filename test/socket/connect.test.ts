// SPDX-License-Identifier: MIT
// `connect(deadline)`, line by line, to the millisecond and on the wire. One way takes 10 ms.

import { describe, expect, it } from "vitest";
import {
  bundle,
  type Context,
  choose,
  go,
  now,
  type Operation,
  sleep,
  tcp,
} from "../../src/index.ts";
import {
  craftIcmp,
  craftTcp,
  drop,
  FrameView,
  type RawHost,
  type SimHost,
  simulate,
  TCP_FLAGS,
} from "../../src/testing.ts";
import { echo, fails, failure, pattern, readAll, soon } from "./support/helpers.ts";
import {
  connectTo,
  coroutines,
  expectGone,
  flagsBy,
  ONE_WAY_MS,
  quiet,
  scene,
  sentBy,
} from "./support/sim.ts";

const ROUND_TRIP_MS = 2 * ONE_WAY_MS;
const PORT = 80;

/** @returns what `op` ended with, and how long it took */
function* timed(op: () => Operation<unknown>): Operation<[string, number]> {
  const startMs = now();
  let code = "none";
  try {
    yield* op();
  } catch (error) {
    code = (error as { code: string }).code;
  }
  return [code, now() - startMs];
}

/** The next TCP segment or other frame of a kind that a raw host gets. */
function* nextTcp(raw: RawHost): Operation<FrameView> {
  const view = new FrameView();
  do view.parse(yield* raw.recv(soon()));
  while (!view.isTcp);
  return view;
}

/** Answers `syn` with a SYN-ACK by hand. */
function sendSynAck(raw: RawHost, host: SimHost, syn: FrameView): void {
  raw.send(
    craftTcp({
      ...raw.to(host),
      sourcePort: syn.destinationPort,
      destinationPort: syn.sourcePort,
      seq: 1_000,
      ack: (syn.seq + 1) >>> 0,
      flags: TCP_FLAGS.SYN | TCP_FLAGS.ACK,
    }),
  );
}

describe("connect, with success", () => {
  it("takes ARP and a handshake: two round trips the first time, then one", async () => {
    const { trace } = await scene(function* (it) {
      yield* tcp.listen({ port: PORT, context: it.server });
      expect(yield* timed(() => connectTo(it, PORT, soon()))).toEqual(["none", 2 * ROUND_TRIP_MS]);
      expect(yield* timed(() => connectTo(it, PORT, soon()))).toEqual(["none", ROUND_TRIP_MS]);
    });
    expect(flagsBy(trace, "client").slice(0, 2)).toEqual(["SYN", "ACK"]);
    expect(flagsBy(trace, "server")[0]).toBe("SYN,ACK");
  });

  it("is ready at its deadline: ready beats the deadline", async () => {
    await scene(function* (it) {
      yield* tcp.listen({ port: PORT, context: it.server });
      const atEdge = yield* timed(() => connectTo(it, PORT, now() + 2 * ROUND_TRIP_MS));
      expect(atEdge).toEqual(["none", 2 * ROUND_TRIP_MS]);
    });
  });

  for (const flags of ["SYN", "SYN,ACK", "ACK"]) {
    it(`survives the loss of the first ${flags}`, async () => {
      await scene(function* (it) {
        const listener = yield* tcp.listen({ port: PORT, context: it.server });
        let isLost = false;
        for (const host of [it.clientHost, it.serverHost]) {
          host.link.rule((frame, { from }) => {
            if (!frame.isTcp || isLost || from !== host.name) return undefined;
            const name = [frame.syn ? "SYN" : "", frame.hasAck ? "ACK" : ""];
            if (name.filter((part) => part !== "").join(",") !== flags) return undefined;
            isLost = true;
            return drop;
          });
        }
        const conn = yield* connectTo(it, PORT, soon());
        yield* conn.send(Uint8Array.of(1), soon());
        const peer = yield* listener.accept(soon());
        yield* peer.recv(new Uint8Array(1), soon());
        expect(isLost).toBe(true);
      });
    });
  }

  it("to our own address: inside the context, nothing on the wire", async () => {
    const { trace } = await scene(function* (it) {
      const listener = yield* tcp.listen({ port: PORT, context: it.client });
      yield* go(function* () {
        yield* echo(yield* listener.accept(soon()));
      });
      const host = it.clientHost.address;
      const conn = yield* tcp.connect({ host, port: PORT, context: it.client }, soon());
      const bytes = pattern(300_000);
      yield* go(function* () {
        yield* conn.send(bytes, soon());
        conn.done();
      });
      expect(Buffer.compare(yield* readAll(conn), bytes)).toBe(0);
      yield* conn.close(soon());
      yield* fails("ECONNREFUSED", () =>
        tcp.connect({ host, port: 81, context: it.client }, soon()),
      );
    });
    expect(trace).toEqual([]);
  });

  it("never connects a port to itself (hostile input C12)", async () => {
    const limits = { ephemeralFirst: 50_000, ephemeralLast: 50_000 };
    await scene(
      function* (it) {
        const host = it.clientHost.address;
        const target = { host, port: 50_000, context: it.client };
        yield* fails("EADDRNOTAVAIL", () => tcp.connect(target, soon()));
        yield* fails("EADDRINUSE", () => tcp.connect({ ...target, localPort: 50_000 }, soon()));
        expectGone(it.client);
      },
      { client: { context: { limits } } },
    );
  });

  it("by both at once with the same ports: one connection (simultaneous open)", async () => {
    await scene(function* (it) {
      // ARP first, so that the SYNs cross.
      yield* fails("ECONNREFUSED", () => connectTo(it, 9, soon()));
      const group = yield* bundle();
      const ends: string[] = [];
      const open = (context: Context, host: string) =>
        function* () {
          const conn = yield* tcp.connect({ host, port: 700, localPort: 700, context }, soon());
          yield* conn.send(pattern(10), soon());
          const got = new Uint8Array(10);
          yield* conn.recv(got, soon());
          expect(got).toEqual(pattern(10));
          ends.push(conn.info().state);
          yield* conn.close(soon());
        };
      yield* group.go(open(it.client, it.serverHost.address));
      yield* group.go(open(it.server, it.clientHost.address));
      yield* group.wait(soon());
      expect(ends).toHaveLength(2);
    });
  });

  it("a clause of choose that is not taken leaves nothing", async () => {
    await scene(function* (it) {
      yield* tcp.listen({ port: PORT, context: it.server });
      const host = it.serverHost.address;
      const { index } = yield* choose([
        tcp.connect({ host, port: PORT, context: it.client }),
        sleep(now() + 25),
      ]);
      expect(index).toBe(1);
      expectGone(it.client);
      yield* quiet();
      expect(it.server.leftovers().sockets).toBe(0);
    });
  });
});

describe("connect, without success", () => {
  it("ECONNREFUSED after one round trip, nothing left", async () => {
    const { trace } = await scene(function* (it) {
      yield* failure(() => connectTo(it, PORT, soon()));
      const error = yield* timed(() => connectTo(it, PORT, soon()));
      expect(error).toEqual(["ECONNREFUSED", ROUND_TRIP_MS]);
      expectGone(it.client, it.server);
    });
    expect(flagsBy(trace, "server")).toEqual(["RST,ACK", "RST,ACK"]);
    expect(flagsBy(trace, "client")).toEqual(["SYN", "SYN"]);
  });

  it("ECONNREFUSED when the handshake is followed by a RST at once", async () => {
    await simulate(1, function* (net) {
      const host = net.host("client");
      const raw = net.rawHost("raw");
      const connecting = yield* go(() =>
        timed(() => tcp.connect({ host: raw.address, port: 5, context: host.context }, soon())),
      );
      const syn = yield* nextTcp(raw);
      sendSynAck(raw, host, syn);
      raw.send(
        craftTcp({
          ...raw.to(host),
          sourcePort: 5,
          destinationPort: syn.sourcePort,
          seq: 1_001,
          ack: (syn.seq + 1) >>> 0,
          flags: TCP_FLAGS.RST | TCP_FLAGS.ACK,
        }),
      );
      expect((yield* connecting.join(soon()))[0]).toBe("ECONNREFUSED");
      expectGone(host.context);
    });
  });

  it("ETIMEDOUT at the deadline to the ms; SYNs at 0, 1, 3, 7 s; a late SYN-ACK is reset", async () => {
    const { trace } = await simulate(1, function* (net) {
      const host = net.host("client");
      const raw = net.rawHost("raw");
      const target = { host: raw.address, port: 5, context: host.context };
      const before = coroutines();
      expect(yield* timed(() => tcp.connect(target, now() + 10_000))).toEqual([
        "ETIMEDOUT",
        10_000,
      ]);
      expect(coroutines()).toBe(before);
      expectGone(host.context);
      const syn = yield* nextTcp(raw);
      for (let i = 0; i < 3; i++) expect((yield* nextTcp(raw)).seq).toBe(syn.seq);
      sendSynAck(raw, host, syn);
      const reset = yield* nextTcp(raw);
      expect([reset.rst, reset.seq]).toEqual([true, (syn.seq + 1) >>> 0]);
      expectGone(host.context);
    });
    const times = sentBy(trace, "client")
      .filter((line) => line.includes("[SYN]"))
      .map((line) => Math.round(Number.parseFloat(line)));
    expect(times.map((time) => time - (times[0] as number))).toEqual([0, 1_000, 3_000, 7_000]);
  });

  it("ETIMEDOUT by itself without a deadline, after R2 of at least 3 minutes (MUST-23)", async () => {
    await simulate(1, function* (net) {
      const { context } = net.host("client");
      const silent = net.silentHost("silent");
      const [code, tookMs] = yield* timed(() =>
        tcp.connect({ host: silent.address, port: 5, context }),
      );
      expect(code).toBe("ETIMEDOUT");
      expect(tookMs).toBeGreaterThanOrEqual(180_000);
      expect(tookMs).toBeLessThan(300_000);
      expectGone(context);
    });
  });

  it("EHOSTUNREACH when nobody answers ARP, after 3 requests", async () => {
    const { trace } = await scene(function* (it) {
      const target = { host: "10.0.0.99", port: PORT, context: it.client };
      expect(yield* timed(() => tcp.connect(target, soon()))).toEqual(["EHOSTUNREACH", 3_000]);
      expectGone(it.client);
      // All that wait for the same neighbour hear of it.
      const group = yield* bundle();
      const codes: string[] = [];
      for (let i = 0; i < 3; i++) {
        yield* group.go(function* () {
          codes.push((yield* timed(() => tcp.connect(target, soon())))[0]);
        });
      }
      yield* group.wait(soon());
      expect(codes).toEqual(["EHOSTUNREACH", "EHOSTUNREACH", "EHOSTUNREACH"]);
    });
    expect(flagsBy(trace, "client")).toEqual([]);
  });

  it("ENETUNREACH without a route, at once", async () => {
    await scene(function* (it) {
      const target = { host: "192.0.2.1", port: PORT, context: it.client };
      expect(yield* timed(() => tcp.connect(target, soon()))).toEqual(["ENETUNREACH", 0]);
      expectGone(it.client);
    });
  });

  it("goes through the gateway, and through the route that fits best", async () => {
    await simulate(1, function* (net) {
      const a = net.rawHost("a");
      const b = net.rawHost("b");
      const { context } = net.host("client", { context: { gateway: a.address } });
      context.addRoute("192.0.2.0/24", b.address);
      for (const [host, via] of [
        ["198.51.100.1", a],
        ["192.0.2.1", b],
      ] as const) {
        const connecting = yield* go(() => failure(() => tcp.connect({ host, port: 5, context })));
        expect((yield* nextTcp(via)).destination).toBe(host);
        connecting.cancel();
      }
      yield* quiet();
      expectGone(context);
    });
  });

  const UNREACHABLE = [
    [0, "ENETUNREACH"],
    [1, "EHOSTUNREACH"],
    [2, "ECONNREFUSED"],
    [3, "ECONNREFUSED"],
  ] as const;
  for (const [icmpCode, expected] of UNREACHABLE) {
    it(`ICMP unreachable code ${icmpCode}: ${expected} (RFC 5461 §4.1)`, async () => {
      await simulate(1, function* (net) {
        const host = net.host("client");
        const raw = net.rawHost("raw");
        const target = { host: raw.address, port: 5, context: host.context };
        const connecting = yield* go(() => timed(() => tcp.connect(target, soon())));
        const syn = yield* nextTcp(raw);
        const quoted = syn.bytes.slice(14, 14 + 28);
        const wrongSeq = quoted.slice();
        wrongSeq[24] = (wrongSeq[24] as number) ^ 0x40;
        const icmp = { ...raw.to(host), type: 3, code: icmpCode };
        raw.send(craftIcmp({ ...icmp, payload: wrongSeq }));
        yield* sleep(now() + 5);
        expect(connecting.isEnded).toBe(false); // RFC 5927 §4.1: no octet in flight
        raw.send(craftIcmp({ ...icmp, payload: quoted }));
        const [code, tookMs] = yield* connecting.join(soon());
        expect(code).toMatch(new RegExp(`^(${expected})$`));
        expect(tookMs).toBeLessThan(100);
        expectGone(host.context);
      });
    });
  }

  it("EADDRNOTAVAIL when every ephemeral port to that peer is used up", async () => {
    const limits = { ephemeralFirst: 50_000, ephemeralLast: 50_004 };
    await scene(
      function* (it) {
        yield* tcp.listen({ port: PORT, context: it.server });
        yield* tcp.listen({ port: PORT + 1, context: it.server });
        const ports = new Set<number>();
        const conns = [];
        for (let i = 0; i < 5; i++) {
          const conn = yield* connectTo(it, PORT, soon());
          conns.push(conn);
          ports.add(conn.local.port);
        }
        expect([...ports].sort()).toEqual([50_000, 50_001, 50_002, 50_003, 50_004]);
        yield* fails("EADDRNOTAVAIL", () => connectTo(it, PORT, soon()));
        expect(it.client.leftovers().sockets).toBe(5);
        // Another destination is another 4-tuple.
        yield* connectTo(it, PORT + 1, soon());
        conns[2]?.abort();
        yield* connectTo(it, PORT, soon());
        yield* fails("EADDRNOTAVAIL", () => connectTo(it, PORT, soon()));
      },
      { client: { context: { limits } } },
    );
  });

  it("ENFILE beyond maxSockets, on both sides", async () => {
    const context = { limits: { maxSockets: 2 } };
    await scene(
      function* (it) {
        yield* tcp.listen({ port: PORT, context: it.server });
        const conns = [yield* connectTo(it, PORT, soon()), yield* connectTo(it, PORT, soon())];
        yield* fails("ENFILE", () => connectTo(it, PORT, soon()));
        conns[0]?.abort();
        yield* quiet();
        yield* connectTo(it, PORT, soon());
      },
      { client: { context } },
    );
    await scene(
      function* (it) {
        yield* tcp.listen({ port: PORT, context: it.server });
        const conns = [yield* connectTo(it, PORT, soon()), yield* connectTo(it, PORT, soon())];
        yield* fails("ETIMEDOUT", () => connectTo(it, PORT, now() + 500));
        expect(it.server.statistics().events["tcp.socketsFull"]).toBe(1);
        conns[0]?.abort();
        yield* quiet();
        yield* connectTo(it, PORT, soon());
      },
      { server: { context } },
    );
  });

  it("EINVAL to addresses that name no one host", async () => {
    await scene(function* (it) {
      for (const host of ["255.255.255.255", "10.0.0.255", "224.0.0.1", "0.0.0.0"]) {
        const [code] = yield* timed(() =>
          tcp.connect({ host, port: PORT, context: it.client }, soon()),
        );
        expect([host, code]).toEqual([host, "EINVAL"]);
      }
      expectGone(it.client);
    });
  });
});

describe("connect, cancelled", () => {
  /** Cancels a connect after `afterMs`. @returns the code it saw */
  function* cancelAfter(afterMs: number, op: () => Operation<unknown>): Operation<string> {
    let code = "none";
    const connecting = yield* go(function* () {
      try {
        yield* op();
      } catch (error) {
        code = (error as { code: string }).code;
      }
    });
    yield* sleep(now() + afterMs);
    connecting.cancel();
    yield* sleep(now() + 0.001);
    expect(connecting.isEnded).toBe(true);
    return code;
  }

  const PHASES = [
    ["before the ARP answer", 5, false],
    ["with the ARP answer on its way", 15, false],
    ["with the SYN on its way", 25, false],
    ["with the SYN-ACK on its way", 35, true],
    ["just before the SYN-ACK arrives", 39.99, true],
  ] as const;
  for (const [phase, afterMs, isSeen] of PHASES) {
    it(`${phase}: ECANCELED, nothing left on either side, a late SYN-ACK is reset`, async () => {
      const { trace } = await scene(function* (it) {
        const listener = yield* tcp.listen({ port: PORT, context: it.server });
        const before = coroutines();
        expect(yield* cancelAfter(afterMs, () => connectTo(it, PORT))).toBe("ECANCELED");
        expect(coroutines()).toBe(before);
        expectGone(it.client);
        yield* quiet(500);
        expectGone(it.client);
        expect(it.server.leftovers().sockets).toBe(0);
        expect(listener.statistics()).toMatchObject({ halfOpen: 0, waiting: 0 });
      });
      if (isSeen) expect(flagsBy(trace, "client").at(-1)).toBe("RST");
    });
  }

  it("by its deadline in each phase: the same", async () => {
    for (const afterMs of [0, 5, 15, 25, 35, 39.999]) {
      await scene(function* (it) {
        yield* tcp.listen({ port: PORT, context: it.server });
        const result = yield* timed(() => connectTo(it, PORT, now() + afterMs));
        expect(result[0]).toBe("ETIMEDOUT");
        expectGone(it.client);
        yield* quiet(500);
        expectGone(it.client);
        expect(it.server.leftovers().sockets).toBe(0);
      });
    }
  });

  it("the port is free again at once", async () => {
    await scene(function* (it) {
      yield* tcp.listen({ port: PORT, context: it.server });
      const target = {
        host: it.serverHost.address,
        port: PORT,
        localPort: 600,
        context: it.client,
      };
      expect(yield* cancelAfter(25, () => tcp.connect(target))).toBe("ECANCELED");
      const conn = yield* tcp.connect(target, soon());
      expect(conn.local.port).toBe(600);
    });
  });

  it("accept: a choose that takes another clause passes the wake-up on", async () => {
    await scene(function* (it) {
      const listener = yield* tcp.listen({ port: PORT, context: it.server });
      let isHit = false;
      // The first acceptor is woken by the connection and by its timer in one round.
      const startMs = now();
      yield* go(function* () {
        const { index } = yield* choose([
          sleep(startMs + 2 * ROUND_TRIP_MS + ONE_WAY_MS),
          listener.accept(),
        ]);
        isHit = index === 0;
      });
      const second = yield* go(() => listener.accept(soon()));
      yield* connectTo(it, PORT, soon());
      yield* second.join(soon());
      expect(isHit).toBe(true);
    });
  });
});
