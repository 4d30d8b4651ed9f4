// SPDX-License-Identifier: MIT
// A sample of the sweep of cancel-everywhere.ts over the kernel's sockets on loopback: real time,
// so that no two runs have quite the same waits. Nothing may be left, no file descriptor either.

import { readdirSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { createKernelContext, go, now, run, sleep } from "../../src/index.ts";
import { BLOCKING_CALLS } from "../socket/cancel-everywhere.ts";
import { settled, soon } from "../socket/support/helpers.ts";
import { sweepCancellations } from "../support/cancel-watch.ts";

/** Waits at which each call is cancelled, spread over all it has. */
const SAMPLE = 8;
const BUFFERS = { sendBufferBytes: 65_536, receiveBufferBytes: 65_536 };

function openDescriptors(): number {
  return readdirSync("/proc/self/fd").length;
}

describe.each(BLOCKING_CALLS)("$title, over the kernel", (call) => {
  it("leaves nothing when it is cancelled", async () => {
    await run(() => sleep(0));
    const before = openDescriptors();
    await sweepCancellations(async (watch) => {
      await run(function* () {
        const server = createKernelContext({ address: "127.0.0.1", ...BUFFERS });
        const client = createKernelContext({ address: "127.0.0.2", ...BUFFERS });
        const acting = yield* go(function* () {
          const { life, seen } = yield* call.stage({ server, client });
          const living = yield* go(life);
          watch.handle = living;
          const endMs = soon();
          while (!living.isEnded && now() < endMs) yield* sleep(now() + 1);
          expect(living.isEnded).toBe(true);
          yield* (yield* go(seen)).join(soon());
        });
        yield* acting.join(-1);
        yield* settled({ server, client });
      });
    }, SAMPLE);
    expect(openDescriptors()).toBe(before);
  });
});
