// SPDX-License-Identifier: MIT
// The twins of the calls that could block: operations for coroutines, with an absolute deadline as
// the last argument. Each is woken by the events of its socket; none polls.

import type { Wait } from "../../scheduler/index.ts";
import { checkSockid, type Mctx } from "./context.ts";
import type { EpollEvent } from "./epoll.ts";
import { checkEvents } from "./epoll-calls.ts";
import { checkSockaddr, checkSockaddrRef, type IntRef, type SockaddrIn } from "./sockaddr.ts";
import { type Bytes, type ByteVector, checkBuffer, checkVector } from "./stream-calls.ts";
import {
  AcceptTwin,
  CloseTwin,
  ConnectTwin,
  EpollTwin,
  ReadvTwin,
  RecvTwin,
  WritevTwin,
} from "./waits.ts";

/**
 * Waits for a connection, and takes it.
 *
 * @param mctx - its context
 * @param sockid - a listening socket
 * @param addr - filled in with the peer's address; null: not wanted
 * @param addrlen - the room for it, then its length; null with `addr`
 * @param deadline - absolute ms on the loop's clock, -1 never, 0 now
 * @returns as `accept`, without EAGAIN; or -1 and errno ECANCELED or ETIMEDOUT
 * @throws NetError ECANCELED, ETIMEDOUT (as a clause of `choose` alone); TypeError
 * @example
 * ```ts
 * const mctx = createContext(0);
 * const sockid = socket(mctx, AF_INET, SOCK_STREAM, 0);
 * listen(mctx, sockid, 128);
 * const accepted = yield* blocking.accept(mctx, sockid, null, null, now() + 1_000);
 * ```
 */
export function accept(
  mctx: Mctx | null,
  sockid: number,
  addr: SockaddrIn | null,
  addrlen: IntRef | null,
  deadline?: number,
): Wait<number> {
  checkSockid("mtcp.accept", sockid);
  checkSockaddrRef("mtcp.accept", addr, addrlen);
  return new AcceptTwin(mctx, sockid, addr, addrlen, deadline);
}

/**
 * Connects, and waits until the connection is open. After any error the attempt is gone, a late
 * answer meets a RST, and the socket can be connected again.
 *
 * @param mctx - its context
 * @param sockid - a socket
 * @param addr - the peer's end
 * @param addrlen - at least SOCKADDR_IN_BYTES
 * @param deadline - absolute ms on the loop's clock, -1 never, 0 now
 * @returns 0, or -1 and errno as `connect`, without EINPROGRESS; or ECANCELED, ECONNREFUSED,
 *   ECONNRESET, EHOSTUNREACH, ETIMEDOUT
 * @throws NetError ECANCELED, ETIMEDOUT (as a clause of `choose` alone); TypeError
 * @example
 * ```ts
 * const mctx = createContext(0);
 * const sockid = socket(mctx, AF_INET, SOCK_STREAM, 0);
 * const peer = sockaddrIn("10.0.0.1", 80);
 * yield* blocking.connect(mctx, sockid, peer, SOCKADDR_IN_BYTES, now() + 1_000);
 * ```
 */
export function connect(
  mctx: Mctx | null,
  sockid: number,
  addr: SockaddrIn | null,
  addrlen: number,
  deadline?: number,
): Wait<number> {
  checkSockid("mtcp.connect", sockid);
  checkSockaddr("mtcp.connect", addr, addrlen);
  return new ConnectTwin(mctx, sockid, addr, addrlen, deadline);
}

/**
 * Waits for bytes or the end of the stream, and reads what is there.
 *
 * @param mctx - its context
 * @param sockid - a connected socket, or the end of a pipe that is read
 * @param buf - filled from the start; belongs to this call until it returns
 * @param len - at most so many bytes
 * @param deadline - absolute ms on the loop's clock, -1 never, 0 now
 * @returns as `read`, without EAGAIN; or -1 and errno ECANCELED or ETIMEDOUT
 * @throws NetError ECANCELED, ETIMEDOUT (as a clause of `choose` alone); TypeError
 * @example
 * ```ts
 * const mctx = createContext(0);
 * const sockid = socket(mctx, AF_INET, SOCK_STREAM, 0);
 * const buf = new Uint8Array(4_096);
 * const n = yield* blocking.read(mctx, sockid, buf, buf.length, now() + 1_000);
 * ```
 */
export function read(
  mctx: Mctx | null,
  sockid: number,
  buf: Bytes,
  len: number,
  deadline?: number,
): Wait<number> {
  checkSockid("mtcp.read", sockid);
  checkBuffer("mtcp.read", buf, len);
  return new RecvTwin("read", mctx, sockid, buf, len, 0, deadline);
}

/**
 * Waits for bytes or the end of the stream, and reads what is there or looks at it.
 *
 * @param mctx - its context
 * @param sockid - as for `read`
 * @param buf - filled from the start; belongs to this call until it returns
 * @param len - at most so many bytes
 * @param flags - 0 or MSG_PEEK
 * @param deadline - absolute ms on the loop's clock, -1 never, 0 now
 * @returns as `recv`, without EAGAIN; or -1 and errno ECANCELED or ETIMEDOUT
 * @throws NetError ECANCELED, ETIMEDOUT (as a clause of `choose` alone); TypeError
 * @example
 * ```ts
 * const mctx = createContext(0);
 * const sockid = socket(mctx, AF_INET, SOCK_STREAM, 0);
 * yield* blocking.recv(mctx, sockid, new Uint8Array(1), 1, MSG_PEEK, now() + 1_000);
 * ```
 */
export function recv(
  mctx: Mctx | null,
  sockid: number,
  buf: Bytes,
  len: number,
  flags: number,
  deadline?: number,
): Wait<number> {
  checkSockid("mtcp.recv", sockid);
  checkBuffer("mtcp.recv", buf, len);
  return new RecvTwin("recv", mctx, sockid, buf, len, flags, deadline);
}

/**
 * Waits for bytes or the end of the stream, and reads what is there into several buffers.
 *
 * @param mctx - its context
 * @param sockid - as for `read`
 * @param iov - the buffers, each filled before the next; they belong to this call until it returns
 * @param numIOV - how many of them
 * @param deadline - absolute ms on the loop's clock, -1 never, 0 now
 * @returns as `readv`, without EAGAIN; or -1 and errno ECANCELED or ETIMEDOUT
 * @throws NetError ECANCELED, ETIMEDOUT (as a clause of `choose` alone); TypeError
 * @example
 * ```ts
 * const mctx = createContext(0);
 * const sockid = socket(mctx, AF_INET, SOCK_STREAM, 0);
 * const parts = [new Uint8Array(4), new Uint8Array(1_000)];
 * const n = yield* blocking.readv(mctx, sockid, parts, 2, now() + 1_000);
 * ```
 */
export function readv(
  mctx: Mctx | null,
  sockid: number,
  iov: ByteVector,
  numIOV: number,
  deadline?: number,
): Wait<number> {
  checkSockid("mtcp.readv", sockid);
  checkVector("mtcp.readv", iov, numIOV);
  return new ReadvTwin(mctx, sockid, iov, numIOV, deadline);
}

/**
 * Writes all of it, waiting for room as often as need be. As a clause of `choose` it writes all at
 * once or nothing, and more than the buffer can ever hold is EINVAL.
 *
 * @param mctx - its context
 * @param sockid - a connected socket, or the end of a pipe that is written
 * @param buf - the bytes; must not change until this returns
 * @param len - how many of them
 * @param deadline - absolute ms on the loop's clock, -1 never, 0 now
 * @returns `len`; fewer if it was cancelled, late, or failed in between (the next call says which);
 *   or -1 and errno as `write`, without EAGAIN, or ECANCELED or ETIMEDOUT: nothing was written
 * @throws NetError ECANCELED, ETIMEDOUT (as a clause of `choose` alone); TypeError
 * @example
 * ```ts
 * const mctx = createContext(0);
 * const sockid = socket(mctx, AF_INET, SOCK_STREAM, 0);
 * const hello = new TextEncoder().encode("hello");
 * yield* blocking.write(mctx, sockid, hello, hello.length, now() + 1_000);
 * ```
 */
export function write(
  mctx: Mctx | null,
  sockid: number,
  buf: Bytes,
  len: number,
  deadline?: number,
): Wait<number> {
  checkSockid("mtcp.write", sockid);
  checkBuffer("mtcp.write", buf, len);
  return new WritevTwin("write", mctx, sockid, asVector(buf, len), vectorCount(len), deadline);
}

/**
 * Writes all of several buffers, one after the other.
 *
 * @param mctx - its context
 * @param sockid - as for `write`
 * @param iov - the buffers; must not change until this returns
 * @param numIOV - how many of them
 * @param deadline - absolute ms on the loop's clock, -1 never, 0 now
 * @returns as `write`: the bytes of all of them
 * @throws NetError ECANCELED, ETIMEDOUT (as a clause of `choose` alone); TypeError
 * @example
 * ```ts
 * const mctx = createContext(0);
 * const sockid = socket(mctx, AF_INET, SOCK_STREAM, 0);
 * const text = new TextEncoder();
 * const parts = [text.encode("head"), text.encode("body")];
 * yield* blocking.writev(mctx, sockid, parts, 2, now() + 1_000);
 * ```
 */
export function writev(
  mctx: Mctx | null,
  sockid: number,
  iov: ByteVector,
  numIOV: number,
  deadline?: number,
): Wait<number> {
  checkSockid("mtcp.writev", sockid);
  checkVector("mtcp.writev", iov, numIOV);
  return new WritevTwin("writev", mctx, sockid, iov, numIOV, deadline);
}

/**
 * Closes a descriptor, and waits for the orderly end of its connection: the peer has acknowledged
 * every byte and our FIN, and has sent its own. What still arrives is dropped. With SO_LINGER and a
 * time it waits for the acknowledgement alone, no longer than that time. The descriptor is free
 * from the first moment on, in every case; if the end is not orderly, the connection is reset.
 *
 * @param mctx - the context that made it
 * @param sockid - a descriptor of any kind; only connections are waited for
 * @param deadline - absolute ms on the loop's clock, -1 never, 0 now
 * @returns 0, or -1 and errno: EACCES, EBADF, ECANCELED, ECONNRESET, ENOTCONN, ETIMEDOUT
 * @throws NetError ECANCELED, ETIMEDOUT (as a clause of `choose` alone); TypeError
 * @example
 * ```ts
 * const mctx = createContext(0);
 * const sockid = socket(mctx, AF_INET, SOCK_STREAM, 0);
 * yield* blocking.close(mctx, sockid, now() + 1_000);
 * ```
 */
export function close(mctx: Mctx | null, sockid: number, deadline?: number): Wait<number> {
  checkSockid("mtcp.close", sockid);
  return new CloseTwin(mctx, sockid, deadline);
}

/**
 * Waits until something is ready. Unlike epoll_wait(2) it answers ETIMEDOUT, not 0, when nothing
 * was by the deadline.
 *
 * @param mctx - its context
 * @param epid - the epoll instance
 * @param events - filled from the start; entries that are not there are made
 * @param maxevents - at least 1
 * @param deadline - absolute ms on the loop's clock, -1 never, 0 now
 * @returns how many, at least 1; or -1 and errno: EACCES, EBADF (closed meanwhile, too), ECANCELED,
 *   EFAULT, EINVAL, ETIMEDOUT
 * @throws NetError ECANCELED, ETIMEDOUT (as a clause of `choose` alone); TypeError
 * @example
 * ```ts
 * const mctx = createContext(0);
 * const epid = epollCreate(mctx, 1);
 * const events: { events: number; data: number }[] = [];
 * const count = yield* blocking.epollWait(mctx, epid, events, 64, now() + 1_000);
 * ```
 */
export function epollWait<D = number>(
  mctx: Mctx | null,
  epid: number,
  events: EpollEvent<D>[] | null,
  maxevents: number,
  deadline?: number,
): Wait<number> {
  checkEvents("mtcp.epollWait", epid, events, maxevents);
  return new EpollTwin(mctx, epid, events as EpollEvent<unknown>[] | null, maxevents, deadline);
}

/** A buffer as a vector of one; what is wrong with it stays wrong. */
function asVector(buf: Bytes, len: number): ByteVector {
  if (buf === null) return null;
  if (!Number.isInteger(len) || len < 0) return [];
  return len > buf.length ? [] : [len === buf.length ? buf : buf.subarray(0, len)];
}

/** One, or what the same mistake in `len` is as a count: not whole, or beyond the vector. */
function vectorCount(len: number): number {
  return Number.isInteger(len) && len >= 0 ? 1 : -1;
}
