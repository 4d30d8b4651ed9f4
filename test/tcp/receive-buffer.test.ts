// SPDX-License-Identifier: MIT
// Properties against a naive model; row E4 (SegmentSmack) of the hostile-input list.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MAX_EARLY_RANGES, ReceiveBuffer } from "../../src/tcp/receive-buffer.ts";

/** What the stream has at each position. */
const streamByte = (position: number): number => (position * 167 + (position >>> 8)) & 0xff;

/** One number per byte of the window: simple enough to be right. */
class Model {
  readonly limit: number;
  readonly early = new Set<number>();
  next = 0;
  readTo = 0;

  constructor(limit: number) {
    this.limit = limit;
  }

  insert(relOffset: number, length: number): number {
    const end = Math.min(this.next + relOffset + length, this.readTo + this.limit);
    for (let p = this.next + relOffset; p < end; p++) this.early.add(p);
    const before = this.next;
    while (this.early.delete(this.next)) this.next++;
    return this.next - before;
  }

  get ranges(): number {
    let count = 0;
    for (const p of this.early) if (!this.early.has(p - 1)) count++;
    return count;
  }
}

function payload(position: number, length: number, pad: number): Uint8Array {
  return Uint8Array.from({ length: length + pad }, (_, i) => streamByte(position + i - pad));
}

const step = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(fc.constant("insert"), fc.nat(2_500), fc.nat(1_500)) },
  { weight: 3, arbitrary: fc.tuple(fc.constant("inOrder"), fc.constant(0), fc.nat(1_500)) },
  { weight: 2, arbitrary: fc.tuple(fc.constant("read"), fc.nat(2_000), fc.constant(0)) },
  {
    weight: 1,
    arbitrary: fc.tuple(fc.constantFrom("discard", "trim"), fc.constant(0), fc.constant(0)),
  },
);

describe("the receive buffer", () => {
  it("delivers the stream byte for byte, for any limit, order, overlap and loss", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 3_000 }),
        fc.array(step, { maxLength: 80 }),
        (limit, steps) => {
          const buffer = new ReceiveBuffer(limit);
          const model = new Model(limit);
          for (const [what, a, b] of steps) {
            if (what === "insert" || what === "inOrder") {
              const bytes = payload(model.next + a, b, 5);
              expect(buffer.insert(a, bytes, 5, b)).toBe(model.insert(a, b));
            } else if (what === "read") {
              const into = new Uint8Array(a + 2);
              const count = buffer.read(into, 1, a);
              expect(count).toBe(Math.min(a, model.next - model.readTo));
              const wanted = Array.from({ length: count }, (_, i) => streamByte(model.readTo + i));
              expect([...into.subarray(1, 1 + count)]).toEqual(wanted);
              expect([into[0], into[count + 1]]).toEqual([0, 0]);
              model.readTo += count;
            } else if (what === "discard") {
              buffer.discard();
              model.readTo = model.next;
            } else {
              buffer.trim();
            }
            expect(buffer.available).toBe(model.next - model.readTo);
            expect(buffer.window).toBe(limit - buffer.available);
            expect(buffer.hasGaps).toBe(model.early.size !== 0);
            expect(buffer.earlyRanges).toBe(model.ranges);
            expect(buffer.earlyBytes).toBe(model.early.size);
            expect(buffer.available + buffer.earlyBytes).toBeLessThanOrEqual(limit);
          }
        },
      ),
    );
  });

  it("carries a whole transfer through a lossy, reordering, repeating path", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 100, max: 2_000 }),
        fc.infiniteStream(fc.nat(0xffffff)),
        (limit, random) => {
          const buffer = new ReceiveBuffer(limit);
          const draw = (most: number): number => (random.next().value as number) % most;
          const total = 10_000;
          let next = 0;
          let read = 0;
          const into = new Uint8Array(limit);
          for (let i = 0; i < 100_000 && read < total; i++) {
            const position = Math.max(next, Math.min(next + draw(400) - 200, total));
            const length = Math.min(1 + draw(150), total - position);
            next += buffer.insert(position - next, payload(position, length, 0), 0, length);
            if (draw(3) !== 0) continue;
            const count = buffer.read(into, 0, 1 + draw(limit));
            for (let at = 0; at < count; at++, read++) {
              if (into[at] !== streamByte(read)) throw new Error(`wrong byte at ${read}`);
            }
          }
          expect(read).toBe(total);
        },
      ),
      { numRuns: 20 },
    );
  });

  it("E4: early 1-byte segments are bounded in ranges, and the gap can still be filled", () => {
    const buffer = new ReceiveBuffer(65_536);
    const one = Uint8Array.of(1);
    for (let i = 0; i < 30_000; i++)
      expect(buffer.insert(1 + ((i * 7_919) % 30_000) * 2, one, 0, 1)).toBe(0);
    expect(buffer.earlyRanges).toBe(MAX_EARLY_RANGES);
    expect(buffer.memoryBytes).toBeLessThanOrEqual(65_536 + (MAX_EARLY_RANGES + 1) * 8);
    const all = new Uint8Array(65_536);
    expect(buffer.insert(0, all, 0, 1)).toBeGreaterThanOrEqual(1);
    const rest = buffer.window;
    expect(buffer.insert(0, all, 0, rest)).toBe(rest);
    expect([buffer.hasGaps, buffer.available, buffer.window]).toEqual([false, 65_536, 0]);
  });

  it("E4: at the limit of ranges a segment that joins others is still taken", () => {
    const buffer = new ReceiveBuffer(65_536);
    const bytes = new Uint8Array(65_536);
    for (let i = 0; i < MAX_EARLY_RANGES; i++) buffer.insert(10 + i * 20, bytes, 0, 10);
    expect(buffer.insert(10 + MAX_EARLY_RANGES * 20, bytes, 0, 10)).toBe(0);
    expect(buffer.earlyRanges).toBe(MAX_EARLY_RANGES);
    expect(buffer.earlyBytes).toBe(MAX_EARLY_RANGES * 10);
    buffer.insert(20, bytes, 0, 10);
    expect(buffer.earlyRanges).toBe(MAX_EARLY_RANGES - 1);
    expect(buffer.insert(0, bytes, 0, 5)).toBe(5);
    expect(buffer.insert(0, bytes, 0, 5)).toBe(5 + 30);
    expect(buffer.insert(0, bytes, 0, 65_000)).toBe(65_000);
    expect(buffer.hasGaps).toBe(false);
  });

  it("joins ranges of early bytes that touch on either side", () => {
    const buffer = new ReceiveBuffer(1_000);
    const bytes = payload(100, 40, 0);
    buffer.insert(100, bytes, 0, 10);
    buffer.insert(120, bytes, 20, 10);
    expect(buffer.earlyRanges).toBe(2);
    buffer.insert(130, bytes, 30, 10);
    expect([buffer.earlyRanges, buffer.earlyBytes]).toEqual([2, 30]);
    buffer.insert(110, bytes, 10, 10);
    expect([buffer.earlyRanges, buffer.earlyBytes]).toEqual([1, 40]);
    expect(buffer.insert(0, payload(0, 100, 0), 0, 100)).toBe(140);
    const into = new Uint8Array(140);
    expect(buffer.read(into, 0, 140)).toBe(140);
    expect(into).toEqual(payload(0, 140, 0));
  });

  it("drops what lies beyond the window, early or not", () => {
    const buffer = new ReceiveBuffer(10);
    const bytes = new Uint8Array(20);
    expect(buffer.insert(10, bytes, 0, 1)).toBe(0);
    expect(buffer.hasGaps).toBe(false);
    expect(buffer.insert(8, bytes, 0, 20)).toBe(0);
    expect(buffer.earlyBytes).toBe(2);
    expect(buffer.insert(0, bytes, 0, 20)).toBe(10);
    expect(buffer.insert(0, bytes, 0, 20)).toBe(0);
    expect(buffer.insert(0, bytes, 0, 0)).toBe(0);
  });

  it("has no memory before the first byte, after clear, and after trim when empty", () => {
    const buffer = new ReceiveBuffer(1_000_000);
    expect(buffer.memoryBytes).toBe(0);
    buffer.insert(5, new Uint8Array(100), 0, 100);
    buffer.trim();
    expect(buffer.earlyBytes).toBe(100);
    buffer.insert(0, new Uint8Array(5), 0, 5);
    buffer.trim();
    expect(buffer.available).toBe(105);
    buffer.discard();
    buffer.trim();
    expect(buffer.memoryBytes).toBe(0);
    buffer.insert(5, new Uint8Array(100), 0, 100);
    buffer.clear();
    expect([buffer.memoryBytes, buffer.hasGaps, buffer.available]).toEqual([0, false, 0]);
  });

  it("keeps its memory over small exchanges: nothing is allocated in the in-order path", () => {
    const buffer = new ReceiveBuffer(65_536);
    const bytes = new Uint8Array(1_460);
    buffer.insert(0, bytes, 0, 1_460);
    buffer.discard();
    const memory = buffer.memoryBytes;
    for (let i = 0; i < 1_000; i++) {
      buffer.insert(0, bytes, 0, 64);
      buffer.read(bytes, 0, 64);
      expect(buffer.memoryBytes).toBe(memory);
    }
  });
});
