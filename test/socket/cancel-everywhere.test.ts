// SPDX-License-Identifier: MIT
// The sweep of cancel-everywhere.ts over the simulated network: each call at each of its waits, and
// at each edge of a deadline.

import { describe, expect, it } from "vitest";
import { go, isNetError, now, type Operation, sleep, withDeadline } from "../../src/index.ts";
import { type CancelWatch, sweepCancellations } from "../support/cancel-watch.ts";
import { BLOCKING_CALLS, type BlockingCall } from "./cancel-everywhere.ts";
import { settled } from "./support/helpers.ts";
import { ONE_WAY_MS, scene } from "./support/sim.ts";

/** Long enough for what is under way, shorter than the deadlines of the calls. */
const SETTLE_MS = 3_000;

/** Runs the life of a call in a coroutine, and checks what must hold after its end. */
function played(
  call: BlockingCall,
  play: (life: () => Operation<unknown>) => Operation<void>,
): Promise<{ trace: readonly string[] }> {
  return scene(function* (it) {
    // A coroutine of its own: its end resets what the call has left open.
    const acting = yield* go(function* () {
      const { life, seen } = yield* call.stage(it);
      yield* play(life);
      const watching = yield* go(seen);
      yield* watching.join(now() + SETTLE_MS);
    });
    yield* acting.join(-1);
    yield* settled(it);
  });
}

describe.each(BLOCKING_CALLS)("$title", (call) => {
  it("leaves nothing when it is cancelled at any of its waits", async () => {
    const waits = await sweepCancellations(async (watch: CancelWatch) => {
      await played(call, function* (life) {
        const living = yield* go(life);
        watch.handle = living;
        const endMs = now() + SETTLE_MS;
        while (!living.isEnded && now() < endMs) yield* sleep(now() + 1);
        expect(living.isEnded).toBe(true);
      });
    });
    expect(waits).toBeGreaterThan(0);
  });

  it("leaves nothing when a deadline ends it at any moment", async () => {
    const { trace } = await played(call, function* (life) {
      yield* (yield* go(life)).join(-1);
    });
    const codes = new Set<string>();
    for (const time of edgesOf(trace)) codes.add(await endedAt(call, time));
    expect([...codes].sort()).toEqual(["ETIMEDOUT", "none"]);
  });
});

/** @returns times just before, at and just after each frame leaves and arrives */
function edgesOf(trace: readonly string[]): Set<number> {
  const times = new Set<number>();
  for (const line of trace) {
    const sentMs = Number.parseFloat(line);
    for (const event of [sentMs, sentMs + ONE_WAY_MS]) {
      for (const edge of [-0.001, 0, 0.001]) times.add(event + edge);
    }
  }
  expect(times.size).toBeGreaterThan(6);
  return times;
}

/** @returns the code that the life has ended with, "none" if it was in time */
async function endedAt(call: BlockingCall, timeMs: number): Promise<string> {
  let code = "none";
  await played(call, function* (life) {
    const living = yield* go(function* () {
      try {
        yield* withDeadline(timeMs, life);
      } catch (error) {
        if (!isNetError(error, "ETIMEDOUT")) throw error;
        ({ code } = error);
      }
    });
    yield* living.join(now() + SETTLE_MS);
  });
  return code;
}
