// SPDX-License-Identifier: MIT
// What has arrived and was not read yet: in-order bytes, and beyond them what came too early
// (RFC 9293 SHLD-31). Early bytes lie in the ring where they will belong, so that a filled gap
// costs no copy; only the edges of their ranges are noted.
//
//   front          RCV.NXT
//     v               v
//     [ in order      ][ gap ][ early ][ gap ][ early ]
//     |<- available ->|<----------- window ----------------->|
//     |<------------------- limitBytes --------------------->|
//
// Bounded in bytes by the window and in ranges by MAX_EARLY_RANGES (hostile-input E4): a segment
// that would need one range more is dropped, and will be sent again. Where early segments overlap
// with different content, the one that came last counts.

import { ByteRing } from "./byte-ring.ts";

/** Most separate ranges of early bytes. Linux under memory pressure keeps fewer. */
export const MAX_EARLY_RANGES = 64;
const FIRST_RANGES = 8;
const NO_RANGES = new Int32Array(0);

/** Bytes from the peer until they are read. */
export class ReceiveBuffer {
  readonly #ring: ByteRing;
  #available = 0;
  /** Pairs of start and end, relative to RCV.NXT, ascending, disjoint and not touching. */
  #ranges: Int32Array = NO_RANGES;
  #rangeCount = 0;

  /** @param limitBytes - most bytes held, early ones included; a positive integer */
  constructor(limitBytes: number) {
    this.#ring = new ByteRing(limitBytes);
  }

  /** Most bytes held. */
  get limitBytes(): number {
    return this.#ring.limitBytes;
  }

  /** In-order bytes that can be read. */
  get available(): number {
    return this.#available;
  }

  /** Bytes after RCV.NXT that there is room for; early bytes do not count against it. */
  get window(): number {
    return this.#ring.limitBytes - this.#available;
  }

  /** True while early bytes wait for a gap to be filled. */
  get hasGaps(): boolean {
    return this.#rangeCount !== 0;
  }

  /** Separate ranges of early bytes. */
  get earlyRanges(): number {
    return this.#rangeCount;
  }

  /** Early bytes held. */
  get earlyBytes(): number {
    let total = 0;
    for (let i = 0; i < this.#rangeCount; i++) total += this.#end(i) - this.#start(i);
    return total;
  }

  /** Bytes of memory behind it now. */
  get memoryBytes(): number {
    return this.#ring.memoryBytes + this.#ranges.byteLength;
  }

  /**
   * Takes the payload of a segment. What lies beyond the window is left out.
   *
   * @param relOffset - distance of the first byte from RCV.NXT, at least 0
   * @param bytes - copied
   * @returns by how many bytes RCV.NXT advances; 0 for early bytes, kept or not
   */
  insert(relOffset: number, bytes: Uint8Array, offset: number, length: number): number {
    const count = Math.min(length, this.window - relOffset);
    if (count <= 0) return 0;
    if (this.#rangeCount === 0 && relOffset === 0) {
      this.#ring.put(this.#available, bytes, offset, count, this.#available);
      this.#available += count;
      return count;
    }
    return this.#insertWithGaps(relOffset, bytes, offset, count);
  }

  /**
   * Moves in-order bytes to the reader.
   *
   * @returns bytes copied, at most `length`; 0 if none are there
   */
  read(into: Uint8Array, offset: number, length: number): number {
    const count = Math.min(length, this.#available);
    if (count <= 0) return 0;
    this.#ring.get(0, into, offset, count);
    this.consume(count);
    return count;
  }

  /** Copies in-order bytes and keeps them. @returns bytes copied, at most `length` */
  peek(into: Uint8Array, offset: number, length: number): number {
    const count = Math.min(length, this.#available);
    this.#ring.get(0, into, offset, count);
    return count;
  }

  /** In-order bytes that lie in one piece, from the oldest on. */
  get viewedBytes(): number {
    return this.#ring.frontBytes(this.#available);
  }

  /** Those bytes where they lie. @returns a view, good until the buffer is touched */
  view(): Uint8Array {
    return this.#ring.front(this.#available);
  }

  /** Drops in-order bytes from the front, at most `available`. */
  consume(count: number): void {
    this.#available -= count;
    if (this.#available === 0 && this.#rangeCount === 0) this.#ring.emptied();
    else this.#ring.advance(count);
  }

  /** Drops the in-order bytes that are there now. Early ones stay: their gap may be filled. */
  discard(): void {
    if (this.#available !== 0) this.consume(this.#available);
  }

  /** Gives memory back if nothing is held. For connections that have been idle for a while. */
  trim(): void {
    if (this.#available !== 0 || this.#rangeCount !== 0) return;
    this.#ring.release();
    this.#ranges = NO_RANGES;
  }

  /** Drops everything, early bytes too, and gives the memory back. */
  clear(): void {
    this.#available = 0;
    this.#rangeCount = 0;
    this.trim();
  }

  #insertWithGaps(relOffset: number, bytes: Uint8Array, offset: number, count: number): number {
    const heldBytes = this.#available + this.#earlyEnd();
    // In-order bytes always get a range: it is gone again below.
    const limit = relOffset === 0 ? MAX_EARLY_RANGES + 1 : MAX_EARLY_RANGES;
    if (!this.#addRange(relOffset, relOffset + count, limit)) return 0;
    this.#ring.put(this.#available + relOffset, bytes, offset, count, heldBytes);
    if (this.#start(0) !== 0) return 0;
    const advance = this.#end(0);
    this.#removeRanges(0, 1);
    for (let i = 0; i < this.#rangeCount * 2; i++) (this.#ranges[i] as number) -= advance;
    this.#available += advance;
    return advance;
  }

  #start(index: number): number {
    return this.#ranges[index * 2] as number;
  }

  #end(index: number): number {
    return this.#ranges[index * 2 + 1] as number;
  }

  /** Where the last early byte ends, relative to RCV.NXT; 0 without any. */
  #earlyEnd(): number {
    return this.#rangeCount === 0 ? 0 : this.#end(this.#rangeCount - 1);
  }

  /** Adds a range, joined with those it overlaps or touches. @returns false: too many ranges */
  #addRange(start: number, end: number, limit: number): boolean {
    const first = this.#firstEndingAtOrAfter(start);
    let last = first;
    while (last < this.#rangeCount && this.#start(last) <= end) last++;
    if (first === last) {
      if (this.#rangeCount >= limit) return false;
      this.#openSlot(first);
      this.#ranges[first * 2] = start;
      this.#ranges[first * 2 + 1] = end;
      return true;
    }
    this.#ranges[first * 2] = Math.min(start, this.#start(first));
    this.#ranges[first * 2 + 1] = Math.max(end, this.#end(last - 1));
    this.#removeRanges(first + 1, last);
    return true;
  }

  #firstEndingAtOrAfter(start: number): number {
    let low = 0;
    let high = this.#rangeCount;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#end(middle) < start) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #openSlot(index: number): void {
    if (this.#rangeCount * 2 === this.#ranges.length) {
      const wanted = Math.max(FIRST_RANGES, this.#rangeCount * 2);
      const ranges = new Int32Array(Math.min(wanted, MAX_EARLY_RANGES + 1) * 2);
      ranges.set(this.#ranges);
      this.#ranges = ranges;
    }
    this.#ranges.copyWithin((index + 1) * 2, index * 2, this.#rangeCount * 2);
    this.#rangeCount++;
  }

  #removeRanges(from: number, to: number): void {
    if (from === to) return;
    this.#ranges.copyWithin(from * 2, to * 2, this.#rangeCount * 2);
    this.#rangeCount -= to - from;
  }
}
