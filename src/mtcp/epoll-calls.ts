// SPDX-License-Identifier: MIT
// epoll: several instances per context, each with sockets and pipe ends of it.

import { EPOLL_CLOEXEC } from "./constants.ts";
import { checkSockid, contextOf, lookup, type Mctx, openContext } from "./context.ts";
import { Epoll, type EpollEvent } from "./epoll.ts";
import { answer, EACCES, EFAULT, EINVAL } from "./errno.ts";

/**
 * Makes an epoll instance.
 *
 * @param mctx - its context; there may be several instances in one
 * @param size - more than 0; of no other consequence
 * @returns the descriptor, or -1 and errno: EACCES, EINVAL (size), ENFILE
 * @throws TypeError
 * @example
 * ```ts
 * const mctx = createContext(0);
 * const epid = epollCreate(mctx, 1);
 * ```
 */
export function epollCreate(mctx: Mctx | null, size: number): number {
  if (typeof size !== "number") throw new TypeError("mtcp.epollCreate: size must be a number");
  return answer(contextOf(mctx), tryCreate(mctx, size > 0));
}

/**
 * Makes an epoll instance.
 *
 * @param mctx - its context
 * @param flags - 0 or EPOLL_CLOEXEC
 * @returns the descriptor, or -1 and errno: EACCES, EINVAL (flags), ENFILE
 * @throws TypeError
 * @example
 * ```ts
 * const mctx = createContext(0);
 * const epid = epollCreate1(mctx, EPOLL_CLOEXEC);
 * ```
 */
export function epollCreate1(mctx: Mctx | null, flags: number): number {
  if (typeof flags !== "number") throw new TypeError("mtcp.epollCreate1: flags must be a number");
  return answer(contextOf(mctx), tryCreate(mctx, flags === 0 || flags === EPOLL_CLOEXEC));
}

function tryCreate(mctx: unknown, isFine: boolean): number {
  const open = openContext(mctx);
  if (open === null) return -EACCES;
  return isFine ? open.table.add(new Epoll()) : -EINVAL;
}

/**
 * Registers a socket or the end of a pipe, changes what is wanted of it, or forgets it. What is
 * ready already is told by the next wait. EPOLLERR and EPOLLHUP are always wanted. Closing a
 * descriptor forgets it everywhere.
 *
 * @param mctx - its context
 * @param epid - the epoll instance
 * @param op - EPOLL_CTL_ADD, EPOLL_CTL_MOD (which arms a one-shot entry again) or EPOLL_CTL_DEL
 * @param sockid - a descriptor of the same context; not an epoll instance
 * @param event - EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP, EPOLLRDHUP, EPOLLET, EPOLLONESHOT, or-ed,
 *   and what is to be told with them; null for EPOLL_CTL_DEL
 * @returns 0, or -1 and errno: EACCES, EBADF (either descriptor), EEXIST, EINVAL (`epid` is no
 *   epoll instance, `sockid` is one, `op`, no event, an event that never comes), ENOENT
 * @throws TypeError
 * @example
 * ```ts
 * const mctx = createContext(0);
 * const sockid = socket(mctx, AF_INET, SOCK_STREAM, 0);
 * const epid = epollCreate(mctx, 1);
 * epollCtl(mctx, epid, EPOLL_CTL_ADD, sockid, { events: EPOLLIN | EPOLLET, data: sockid });
 * ```
 */
export function epollCtl<D = number>(
  mctx: Mctx | null,
  epid: number,
  op: number,
  sockid: number,
  event: EpollEvent<D> | null,
): number {
  checkSockid("mtcp.epollCtl", epid, "epid");
  checkSockid("mtcp.epollCtl", sockid);
  if (event !== null && typeof (Object(event) as Partial<EpollEvent>).events !== "number") {
    throw new TypeError("mtcp.epollCtl: event must be { events, data } or null");
  }
  return answer(contextOf(mctx), tryControl(mctx, epid, op, sockid, event));
}

function tryControl(
  mctx: unknown,
  epid: number,
  op: number,
  sockid: number,
  event: EpollEvent<unknown> | null,
): number {
  const epoll = lookup(mctx, epid);
  if (typeof epoll === "number") return epoll;
  const source = lookup(mctx, sockid);
  if (typeof source === "number") return source;
  if (epoll.kind !== "epoll" || source.kind === "epoll") return -EINVAL;
  return epoll.control(op, sockid, source, event);
}

/**
 * Tells which sockets are ready now, one entry each with all that is true of it. This call cannot
 * wait: `blocking.epollWait` does.
 *
 * @param mctx - its context
 * @param epid - the epoll instance
 * @param events - filled from the start; entries that are not there are made
 * @param maxevents - at least 1; more than that are told the next time
 * @param timeout - 0
 * @returns how many, or -1 and errno: EACCES, EBADF, EFAULT (null), EINVAL (`epid` is no epoll
 *   instance, `maxevents`, a timeout other than 0)
 * @throws TypeError
 * @example
 * ```ts
 * const mctx = createContext(0);
 * const epid = epollCreate(mctx, 1);
 * const events: { events: number; data: number }[] = [];
 * const count = epollWait(mctx, epid, events, 64, 0);
 * for (let i = 0; i < count; i++) console.log(events[i]?.data);
 * ```
 */
export function epollWait<D = number>(
  mctx: Mctx | null,
  epid: number,
  events: EpollEvent<D>[] | null,
  maxevents: number,
  timeout: number,
): number {
  checkEvents("mtcp.epollWait", epid, events, maxevents);
  if (typeof timeout !== "number") throw new TypeError("mtcp.epollWait: timeout must be a number");
  return answer(contextOf(mctx), tryWait(mctx, epid, events, maxevents, timeout));
}

function tryWait(
  mctx: unknown,
  epid: number,
  events: EpollEvent<unknown>[] | null,
  maxevents: number,
  timeout: number,
): number {
  const found = lookup(mctx, epid);
  if (typeof found === "number") return found;
  return timeout === 0 ? tryCollect(mctx, epid, events, maxevents) : -EINVAL;
}

/** What is ready. @returns how many, 0: nothing, or -errno */
export function tryCollect(
  mctx: unknown,
  epid: number,
  events: EpollEvent<unknown>[] | null,
  maxevents: number,
): number {
  const found = lookup(mctx, epid);
  if (typeof found === "number") return found;
  if (found.kind !== "epoll") return -EINVAL;
  if (events === null) return -EFAULT;
  if (!Number.isInteger(maxevents) || maxevents <= 0) return -EINVAL;
  return found.collect(events, maxevents);
}

/** Refuses arguments of the wrong type. */
export function checkEvents(
  call: string,
  epid: unknown,
  events: unknown,
  maxevents: unknown,
): void {
  checkSockid(call, epid, "epid");
  if (events !== null && !Array.isArray(events)) {
    throw new TypeError(`${call}: events must be an array or null`);
  }
  if (typeof maxevents !== "number") {
    throw new TypeError(`${call}: maxevents must be a number`);
  }
}
