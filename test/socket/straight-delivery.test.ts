// SPDX-License-Identifier: MIT
// What arrives for a coroutine that waits in recv or recvSome goes into its buffer as it comes,
// past the receive buffer. Nobody may notice: not in what bytes come out, nor in what a call that
// fails has taken.

import { describe, expect, it } from "vitest";
import { choose, go, now, type Operation, sleep, type TcpConnection } from "../../src/index.ts";
import { type LinkConditions, Random } from "../../src/testing.ts";
import { expectSame, failure, pattern, readAll, soon } from "./support/helpers.ts";
import { connectedScene, ONE_WAY_MS, sentBy } from "./support/sim.ts";

const SEEDS = 60;

/** Bytes that wait in the server's buffers. */
const buffered = (it: { server: { leftovers(): { bufferedBytes: number } } }): number =>
  it.server.leftovers().bufferedBytes;

/** One receive of a random kind. @returns what it took; null: the stream has ended */
function* receiveSomehow(
  conn: TcpConnection,
  random: Random,
  isStraight: boolean,
): Operation<Uint8Array | null> {
  const buf = new Uint8Array(random.between(1, 6_000));
  const deadline = now() + random.pick([0, 1, 7, 30, 60_000]);
  const isExact = random.chance(0.4);
  if (!isStraight) {
    // A clause takes nothing before it is ready: its bytes wait in the buffer.
    const { value } = yield* choose([conn.recvSome(buf)]);
    return value === 0 ? null : buf.subarray(0, value);
  }
  try {
    if (isExact) {
      yield* conn.recv(buf, deadline);
      return buf;
    }
    const taken = yield* conn.recvSome(buf, deadline);
    return taken === 0 ? null : buf.subarray(0, taken);
  } catch (error) {
    const { code, bytesReceived = 0 } = error as { code?: string; bytesReceived?: number };
    if (code !== "ETIMEDOUT" && code !== "EPIPE") throw error;
    return buf.subarray(0, bytesReceived);
  }
}

/** What a receiver gets of a stream over a bad network. */
async function receivedBy(seed: number, isStraight: boolean): Promise<Uint8Array> {
  const random = new Random(`${seed}`).fork("straight");
  const link: LinkConditions = {
    delayMs: random.pick([0, 3]),
    jitterMs: random.pick([0, 2]),
    loss: random.pick([0, 0.03]),
    duplicate: random.pick([0, 0.1]),
    reorder: random.pick([0, 0.1]),
    reorderMs: 5,
  };
  const tcp = { receiveBufferBytes: random.pick([3_000, 65_536]) };
  const sent = pattern(random.between(1, 60_000), seed);
  const { result } = await connectedScene(
    function* ({ conn, peer }) {
      yield* go(function* () {
        for (let at = 0; at < sent.length; ) {
          const end = Math.min(sent.length, at + random.between(1, 9_000));
          yield* conn.send(sent.subarray(at, end));
          if (random.chance(0.3)) yield* sleep(now() + random.between(0, 20));
          at = end;
        }
        conn.done();
      });
      const parts: Uint8Array[] = [];
      const kinds = random.fork("kinds");
      for (;;) {
        const part = yield* receiveSomehow(peer, kinds, isStraight);
        if (part === null) break;
        parts.push(part);
      }
      return new Uint8Array(Buffer.concat(parts));
    },
    { seed, link, server: { context: { tcp } } },
  );
  expectSame(result, sent);
  return result;
}

describe("bytes that arrive while somebody waits for them", () => {
  it("are the same bytes by every way to receive, over any network", async () => {
    for (let seed = 0; seed < SEEDS; seed++) {
      expectSame(await receivedBy(seed, true), await receivedBy(seed, false));
    }
  });

  it("go into the buffer of recv at once, and wake it when it is full", async () => {
    await connectedScene(function* ({ conn, peer, ...it }) {
      const buf = new Uint8Array(10);
      const receiving = yield* go(() => peer.recv(buf, soon()));
      yield* conn.send(Uint8Array.of(1, 2, 3, 4), soon());
      yield* sleep(now() + 2 * ONE_WAY_MS);
      expect([...buf.subarray(0, 5)]).toEqual([1, 2, 3, 4, 0]);
      expect([buffered(it), receiving.isEnded]).toEqual([0, false]);
      yield* conn.send(Uint8Array.of(5, 6, 7, 8, 9, 10, 11, 12), soon());
      yield* receiving.join(soon());
      expect([...buf]).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
      // What it had no room for is there for the next.
      expect(buffered(it)).toBe(2);
      const rest = new Uint8Array(5);
      expect(yield* peer.recvSome(rest, 0)).toBe(2);
      expect([...rest]).toEqual([11, 12, 0, 0, 0]);
    });
  });

  it("are told by a recv that times out or is cancelled, and the rest follows", async () => {
    await connectedScene(function* ({ conn, peer }) {
      const buf = new Uint8Array(10);
      let taken: number[] = [];
      const wait = function* (deadline: number): Operation<void> {
        const error = yield* failure(() => peer.recv(buf, deadline));
        taken = [...buf.subarray(0, error.bytesReceived)];
      };
      const late = yield* go(() => wait(now() + 2 * ONE_WAY_MS));
      yield* conn.send(Uint8Array.of(1, 2), soon());
      yield* late.join(soon());
      expect(taken).toEqual([1, 2]);
      const cancelled = yield* go(() => wait(soon()));
      yield* conn.send(Uint8Array.of(3, 4, 5), soon());
      yield* sleep(now() + 2 * ONE_WAY_MS);
      cancelled.cancel();
      yield* cancelled.join(soon());
      expect(taken).toEqual([3, 4, 5]);
      yield* conn.send(Uint8Array.of(6), soon());
      conn.done();
      expect([...(yield* readAll(peer))]).toEqual([6]);
    });
  });

  it("are not taken by a recvSome that was cancelled before they came", async () => {
    await connectedScene(function* ({ conn, peer }) {
      const buf = new Uint8Array(4);
      const cancelled = yield* go(() => peer.recvSome(buf, soon()));
      yield* sleep(now() + 1);
      cancelled.cancel();
      yield* sleep(now() + 1);
      yield* conn.send(Uint8Array.of(1, 2), soon());
      conn.done();
      expect([...(yield* readAll(peer))]).toEqual([1, 2]);
      expect([...buf]).toEqual([0, 0, 0, 0]);
    });
  });

  it("stay in the receive buffer while a clause of choose cannot have all of them", async () => {
    await connectedScene(function* ({ conn, peer, ...it }) {
      const buf = new Uint8Array(10);
      yield* go(() => conn.send(Uint8Array.of(1, 2, 3), soon()));
      const { index } = yield* choose([peer.recv(buf), sleep(now() + 3 * ONE_WAY_MS)]);
      expect([index, buffered(it), buf[0]]).toEqual([1, 3, 0]);
      expect(yield* peer.recvSome(buf, 0)).toBe(3);
    });
  });

  it("do no harm to a buffer that has been given away meanwhile", async () => {
    await connectedScene(function* ({ conn, peer }) {
      const buf = new Uint8Array(100);
      const waiting = yield* go(() => failure(() => peer.recvSome(buf, now() + 100)));
      yield* sleep(now() + 1);
      structuredClone(buf, { transfer: [buf.buffer] });
      yield* conn.send(Uint8Array.of(1, 2), soon());
      expect((yield* waiting.join(soon())).code).toBe("ETIMEDOUT");
      expect(yield* peer.recvSome(new Uint8Array(100), 0)).toBe(2);
    });
  });

  it("open the window as if they had been read at once", async () => {
    const tcp = { receiveBufferBytes: 4_096 };
    const { trace } = await connectedScene(
      function* ({ conn, peer }) {
        const sent = pattern(50_000);
        const got = new Uint8Array(sent.length);
        const receiving = yield* go(() => peer.recv(got, soon()));
        yield* conn.send(sent, soon());
        yield* receiving.join(soon());
        expectSame(got, sent);
      },
      { server: { context: { tcp } } },
    );
    const acks = sentBy(trace, "server").filter((line) => / \[ACK\] seq 1 ack \d{4,}/.test(line));
    expect(acks.length).toBeGreaterThan(10);
    for (const line of acks) expect(line).toContain("win 4096");
  });
});
