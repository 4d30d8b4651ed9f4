// SPDX-License-Identifier: MIT
// The numbers that calls take, with the values of Linux.

/** Address family of IPv4. */
export const AF_INET = 2;
/** A byte stream: TCP. */
export const SOCK_STREAM = 1;
/** The same by the name that mOS has for it. */
export const MOS_SOCK_STREAM = 1;
/**
 * A monitor of streams, as mOS has it. Monitoring sockets are not built: `socket` says EINVAL. The
 * number is ours.
 */
export const MOS_SOCK_MONITOR_STREAM = 0x101;
/**
 * A monitor of single packets, as mOS has it. Monitoring sockets are not built: `socket` says
 * EINVAL. The number is ours.
 */
export const MOS_SOCK_MONITOR_RAW = 0x102;
/** Every address of ours. */
export const INADDR_ANY = "0.0.0.0";
/** Size of a `struct sockaddr_in`: what `addrlen` must be at least. */
export const SOCKADDR_IN_BYTES = 16;
/** Size of an `int`: what `optlen` must be at least. */
export const INT_BYTES = 4;
/** Size of a `struct linger`. */
export const LINGER_BYTES = 8;

/** `recv`: leave the bytes where they are. */
export const MSG_PEEK = 2;
/** `shutdown`: receive no more. */
export const SHUT_RD = 0;
/** `shutdown`: send no more. */
export const SHUT_WR = 1;
/** `shutdown`: both. */
export const SHUT_RDWR = 2;

/** `ioctl`: bytes that can be read. */
export const FIONREAD = 0x541b;
/** `ioctl`: non-blocking or not. */
export const FIONBIO = 0x5421;

/** Level of the options of every socket. */
export const SOL_SOCKET = 1;
/** Level of the options of TCP. */
export const IPPROTO_TCP = 6;
/** Several sockets may be bound to one port. */
export const SO_REUSEADDR = 2;
/** Kind of socket; read only. */
export const SO_TYPE = 3;
/** Pending error; read only, and cleared by that. */
export const SO_ERROR = 4;
/** Bytes that may wait to be sent. */
export const SO_SNDBUF = 7;
/** Bytes that may wait to be read; read only. */
export const SO_RCVBUF = 8;
/** What `close` does with bytes that the peer has not acknowledged. */
export const SO_LINGER = 13;
/** Whether it listens; read only. */
export const SO_ACCEPTCONN = 30;
/** Protocol; read only. */
export const SO_PROTOCOL = 38;
/** Address family; read only. */
export const SO_DOMAIN = 39;
/** No Nagle's algorithm. */
export const TCP_NODELAY = 1;

/** `epollCtl`: register. */
export const EPOLL_CTL_ADD = 1;
/** `epollCtl`: forget. */
export const EPOLL_CTL_DEL = 2;
/** `epollCtl`: change what is wanted, and arm a one-shot entry again. */
export const EPOLL_CTL_MOD = 3;
/** `epollCreate1`: accepted, and of no consequence. */
export const EPOLL_CLOEXEC = 0o2000000;

/** Bytes, the end of the stream, or a connection can be had. */
export const EPOLLIN = 0x1;
/** Bytes can be written; or the connection attempt has ended. */
export const EPOLLOUT = 0x4;
/** An error is pending. Always told. */
export const EPOLLERR = 0x8;
/** Both directions have ended. Always told. */
export const EPOLLHUP = 0x10;
/** The peer has ended its direction. */
export const EPOLLRDHUP = 0x2000;
/** Once, then not before the next EPOLL_CTL_MOD. */
export const EPOLLONESHOT = 0x4000_0000;
/** Edge-triggered: told once for each new event. */
export const EPOLLET = 0x8000_0000;
