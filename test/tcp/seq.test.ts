// SPDX-License-Identifier: MIT
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { between, geq, gt, leq, lt, max, min } from "../../src/tcp/seq.ts";

const seq = fc.integer({ min: -0x80000000, max: 0x7fffffff });
const forward = fc.integer({ min: 1, max: 0x7fffffff });
const EDGES = [0, 1, -1, 0x7fffffff, -0x80000000, 0x7ffffffe, -0x7fffffff];

describe("sequence numbers (RFC 9293 §3.4)", () => {
  it("order any two numbers less than 2^31 apart, across every wrap", () => {
    fc.assert(
      fc.property(fc.oneof(seq, fc.constantFrom(...EDGES)), forward, (a, n) => {
        const b = (a + n) | 0;
        expect([lt(a, b), leq(a, b), gt(a, b), geq(a, b)]).toEqual([true, true, false, false]);
        expect([lt(b, a), leq(b, a), gt(b, a), geq(b, a)]).toEqual([false, false, true, true]);
        expect([max(a, b), max(b, a), min(a, b), min(b, a)]).toEqual([b, b, a, a]);
      }),
    );
  });

  it("are neither before nor after themselves", () => {
    for (const a of EDGES) {
      expect([lt(a, a), leq(a, a), gt(a, a), geq(a, a)]).toEqual([false, true, false, true]);
    }
  });

  it("lie between two others as unsigned distances say", () => {
    fc.assert(
      fc.property(seq, seq, seq, (x, left, right) => {
        const inside = (x - left) >>> 0 < (right - left) >>> 0;
        expect(between(x, left, right)).toBe(inside);
      }),
    );
  });

  it("are in no empty interval", () => {
    for (const a of EDGES) for (const b of EDGES) expect(between(a, b, b)).toBe(false);
  });
});
