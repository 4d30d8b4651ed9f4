// SPDX-License-Identifier: MIT
import { describe, expect, it } from "vitest";
import { Random } from "../../src/sim/random.ts";

describe("Random", () => {
  it("gives the same sequence for the same seed, number or text", () => {
    const a = new Random(42);
    const b = new Random("42");
    for (let i = 0; i < 100; i++) expect(a.uint32()).toBe(b.uint32());
  });

  it("never changes its sequence: recorded runs must replay after an upgrade", () => {
    const random = new Random(1);
    expect([random.uint32(), random.uint32(), random.uint32()]).toMatchInlineSnapshot(`
      [
        663261097,
        853986954,
        1331713668,
      ]
    `);
    expect(random.fork("x").uint32()).toMatchInlineSnapshot(`507473454`);
  });

  it("gives other sequences for other seeds", () => {
    const firsts = new Set<number>();
    for (let seed = 0; seed < 1000; seed++) firsts.add(new Random(seed).uint32());
    expect(firsts.size).toBe(1000);
  });

  it("forks by label, whatever has been drawn before", () => {
    const early = new Random(7).fork("link a");
    const parent = new Random(7);
    for (let i = 0; i < 10; i++) parent.uint32();
    parent.fork("another");
    const late = parent.fork("link a");
    for (let i = 0; i < 10; i++) expect(late.uint32()).toBe(early.uint32());
    expect(new Random(7).fork("link b").uint32()).not.toBe(new Random(7).fork("link a").uint32());
  });

  it("tells nested labels from joined ones", () => {
    const nested = new Random(7).fork("a").fork("b").uint32();
    expect(new Random(7).fork("a/b").uint32()).not.toBe(nested);
  });

  it("draws evenly", () => {
    const random = new Random(3);
    const counts = new Int32Array(16);
    for (let i = 0; i < 160_000; i++) {
      const drawn = random.below(16);
      counts[drawn] = (counts[drawn] as number) + 1;
    }
    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(500);
    let sum = 0;
    for (let i = 0; i < 100_000; i++) sum += random.float();
    expect(Math.abs(sum / 100_000 - 0.5)).toBeLessThan(0.01);
  });

  it("keeps within its limits", () => {
    const random = new Random(4);
    for (let i = 0; i < 1000; i++) {
      const drawn = random.between(-3, 3);
      expect(drawn).toBeGreaterThanOrEqual(-3);
      expect(drawn).toBeLessThanOrEqual(3);
    }
    expect(random.chance(0)).toBe(false);
    expect(random.chance(1)).toBe(true);
  });

  it("fills bytes of any length, and shuffles without losing anything", () => {
    const random = new Random(5);
    expect(random.bytes(7)).toHaveLength(7);
    expect(random.shuffle([1, 2, 3, 4, 5]).sort()).toEqual([1, 2, 3, 4, 5]);
    expect([1, 2, 3]).toContain(random.pick([1, 2, 3]));
  });

  it("refuses wrong arguments, naming them", () => {
    expect(() => new Random(0.5)).toThrow(/seed/);
    const random = new Random(1);
    expect(() => random.below(0)).toThrow(/limit/);
    expect(() => random.chance(2)).toThrow(/probability/);
    expect(() => random.pick([])).toThrow(/items/);
    expect(() => random.between(3, 2)).toThrow(/high/);
  });
});
