// SPDX-License-Identifier: MIT
// `close(deadline)`, line by line, to the millisecond and on the wire. One way takes 10 ms.

import { describe, expect, it } from "vitest";
import { bundle, go, now, shield, sleep, tcp } from "../../src/index.ts";
import { drop, type Rule } from "../../src/testing.ts";
import { fails, failure, pattern, readAll, soon } from "./support/helpers.ts";
import {
  connectedScene,
  coroutines,
  cut,
  expectGone,
  flagsBy,
  heal,
  ONE_WAY_MS,
  quiet,
  sentBy,
} from "./support/sim.ts";

const ROUND_TRIP_MS = 2 * ONE_WAY_MS;

describe("close, orderly", () => {
  it("takes one round trip, two FINs, two ACKs and no RST", async () => {
    const { trace } = await connectedScene(function* ({ conn, peer, client, server }) {
      const startMs = now();
      const closing = yield* go(() => conn.close(soon()));
      expect(yield* peer.recvSome(new Uint8Array(1), soon())).toBe(0);
      yield* peer.close(soon());
      yield* closing.join(soon());
      expect(now() - startMs).toBe(ROUND_TRIP_MS + ONE_WAY_MS);
      // TIME-WAIT is with whoever closed first, without a handle, buffers or a waiting coroutine.
      expect(client.leftovers()).toMatchObject({ sockets: 0, timeWait: 1, timers: 0 });
      expect(server.leftovers()).toMatchObject({ sockets: 0, timeWait: 0, timers: 0 });
    });
    for (const host of ["client", "server"]) {
      expect(flagsBy(trace, host).filter((flags) => flags.includes("FIN"))).toHaveLength(1);
      expect(flagsBy(trace, host).filter((flags) => flags.includes("RST"))).toHaveLength(0);
    }
  });

  it("returns when the peer's FIN has come, before TIME-WAIT ends (RFC 9293 §3.6)", async () => {
    await connectedScene(function* ({ conn, peer, client }) {
      const startMs = now();
      const closing = yield* go(() => peer.close(soon()));
      yield* conn.close(soon());
      yield* closing.join(soon());
      expect(now() - startMs).toBeLessThan(100);
      yield* sleep(now() + 61_000);
      expectGone(client);
    });
  });

  it("after the peer has closed: one round trip, and no TIME-WAIT with us", async () => {
    await connectedScene(function* ({ conn, peer, client, server }) {
      const closing = yield* go(() => peer.close(soon()));
      expect(yield* conn.recvSome(new Uint8Array(1), soon())).toBe(0);
      const startMs = now();
      yield* conn.close(soon());
      expect(now() - startMs).toBe(ROUND_TRIP_MS);
      yield* closing.join(soon());
      expectGone(client);
      expect(server.leftovers().timeWait).toBe(1);
    });
  });

  it("by both at once: CLOSING, then TIME-WAIT on both sides", async () => {
    const { trace } = await connectedScene(function* ({ conn, peer, client, server }) {
      const group = yield* bundle();
      yield* group.go(() => conn.close(soon()));
      yield* group.go(() => peer.close(soon()));
      const startMs = now();
      yield* group.wait(soon());
      expect(now() - startMs).toBe(ROUND_TRIP_MS);
      expect([client.leftovers().timeWait, server.leftovers().timeWait]).toEqual([1, 1]);
    });
    expect(trace.filter((line) => line.includes("FIN"))).toHaveLength(2);
    expect(trace.filter((line) => line.includes("RST"))).toHaveLength(0);
  });

  it("is ready at its deadline, and too late just before: ready beats the deadline", async () => {
    for (const early of [0, 0.001]) {
      await connectedScene(function* ({ conn, peer }) {
        yield* go(() => failure(() => peer.close(soon())));
        yield* quiet();
        const startMs = now();
        let code = "none";
        try {
          yield* conn.close(startMs + ROUND_TRIP_MS - early);
        } catch (error) {
          code = (error as { code: string }).code;
        }
        expect([code, now() - startMs]).toEqual(
          early === 0 ? ["none", ROUND_TRIP_MS] : ["ETIMEDOUT", ROUND_TRIP_MS - early],
        );
      }).catch((error: unknown) => {
        // The peer's close may succeed or be reset; both are fine here.
        if (!/should have failed/.test(String(error))) throw error;
      });
    }
  });
});

describe("close, with data on its way", () => {
  it("returns only when every byte is acknowledged", async () => {
    await connectedScene(function* ({ conn, peer, serverHost }) {
      // The peer has closed its direction: only our own bytes and FIN can keep close waiting.
      peer.done();
      yield* quiet();
      let isMute = true;
      serverHost.link.rule((frame) => (frame.isTcp && isMute ? drop : undefined), "server");
      yield* conn.send(pattern(5_000), soon());
      const closing = yield* go(() => conn.close(now() + 60_000));
      yield* sleep(now() + 3_000);
      expect(closing.isEnded).toBe(false);
      expect(conn.info().state).toBe("LAST-ACK");
      isMute = false;
      yield* closing.join(soon());
      expect(yield* readAll(peer)).toEqual(pattern(5_000));
    });
  });

  it("waits for a slow reader, and has lost nothing when it returns", async () => {
    await connectedScene(function* ({ conn, peer, server }) {
      const bytes = pattern(900_000);
      const startMs = now();
      let taken = 0;
      const reading = yield* go(function* () {
        peer.done();
        const buf = new Uint8Array(10_000);
        for (let n = 0; (n = yield* peer.recvSome(buf, soon())) > 0; taken += n) {
          yield* sleep(now() + 20);
        }
      });
      yield* conn.send(bytes, now() + 60_000);
      yield* conn.close(now() + 60_000);
      // The reader counts what it has taken only after its pause.
      const waiting = server.stack.flows()[0]?.tcb.receiveBuffer.available as number;
      expect(taken + waiting).toBeGreaterThanOrEqual(bytes.length - 10_000);
      expect(now() - startMs).toBeGreaterThan(1_000);
      yield* reading.join(soon());
      expect(taken).toBe(bytes.length);
    });
  });

  for (const seed of [1, 2, 3, 4, 5, 6]) {
    it(`loses no byte on a link that loses a fifth of all frames, seed ${seed}`, async () => {
      await connectedScene(
        function* ({ conn, peer }) {
          const bytes = pattern(60_000, seed);
          const reading = yield* go(function* () {
            const got = yield* readAllSlowly(peer);
            yield* peer.close(now() + 600_000);
            return got;
          });
          yield* conn.send(bytes, now() + 600_000);
          yield* conn.close(now() + 600_000);
          expect(Buffer.compare(yield* reading.join(-1), bytes)).toBe(0);
        },
        { seed, link: { loss: 0.1 } },
      );
    });
  }

  function* readAllSlowly(conn: Parameters<typeof readAll>[0]) {
    const parts: Uint8Array[] = [];
    for (;;) {
      const buf = new Uint8Array(4_096);
      const n = yield* conn.recvSome(buf, now() + 600_000);
      if (n === 0) return new Uint8Array(Buffer.concat(parts));
      parts.push(buf.subarray(0, n));
    }
  }

  it("sends a lost FIN again, and acknowledges a FIN that comes again", async () => {
    for (const side of ["client", "server"] as const) {
      await connectedScene(function* ({ conn, peer, clientHost, serverHost }) {
        const host = side === "client" ? clientHost : serverHost;
        const rule: Rule = host.link.rule(
          (frame) => (frame.fin && rule.hits === 0 ? drop : undefined),
          side,
        );
        const group = yield* bundle();
        yield* group.go(() => conn.close(soon()));
        yield* group.go(() => peer.close(soon()));
        yield* group.wait(soon());
        expect(rule.hits).toBe(1);
      });
    }
  });

  it("the last ACK is lost: TIME-WAIT answers the FIN that comes again", async () => {
    await connectedScene(function* ({ conn, peer, clientHost, server }) {
      const closing = yield* go(() => conn.close(soon()));
      expect(yield* peer.recvSome(new Uint8Array(1), soon())).toBe(0);
      const rule: Rule = clientHost.link.rule(
        (frame) => (frame.isTcp && rule.hits === 0 ? drop : undefined),
        "client",
      );
      const startMs = now();
      yield* peer.close(soon());
      expect(now() - startMs).toBeGreaterThanOrEqual(200);
      yield* closing.join(soon());
      expectGone(server);
    });
  });
});

describe("close, without success", () => {
  it("ETIMEDOUT at the deadline to the ms when the peer is silent; RST; nothing left", async () => {
    const { trace } = await connectedScene(function* (it) {
      const { conn, peer, client } = it;
      yield* conn.send(pattern(10_000), soon());
      cut(it);
      const before = coroutines();
      const startMs = now();
      yield* fails("ETIMEDOUT", () => conn.close(startMs + 5_000));
      expect(now() - startMs).toBe(5_000);
      expect(coroutines()).toBe(before);
      expectGone(client);
      yield* quiet(1);
      heal(it);
      // The peer still believes in the connection, and learns better when it speaks.
      yield* peer.send(Uint8Array.of(1), soon());
      yield* fails("ECONNRESET", () => readAll(peer));
    });
    expect(flagsBy(trace, "client").at(-2)).toContain("RST");
  });

  it("ETIMEDOUT when the peer has taken our FIN and never sends its own", async () => {
    await connectedScene(function* ({ conn, peer, client }) {
      const startMs = now();
      yield* fails("ETIMEDOUT", () => conn.close(startMs + 100_000));
      expect(now() - startMs).toBe(100_000);
      expectGone(client);
      yield* quiet();
      yield* fails("ECONNRESET", () => peer.send(Uint8Array.of(1), soon()));
    });
  });

  it("ETIMEDOUT when the peer does not read and our data does not fit", async () => {
    await connectedScene(function* ({ conn, client }) {
      yield* fails("ETIMEDOUT", () => conn.send(pattern(2_000_000), now() + 5_000));
      const startMs = now();
      yield* fails("ETIMEDOUT", () => conn.close(startMs + 10_000));
      expect(now() - startMs).toBe(10_000);
      expectGone(client);
    });
  });

  it("ETIMEDOUT at the deadline when the peer never stops sending", async () => {
    await connectedScene(function* ({ conn, peer, client }) {
      const flood = yield* go(function* () {
        const bytes = pattern(100_000);
        return yield* failure(function* () {
          for (;;) yield* peer.send(bytes, -1);
        });
      });
      yield* quiet();
      const startMs = now();
      yield* fails("ETIMEDOUT", () => conn.close(startMs + 1_000));
      expect(now() - startMs).toBe(1_000);
      expectGone(client);
      expect((yield* flood.join(soon())).code).toBe("ECONNRESET");
    });
  });

  it("ECONNRESET when the peer resets; a RST is never answered", async () => {
    const { trace } = await connectedScene(function* ({ conn, peer, client, server }) {
      yield* go(function* () {
        yield* sleep(now() + 50);
        peer.abort();
      });
      const startMs = now();
      yield* fails("ECONNRESET", () => conn.close(startMs + 1_000));
      expect(now() - startMs).toBe(50 + ONE_WAY_MS);
      yield* quiet();
      expectGone(client, server);
    });
    expect(trace.at(-1)).toMatch(/server > .*RST/);
  });

  it("ECONNRESET at once when the peer has reset before", async () => {
    await connectedScene(function* ({ conn, peer, client }) {
      peer.abort();
      yield* quiet();
      const startMs = now();
      yield* fails("ECONNRESET", () => conn.close(soon()));
      expect([now() - startMs, conn.isOpen]).toEqual([0, false]);
      expectGone(client);
    });
  });

  it("ECANCELED: RST at once, nothing left", async () => {
    const { trace } = await connectedScene(function* ({ conn, peer, client, server }) {
      let code = "";
      const closing = yield* go(function* () {
        code = (yield* failure(() => conn.close(soon()))).code;
      });
      yield* sleep(now() + 50);
      closing.cancel();
      yield* sleep(now() + 1);
      expect([code, conn.isOpen]).toEqual(["ECANCELED", false]);
      expectGone(client);
      yield* quiet();
      yield* fails("ECONNRESET", () => peer.send(Uint8Array.of(1), soon()));
      expectGone(server);
    });
    expect(flagsBy(trace, "client").slice(-2)).toEqual(["FIN,ACK", "RST,ACK"]);
  });

  it("in a coroutine cancelled before: RST and no FIN, handle gone", async () => {
    const { trace } = await connectedScene(function* ({ conn, peer, client }) {
      let code = "";
      const worker = yield* go(function* () {
        try {
          yield* sleep(-1);
        } finally {
          code = (yield* failure(() => conn.close(soon()))).code;
        }
      });
      yield* quiet(1);
      worker.cancel();
      yield* quiet(1);
      expect([code, conn.isOpen]).toEqual(["ECANCELED", false]);
      expectGone(client);
      yield* fails("ECONNRESET", () => peer.recv(new Uint8Array(1), soon()));
    });
    expect(flagsBy(trace, "client").at(-1)).toBe("RST,ACK");
    expect(sentBy(trace, "client").some((line) => line.includes("FIN"))).toBe(false);
  });

  it("with deadline 0: RST and no wait, unless it can be done at once", async () => {
    const { trace } = await connectedScene(function* ({ conn, peer, client }) {
      const startMs = now();
      yield* fails("ETIMEDOUT", () => conn.close(0));
      expect(now()).toBe(startMs);
      expectGone(client);
      yield* fails("ECONNRESET", () => peer.recv(new Uint8Array(1), soon()));
    });
    expect(sentBy(trace, "client").some((line) => line.includes("FIN"))).toBe(false);
  });

  it("with deadline 0 after both FINs are done: no wait, no error, no RST", async () => {
    const { trace } = await connectedScene(function* ({ conn, peer }) {
      conn.done();
      peer.done();
      yield* quiet();
      yield* conn.close(0);
      yield* peer.close(0);
    });
    expect(trace.some((line) => line.includes("RST"))).toBe(false);
  });

  it("in a shield whose deadline comes first: ETIMEDOUT then", async () => {
    await connectedScene(function* (it) {
      cut(it);
      const startMs = now();
      yield* fails("ETIMEDOUT", () => shield(startMs + 70, () => it.conn.close(startMs + 500)));
      expect(now() - startMs).toBe(70);
      expectGone(it.client);
    });
  });

  it("EBADF when the owner's end or abort() overtakes it", async () => {
    await connectedScene(function* ({ conn, client }) {
      const startMs = now();
      yield* go(function* () {
        yield* sleep(startMs + 50);
        conn.abort();
      });
      yield* fails("EBADF", () => conn.close(soon()));
      expect(now() - startMs).toBe(50);
      expectGone(client);
    });
  });

  it("the end of the owner resets, in every state, with one RST", async () => {
    for (const state of ["ESTABLISHED", "FIN-WAIT-2", "CLOSE-WAIT", "LAST-ACK"]) {
      await connectedScene(function* (it) {
        const { conn, peer, client, clientHost } = it;
        if (state === "FIN-WAIT-2") conn.done();
        if (state === "CLOSE-WAIT" || state === "LAST-ACK") peer.done();
        yield* quiet();
        if (state === "LAST-ACK") {
          cut(it);
          conn.done();
        }
        expect(conn.info().state).toBe(state);
        const owner = yield* bundle();
        conn.moveTo(owner);
        const rule = clientHost.link.rule((frame) => (frame.rst ? "pass" : undefined), "client");
        let resets = 0;
        clientHost.link.rule((frame) => {
          if (frame.rst) resets++;
        }, "client");
        yield* owner.close();
        expectGone(client);
        yield* quiet();
        rule.remove();
        expect(resets).toBe(1);
      });
    }
  });

  it("a listener goes on after connections of it ended in every way", async () => {
    await connectedScene(function* ({ conn, peer, client, server }) {
      conn.abort();
      yield* failure(() => peer.close(soon()));
      const listener = yield* tcp.listen({ port: 0, context: server });
      for (let i = 0; i < 3; i++) {
        const next = yield* tcp.connect({ ...listener.local, context: client }, soon());
        const other = yield* listener.accept(soon());
        if (i === 0) yield* fails("ETIMEDOUT", () => next.close(0));
        if (i === 1) next.abort();
        if (i === 2) other.abort();
        yield* quiet();
      }
    });
  });
});
