// SPDX-License-Identifier: MIT
// A bundle: coroutines that are waited for and cancelled as one, and the handles that they have
// opened. Each coroutine has one of its own for what it starts with `go`; `bundle()` makes more.

import type { Operation } from "effection";
import { Coroutine, type OperationLike } from "./coroutine.ts";
import { current } from "./current.ts";
import { bundleInTask } from "./foreign-scope.ts";
import { Handle } from "./handle.ts";
import type { Loop } from "./loop.ts";
import { NetError } from "./net-error.ts";
import { toIterator } from "./operation.ts";
import { PENDING, READY, Wait, WaitQueue } from "./wait.ts";

const EBADF = -9;
const EDEADLK = -35;

/** What a bundle aborts when it ends: a connection, a listener, a context. */
export interface Resource {
  /** Ends it at once. Never waits, never throws. */
  abort(): void;
}

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
  readonly #onError: ((error: unknown) => void) | null;
  #last: Coroutine | null;
  #failure: { readonly error: unknown } | null;
  #isClosed: boolean;
  #waiters: WaitQueue | null;
  #resources: Set<Resource> | null;

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
    this.#onError = onError;
    this.#last = null;
    this.#failure = null;
    this.#isClosed = false;
    this.#waiters = null;
    this.#resources = null;
  }

  /**
   * Starts a coroutine in this bundle. It runs for the first time after the caller has next waited.
   *
   * @param op - an operation or a generator function
   * @returns a handle to join it
   * @throws NetError EBADF (the bundle is closed), ECANCELED
   */
  *go<T>(op: OperationLike<T>, options?: GoOptions): Operation<Handle<T>> {
    if (current?.isInterrupted === true) throw new NetError("ECANCELED", "bundle.go");
    if (this.#isClosed) throw new NetError("EBADF", "bundle.go");
    return new Handle<T>(this.start(op, options?.name ?? ""));
  }

  /**
   * Waits until no coroutine of the bundle is alive. The bundle can be used again afterwards.
   *
   * @param deadline - absolute ms on the loop's clock, -1 never, 0 now
   * @throws NetError EBADF (closed meanwhile), ECANCELED, ETIMEDOUT; or what a coroutine threw
   */
  wait(deadline?: number): Wait<void> {
    return new BundleWait(this, "bundle.wait", deadline);
  }

  /**
   * Cancels all coroutines of the bundle at once and waits until they have ended. Works in a
   * cancelled coroutine too.
   *
   * @param deadline - absolute ms; past it the coroutines stay cancelled and are not waited for
   * @throws NetError EBADF (closed already), EDEADLK (called from a coroutine of this bundle),
   *   ETIMEDOUT; or what a coroutine threw
   */
  close(deadline?: number): Wait<void> {
    return new BundleClose(this, deadline);
  }

  /** Gives `resource` to this bundle, which aborts it when it ends. */
  own(resource: Resource): void {
    if (this.#isClosed) {
      resource.abort();
      throw new NetError("EBADF", "bundle.own");
    }
    this.#resources ??= new Set();
    this.#resources.add(resource);
  }

  /** Takes `resource` back; it has ended or moves. */
  disown(resource: Resource): void {
    this.#resources?.delete(resource);
  }

  /** Handles that the bundle owns. */
  get resourceCount(): number {
    return this.#resources?.size ?? 0;
  }

  /** True once it takes no more coroutines. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** @internal Starts a coroutine. */
  start<T>(op: OperationLike<T>, name: string): Coroutine {
    const spawner = current ?? this.parent;
    const coroutine = new Coroutine(
      this.loop,
      this,
      name,
      toIterator(op),
      spawner === null ? Number.POSITIVE_INFINITY : spawner.deadlineMs,
    );
    coroutine.previousSibling = this.#last;
    if (this.#last === null) this.first = coroutine;
    else this.#last.nextSibling = coroutine;
    this.#last = coroutine;
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
    if (nextSibling === null) this.#last = previousSibling;
    else nextSibling.previousSibling = previousSibling;
    coroutine.nextSibling = null;
    coroutine.previousSibling = null;
    this.size--;
    this.loop.ended(coroutine);
    if (coroutine.failure !== null && !wasJoined) this.#failed(coroutine.failure.error);
    if (this.size === 0) {
      this.#waiters?.wakeAll();
      this.parent?.childrenEnded();
    }
  }

  /** @internal The error to throw into the parent, once. */
  takeFailure(): { readonly error: unknown } | null {
    const failure = this.#failure;
    this.#failure = null;
    return failure;
  }

  /** @internal Takes no more coroutines; those alive are cancelled. */
  beginClose(): void {
    this.#isClosed = true;
    this.cancelAll();
    this.#waiters?.wakeAll();
  }

  /** @internal All are gone: aborts what it owns. */
  end(): void {
    this.#isClosed = true;
    if (this.#resources !== null) {
      // Latest first, as scopes unwind; aborting takes a resource off the set.
      for (const resource of [...this.#resources].reverse()) resource.abort();
      this.#resources = null;
    }
    this.parent?.bundles?.delete(this);
    this.#waiters?.wakeAll();
  }

  /** @internal */
  get waiters(): WaitQueue {
    this.#waiters ??= new WaitQueue();
    return this.#waiters;
  }

  #failed(error: unknown): void {
    if (this.#onError !== null) {
      this.#onError(error);
      return;
    }
    this.#failure ??= { error };
    this.cancelAll();
    if (this.parent?.ownBundle === this) this.parent.failFrom(error);
  }
}

class BundleWait extends Wait<void> {
  readonly bundle: Bundle;

  constructor(bundle: Bundle, syscall: string, deadline?: number) {
    super(syscall, deadline);
    this.bundle = bundle;
  }

  override poll(): number {
    if (this.bundle.size === 0) return READY;
    return this.bundle.isClosed ? EBADF : PENDING;
  }

  override queue(): WaitQueue {
    return this.bundle.waiters;
  }

  override take(): void {
    const failure = this.bundle.takeFailure();
    if (failure !== null) throw failure.error;
  }
}

class BundleClose extends Wait<void> {
  readonly bundle: Bundle;
  hasBegun: boolean;

  constructor(bundle: Bundle, deadline?: number) {
    super("bundle.close", deadline);
    this.bundle = bundle;
    this.hasBegun = false;
  }

  override reset(): void {
    this.hasBegun = false;
  }

  override get isUncancellable(): boolean {
    return true;
  }

  override poll(): number {
    const { bundle } = this;
    if (!this.hasBegun) {
      if (bundle.isClosed) return EBADF;
      if (isInside(bundle)) return EDEADLK;
      this.hasBegun = true;
      bundle.beginClose();
    }
    return bundle.size === 0 ? READY : PENDING;
  }

  override queue(): WaitQueue {
    return this.bundle.waiters;
  }

  override take(): void {
    const failure = this.bundle.takeFailure();
    this.bundle.end();
    if (failure !== null) throw failure.error;
  }

  override error(errno: number): Error {
    if (errno !== EDEADLK) return super.error(errno);
    return new NetError("EDEADLK", this.syscall, {
      message: "a coroutine cannot close a bundle that it runs in",
    });
  }
}

/** True if the running coroutine is in `bundle`, at any depth. */
function isInside(bundle: Bundle): boolean {
  for (let at = current; at !== null; at = at.bundle.parent) {
    if (at.bundle === bundle) return true;
  }
  return false;
}

/**
 * Makes an empty bundle. It belongs to the calling coroutine, whose end closes it.
 *
 * @param options - `onError` takes errors instead of cancelling the siblings; `name` is for `tree`
 * @throws NetError ECANCELED
 */
export function* bundle(options?: BundleOptions): Operation<Bundle> {
  const owner = current;
  if (owner === null) return yield* bundleInTask(options);
  if (owner.isInterrupted) throw new NetError("ECANCELED", "bundle");
  const made = new Bundle(owner.loop, owner, options?.onError ?? null, options?.name ?? "");
  owner.bundles ??= new Set();
  owner.bundles.add(made);
  return made;
}
