// SPDX-License-Identifier: MIT
// What the twins of blocking calls have in common: a Wait that tries the call, parks where the
// socket's events wake it, and ends with a number, also when it is cancelled or late.

import { PENDING, READY, Wait, type WaitQueue } from "../../scheduler/internal.ts";
import { contextOf, openContext } from "./context.ts";
import { answer, EAGAIN } from "./errno.ts";
import type { Pollable } from "./pollable.ts";

/** A call that waits instead of failing with EAGAIN. */
export abstract class Twin extends Wait<number> {
  readonly mctx: unknown;
  readonly sockid: number;
  #result: number;
  /** What `Wait.next` throws at the end of a wait without a result, for `next` to recognise. */
  #refusal: Error | null;
  #refusedBy: number;

  constructor(call: string, mctx: unknown, sockid: number, deadline: number | undefined) {
    super(`mtcp.${call}`, deadline);
    this.mctx = mctx;
    this.sockid = sockid;
    this.#result = 0;
    this.#refusal = null;
    this.#refusedBy = 0;
  }

  /** Tries the call. @returns >= 0, -EAGAIN: wait, or -errno */
  protected abstract attempt(nowMs: number): number;
  /** Where to stand meanwhile. */
  protected abstract queueOf(poll: Pollable): WaitQueue;

  /** What to answer when the wait was cancelled or late (-errno). */
  protected refused(errno: number): number {
    return errno;
  }

  override poll(nowMs: number): number {
    const result = this.attempt(nowMs);
    if (result === -EAGAIN) return PENDING;
    this.#result = result;
    return READY;
  }

  override queue(): WaitQueue | null {
    const found = openContext(this.mctx)?.table.get(this.sockid) ?? null;
    return found === null ? null : this.queueOf(found.poll);
  }

  override take(): number {
    return answer(contextOf(this.mctx), this.#result);
  }

  override error(errno: number): Error {
    const error = super.error(errno);
    this.#refusal = error;
    this.#refusedBy = errno;
    return error;
  }

  /** As `Wait.next`, but being cancelled or late is a result as any. */
  override next(outcome?: unknown): IteratorResult<unknown, number> {
    this.#refusal = null;
    try {
      return super.next(outcome);
    } catch (error) {
      if (error !== this.#refusal) throw error;
      this.#refusal = null;
      const value = answer(contextOf(this.mctx), this.refused(this.#refusedBy));
      return { done: true, value };
    }
  }
}
