// SPDX-License-Identifier: MIT
// Connections that nobody uses give their TCB away, and have it again when they are used.

import { describe, expect, it } from "vitest";
import type { Flow } from "../../src/mctx/flow.ts";
import { REST_AFTER_MS } from "../../src/mctx/resting-flows.ts";
import { craftTcp, TCP_FLAGS } from "../../src/testing.ts";
import {
  type Bench,
  benchStack,
  deliver,
  listenOn,
  open,
  round,
  take,
  talk,
} from "./support/bench-stack.ts";

const PORT = 80;

interface Pair {
  readonly a: Bench;
  readonly b: Bench;
  readonly near: Flow;
  readonly far: Flow;
  readonly nowMs: number;
}

/** Two stacks and a connection between them that has had one message, and rests. */
function resting(): Pair {
  const [a, b] = [benchStack(1), benchStack(2)];
  const listener = listenOn(b, PORT);
  const near = open(a, b, PORT, 0);
  let nowMs = talk(a, b, 0, 10);
  const far = take(listener) as Flow;
  nowMs = exchange(a, b, near, far, nowMs);
  nowMs = talk(a, b, nowMs, nowMs + 2 * REST_AFTER_MS);
  expect([near.awake, far.awake]).toEqual([null, null]);
  expect([near.timer, far.timer]).toEqual([null, null]);
  return { a, b, near, far, nowMs };
}

/** A message of 100 bytes from `near` to `far`. */
function exchange(a: Bench, b: Bench, near: Flow, far: Flow, fromMs: number): number {
  const message = new Uint8Array(100).map((_, i) => i);
  expect(near.send(message, 0, 100)).toBe(100);
  const nowMs = talk(a, b, fromMs, fromMs + 10);
  const into = new Uint8Array(100);
  expect(far.receive(into, 0, 100)).toBe(100);
  expect(into).toEqual(message);
  return nowMs;
}

describe("a flow that rests", () => {
  it("says what a quiet connection says, and goes on resting", () => {
    const { near } = resting();
    expect([near.receivedBytes, near.receive(new Uint8Array(1), 0, 1), near.failure]).toEqual([
      0, 0, 0,
    ]);
    expect([near.atEnd, near.isFinished, near.isEstablished]).toEqual([false, false, true]);
    expect([near.bufferedBytes, near.sendLimitBytes]).toEqual([0, 262_144]);
    expect(near.awake).toBe(null);
  });

  it("carries bytes again when one side sends, and rests again", () => {
    const { a, b, near, far, nowMs } = resting();
    let atMs = exchange(a, b, near, far, nowMs);
    atMs = exchange(a, b, far, near, atMs);
    expect(near.info()).toMatchObject({ bytesAcked: 200, bytesReceived: 100, retransmits: 0 });
    talk(a, b, atMs, atMs + 2 * REST_AFTER_MS);
    expect([near.awake, far.awake]).toEqual([null, null]);
  });

  it("tells its numbers, and rests again after that", () => {
    const { a, b, near, nowMs } = resting();
    expect(near.info()).toMatchObject({ state: "ESTABLISHED", bytesAcked: 100 });
    expect(near.awake).not.toBe(null);
    talk(a, b, nowMs, nowMs + 2 * REST_AFTER_MS);
    expect(near.awake).toBe(null);
  });

  it("ends in order", () => {
    const { a, b, near, far, nowMs } = resting();
    near.finish(nowMs);
    const atMs = talk(a, b, nowMs, nowMs + 10);
    expect(far.isFinished).toBe(true);
    far.finish(atMs);
    talk(a, b, atMs, atMs + 10);
    expect([near.isOrderlyClosed, far.isOrderlyClosed]).toEqual([true, true]);
    expect([a.stack.socketCount, b.stack.socketCount]).toEqual([0, 0]);
  });

  it("ends by a reset that the peer believes", () => {
    const { a, b, near, far, nowMs } = resting();
    near.abort(nowMs);
    talk(a, b, nowMs, nowMs + 10);
    expect(far.failure).toBe(-104);
    expect([a.stack.socketCount, b.stack.socketCount]).toEqual([0, 0]);
  });

  it("is reset when nobody has accepted it and its listener is closed", () => {
    const [a, b] = [benchStack(1), benchStack(2)];
    const listener = listenOn(b, PORT);
    const near = [0, 1, 2].map(() => open(a, b, PORT, 0));
    const nowMs = talk(a, b, 0, 3 * REST_AFTER_MS);
    expect(near.map((flow) => flow.awake)).toEqual([null, null, null]);
    expect([listener.ready.size, listener.ready.oldest?.awake]).toEqual([3, null]);
    b.stack.unlisten(listener, nowMs);
    talk(a, b, nowMs, nowMs + 10);
    expect(near.map((flow) => flow.failure)).toEqual([-104, -104, -104]);
    expect([a.stack.socketCount, b.stack.socketCount, listener.ready.size]).toEqual([0, 0, 0]);
  });

  it("is reset even if the ring has no room for that at first", () => {
    const [a, b] = [benchStack(1, { driver: { txSlots: 2 } }), benchStack(2)];
    listenOn(b, PORT);
    const near = Array.from({ length: 9 }, () => open(a, b, PORT, 0));
    // Frames that waited for the ARP answer find the ring full: their SYNs are sent again.
    const nowMs = talk(a, b, 0, 4_000, 5);
    expect(near.every((flow) => flow.awake === null)).toBe(true);
    for (const flow of near) flow.abort(nowMs);
    expect(a.stack.socketCount).toBeGreaterThan(0);
    talk(a, b, nowMs, nowMs + 20);
    expect([a.stack.socketCount, b.stack.socketCount]).toEqual([0, 0]);
  });

  it("rests again also when a stranger has provoked a challenge ACK (RFC 5961)", () => {
    const { a, b, near, nowMs } = resting();
    const syn = craftTcp({
      source: b.address.toString(),
      sourceMac: b.mac,
      sourcePort: PORT,
      destination: a.address.toString(),
      destinationMac: a.mac,
      destinationPort: near.localPort,
      flags: TCP_FLAGS.SYN,
    });
    deliver(a, syn, nowMs);
    const { challengeAckIntervalMs } = a.stack.tcpConfig;
    const atMs = talk(a, b, nowMs, nowMs + challengeAckIntervalMs - 10);
    // Its budget of such ACKs is not full before.
    expect(near.awake).not.toBe(null);
    expect(a.stack.tcpCounters.challengeAcks).toBe(1);
    talk(a, b, atMs, atMs + 20);
    expect(near.awake).toBe(null);
  });

  it("fails with its context", () => {
    const { a, near } = resting();
    a.stack.fail(-100);
    expect([near.failure, near.send(new Uint8Array(1), 0, 1)]).toEqual([-100, -100]);
    expect(a.stack.leftovers()).toMatchObject({ sockets: 0, timers: 0, bufferedBytes: 0 });
  });

  it("is reset when its context is closed", () => {
    const { a, b, far, nowMs } = resting();
    a.stack.close(-100, nowMs);
    for (const frame of a.sent) deliver(b, frame, nowMs);
    round(b, nowMs);
    expect(far.failure).toBe(-104);
    expect(a.stack.leftovers()).toMatchObject({ sockets: 0, timers: 0, bufferedBytes: 0 });
  });
});
