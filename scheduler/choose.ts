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
    let dueMs: number | null = null;
    for (const clause of this.clauses) {
      clause.restart();
      clause.isStarted = true;
      clause.isClause = true;
      dueMs = earlier(earlier(dueMs, clause.dueMs), clause.givenMs);
    }
    this.dueMs = dueMs;
  }

  override poll(nowMs: number): number {
    if (this.chosen < 0) this.pollClauses(nowMs);
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
    for (let i = 0; i < this.clauses.length; i++) {
      const clause = this.clauses[i] as Wait<T>;
      const wasWoken = clause.owner !== null && clause.inQueue === null && i !== this.chosen;
      clause.unpark();
      // It was told of something that it does not take: that is for the next in the queue.
      if (wasWoken) clause.queue()?.wakeOne();
    }
  }

  /** WaitOwner of the clauses. */
  wake(clause: Wait<unknown>): void {
    const { owner } = this;
    if (this.chosen < 0 && clause.isHanded) {
      // A value is ours now: no other clause may be handed one.
      this.chosen = this.clauses.indexOf(clause as Wait<T>);
      this.outcome = READY;
      this.isHanded = true;
      this.unpark();
      this.owner = owner;
    }
    owner?.wake(this);
  }

  override take(): Choice<T> {
    const clause = this.clauses[this.chosen] as Wait<T>;
    for (const other of this.clauses) if (other !== clause) other.withdrawn(0);
    try {
      return { index: this.chosen, value: clause.take() };
    } catch (error) {
      throw withClause(error, this.chosen);
    }
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
    return withClause(error, this.chosen) as Error;
  }

  private pollClauses(nowMs: number): void {
    for (let i = 0; i < this.clauses.length; i++) {
      const outcome = (this.clauses[i] as Wait<T>).poll(nowMs);
      if (outcome !== PENDING) {
        this.choice(i, outcome);
        return;
      }
    }
    // Ready beats an expired deadline, also that of an earlier clause.
    for (let i = 0; i < this.clauses.length; i++) {
      const given = (this.clauses[i] as Wait<T>).givenMs;
      if (given !== null && given >= 0 && given <= nowMs) {
        this.choice(i, ETIMEDOUT);
        return;
      }
    }
  }

  private choice(index: number, outcome: number): void {
    this.chosen = index;
    this.outcome = outcome;
  }
}

/** @returns the earlier of two times, of which null and negative ones mean never */
function earlier(one: number | null, other: number | null): number | null {
  if (other === null || other < 0) return one;
  return one === null || other < one ? other : one;
}

/** Notes in an error which clause it comes from. */
function withClause(error: unknown, clause: number): unknown {
  if (error instanceof Error && Object.isExtensible(error)) Object.assign(error, { clause });
  return error;
}

type ValueOf<W> = W extends Wait<infer T> ? T : never;

/**
 * Waits for the first of several operations; if more than one is ready, the first in the array
 * wins. The others are withdrawn: they have taken and sent nothing, but a `close` among them has
 * begun, and aborts its connection. An empty array waits for the deadline.
 *
 * @param clauses - waits not yet started: `channel.recv()`, `channel.send(v)`, `handle.join()`,
 *   `sleep(t)`, `listener.accept()`, `conn.recvSome(buf)`, ...
 * @param deadline - absolute ms on the loop's clock, -1 never, 0 now
 * @returns the index of the clause and its value
 * @throws NetError ECANCELED, EINVAL, ETIMEDOUT; or the error of the clause that failed, with its
 *   index in `error.clause`
 * @example
 * ```ts
 * const jobs = channel<string>();
 * const { index, value } = yield* choose([jobs.recv(), sleep(now() + 1_000)]);
 * console.log(index === 0 ? `got ${value}` : "nothing for a second");
 * ```
 */
export function choose<const C extends readonly Wait<unknown>[]>(
  clauses: C,
  deadline?: number,
): Wait<{ [K in keyof C]: { index: number; value: ValueOf<C[K]> } }[number]> {
  if (!Array.isArray(clauses)) throw new TypeError("choose: clauses must be an array");
  for (const [i, clause] of clauses.entries()) {
    if (!(clause instanceof Wait)) throw new TypeError(`choose: clauses[${i}] is not a wait`);
    if (clauses.indexOf(clause) !== i) {
      throw new NetError("EINVAL", "choose", { message: `clauses[${i}] is in the array twice` });
    }
  }
  return new ChooseWait(clauses, deadline) as never;
}
