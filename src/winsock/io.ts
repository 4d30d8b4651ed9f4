// SPDX-License-Identifier: MIT
// Sending and receiving on a connected socket.

import type { Operation } from "../../scheduler/index.ts";
import { perform } from "./call-wait.ts";
import { WSAEFAULT, WSAEOPNOTSUPP } from "./codes.ts";
import { MSG_DONTROUTE, MSG_PEEK, MSG_WAITALL } from "./constants.ts";
import { fail } from "./last-error.ts";
import type { SocketCore } from "./socket-core.ts";
import { findDescriptor } from "./table.ts";
import { RecvCall, SendCall } from "./transfer.ts";

/**
 * Sends bytes. A blocking socket has taken all of them when this returns, which does not mean that
 * the peer has them; a non-blocking one takes as many as there is room for.
 *
 * @param s - a connected socket
 * @param buf - the bytes; must not change until this returns
 * @param len - how many of them
 * @param flags - 0, or MSG_DONTROUTE, which changes nothing
 * @returns how many were taken; SOCKET_ERROR: WSAECONNRESET and the like (the connection has
 *   ended), WSAEFAULT (`len`), WSAEINPROGRESS (in a completion routine), WSAEINTR (cancelled, or
 *   the socket was closed meanwhile: some of the bytes may have been taken), WSAENETDOWN,
 *   WSAENOTCONN, WSAENOTSOCK, WSAEOPNOTSUPP (`flags`), WSAESHUTDOWN, WSAETIMEDOUT (SO_SNDTIMEO, or
 *   a deadline around it: the same), WSAEWOULDBLOCK, WSANOTINITIALISED
 * @throws TypeError
 * @example
 * ```ts
 * const s = socket(AF_INET, SOCK_STREAM, 0);
 * yield* connect(s, { family: AF_INET, port: 7777, address: "127.0.0.1" });
 * const bytes = new TextEncoder().encode("hello");
 * yield* send(s, bytes, bytes.length, 0);
 * ```
 */
export function* send(s: number, buf: Uint8Array, len: number, flags: number): Operation<number> {
  checkTransfer("send", buf, len, flags);
  const descriptor = findDescriptor(s);
  if (typeof descriptor === "number") return fail(descriptor);
  if ((flags & ~MSG_DONTROUTE) !== 0) return fail(WSAEOPNOTSUPP);
  if (!fits(buf, len)) return fail(WSAEFAULT);
  const timeoutMs = waitOf(descriptor.core, descriptor.core.settings.sendTimeoutMs);
  return yield* perform(new SendCall(descriptor, buf, len, timeoutMs));
}

/**
 * Receives what is there, at least one byte; with MSG_WAITALL as much as was asked for, unless the
 * stream ends first.
 *
 * @param s - a connected socket
 * @param buf - filled from the start
 * @param len - at most this many bytes
 * @param flags - 0, MSG_PEEK (the bytes stay), or MSG_WAITALL (only a blocking socket)
 * @returns the bytes received, 0 at the end of the stream; SOCKET_ERROR: WSAECONNRESET and the like
 *   (the connection has ended), WSAEFAULT (`len`), WSAEINPROGRESS (in a completion routine),
 *   WSAEINTR (cancelled, or the socket was closed meanwhile), WSAENETDOWN, WSAENOTCONN,
 *   WSAENOTSOCK, WSAEOPNOTSUPP (`flags`), WSAESHUTDOWN, WSAETIMEDOUT (SO_RCVTIMEO, or a deadline
 *   around it), WSAEWOULDBLOCK, WSANOTINITIALISED
 * @throws TypeError
 * @example
 * ```ts
 * const s = socket(AF_INET, SOCK_STREAM, 0);
 * yield* connect(s, { family: AF_INET, port: 7777, address: "127.0.0.1" });
 * const buf = new Uint8Array(1_024);
 * for (let n; (n = yield* recv(s, buf, buf.length, 0)) > 0; ) console.log(n);
 * ```
 */
export function* recv(s: number, buf: Uint8Array, len: number, flags: number): Operation<number> {
  checkTransfer("recv", buf, len, flags);
  const descriptor = findDescriptor(s);
  if (typeof descriptor === "number") return fail(descriptor);
  const { settings } = descriptor.core;
  if (!areReceiveFlags(flags, settings.isNonBlocking)) return fail(WSAEOPNOTSUPP);
  if (!fits(buf, len)) return fail(WSAEFAULT);
  const timeoutMs = waitOf(descriptor.core, settings.receiveTimeoutMs);
  return yield* perform(new RecvCall(descriptor, buf, len, flags, timeoutMs));
}

/** Refuses wrong types. */
export function checkTransfer(call: string, buf: unknown, len: unknown, flags: unknown): void {
  if (!(buf instanceof Uint8Array)) {
    throw new TypeError(`${call}: buf must be a Uint8Array, got ${typeof buf}`);
  }
  if (typeof len !== "number") {
    throw new TypeError(`${call}: len must be a number, got ${typeof len}`);
  }
  if (typeof flags !== "number") {
    throw new TypeError(`${call}: flags must be a number, got ${typeof flags}`);
  }
}

/** Whether `len` bytes are in `buf`. */
export function fits(buf: Uint8Array, len: number): boolean {
  return Number.isInteger(len) && len >= 0 && len <= buf.length;
}

/** Whether `recv` knows these flags, in this combination. */
export function areReceiveFlags(flags: number, isNonBlocking: boolean): boolean {
  if (flags === 0 || flags === MSG_PEEK) return true;
  return flags === MSG_WAITALL && !isNonBlocking;
}

/** How long a call may wait, as `CallWait` has it. */
function waitOf({ settings }: SocketCore, timeoutMs: number): number | null {
  if (settings.isNonBlocking) return -1;
  return timeoutMs === 0 ? null : timeoutMs;
}
