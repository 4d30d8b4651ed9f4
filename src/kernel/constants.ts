// SPDX-License-Identifier: MIT
// Numbers of the Linux socket API that kernel sockets use. Source: include/uapi/linux.

export const SOL_IP = 0;
export const SOL_SOCKET = 1;
export const SOL_TCP = 6;
export const SOL_IPV6 = 41;

export const SO_REUSEADDR = 2;
export const SO_BROADCAST = 6;
export const SO_SNDBUF = 7;
export const SO_RCVBUF = 8;
export const TCP_NODELAY = 1;
/** The port is chosen at connect, by the whole 4-tuple, and not at bind. */
export const IP_BIND_ADDRESS_NO_PORT = 24;
export const IPV6_V6ONLY = 26;
