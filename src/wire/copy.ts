// SPDX-License-Identifier: MIT
// Copying bytes from one block of memory to another, as a packet's payload is: short, and many a
// round. What it costs is a view of the source, not the bytes.

/** Views kept of one block, a power of two: several rounds' worth of frames. */
const KEPT_VIEWS = 1_024;

/**
 * Views of one block of memory, such as a driver's frames. Packets of one length come to lie in the
 * same places again and again, and a view that is there costs a tenth of one that is made.
 */
export class Views {
  readonly #block: Uint8Array;
  readonly #views: Uint8Array[];

  /** @param block - the memory of most of what `of` is asked for */
  constructor(block: Uint8Array) {
    this.#block = block;
    this.#views = new Array<Uint8Array>(KEPT_VIEWS).fill(block);
  }

  /**
   * Shows a piece of memory.
   *
   * @param bytes - the block, or other memory, of which nothing is kept
   * @param offset - of the first byte
   * @param length - how many
   * @returns a view of them
   */
  of(bytes: Uint8Array, offset: number, length: number): Uint8Array {
    if (bytes !== this.#block) return bytes.subarray(offset, offset + length);
    // Frames lie in slots: their offsets differ in the upper bits. The factor is that of Fibonacci
    // hashing, which spreads them (Knuth, TAOCP 6.4).
    const place = (Math.imul(offset, 0x9e3779b1) >>> 16) & (KEPT_VIEWS - 1);
    const kept = this.#views[place] as Uint8Array;
    if (kept.length === length && kept.byteOffset - bytes.byteOffset === offset) return kept;
    const view = bytes.subarray(offset, offset + length);
    this.#views[place] = view;
    return view;
  }
}

/** Up to here a loop is faster than making a view for `set` (measured: 45 ns and more a view). */
export const LOOP_BYTES = 48;

/**
 * Copies bytes between blocks of memory, which must not overlap.
 *
 * @param from - where they are
 * @param fromOffset - of the first
 * @param to - has room for them
 * @param toOffset - where the first goes
 * @param length - how many
 */
export function copyBytes(
  from: Uint8Array,
  fromOffset: number,
  to: Uint8Array,
  toOffset: number,
  length: number,
): void {
  if (length <= LOOP_BYTES) copyFew(from, fromOffset | 0, to, toOffset | 0, length | 0);
  // The whole of what a user sends, often: no view is needed.
  else if (length === from.length) to.set(from, toOffset);
  else to.set(from.subarray(fromOffset, fromOffset + length), toOffset);
}

function copyFew(
  from: Uint8Array,
  source: number,
  to: Uint8Array,
  target: number,
  length: number,
): void {
  let i = 0;
  for (const end8 = (length - 8) | 0; i <= end8; i = (i + 8) | 0) {
    const a = (source + i) | 0;
    const b = (target + i) | 0;
    to[b] = from[a] as number;
    to[b + 1] = from[a + 1] as number;
    to[b + 2] = from[a + 2] as number;
    to[b + 3] = from[a + 3] as number;
    to[b + 4] = from[a + 4] as number;
    to[b + 5] = from[a + 5] as number;
    to[b + 6] = from[a + 6] as number;
    to[b + 7] = from[a + 7] as number;
  }
  for (; i < length; i++) to[target + i] = from[source + i] as number;
}
