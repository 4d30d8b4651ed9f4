/**
 * The error codes of Caraway: a closed union, the Linux numbers behind them, and a text for each.
 *
 * Inside the core and across N-API an expected failure is a negative number (`-ERRNO.ETIMEDOUT`);
 * a user
 * sees a {@link NetError} made from it. The numbers are those of Linux on every architecture we
 * build for
 * (x86-64, arm64); MIPS, SPARC and Alpha number some of them otherwise, which would make this
 * table wrong.
 * EWOULDBLOCK is EAGAIN and ENOTSUP is EOPNOTSUPP here, as in Linux.
 */

/**
 * Every code that a {@link NetError} can carry.
 *
 * @remarks Source: errno(3).
 */
export type ErrorCode =
  | "EPERM"
  | "ENOENT"
  | "EIO"
  | "EBADF"
  | "EAGAIN"
  | "ENOMEM"
  | "EACCES"
  | "EFAULT"
  | "EBUSY"
  | "EEXIST"
  | "ENODEV"
  | "ENOTDIR"
  | "EINVAL"
  | "ENFILE"
  | "EMFILE"
  | "ENOSPC"
  | "EROFS"
  | "EPIPE"
  | "EDEADLK"
  | "ENAMETOOLONG"
  | "ENOSYS"
  | "ELOOP"
  | "EPROTO"
  | "ENOTSOCK"
  | "EDESTADDRREQ"
  | "EMSGSIZE"
  | "EPROTOTYPE"
  | "ENOPROTOOPT"
  | "EPROTONOSUPPORT"
  | "EOPNOTSUPP"
  | "EAFNOSUPPORT"
  | "EADDRINUSE"
  | "EADDRNOTAVAIL"
  | "ENETDOWN"
  | "ENETUNREACH"
  | "ECONNABORTED"
  | "ECONNRESET"
  | "ENOBUFS"
  | "EISCONN"
  | "ENOTCONN"
  | "ETOOMANYREFS"
  | "ETIMEDOUT"
  | "ECONNREFUSED"
  | "EHOSTUNREACH"
  | "EALREADY"
  | "EINPROGRESS"
  | "ECANCELED";

/**
 * The Linux number of each code, positive; the core returns it negated.
 *
 * @remarks Source: Linux include/uapi/asm-generic/errno-base.h and errno.h.
 */
export const ERRNO: Readonly<Record<ErrorCode, number>> = Object.freeze({
  EPERM: 1,
  ENOENT: 2,
  EIO: 5,
  EBADF: 9,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EFAULT: 14,
  EBUSY: 16,
  EEXIST: 17,
  ENODEV: 19,
  ENOTDIR: 20,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  ENOSPC: 28,
  EROFS: 30,
  EPIPE: 32,
  EDEADLK: 35,
  ENAMETOOLONG: 36,
  ENOSYS: 38,
  ELOOP: 40,
  EPROTO: 71,
  ENOTSOCK: 88,
  EDESTADDRREQ: 89,
  EMSGSIZE: 90,
  EPROTOTYPE: 91,
  ENOPROTOOPT: 92,
  EPROTONOSUPPORT: 93,
  EOPNOTSUPP: 95,
  EAFNOSUPPORT: 97,
  EADDRINUSE: 98,
  EADDRNOTAVAIL: 99,
  ENETDOWN: 100,
  ENETUNREACH: 101,
  ECONNABORTED: 103,
  ECONNRESET: 104,
  ENOBUFS: 105,
  EISCONN: 106,
  ENOTCONN: 107,
  ETOOMANYREFS: 109,
  ETIMEDOUT: 110,
  ECONNREFUSED: 111,
  EHOSTUNREACH: 113,
  EALREADY: 114,
  EINPROGRESS: 115,
  ECANCELED: 125,
});

/**
 * One line of English for each code, without a full stop, as it appears in `NetError.message`.
 *
 * @remarks Source: strerror(3), reworded where a handle is meant and not a file.
 */
export const ERROR_TEXT: Readonly<Record<ErrorCode, string>> = Object.freeze({
  EPERM: "operation not permitted",
  ENOENT: "no such file or directory",
  EIO: "input/output error",
  EBADF: "handle is closed",
  EAGAIN: "resource temporarily unavailable",
  ENOMEM: "out of memory",
  EACCES: "permission denied",
  EFAULT: "bad address",
  EBUSY: "resource busy",
  EEXIST: "already exists",
  ENODEV: "no such device",
  ENOTDIR: "not a directory",
  EINVAL: "invalid argument",
  ENFILE: "too many open handles",
  EMFILE: "too many open files in the process",
  ENOSPC: "no space left",
  EROFS: "read-only file system",
  EPIPE: "the stream was ended",
  EDEADLK: "resource deadlock avoided",
  ENAMETOOLONG: "name too long",
  ENOSYS: "function not implemented",
  ELOOP: "too many levels of indirection",
  EPROTO: "protocol error",
  ENOTSOCK: "not a socket",
  EDESTADDRREQ: "no destination address",
  EMSGSIZE: "message too long",
  EPROTOTYPE: "wrong type of socket",
  ENOPROTOOPT: "no such option",
  EPROTONOSUPPORT: "protocol not supported",
  EOPNOTSUPP: "operation not supported",
  EAFNOSUPPORT: "address family not supported",
  EADDRINUSE: "address already in use",
  EADDRNOTAVAIL: "address not available",
  ENETDOWN: "network is down",
  ENETUNREACH: "network is unreachable",
  ECONNABORTED: "connection aborted",
  ECONNRESET: "connection reset by peer",
  ENOBUFS: "no buffer space available",
  EISCONN: "already connected",
  ENOTCONN: "not connected",
  ETOOMANYREFS: "too many references",
  ETIMEDOUT: "connection timed out",
  ECONNREFUSED: "connection refused",
  EHOSTUNREACH: "host is unreachable",
  EALREADY: "operation already in progress",
  EINPROGRESS: "operation now in progress",
  ECANCELED: "operation canceled",
});

const CODE_BY_NUMBER: ReadonlyMap<number, ErrorCode> = new Map(
  (Object.keys(ERRNO) as ErrorCode[]).map((code) => [ERRNO[code], code]),
);

/**
 * Names the code of an errno number.
 *
 * @param errno - the number, positive or negated
 * @returns its code; `"EIO"` for a number outside the table, so that the union stays closed
 * @example
 * ```ts
 * codeOf(-110); // "ETIMEDOUT"
 * ```
 */
export function codeOf(errno: number): ErrorCode {
  return CODE_BY_NUMBER.get(Math.abs(errno)) ?? "EIO";
}
