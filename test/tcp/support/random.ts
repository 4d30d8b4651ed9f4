// SPDX-License-Identifier: MIT
// A small seeded generator (mulberry32) for the random tests of this folder.

/** Seeded random numbers. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed | 0;
  }

  /** @returns an int32 */
  int32(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let z = this.#state;
    z = Math.imul(z ^ (z >>> 15), z | 1);
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
    return z ^ (z >>> 14);
  }

  /** @returns a number in [0, 1) */
  fraction(): number {
    return (this.int32() >>> 0) / 2 ** 32;
  }

  /** @returns an integer in [0, limit) */
  below(limit: number): number {
    return Math.floor(this.fraction() * limit);
  }

  /** @returns true with this probability */
  chance(probability: number): boolean {
    return this.fraction() < probability;
  }

  /** @returns one of `items` */
  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T;
  }
}
