// SPDX-License-Identifier: MIT
// Results of the kernel's that kernel sockets act upon, as -errno. Source: errno(3) of Linux.

export const EAGAIN = -11;
export const EINVAL = -22;
export const EMFILE = -24;
export const EPIPE = -32;
export const EPROTO = -71;
export const EMSGSIZE = -90;
export const EAFNOSUPPORT = -97;
export const EADDRINUSE = -98;
export const EADDRNOTAVAIL = -99;
export const ENETDOWN = -100;
export const ECONNABORTED = -103;
export const ECONNRESET = -104;
export const EISCONN = -106;
export const ENOTCONN = -107;
export const ECONNREFUSED = -111;
export const EINPROGRESS = -115;
export const ENOMEM = -12;
export const ENOBUFS = -105;
