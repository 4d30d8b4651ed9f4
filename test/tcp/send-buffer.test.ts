// SPDX-License-Identifier: MIT
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SendBuffer } from "../../src/tcp/send-buffer.ts";

describe("the send buffer", () => {
  it("behaves as a plain array would, for any limit and order of calls", () => {
    const step = fc.tuple(
      fc.constantFrom("write", "reserve", "drop", "copy", "trim"),
      fc.nat(3_000),
      fc.nat(3_000),
    );
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 5_000 }),
        fc.array(step, { maxLength: 60 }),
        (limit, steps) => {
          const buffer = new SendBuffer(limit);
          let model: number[] = [];
          let next = 0;
          for (const [what, a, b] of steps) {
            if (what === "write") {
              const bytes = Uint8Array.from({ length: a + 3 }, () => next++);
              const taken = buffer.write(bytes, 3, a);
              expect(taken).toBe(Math.min(a, limit - model.length));
              model.push(...bytes.subarray(3, 3 + taken));
            } else if (what === "reserve") {
              const room = buffer.reserve(Math.min(a, buffer.space));
              expect(room.length).toBe(Math.min(a, limit - model.length));
              const count = Math.min(b, room.length);
              for (let i = 0; i < room.length; i++) room[i] = i < count ? next++ : 0xee;
              buffer.commit(count);
              model.push(...room.subarray(0, count));
            } else if (what === "drop") {
              const count = Math.min(a, model.length);
              buffer.drop(count);
              model = model.slice(count);
            } else if (what === "copy") {
              const at = Math.min(a, model.length);
              const length = Math.min(b, model.length - at);
              const into = new Uint8Array(length + 4);
              buffer.copyTo(at, into, 2, length);
              expect([...into]).toEqual([0, 0, ...model.slice(at, at + length), 0, 0]);
            } else {
              buffer.trim();
            }
            expect([buffer.length, buffer.space]).toEqual([model.length, limit - model.length]);
            expect(buffer.memoryBytes).toBeLessThanOrEqual(limit);
          }
        },
      ),
    );
  });

  it("has no memory before the first byte and after clear, and grows by need", () => {
    const buffer = new SendBuffer(1_000_000);
    expect(buffer.memoryBytes).toBe(0);
    buffer.write(new Uint8Array(100), 0, 100);
    expect(buffer.memoryBytes).toBe(512);
    buffer.write(new Uint8Array(3_000), 0, 3_000);
    expect(buffer.memoryBytes).toBe(4_096);
    buffer.trim();
    expect(buffer.length).toBe(3_100);
    buffer.clear();
    expect([buffer.memoryBytes, buffer.length, buffer.space]).toEqual([0, 0, 1_000_000]);
  });

  it("takes nothing when full, and nothing of nothing", () => {
    const buffer = new SendBuffer(4);
    expect(buffer.write(new Uint8Array(9), 0, 9)).toBe(4);
    expect(buffer.write(new Uint8Array(9), 0, 9)).toBe(0);
    expect(buffer.write(new Uint8Array(9), 0, 0)).toBe(0);
    expect(buffer.limitBytes).toBe(4);
  });

  it("gives the memory of a burst back once it only carries little", () => {
    const buffer = new SendBuffer(1_000_000);
    const bytes = new Uint8Array(500_000);
    buffer.write(bytes, 0, bytes.length);
    buffer.drop(bytes.length);
    const atBurst = buffer.memoryBytes;
    for (let i = 0; i < 64; i++) {
      buffer.write(bytes, 0, 64);
      buffer.drop(64);
    }
    expect(atBurst).toBeGreaterThanOrEqual(500_000);
    expect(buffer.memoryBytes).toBeLessThanOrEqual(4_096);
  });
});
