// SPDX-License-Identifier: MIT
// Bytes in and out: read, readv, recv, write, writev, ioctl; on sockets and on pipes.

import { FIONBIO, FIONREAD, MSG_PEEK } from "./constants.ts";
import { checkSockid, contextOf, lookup, type Mctx } from "./context.ts";
import { answer, EFAULT, EINVAL, ENOTSOCK } from "./errno.ts";
import type { PipeEnd } from "./pipe.ts";
import { checkIntRef, type IntRef } from "./sockaddr.ts";
import type { TcpSocket } from "./tcp-socket.ts";

/** Where bytes are or go; null, as in C, is EFAULT. */
export type Bytes = Uint8Array | null;
/** Several such places, in order. */
export type ByteVector = readonly Uint8Array[] | null;

/**
 * Reads what is there.
 *
 * @param mctx - its context
 * @param sockid - a connected socket, or the end of a pipe that is read
 * @param buf - filled from the start
 * @param len - at most so many bytes; not more than `buf` has
 * @returns bytes, 0 at the end of the stream, or -1 and errno: EACCES, EAGAIN (nothing there),
 *   EBADF, ECONNRESET (never 0 after a reset), EFAULT, EINVAL, ENOTCONN (not connected, or not
 *   yet), ENOTSOCK, ETIMEDOUT (the peer does not answer any more)
 * @throws TypeError
 * @example
 * ```ts
 * const mctx = createContext(0);
 * const sockid = socket(mctx, AF_INET, SOCK_STREAM, 0);
 * const buf = new Uint8Array(4_096);
 * const n = read(mctx, sockid, buf, buf.length);
 * ```
 */
export function read(mctx: Mctx | null, sockid: number, buf: Bytes, len: number): number {
  checkSockid("mtcp.read", sockid);
  checkBuffer("mtcp.read", buf, len);
  return answer(contextOf(mctx), tryRecv(mctx, sockid, buf, len, 0));
}

/**
 * Reads what is there, or looks at it.
 *
 * @param mctx - its context
 * @param sockid - as for `read`
 * @param buf - filled from the start
 * @param len - at most so many bytes
 * @param flags - 0, or MSG_PEEK: the bytes stay where they are
 * @returns as `read`; EINVAL also for other flags
 * @throws TypeError
 * @example
 * ```ts
 * const mctx = createContext(0);
 * const sockid = socket(mctx, AF_INET, SOCK_STREAM, 0);
 * recv(mctx, sockid, new Uint8Array(1), 1, MSG_PEEK);
 * ```
 */
export function recv(
  mctx: Mctx | null,
  sockid: number,
  buf: Bytes,
  len: number,
  flags: number,
): number {
  checkSockid("mtcp.recv", sockid);
  checkBuffer("mtcp.recv", buf, len);
  return answer(contextOf(mctx), tryRecv(mctx, sockid, buf, len, flags));
}

/** As `recv`. @returns bytes, or -errno */
export function tryRecv(
  mctx: unknown,
  sockid: number,
  buf: Bytes,
  len: number,
  flags: number,
): number {
  const found = streamEnd(mctx, sockid);
  if (typeof found === "number") return found;
  if (flags !== 0 && flags !== MSG_PEEK) return -EINVAL;
  const length = readable(buf, len);
  if (length < 0) return length;
  return found.receive(buf as Uint8Array, 0, length, flags === MSG_PEEK);
}

/**
 * Reads into several buffers, one after the other, in one step.
 *
 * @param mctx - its context
 * @param sockid - as for `read`
 * @param iov - the buffers, each filled before the next
 * @param numIOV - how many of them
 * @returns as `read`: the bytes in all of them
 * @throws TypeError
 * @example
 * ```ts
 * const mctx = createContext(0);
 * const sockid = socket(mctx, AF_INET, SOCK_STREAM, 0);
 * const n = readv(mctx, sockid, [new Uint8Array(4), new Uint8Array(1_000)], 2);
 * ```
 */
export function readv(mctx: Mctx | null, sockid: number, iov: ByteVector, numIOV: number): number {
  checkSockid("mtcp.readv", sockid);
  checkVector("mtcp.readv", iov, numIOV);
  return answer(contextOf(mctx), tryReadv(mctx, sockid, iov, numIOV));
}

/** As `readv`. @returns bytes, or -errno */
export function tryReadv(mctx: unknown, sockid: number, iov: ByteVector, count: number): number {
  const found = streamEnd(mctx, sockid);
  if (typeof found === "number") return found;
  const length = vectorLength(iov, count);
  if (length <= 0) return length === 0 ? found.receive(NOTHING, 0, 0, false) : length;
  let total = 0;
  for (let i = 0; i < count; i++) {
    const part = (iov as readonly Uint8Array[])[i] as Uint8Array;
    if (part.length === 0) continue;
    const taken = found.receive(part, 0, part.length, false);
    // What follows what was read is told the next time: an end, an error, or nothing yet.
    if (taken <= 0) return total > 0 ? total : taken;
    total += taken;
    if (taken < part.length) break;
  }
  return total;
}

/**
 * Writes as much as there is room for.
 *
 * @param mctx - its context
 * @param sockid - a connected socket, or the end of a pipe that is written
 * @param buf - the bytes; copied
 * @param len - how many of them
 * @returns bytes taken, perhaps fewer than `len`; or -1 and errno: EACCES, EAGAIN (no room), EBADF,
 *   ECONNRESET, EFAULT, EINVAL, ENOTCONN (not connected, or not yet), ENOTSOCK, EPIPE (after
 *   `shutdown`; a pipe that nobody reads), ETIMEDOUT (the peer does not answer any more)
 * @throws TypeError
 * @example
 * ```ts
 * const mctx = createContext(0);
 * const sockid = socket(mctx, AF_INET, SOCK_STREAM, 0);
 * const hello = new TextEncoder().encode("hello");
 * write(mctx, sockid, hello, hello.length);
 * ```
 */
export function write(mctx: Mctx | null, sockid: number, buf: Bytes, len: number): number {
  checkSockid("mtcp.write", sockid);
  checkBuffer("mtcp.write", buf, len);
  return answer(contextOf(mctx), tryWrite(mctx, sockid, buf, len));
}

function tryWrite(mctx: unknown, sockid: number, buf: Bytes, len: number): number {
  const found = streamEnd(mctx, sockid);
  if (typeof found === "number") return found;
  const length = readable(buf, len);
  return length < 0 ? length : found.send(buf as Uint8Array, 0, length);
}

/**
 * Writes several buffers, one after the other, in one step: nothing of others comes in between.
 *
 * @param mctx - its context
 * @param sockid - as for `write`
 * @param iov - the buffers
 * @param numIOV - how many of them
 * @returns as `write`: the bytes taken of all of them
 * @throws TypeError
 * @example
 * ```ts
 * const mctx = createContext(0);
 * const sockid = socket(mctx, AF_INET, SOCK_STREAM, 0);
 * const text = new TextEncoder();
 * writev(mctx, sockid, [text.encode("head"), text.encode("body")], 2);
 * ```
 */
export function writev(mctx: Mctx | null, sockid: number, iov: ByteVector, numIOV: number): number {
  checkSockid("mtcp.writev", sockid);
  checkVector("mtcp.writev", iov, numIOV);
  return answer(contextOf(mctx), tryWritev(mctx, sockid, iov, numIOV, 0));
}

/**
 * As `writev`, from byte `skip` of all the bytes on.
 *
 * @returns bytes taken, or -errno
 */
export function tryWritev(
  mctx: unknown,
  sockid: number,
  iov: ByteVector,
  count: number,
  skip: number,
): number {
  const found = streamEnd(mctx, sockid);
  if (typeof found === "number") return found;
  const length = vectorLength(iov, count);
  if (length < 0) return length;
  if (length === skip) return found.send(NOTHING, 0, 0);
  const gate = found.kind === "pipe" ? found.gate(length - skip) : 0;
  if (gate < 0) return gate;
  let before = skip;
  let total = 0;
  for (let i = 0; i < count; i++) {
    const part = (iov as readonly Uint8Array[])[i] as Uint8Array;
    const offset = Math.min(before, part.length);
    before -= offset;
    if (offset === part.length) continue;
    const taken = found.send(part, offset, part.length - offset);
    if (taken < 0) return total > 0 ? total : taken;
    total += taken;
    if (offset + taken < part.length) break;
  }
  return total;
}

/**
 * Asks or changes what has no call of its own.
 *
 * @param mctx - its context
 * @param sockid - a socket or the end of a pipe
 * @param request - FIONREAD: how many bytes can be read; FIONBIO: non-blocking (not 0), which holds
 *   anyway; blocking (0) is refused, since that is what `blocking` is for
 * @param argp - read or filled in
 * @returns 0, or -1 and errno: EACCES, EBADF, EFAULT (null), EINVAL (another request, FIONBIO 0, a
 *   listener asked for bytes), ENOTSOCK (an epoll instance)
 * @throws TypeError
 * @example
 * ```ts
 * const mctx = createContext(0);
 * const sockid = socket(mctx, AF_INET, SOCK_STREAM, 0);
 * const bytes = { value: 0 };
 * ioctl(mctx, sockid, FIONREAD, bytes);
 * ```
 */
export function ioctl(
  mctx: Mctx | null,
  sockid: number,
  request: number,
  argp: IntRef | null,
): number {
  checkSockid("mtcp.ioctl", sockid);
  checkIntRef("mtcp.ioctl", "argp", argp);
  return answer(contextOf(mctx), tryIoctl(mctx, sockid, request, argp));
}

function tryIoctl(mctx: unknown, sockid: number, request: number, argp: IntRef | null): number {
  const found = streamEnd(mctx, sockid);
  if (typeof found === "number") return found;
  if (argp === null) return -EFAULT;
  if (request === FIONBIO) return argp.value === 0 ? -EINVAL : 0;
  if (request !== FIONREAD) return -EINVAL;
  if (found.kind === "socket" && found.isListening) return -EINVAL;
  argp.value = found.readableBytes;
  return 0;
}

const NOTHING: Uint8Array = new Uint8Array(0);

/** @returns what bytes go through, -EACCES, -EBADF, or -ENOTSOCK for an epoll instance */
export function streamEnd(mctx: unknown, sockid: number): TcpSocket | PipeEnd | number {
  const found = lookup(mctx, sockid);
  if (typeof found === "number") return found;
  return found.kind === "epoll" ? -ENOTSOCK : found;
}

/** Refuses what is no buffer and no length at all. */
export function checkBuffer(call: string, buf: unknown, len: unknown): void {
  if (buf !== null && !(buf instanceof Uint8Array)) {
    throw new TypeError(`${call}: buf must be a Uint8Array or null, got ${typeof buf}`);
  }
  if (typeof len !== "number") {
    throw new TypeError(`${call}: len must be a number, got ${typeof len}`);
  }
}

/** Refuses what is no vector at all. */
export function checkVector(call: string, iov: unknown, numIOV: unknown): void {
  const isVector = Array.isArray(iov) && iov.every((part) => part instanceof Uint8Array);
  if (iov !== null && !isVector) {
    throw new TypeError(`${call}: iov must be an array of Uint8Array or null`);
  }
  if (typeof numIOV !== "number") {
    throw new TypeError(`${call}: numIOV must be a number, got ${typeof numIOV}`);
  }
}

/** @returns the length if the buffer has it, else -errno */
function readable(buf: Bytes, len: number): number {
  if (!Number.isInteger(len) || len < 0) return -EINVAL;
  if (buf === null || len > buf.length) return -EFAULT;
  return len;
}

/** @returns the bytes of `count` buffers, or -errno */
export function vectorLength(iov: ByteVector, count: number): number {
  if (!Number.isInteger(count) || count < 0) return -EINVAL;
  if (iov === null || count > iov.length) return -EFAULT;
  let total = 0;
  for (let i = 0; i < count; i++) total += (iov[i] as Uint8Array).length;
  return total;
}
