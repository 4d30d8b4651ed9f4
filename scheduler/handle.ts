// SPDX-License-Identifier: MIT
// What `go` returns: the way to wait for a coroutine and to get its result.

import type { Operation } from "effection";
import type { GoOptions } from "./bundle.ts";
import { type Coroutine, ENDED, type OperationLike } from "./coroutine.ts";
import { current } from "./current.ts";
import { goInTask } from "./foreign-scope.ts";
import { NetError } from "./net-error.ts";
import { PENDING, READY, Wait, WaitQueue } from "./wait.ts";

/** A coroutine seen from outside. */
export class Handle<T> {
  readonly #coroutine: Coroutine;

  /** @internal Handles come from `go`. */
  constructor(coroutine: Coroutine) {
    this.#coroutine = coroutine;
  }

  /** True once it has ended in any way. */
  get isEnded(): boolean {
    return this.#coroutine.phase === ENDED;
  }

  /** @internal The coroutine behind it. */
  get coroutine(): Coroutine {
    return this.#coroutine;
  }

  /**
   * Waits for its end. An error of a coroutine that somebody joins goes to the joiner alone.
   *
   * @param deadline - absolute ms on the loop's clock, -1 never, 0 now
   * @returns what the coroutine returned
   * @throws NetError ECANCELED (the caller or the coroutine was cancelled), ETIMEDOUT; or what the
   *   coroutine threw
   */
  join(deadline?: number): Wait<T> {
    return new JoinWait<T>(this.#coroutine, deadline);
  }

  /** Asks it to end: its waits throw ECANCELED. Never waits; idempotent. */
  cancel(): void {
    this.#coroutine.cancel();
  }
}

class JoinWait<T> extends Wait<T> {
  readonly coroutine: Coroutine;

  constructor(coroutine: Coroutine, deadline?: number) {
    super("join", deadline);
    this.coroutine = coroutine;
  }

  override poll(): number {
    return this.coroutine.phase === ENDED ? READY : PENDING;
  }

  override queue(): WaitQueue {
    this.coroutine.joiners ??= new WaitQueue();
    return this.coroutine.joiners;
  }

  override take(): T {
    const { failure, result, isCancelled } = this.coroutine;
    if (failure !== null) throw failure.error;
    if (isCancelled && result === undefined) {
      throw new NetError("ECANCELED", "join", { message: "the joined coroutine was cancelled" });
    }
    return result as T;
  }
}

/**
 * Starts a coroutine in the bundle of the running one, which cancels it and waits for it at its own
 * end. It runs for the first time after the caller has next waited.
 *
 * @param op - an operation or a generator function
 * @param options - a name for `loop.tree()`
 * @throws NetError ECANCELED
 * @example
 * ```ts
 * const worker = yield* go(function* () {
 *   yield* sleep(now() + 10);
 *   return 42;
 * });
 * const answer = yield* worker.join(now() + 1_000);
 * ```
 */
export function* go<T>(op: OperationLike<T>, options?: GoOptions): Operation<Handle<T>> {
  const spawner = current;
  if (spawner === null) return yield* goInTask(op, options);
  if (spawner.isInterrupted) throw new NetError("ECANCELED", "go");
  return new Handle<T>(spawner.bundleForOwn().start(op, options?.name ?? ""));
}
