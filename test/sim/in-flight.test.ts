// SPDX-License-Identifier: MIT
import { describe, expect, it } from "vitest";
import { Agenda, type InFlight } from "../../src/sim/in-flight.ts";
import { Random } from "../../src/sim/random.ts";

function collector(): { seen: string[]; arrive(frame: InFlight, nowMs: number): void } {
  return {
    seen: [],
    arrive(frame) {
      this.seen.push(`${frame.dueMs}:${frame.bytes[0]}`);
    },
  };
}

describe("Agenda", () => {
  it("delivers by time, and equal times in the order in which they were put there", () => {
    const agenda = new Agenda(10_000);
    const random = new Random(1);
    const to = collector();
    const expected: { at: number; order: number }[] = [];
    for (let order = 0; order < 2000; order++) {
      const at = random.below(50);
      expected.push({ at, order });
      const frame = agenda.take(Uint8Array.of(order & 255), 0, 1) as InFlight;
      agenda.push(frame, at, to);
    }
    expected.sort((a, b) => a.at - b.at || a.order - b.order);
    expect(agenda.nextMs()).toBe(expected[0]?.at);
    expect(agenda.advance(100)).toBe(2000);
    expect(to.seen).toEqual(expected.map((e) => `${e.at}:${e.order & 255}`));
    expect(agenda.nextMs()).toBe(Number.POSITIVE_INFINITY);
  });

  it("delivers nothing before its time", () => {
    const agenda = new Agenda(10);
    const to = collector();
    agenda.push(agenda.take(Uint8Array.of(1), 0, 1) as InFlight, 5, to);
    expect(agenda.advance(4.999)).toBe(0);
    expect(agenda.advance(5)).toBe(1);
  });

  it("has room again for what was delivered or cleared, and none beyond its limit", () => {
    const agenda = new Agenda(2);
    const to = collector();
    const bytes = new Uint8Array(1000);
    agenda.push(agenda.take(bytes, 0, 1000) as InFlight, 1, to);
    agenda.push(agenda.take(bytes, 0, 1000) as InFlight, 2, to);
    expect(agenda.take(bytes, 0, 1000)).toBeNull();
    agenda.advance(1);
    const again = agenda.take(bytes, 0, 1000);
    expect(again).not.toBeNull();
    agenda.clear();
    expect(agenda.size).toBe(0);
    expect(agenda.take(bytes, 0, 10)).not.toBeNull();
  });

  it("uses the memory of a delivered frame again, and leaves no old bytes in the last block", () => {
    const agenda = new Agenda(2);
    const to = collector();
    const first = agenda.take(new Uint8Array(100).fill(255), 0, 100) as InFlight;
    agenda.push(first, 0, to);
    agenda.advance(0);
    const second = agenda.take(Uint8Array.of(1, 2, 3), 0, 3) as InFlight;
    expect(second).toBe(first);
    expect([...second.bytes.subarray(0, 16)]).toEqual([1, 2, 3, ...new Array(13).fill(0)]);
  });
});
