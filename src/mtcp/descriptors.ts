// SPDX-License-Identifier: MIT
// The descriptors of one context. A number names its context, the place in the pool, and how often
// that place has been given out, so that one that is not valid any more, or belongs to another
// context, never means somebody else's socket:
//
//   number = context * 2^40 + generation * capacity + place            below 2^53
//
// Contexts are numbered from 1 to 8,191 and then anew; a context gives out 2^40 numbers before the
// first comes back.

import { ENFILE } from "./errno.ts";

/** What a descriptor stands for. */
export interface Descriptor {
  /** Ends it in order as far as that needs no waiting; gone in any case. @returns 0 or -errno */
  close(): number;
  /** Ends it at once: what is connected is reset. */
  drop(): void;
}

const NUMBERS = 2 ** 40;
const CONTEXTS = 2 ** 13 - 1;

let lastContext = 0;
const openContexts: Set<number> = new Set();

/** The pool of a context. */
export class DescriptorTable<D extends Descriptor> {
  readonly capacity: number;
  readonly #context: number;
  readonly #base: number;
  /** By place; null: free. Places that were never given out are not there yet. */
  readonly #held: (D | null)[];
  /** By place: the number it has, or had last. */
  readonly #numbers: number[];
  /** Places that were freed, first in first out: their numbers rest as long as possible. */
  readonly #freed: Int32Array;
  #freedHead: number;
  #freedCount: number;
  #size: number;

  /** @param capacity - most descriptors at once */
  constructor(capacity: number) {
    this.capacity = capacity;
    this.#context = nextContext();
    this.#base = this.#context * NUMBERS;
    this.#held = [];
    this.#numbers = [];
    this.#freed = new Int32Array(capacity);
    this.#freedHead = 0;
    this.#freedCount = 0;
    this.#size = 0;
  }

  /** Descriptors in use. */
  get size(): number {
    return this.#size;
  }

  /** True when none is left. */
  get isFull(): boolean {
    return this.#size === this.capacity;
  }

  /** Gives a descriptor out. @returns its number, or -ENFILE */
  add(descriptor: D): number {
    const place = this.#takePlace();
    if (place < 0) return -ENFILE;
    const before = this.#numbers[place];
    let number = this.#base + place;
    if (before !== undefined && before + this.capacity < this.#base + NUMBERS) {
      number = before + this.capacity;
    }
    this.#numbers[place] = number;
    this.#held[place] = descriptor;
    this.#size++;
    return number;
  }

  /** @returns what a number stands for; null: nothing, or nothing of this context */
  get(number: number): D | null {
    const place = (number - this.#base) % this.capacity;
    return this.#numbers[place] === number ? (this.#held[place] as D | null) : null;
  }

  /** Takes a descriptor back; the number must be valid. */
  remove(number: number): void {
    const place = (number - this.#base) % this.capacity;
    this.#held[place] = null;
    const end = (this.#freedHead + this.#freedCount) % this.capacity;
    this.#freed[end] = place;
    this.#freedCount++;
    this.#size--;
  }

  /** Takes all back. @returns what there was, in the order of places */
  clear(): D[] {
    const all = this.#held.filter((each) => each !== null);
    this.#held.length = 0;
    this.#numbers.length = 0;
    this.#freedCount = 0;
    this.#size = 0;
    openContexts.delete(this.#context);
    return all;
  }

  #takePlace(): number {
    // Those never used come first: that too is first in first out.
    if (this.#held.length < this.capacity) return this.#held.push(null) - 1;
    if (this.#freedCount === 0) return -1;
    const place = this.#freed[this.#freedHead] as number;
    this.#freedHead = (this.#freedHead + 1) % this.capacity;
    this.#freedCount--;
    return place;
  }
}

function nextContext(): number {
  do lastContext = (lastContext % CONTEXTS) + 1;
  while (openContexts.has(lastContext));
  openContexts.add(lastContext);
  return lastContext;
}
