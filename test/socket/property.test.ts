// SPDX-License-Identifier: MIT
// What must hold on any network that delivers at all: over many seeds of loss, duplication,
// reordering, corruption and jitter, all bytes arrive both ways in order, both sides close in an
// orderly way, and nothing is left. The same seed gives the same frames.

import { describe, expect, it } from "vitest";
import { go, now, type Operation, type TcpConnection, tcp } from "../../src/index.ts";
import { type LinkConditions, Random, seedFromEnvironment } from "../../src/testing.ts";
import { expectSame, pattern } from "./support/helpers.ts";
import { connectTo, scene } from "./support/sim.ts";

const SEEDS = 400;
const FIRST_SEED = seedFromEnvironment(0);
const PATIENCE_MS = 3_600_000;

/** The network of one run. */
function conditions(random: Random): LinkConditions {
  const harsh = random.chance(0.2) ? 3 : 1;
  return {
    delayMs: random.pick([0, 0.1, 5, 40]),
    jitterMs: random.pick([0, 0, 1, 20]),
    loss: random.pick([0, 0.01, 0.03]) * harsh,
    duplicate: random.pick([0, 0.02, 0.2]),
    reorder: random.pick([0, 0.02, 0.1]),
    reorderMs: random.pick([1, 15]),
    corrupt: random.pick([0, 0, 0.02]),
    bandwidthBps: random.pick([Number.POSITIVE_INFINITY, 2_000_000, 50_000_000]),
    queueFrames: random.pick([1_000, 20]),
  };
}

/** Sends `bytes` in pieces of all sizes, then half-closes. */
function* sendAll(conn: TcpConnection, bytes: Uint8Array, random: Random): Operation<void> {
  for (let at = 0; at < bytes.length; ) {
    const end = Math.min(bytes.length, at + random.between(1, 20_000));
    yield* conn.send(bytes.subarray(at, end), now() + PATIENCE_MS);
    at = end;
  }
  conn.done();
}

/** Receives to the end in pieces of all sizes. */
function* receiveAll(conn: TcpConnection, random: Random): Operation<Uint8Array> {
  const parts: Uint8Array[] = [];
  for (;;) {
    const buf = new Uint8Array(random.between(1, 9_000));
    const n = yield* conn.recvSome(buf, now() + PATIENCE_MS);
    if (n === 0) return new Uint8Array(Buffer.concat(parts));
    parts.push(buf.subarray(0, n));
  }
}

/** One end's life: both directions at once, then close. */
function* life(
  conn: TcpConnection,
  out: Uint8Array,
  expected: Uint8Array,
  random: Random,
): Operation<void> {
  const sending = yield* go(() => sendAll(conn, out, random.fork("send")));
  expectSame(yield* receiveAll(conn, random.fork("receive")), expected);
  yield* sending.join(now() + PATIENCE_MS);
  yield* conn.close(now() + PATIENCE_MS);
}

function runSeed(seed: string): Promise<{ traceHash: string; virtualMs: number }> {
  const random = new Random(seed).fork("property");
  const link = conditions(random);
  const tcpSettings = {
    sendBufferBytes: random.pick([3_000, 65_536, 262_144]),
    receiveBufferBytes: random.pick([3_000, 65_536, 262_144]),
    noDelay: random.chance(0.5),
    timestamps: random.chance(0.8),
    windowScale: random.chance(0.8),
    // A link that loses three of ten frames may need more than the default before giving up.
    r2Ms: 1_200_000,
    synR2Ms: 1_200_000,
  };
  const host = { context: { tcp: tcpSettings, neighbours: { maxRequests: 20 } } };
  const up = pattern(random.between(0, 60_000), 1);
  const down = pattern(random.between(0, 60_000), 2);
  return scene(
    function* (it) {
      const listener = yield* tcp.listen({ port: 80, context: it.server });
      const serving = yield* go(function* () {
        const conn = yield* listener.accept(now() + PATIENCE_MS);
        conn.moveToCurrent();
        yield* life(conn, down, up, random.fork("server"));
      });
      const conn = yield* connectTo(it, 80, now() + PATIENCE_MS);
      yield* life(conn, up, down, random.fork("client"));
      yield* serving.join(now() + PATIENCE_MS);
    },
    { seed, link, server: host, client: host },
  );
}

describe("over any network that delivers at all", () => {
  const GROUP = 20;
  for (let first = 0; first < SEEDS; first += GROUP) {
    it(`every byte arrives, both close in order: seeds ${FIRST_SEED}+${first}...`, async () => {
      for (let i = first; i < first + GROUP; i++) await runSeed(`${FIRST_SEED}+${i}`);
    });
  }

  it("the same seed gives the same frames", async () => {
    for (const seed of ["a", "b", "c"]) {
      const [one, two] = [await runSeed(seed), await runSeed(seed)];
      expect(two.traceHash).toBe(one.traceHash);
      expect(two.virtualMs).toBe(one.virtualMs);
    }
    expect((await runSeed("a")).traceHash).not.toBe((await runSeed("b")).traceHash);
  });
});
