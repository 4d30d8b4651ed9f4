// SPDX-License-Identifier: MIT
// How the suites of small functions measure.

import type { Pace } from "./pace.ts";

const CALLS = 200_000;
const WARM_UP_ROUNDS = 3;
const ROUNDS_PER_TURN = 4;

/** Results end here, so that the engine cannot leave the work out. */
let sink = 0;

/**
 * Measures a function that takes nanoseconds to microseconds.
 *
 * @param pace - how many rounds, and how long they are
 * @param once - does the work for call `i` and returns a number that depends on it
 * @returns nanoseconds of one call, round by round, after a warm-up
 */
export function measureNs(pace: Pace, once: (i: number) => number): number[] {
  const calls = Math.max(100, CALLS * pace.share);
  const samples: number[] = [];
  for (let round = -WARM_UP_ROUNDS; round < pace.turns * ROUNDS_PER_TURN; round++) {
    const start = process.hrtime.bigint();
    for (let i = 0; i < calls; i++) sink = (sink + once(i)) | 0;
    const ns = Number(process.hrtime.bigint() - start) / calls;
    if (round >= 0) samples.push(ns);
  }
  return samples;
}
