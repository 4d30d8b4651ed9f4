// SPDX-License-Identifier: MIT
// Two connections against each other over a pipe that misbehaves: every byte arrives once and in
// order, both sides close in order, nothing is left, whatever the seed.

import { describe, expect, it } from "vitest";
import { isOrderlyClosed } from "../../src/tcp/calls.ts";
import { CLOSED } from "../../src/tcp/state.ts";
import { Random } from "./support/random.ts";
import { type PipeOptions, SelfPlay, type SideOptions } from "./support/self-play.ts";

const HOUR_MS = 3_600_000;

/** Random but reproducible: everything about a side follows from the generator. */
function randomSide(random: Random, bytes: number): SideOptions {
  return {
    config: {
      timestamps: random.chance(0.5),
      windowScale: random.chance(0.5),
      noDelay: random.chance(0.5),
      sendBufferBytes: random.pick([1_000, 10_000, 100_000]),
      receiveBufferBytes: random.pick([1_000, 5_000, 65_535, 300_000]),
      // Loss of many segments in a row must not end the connection in these tests.
      r2Ms: HOUR_MS,
      synR2Ms: HOUR_MS,
      // Nor must TIME-WAIT end before the last FIN has got through.
      mslMs: HOUR_MS,
    },
    iss: random.pick([0, -1, 0x7fffffff, -0x80000000, random.int32()]),
    mss: random.pick([100, 536, 1460]),
    bytes,
    writeBytes: random.pick([10, 100, 5_000, 50_000]),
    readBytes: random.pick([0, 50, 1_000, 50_000]),
    readChance: random.pick([0.1, 1]),
  };
}

function play(seed: number, pipe: PipeOptions, bytes: number, isSimultaneous = false): void {
  const random = new Random(seed);
  const client = randomSide(random, random.below(bytes));
  const server = randomSide(random, random.below(bytes));
  const game = new SelfPlay(seed ^ 0x1234, pipe, client, server, isSimultaneous);
  game.run(24 * HOUR_MS);
  for (const [side, other] of [
    [game.client, game.server],
    [game.server, game.client],
  ] as const) {
    expect(side.tcb.error).toBe(0);
    expect(side.tcb.state).toBe(CLOSED);
    expect(isOrderlyClosed(side.tcb)).toBe(true);
    expect(side.tcb.bytesReceived).toBe(other.options.bytes);
    expect(side.tcb.bytesAcked).toBe(side.options.bytes);
    if (side.options.readBytes > 0) expect(side.read).toBe(other.options.bytes);
    expect(side.tcb.sendBuffer.length).toBe(0);
    expect(side.tcb.receiveBuffer.available).toBe(0);
  }
}

const PIPES: Readonly<Record<string, PipeOptions>> = {
  "a clean pipe": { delayMs: 5, jitterMs: 0, loss: 0, duplicate: 0, full: 0 },
  "no delay at all": { delayMs: 0, jitterMs: 0, loss: 0, duplicate: 0, full: 0 },
  "1 % loss": { delayMs: 10, jitterMs: 0, loss: 0.01, duplicate: 0, full: 0 },
  "20 % loss": { delayMs: 10, jitterMs: 0, loss: 0.2, duplicate: 0, full: 0 },
  reordering: { delayMs: 1, jitterMs: 30, loss: 0, duplicate: 0, full: 0 },
  duplicates: { delayMs: 3, jitterMs: 1, loss: 0, duplicate: 0.3, full: 0 },
  "a full tx ring": { delayMs: 3, jitterMs: 0, loss: 0, duplicate: 0, full: 0.3 },
  "all of it": { delayMs: 5, jitterMs: 20, loss: 0.1, duplicate: 0.1, full: 0.1 },
};
const SEEDS = Number(process.env["CARAWAY_SEEDS"] ?? 25);

describe("self-play", () => {
  for (const [name, pipe] of Object.entries(PIPES)) {
    it(`delivers every byte and closes in order over ${name} (${SEEDS} seeds)`, () => {
      for (let seed = 1; seed <= SEEDS; seed++) {
        try {
          play(seed, pipe, 30_000);
        } catch (error) {
          if (error instanceof Error) error.message = `seed ${seed}: ${error.message}`;
          throw error;
        }
      }
    });
  }

  it("opens simultaneously over any pipe (RFC 9293 §3.5, MUST-10)", () => {
    for (const pipe of Object.values(PIPES)) {
      for (let seed = 1; seed <= 10; seed++) play(seed, pipe, 10_000, true);
    }
  });
});
