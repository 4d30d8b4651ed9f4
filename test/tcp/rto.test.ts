// SPDX-License-Identifier: MIT
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RtoEstimator } from "../../src/tcp/rto.ts";

const CONFIG = { rtoInitialMs: 1_000, rtoMinMs: 200, rtoMaxMs: 60_000, granularityMs: 1 };

describe("the retransmission timeout (RFC 6298)", () => {
  it("starts at 1 s (2.1)", () => {
    expect(new RtoEstimator(CONFIG).rtoMs).toBe(1_000);
  });

  it("takes the first sample R as SRTT = R, RTTVAR = R/2 (2.2)", () => {
    const rto = new RtoEstimator(CONFIG);
    rto.sample(400);
    expect([rto.srttMs, rto.rttvarMs, rto.rtoMs]).toEqual([400, 200, 1_200]);
  });

  it("takes later samples with RTTVAR before SRTT (2.3)", () => {
    const rto = new RtoEstimator(CONFIG);
    rto.sample(400);
    rto.sample(800);
    // RTTVAR = 3/4 * 200 + 1/4 * |400 - 800|, SRTT = 7/8 * 400 + 1/8 * 800
    expect([rto.srttMs, rto.rttvarMs, rto.rtoMs]).toEqual([450, 250, 1_450]);
  });

  it("adds at least the clock granularity (2.3), and has a floor (2.4) and a ceiling (2.5)", () => {
    const rto = new RtoEstimator({ ...CONFIG, rtoMinMs: 0, granularityMs: 10 });
    for (let i = 0; i < 200; i++) rto.sample(50);
    expect(rto.rtoMs).toBeCloseTo(60, 6);
    const floor = new RtoEstimator(CONFIG);
    floor.sample(1);
    expect(floor.rtoMs).toBe(200);
    const ceiling = new RtoEstimator(CONFIG);
    ceiling.sample(59_000);
    expect(ceiling.rtoMs).toBe(60_000);
  });

  it("doubles up to the ceiling (5.5), and returns with the next sample", () => {
    const rto = new RtoEstimator(CONFIG);
    const seen: number[] = [];
    for (let i = 0; i < 8; i++) {
      rto.backOff();
      seen.push(rto.rtoMs);
    }
    expect(seen).toEqual([2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000]);
    rto.sample(100);
    expect(rto.rtoMs).toBe(300);
    rto.backOff();
    rto.resetBackOff();
    expect(rto.rtoMs).toBe(300);
  });

  it("returns to the initial timeout if there never was a sample", () => {
    const rto = new RtoEstimator(CONFIG);
    rto.backOff();
    rto.resetBackOff();
    expect(rto.rtoMs).toBe(1_000);
  });

  it("is 3 s for the first data after a lost SYN, unless the RTT is known (5.7)", () => {
    const rto = new RtoEstimator(CONFIG);
    rto.afterLostSyn();
    expect(rto.rtoMs).toBe(3_000);
    rto.sample(100);
    rto.afterLostSyn();
    expect(rto.rtoMs).toBe(300);
  });

  it("refuses samples that cannot be (hostile-input D11)", () => {
    const rto = new RtoEstimator(CONFIG);
    rto.sample(100);
    for (const bad of [-1, -2_147_483_648, Number.NaN, Number.POSITIVE_INFINITY, 60_001, 2 ** 31]) {
      expect(rto.sample(bad)).toBe(false);
    }
    expect([rto.srttMs, rto.rtoMs]).toEqual([100, 300]);
  });

  it("gives several samples a round trip the weight of one (RFC 7323 appendix G)", () => {
    const one = new RtoEstimator(CONFIG);
    const many = new RtoEstimator(CONFIG);
    one.sample(100);
    many.sample(100);
    one.sample(200);
    for (let i = 0; i < 10; i++) many.sample(200, 10);
    expect(many.srttMs).toBeGreaterThan(109);
    expect(many.srttMs).toBeLessThanOrEqual(one.srttMs + 0.001);
  });

  it("stays between floor and ceiling, whatever is measured", () => {
    const step = fc.oneof(fc.double({ min: -10, max: 1e6 }), fc.constant("back off"));
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        const rto = new RtoEstimator(CONFIG);
        for (const value of steps) {
          if (typeof value === "number") rto.sample(value);
          else rto.backOff();
          expect(rto.rtoMs).toBeGreaterThanOrEqual(200);
          expect(rto.rtoMs).toBeLessThanOrEqual(60_000);
        }
      }),
    );
  });
});
