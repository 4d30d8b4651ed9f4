// SPDX-License-Identifier: MIT
// Lives in which every blocking call of Winsock waits, cancelled at each of their waits and ended
// by a deadline just before, at and just after each frame. Every time nothing may be left, and the
// peer must have seen the end of the connection.

import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { go, now, type Operation, sleep, withDeadline } from "../../src/index.ts";
import * as winsock from "../../src/winsock/index.ts";
import { settled } from "../socket/support/helpers.ts";
import { ONE_WAY_MS, scene } from "../socket/support/sim.ts";
import { sweepCancellations } from "../support/cancel-watch.ts";
import { LIVES, type Life, played } from "./cancel-lives.ts";

/** Long enough for what is under way, shorter than the intervals of SO_LINGER. */
const SETTLE_MS = 3_000;

function simulated(
  each: Life,
  play: (living: () => Operation<number>) => Operation<void>,
): Promise<{ trace: readonly string[] }> {
  return scene(function* (it) {
    yield* (yield* go(() => played(it, each, play))).join(-1);
    yield* settled(it);
  });
}

describe.each(LIVES)("$title", (each) => {
  beforeEach(() => void winsock.startup(0x0202));
  afterEach(() => void winsock.cleanup());

  it("leaves nothing when it is cancelled at any of its waits", async () => {
    const codes = new Set<number>();
    const waits = await sweepCancellations(async (watch) => {
      await simulated(each, function* (life) {
        const living = yield* go(function* () {
          codes.add(yield* life());
        });
        watch.handle = living;
        const endMs = now() + SETTLE_MS;
        while (!living.isEnded && now() < endMs) yield* sleep(now() + 1);
        expect(living.isEnded).toBe(true);
      });
    });
    expect(waits).toBeGreaterThan(1);
    expect([...codes].sort()).toEqual([0, winsock.WSAEINTR]);
  });

  it("leaves nothing when a deadline ends it at any moment", async () => {
    const { trace } = await simulated(each, function* (life) {
      expect(yield* (yield* go(life)).join(-1)).toBe(0);
    });
    const frames = new Set(trace.map((line) => Number.parseFloat(line)));
    expect(frames.size).toBeGreaterThan(5);
    const codes = new Set<number>();
    for (const frame of frames) {
      for (const edge of [-0.001, 0, 0.001, ONE_WAY_MS]) {
        await simulated(each, function* (life) {
          const living = yield* go(() => withDeadline(frame + edge, life));
          codes.add(yield* living.join(now() + SETTLE_MS));
        });
      }
    }
    expect([...codes].sort()).toEqual([0, winsock.WSAETIMEDOUT]);
  });
});
