// SPDX-License-Identifier: MIT
// What can be set and asked of a socket. What is not there, or cannot be changed now, is
// WSAENOPROTOOPT: nothing is accepted and then ignored.

import { WSAEFAULT, WSAEINVAL, WSAENOPROTOOPT, WSAENOTCONN } from "./codes.ts";
import {
  FIONBIO,
  FIONREAD,
  IPPROTO_TCP,
  SO_ACCEPTCONN,
  SO_DONTLINGER,
  SO_ERROR,
  SO_LINGER,
  SO_RCVTIMEO,
  SO_SNDTIMEO,
  SO_TYPE,
  SOCK_STREAM,
  SOL_SOCKET,
  TCP_NODELAY,
} from "./constants.ts";
import { codeOfErrno, fail } from "./last-error.ts";
import type { SocketCore } from "./socket-core.ts";
import { findDescriptor } from "./table.ts";

/** What `closesocket` does with data that is not sent yet: the value of SO_LINGER. */
export interface Linger {
  /** Not 0: it waits, or resets. 0: it goes on in the background. */
  onOff: number;
  /** How long to wait, whole seconds up to 65,535; 0: resets at once. */
  linger: number;
}

/** A number that a call fills in. */
export interface OptionValue {
  value: number;
}

/** The largest interval: it is 16 bits wide. */
const MAX_LINGER_SECONDS = 65_535;
/** A DWORD. */
const MAX_TIMEOUT_MS = 0xffff_ffff;

/**
 * Sets an option: SO_LINGER, SO_DONTLINGER, SO_RCVTIMEO, SO_SNDTIMEO of SOL_SOCKET, and TCP_NODELAY
 * of IPPROTO_TCP before the socket is connected.
 *
 * @param s - a socket
 * @param level - SOL_SOCKET or IPPROTO_TCP
 * @param optname - the option
 * @param optval - a number or a boolean; for SO_LINGER a `Linger`
 * @returns 0; SOCKET_ERROR: WSAEINVAL (`optval`), WSAENOPROTOOPT (no such option, or it cannot be
 *   changed, or not now), WSAENOTSOCK, WSANOTINITIALISED
 * @throws TypeError
 * @example
 * ```ts
 * const s = socket(AF_INET, SOCK_STREAM, 0);
 * const hard = { onOff: 1, linger: 0 };
 * setsockopt(s, SOL_SOCKET, SO_LINGER, hard);
 * ```
 */
export function setsockopt(
  s: number,
  level: number,
  optname: number,
  optval: number | boolean | Linger,
): number {
  const descriptor = findDescriptor(s);
  if (typeof descriptor === "number") return fail(descriptor);
  const { core } = descriptor;
  let code = WSAENOPROTOOPT;
  if (level === SOL_SOCKET && optname === SO_LINGER) code = setLinger(core, optval);
  else if (level === SOL_SOCKET) code = setOfSocket(core, optname, optval);
  else if (level === IPPROTO_TCP && optname === TCP_NODELAY) code = setNoDelay(core, optval);
  return code === 0 ? 0 : fail(code);
}

/**
 * Asks for an option: those that `setsockopt` sets, and SO_ACCEPTCONN, SO_ERROR, SO_TYPE.
 *
 * @param s - a socket
 * @param level - SOL_SOCKET or IPPROTO_TCP
 * @param optname - the option
 * @param optval - filled: an `OptionValue`; for SO_LINGER a `Linger`
 * @returns 0; SOCKET_ERROR: WSAEFAULT (`optval` has no such field), WSAENOPROTOOPT (no such option,
 *   or it is not known: TCP_NODELAY of an accepted socket), WSAENOTSOCK, WSANOTINITIALISED
 * @throws TypeError
 * @example
 * ```ts
 * const s = socket(AF_INET, SOCK_STREAM, 0);
 * const error = { value: 0 };
 * getsockopt(s, SOL_SOCKET, SO_ERROR, error);
 * ```
 */
export function getsockopt(
  s: number,
  level: number,
  optname: number,
  optval: OptionValue | Linger,
): number {
  if (typeof optval !== "object" || optval === null) {
    throw new TypeError(`getsockopt: optval must be an object, got ${typeof optval}`);
  }
  const descriptor = findDescriptor(s);
  if (typeof descriptor === "number") return fail(descriptor);
  const { core } = descriptor;
  if (level === SOL_SOCKET && optname === SO_LINGER) {
    if (!("onOff" in optval)) return fail(WSAEFAULT);
    optval.onOff = core.settings.isLinger ? 1 : 0;
    optval.linger = core.settings.lingerSeconds;
    return 0;
  }
  const asks = readerOf(core, level, optname);
  if (asks === null) return fail(WSAENOPROTOOPT);
  if (!("value" in optval)) return fail(WSAEFAULT);
  optval.value = asks();
  return 0;
}

/**
 * Asks how many bytes can be received without waiting (FIONREAD), or makes a socket blocking or
 * non-blocking (FIONBIO).
 *
 * @param s - a socket
 * @param cmd - FIONREAD or FIONBIO
 * @param argp - FIONREAD: filled; FIONBIO: not 0 for non-blocking
 * @returns 0; SOCKET_ERROR: WSAEINVAL (`cmd`), WSAENOTCONN (FIONREAD), WSAENOTSOCK,
 *   WSANOTINITIALISED
 * @throws TypeError
 * @example
 * ```ts
 * const s = socket(AF_INET, SOCK_STREAM, 0);
 * ioctlsocket(s, FIONBIO, { value: 1 });
 * ```
 */
export function ioctlsocket(s: number, cmd: number, argp: OptionValue): number {
  if (typeof argp?.value !== "number") throw new TypeError("ioctlsocket: argp must be { value }");
  const descriptor = findDescriptor(s);
  if (typeof descriptor === "number") return fail(descriptor);
  const { core } = descriptor;
  if (cmd === FIONBIO) {
    core.settings.isNonBlocking = argp.value !== 0;
    return 0;
  }
  if (cmd !== FIONREAD) return fail(WSAEINVAL);
  core.settle();
  if (core.stream === null) return fail(WSAENOTCONN);
  argp.value = core.stream.flow.receivedBytes;
  return 0;
}

function setLinger({ settings }: SocketCore, optval: unknown): number {
  const { onOff, linger } = (optval ?? {}) as Partial<Linger>;
  if (typeof onOff !== "number" || typeof linger !== "number") {
    throw new TypeError("setsockopt: optval of SO_LINGER must be { onOff, linger }");
  }
  if (!Number.isInteger(linger) || linger < 0 || linger > MAX_LINGER_SECONDS) return WSAEINVAL;
  settings.isLinger = onOff !== 0;
  settings.lingerSeconds = linger;
  return 0;
}

function setOfSocket({ settings }: SocketCore, optname: number, optval: unknown): number {
  if (optname === SO_DONTLINGER) {
    settings.isLinger = numberOf(optval) === 0;
    return 0;
  }
  if (optname !== SO_RCVTIMEO && optname !== SO_SNDTIMEO) return WSAENOPROTOOPT;
  const timeoutMs = numberOf(optval);
  const isFine = Number.isInteger(timeoutMs) && timeoutMs >= 0 && timeoutMs <= MAX_TIMEOUT_MS;
  if (!isFine) return WSAEINVAL;
  if (optname === SO_RCVTIMEO) settings.receiveTimeoutMs = timeoutMs;
  else settings.sendTimeoutMs = timeoutMs;
  return 0;
}

/** A connection is opened with Nagle's algorithm on or off, and stays so. */
function setNoDelay(core: SocketCore, optval: unknown): number {
  const noDelay = numberOf(optval) !== 0;
  core.settle();
  const isFixed = core.stream !== null || core.isConnecting || core.listener !== null;
  if (isFixed) return noDelay === core.settings.noDelay ? 0 : WSAENOPROTOOPT;
  core.settings.noDelay = noDelay;
  return 0;
}

function numberOf(optval: unknown): number {
  if (typeof optval === "boolean") return optval ? 1 : 0;
  if (typeof optval === "number") return optval;
  throw new TypeError(`setsockopt: optval must be a number or a boolean, got ${typeof optval}`);
}

/** @returns what gives the value; null: there is none */
function readerOf(core: SocketCore, level: number, optname: number): (() => number) | null {
  const { settings } = core;
  if (level === IPPROTO_TCP) {
    if (optname !== TCP_NODELAY || settings.noDelay === null) return null;
    return () => (settings.noDelay ? 1 : 0);
  }
  if (level !== SOL_SOCKET) return null;
  switch (optname) {
    case SO_DONTLINGER:
      return () => (settings.isLinger ? 0 : 1);
    case SO_RCVTIMEO:
      return () => settings.receiveTimeoutMs;
    case SO_SNDTIMEO:
      return () => settings.sendTimeoutMs;
    case SO_TYPE:
      return () => SOCK_STREAM;
    case SO_ACCEPTCONN:
      return () => (core.listener === null ? 0 : 1);
    case SO_ERROR:
      return () => takeError(core);
    default:
      return null;
  }
}

/** What has gone wrong and has not been told by this option yet. */
function takeError(core: SocketCore): number {
  core.settle();
  const code = core.pendingError;
  core.pendingError = 0;
  if (code !== 0) return code;
  const failure = core.stream?.flow.failure ?? 0;
  if (failure === 0 || core.hasToldFailure) return 0;
  core.hasToldFailure = true;
  return codeOfErrno(failure);
}
