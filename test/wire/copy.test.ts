// SPDX-License-Identifier: MIT
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { copyBytes, Views } from "../../src/wire/copy.ts";

const block = Uint8Array.from({ length: 4_096 }, (_, i) => (i * 31) ^ (i >> 8));

describe("copyBytes", () => {
  it("copies as subarray and set do, whatever the length", () => {
    const piece = fc.record({
      from: fc.nat(300),
      to: fc.nat(300),
      length: fc.nat(200),
    });
    fc.assert(
      fc.property(piece, ({ from, to, length }) => {
        const one = new Uint8Array(600).fill(9);
        const other = one.slice();
        copyBytes(block, from, one, to, length);
        other.set(block.subarray(from, from + length), to);
        expect(one).toEqual(other);
      }),
    );
  });

  it("copies the whole of what it is given", () => {
    const into = new Uint8Array(5_000);
    copyBytes(block, 0, into, 7, block.length);
    expect(into.subarray(7, 7 + block.length)).toEqual(block);
  });
});

describe("Views", () => {
  it("shows what subarray shows, in whatever order it is asked", () => {
    const views = new Views(block.subarray(100));
    const memory = block.subarray(100);
    const other = block.slice();
    const asked = fc.record({ at: fc.nat(60), length: fc.nat(90), isOther: fc.boolean() });
    fc.assert(
      fc.property(fc.array(asked, { minLength: 1, maxLength: 200 }), (all) => {
        const own = new Views(memory);
        for (const { at, length, isOther } of all) {
          const from = isOther ? other : memory;
          const offset = at * 64;
          const expected = from.subarray(offset, offset + length);
          for (const each of [own, views]) {
            const view = each.of(from, offset, length);
            expect(view.byteOffset).toBe(expected.byteOffset);
            expect(view.length).toBe(expected.length);
            expect(view.buffer).toBe(from.buffer);
          }
        }
      }),
    );
  });

  it("keeps a view for the next packet of the same length in the same place, and no other", () => {
    const views = new Views(block);
    const view = views.of(block, 66, 64);
    expect(views.of(block, 66, 64)).toBe(view);
    expect(views.of(block, 66, 63)).not.toBe(view);
    expect(views.of(block, 2_114, 64).byteOffset).toBe(block.byteOffset + 2_114);
  });
});
