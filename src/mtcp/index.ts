// SPDX-License-Identifier: MIT
// `caraway/mtcp`: contexts, descriptors and epoll, for code that thinks in mtcp_*. Calls answer at
// once with a number, -1 and `mctx.errno` for a failure; those that could block have twins for
// coroutines in `blocking`.

export * as blocking from "./blocking.ts";
export {
  type ConfTcpOptions,
  getconf,
  init,
  type MtcpConf,
  setconf,
  tcpOptions,
} from "./conf.ts";
export * from "./constants.ts";
export { createContext, destroy, destroyContext, Mctx } from "./context.ts";
export type { EpollEvent } from "./epoll.ts";
export { epollCreate, epollCreate1, epollCtl, epollWait } from "./epoll-calls.ts";
export {
  EACCES,
  EADDRINUSE,
  EADDRNOTAVAIL,
  EAFNOSUPPORT,
  EAGAIN,
  EALREADY,
  EBADF,
  EBUSY,
  ECANCELED,
  ECONNREFUSED,
  ECONNRESET,
  EEXIST,
  EFAULT,
  EHOSTUNREACH,
  EINPROGRESS,
  EINVAL,
  EISCONN,
  EMFILE,
  ENETDOWN,
  ENETUNREACH,
  ENFILE,
  ENOENT,
  ENOMEM,
  ENOPROTOOPT,
  ENOTCONN,
  ENOTSOCK,
  EPERM,
  EPIPE,
  ETIMEDOUT,
  errno,
} from "./errno.ts";
export { initRss } from "./init-rss.ts";
export { getpeername, getsockname, getsockopt, type Linger, setsockopt } from "./options.ts";
export { pipe } from "./pipe-call.ts";
export { type IntRef, type SockaddrIn, sockaddrIn } from "./sockaddr.ts";
export {
  abort,
  accept,
  bind,
  close,
  connect,
  listen,
  setNonblock,
  shutdown,
  socket,
} from "./sockets.ts";
export {
  type Bytes,
  type ByteVector,
  ioctl,
  read,
  readv,
  recv,
  write,
  writev,
} from "./stream-calls.ts";
