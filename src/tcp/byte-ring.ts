// SPDX-License-Identifier: MIT
// Bytes addressed by their distance from a moving front, in memory that grows from nothing up to
// a limit. The send and the receive buffer are both one of these and some numbers.
//
//             head = memory index of byte 0
//               v
//   [ 7 8 9 . . 0 1 2 3 4 5 6 ]        capacity 12, bytes 0 to 9 in use

import { copyBytes, LOOP_BYTES } from "../wire/copy.ts";

/** First allocation, in bytes: a small request and its answer. */
const FIRST_CAPACITY_BYTES = 512;
/** Memory up to this size is kept by an empty ring until `release`. */
const KEPT_CAPACITY_BYTES = 4096;
/** Every so often that a ring runs empty it asks whether its memory is too large. */
const EMPTIES_PER_REVIEW = 16;
/** Memory more than this many times what was in use since the last review is given back. */
const REVIEW_SLACK = 4;

/** First memories that wait for a ring; more than these are left to the collector. */
const MAX_SPARE = 256;

const NO_MEMORY = new Uint8Array(0);

/**
 * First memories that rings have given back. Each is a few hundred bytes outside of the heap: what
 * it costs to make and to collect is a tenth of a short connection's life.
 */
const spare: Uint8Array[] = [];

/** A ring of bytes whose memory follows what it holds. */
export class ByteRing {
  /** Most bytes it can be asked to hold. */
  readonly limitBytes: number;
  #memory: Uint8Array = NO_MEMORY;
  #capacity = 0;
  #head = 0;
  #peak = 0;
  #empties = 0;
  /** The piece that was read last, and where it starts; -1: none. */
  #lastPiece: Uint8Array = NO_MEMORY;
  #pieceStart = -1;
  /** Somebody was shown the memory itself, and may look at it when it is void. */
  #isShown = false;

  /** @param limitBytes - a positive integer */
  constructor(limitBytes: number) {
    this.limitBytes = limitBytes;
  }

  /** Bytes of memory held now. */
  get memoryBytes(): number {
    return this.#capacity;
  }

  /**
   * Copies bytes in so that the first becomes byte `at`.
   *
   * @param at - 0 is the front; `at + length` is at most `limitBytes`
   * @param heldBytes - bytes from the front on that must survive when the memory moves
   */
  put(at: number, bytes: Uint8Array, offset: number, length: number, heldBytes: number): void {
    const end = at + length;
    if (end > this.#capacity) this.#grow(end, heldBytes);
    if (end > this.#peak) this.#peak = end;
    const start = this.#index(at);
    const first = Math.min(length, this.#capacity - start);
    copyBytes(bytes, offset, this.#memory, start, first);
    if (first < length) copyBytes(bytes, offset + first, this.#memory, 0, length - first);
  }

  /** Copies `length` bytes out, from byte `at` on; they must be there. */
  get(at: number, into: Uint8Array, intoOffset: number, length: number): void {
    if (length === 0) return;
    const start = this.#index(at);
    const first = Math.min(length, this.#capacity - start);
    if (first <= LOOP_BYTES) copyBytes(this.#memory, start, into, intoOffset, first);
    else into.set(this.#piece(start, first), intoOffset);
    if (first < length) copyBytes(this.#memory, 0, into, intoOffset + first, length - first);
  }

  /** How many of `length` bytes in use lie in one piece from the front on. */
  frontBytes(length: number): number {
    return Math.min(length, this.#capacity - this.#head);
  }

  /** The same bytes as they lie here. @returns a view, good until the ring is touched */
  front(length: number): Uint8Array {
    this.#isShown = true;
    return this.#memory.subarray(this.#head, this.#head + this.frontBytes(length));
  }

  /**
   * Makes room for bytes in one piece, from byte `at` on; all before it survive.
   *
   * @param at - 0 is the front; `at + length` is at most `limitBytes`
   * @returns a view for the caller to fill, good until the ring is touched
   */
  room(at: number, length: number): Uint8Array {
    const end = at + length;
    if (end > this.#capacity || this.#index(at) + length > this.#capacity) this.#grow(end, at);
    if (end > this.#peak) this.#peak = end;
    this.#isShown = true;
    const start = this.#index(at);
    return this.#memory.subarray(start, start + length);
  }

  /** Moves the front by `count` bytes, at most those in use. */
  advance(count: number): void {
    if (this.#capacity !== 0) this.#head = this.#index(count);
  }

  /** Tells the ring that it holds nothing: it may start over and give memory back. */
  emptied(): void {
    this.#head = 0;
    if (this.#capacity <= KEPT_CAPACITY_BYTES || ++this.#empties < EMPTIES_PER_REVIEW) return;
    if (this.#peak * REVIEW_SLACK < this.#capacity) this.release();
    this.#peak = 0;
    this.#empties = 0;
  }

  /** Gives all memory back. The content is lost. */
  release(): void {
    this.#take(NO_MEMORY);
    this.#peak = 0;
    this.#empties = 0;
  }

  /** A piece of the memory: messages of one length lie in the same place again and again. */
  #piece(start: number, length: number): Uint8Array {
    if (this.#pieceStart === start && this.#lastPiece.length === length) return this.#lastPiece;
    const piece = this.#memory.subarray(start, start + length);
    this.#lastPiece = piece;
    this.#pieceStart = start;
    return piece;
  }

  #index(at: number): number {
    const index = this.#head + at;
    return index >= this.#capacity ? index - this.#capacity : index;
  }

  #grow(neededBytes: number, heldBytes: number): void {
    let capacity = Math.max(this.#capacity, FIRST_CAPACITY_BYTES);
    while (capacity < neededBytes) capacity *= 2;
    if (capacity > this.limitBytes) capacity = this.limitBytes;
    const isFirst = capacity === FIRST_CAPACITY_BYTES;
    const memory = (isFirst ? spare.pop() : undefined) ?? new Uint8Array(capacity);
    this.get(0, memory, 0, heldBytes);
    this.#take(memory);
  }

  /** Goes on in `memory`, whose first byte is the front. */
  #take(memory: Uint8Array): void {
    const isSpare = this.#capacity === FIRST_CAPACITY_BYTES && !this.#isShown;
    if (isSpare && spare.length < MAX_SPARE) spare.push(this.#memory);
    this.#memory = memory;
    this.#capacity = memory.length;
    this.#head = 0;
    this.#isShown = false;
    // A piece of the old memory would keep all of that alive.
    this.#lastPiece = NO_MEMORY;
    this.#pieceStart = -1;
  }
}
