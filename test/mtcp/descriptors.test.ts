// SPDX-License-Identifier: MIT
// The pool of descriptors against a naive model, and what its numbers promise.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Descriptor, DescriptorTable } from "../../src/mtcp/descriptors.ts";
import { ENFILE } from "../../src/mtcp/errno.ts";

class Thing implements Descriptor {
  close(): number {
    return 0;
  }

  drop(): void {}
}

describe("the descriptors of a context", () => {
  it("give each thing a number that means it alone, for ever", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }), fc.array(fc.nat(20)), (capacity, steps) => {
        const table = new DescriptorTable<Thing>(capacity);
        const alive = new Map<number, Thing>();
        const gone: number[] = [];
        for (const step of steps) {
          const numbers = [...alive.keys()];
          if (step % 3 === 0 && numbers.length > 0) {
            const number = numbers[step % numbers.length] as number;
            table.remove(number);
            alive.delete(number);
            gone.push(number);
          } else {
            const thing = new Thing();
            const number = table.add(thing);
            expect(number < 0).toBe(alive.size === capacity);
            if (number >= 0) alive.set(number, thing);
          }
          expect(table.size).toBe(alive.size);
          expect(table.isFull).toBe(alive.size === capacity);
          for (const [number, thing] of alive) expect(table.get(number)).toBe(thing);
          for (const number of gone) expect(table.get(number)).toBeNull();
        }
        expect(new Set(table.clear())).toEqual(new Set(alive.values()));
      }),
    );
  });

  it("are safe integers, and nothing else is one of them", () => {
    const table = new DescriptorTable<Thing>(3);
    const number = table.add(new Thing());
    expect(Number.isSafeInteger(number)).toBe(true);
    for (const wrong of [-1, 0, 0.5, number + 0.5, number + 3, -number, Number.NaN, Infinity]) {
      expect(table.get(wrong)).toBeNull();
    }
    table.clear();
  });

  it("of one context are no descriptors of another", () => {
    const [one, two] = [new DescriptorTable<Thing>(4), new DescriptorTable<Thing>(4)];
    const ofOne = [one.add(new Thing()), one.add(new Thing())];
    const ofTwo = [two.add(new Thing()), two.add(new Thing())];
    for (const number of ofOne) expect(two.get(number)).toBeNull();
    for (const number of ofTwo) expect(one.get(number)).toBeNull();
    one.clear();
    two.clear();
  });

  it("are used anew first in first out: the place that has rested longest comes first", () => {
    const table = new DescriptorTable<Thing>(3);
    const [a = 0, b = 0, c = 0] = [0, 1, 2].map(() => table.add(new Thing()));
    expect(table.add(new Thing())).toBe(-ENFILE);
    for (const number of [b, a, c]) table.remove(number);
    const place = (number: number): number => (number - a) % 3;
    expect([0, 1, 2].map(() => place(table.add(new Thing())))).toEqual([b, a, c].map(place));
    table.clear();
  });
});
