// SPDX-License-Identifier: MIT
// The error codes of Winsock 2 that `getLastError` can give, with winsock2.h's numbers.

/** The overlapped operation has not ended yet. */
export const WSA_IO_INCOMPLETE = 996;
/** The overlapped operation has begun and will end later. */
export const WSA_IO_PENDING = 997;
/** The overlapped operation was cancelled: its socket was closed. */
export const WSA_OPERATION_ABORTED = 995;
/** The blocking call was cancelled. */
export const WSAEINTR = 10_004;
/** Not allowed. */
export const WSAEACCES = 10_013;
/** An argument does not fit the socket or its buffer. */
export const WSAEFAULT = 10_014;
/** An argument is wrong, or the socket is in the wrong state. */
export const WSAEINVAL = 10_022;
/** Too many sockets. */
export const WSAEMFILE = 10_024;
/** A non-blocking socket would have to wait. */
export const WSAEWOULDBLOCK = 10_035;
/** A completion routine is still being processed. */
export const WSAEINPROGRESS = 10_036;
/** The connection attempt goes on already. */
export const WSAEALREADY = 10_037;
/** Not a socket, or one that was closed. */
export const WSAENOTSOCK = 10_038;
/** No such option, or not one that can be set now. */
export const WSAENOPROTOOPT = 10_042;
/** No such protocol. */
export const WSAEPROTONOSUPPORT = 10_043;
/** No such type of socket. */
export const WSAESOCKTNOSUPPORT = 10_044;
/** A flag or an operation that this kind of socket does not have. */
export const WSAEOPNOTSUPP = 10_045;
/** No such address family. */
export const WSAEAFNOSUPPORT = 10_047;
/** The address and port are taken. */
export const WSAEADDRINUSE = 10_048;
/** Not an address of ours, or none that can be connected to. */
export const WSAEADDRNOTAVAIL = 10_049;
/** The network has failed: its device is gone, or there is none in scope. */
export const WSAENETDOWN = 10_050;
/** No route. */
export const WSAENETUNREACH = 10_051;
/** The connection was ended on this side. */
export const WSAECONNABORTED = 10_053;
/** The peer has reset the connection. */
export const WSAECONNRESET = 10_054;
/** No room. */
export const WSAENOBUFS = 10_055;
/** The socket is connected. */
export const WSAEISCONN = 10_056;
/** The socket is not connected. */
export const WSAENOTCONN = 10_057;
/** That direction was shut down. */
export const WSAESHUTDOWN = 10_058;
/** The time is over. */
export const WSAETIMEDOUT = 10_060;
/** Nobody listens there. */
export const WSAECONNREFUSED = 10_061;
/** The host cannot be reached. */
export const WSAEHOSTUNREACH = 10_065;
/** The network cannot be used on this system. */
export const WSASYSNOTREADY = 10_091;
/** No such version of Winsock. */
export const WSAVERNOTSUPPORTED = 10_092;
/** `startup` has not been called, or `cleanup` has been. */
export const WSANOTINITIALISED = 10_093;
