// SPDX-License-Identifier: MIT
// The flow table: 4-tuple to flow, O(1). The hash is seeded with a secret of the context, so that a
// peer cannot aim at one bucket. It grows by linear hashing (Litwin 1980): each flow that comes
// splits one bucket, so that there is never a pause in which a million flows move.
//
//   bucket:  0 .. split-1   split .. half-1   half .. half+split-1
//            split already  to be split       what was split off

import { type Flow, portsWord } from "./flow.ts";

/** An address as four int32 words, as in `IpAddress`; arriving packets reuse one such object. */
export interface AddressWords {
  readonly w0: number;
  readonly w1: number;
  readonly w2: number;
  readonly w3: number;
}

/** A power of two. */
const INITIAL_BUCKETS = 256;

/** All flows of a context by 4-tuple. */
export class FlowTable {
  readonly #seed: number;
  readonly #buckets: (Flow | null)[];
  /** Buckets before the present turn of splitting: a power of two. */
  #half: number;
  /** The next bucket to split. */
  #split: number;
  #size: number;

  /** @param seed - a secret int32 */
  constructor(seed: number) {
    this.#seed = seed | 0;
    this.#buckets = new Array<Flow | null>(INITIAL_BUCKETS).fill(null);
    this.#half = INITIAL_BUCKETS;
    this.#split = 0;
    this.#size = 0;
  }

  /** Flows in the table. */
  get size(): number {
    return this.#size;
  }

  /** Hashes a 4-tuple seen from here. */
  hash(local: AddressWords, localPort: number, remote: AddressWords, remotePort: number): number {
    // Only the last word of an IPv4-mapped address differs; the others cost three multiplications.
    let h = mix(this.#seed, remote.w3);
    h = mix(h, portsWord(localPort, remotePort));
    h = mix(h, local.w3);
    h = mix(h, remote.w2 ^ local.w2);
    h = mix(h, remote.w1 ^ remote.w0);
    h ^= h >>> 15;
    return h | 0;
  }

  /** @returns the flow, or null */
  find(
    hash: number,
    local: AddressWords,
    localPort: number,
    remote: AddressWords,
    remotePort: number,
  ): Flow | null {
    const ports = portsWord(localPort, remotePort);
    let flow = this.#buckets[this.#bucketOf(hash)] as Flow | null;
    while (flow !== null) {
      if (
        flow.hash === hash &&
        flow.ports === ports &&
        sameAddress(flow.remote, remote) &&
        sameAddress(flow.local, local)
      ) {
        return flow;
      }
      flow = flow.next;
    }
    return null;
  }

  /** Adds a flow whose 4-tuple is not in the table. */
  add(flow: Flow): void {
    if (this.#size >= this.#buckets.length) this.#splitOne();
    const bucket = this.#bucketOf(flow.hash);
    flow.next = this.#buckets[bucket] as Flow | null;
    this.#buckets[bucket] = flow;
    this.#size++;
  }

  /** Removes a flow. @returns false if it was not in the table */
  remove(flow: Flow): boolean {
    const bucket = this.#bucketOf(flow.hash);
    let at = this.#buckets[bucket] as Flow | null;
    if (at === flow) {
      this.#buckets[bucket] = flow.next;
    } else {
      while (at !== null && at.next !== flow) at = at.next;
      if (at === null) return false;
      at.next = flow.next;
    }
    flow.next = null;
    this.#size--;
    return true;
  }

  /** @returns all flows, in bucket order, as a copy that survives changes to the table */
  all(): Flow[] {
    const flows: Flow[] = [];
    for (const head of this.#buckets) {
      for (let flow = head; flow !== null; flow = flow.next) flows.push(flow);
    }
    return flows;
  }

  #bucketOf(hash: number): number {
    const bucket = hash & (this.#half - 1);
    return bucket < this.#split ? hash & (2 * this.#half - 1) : bucket;
  }

  /** Moves what belongs there from one bucket to a new one at the end. */
  #splitOne(): void {
    let kept: Flow | null = null;
    let moved: Flow | null = null;
    let flow = this.#buckets[this.#split] as Flow | null;
    while (flow !== null) {
      const { next }: { next: Flow | null } = flow;
      if ((flow.hash & this.#half) === 0) {
        flow.next = kept;
        kept = flow;
      } else {
        flow.next = moved;
        moved = flow;
      }
      flow = next;
    }
    this.#buckets[this.#split] = kept;
    this.#buckets.push(moved);
    if (++this.#split < this.#half) return;
    this.#half *= 2;
    this.#split = 0;
  }
}

function sameAddress(a: AddressWords, b: AddressWords): boolean {
  return a.w3 === b.w3 && a.w2 === b.w2 && a.w1 === b.w1 && a.w0 === b.w0;
}

/** One step of MurmurHash3 (public domain): enough to spread, the seed keeps it unpredictable. */
function mix(h: number, word: number): number {
  let k = Math.imul(word, 0xcc9e2d51);
  k = (k << 15) | (k >>> 17);
  h ^= Math.imul(k, 0x1b873593);
  h = (h << 13) | (h >>> 19);
  return (Math.imul(h, 5) + 0xe6546b64) | 0;
}
