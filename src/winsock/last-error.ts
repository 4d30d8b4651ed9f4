// SPDX-License-Identifier: MIT
// Why the last call has failed: one value for each coroutine, as Winsock has one for each thread,
// and one for code outside of coroutines. Also what the numbers of the layers below become.

import { isNetError } from "../../scheduler/index.ts";
import {
  type Coroutine,
  currentCoroutine,
  ERRNO,
  type ErrorCode,
} from "../../scheduler/internal.ts";
import * as codes from "./codes.ts";
import { SOCKET_ERROR } from "./constants.ts";

const perCoroutine = new WeakMap<Coroutine, number>();
let outside = 0;

/**
 * Tells why the last call of this coroutine that failed has failed. A call that succeeds leaves it
 * as it is. Code outside of coroutines has one value in common.
 *
 * @returns a WSA code, 0 before any failure
 * @example
 * ```ts
 * const s = socket(AF_INET, SOCK_STREAM, 0);
 * if (s === INVALID_SOCKET) console.log(getLastError());
 * ```
 */
export function getLastError(): number {
  const coroutine = currentCoroutine();
  return coroutine === null ? outside : (perCoroutine.get(coroutine) ?? 0);
}

/**
 * Sets what `getLastError` tells this coroutine.
 *
 * @param code - a WSA code, or 0
 * @throws TypeError
 * @example
 * ```ts
 * setLastError(0);
 * ```
 */
export function setLastError(code: number): void {
  if (typeof code !== "number") {
    throw new TypeError(`setLastError: code must be a number, got ${typeof code}`);
  }
  const coroutine = currentCoroutine();
  if (coroutine === null) outside = code;
  else perCoroutine.set(coroutine, code);
}

/** A call has failed. @returns what it returns */
export function fail(code: number): number {
  setLastError(code);
  return SOCKET_ERROR;
}

const CODES: Readonly<Partial<Record<ErrorCode, number>>> = {
  EACCES: codes.WSAEACCES,
  EPERM: codes.WSAEACCES,
  EADDRINUSE: codes.WSAEADDRINUSE,
  EADDRNOTAVAIL: codes.WSAEADDRNOTAVAIL,
  EAFNOSUPPORT: codes.WSAEAFNOSUPPORT,
  EAGAIN: codes.WSAEWOULDBLOCK,
  EALREADY: codes.WSAEALREADY,
  EBADF: codes.WSAENOTSOCK,
  ECANCELED: codes.WSAEINTR,
  ECONNABORTED: codes.WSAECONNABORTED,
  ECONNREFUSED: codes.WSAECONNREFUSED,
  ECONNRESET: codes.WSAECONNRESET,
  EHOSTUNREACH: codes.WSAEHOSTUNREACH,
  EINVAL: codes.WSAEINVAL,
  EISCONN: codes.WSAEISCONN,
  EMFILE: codes.WSAEMFILE,
  ENFILE: codes.WSAEMFILE,
  ENETUNREACH: codes.WSAENETUNREACH,
  ENOBUFS: codes.WSAENOBUFS,
  ENOMEM: codes.WSAENOBUFS,
  ENOSYS: codes.WSASYSNOTREADY,
  ENOTCONN: codes.WSAENOTCONN,
  EPIPE: codes.WSAESHUTDOWN,
  ETIMEDOUT: codes.WSAETIMEDOUT,
};

const BY_ERRNO: ReadonlyMap<number, number> = new Map(
  (Object.keys(CODES) as ErrorCode[]).map((name) => [ERRNO[name], CODES[name] as number]),
);

/**
 * What a number of the layers below means here. One that Winsock has no word for means that the
 * network has failed.
 *
 * @param errno - negative
 */
export function codeOfErrno(errno: number): number {
  return BY_ERRNO.get(-errno) ?? codes.WSAENETDOWN;
}

/** What an operating error that was thrown means here; what is none is thrown on. */
export function codeOfError(error: unknown): number {
  if (!isNetError(error)) throw error;
  return codeOfErrno(error.errno);
}
