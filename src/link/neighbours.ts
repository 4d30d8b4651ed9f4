// SPDX-License-Identifier: MIT
// The neighbour cache: which MAC address a next hop has (RFC 1122 §2.3.2, RFC 826). One for all
// families: it knows addresses as four words, and asks its host to send the requests.
//
//   enqueue              learn           looked up, not confirmed for reachableMs
//   -------> incomplete -------> known ---------------------------------------------> probed
//                |                 ^                                                 |     |
//                | no answer       +---------------------- learn --------------------+     |
//                v                                                              no answer  v
//           failed, gone                                                         failed, gone
//
// A probed entry is still used. One that nobody looks up stays until its room is needed: it holds
// no timer, and is confirmed before it is trusted again.
//
// Hostile neighbours (hostile-input A5): entries made because somebody asked us are the first to
// make room, then unanswered requests; a peer that we send to is the last. Such entries never
// displace another kind. Requests go out at most once in retryMs per target.
//
// The host is called back from `onTimeout` and `learn` only, never while it looks up an address
// in the middle of writing a frame.

import {
  type AddressWords,
  type Neighbour,
  NeighbourList,
  NeighbourTable,
} from "./neighbour-table.ts";

export type { AddressWords } from "./neighbour-table.ts";

/** What the cache asks of the stack around it. */
export interface NeighbourHost<A extends AddressWords> {
  /**
   * Sends a request for the MAC address of `address`.
   *
   * @param mac - where to: the address that is to be confirmed, or null for everybody
   */
  requestNeighbour(address: A, mac: Uint8Array | null): void;
  /** Nobody answered for `address`: connections to it get EHOSTUNREACH. */
  neighbourFailed(address: A): void;
  /** Sends a frame that was kept until now; its Ethernet header is unset, `frame` is the host's. */
  sendHeldFrame(address: A, mac: Uint8Array, frame: Uint8Array): void;
}

/** The bounds of a cache. */
export interface NeighbourLimits {
  /** Entries of all kinds. */
  readonly maxEntries: number;
  /** Entries without an answer yet; beyond it the oldest of them makes room. */
  readonly maxIncomplete: number;
  /** Frames kept per entry; beyond it the oldest makes room (RFC 1122 §2.3.2.2). */
  readonly maxQueuedFrames: number;
  /** Bytes of frames kept over all entries; beyond it new ones are dropped. */
  readonly maxQueuedBytes: number;
  /** Requests without an answer before giving up. */
  readonly maxRequests: number;
  /** Time between requests to one target, at least 1,000 (RFC 1122 §2.3.2.1). */
  readonly retryMs: number;
  /** Age at which an entry in use is confirmed again and an unused one goes. */
  readonly reachableMs: number;
}

/** What a cache is bounded by when nothing else is asked for. */
export const DEFAULT_NEIGHBOUR_LIMITS: NeighbourLimits = {
  maxEntries: 1_024,
  maxIncomplete: 256,
  maxQueuedFrames: 512,
  maxQueuedBytes: 262_144,
  maxRequests: 3,
  retryMs: 1_000,
  reachableMs: 60_000,
};

/** Counters of a cache. All only grow. */
export interface NeighbourStatistics {
  readonly requests: number;
  readonly failures: number;
  /** Entries that made room for others. */
  readonly evictions: number;
  /** Senders not learnt because every entry was in use. */
  readonly refusals: number;
  /** Frames dropped: too many waited, or nobody answered. */
  readonly droppedFrames: number;
}

/** MAC addresses of next hops, and the frames that wait for one. */
export class NeighbourCache<A extends AddressWords> {
  readonly #host: NeighbourHost<A>;
  readonly #limits: NeighbourLimits;
  readonly #table: NeighbourTable<A>;
  /** Asked for, and no answer yet. */
  readonly #incomplete: NeighbourList<A> = new NeighbourList();
  /** Known because they asked us; we have not sent to them. */
  readonly #idle: NeighbourList<A> = new NeighbourList();
  /** Known, and we send to them; least recently looked up first. */
  readonly #used: NeighbourList<A> = new NeighbourList();
  #nextMs: number = Number.POSITIVE_INFINITY;
  #queuedBytes = 0;
  #requests = 0;
  #failures = 0;
  #evictions = 0;
  #refusals = 0;
  #droppedFrames = 0;

  /**
   * @param limits - those that differ from DEFAULT_NEIGHBOUR_LIMITS
   * @param hashSeed - int32 that the outside does not know
   */
  constructor(host: NeighbourHost<A>, limits: Partial<NeighbourLimits> = {}, hashSeed = 0) {
    this.#host = host;
    this.#limits = { ...DEFAULT_NEIGHBOUR_LIMITS, ...limits };
    this.#table = new NeighbourTable(this.#limits.maxEntries, hashSeed);
  }

  /** Entries held, those without an answer included. */
  get size(): number {
    return this.#table.size;
  }

  /** Bytes of frames that wait. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /**
   * Finds the MAC address of a next hop. Makes no entry: for that there is `enqueue`.
   *
   * @returns 6 bytes that belong to the cache, or null if they are not known
   */
  lookup(address: A, nowMs: number): Uint8Array | null {
    const entry = this.#table.find(address);
    if (entry === null || entry.list === this.#incomplete) return null;
    this.#used.push(entry);
    entry.usedMs = nowMs;
    if (
      nowMs - entry.confirmedMs >= this.#limits.reachableMs &&
      entry.nextRequestMs === Number.POSITIVE_INFINITY
    ) {
      this.#requestAt(entry, nowMs);
    }
    return entry.mac;
  }

  /**
   * Keeps a copy of a frame until its next hop is known, and sees to the request.
   *
   * @param frame - memory that holds the frame; it may be reused afterwards
   * @returns false if the frame was dropped instead
   */
  enqueue(address: A, frame: Uint8Array, offset: number, length: number, nowMs: number): boolean {
    const entry = this.#resolve(address, nowMs);
    if (entry.list !== this.#incomplete || this.#limits.maxQueuedFrames === 0) {
      this.#droppedFrames++;
      return false;
    }
    if (entry.frames.length >= this.#limits.maxQueuedFrames) {
      this.#queuedBytes -= (entry.frames.shift() as Uint8Array).length;
      this.#droppedFrames++;
    }
    if (this.#queuedBytes + length > this.#limits.maxQueuedBytes) {
      this.#droppedFrames++;
      return false;
    }
    entry.frames.push(frame.slice(offset, offset + length));
    this.#queuedBytes += length;
    return true;
  }

  /** Asks for the MAC address of a next hop ahead of the first frame to it. */
  resolve(address: A, nowMs: number): void {
    this.#resolve(address, nowMs);
  }

  /**
   * Takes the MAC address that a neighbour told, and sends the frames that waited for it.
   *
   * @param mac - 6 bytes, copied
   * @param mayCreate - make an entry if there is none; refused when only entries that are in use
   *   could make room
   * @returns whether the cache knows the address now
   */
  learn(address: A, mac: Uint8Array, mayCreate: boolean, nowMs: number): boolean {
    let entry = this.#table.find(address);
    if (entry === null) {
      if (!mayCreate) return false;
      if (!this.#makeRoomForIdle(nowMs)) {
        this.#refusals++;
        return false;
      }
      entry = this.#table.add(address);
      this.#idle.push(entry);
    }
    entry.mac.set(mac);
    entry.confirmedMs = nowMs;
    entry.requests = 0;
    entry.nextRequestMs = Number.POSITIVE_INFINITY;
    if (entry.list === this.#incomplete) {
      this.#used.push(entry);
      for (const frame of this.#takeFrames(entry)) {
        this.#host.sendHeldFrame(entry.address, entry.mac, frame);
      }
    }
    return true;
  }

  /** When `onTimeout` wants to be called, ms; Infinity: not at all. */
  nextTimeout(): number {
    return this.#nextMs;
  }

  /** Sends the requests that are due and gives up on those that had no answer. */
  onTimeout(nowMs: number): void {
    if (nowMs < this.#nextMs) return;
    this.#nextMs = Number.POSITIVE_INFINITY;
    // The host may call back into the cache: first collect, then act on what is still there.
    const due: Neighbour<A>[] = [];
    this.#collectDue(this.#incomplete, nowMs, due);
    this.#collectDue(this.#used, nowMs, due);
    for (const entry of due) if (entry.list !== null) this.#request(entry, nowMs);
  }

  /** Forgets everything; frames that wait are dropped, nobody is told. */
  clear(): void {
    for (const list of [this.#incomplete, this.#idle, this.#used]) {
      while (list.oldest !== null) this.#remove(list.oldest);
    }
    this.#nextMs = Number.POSITIVE_INFINITY;
  }

  /** @returns a snapshot of the counters */
  statistics(): NeighbourStatistics {
    return {
      requests: this.#requests,
      failures: this.#failures,
      evictions: this.#evictions,
      refusals: this.#refusals,
      droppedFrames: this.#droppedFrames,
    };
  }

  #resolve(address: A, nowMs: number): Neighbour<A> {
    let entry = this.#table.find(address);
    if (entry === null) {
      this.#makeRoomForIncomplete();
      entry = this.#table.add(address);
      this.#incomplete.push(entry);
      this.#requestAt(entry, nowMs);
    }
    entry.usedMs = nowMs;
    return entry;
  }

  #makeRoomForIncomplete(): void {
    const { maxEntries, maxIncomplete } = this.#limits;
    if (this.#incomplete.size >= maxIncomplete) {
      this.#evict(this.#incomplete.oldest);
    } else if (this.#table.size >= maxEntries) {
      this.#evict(this.#idle.oldest ?? this.#incomplete.oldest ?? this.#used.oldest);
    }
  }

  /** @returns false if every entry is in use */
  #makeRoomForIdle(nowMs: number): boolean {
    if (this.#table.size < this.#limits.maxEntries) return true;
    if (this.#idle.oldest !== null) return this.#evict(this.#idle.oldest);
    const used = this.#used.oldest;
    if (used === null || nowMs - used.usedMs < this.#limits.reachableMs) return false;
    return this.#evict(used);
  }

  #evict(entry: Neighbour<A> | null): boolean {
    if (entry === null) return false;
    this.#evictions++;
    this.#remove(entry);
    return true;
  }

  #remove(entry: Neighbour<A>): void {
    this.#droppedFrames += this.#takeFrames(entry).length;
    this.#table.remove(entry);
  }

  #takeFrames(entry: Neighbour<A>): Uint8Array[] {
    const frames = entry.frames.splice(0);
    for (const frame of frames) this.#queuedBytes -= frame.length;
    return frames;
  }

  #requestAt(entry: Neighbour<A>, whenMs: number): void {
    entry.nextRequestMs = whenMs;
    if (whenMs < this.#nextMs) this.#nextMs = whenMs;
  }

  #collectDue(list: NeighbourList<A>, nowMs: number, due: Neighbour<A>[]): void {
    for (let entry = list.oldest; entry !== null; entry = entry.listNext) {
      if (entry.nextRequestMs <= nowMs) due.push(entry);
      else if (entry.nextRequestMs < this.#nextMs) this.#nextMs = entry.nextRequestMs;
    }
  }

  #request(entry: Neighbour<A>, nowMs: number): void {
    if (entry.nextRequestMs > nowMs) return;
    if (entry.requests >= this.#limits.maxRequests) {
      this.#failures++;
      this.#remove(entry);
      this.#host.neighbourFailed(entry.address);
      return;
    }
    entry.requests++;
    this.#requests++;
    this.#requestAt(entry, nowMs + this.#limits.retryMs);
    // RFC 1122 §2.3.2.1 (2): what is believed is confirmed by a request to it alone.
    this.#host.requestNeighbour(entry.address, entry.list === this.#incomplete ? null : entry.mac);
  }
}
