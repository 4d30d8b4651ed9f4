// SPDX-License-Identifier: MIT
// Seeded randomness for simulations: sfc32 (Chris Doty-Humphrey, PractRand), 128 bits of state,
// about 2 ns a draw, all in int32. A generator can be forked by label: the child depends on the
// parent's key and the label alone, never on how much the parent has drawn, so adding a host or
// a link to a simulation does not change what the others see. Not for secrets.

import { integerIn, numberIn, wrong } from "./check.ts";

const ROUNDS_TO_WARM_UP = 15;
const TWO_TO_32 = 4294967296;
const TWO_TO_53 = 9007199254740992;
const TWO_TO_26 = 67108864;

/**
 * A seeded pseudo-random generator whose forks are independent of the order of use.
 *
 * @example
 * ```ts
 * import { Random } from "caraway/testing";
 * const random = new Random(42);
 * const forLink = random.fork("link a-b");
 * if (forLink.chance(0.01)) console.log("lost");
 * ```
 */
export class Random {
  private readonly key: Int32Array;
  private a: number;
  private b: number;
  private c: number;
  private d: number;

  /**
   * @param seed - An integer or a string; `42` and `"42"` are the same seed.
   * @throws NetError EINVAL: `seed` is neither a safe integer nor a string.
   */
  constructor(seed: number | string) {
    if (typeof seed !== "string" && !Number.isSafeInteger(seed)) {
      throw wrong("random", "seed", "must be an integer or a string", seed);
    }
    this.key = new Int32Array([1779033703, -1150833019, 1013904242, -1521486534]);
    mixText(this.key, String(seed));
    this.a = this.b = this.c = this.d = 0;
    this.rewind();
  }

  /** Starts again from the beginning of the sequence. */
  rewind(): void {
    this.a = this.key[0] as number;
    this.b = this.key[1] as number;
    this.c = this.key[2] as number;
    this.d = this.key[3] as number;
    for (let i = 0; i < ROUNDS_TO_WARM_UP; i++) this.uint32();
  }

  /**
   * Makes the generator of this name under this one. The same label gives the same generator,
   * whatever has been drawn in between.
   *
   * @param label - any text or number
   * @returns a generator of its own
   */
  fork(label: string | number): Random {
    const child = new Random(0);
    child.key.set(this.key);
    mixText(child.key, `/${label}`);
    child.rewind();
    return child;
  }

  /**
   * Draws an integer from 0 to 2^32 - 1.
   *
   * @returns the integer
   */
  uint32(): number {
    const t = (this.a + this.b + this.d) | 0;
    this.d = (this.d + 1) | 0;
    this.a = this.b ^ (this.b >>> 9);
    this.b = (this.c + (this.c << 3)) | 0;
    this.c = (((this.c << 21) | (this.c >>> 11)) + t) | 0;
    return t >>> 0;
  }

  /**
   * Draws a number from [0, 1) with 53 random bits.
   *
   * @returns the number
   */
  float(): number {
    const high = this.uint32() >>> 5;
    return (high * TWO_TO_26 + (this.uint32() >>> 6)) / TWO_TO_53;
  }

  /**
   * Draws an integer from 0 to `limit - 1`. The bias of the multiplication is below `limit / 2^32`.
   *
   * @param limit - 1 to 2^32
   * @returns the integer
   * @throws NetError EINVAL: `limit` is not an integer from 1 to 2^32.
   */
  below(limit: number): number {
    integerIn("random", "limit", limit, 1, TWO_TO_32);
    return Math.floor((this.uint32() * limit) / TWO_TO_32);
  }

  /**
   * Draws an integer from `low` to `high`, both included.
   *
   * @param low - smallest result
   * @param high - largest result
   * @returns the integer
   * @throws NetError EINVAL: no integers, or `high` is less than `low`.
   */
  between(low: number, high: number): number {
    integerIn("random", "low", low, -TWO_TO_32, TWO_TO_32);
    integerIn("random", "high", high, low, low + TWO_TO_32 - 1);
    return low + this.below(high - low + 1);
  }

  /**
   * Says true with this probability.
   *
   * @param probability - 0 never, 1 always
   * @returns true or false
   * @throws NetError EINVAL: `probability` is not between 0 and 1.
   */
  chance(probability: number): boolean {
    numberIn("random", "probability", probability, 0, 1);
    return this.float() < probability;
  }

  /**
   * Picks one element.
   *
   * @param items - what to pick from
   * @returns one of them
   * @throws NetError EINVAL: `items` is empty.
   */
  pick<T>(items: readonly T[]): T {
    if (items.length === 0) throw wrong("random", "items", "must not be empty", items);
    return items[this.below(items.length)] as T;
  }

  /**
   * Shuffles an array in place (Fisher-Yates) and returns it.
   *
   * @param items - changed in place
   * @returns the same array
   */
  shuffle<T>(items: T[]): T[] {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      const held = items[i] as T;
      items[i] = items[j] as T;
      items[j] = held;
    }
    return items;
  }

  /**
   * Fills `bytes` with random bytes and returns it.
   *
   * @param bytes - written to
   * @returns the same array
   */
  fill(bytes: Uint8Array): Uint8Array {
    for (let i = 0; i < bytes.length; i += 4) {
      const word = this.uint32();
      bytes[i] = word;
      if (i + 1 < bytes.length) bytes[i + 1] = word >>> 8;
      if (i + 2 < bytes.length) bytes[i + 2] = word >>> 16;
      if (i + 3 < bytes.length) bytes[i + 3] = word >>> 24;
    }
    return bytes;
  }

  /**
   * Makes `length` random bytes.
   *
   * @param length - how many
   * @returns a new array
   */
  bytes(length: number): Uint8Array {
    return this.fill(new Uint8Array(integerIn("random", "length", length, 0, TWO_TO_32)));
  }
}

// cyrb128 (public domain, bryc): mixes text into four words. Only has to spread labels.
function mixText(key: Int32Array, text: string): void {
  let h1 = key[0] as number;
  let h2 = key[1] as number;
  let h3 = key[2] as number;
  let h4 = key[3] as number;
  for (let i = 0; i < text.length; i++) {
    const k = text.charCodeAt(i);
    h1 = h2 ^ Math.imul(h1 ^ k, 597399067);
    h2 = h3 ^ Math.imul(h2 ^ k, -1425107063);
    h3 = h4 ^ Math.imul(h3 ^ k, 951274213);
    h4 = h1 ^ Math.imul(h4 ^ k, -1578923117);
  }
  h1 = Math.imul(h3 ^ (h1 >>> 18), 597399067);
  h2 = Math.imul(h4 ^ (h2 >>> 22), -1425107063);
  h3 = Math.imul(h1 ^ (h3 >>> 17), 951274213);
  h4 = Math.imul(h2 ^ (h4 >>> 19), -1578923117);
  h1 ^= h2 ^ h3 ^ h4;
  key[0] = h1;
  key[1] = h2 ^ h1;
  key[2] = h3 ^ h1;
  key[3] = h4 ^ h1;
}
