// SPDX-License-Identifier: MIT
// Cancels a program of twins at its first wait, at its second, and so on to its last; and lets a
// deadline end it just before, at, and just after each frame. Every time both networks must be
// empty soon after, every descriptor free, and no call may have thrown.

import { describe, expect, it } from "vitest";
import { go, now, type Operation, sleep } from "../../src/index.ts";
import * as mtcp from "../../src/mtcp/index.ts";
import { sweepCancellations } from "../support/cancel-watch.ts";
import { emptied, played, type Side, SMALL_BUFFERS, server } from "./cancel-lives.ts";
import { SOCKADDR_IN_BYTES, simScene, soon } from "./support/scene.ts";

const SMALL = { conf: SMALL_BUFFERS } as const;
/** One way over the two links of a scene. */
const ONE_WAY_MS = 10;
const SIDES = ["client", "server"] as const;
const PORT = 80;
const { blocking } = mtcp;

/** Where there was a connection, one side has seen a RST, or both a FIN. */
function expectSeen(trace: readonly string[]): void {
  const of = (name: string): string[] => trace.filter((line) => line.includes(`${name} > `));
  const has = (lines: readonly string[], flag: string): boolean =>
    lines.some((line) => new RegExp(`\\[[A-Z,]*${flag}`).test(line));
  if (!has(of("server"), "SYN,ACK")) return;
  const isOrderly = has(of("client"), "FIN") && has(of("server"), "FIN");
  expect(isOrderly || has(trace, "RST")).toBe(true);
}

describe("a program of twins cancelled at any of its waits leaves nothing", () => {
  it.each(SIDES)("the %s", async (side) => {
    const waits = await sweepCancellations(async (watch, k) => {
      const { trace } = await simScene(
        (it) =>
          played(it, side, function* (life) {
            const living = yield* go(() => life(() => now() + 1_000));
            watch.handle = living;
            yield* ended(living);
            if (k <= watch.seen) expect(it[side].errno).toBe(mtcp.ECANCELED);
          }),
        SMALL,
      );
      expectSeen(trace);
    });
    expect(waits).toBeGreaterThan(10);
  });
});

function* ended(living: { readonly isEnded: boolean }): Operation<void> {
  const endMs = soon();
  while (!living.isEnded && now() < endMs) yield* sleep(now() + 1);
  expect(living.isEnded).toBe(true);
}

describe("a program of twins ended by a deadline at any frame leaves nothing", () => {
  it.each(SIDES)("the %s, just before, at, and just after each frame", async (side) => {
    const errnos = new Set<number>();
    const whole = await endedAt(side, Number.MAX_SAFE_INTEGER, errnos);
    expect([...errnos]).not.toContain(mtcp.ETIMEDOUT);
    const times = new Set(whole.map((line) => Number.parseFloat(line)));
    expect(times.size).toBeGreaterThan(8);
    for (const time of times) {
      for (const edge of [-0.001, 0, 0.001]) {
        expectSeen(await endedAt(side, time + edge, errnos));
        expectSeen(await endedAt(side, time + ONE_WAY_MS + edge, errnos));
      }
    }
    expect([...errnos]).toContain(mtcp.ETIMEDOUT);
    for (const errno of errnos) expect(EXPECTED).toContain(errno);
  });

  const EXPECTED = [0, mtcp.EINPROGRESS, mtcp.ETIMEDOUT, mtcp.ENOTCONN];

  async function endedAt(
    side: Side,
    timeMs: number,
    errnos: Set<number>,
  ): Promise<readonly string[]> {
    const { trace } = await simScene(
      (it) =>
        played(it, side, function* (life) {
          yield* (yield* go(() => life(() => timeMs))).join(soon());
          errnos.add(it[side].errno);
        }),
      SMALL,
    );
    return trace;
  }
});

describe("a program that goes on after its cancellation", () => {
  it("hears of it from every twin, and is ended by force", async () => {
    await simScene(function* (it) {
      let count = 0;
      const stubborn = yield* go(function* () {
        const epid = mtcp.epollCreate(it.client, 1);
        for (;;) {
          const result = yield* blocking.epollWait(it.client, epid, [], 1, -1);
          expect([result, it.client.errno]).toEqual([-1, mtcp.ECANCELED]);
          count++;
        }
      });
      yield* sleep(now() + 1);
      stubborn.cancel();
      const endMs = soon();
      while (!stubborn.isEnded && now() < endMs) yield* sleep(now() + 1);
      expect(stubborn.isEnded).toBe(true);
      expect(count).toBeGreaterThan(100);
    });
  });

  it("closes its descriptor by blocking.close, with a reset", async () => {
    const { trace } = await simScene(function* (it) {
      const serving = yield* go(() => server(it, PORT, soon));
      const living = yield* go(function* () {
        const sockid = mtcp.socket(it.client, mtcp.AF_INET, mtcp.SOCK_STREAM, 0);
        const peer = mtcp.sockaddrIn(it.host, PORT);
        yield* blocking.connect(it.client, sockid, peer, SOCKADDR_IN_BYTES, soon());
        yield* blocking.read(it.client, sockid, new Uint8Array(1), 1, -1);
        expect(it.client.errno).toBe(mtcp.ECANCELED);
        expect(yield* blocking.close(it.client, sockid, -1)).toBe(-1);
        expect(mtcp.close(it.client, sockid)).toBe(-1);
        expect(it.client.errno).toBe(mtcp.EBADF);
      });
      yield* sleep(now() + 100);
      living.cancel();
      yield* serving.join(soon());
      yield* emptied(it);
    });
    expect(trace.some((line) => /client > .*RST/.test(line))).toBe(true);
  });
});
