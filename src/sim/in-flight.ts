// SPDX-License-Identifier: MIT
// The frames under way in a simulated network: their memory, which is pooled so that a frame costs
// no allocation, and the agenda that says which of them arrives next. Equal times arrive in the
// order in which they were put on the agenda (R4).

/** Where a frame goes when its time has come. */
export interface Arrival {
  /** Takes the frame; the agenda takes its memory back afterwards. */
  arrive(frame: InFlight, nowMs: number): void;
}

/** Smallest frame memory, in bytes; larger ones double. A multiple of 16 (see TraceHash). */
const SMALLEST_BYTES = 128;
/** Deliveries in one call, so that two hosts answering each other at once cannot hold the loop. */
const DELIVERIES_PER_CALL = 65_536;

/** One frame under way. */
export class InFlight {
  /** Memory for the frame, `length` bytes of it used. The rest of the last 16-byte block is 0. */
  readonly bytes: Uint8Array;
  /** The same memory as words. */
  readonly words: Int32Array;
  readonly sizeClass: number;
  length = 0;
  dueMs = 0;
  /** Breaks ties between equal times. Counts for ever; exact up to 2^53. */
  order = 0;
  to: Arrival | null = null;
  nextFree: InFlight | null = null;

  constructor(sizeClass: number) {
    this.sizeClass = sizeClass;
    this.bytes = new Uint8Array(SMALLEST_BYTES << sizeClass);
    this.words = new Int32Array(this.bytes.buffer);
  }

  /** Copies a frame in; it must fit. */
  fill(bytes: Uint8Array, offset: number, length: number): void {
    const own = this.bytes;
    if (length <= SMALLEST_BYTES) {
      for (let i = 0; i < length; i++) own[i] = bytes[offset + i] as number;
    } else {
      own.set(bytes.subarray(offset, offset + length));
    }
    for (let i = length; (i & 15) !== 0; i++) own[i] = 0;
    this.length = length;
  }
}

/** A pool of frames and a binary heap of those under way, by time and order. */
export class Agenda {
  private readonly heap: InFlight[] = [];
  private readonly free: (InFlight | null)[] = [];
  private readonly limit: number;
  private taken = 0;
  private orders = 0;

  /** @param limit - Most frames under way at once; beyond it `take` says null. */
  constructor(limit: number) {
    this.limit = limit;
  }

  /** Frames waiting for their time. */
  get size(): number {
    return this.heap.length;
  }

  /** When the next frame arrives, in ms; Infinity when none is under way. */
  nextMs(): number {
    const first = this.heap[0];
    return first === undefined ? Number.POSITIVE_INFINITY : first.dueMs;
  }

  /** Takes memory for a frame of this length and copies it in; null at the limit. */
  take(bytes: Uint8Array, offset: number, length: number): InFlight | null {
    if (this.taken >= this.limit) return null;
    let sizeClass = 0;
    while (SMALLEST_BYTES << sizeClass < length) sizeClass++;
    let frame = this.free[sizeClass] ?? null;
    if (frame === null) {
      while (this.free.length <= sizeClass) this.free.push(null);
      frame = new InFlight(sizeClass);
    } else {
      this.free[sizeClass] = frame.nextFree;
      frame.nextFree = null;
    }
    this.taken++;
    frame.fill(bytes, offset, length);
    return frame;
  }

  /** Gives the memory of a frame back that is not on the agenda. */
  release(frame: InFlight): void {
    frame.to = null;
    frame.nextFree = this.free[frame.sizeClass] ?? null;
    this.free[frame.sizeClass] = frame;
    this.taken--;
  }

  /** Puts a frame on the agenda. */
  push(frame: InFlight, dueMs: number, to: Arrival): void {
    frame.dueMs = dueMs;
    frame.order = this.orders++;
    frame.to = to;
    const heap = this.heap;
    let at = heap.length;
    heap.push(frame);
    while (at > 0) {
      const parentAt = (at - 1) >> 1;
      const parent = heap[parentAt] as InFlight;
      if (!isBefore(frame, parent)) break;
      heap[at] = parent;
      at = parentAt;
    }
    heap[at] = frame;
  }

  /** Delivers every frame that is due, those sent meanwhile for the same time too. */
  advance(nowMs: number): number {
    let delivered = 0;
    while (delivered < DELIVERIES_PER_CALL && this.nextMs() <= nowMs) {
      const frame = this.pop();
      (frame.to as Arrival).arrive(frame, nowMs);
      this.release(frame);
      delivered++;
    }
    return delivered;
  }

  /** Takes everything off the agenda without delivering it. */
  clear(): void {
    for (const frame of this.heap) this.release(frame);
    this.heap.length = 0;
  }

  private pop(): InFlight {
    const heap = this.heap;
    const first = heap[0] as InFlight;
    const last = heap.pop() as InFlight;
    const size = heap.length;
    if (size === 0) return first;
    let at = 0;
    for (;;) {
      let childAt = 2 * at + 1;
      if (childAt >= size) break;
      let child = heap[childAt] as InFlight;
      if (childAt + 1 < size) {
        const right = heap[childAt + 1] as InFlight;
        if (isBefore(right, child)) {
          child = right;
          childAt++;
        }
      }
      if (!isBefore(child, last)) break;
      heap[at] = child;
      at = childAt;
    }
    heap[at] = last;
    return first;
  }
}

function isBefore(a: InFlight, b: InFlight): boolean {
  return a.dueMs < b.dueMs || (a.dueMs === b.dueMs && a.order < b.order);
}
