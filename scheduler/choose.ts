// SPDX-License-Identifier: MIT
// `choose`: the first of several waits that is ready, in array order. It parks each clause in its
// own queue with itself as the owner; the first hand-over takes the others out of theirs.

import { NetError } from "./net-error.ts";
import { PENDING, READY, Wait, type WaitOwner, type WaitQueue } from "./wait.ts";

const ETIMEDOUT = -110;

/** What `choose` returns: which clause, and its value. */
export interface Choice<T> {
  /** Index into the clauses. */
  readonly index: number;
  readonly value: T;
}

class ChooseWait<T> extends Wait<Choice<T>> implements WaitOwner {
  readonly clauses: readonly Wait<T>[];
  /** Index of the clause that has come true or failed, -1 for none. */
  chosen: number;
  outcome: number;

  constructor(clauses: readonly Wait<T>[], deadline?: number) {
    super("choose", deadline);
    this.clauses = clauses;
    this.chosen = -1;
    this.outcome = PENDING;
  }

  override reset(): void {
    this.chosen = -1;
    this.outcome = PENDING;
    for (const clause of this.clauses) clause.reset();
  }

  override get wakeAtMs(): number {
    let at = Number.POSITIVE_INFINITY;
    for (const clause of this.clauses) {
      at = Math.min(at, clause.wakeAtMs);
      if (clause.deadlineMs >= 0) at = Math.min(at, clause.deadlineMs);
    }
    return at;
  }

  override poll(nowMs: number): number {
    if (this.chosen < 0) this.#pollClauses(nowMs);
    return this.chosen < 0 ? PENDING : this.outcome;
  }

  override queue(): WaitQueue | null {
    return null;
  }

  override park(owner: WaitOwner): void {
    this.owner = owner;
    for (const clause of this.clauses) clause.park(this);
  }

  override unpark(): void {
    this.owner = null;
    for (const clause of this.clauses) clause.unpark();
  }

  /** WaitOwner of the clauses. */
  wake(clause: Wait<unknown>): void {
    const { owner } = this;
    if (this.chosen < 0 && (clause as { isHanded?: boolean }).isHanded === true) {
      // A value is ours now: no other clause may be handed one.
      this.chosen = this.clauses.indexOf(clause as Wait<T>);
      this.outcome = READY;
      for (const other of this.clauses) other.unpark();
    }
    owner?.wake(this);
  }

  override take(): Choice<T> {
    const clause = this.clauses[this.chosen] as Wait<T>;
    this.#withdrawOthers();
    return { index: this.chosen, value: clause.take() };
  }

  override withdrawn(errno: number): void {
    const failed = this.chosen;
    for (let i = 0; i < this.clauses.length; i++) {
      (this.clauses[i] as Wait<T>).withdrawn(i === failed || failed < 0 ? errno : 0);
    }
  }

  override error(errno: number): Error {
    if (this.chosen < 0) return super.error(errno);
    const error = (this.clauses[this.chosen] as Wait<T>).error(errno);
    return Object.assign(error, { clause: this.chosen });
  }

  #pollClauses(nowMs: number): void {
    // Out of the queues first: two clauses of one choose must not meet each other there.
    for (const clause of this.clauses) clause.unpark();
    for (let i = 0; i < this.clauses.length; i++) {
      const clause = this.clauses[i] as Wait<T>;
      let outcome = clause.poll(nowMs);
      if (outcome === PENDING && clause.deadlineMs >= 0 && clause.deadlineMs <= nowMs) {
        outcome = ETIMEDOUT;
      }
      if (outcome !== PENDING) {
        this.chosen = i;
        this.outcome = outcome;
        return;
      }
    }
  }

  #withdrawOthers(): void {
    for (let i = 0; i < this.clauses.length; i++) {
      if (i !== this.chosen) (this.clauses[i] as Wait<T>).withdrawn(0);
    }
  }
}

type ValueOf<W> = W extends Wait<infer T> ? T : never;

/**
 * Waits for the first of several operations; if more than one is ready, the first in the array
 * wins. The others are withdrawn without effect. An empty array waits for the deadline.
 *
 * @param clauses - waits not yet started: `channel.recv()`, `channel.send(v)`, `handle.join()`,
 *   `sleep(t)`, `listener.accept()`, `conn.recvSome(buf)`, ...
 * @param deadline - absolute ms on the loop's clock, -1 never, 0 now
 * @returns the index of the clause and its value
 * @throws NetError ECANCELED, EINVAL, ETIMEDOUT; or the error of the clause that failed, with its
 *   index in `error.clause`
 * @example
 * ```ts
 * const { index } = yield* choose([jobs.recv(), sleep(now() + 1_000)]);
 * ```
 */
export function choose<const C extends readonly Wait<unknown>[]>(
  clauses: C,
  deadline?: number,
): Wait<{ [K in keyof C]: { index: number; value: ValueOf<C[K]> } }[number]> {
  if (!Array.isArray(clauses)) throw new TypeError("choose: clauses must be an array");
  for (const [i, clause] of clauses.entries()) {
    if (!(clause instanceof Wait)) throw new TypeError(`choose: clause ${i} is not a wait`);
    if (clauses.indexOf(clause) !== i) {
      throw new NetError("EINVAL", "choose", { message: `clause ${i} is in the array twice` });
    }
  }
  return new ChooseWait(clauses, deadline) as never;
}
