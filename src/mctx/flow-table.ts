// SPDX-License-Identifier: MIT
// The flow table: 4-tuple to flow, O(1), chained buckets that double as flows come. The hash is
// seeded with a secret of the context, so that a peer cannot aim at one bucket.

import type { Flow } from "./flow.ts";

/** An address as four int32 words, as in `IpAddress`; arriving packets reuse one such object. */
export interface AddressWords {
  readonly w0: number;
  readonly w1: number;
  readonly w2: number;
  readonly w3: number;
}

const INITIAL_BUCKETS = 256;

/** All flows of a context by 4-tuple. */
export class FlowTable {
  readonly #seed: number;
  #buckets: (Flow | null)[];
  #size: number;

  /** @param seed - a secret int32 */
  constructor(seed: number) {
    this.#seed = seed | 0;
    this.#buckets = new Array<Flow | null>(INITIAL_BUCKETS).fill(null);
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
    h = mix(h, (remotePort << 16) | localPort);
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
    let flow = this.#buckets[hash & (this.#buckets.length - 1)] as Flow | null;
    while (flow !== null) {
      if (
        flow.hash === hash &&
        flow.remotePort === remotePort &&
        flow.localPort === localPort &&
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
    if (this.#size >= this.#buckets.length) this.#grow();
    const bucket = flow.hash & (this.#buckets.length - 1);
    flow.next = this.#buckets[bucket] as Flow | null;
    this.#buckets[bucket] = flow;
    this.#size++;
  }

  /** Removes a flow. @returns false if it was not in the table */
  remove(flow: Flow): boolean {
    const bucket = flow.hash & (this.#buckets.length - 1);
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

  #grow(): void {
    const flows = this.all();
    const buckets = new Array<Flow | null>(this.#buckets.length * 2).fill(null);
    for (const flow of flows) {
      const bucket = flow.hash & (buckets.length - 1);
      flow.next = buckets[bucket] as Flow | null;
      buckets[bucket] = flow;
    }
    this.#buckets = buckets;
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
