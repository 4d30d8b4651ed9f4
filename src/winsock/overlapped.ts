// SPDX-License-Identifier: MIT
// Overlapped sending and receiving: begun by a plain call, ended in the background by a coroutine
// of whoever began it, whose end aborts it. It tells by an event or by a completion routine, unless
// its socket was closed meanwhile: then it is aborted, and tells nobody.

import type { Operation } from "../../scheduler/index.ts";
import { type Coroutine, READY } from "../../scheduler/internal.ts";
import type { CallWait } from "./call-wait.ts";
import { enterCallback, homeCoroutine, leaveCallback } from "./callbacks.ts";
import {
  WSA_IO_INCOMPLETE,
  WSA_IO_PENDING,
  WSA_OPERATION_ABORTED,
  WSAEFAULT,
  WSAEINTR,
  WSAEINVAL,
  WSAENOBUFS,
  WSAEOPNOTSUPP,
} from "./codes.ts";
import { MSG_DONTROUTE } from "./constants.ts";
import { checkEvent, type WsaEvent } from "./events.ts";
import { areReceiveFlags, checkTransfer, fits } from "./io.ts";
import { codeOfError, fail } from "./last-error.ts";
import type { SocketCore } from "./socket-core.ts";
import { findDescriptor } from "./table.ts";
import { RecvCall, SendCall } from "./transfer.ts";

/** Operations that may wait on one socket; one more is WSAENOBUFS. */
export const MAX_PENDING = 1_024;

/**
 * What is called when an overlapped operation has ended: with its WSA code (0: success), how many
 * bytes it has moved, and the operation. It may be a generator function: an operation that it
 * returns is run. Calls that block are WSAEINPROGRESS in it, and so is `closesocket` of its socket.
 */
export type CompletionRoutine = (
  error: number,
  bytesTransferred: number,
  overlapped: Overlapped,
) => unknown;

/** How an overlapped operation tells that it has ended. */
export interface OverlappedOptions {
  /** Set then, unless there is a completion routine. */
  readonly event?: WsaEvent;
  readonly completionRoutine?: CompletionRoutine;
}

/**
 * One overlapped operation: WSAOVERLAPPED.
 *
 * @example
 * ```ts
 * const overlapped = new Overlapped({ event: wsaCreateEvent() });
 * ```
 */
export class Overlapped {
  readonly event: WsaEvent | null;
  readonly completionRoutine: CompletionRoutine | null;
  #error = 0;
  #bytesTransferred = 0;

  /**
   * Makes one, to be given to `wsaSend` or `wsaRecv`, and again once that has ended.
   *
   * @param options - an event or a completion routine
   * @throws TypeError
   */
  constructor(options: OverlappedOptions = {}) {
    const { event, completionRoutine } = options;
    if (event !== undefined) checkEvent("Overlapped", event);
    if (completionRoutine !== undefined && typeof completionRoutine !== "function") {
      throw new TypeError("Overlapped: completionRoutine must be a function");
    }
    this.event = event ?? null;
    this.completionRoutine = completionRoutine ?? null;
  }

  /** 0: success; WSA_IO_INCOMPLETE while it goes on; else the WSA code of its failure. */
  get error(): number {
    return this.#error;
  }

  /** Bytes that it has moved. */
  get bytesTransferred(): number {
    return this.#bytesTransferred;
  }

  /** @internal */
  begin(): void {
    this.#error = WSA_IO_INCOMPLETE;
    this.#bytesTransferred = 0;
    this.event?.set(false);
  }

  /** @internal */
  end(error: number, bytesTransferred: number): void {
    this.#error = error;
    this.#bytesTransferred = bytesTransferred;
  }
}

/**
 * Begins to send all of the bytes. Operations on one socket are served in the order in which they
 * were begun.
 *
 * @param s - a connected socket
 * @param buf - the bytes; must not change until the operation has ended
 * @param flags - 0 or MSG_DONTROUTE
 * @param overlapped - tells how it has ended
 * @returns 0: it has ended already, and tells so; SOCKET_ERROR: WSA_IO_PENDING, or it has not
 *   begun: WSAECONNRESET and the like, WSAEFAULT, WSAEINTR (the coroutine is ending), WSAEINVAL
 *   (outside of a coroutine, or `overlapped` is in use), WSAENETDOWN, WSAENOBUFS, WSAENOTCONN,
 *   WSAENOTSOCK, WSAEOPNOTSUPP, WSAESHUTDOWN, WSANOTINITIALISED
 * @throws TypeError
 * @example
 * ```ts
 * const s = socket(AF_INET, SOCK_STREAM, 0);
 * yield* connect(s, { family: AF_INET, port: 7777, address: "127.0.0.1" });
 * const event = wsaCreateEvent();
 * wsaSend(s, new Uint8Array(100_000), 0, new Overlapped({ event }));
 * yield* wsaWaitForMultipleEvents([event], true, WSA_INFINITE);
 * ```
 */
export function wsaSend(s: number, buf: Uint8Array, flags: number, overlapped: Overlapped): number {
  checkTransfer("wsaSend", buf, 0, flags);
  checkOverlapped("wsaSend", overlapped);
  const descriptor = findDescriptor(s);
  if (typeof descriptor === "number") return fail(descriptor);
  if ((flags & ~MSG_DONTROUTE) !== 0) return fail(WSAEOPNOTSUPP);
  if (!fits(buf, buf.length)) return fail(WSAEFAULT);
  return begin(new SendCall(descriptor, buf, buf.length, null), overlapped);
}

/**
 * Begins to receive: what is there, at least one byte, or with MSG_WAITALL all of `buf`.
 *
 * @param s - a connected socket
 * @param buf - filled from the start; belongs to the operation until it has ended
 * @param flags - 0, MSG_PEEK or MSG_WAITALL
 * @param overlapped - tells how it has ended
 * @returns 0: it has ended already, and tells so; SOCKET_ERROR: WSA_IO_PENDING, or it has not
 *   begun: WSAECONNRESET and the like, WSAEINTR (the coroutine is ending), WSAEINVAL (outside of a
 *   coroutine, or `overlapped` is in use), WSAENETDOWN, WSAENOBUFS, WSAENOTCONN, WSAENOTSOCK,
 *   WSAEOPNOTSUPP, WSAESHUTDOWN, WSANOTINITIALISED
 * @throws TypeError
 * @example
 * ```ts
 * const s = socket(AF_INET, SOCK_STREAM, 0);
 * yield* connect(s, { family: AF_INET, port: 7777, address: "127.0.0.1" });
 * const completionRoutine = (error: number, bytes: number) => console.log(error, bytes);
 * wsaRecv(s, new Uint8Array(1_024), 0, new Overlapped({ completionRoutine }));
 * ```
 */
export function wsaRecv(s: number, buf: Uint8Array, flags: number, overlapped: Overlapped): number {
  checkTransfer("wsaRecv", buf, 0, flags);
  checkOverlapped("wsaRecv", overlapped);
  const descriptor = findDescriptor(s);
  if (typeof descriptor === "number") return fail(descriptor);
  if (!areReceiveFlags(flags, false)) return fail(WSAEOPNOTSUPP);
  return begin(new RecvCall(descriptor, buf, buf.length, flags, null), overlapped);
}

/**
 * Asks how an overlapped operation has ended.
 *
 * @param s - the socket it was begun on
 * @param overlapped - the operation
 * @returns the bytes that it has moved; SOCKET_ERROR: WSA_IO_INCOMPLETE while it goes on, the code
 *   of its failure, WSAENOTSOCK, WSANOTINITIALISED
 * @throws TypeError
 * @example
 * ```ts
 * const s = socket(AF_INET, SOCK_STREAM, 0);
 * const overlapped = new Overlapped();
 * wsaRecv(s, new Uint8Array(1_024), 0, overlapped);
 * const n = wsaGetOverlappedResult(s, overlapped);
 * ```
 */
export function wsaGetOverlappedResult(s: number, overlapped: Overlapped): number {
  checkOverlapped("wsaGetOverlappedResult", overlapped);
  const descriptor = findDescriptor(s);
  if (typeof descriptor === "number") return fail(descriptor);
  return overlapped.error === 0 ? overlapped.bytesTransferred : fail(overlapped.error);
}

function checkOverlapped(call: string, overlapped: unknown): void {
  if (!(overlapped instanceof Overlapped)) {
    throw new TypeError(`${call}: overlapped must be an Overlapped`);
  }
}

function begin(call: CallWait, overlapped: Overlapped): number {
  const home = homeCoroutine();
  if (home === null || overlapped.error === WSA_IO_INCOMPLETE) return fail(WSAEINVAL);
  const { core } = call;
  if (home.bundleForOwn().isClosed) return fail(WSAEINTR);
  if (core.calls.size >= MAX_PENDING) return fail(WSAENOBUFS);
  if (call.poll(core.loop.now()) === READY) {
    const bytes = call.take();
    // What fails at once tells nobody else.
    if (call.code !== 0) return fail(call.code);
    overlapped.begin();
    overlapped.end(0, bytes);
    if (overlapped.completionRoutine === null) overlapped.event?.set(true);
    else start(home, () => complete(home, core, overlapped, 0, bytes));
    return 0;
  }
  overlapped.begin();
  call.onAborted = () => overlapped.end(WSA_OPERATION_ABORTED, 0);
  start(home, () => finish(home, call, overlapped));
  return fail(WSA_IO_PENDING);
}

function start(home: Coroutine, op: () => Operation<void>): void {
  home.bundleForOwn().start(op, "winsock overlapped");
}

/** The rest of an operation that could not end at once. */
function* finish(home: Coroutine, call: CallWait, overlapped: Overlapped): Operation<void> {
  let bytes = 0;
  let { code } = call;
  try {
    bytes = Math.max(0, yield* call);
    code = call.code;
  } catch (error) {
    code = codeOfError(error);
  }
  if (code === WSAEINTR) {
    // Its socket was closed, or the coroutine ends that has begun it.
    overlapped.end(WSA_OPERATION_ABORTED, 0);
    return;
  }
  overlapped.end(code, bytes);
  yield* complete(home, call.core, overlapped, code, bytes);
}

/** Tells whoever wants to know. */
function* complete(
  home: Coroutine,
  core: SocketCore,
  overlapped: Overlapped,
  error: number,
  bytes: number,
): Operation<void> {
  const { completionRoutine } = overlapped;
  if (completionRoutine === null) {
    overlapped.event?.set(true);
    return;
  }
  core.callbacks++;
  enterCallback(home);
  try {
    const made = completionRoutine(error, bytes, overlapped);
    if (isOperation(made)) yield* made;
  } finally {
    leaveCallback();
    core.callbacks--;
  }
}

function isOperation(made: unknown): made is Operation<unknown> {
  const { next } = (made ?? {}) as { next?: unknown };
  return typeof next === "function";
}
