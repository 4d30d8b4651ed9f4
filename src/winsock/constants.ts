// SPDX-License-Identifier: MIT
// The numbers of winsock2.h, as far as these calls know them. The error codes are in codes.ts.

/** What a call returns that has failed; `getLastError` tells why. */
export const SOCKET_ERROR = -1;
/** What a call returns that should have made a socket and has failed; (SOCKET)(~0) in C. */
export const INVALID_SOCKET = -1;

/** Address family: IPv4. */
export const AF_INET = 2;
/** Address family: IPv6. */
export const AF_INET6 = 23;
/** Socket type: a byte stream. */
export const SOCK_STREAM = 1;
/** Socket type: datagrams, which these calls do not have. */
export const SOCK_DGRAM = 2;
/** Protocol: TCP. */
export const IPPROTO_TCP = 6;
/** Backlog of `listen`: as long as possible. */
export const SOMAXCONN = 0x7fff_ffff;

/** `shutdown`: nothing is received any more. */
export const SD_RECEIVE = 0;
/** `shutdown`: nothing is sent any more; the peer sees the end of the stream. */
export const SD_SEND = 1;
/** `shutdown`: neither. */
export const SD_BOTH = 2;

/** Flag of `recv` and `send`: out-of-band data, which these calls do not have. */
export const MSG_OOB = 1;
/** Flag of `recv`: leaves the data where it is. */
export const MSG_PEEK = 2;
/** Flag of `send`: past the routes, which changes nothing here. */
export const MSG_DONTROUTE = 4;
/** Flag of `recv`: waits until the buffer is full. */
export const MSG_WAITALL = 8;

/** Level of options: the socket. */
export const SOL_SOCKET = 0xffff;
/** Option: whether the socket listens. Read only. */
export const SO_ACCEPTCONN = 0x0002;
/** Option: what `closesocket` does with data that is not sent yet, a `Linger`. */
export const SO_LINGER = 0x0080;
/** Option: the opposite of SO_LINGER, ~SO_LINGER in C. */
export const SO_DONTLINGER = -129;
/** Option: how long `send` may wait, ms; 0 for ever. */
export const SO_SNDTIMEO = 0x1005;
/** Option: how long `recv` may wait, ms; 0 for ever. */
export const SO_RCVTIMEO = 0x1006;
/** Option: why the connection, or the attempt, has failed. Reading it clears it. */
export const SO_ERROR = 0x1007;
/** Option: the type of the socket. Read only. */
export const SO_TYPE = 0x1008;
/** Option of IPPROTO_TCP: Nagle's algorithm is off. */
export const TCP_NODELAY = 1;

/** `ioctlsocket`: bytes that can be received without waiting. */
export const FIONREAD = 0x4004_667f;
/** `ioctlsocket`: whether calls return WSAEWOULDBLOCK where they would wait. */
export const FIONBIO = 0x8004_667e;

/** `wsaWaitForMultipleEvents`: the first event is set; the next ones count on from here. */
export const WSA_WAIT_EVENT_0 = 0;
/** `wsaWaitForMultipleEvents`: none was set in time. */
export const WSA_WAIT_TIMEOUT = 258;
/** `wsaWaitForMultipleEvents`: it has failed. */
export const WSA_WAIT_FAILED = 0xffff_ffff;
/** `wsaWaitForMultipleEvents`: no timeout. */
export const WSA_INFINITE = 0xffff_ffff;
/** `wsaWaitForMultipleEvents`: the most events that can be waited for at once. */
export const WSA_MAXIMUM_WAIT_EVENTS = 64;
