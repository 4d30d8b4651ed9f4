// SPDX-License-Identifier: MIT
// Two stacks live the same life twice: once their connections rest whenever they can, once never.
// Strangers replay and forge what they like meanwhile. Every frame must be the same, and all that
// a connection knows of itself.

import { afterEach, describe, expect, it, vi } from "vitest";
import type { Flow } from "../../src/mctx/flow.ts";
import { REST_AFTER_MS, RestingFlows } from "../../src/mctx/resting-flows.ts";
import { craftIcmp } from "../../src/testing.ts";
import { Random } from "../tcp/support/random.ts";
import {
  type Bench,
  benchStack,
  deliver,
  listenOn,
  open,
  round,
  take,
} from "./support/bench-stack.ts";
import { fixChecksums, mutate } from "./support/mutate.ts";

const SEEDS = 25;
const PORT = 80;
const STEPS = 400;
const IP = 14;
const UNREACHABLE = 3;
const FLAGS = [0x02, 0x04, 0x10, 0x11, 0x12, 0x14, 0x18, 0x30] as const;
const OFFSETS = [0, 1, -1, 1_000, -1_000, 65_535, 0x4000_0000] as const;

interface Life {
  readonly frames: string[];
  rests: number;
  timeWaits: number;
}

/** A frame that one of them has sent before, changed where it matters to a quiet connection. */
function forged(past: readonly Uint8Array[], random: Random): Uint8Array {
  const frame = random.pick(past).slice();
  const view = new DataView(frame.buffer);
  const tcp = IP + 20;
  if (frame.length < tcp + 20 || frame[IP + 9] !== 6) return frame;
  const kind = random.below(4);
  if (kind === 0) return mutate(frame, random);
  if (kind === 1) frame[tcp + 13] = random.pick(FLAGS);
  if (kind <= 2) view.setInt32(tcp + 4, (view.getInt32(tcp + 4) + random.pick(OFFSETS)) | 0);
  fixChecksums(frame);
  return frame;
}

/** An ICMP error about a frame that `to` has sent before. */
function icmpAbout(past: readonly Uint8Array[], to: Bench, random: Random): Uint8Array {
  const quoted = random.pick(past).subarray(IP, IP + 28);
  return craftIcmp({
    source: "10.0.0.77",
    destination: to.address.toString(),
    destinationMac: to.mac,
    type: UNREACHABLE,
    code: random.pick([0, 1, 2, 3, 4, 13]),
    rest: random.pick([0, 576, 1_400]),
    payload: quoted,
  });
}

/** What a user does to a connection. */
function use(flow: Flow, nowMs: number, random: Random): string {
  const kind = random.below(12);
  const bytes = new Uint8Array(random.pick([1, 100, 1_448, 5_000])).fill(kind);
  if (kind < 3) return `send ${flow.send(bytes, 0, bytes.length)}`;
  if (kind < 6) return `receive ${flow.receive(bytes, 0, bytes.length)}`;
  if (kind === 6) return JSON.stringify(flow.info());
  if (kind === 7)
    return `${flow.sendSpaceBytes} ${flow.atEnd} ${flow.failure} ${flow.peek(bytes, 0, 1)}`;
  if (kind === 8) return `received ${flow.receivedBytes} ${flow.isAcknowledged}`;
  if (kind === 9) {
    const room = flow.reserve(50);
    if (typeof room === "number") return `reserve ${room}`;
    room.fill(9);
    return `commit ${flow.commit(random.below(51))}`;
  }
  if (kind === 10 && random.chance(0.05)) return `finish ${flow.finish(nowMs)}`;
  return "";
}

function live(seed: number): Life {
  const random = new Random(seed);
  const tcp = { timestamps: random.chance(0.5), receiveBufferBytes: random.pick([4_000, 262_144]) };
  const ends = [benchStack(1, { tcp }), benchStack(2, { tcp })] as const;
  const [a, b] = ends;
  const life: Life = { frames: [], rests: 0, timeWaits: 0 };
  const past: Uint8Array[][] = [[], []];
  const listener = listenOn(b, PORT);
  const near = [0, 1, 2].map(() => open(a, b, PORT, 0));
  const flows: Flow[] = [...near];
  const held: Flow[] = [...near];
  let nowMs = 0;
  const step = (): void => {
    for (const [i, from] of ends.entries()) {
      const to = ends[1 - i] as Bench;
      round(from, nowMs);
      for (const frame of from.sent.splice(0)) {
        past[i]?.push(frame);
        life.frames.push(`${nowMs} ${Buffer.from(frame).toString("base64")}`);
        deliver(to, frame, nowMs);
      }
    }
    for (let flow = take(listener); flow !== null; flow = take(listener)) {
      flows.push(flow);
      held.push(flow);
    }
  };
  for (; nowMs < 10; nowMs++) step();
  for (let i = 0; i < STEPS; i++) {
    const to = random.below(2);
    const kind = random.below(10);
    if (kind === 0 && held.length > 2 && random.chance(0.1)) {
      const [flow] = held.splice(random.below(held.length), 1);
      flow?.release(nowMs);
    } else if (kind < 5) life.frames.push(use(random.pick(held), nowMs, random));
    else if (kind < 7) deliver(ends[to] as Bench, forged(past[1 - to] ?? [], random), nowMs);
    else if (kind < 8)
      deliver(ends[to] as Bench, icmpAbout(past[to] ?? [], ends[to] as Bench, random), nowMs);
    const untilMs = nowMs + random.pick([1, 5, 50, 3 * REST_AFTER_MS, 3 * REST_AFTER_MS]);
    for (; nowMs < untilMs; nowMs += random.pick([1, 7])) step();
    for (const flow of flows) {
      if (flow.awake !== null || flow.isGone) continue;
      life.rests++;
      if (flow.isTimeWait) life.timeWaits++;
    }
  }
  for (const flow of held) life.frames.push(JSON.stringify(flow.info()));
  a.stack.close(-100, nowMs);
  step();
  for (const { stack } of ends)
    life.frames.push(JSON.stringify([stack.tcpCounters, stack.network.counters.toObject()]));
  return life;
}

afterEach(() => {
  vi.restoreAllMocks();
});

describe("connections that rest", () => {
  it("do and say what those do that never rest, whatever comes over the wire", () => {
    let rests = 0;
    let timeWaits = 0;
    for (let seed = 1; seed <= SEEDS; seed++) {
      const resting = live(seed);
      const awake = vi.spyOn(RestingFlows.prototype, "offer").mockReturnValue(false);
      const never = live(seed);
      awake.mockRestore();
      expect(never.rests).toBe(0);
      const at = resting.frames.findIndex((frame, i) => frame !== never.frames[i]);
      expect([seed, at, resting.frames[at], never.frames[at]]).toEqual([
        seed,
        -1,
        undefined,
        undefined,
      ]);
      rests += resting.rests;
      timeWaits += resting.timeWaits;
    }
    expect(timeWaits).toBeGreaterThan(SEEDS * 5);
    expect(rests).toBeGreaterThan(SEEDS * 100);
  });
});
