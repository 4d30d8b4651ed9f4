// SPDX-License-Identifier: MIT
// What a round wants the kernel to do: sends and shutdowns, in the memory shared with the addon,
// which does them all in the one crossing of the next round (R6).

import {
  CONTROL_SUBMITTED,
  type SharedSockets,
  SUBMISSION_FIELDS,
  SUBMISSION_ID,
  SUBMISSION_LENGTH,
  SUBMISSION_OFFSET,
  SUBMISSION_OP,
} from "./native-sockets.ts";

/** Whoever has submitted something is told what became of it. */
export interface Submitter {
  /**
   * Must submit nothing: the memory still belongs to the round that has ended.
   *
   * @param result - bytes taken, or -errno
   */
  submitted(op: number, offset: number, length: number, result: number, nowMs: number): void;
}

/** The submissions of one round. */
export class Submissions {
  readonly #shared: SharedSockets;
  readonly #submitters: (Submitter | null)[];
  readonly #lengths: Int32Array;
  readonly #onFirst: () => void;
  #count = 0;
  #used = 0;
  /** Send memory up to here has been lent. */
  #lent = 0;

  /** @param onFirst - told of the first of a round */
  constructor(shared: SharedSockets, onFirst: () => void) {
    this.#shared = shared;
    this.#onFirst = onFirst;
    this.#submitters = new Array<Submitter | null>(shared.maxSubmissions).fill(null);
    this.#lengths = new Int32Array(shared.maxSubmissions);
  }

  /** Submissions that wait for the next crossing. */
  get count(): number {
    return this.#count;
  }

  /** Bytes of send memory that are free in this round; 0 too when no submission fits. */
  get room(): number {
    return this.#count >= this.#lengths.length ? 0 : this.#shared.tx.length - this.#used;
  }

  /**
   * As `room`, for memory that is lent until the round ends: a quarter of all never is, so that a
   * datagram of any size can go at once.
   */
  get lendableRoom(): number {
    return Math.max(0, this.room - (this.#shared.tx.length >> 2));
  }

  /** Lends send memory; there must be room. @returns its offset in `tx` */
  lend(length: number): number {
    const at = this.take(length);
    this.#lent = this.#used;
    return at;
  }

  /** Takes send memory; there must be room. @returns its offset in `tx` */
  take(length: number): number {
    const at = this.#used;
    // The next one begins on a word boundary: datagrams have a header of words.
    this.#used = Math.min(this.#shared.tx.length, (at + length + 3) & ~3);
    return at;
  }

  /** Adds one. @returns false: there are too many; try again in the next round */
  add(submitter: Submitter, id: number, op: number, offset: number, length: number): boolean {
    const index = this.#count;
    if (index >= this.#lengths.length) return false;
    const { submissions, control } = this.#shared;
    const at = index * SUBMISSION_FIELDS;
    submissions[at + SUBMISSION_ID] = id;
    submissions[at + SUBMISSION_OP] = op;
    submissions[at + SUBMISSION_OFFSET] = offset;
    submissions[at + SUBMISSION_LENGTH] = length;
    this.#lengths[index] = length;
    this.#submitters[index] = submitter;
    this.#count = index + 1;
    control[CONTROL_SUBMITTED] = this.#count;
    if (index === 0) this.#onFirst();
    return true;
  }

  /** Once they are done: tells everyone, in order. @returns how many there were */
  settle(nowMs: number): number {
    const count = this.#count;
    const { submissions } = this.#shared;
    for (let i = 0; i < count; i++) {
      const at = i * SUBMISSION_FIELDS;
      const submitter = this.#submitters[i] as Submitter;
      this.#submitters[i] = null;
      submitter.submitted(
        submissions[at + SUBMISSION_OP] as number,
        submissions[at + SUBMISSION_OFFSET] as number,
        this.#lengths[i] as number,
        submissions[at + SUBMISSION_LENGTH] as number,
        nowMs,
      );
    }
    this.#count = 0;
    this.#used = this.#lent;
    return count;
  }

  /** The round is over: what has been lent is ours again. Comes after `settle`. */
  takeBack(): void {
    this.#lent = 0;
    this.#used = 0;
  }
}
