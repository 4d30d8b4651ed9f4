// SPDX-License-Identifier: MIT
// How calls of this room fail: -1, and a number in the context and in the thread. Inside, a call
// answers >= 0 or -errno; `answer` turns that into what users see, so that no -1 is without reason.

import { ERRNO } from "../../scheduler/internal.ts";
import type { Mctx } from "./context.ts";

/** Not permitted (1): the library has not been initialised. */
export const EPERM: number = ERRNO.EPERM;
/** Nothing there (2): the socket is not registered in the epoll instance. */
export const ENOENT: number = ERRNO.ENOENT;
/** No valid descriptor of this context (9). */
export const EBADF: number = ERRNO.EBADF;
/** Cannot be done without waiting (11). */
export const EAGAIN: number = ERRNO.EAGAIN;
/** The buffers or tables of the context are used up (12). */
export const ENOMEM: number = ERRNO.ENOMEM;
/** No valid context (13). */
export const EACCES: number = ERRNO.EACCES;
/** A pointer is null, or a length goes beyond what it points to (14). */
export const EFAULT: number = ERRNO.EFAULT;
/** In use (16): contexts are open. */
export const EBUSY: number = ERRNO.EBUSY;
/** There already (17): the socket is registered in the epoll instance. */
export const EEXIST: number = ERRNO.EEXIST;
/** An argument, or the state of the socket, does not fit the call (22). */
export const EINVAL: number = ERRNO.EINVAL;
/** No descriptor is left in the context's pool (23). */
export const ENFILE: number = ERRNO.ENFILE;
/** No descriptor is left in the process (24), over the kernel. */
export const EMFILE: number = ERRNO.EMFILE;
/** Nobody can read what is written (32). */
export const EPIPE: number = ERRNO.EPIPE;
/** Not a socket of the kind that the call wants (88). */
export const ENOTSOCK: number = ERRNO.ENOTSOCK;
/** No such option, or none that could be honoured (92). */
export const ENOPROTOOPT: number = ERRNO.ENOPROTOOPT;
/** Not possible with this kind of socket (95). */
export const EOPNOTSUPP: number = ERRNO.EOPNOTSUPP;
/** Not an IPv4 address, or an address of the wrong length (97). */
export const EAFNOSUPPORT: number = ERRNO.EAFNOSUPPORT;
/** The address is taken (98). */
export const EADDRINUSE: number = ERRNO.EADDRINUSE;
/** Not an address of ours, or no port is free (99). */
export const EADDRNOTAVAIL: number = ERRNO.EADDRNOTAVAIL;
/** The network is down (100): its device is gone, or its context is closed. */
export const ENETDOWN: number = ERRNO.ENETDOWN;
/** No route to the network (101). */
export const ENETUNREACH: number = ERRNO.ENETUNREACH;
/** The connection was reset by its peer (104). */
export const ECONNRESET: number = ERRNO.ECONNRESET;
/** Already connected (106). */
export const EISCONN: number = ERRNO.EISCONN;
/** Not connected, or not any more (107). */
export const ENOTCONN: number = ERRNO.ENOTCONN;
/** The peer does not answer, or a deadline has passed (110). */
export const ETIMEDOUT: number = ERRNO.ETIMEDOUT;
/** Nobody listens there (111). */
export const ECONNREFUSED: number = ERRNO.ECONNREFUSED;
/** The host cannot be reached (113). */
export const EHOSTUNREACH: number = ERRNO.EHOSTUNREACH;
/** A connection attempt is under way already (114). */
export const EALREADY: number = ERRNO.EALREADY;
/** The connection attempt has begun (115). */
export const EINPROGRESS: number = ERRNO.EINPROGRESS;
/** The coroutine was cancelled (125). */
export const ECANCELED: number = ERRNO.ECANCELED;

let last = 0;

/**
 * Returns the number of the last call of this thread that failed, whatever its context; also of
 * those that had none, where `mctx.errno` cannot say it.
 *
 * @returns a positive number of Linux's, 0 before any failure; a success does not change it
 * @example
 * ```ts
 * if (close(null, 3) < 0) console.log(errno() === EACCES); // true
 * ```
 */
export function errno(): number {
  return last;
}

/**
 * Gives a result to the caller.
 *
 * @param mctx - whose `errno` is set; null: none is known
 * @param result - at least 0, or -errno
 * @returns `result`, or -1 once the number is set
 */
export function answer(mctx: Mctx | null, result: number): number {
  if (result >= 0) return result;
  last = -result;
  if (mctx !== null) mctx.errno = -result;
  return -1;
}
