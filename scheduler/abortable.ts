// SPDX-License-Identifier: MIT
// Promises inside coroutines: an abortable function (one that takes an AbortSignal and rejects with
// AbortError, as `abort-controller-x` has it) as an operation.

import { isAbortError } from "abort-controller-x";
import { type Operation, useScope } from "effection";
import { current } from "./current.ts";
import { shield } from "./deadline.ts";
import { loopOf } from "./foreign.ts";
import type { Loop } from "./loop.ts";
import { NetError } from "./net-error.ts";
import { OUTSIDE } from "./reducer.ts";
import { PENDING, READY, Wait } from "./wait.ts";
import { WaitQueue } from "./wait-queue.ts";

class PromiseWait<T> extends Wait<T> {
  readonly #queue: WaitQueue = new WaitQueue();
  #isSettled = false;
  #value: T | undefined;
  #failure: { readonly error: unknown } | null = null;

  constructor(promise: Promise<T>, loop: Loop) {
    super("abortable");
    loop.effectBegins(OUTSIDE);
    const settled = (): void => {
      loop.effectEnds(OUTSIDE);
      this.#isSettled = true;
      this.#queue.wakeAll();
    };
    promise.then(
      (value) => {
        this.#value = value;
        settled();
      },
      (error: unknown) => {
        this.#failure = { error };
        settled();
      },
    );
  }

  get isSettled(): boolean {
    return this.#isSettled;
  }

  override poll(): number {
    return this.#isSettled ? READY : PENDING;
  }

  override queue(): WaitQueue {
    return this.#queue;
  }

  override take(): T {
    if (this.#failure !== null) throw this.#failure.error;
    return this.#value as T;
  }
}

/**
 * Calls an abortable promise function as an operation. When the coroutine is cancelled, or its
 * deadline passes, the signal is aborted, and the coroutine goes on once the promise has settled.
 *
 * @param fn - gets the signal; must settle soon after it is aborted
 * @returns what the promise resolves to
 * @throws NetError ECANCELED, ETIMEDOUT; or what the promise rejects with
 * @example
 * ```ts
 * const reply = yield* abortable((signal) => fetch("http://127.0.0.1:8080/", { signal }));
 * ```
 */
export function* abortable<T>(fn: (signal: AbortSignal) => Promise<T>): Operation<T> {
  if (typeof fn !== "function") throw new TypeError("abortable: fn must be a function");
  const coroutine = current;
  if (coroutine?.isInterrupted === true) throw new NetError("ECANCELED", "abortable");
  const controller = new AbortController();
  const loop = coroutine?.loop ?? loopOf({ scope: yield* useScope() });
  const wait = new PromiseWait(fn(controller.signal), loop);
  try {
    return yield* wait;
  } finally {
    if (!wait.isSettled) {
      controller.abort();
      yield* shield(-1, () => settled(wait));
    }
  }
}

/** Waits for the end of an aborted promise; its AbortError is the expected one. */
function* settled(wait: Wait<unknown>): Operation<void> {
  try {
    yield* wait;
  } catch (error) {
    if (!isAbortError(error)) throw error;
  }
}
