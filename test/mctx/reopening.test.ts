// SPDX-License-Identifier: MIT
// A port in TIME-WAIT is opened again from our side, as soon as that is safe.

import { describe, expect, it } from "vitest";
import type { ListenerRecord } from "../../src/mctx/listener.ts";
import { EADDRINUSE, EADDRNOTAVAIL } from "../../src/tcp/errno.ts";
import { type Bench, benchStack, listenOn, open, take, talk } from "./support/bench-stack.ts";

const PORT = 80;
const ONE_PORT = { ephemeralFirst: 50_000, ephemeralLast: 50_000 };

/** One life on the only port there is, closed by `a` first. @returns the time */
function live(a: Bench, b: Bench, listener: ListenerRecord, fromMs: number): number {
  const flow = open(a, b, PORT, fromMs);
  let nowMs = talk(a, b, fromMs, fromMs + 5);
  flow.finish(nowMs);
  nowMs = talk(a, b, nowMs, nowMs + 5);
  const far = take(listener);
  far?.finish(nowMs);
  nowMs = talk(a, b, nowMs, nowMs + 5);
  expect(flow.isOrderlyClosed).toBe(true);
  flow.release(nowMs);
  far?.release(nowMs);
  return talk(a, b, nowMs, nowMs + 1);
}

describe("a connection in TIME-WAIT", () => {
  it("gives its port to a new connection from our side after `timeWaitReuseMs` (RFC 6191)", () => {
    const a = benchStack(1, { limits: ONE_PORT });
    const b = benchStack(2);
    const listener = listenOn(b, PORT);
    const sink = { flowEvents: () => {} };
    let nowMs = live(a, b, listener, 1_000);
    for (let i = 0; i < 20; i++) {
      const tooSoon = a.stack.connect(b.address, PORT, 0, a.stack.tcpConfig, sink, nowMs + 980);
      expect(tooSoon).toBe(EADDRNOTAVAIL);
      const bound = a.stack.connect(b.address, PORT, 50_000, a.stack.tcpConfig, sink, nowMs + 980);
      expect(bound).toBe(EADDRINUSE);
      nowMs = live(a, b, listener, nowMs + 1_010);
      expect(a.stack.leftovers()).toMatchObject({ sockets: 0, timeWait: 1, timers: 0 });
    }
    expect(b.stack.leftovers()).toMatchObject({ sockets: 0, timeWait: 0 });
    const sentAgain = a.stack.tcpCounters.retransmits;
    expect([sentAgain, b.stack.tcpCounters.challengeAcks]).toEqual([0, 0]);
    talk(a, b, nowMs, nowMs + 60_100, 100);
    expect([a.stack.leftovers().timeWait, a.timers.size]).toEqual([0, 0]);
  });

  it.each([
    ["without timestamps", { timestamps: false }],
    ["with `timeWaitReuseMs` at 2 MSL", { timeWaitReuseMs: 60_000 }],
  ])("keeps its port for 2 MSL %s", (_how, tcp) => {
    const a = benchStack(1, { limits: ONE_PORT, tcp });
    const b = benchStack(2);
    const listener = listenOn(b, PORT);
    const sink = { flowEvents: () => {} };
    const nowMs = live(a, b, listener, 1_000);
    const early = a.stack.connect(b.address, PORT, 0, a.stack.tcpConfig, sink, nowMs + 59_900);
    expect(early).toBe(EADDRNOTAVAIL);
    talk(a, b, nowMs, nowMs + 60_100, 100);
    live(a, b, listener, nowMs + 60_200);
  });
});
