// SPDX-License-Identifier: MIT
// A call that may block: a Wait that ends with a number, whether it fails or not. A non-blocking
// socket's calls are the same with the deadline "now", so that a coroutine that only ever asks
// again lets the others run and can be cancelled.

import type { Operation } from "../../scheduler/index.ts";
import { PENDING, READY, Wait } from "../../scheduler/internal.ts";
import { isInCallback } from "./callbacks.ts";
import { WSAEINPROGRESS, WSAEINTR, WSAETIMEDOUT, WSAEWOULDBLOCK } from "./codes.ts";
import type { Descriptor } from "./descriptor.ts";
import { codeOfError, fail } from "./last-error.ts";
import type { SocketCore } from "./socket-core.ts";

/** One call on a socket. Subclasses say how to try and what comes out. */
export abstract class CallWait extends Wait<number> {
  readonly descriptor: Descriptor;
  readonly core: SocketCore;
  /** True: what would have to wait is WSAEWOULDBLOCK. */
  readonly isNonBlocking: boolean;
  /** The WSA code that it has failed with, 0 while it has not. */
  code: number;
  /** An overlapped operation: who hears that its socket was closed, in place of a result. */
  onAborted: (() => void) | null;

  /**
   * @param timeoutMs - how long it may wait; null: for ever; negative: not at all
   */
  constructor(descriptor: Descriptor, syscall: string, timeoutMs: number | null) {
    super(syscall, deadlineOf(descriptor, timeoutMs));
    this.descriptor = descriptor;
    this.core = descriptor.core;
    this.isNonBlocking = timeoutMs !== null && timeoutMs < 0;
    this.code = 0;
    this.onAborted = null;
  }

  /** One try. @returns READY, PENDING, or what `refuse` returns */
  protected abstract attempt(nowMs: number): number;
  /** What it returns, after success. */
  protected abstract result(): number;
  /** It has ended in any way. */
  protected abstract ended(): void;

  /** Bytes that it has taken, if an interruption is to return them in place of a failure. */
  get partial(): number {
    return 0;
  }

  override poll(nowMs: number): number {
    if (this.code !== 0) return READY;
    // Closed after the call was made and before it has begun.
    if (!this.descriptor.isOpen) return this.refuse(WSAEINTR);
    const outcome = this.attempt(nowMs);
    if (outcome === PENDING) this.core.calls.add(this);
    return outcome;
  }

  override take(): number {
    this.#leave();
    return this.code === 0 ? this.result() : fail(this.code);
  }

  override withdrawn(_errno: number): void {
    this.#leave();
  }

  /** Its descriptor is being closed. */
  cancel(): void {
    this.code = WSAEINTR;
    this.onAborted?.();
    this.wakeUp();
  }

  /** Tries again in the next round. */
  wakeUp(): void {
    this.wakeWaiter();
  }

  /** The call fails. @returns READY: its outcome is known */
  protected refuse(code: number): number {
    this.code = code;
    return READY;
  }

  #leave(): void {
    this.core.calls.delete(this);
    this.ended();
  }
}

function deadlineOf({ core }: Descriptor, timeoutMs: number | null): number | undefined {
  if (timeoutMs === null) return undefined;
  return timeoutMs < 0 ? 0 : core.loop.now() + timeoutMs;
}

/** Runs a call. @returns its result; SOCKET_ERROR if it fails, is cancelled or takes too long */
export function* perform(call: CallWait): Operation<number> {
  if (!call.isNonBlocking && isInCallback()) return fail(WSAEINPROGRESS);
  try {
    return yield* call;
  } catch (error) {
    const code = codeOfError(error);
    if (call.partial > 0) return call.partial;
    return fail(code === WSAETIMEDOUT && call.isNonBlocking ? WSAEWOULDBLOCK : code);
  }
}
