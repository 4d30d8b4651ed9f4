// SPDX-License-Identifier: MIT
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  checksum,
  fold,
  isChecksumValid,
  pseudoHeaderIpv4,
  sum16,
} from "../../src/wire/checksum.ts";

/** RFC 1071 §4.1, word by word, in exact integers. */
function naiveSum(bytes: Uint8Array, offset: number, length: number, initial: number): number {
  let sum = BigInt(initial);
  for (let i = 0; i < length; i += 2) {
    const low = i + 1 < length ? (bytes[offset + i + 1] as number) : 0;
    sum += BigInt(((bytes[offset + i] as number) << 8) | low);
  }
  while (sum > 0xffffn) sum = (sum & 0xffffn) + (sum >> 16n);
  return Number(sum);
}

describe("the Internet checksum (RFC 1071)", () => {
  it("equals the naive sum for any offset, length and initial sum", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 0, maxLength: 600 }),
        fc.nat(7),
        fc.integer({ min: 0, max: 0xffffffff }),
        (data, shift, initial) => {
          const bytes = new Uint8Array(shift + data.length);
          bytes.set(data, shift);
          const sum = fold(sum16(bytes, shift, data.length, initial));
          expect(sum).toBe(naiveSum(bytes, shift, data.length, initial));
        },
      ),
    );
  });

  it("loses no carry over 65,535 bytes of ones", () => {
    for (const length of [65_535, 65_534, 65_520, 4_096, 255]) {
      const bytes = new Uint8Array(length).fill(0xff);
      expect(fold(sum16(bytes, 0, length, 0xffffffff))).toBe(
        naiveSum(bytes, 0, length, 0xffffffff),
      );
    }
  });

  it("is the same for views into a larger block and for blocks in turn", () => {
    const block = Uint8Array.from({ length: 4_096 }, (_, i) => (i * 31) & 0xff);
    const blocks = [block, block.subarray(1_001), block.slice(7), block.subarray(3, 900)];
    for (let round = 0; round < 100; round++) {
      const bytes = blocks[round % blocks.length] as Uint8Array;
      const length = (round * 37) % 800;
      expect(fold(sum16(bytes, round, length))).toBe(naiveSum(bytes, round, length, 0));
    }
  });

  it("may be summed in pieces of even length", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(150), (bytes, half) => {
        const cut = Math.min(half * 2, bytes.length & ~1);
        const first = sum16(bytes, 0, cut);
        expect(fold(sum16(bytes, cut, bytes.length - cut, first))).toBe(
          fold(sum16(bytes, 0, bytes.length)),
        );
      }),
    );
  });

  it("gives the example of RFC 1071 §3", () => {
    const bytes = Uint8Array.of(0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7);
    expect(fold(sum16(bytes, 0, 8))).toBe(0xddf2);
  });

  it("validates what it computed, at any place of the field", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 2, maxLength: 100 }), fc.nat(49), (bytes, word) => {
        const at = Math.min(word * 2, (bytes.length & ~1) - 2);
        bytes[at] = 0;
        bytes[at + 1] = 0;
        const field = checksum(bytes, 0, bytes.length, 0x1234);
        bytes[at] = field >>> 8;
        bytes[at + 1] = field & 0xff;
        expect(isChecksumValid(bytes, 0, bytes.length, 0x1234)).toBe(true);
        bytes[at + 1] = (field & 0xff) ^ 1;
        expect(isChecksumValid(bytes, 0, bytes.length, 0x1234)).toBe(false);
      }),
    );
  });

  it("sums the pseudo-header of negative int32 addresses as unsigned", () => {
    const bytes = Uint8Array.of(255, 254, 253, 252, 192, 168, 0, 1, 0, 6, 0xff, 0xeb);
    const sum = pseudoHeaderIpv4(0xfffefdfc | 0, 0xc0a80001 | 0, 6, 0xffeb);
    expect(fold(sum)).toBe(naiveSum(bytes, 0, 12, 0));
  });
});
