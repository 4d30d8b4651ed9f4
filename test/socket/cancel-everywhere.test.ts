// SPDX-License-Identifier: MIT
// The sweep of cancel-everywhere.ts over the simulated network: each call at each of its waits, and
// at each edge of a deadline.

import { describe, expect, it } from "vitest";
import { go, isNetError, now, type Operation, sleep, withDeadline } from "../../src/index.ts";
import { type CancelWatch, sweepCancellations } from "../support/cancel-watch.ts";
import { BLOCKING_CALLS, type BlockingCall } from "./cancel-everywhere.ts";
import { settled } from "./support/helpers.ts";
import { scene } from "./support/sim.ts";

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
    const times = new Set(trace.map((line) => Number.parseFloat(line)));
    expect(times.size).toBeGreaterThan(2);
    for (const time of times) {
      for (const edge of [-0.001, 0, 0.001, 5]) await endedAt(call, time + edge);
    }
  });
});

async function endedAt(call: BlockingCall, timeMs: number): Promise<void> {
  await played(call, function* (life) {
    const living = yield* go(function* () {
      try {
        yield* withDeadline(timeMs, life);
      } catch (error) {
        if (!isNetError(error, "ETIMEDOUT")) throw error;
      }
    });
    yield* living.join(now() + SETTLE_MS);
  });
}
