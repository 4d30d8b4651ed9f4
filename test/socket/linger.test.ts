// SPDX-License-Identifier: MIT
// `linger(deadline)` and `release()`, to the millisecond and on the wire. One way takes 10 ms.

import { describe, expect, it } from "vitest";
import { bundle, go, now, shield, sleep, tcp, withDeadline } from "../../src/index.ts";
import { drop } from "../../src/testing.ts";
import { fails, failure, pattern, readAll, soon } from "./support/helpers.ts";
import {
  connectedScene,
  coroutines,
  cut,
  expectGone,
  flagsBy,
  ONE_WAY_MS,
  quiet,
  scene,
} from "./support/sim.ts";

const ROUND_TRIP_MS = 2 * ONE_WAY_MS;
/** Of the default settings: how long a connection that nobody holds may take. */
const ORPHAN_MS = 60_000;
const FIN_WAIT_2_MS = 60_000;

/** @returns how often a host has said FIN, and RST */
function ends(trace: readonly string[], host: string): { fins: number; resets: number } {
  const flags = flagsBy(trace, host);
  return {
    fins: flags.filter((each) => each.includes("FIN")).length,
    resets: flags.filter((each) => each.includes("RST")).length,
  };
}

describe("linger, orderly", () => {
  it("returns one round trip after the FIN, without a FIN of the peer", async () => {
    const { trace } = await connectedScene(function* ({ conn, peer, client, server }) {
      const startMs = now();
      yield* conn.linger(soon());
      expect(now() - startMs).toBe(ROUND_TRIP_MS);
      expect(conn.info().state).toBe("FIN-WAIT-2");
      expect(client.leftovers().sockets).toBe(1);
      // The peer ends its direction when it likes; nobody here waits for it.
      yield* sleep(now() + 10_000);
      yield* peer.close(soon());
      yield* quiet();
      expect(client.leftovers()).toMatchObject({ sockets: 0, timeWait: 1, timers: 0 });
      expectGone(server);
    });
    for (const host of ["client", "server"])
      expect(ends(trace, host)).toEqual({ fins: 1, resets: 0 });
  });

  it("returns at once when all is acknowledged already, also with deadline 0", async () => {
    await connectedScene(function* ({ conn, peer }) {
      yield* conn.send(pattern(1_000), soon());
      conn.done();
      yield* quiet();
      const startMs = now();
      yield* conn.linger(0);
      expect(now()).toBe(startMs);
      expect(yield* readAll(peer)).toEqual(pattern(1_000));
      yield* peer.close(soon());
    });
  });

  it("after the peer has closed: one round trip, and nothing left, not even TIME-WAIT", async () => {
    await connectedScene(function* ({ conn, peer, client }) {
      const closing = yield* go(() => peer.close(soon()));
      expect(yield* conn.recvSome(new Uint8Array(1), soon())).toBe(0);
      const startMs = now();
      yield* conn.linger(soon());
      expect(now() - startMs).toBe(ROUND_TRIP_MS);
      yield* closing.join(soon());
      expectGone(client);
    });
  });

  it("by both at once: one round trip, TIME-WAIT on both sides", async () => {
    await connectedScene(function* ({ conn, peer, client, server }) {
      const group = yield* bundle();
      yield* group.go(() => conn.linger(soon()));
      yield* group.go(() => peer.linger(soon()));
      const startMs = now();
      yield* group.wait(soon());
      expect(now() - startMs).toBe(ROUND_TRIP_MS);
      expect([client.leftovers().timeWait, server.leftovers().timeWait]).toEqual([1, 1]);
    });
  });

  it("does not return while the acknowledgement of the FIN alone is missing", async () => {
    await connectedScene(function* ({ conn, peer, serverHost }) {
      yield* conn.send(pattern(5_000), soon());
      yield* quiet();
      let isMute = true;
      serverHost.link.rule((frame) => (frame.isTcp && isMute ? drop : undefined), "server");
      const lingering = yield* go(() => conn.linger(soon()));
      yield* sleep(now() + 3_000);
      expect(lingering.isEnded).toBe(false);
      isMute = false;
      yield* lingering.join(soon());
      expect(yield* readAll(peer)).toEqual(pattern(5_000));
      yield* peer.close(soon());
    });
  });

  it("waits for a slow reader: the last byte and the FIN have arrived when it returns", async () => {
    await connectedScene(function* ({ conn, peer, server }) {
      const bytes = pattern(900_000);
      let taken = 0;
      const reading = yield* go(function* () {
        const buf = new Uint8Array(10_000);
        for (let n = 0; (n = yield* peer.recvSome(buf, -1)) > 0; taken += n) {
          yield* sleep(now() + 20);
        }
      });
      yield* conn.send(bytes, now() + 60_000);
      const startMs = now();
      yield* conn.linger(now() + 60_000);
      expect(now() - startMs).toBeGreaterThan(100);
      const tcb = server.stack.flows()[0]?.tcb;
      expect(tcb?.rcv.finReceived).toBe(true);
      expect(taken + (tcb?.receiveBuffer.available ?? 0)).toBeGreaterThanOrEqual(890_000);
      yield* reading.join(now() + 60_000);
      expect(taken).toBe(bytes.length);
      yield* peer.close(soon());
    });
  });

  for (const seed of [1, 2, 3, 4]) {
    it(`loses no byte on a link that loses a fifth of all frames, seed ${seed}`, async () => {
      await connectedScene(
        function* ({ conn, peer }) {
          const bytes = pattern(60_000, seed);
          const reading = yield* go(function* () {
            const buf = new Uint8Array(bytes.length);
            yield* peer.recv(buf, now() + 600_000);
            expect(yield* peer.recvSome(new Uint8Array(1), now() + 600_000)).toBe(0);
            peer.release();
            return buf;
          });
          yield* conn.send(bytes, now() + 600_000);
          yield* conn.linger(now() + 600_000);
          expect(Buffer.compare(yield* reading.join(-1), bytes)).toBe(0);
        },
        { seed, link: { loss: 0.1 } },
      );
    });
  }

  it("drops what arrives meanwhile and afterwards, acknowledged and without a RST", async () => {
    const { trace } = await connectedScene(function* ({ conn, peer, client }) {
      yield* peer.send(pattern(50_000), soon());
      yield* quiet();
      const startMs = now();
      const lingering = yield* go(() => conn.linger(soon()));
      // More than two buffers: it ends only if somebody takes it.
      yield* peer.send(pattern(800_000), soon());
      yield* lingering.join(soon());
      expect(now() - startMs).toBeLessThan(10_000);
      yield* peer.send(pattern(800_000), soon());
      yield* peer.close(soon());
      yield* quiet();
      expect(client.leftovers()).toMatchObject({ sockets: 0, bufferedBytes: 0 });
    });
    expect(ends(trace, "client").resets).toBe(0);
  });

  it("returns in time although the peer never stops sending; the orphan is reset", async () => {
    await connectedScene(function* ({ conn, peer, client }) {
      const flood = yield* go(function* () {
        const bytes = pattern(10_000);
        return yield* failure(function* () {
          for (;;) {
            yield* peer.send(bytes, -1);
            yield* sleep(now() + 100);
          }
        });
      });
      yield* quiet();
      const startMs = now();
      yield* conn.linger(startMs + 1_000);
      expect(now() - startMs).toBe(ROUND_TRIP_MS);
      expect((yield* flood.join(-1)).code).toBe("ECONNRESET");
      expect(now() - startMs).toBeLessThan(FIN_WAIT_2_MS + 1_000);
      expectGone(client);
    });
  });

  it("a peer that never finishes does not keep it: dropped when FIN-WAIT-2 is over", async () => {
    const { trace } = await connectedScene(function* ({ conn, peer, client }) {
      yield* conn.linger(soon());
      const startMs = now();
      yield* sleep(startMs + FIN_WAIT_2_MS - 1);
      expect(client.leftovers().sockets).toBe(1);
      yield* sleep(startMs + FIN_WAIT_2_MS + 1);
      expectGone(client);
      yield* quiet();
      yield* fails("ECONNRESET", () => peer.send(Uint8Array.of(1), soon()));
    });
    expect(ends(trace, "client")).toEqual({ fins: 1, resets: 1 });
  });
});

describe("linger, without success", () => {
  it("is ready at its deadline, and too late just before: ready beats the deadline", async () => {
    for (const [earlyMs, code] of [
      [0, "none"],
      [0.001, "ETIMEDOUT"],
    ] as const) {
      await connectedScene(function* ({ conn }) {
        const startMs = now();
        let seen = "none";
        try {
          yield* conn.linger(startMs + ROUND_TRIP_MS - earlyMs);
        } catch (error) {
          seen = (error as { code: string }).code;
        }
        expect([seen, now()]).toEqual([code, startMs + ROUND_TRIP_MS - earlyMs]);
      });
    }
  });

  it("ETIMEDOUT at the deadline to the ms when the peer is silent; RST; nothing left", async () => {
    const { trace } = await connectedScene(function* (it) {
      const { conn, client } = it;
      yield* conn.send(pattern(10_000), soon());
      cut(it);
      const before = coroutines();
      const startMs = now();
      yield* fails("ETIMEDOUT", () => conn.linger(startMs + 5_000));
      expect([now() - startMs, coroutines()]).toEqual([5_000, before]);
      expectGone(client);
    });
    expect(ends(trace, "client").resets).toBe(1);
  });

  it("ETIMEDOUT when the peer does not read and our data does not fit", async () => {
    await connectedScene(function* ({ conn, peer, client }) {
      yield* fails("ETIMEDOUT", () => conn.send(pattern(2_000_000), now() + 5_000));
      const startMs = now();
      yield* fails("ETIMEDOUT", () => conn.linger(startMs + 10_000));
      expect(now() - startMs).toBe(10_000);
      expectGone(client);
      yield* quiet();
      yield* fails("ECONNRESET", () => readAll(peer));
    });
  });

  it("the deadline around it counts too: of withDeadline and of shield", async () => {
    for (const around of [withDeadline, shield]) {
      await connectedScene(function* (it) {
        cut(it);
        const startMs = now();
        yield* fails("ETIMEDOUT", () => around(startMs + 70, () => it.conn.linger(startMs + 500)));
        expect(now() - startMs).toBe(70);
        expectGone(it.client);
      });
    }
  });

  it("ECANCELED: RST at once, nothing left", async () => {
    const { trace } = await connectedScene(function* (it) {
      const { conn, client } = it;
      cut(it);
      let code = "";
      const lingering = yield* go(function* () {
        code = (yield* failure(() => conn.linger())).code;
      });
      yield* sleep(now() + 50);
      lingering.cancel();
      yield* sleep(now() + 1);
      expect([code, conn.isOpen]).toEqual(["ECANCELED", false]);
      expectGone(client);
    });
    expect(flagsBy(trace, "client").at(-1)).toBe("RST,ACK");
  });

  it("ECONNRESET when the peer resets meanwhile", async () => {
    await connectedScene(function* ({ conn, peer, client, server }) {
      yield* fails("ETIMEDOUT", () => conn.send(pattern(2_000_000), now() + 1_000));
      yield* go(function* () {
        yield* sleep(now() + 50);
        peer.abort();
      });
      const startMs = now();
      yield* fails("ECONNRESET", () => conn.linger(soon()));
      expect(now() - startMs).toBe(50 + ONE_WAY_MS);
      expectGone(client, server);
    });
  });

  it("the end of the owner overtakes it: EBADF, one RST", async () => {
    const { trace } = await connectedScene(function* (it) {
      const owner = yield* bundle();
      it.conn.moveTo(owner);
      cut(it);
      const lingering = yield* go(() => fails("EBADF", () => it.conn.linger(soon())));
      yield* sleep(now() + 50);
      yield* owner.close();
      yield* lingering.join(soon());
      expectGone(it.client);
    });
    expect(ends(trace, "client").resets).toBe(1);
  });
});

describe("release", () => {
  it("waits for nothing; every byte, the FIN and TIME-WAIT follow by themselves", async () => {
    const { trace } = await connectedScene(function* ({ conn, peer, client, server }) {
      yield* conn.send(pattern(200_000), soon());
      // More than the first flight of ten segments: most of it has not been sent yet.
      const startMs = now();
      conn.release();
      expect([now() - startMs, conn.isOpen]).toEqual([0, false]);
      expect(Buffer.compare(yield* readAll(peer), pattern(200_000))).toBe(0);
      yield* peer.close(soon());
      yield* quiet();
      expect(client.leftovers()).toMatchObject({ sockets: 0, timeWait: 1, bufferedBytes: 0 });
      yield* sleep(now() + 61_000);
      expectGone(client, server);
    });
    for (const host of ["client", "server"])
      expect(ends(trace, host)).toEqual({ fins: 1, resets: 0 });
  });

  it("outlives the coroutine that opened it, and whoever owned that", async () => {
    const { trace } = await scene(function* ({ client, server }) {
      const listener = yield* tcp.listen({ port: 80, context: server });
      const group = yield* bundle();
      const opener = yield* group.go(function* () {
        const conn = yield* tcp.connect({ ...listener.local, context: client }, soon());
        yield* conn.send(pattern(200_000), soon());
        conn.release();
        yield* sleep(-1);
      });
      const peer = yield* listener.accept(soon());
      opener.cancel();
      yield* group.close(soon());
      expect(Buffer.compare(yield* readAll(peer), pattern(200_000))).toBe(0);
      yield* peer.close(soon());
    });
    expect(ends(trace, "client")).toEqual({ fins: 1, resets: 0 });
  });

  it("loses no byte on a link that loses a fifth of all frames", async () => {
    await connectedScene(
      function* ({ conn, peer }) {
        yield* conn.send(pattern(60_000), soon());
        conn.release();
        const got = new Uint8Array(60_000);
        yield* peer.recv(got, now() + 60_000);
        expect(Buffer.compare(got, pattern(60_000))).toBe(0);
        expect(yield* peer.recvSome(new Uint8Array(1), now() + 60_000)).toBe(0);
        peer.release();
      },
      { link: { loss: 0.1 } },
    );
  });

  it("drops what the peer still sends, acknowledged and without a RST", async () => {
    const { trace } = await connectedScene(function* ({ conn, peer }) {
      yield* peer.send(pattern(10_000), soon());
      yield* quiet();
      conn.release();
      yield* peer.send(pattern(800_000), soon());
      yield* peer.close(soon());
    });
    expect(ends(trace, "client").resets).toBe(0);
  });

  for (const [title, whatToDo] of [
    ["that is silent", "cut"],
    ["that never reads", "full"],
    ["that never finishes", "open"],
  ] as const) {
    it(`a peer ${title} does not keep it for ever: reset within a minute`, async () => {
      const { trace } = await connectedScene(function* (it) {
        const { conn, peer, client } = it;
        if (whatToDo === "full") {
          yield* fails("ETIMEDOUT", () => conn.send(pattern(2_000_000), now() + 1_000));
        }
        if (whatToDo === "cut") {
          cut(it);
          yield* conn.send(pattern(10_000), soon());
        }
        conn.release();
        const startMs = now();
        yield* sleep(startMs + ORPHAN_MS - 100);
        expect(client.leftovers().sockets).toBe(1);
        yield* sleep(startMs + ORPHAN_MS + 100);
        expectGone(client);
        if (whatToDo !== "cut") yield* fails("ECONNRESET", () => peer.send(pattern(1), soon()));
      });
      expect(ends(trace, "client").resets).toBe(1);
    });
  }

  it("does nothing after close has begun, and close goes on", async () => {
    await connectedScene(function* ({ conn, peer }) {
      const closing = yield* go(() => conn.close(soon()));
      yield* quiet();
      conn.release();
      expect(closing.isEnded).toBe(false);
      yield* peer.close(soon());
      yield* closing.join(soon());
    });
  });

  it("leaves an end in TIME-WAIT as it is", async () => {
    const { trace } = await connectedScene(function* ({ conn, peer, client }) {
      conn.done();
      peer.done();
      yield* quiet();
      conn.release();
      peer.release();
      expect(client.leftovers().sockets).toBe(0);
      yield* sleep(now() + 61_000);
      expectGone(client);
    });
    expect(ends(trace, "client")).toEqual({ fins: 1, resets: 0 });
  });

  it("ends with the context: what is under way is reset then", async () => {
    const { trace } = await connectedScene(function* ({ conn, peer, client }) {
      yield* fails("ETIMEDOUT", () => conn.send(pattern(2_000_000), now() + 1_000));
      conn.release();
      client.close();
      yield* quiet();
      yield* fails("ECONNRESET", () => readAll(peer));
    });
    expect(ends(trace, "client").resets).toBe(1);
  });

  it("after the context was closed: nothing happens, nothing is left", async () => {
    await connectedScene(function* ({ conn, client }) {
      client.close();
      conn.release();
      expect(conn.isOpen).toBe(false);
      expectGone(client);
    });
  });
});
