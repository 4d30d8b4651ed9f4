// SPDX-License-Identifier: MIT
// What `go` returns: the way to wait for a coroutine and to get its result.

import type { Effect, Operation } from "effection";
import type { Bundle, GoOptions } from "./bundle.ts";
import type { Coroutine, OperationLike } from "./coroutine.ts";
import { current } from "./current.ts";
import { CANCELED } from "./ending.ts";
import { goInTask } from "./foreign-scope.ts";
import { NetError } from "./net-error.ts";
import { checkOperation, refused } from "./operation.ts";
import { ENDED } from "./phases.ts";
import { PENDING, READY, Wait } from "./wait.ts";
import { WaitQueue } from "./wait-queue.ts";

const EDEADLK = -35;

/** A coroutine seen from outside. */
export class Handle<T> {
  /** @internal The coroutine behind it. */
  readonly coroutine: Coroutine;

  /** @internal Handles come from `go`. */
  constructor(coroutine: Coroutine) {
    this.coroutine = coroutine;
  }

  /** True once it has ended in any way. */
  get isEnded(): boolean {
    return this.coroutine.phase === ENDED;
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
    return new JoinWait<T>(this.coroutine, deadline);
  }

  /** Asks it to end: its waits throw ECANCELED. Never waits; idempotent. */
  cancel(): void {
    this.coroutine.cancel();
  }
}

class JoinWait<T> extends Wait<T> {
  readonly coroutine: Coroutine;
  isOwn: boolean;

  constructor(coroutine: Coroutine, deadline?: number) {
    super("join", deadline);
    this.coroutine = coroutine;
    this.isOwn = false;
  }

  override reset(): void {
    this.isOwn = current === this.coroutine;
  }

  override poll(): number {
    if (this.isOwn) return EDEADLK;
    return this.coroutine.phase === ENDED ? READY : PENDING;
  }

  override queue(): WaitQueue {
    const extras = this.coroutine.more();
    extras.joiners ??= new WaitQueue();
    return extras.joiners;
  }

  override take(): T {
    const { failure, result } = this.coroutine;
    if (failure !== null) throw failure.take();
    if (result === CANCELED) {
      throw new NetError("ECANCELED", "join", { message: "the joined coroutine was cancelled" });
    }
    return result as T;
  }

  override withdrawn(): void {
    const { coroutine, isHanded } = this;
    // The error was ours alone: if nobody else throws it, it goes the way of an unjoined one.
    if (isHanded && coroutine.failure?.decline() === true) {
      coroutine.bundle.failed(coroutine.failure);
    }
  }

  override error(errno: number): Error {
    if (errno !== EDEADLK) return super.error(errno);
    return new NetError("EDEADLK", "join", { message: "a coroutine cannot join itself" });
  }
}

/** `go`: an object and no generator, which would cost as much as the coroutine it starts. */
export class GoOperation<T> implements Operation<Handle<T>> {
  readonly op: OperationLike<T>;
  readonly name: string;
  /** Where to; null: the caller's own. */
  readonly bundle: Bundle | null;

  constructor(op: OperationLike<T>, name: string, bundle: Bundle | null) {
    this.op = op;
    this.name = name;
    this.bundle = bundle;
  }

  [Symbol.iterator](): Iterator<Effect<unknown>, Handle<T>, unknown> {
    if (current === null && this.bundle === null) {
      return goInTask(this.op, { name: this.name })[Symbol.iterator]();
    }
    return this as unknown as Iterator<Effect<unknown>, Handle<T>, unknown>;
  }

  next(): IteratorResult<unknown, Handle<T>> {
    const syscall = this.bundle === null ? "go" : "bundle.go";
    if (current?.isInterrupted === true) return refused(current, syscall);
    const bundle = this.bundle ?? (current as Coroutine).bundleForOwn();
    if (bundle.isClosed) throw new NetError("EBADF", syscall);
    return { done: true, value: new Handle<T>(bundle.start(this.op, this.name)) };
  }
}

/**
 * Starts a coroutine in the bundle of the running one, which cancels it and waits for it at its own
 * end. It runs for the first time after the caller has next waited.
 *
 * @param op - an operation or a generator function
 * @param options - a name for `loop.tree()`
 * @returns a handle to join or cancel it
 * @throws NetError ECANCELED
 * @throws TypeError if `op` is no operation
 * @example
 * ```ts
 * const worker = yield* go(function* () {
 *   yield* sleep(now() + 10);
 *   return 42;
 * });
 * const answer = yield* worker.join(now() + 1_000);
 * ```
 */
export function go<T>(op: OperationLike<T>, options?: GoOptions): Operation<Handle<T>> {
  checkOperation("go", op);
  return new GoOperation<T>(op, options?.name ?? "", null);
}
