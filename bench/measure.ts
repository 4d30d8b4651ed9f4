// SPDX-License-Identifier: MIT
// How the suites of small functions measure.

/** Results end here, so that the engine cannot leave the work out. */
let sink = 0;

/**
 * Measures a function that takes nanoseconds to microseconds.
 *
 * @param isQuick - fewer and shorter rounds, for a test
 * @param once - does the work for call `i` and returns a number that depends on it
 * @returns median over several rounds, after a warm-up, of the nanoseconds of one call
 */
export function measureNs(isQuick: boolean, once: (i: number) => number): number {
  const calls = isQuick ? 20_000 : 200_000;
  const rounds = isQuick ? 7 : 21;
  const samples: number[] = [];
  for (let round = -3; round < rounds; round++) {
    const start = process.hrtime.bigint();
    for (let i = 0; i < calls; i++) sink = (sink + once(i)) | 0;
    const ns = Number(process.hrtime.bigint() - start) / calls;
    if (round >= 0) samples.push(ns);
  }
  samples.sort((a, b) => a - b);
  return samples[samples.length >> 1] as number;
}
