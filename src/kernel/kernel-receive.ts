// SPDX-License-Identifier: MIT
// What a connection over the kernel has received and nobody has taken: a piece of the memory shared
// with the addon, good until the next crossing, and behind it what was kept from earlier ones.

import { ByteRing } from "../tcp/byte-ring.ts";
import { copyBytes } from "../wire/copy.ts";
import type { SharedSockets } from "./native-sockets.ts";

/** The received bytes of one connection. */
export class KernelReceive {
  readonly limitBytes: number;
  readonly #shared: SharedSockets;
  /** In shared memory: younger than what is kept. */
  #viewOffset = 0;
  #viewLength = 0;
  readonly #kept: ByteRing;
  #keptLength = 0;

  constructor(shared: SharedSockets, limitBytes: number) {
    this.#shared = shared;
    this.limitBytes = limitBytes;
    this.#kept = new ByteRing(limitBytes);
  }

  /** Bytes that can be taken. */
  get length(): number {
    return this.#keptLength + this.#viewLength;
  }

  /** Bytes that the next crossing may bring, once what is in shared memory has been kept. */
  get room(): number {
    return this.limitBytes - this.#keptLength;
  }

  /** Bytes have come, and lie in shared memory; there is at most one such piece in a round. */
  arrived(offset: number, length: number): void {
    if (this.#viewLength > 0) this.keep();
    this.#viewOffset = offset;
    this.#viewLength = length;
  }

  /** Takes bytes, oldest first. @returns how many */
  take(into: Uint8Array, offset: number, length: number): number {
    let taken = 0;
    if (this.#keptLength > 0) {
      taken = Math.min(length, this.#keptLength);
      this.#kept.get(0, into, offset, taken);
      this.#passKept(taken);
    }
    const count = Math.min(length - taken, this.#viewLength);
    if (count > 0) {
      this.#copyView(into, offset + taken, count);
      this.#viewOffset += count;
      this.#viewLength -= count;
    }
    return taken + count;
  }

  /** Bytes that `view` shows. */
  get viewedBytes(): number {
    return this.#keptLength > 0 ? this.#kept.frontBytes(this.#keptLength) : this.#viewLength;
  }

  /** Bytes that lie in one piece, from the oldest on. @returns good until the next crossing */
  view(): Uint8Array {
    if (this.#keptLength > 0) return this.#kept.front(this.#keptLength);
    return this.#shared.rx.subarray(this.#viewOffset, this.#viewOffset + this.#viewLength);
  }

  /** Takes bytes that `view` shows. */
  consume(count: number): void {
    if (this.#keptLength > 0) return this.#passKept(count);
    this.#viewOffset += count;
    this.#viewLength -= count;
  }

  /** Copies bytes and leaves them there. @returns how many */
  peek(into: Uint8Array, offset: number, length: number): number {
    const kept = Math.min(length, this.#keptLength);
    this.#kept.get(0, into, offset, kept);
    const count = Math.min(length - kept, this.#viewLength);
    this.#copyView(into, offset + kept, count);
    return kept + count;
  }

  /** Shared memory is about to be overwritten. @returns true if there was something to keep */
  keep(): boolean {
    const length = this.#viewLength;
    if (length === 0) return false;
    this.#kept.put(this.#keptLength, this.#shared.rx, this.#viewOffset, length, this.#keptLength);
    this.#keptLength += length;
    this.#viewLength = 0;
    return true;
  }

  /** Drops everything, and gives the memory back. */
  clear(): void {
    this.#viewLength = 0;
    this.#keptLength = 0;
    this.#kept.release();
  }

  #passKept(count: number): void {
    this.#keptLength -= count;
    if (this.#keptLength === 0) this.#kept.emptied();
    else this.#kept.advance(count);
  }

  #copyView(into: Uint8Array, offset: number, count: number): void {
    copyBytes(this.#shared.rx, this.#viewOffset, into, offset, count);
  }
}
