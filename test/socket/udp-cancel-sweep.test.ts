// SPDX-License-Identifier: MIT
// Cancels a program over UDP at its first wait, at its second, and so on to its last; and lets a
// deadline end it just before, at, and just after each frame. Every time nothing is left of it.

import { describe, expect, it } from "vitest";
import {
  bundle,
  choose,
  go,
  now,
  type Operation,
  sleep,
  udp,
  withDeadline,
} from "../../src/index.ts";
import { sweepCancellations } from "../support/cancel-watch.ts";
import { pattern, soon } from "./support/helpers.ts";
import { expectGone, ONE_WAY_MS, type Scene, scene } from "./support/sim.ts";

const PORT = 53;
const SETTLE_MS = 2_000;
/** So few slots that a send has to wait. */
const HOST = { driver: { txSlots: 2 } };

/** Sends back what comes. */
function* serverLife({ server }: Scene): Operation<void> {
  const socket = yield* udp.open({ port: PORT, context: server });
  const buf = new Uint8Array(1_500);
  for (;;) {
    const got = yield* socket.recv(buf);
    yield* socket.send(buf.subarray(0, got.length), got);
  }
}

/** Asks one by one, all at once, and whoever answers first. */
function* clientLife({ client, serverHost }: Scene): Operation<void> {
  const to = { host: serverHost.address, port: PORT };
  const socket = yield* udp.open({ remote: to, context: client });
  const buf = new Uint8Array(1_500);
  for (let i = 0; i < 3; i++) {
    yield* socket.send(pattern(100, i), undefined, soon());
    yield* socket.recv(buf, soon());
  }
  const open = yield* udp.open({ context: client });
  const group = yield* bundle();
  yield* group.go(function* () {
    for (let i = 0; i < 6; i++) yield* open.recv(new Uint8Array(1_500), soon());
  });
  for (let i = 0; i < 6; i++) yield* open.send(pattern(1_000, i), to, soon());
  yield* group.wait(soon());
  yield* socket.send(pattern(1), undefined, soon());
  const first = yield* choose([open.recv(buf), socket.recv(buf), sleep(now() + 500)], soon());
  expect(first.index).toBe(1);
  yield* sleep(now() + 3);
  open.close();
  yield* socket.send(pattern(1), undefined, soon());
}

describe("a program over UDP cancelled at any of its waits leaves nothing", () => {
  it.each(["client", "server"])("the %s", async (side) => {
    const waits = await sweepCancellations(async (watch) => {
      await scene(
        function* (it) {
          const serving = yield* go(() => serverLife(it));
          const living = yield* go(function* () {
            try {
              yield* clientLife(it);
            } catch (error) {
              if (side === "client") throw error;
            }
          });
          watch.handle = side === "client" ? living : serving;
          const endMs = now() + 20_000;
          while (!living.isEnded && now() < endMs) yield* sleep(now() + 1);
          expect(living.isEnded).toBe(true);
          expectGone(it.client);
          yield* sleep(now() + SETTLE_MS);
          serving.cancel();
          yield* sleep(now() + 1);
          expectGone(it.client, it.server);
        },
        { server: HOST, client: HOST },
      );
    });
    expect(waits).toBeGreaterThan(6);
  });
});

describe("a program over UDP ended by a deadline at any frame leaves nothing", () => {
  it("just before, at, and just after each frame's arrival", async () => {
    const whole = await scene(function* (it) {
      const serving = yield* go(() => serverLife(it));
      yield* clientLife(it);
      serving.cancel();
    });
    const times = new Set(whole.trace.map((line) => Number.parseFloat(line)));
    expect(times.size).toBeGreaterThan(8);
    let inTime = 0;
    for (const time of times) {
      for (const edge of [-0.001, 0, 0.001]) {
        // A frame takes ONE_WAY_MS to arrive.
        if ((await endedAt(time + edge)) === "none") inTime++;
        if ((await endedAt(time + ONE_WAY_MS + edge)) === "none") inTime++;
      }
    }
    expect(inTime).toBeLessThan(times.size * 3);
  });

  async function endedAt(timeMs: number): Promise<string> {
    const { result } = await scene(function* (it) {
      const serving = yield* go(() => serverLife(it));
      const living = yield* go(function* () {
        try {
          yield* withDeadline(timeMs, () => clientLife(it));
        } catch (error) {
          return (error as { code: string }).code;
        }
        return "none";
      });
      const code = yield* living.join(now() + SETTLE_MS);
      expect(code).toMatch(/^(none|ETIMEDOUT)$/);
      expectGone(it.client);
      yield* sleep(now() + SETTLE_MS);
      serving.cancel();
      return code;
    });
    return result;
  }
});
