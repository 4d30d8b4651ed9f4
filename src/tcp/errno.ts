// SPDX-License-Identifier: MIT
// The error numbers of Linux that the stack hands upwards, negative as everywhere inside the core.
// `src/tcp` may import `src/wire` only, so they stand here and not in the scheduler's tables.

/** No room now: try again in a later round. */
export const EAGAIN: number = -11;
/** Datagrams to more than one host are not sent. */
export const EACCES: number = -13;
/** An argument is wrong. */
export const EINVAL: number = -22;
/** The context has as many sockets or listeners as its limits allow. */
export const ENFILE: number = -23;
/** The stream cannot be written any more: `finish` was called. */
export const EPIPE: number = -32;
/** A datagram without a destination. */
export const EDESTADDRREQ: number = -89;
/** A datagram is longer than a packet may be. */
export const EMSGSIZE: number = -90;
/** The stack does not speak this family of addresses. */
export const EAFNOSUPPORT: number = -97;
/** The local address and port, or the whole 4-tuple, are taken. */
export const EADDRINUSE: number = -98;
/** The local address is not ours, or no ephemeral port is free. */
export const EADDRNOTAVAIL: number = -99;
/** The device is down or gone. */
export const ENETDOWN: number = -100;
/** No route to the remote address. */
export const ENETUNREACH: number = -101;
/** This side aborted the connection. */
export const ECONNABORTED: number = -103;
/** The peer aborted the connection with RST. */
export const ECONNRESET: number = -104;
/** No buffer space, or a bounded queue is full. */
export const ENOBUFS: number = -105;
/** The connection has not been opened. */
export const ENOTCONN: number = -107;
/** The peer has not acknowledged anything for R2 (RFC 9293 §3.8.3). */
export const ETIMEDOUT: number = -110;
/** The peer answered our SYN with RST, or ICMP said that nobody is there. */
export const ECONNREFUSED: number = -111;
/** ICMP, or the silence of ARP, said that the host cannot be reached. */
export const EHOSTUNREACH: number = -113;
