// SPDX-License-Identifier: MIT
// SipHash-2-4 (Aumasson, Bernstein 2012) with a 128-bit key, on 32-bit halves: the keyed function
// behind initial sequence numbers (RFC 6528), ephemeral ports (RFC 6056) and timestamp offsets
// (RFC 7323 §5.4). Messages are whole 32-bit words, little-endian, as those callers have them.

/** A keyed pseudo-random function from 32-bit words to 64 bits. */
export class SipHash {
  readonly #key: Int32Array;
  readonly #v: Int32Array;
  /** Low 32 bits of the last digest. */
  low: number;
  /** High 32 bits of the last digest. */
  high: number;

  /** @param key - 16 secret bytes; copied */
  constructor(key: Uint8Array) {
    const view = new DataView(key.buffer, key.byteOffset, key.byteLength);
    this.#key = Int32Array.of(
      view.getInt32(0, true),
      view.getInt32(4, true),
      view.getInt32(8, true),
      view.getInt32(12, true),
    );
    this.#v = new Int32Array(8);
    this.low = 0;
    this.high = 0;
  }

  /**
   * Digests `count` words of `words`; the result is in `low` and `high`.
   *
   * @returns `low`
   */
  digest(words: Int32Array, count: number): number {
    const v = this.#v;
    const k = this.#key;
    const k0 = k[0] as number;
    const k1 = k[1] as number;
    const k2 = k[2] as number;
    const k3 = k[3] as number;
    v[0] = k0 ^ 0x70736575;
    v[1] = k1 ^ 0x736f6d65;
    v[2] = k2 ^ 0x6e646f6d;
    v[3] = k3 ^ 0x646f7261;
    v[4] = k0 ^ 0x6e657261;
    v[5] = k1 ^ 0x6c796765;
    v[6] = k2 ^ 0x79746573;
    v[7] = k3 ^ 0x74656462;
    const pairs = count >> 1;
    for (let i = 0; i < pairs; i++) {
      absorb(v, words[2 * i] as number, words[2 * i + 1] as number);
    }
    // The last block: what is left, and the length in bytes in its top byte.
    absorb(v, (count & 1) !== 0 ? (words[count - 1] as number) : 0, (count << 2) << 24);
    v[4] = (v[4] as number) ^ 0xff;
    for (let i = 0; i < 4; i++) round(v);
    this.low = (v[0] as number) ^ (v[2] as number) ^ (v[4] as number) ^ (v[6] as number);
    this.high = (v[1] as number) ^ (v[3] as number) ^ (v[5] as number) ^ (v[7] as number);
    return this.low;
  }
}

function absorb(v: Int32Array, low: number, high: number): void {
  v[6] = (v[6] as number) ^ low;
  v[7] = (v[7] as number) ^ high;
  round(v);
  round(v);
  v[0] = (v[0] as number) ^ low;
  v[1] = (v[1] as number) ^ high;
}

/** v[a] += v[b] on 64 bits. */
function add(v: Int32Array, a: number, b: number): void {
  const low = ((v[a] as number) >>> 0) + ((v[b] as number) >>> 0);
  v[a] = low;
  v[a + 1] = (v[a + 1] as number) + (v[b + 1] as number) + (low > 0xffffffff ? 1 : 0);
}

/** v[b] = rotate(v[b], bits) ^ v[a], 0 < bits < 32. */
function rotateXor(v: Int32Array, b: number, bits: number, a: number): void {
  const low = v[b] as number;
  const high = v[b + 1] as number;
  v[b] = ((low << bits) | (high >>> (32 - bits))) ^ (v[a] as number);
  v[b + 1] = ((high << bits) | (low >>> (32 - bits))) ^ (v[a + 1] as number);
}

/** v[a] = rotate(v[a], 32). */
function swap(v: Int32Array, a: number): void {
  const low = v[a] as number;
  v[a] = v[a + 1] as number;
  v[a + 1] = low;
}

function round(v: Int32Array): void {
  add(v, 0, 2);
  rotateXor(v, 2, 13, 0);
  swap(v, 0);
  add(v, 4, 6);
  rotateXor(v, 6, 16, 4);
  add(v, 0, 6);
  rotateXor(v, 6, 21, 0);
  add(v, 4, 2);
  rotateXor(v, 2, 17, 4);
  swap(v, 4);
}
