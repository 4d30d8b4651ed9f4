// SPDX-License-Identifier: MIT
// `choose`: the first of several waits that is ready, in array order. It has one waiter for each
// clause stand in the clause's queue; the first hand-over takes the others out of theirs.

import { NetError } from "./net-error.ts";
import { ownClause } from "./sleep.ts";
import { PENDING, READY, Wait } from "./wait.ts";
import type { Waiter, WaitQueue } from "./wait-queue.ts";

const ETIMEDOUT = -110;

/** What `choose` returns: which clause, and its value. */
export interface Choice<T> {
  /** Index into the clauses. */
  readonly index: number;
  readonly value: T;
}

/** Stands in the queue of one clause. */
export class Clause implements Waiter {
  readonly wait: Wait<unknown>;
  readonly choose: ChooseWait<unknown>;
  readonly index: number;
  inQueue: WaitQueue | null;
  nextInQueue: Waiter | null;
  previousInQueue: Waiter | null;

  constructor(wait: Wait<unknown>, choose: ChooseWait<unknown>, index: number) {
    this.wait = wait;
    this.choose = choose;
    this.index = index;
    this.inQueue = null;
    this.nextInQueue = null;
    this.previousInQueue = null;
  }

  wake(): void {
    this.choose.woken(this.index);
  }
}

class ChooseWait<T> extends Wait<Choice<T>> {
  readonly clauses: readonly Wait<T>[];
  /** One for each clause, made when it first waits. */
  places: readonly Clause[] | null;
  /** Index of the clause that has come true or failed, -1 for none. */
  chosen: number;
  outcome: number;

  constructor(clauses: readonly Wait<T>[], deadline?: number) {
    super("choose", deadline);
    this.clauses = clauses;
    this.places = null;
    this.chosen = -1;
    this.outcome = PENDING;
  }

  override reset(): void {
    this.chosen = -1;
    this.outcome = PENDING;
    let dueMs: number | null = null;
    for (const clause of this.clauses) {
      clause.restart();
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

  override parkApart(): void {
    this.places ??= this.clauses.map((clause, i) => new Clause(clause, this, i));
    for (const place of this.places) {
      place.wait.park(place);
      // `yieldNow` is true as soon as it is parked: nothing may be handed to those behind it.
      if (this.isHanded) return;
    }
  }

  override unpark(): void {
    super.unpark();
    this.leave();
  }

  /** A clause may be ready. */
  woken(index: number): void {
    if (this.chosen < 0 && (this.clauses[index] as Wait<T>).isHanded) {
      // A value is ours now: no other clause may be handed one.
      this.choice(index, READY);
      this.isHanded = true;
      this.leave();
    }
    this.waiter?.wake();
  }

  override take(): Choice<T> {
    this.leave();
    const clause = this.clauses[this.chosen] as Wait<T>;
    for (const other of this.clauses) if (other !== clause) other.withdrawn(0);
    try {
      return { index: this.chosen, value: clause.take() };
    } catch (error) {
      throw withClause(error, this.chosen);
    }
  }

  override withdrawn(errno: number): void {
    this.leave();
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

  /** Stands in no queue any more. Idempotent. */
  private leave(): void {
    if (this.places === null) return;
    for (const { wait, inQueue, index } of this.places) {
      const wasWoken = wait.waiter !== null && inQueue === null && index !== this.chosen;
      wait.unpark();
      // It was told of something that it does not take: that is for the next in the queue.
      if (wasWoken) wait.queue()?.wakeOne();
    }
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
  const own = clauses.map((clause, i) => {
    if (!(clause instanceof Wait)) throw new TypeError(`choose: clauses[${i}] is not a wait`);
    return ownClause(clause);
  });
  for (const [i, clause] of own.entries()) {
    if (own.indexOf(clause) !== i) {
      throw new NetError("EINVAL", "choose", { message: `clauses[${i}] is in the array twice` });
    }
  }
  return new ChooseWait(own, deadline) as never;
}
