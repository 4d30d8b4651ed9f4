// SPDX-License-Identifier: MIT
// Cancels a program at its first wait, at its second, and so on to its last; and lets a deadline
// end it just before, at, and just after each frame. Every time both hosts must be empty soon
// after, and whoever knew of the connection must have seen a FIN or a RST.

import { describe, expect, it } from "vitest";
import {
  go,
  now,
  type Operation,
  sleep,
  type TcpConnection,
  tcp,
  withDeadline,
} from "../../src/index.ts";
import { CancelWatch, MOST_WAITS } from "../support/cancel-watch.ts";
import { echo, pattern, readAll, soon } from "./support/helpers.ts";
import { connectTo, expectGone, flagsBy, ONE_WAY_MS, type Scene, scene } from "./support/sim.ts";

const PORT = 80;
/** Long enough for what is under way, much shorter than any timeout of TCP but the RTO. */
const SETTLE_MS = 2_000;

/** What a client does in its life. */
function* clientLife(it: Scene): Operation<void> {
  const conn = yield* connectTo(it, PORT, soon());
  const bytes = pattern(50_000);
  yield* go(function* () {
    yield* conn.send(bytes, soon());
    conn.done();
  });
  const back = new Uint8Array(20_000);
  yield* conn.recv(back, soon());
  yield* sleep(now() + 3);
  expect((yield* readAll(conn, 7_000)).length).toBe(30_000);
  yield* conn.close(soon());
}

/** What a server does in its life. */
function* serverLife(it: Scene): Operation<void> {
  const listener = yield* tcp.listen({ port: PORT, context: it.server });
  yield* listener.serve((conn: TcpConnection) => echo(conn), {
    maxConnections: 1,
    onError: () => {},
  });
}

/** Runs client and server, cancels the `side` at its k-th wait. @returns the waits it had */
async function cancelAt(side: "client" | "server", k: number): Promise<number> {
  const watch = new CancelWatch(k);
  try {
    const { trace } = await scene(function* (it) {
      const serving = yield* go(() => serverLife(it));
      const living = yield* go(function* () {
        try {
          yield* clientLife(it);
        } catch (error) {
          if (side === "client") throw error;
        }
      });
      watch.handle = side === "client" ? living : serving;
      const endMs = now() + SETTLE_MS;
      while (!living.isEnded && now() < endMs) yield* sleep(now() + 1);
      expect(living.isEnded).toBe(true);
      yield* sleep(now() + SETTLE_MS);
      expect(it.server.leftovers().sockets + it.client.leftovers().sockets).toBe(0);
      serving.cancel();
    });
    expectSeen(trace);
  } finally {
    watch.end();
  }
  return watch.seen;
}

/** Where there was a connection, one side has seen a RST, or both a FIN. */
function expectSeen(trace: readonly string[]): void {
  const [client, server] = [flagsBy(trace, "client"), flagsBy(trace, "server")];
  if (!server.includes("SYN,ACK")) return;
  const wasReset = [...client, ...server].some((flags) => flags.includes("RST"));
  expect(wasReset || (client.some(hasFin) && server.some(hasFin))).toBe(true);
}

function hasFin(flags: string): boolean {
  return flags.includes("FIN");
}

describe("a program cancelled at any of its waits leaves nothing", () => {
  for (const side of ["client", "server"] as const) {
    it(`the ${side}`, async () => {
      const waits = await cancelAt(side, MOST_WAITS);
      expect(waits).toBeGreaterThan(2);
      expect(waits).toBeLessThan(MOST_WAITS);
      for (let k = 1; k <= waits; k++) {
        expect(await cancelAt(side, k), `cancelled at wait ${k}`).toBeGreaterThanOrEqual(k);
      }
    });
  }
});

describe("a program ended by a deadline at any frame leaves nothing", () => {
  it("just before, at, and just after each frame's arrival", async () => {
    const whole = await scene(function* (it) {
      const serving = yield* go(() => serverLife(it));
      yield* clientLife(it);
      yield* sleep(now() + SETTLE_MS);
      serving.cancel();
    });
    const times = new Set(whole.trace.map((line) => Number.parseFloat(line)));
    expect(times.size).toBeGreaterThan(8);
    for (const time of times) {
      for (const edge of [-0.001, 0, 0.001]) {
        // Virtual time starts at 1,000 ms, and a frame takes ONE_WAY_MS to arrive.
        expectSeen(await endedAt(time + edge));
        expectSeen(await endedAt(time + ONE_WAY_MS + edge));
      }
    }
  });

  async function endedAt(timeMs: number): Promise<readonly string[]> {
    const { trace } = await scene(function* (it) {
      const serving = yield* go(() => serverLife(it));
      const living = yield* go(function* () {
        let code = "none";
        try {
          yield* withDeadline(timeMs, () => clientLife(it));
        } catch (error) {
          code = (error as { code: string }).code;
        }
        expect(code).toMatch(/^(none|ETIMEDOUT)$/);
      });
      yield* living.join(now() + SETTLE_MS);
      yield* sleep(now() + SETTLE_MS);
      expect(it.server.leftovers().sockets + it.client.leftovers().sockets).toBe(0);
      serving.cancel();
      if (it.client.leftovers().timeWait === 0) expectGone(it.client);
    });
    return trace;
  }
});
