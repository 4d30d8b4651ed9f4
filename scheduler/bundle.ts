// SPDX-License-Identifier: MIT
// A bundle: coroutines that are waited for and cancelled as one, and the handles that they have
// opened. Each coroutine has one of its own for what it starts with `go`; `bundle()` makes more.

import type { Operation } from "effection";
import { Coroutine, type OperationLike } from "./coroutine.ts";
import { current } from "./current.ts";
import { Failure } from "./failure.ts";
import { bundleInTask } from "./foreign-scope.ts";
import { GoOperation, type Handle } from "./handle.ts";
import type { Loop } from "./loop.ts";
import { NetError } from "./net-error.ts";
import { checkKnown, checkOperation, refused, toIterator } from "./operation.ts";
import { OwnedList, type Resource } from "./owned.ts";
import { PENDING, READY, Wait } from "./wait.ts";
import { WaitQueue } from "./wait-queue.ts";

const EBADF = -9;
const EDEADLK = -35;

/** How a bundle is made. */
export interface BundleOptions {
  /**
   * Gets each error that a coroutine of the bundle does not catch, instead of the others being
   * cancelled. Must not throw.
   */
  readonly onError?: (error: unknown) => void;
  /** For `loop.tree()`. */
  readonly name?: string;
}

/** How a coroutine is started. */
export interface GoOptions {
  /** For `loop.tree()` and error reports. */
  readonly name?: string;
}

/** A group of coroutines. Made by `bundle()`. */
export class Bundle {
  readonly loop: Loop;
  /** The coroutine that made it; null for the root. */
  readonly parent: Coroutine | null;
  readonly name: string;
  /** Coroutines alive in it. */
  size: number;
  /** Oldest of them. */
  first: Coroutine | null;
  private readonly onError: ((error: unknown) => void) | null;
  private last: Coroutine | null;
  private failure: Failure | null;
  private hasClosed: boolean;
  private waiting: WaitQueue | null;
  /** Made when it first owns something. */
  private resources: OwnedList | null;

  /** @internal Use `bundle()`. */
  constructor(
    loop: Loop,
    parent: Coroutine | null,
    onError: ((error: unknown) => void) | null,
    name: string,
  ) {
    this.loop = loop;
    this.parent = parent;
    this.name = name;
    this.size = 0;
    this.first = null;
    this.onError = onError;
    this.last = null;
    this.failure = null;
    this.hasClosed = false;
    this.waiting = null;
    this.resources = null;
  }

  /**
   * Starts a coroutine in this bundle. It runs for the first time after the caller has next waited.
   *
   * @param op - an operation or a generator function
   * @param options - a name for `loop.tree()`
   * @returns a handle to join it
   * @throws NetError EBADF (the bundle is closed), ECANCELED
   */
  go<T>(op: OperationLike<T>, options?: GoOptions): Operation<Handle<T>> {
    checkOperation("bundle.go", op);
    return new GoOperation<T>(op, options?.name ?? "", this);
  }

  /**
   * Waits until no coroutine of the bundle is alive. The bundle can be used again afterwards.
   *
   * @param deadline - absolute ms on the loop's clock, -1 never, 0 now
   * @throws NetError EBADF (closed meanwhile), ECANCELED, ETIMEDOUT; or what a coroutine threw
   */
  wait(deadline?: number): Wait<void> {
    return new BundleWait(this, false, deadline);
  }

  /**
   * Cancels all coroutines of the bundle at once and waits until they have ended. Works in a
   * cancelled coroutine too.
   *
   * @param deadline - absolute ms; past it the coroutines stay cancelled and are not waited for
   * @throws NetError EBADF (closed already), ECANCELED (only as a clause of `choose`: by itself
   *   it works in a cancelled coroutine), EDEADLK (called from a coroutine of this bundle),
   *   ETIMEDOUT; or what a coroutine threw
   */
  close(deadline?: number): Wait<void> {
    return new BundleWait(this, true, deadline);
  }

  /**
   * Gives `resource` to this bundle, which aborts it when it ends.
   *
   * @param resource - owned by the bundle from now on
   * @throws NetError EBADF (the bundle is closed; `resource` is aborted)
   */
  own(resource: Resource): void {
    if (this.hasClosed) {
      resource.abort();
      throw new NetError("EBADF", "bundle.own");
    }
    this.resources ??= new OwnedList();
    this.resources.add(resource);
  }

  /**
   * Takes `resource` back; it has ended or moves.
   *
   * @param resource - what `own` was given; another is ignored
   */
  disown(resource: Resource): void {
    this.resources?.remove(resource);
  }

  /** Handles that the bundle owns. */
  get resourceCount(): number {
    return this.resources?.size ?? 0;
  }

  /** True once it takes no more coroutines. */
  get isClosed(): boolean {
    return this.hasClosed;
  }

  /** @internal Starts a coroutine. */
  start<T>(op: OperationLike<T>, name: string): Coroutine {
    const spawner = current ?? this.parent;
    const inherited = spawner === null ? null : spawner.inherited;
    const coroutine = new Coroutine(this, toIterator(op), inherited);
    if (name !== "") coroutine.more().name = name;
    coroutine.previousSibling = this.last;
    if (this.last === null) this.first = coroutine;
    else this.last.nextSibling = coroutine;
    this.last = coroutine;
    this.size++;
    this.loop.started(coroutine);
    return coroutine;
  }

  /** @internal Cancels all at once. */
  cancelAll(): void {
    for (let at = this.first; at !== null; at = at.nextSibling) at.cancel();
  }

  /** @internal A coroutine of it has ended. */
  childEnded(coroutine: Coroutine, wasJoined: boolean): void {
    const { nextSibling, previousSibling } = coroutine;
    if (previousSibling === null) this.first = nextSibling;
    else previousSibling.nextSibling = nextSibling;
    if (nextSibling === null) this.last = previousSibling;
    else nextSibling.previousSibling = previousSibling;
    coroutine.nextSibling = null;
    coroutine.previousSibling = null;
    this.size--;
    if (coroutine.failure !== null && !wasJoined) this.failed(coroutine.failure);
    if (this.size === 0) this.emptied();
    this.loop.ended(coroutine);
  }

  /** @internal The failure to throw into the parent, once. */
  takeFailure(): Failure | null {
    const { failure } = this;
    this.failure = null;
    return failure;
  }

  /** @internal Takes no more coroutines; those alive are cancelled. */
  beginClose(): void {
    if (this.hasClosed) return;
    this.hasClosed = true;
    this.cancelAll();
    this.waiting?.wakeAll();
    if (this.size === 0 && this.parent?.ownBundle !== this) this.end();
  }

  /** @internal All are gone: aborts what it owns. */
  end(): void {
    this.hasClosed = true;
    this.resources?.abortAll();
    // A failure that nobody has heard of stays for the parent's end.
    if (this.failure === null) this.parent?.bundles?.delete(this);
  }

  /** @internal Who waits for it to be empty. */
  get waiters(): WaitQueue {
    this.waiting ??= new WaitQueue();
    return this.waiting;
  }

  /** @internal A coroutine of it has failed and nobody has joined it. */
  failed(failure: Failure): void {
    let uncaught = failure;
    if (this.onError !== null) {
      try {
        this.onError(failure.error);
        return;
      } catch (error) {
        uncaught = new Failure(error);
      }
    }
    this.cancelAll();
    if (this.parent?.ownBundle === this) this.parent.failFrom(uncaught.error);
    else this.failure ??= uncaught;
  }

  private emptied(): void {
    const { waiting } = this;
    if (waiting !== null && !waiting.isEmpty) {
      // Everyone who waits now hears of a failure.
      const failure = this.takeFailure();
      for (let at = waiting.first; at !== null; at = at.nextInQueue) {
        const wait = at.wait as BundleWait;
        wait.isHanded = true;
        wait.failure = failure;
        failure?.offer();
      }
      waiting.wakeAll();
    }
    if (this.hasClosed && this.parent?.ownBundle !== this) this.end();
    this.parent?.childrenEnded();
  }
}

/** `wait`; and `close`, which cancels first. */
class BundleWait extends Wait<void> {
  readonly bundle: Bundle;
  readonly closes: boolean;
  /** Whose call this is: a coroutine cannot close what it runs in. */
  caller: Coroutine | null;
  hasBegun: boolean;
  failure: Failure | null;

  constructor(bundle: Bundle, closes: boolean, deadline?: number) {
    super(closes ? "bundle.close" : "bundle.wait", deadline);
    this.bundle = bundle;
    this.closes = closes;
    this.caller = null;
    this.hasBegun = false;
    this.failure = null;
  }

  override reset(): void {
    this.caller = current;
    this.hasBegun = false;
    this.failure = null;
  }

  override get isUncancellable(): boolean {
    return this.closes;
  }

  override poll(): number {
    const { bundle } = this;
    if (this.isHanded) return READY;
    if (!this.hasBegun) {
      if (this.closes && bundle.isClosed) return EBADF;
      if (isInside(this.caller, bundle)) return EDEADLK;
      this.hasBegun = true;
      if (this.closes) bundle.beginClose();
    }
    if (bundle.size > 0) return bundle.isClosed && !this.closes ? EBADF : PENDING;
    this.failure = bundle.takeFailure();
    this.failure?.offer();
    this.isHanded = true;
    return READY;
  }

  override queue(): WaitQueue {
    return this.bundle.waiters;
  }

  override take(): void {
    if (this.closes) this.bundle.end();
    if (this.failure !== null) throw this.failure.take();
  }

  override withdrawn(): void {
    if (this.isHanded && this.failure?.decline() === true) this.bundle.failed(this.failure);
  }

  override error(errno: number): Error {
    if (errno !== EDEADLK) return super.error(errno);
    const does = this.closes ? "close" : "wait for";
    return new NetError("EDEADLK", this.syscall, {
      message: `a coroutine cannot ${does} a bundle that it runs in`,
    });
  }
}

/** True if `coroutine` is in `bundle`, at any depth. */
function isInside(coroutine: Coroutine | null, bundle: Bundle): boolean {
  for (let at = coroutine; at !== null; at = at.bundle.parent) {
    if (at.bundle === bundle) return true;
  }
  return false;
}

/** Throws ECANCELED in a cancelled coroutine. */
function* refuseIfCancelled(syscall: string): Operation<void> {
  const caller = current;
  if (caller?.isInterrupted === true) {
    yield* {
      [Symbol.iterator]: () => ({ next: () => refused(caller, syscall) }),
    } as Operation<void>;
  }
}

/**
 * Makes an empty bundle. It belongs to the calling coroutine, whose end closes it.
 *
 * @param options - `onError` takes errors instead of cancelling the siblings; `name` is for `tree`
 * @returns the bundle
 * @throws NetError ECANCELED, EINVAL; TypeError
 * @example
 * ```ts
 * const workers = yield* bundle({ name: "workers" });
 * for (let i = 1; i <= 3; i++) yield* workers.go(() => sleep(now() + i * 100));
 * yield* workers.wait(now() + 10_000);
 * ```
 */
export function* bundle(options?: BundleOptions): Operation<Bundle> {
  checkOptions(options);
  const owner = current;
  if (owner === null) return yield* bundleInTask(options);
  yield* refuseIfCancelled("bundle");
  const made = new Bundle(owner.loop, owner, options?.onError ?? null, options?.name ?? "");
  owner.more().bundles ??= new Set();
  owner.bundles?.add(made);
  return made;
}

function checkOptions(options: BundleOptions | undefined): void {
  if (options !== undefined) checkKnown("bundle", options, ["name", "onError"]);
  const onError = options?.onError;
  if (onError !== undefined && typeof onError !== "function") {
    throw new TypeError("bundle: onError must be a function");
  }
}
