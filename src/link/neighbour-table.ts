// SPDX-License-Identifier: MIT
// The store behind the neighbour cache: entries found by address, and each on one list, oldest
// first. It knows no time and no rules.

import { MAC_BYTES } from "../wire/ethernet.ts";

/** An address as four int32 words; `IpAddress` is one. */
export interface AddressWords {
  readonly w0: number;
  readonly w1: number;
  readonly w2: number;
  readonly w3: number;
}

/** One next hop. */
export class Neighbour<A extends AddressWords> {
  readonly address: A;
  readonly hash: number;
  /** 6 bytes; means nothing while on the list of incomplete entries. */
  readonly mac: Uint8Array = new Uint8Array(MAC_BYTES);
  /** The list it is on; null once it has left the table. */
  list: NeighbourList<A> | null = null;
  listNext: Neighbour<A> | null = null;
  listPrevious: Neighbour<A> | null = null;
  /** Next entry of the same hash bucket. */
  bucketNext: Neighbour<A> | null = null;
  /** When the address was last confirmed. */
  confirmedMs = 0;
  /** When it was last looked up or asked for. */
  usedMs = 0;
  /** Requests sent since the last confirmation. */
  requests = 0;
  /** When the next request is due, or giving up; Infinity: none. */
  nextRequestMs: number = Number.POSITIVE_INFINITY;
  /** Copies of frames that wait for the address, oldest first. */
  readonly frames: Uint8Array[] = [];

  constructor(address: A, hash: number) {
    this.address = address;
    this.hash = hash;
  }
}

/** A doubly linked list of entries, oldest first. */
export class NeighbourList<A extends AddressWords> {
  #oldest: Neighbour<A> | null = null;
  #newest: Neighbour<A> | null = null;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get oldest(): Neighbour<A> | null {
    return this.#oldest;
  }

  /** Appends an entry, taking it from the list it was on. O(1). */
  push(entry: Neighbour<A>): void {
    if (entry === this.#newest) return;
    entry.list?.remove(entry);
    entry.list = this;
    entry.listPrevious = this.#newest;
    if (this.#newest === null) this.#oldest = entry;
    else this.#newest.listNext = entry;
    this.#newest = entry;
    this.#size++;
  }

  /** Takes an entry off, which must be on this list. O(1). */
  remove(entry: Neighbour<A>): void {
    const { listNext, listPrevious } = entry;
    if (listPrevious === null) this.#oldest = listNext;
    else listPrevious.listNext = listNext;
    if (listNext === null) this.#newest = listPrevious;
    else listNext.listPrevious = listPrevious;
    entry.listNext = null;
    entry.listPrevious = null;
    entry.list = null;
    this.#size--;
  }
}

/** Entries by address: a hash table with chains, its hash under a seed that a flood cannot know. */
export class NeighbourTable<A extends AddressWords> {
  readonly #buckets: (Neighbour<A> | null)[];
  readonly #mask: number;
  readonly #seed: number;
  #size = 0;

  /**
   * @param capacity - entries to make buckets for; not a limit
   * @param seed - any int32
   */
  constructor(capacity: number, seed: number) {
    let buckets = 1;
    while (buckets < capacity) buckets *= 2;
    this.#buckets = new Array<Neighbour<A> | null>(buckets).fill(null);
    this.#mask = buckets - 1;
    this.#seed = seed | 0;
  }

  get size(): number {
    return this.#size;
  }

  /** @returns the entry, or null */
  find(address: A): Neighbour<A> | null {
    const { w0, w1, w2, w3 } = address;
    let entry = this.#buckets[this.#hashOf(address) & this.#mask] as Neighbour<A> | null;
    while (entry !== null) {
      const key = entry.address;
      if (key.w3 === w3 && key.w2 === w2 && key.w1 === w1 && key.w0 === w0) return entry;
      entry = entry.bucketNext;
    }
    return null;
  }

  /** Makes an entry for an address that has none. It is on no list yet. */
  add(address: A): Neighbour<A> {
    const entry = new Neighbour(address, this.#hashOf(address));
    const bucket = entry.hash & this.#mask;
    entry.bucketNext = this.#buckets[bucket] as Neighbour<A> | null;
    this.#buckets[bucket] = entry;
    this.#size++;
    return entry;
  }

  /** Removes an entry of this table, also from its list. */
  remove(entry: Neighbour<A>): void {
    entry.list?.remove(entry);
    const bucket = entry.hash & this.#mask;
    let other = this.#buckets[bucket] as Neighbour<A> | null;
    if (other === entry) {
      this.#buckets[bucket] = entry.bucketNext;
    } else {
      while (other !== null && other.bucketNext !== entry) other = other.bucketNext;
      if (other !== null) other.bucketNext = entry.bucketNext;
    }
    entry.bucketNext = null;
    this.#size--;
  }

  /** The finalizer of MurmurHash3 over the words. */
  #hashOf(address: A): number {
    let h = this.#seed ^ address.w3;
    h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
    h ^= Math.imul(address.w2, 0x9e3779b1) ^ address.w1;
    h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
    h ^= Math.imul(address.w0, 0x9e3779b1);
    return h ^ (h >>> 16);
  }
}
