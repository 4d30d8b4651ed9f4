// SPDX-License-Identifier: MIT
// What a connection over the kernel has to send and the kernel has not taken: pieces submitted
// straight from the user, in memory shared with the addon, and a backlog behind them for as long as
// the kernel takes no more.

import { ByteRing } from "../tcp/byte-ring.ts";
import { EAGAIN, ENOBUFS, ENOMEM } from "./errno.ts";
import { OP_SEND, type SharedSockets } from "./native-sockets.ts";
import type { Submissions, Submitter } from "./submissions.ts";

const NONE = -1;

/** The unsent bytes of one connection. */
export class KernelSend {
  readonly limitBytes: number;
  /** The kernel takes no bytes now. */
  isBlocked = false;
  readonly #submitter: Submitter;
  readonly #id: number;
  readonly #submissions: Submissions;
  readonly #shared: SharedSockets;
  /** Bytes submitted straight from the user, and from the front of the backlog. */
  #direct = 0;
  #fromBacklog = 0;
  /** Of the bytes submitted straight from the user, those the kernel left in this crossing. */
  #leftOver = 0;
  readonly #backlog: ByteRing;
  #backlogLength = 0;
  /** The kernel had no memory in this crossing, and so has not tried what came behind. */
  #isStarved = false;
  /** Where in shared memory the room lies that was given out last; NONE: in the backlog. */
  #reservedAt = NONE;

  /** @param submitter - told of what becomes of each piece, to be passed on to `settled` */
  constructor(
    submitter: Submitter,
    id: number,
    submissions: Submissions,
    shared: SharedSockets,
    limitBytes: number,
  ) {
    this.#submitter = submitter;
    this.#id = id;
    this.#submissions = submissions;
    this.#shared = shared;
    this.limitBytes = limitBytes;
    this.#backlog = new ByteRing(limitBytes);
  }

  /** Bytes that the kernel has not taken yet. */
  get length(): number {
    return this.#backlogLength + this.#direct;
  }

  /** Bytes that wait for a `flush`. */
  get backlogLength(): number {
    return this.#backlogLength;
  }

  /**
   * Takes bytes, for which there is room.
   *
   * @param isOpen - the kernel may be given some at once
   * @returns true if some wait for a `flush`
   */
  put(bytes: Uint8Array, offset: number, length: number, isOpen: boolean): boolean {
    const direct = this.#mayGive(isOpen) ? this.#putDirect(bytes, offset, length) : 0;
    const rest = length - direct;
    if (rest === 0) return false;
    this.#backlog.put(this.#backlogLength, bytes, offset + direct, rest, this.#backlogLength);
    this.#backlogLength += rest;
    return true;
  }

  /** Gives out room, of which there is enough. @returns a view of this round */
  reserve(length: number, isOpen: boolean): Uint8Array {
    if (this.#mayGive(isOpen) && this.#submissions.lendableRoom >= length) {
      const at = this.#submissions.lend(length);
      this.#reservedAt = at;
      return this.#shared.tx.subarray(at, at + length);
    }
    this.#reservedAt = NONE;
    return this.#backlog.room(this.#backlogLength, length);
  }

  /**
   * Takes the first bytes of the room that was given out last; nothing was put in between.
   *
   * @returns true if they wait for a `flush`
   */
  commit(length: number): boolean {
    const at = this.#reservedAt;
    if (at === NONE) {
      this.#backlogLength += length;
      return true;
    }
    if (length === 0) return false;
    if (!this.#submissions.add(this.#submitter, this.#id, OP_SEND, at, length)) {
      // Others have submitted too much meanwhile.
      this.#backlog.put(0, this.#shared.tx, at, length, 0);
      this.#backlogLength = length;
      return true;
    }
    this.#direct += length;
    return false;
  }

  /** Submits from the backlog if the kernel may take some. @returns false: try in the next round */
  flush(): boolean {
    if (this.#backlogLength === 0 || this.#fromBacklog !== 0 || this.isBlocked) return true;
    const count = Math.min(this.#backlogLength, this.#submissions.room);
    if (count <= 0) return false;
    const at = this.#submissions.take(count);
    this.#backlog.get(0, this.#shared.tx, at, count);
    this.#submissions.add(this.#submitter, this.#id, OP_SEND, at, count);
    this.#fromBacklog = count;
    return true;
  }

  /** What became of a piece. @param result - bytes taken, or -errno @returns false: it failed */
  settled(offset: number, length: number, result: number): boolean {
    const taken = Math.max(0, result);
    // No room in the socket, or no memory in the kernel: a matter of time.
    const isAlive = result >= 0 || result === EAGAIN || result === ENOBUFS || result === ENOMEM;
    // What came straight from the user was submitted before anything from the backlog.
    if (this.#direct > 0) {
      this.#direct -= length;
      if (taken < length && isAlive) this.#putBack(offset + taken, length - taken);
      if (this.#direct === 0) this.#leftOver = 0;
    } else {
      this.#fromBacklog = 0;
      this.#backlogLength -= taken;
      if (this.#backlogLength === 0) this.#backlog.emptied();
      else this.#backlog.advance(taken);
    }
    if (!isAlive) return false;
    // Of memory nothing tells: it is asked for again in every round.
    if (result < 0 && result !== EAGAIN) this.#isStarved = true;
    if (taken < length) this.isBlocked = !this.#isStarved;
    if (this.#direct === 0 && this.#fromBacklog === 0) this.#isStarved = false;
    return true;
  }

  /** Drops everything, and gives the memory back. */
  clear(): void {
    this.#backlog.release();
    this.#backlogLength = 0;
    this.#fromBacklog = 0;
    this.#direct = 0;
    this.#leftOver = 0;
  }

  #mayGive(isOpen: boolean): boolean {
    return isOpen && this.#backlogLength === 0 && !this.isBlocked;
  }

  #putDirect(bytes: Uint8Array, offset: number, length: number): number {
    const count = Math.min(length, this.#submissions.room);
    if (count <= 0) return 0;
    const at = this.#submissions.take(count);
    const isWhole = offset === 0 && count === bytes.length;
    this.#shared.tx.set(isWhole ? bytes : bytes.subarray(offset, offset + count), at);
    this.#submissions.add(this.#submitter, this.#id, OP_SEND, at, count);
    this.#direct += count;
    return count;
  }

  /** Bytes that the kernel has left come first, in the order in which they were submitted. */
  #putBack(offset: number, length: number): void {
    const at = this.#leftOver;
    const later = new Uint8Array(this.#backlogLength - at);
    this.#backlog.get(at, later, 0, later.length);
    this.#backlog.put(at, this.#shared.tx, offset, length, at);
    this.#backlog.put(at + length, later, 0, later.length, at + length);
    this.#backlogLength += length;
    this.#leftOver = at + length;
  }
}
