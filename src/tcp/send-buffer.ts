// SPDX-License-Identifier: MIT
// The bytes a connection has taken from its user and that the peer has not acknowledged yet.
//
//   SND.UNA                 SND.NXT
//      v                       v
//      [ sent, may be resent ][ not sent yet ]. . . space . . .
//      |<---------------- length ----------->|
//
// The TCB knows where SND.NXT is; to the buffer all held bytes are alike.

import { ByteRing } from "./byte-ring.ts";

/** Bytes from the user until they are acknowledged. */
export class SendBuffer {
  readonly #ring: ByteRing;
  #length = 0;

  /** @param limitBytes - most bytes held, a positive integer */
  constructor(limitBytes: number) {
    this.#ring = new ByteRing(limitBytes);
  }

  /** Most bytes held. */
  get limitBytes(): number {
    return this.#ring.limitBytes;
  }

  /** Bytes held: written and not dropped. */
  get length(): number {
    return this.#length;
  }

  /** Bytes that `write` would take. */
  get space(): number {
    return this.#ring.limitBytes - this.#length;
  }

  /** Bytes of memory behind it now. */
  get memoryBytes(): number {
    return this.#ring.memoryBytes;
  }

  /**
   * Takes bytes from the user, as many as there is space for.
   *
   * @param bytes - copied; the caller may reuse them
   * @returns bytes taken, 0 if it is full
   */
  write(bytes: Uint8Array, offset: number, length: number): number {
    const taken = Math.min(length, this.space);
    if (taken <= 0) return 0;
    this.#ring.put(this.#length, bytes, offset, taken, this.#length);
    this.#length += taken;
    return taken;
  }

  /** Room behind what is held, at most `space`. @returns a view for the user to fill */
  reserve(length: number): Uint8Array {
    return this.#ring.room(this.#length, length);
  }

  /** Takes the first bytes of what `reserve` gave out last; nothing was called in between. */
  commit(length: number): void {
    this.#length += length;
  }

  /**
   * Copies bytes into a segment.
   *
   * @param at - first byte, 0 is the one at SND.UNA; `at + length` is at most `this.length`
   */
  copyTo(at: number, into: Uint8Array, intoOffset: number, length: number): void {
    this.#ring.get(at, into, intoOffset, length);
  }

  /** Drops acknowledged bytes from the front, at most `this.length`. */
  drop(count: number): void {
    this.#length -= count;
    if (this.#length === 0) this.#ring.emptied();
    else this.#ring.advance(count);
  }

  /** Gives memory back if nothing is held. For connections that have been idle for a while. */
  trim(): void {
    if (this.#length === 0) this.#ring.release();
  }

  /** Drops everything and gives the memory back. */
  clear(): void {
    this.#length = 0;
    this.#ring.release();
  }
}
