// SPDX-License-Identifier: MIT
// Making sockets and connections: socket, bind, listen, accept, connect, shutdown, and who is at
// either end.

import type { Operation } from "../../scheduler/index.ts";
import { currentLoop } from "../../scheduler/internal.ts";
import { AcceptCall } from "./accept-call.ts";
import { perform } from "./call-wait.ts";
import * as codes from "./codes.ts";
import { ConnectCall, networkFor } from "./connect-call.ts";
import {
  AF_INET,
  AF_INET6,
  IPPROTO_TCP,
  SD_BOTH,
  SD_RECEIVE,
  SD_SEND,
  SOCK_STREAM,
} from "./constants.ts";
import { Descriptor } from "./descriptor.ts";
import { codeOfErrno, fail } from "./last-error.ts";
import { addressOf, checkSockaddr, fillSockaddr, type Sockaddr } from "./sockaddr.ts";
import { SocketCore } from "./socket-core.ts";
import { findDescriptor, isStarted, isTableFull } from "./table.ts";

/** What a listener may keep waiting at most, whoever carries it. */
const MAX_BACKLOG = 65_535;

/**
 * Makes a socket: blocking, neither bound nor connected. It belongs to the calling coroutine, whose
 * end closes it hard.
 *
 * @param af - AF_INET or AF_INET6
 * @param type - SOCK_STREAM
 * @param protocol - IPPROTO_TCP, or 0 for the only one there is
 * @returns the socket; INVALID_SOCKET: WSAEAFNOSUPPORT, WSAEMFILE, WSAEPROTONOSUPPORT,
 *   WSAESOCKTNOSUPPORT, WSANOTINITIALISED
 * @example
 * ```ts
 * const s = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
 * ```
 */
export function socket(af: number, type: number, protocol: number): number {
  if (!isStarted()) return fail(codes.WSANOTINITIALISED);
  if (af !== AF_INET && af !== AF_INET6) return fail(codes.WSAEAFNOSUPPORT);
  if (type !== SOCK_STREAM) return fail(codes.WSAESOCKTNOSUPPORT);
  if (protocol !== 0 && protocol !== IPPROTO_TCP) return fail(codes.WSAEPROTONOSUPPORT);
  if (isTableFull()) return fail(codes.WSAEMFILE);
  const core = new SocketCore(currentLoop(), af, {
    isNonBlocking: false,
    isLinger: false,
    lingerSeconds: 0,
    noDelay: false,
    sendTimeoutMs: 0,
    receiveTimeoutMs: 0,
  });
  return new Descriptor(core).handle;
}

/**
 * Makes another descriptor of the same socket. Settings, data and connection are shared; the
 * connection ends with the last descriptor. It belongs to the calling coroutine.
 *
 * @param s - a socket
 * @returns the new descriptor; INVALID_SOCKET: WSAEMFILE, WSAENOTSOCK, WSANOTINITIALISED
 * @remarks Source: WSADuplicateSocket and WSASocket, in one step.
 * @example
 * ```ts
 * const s = socket(AF_INET, SOCK_STREAM, 0);
 * const other = duplicateSocket(s);
 * ```
 */
export function duplicateSocket(s: number): number {
  const descriptor = findDescriptor(s);
  if (typeof descriptor === "number") return fail(descriptor);
  if (isTableFull()) return fail(codes.WSAEMFILE);
  return new Descriptor(descriptor.core).handle;
}

/**
 * Gives a socket its local address, and the network in scope. The port is taken when it listens or
 * connects: what is wrong with it is told then (WSAEADDRINUSE, WSAEADDRNOTAVAIL).
 *
 * @param s - a socket
 * @param name - the local address and port; port 0 for any free one
 * @returns 0; SOCKET_ERROR: WSAEFAULT (not an address of the socket's family), WSAEINVAL (bound or
 *   connected already), WSAENETDOWN (no network), WSAENOTSOCK, WSANOTINITIALISED
 * @throws TypeError
 * @example
 * ```ts
 * const s = socket(AF_INET, SOCK_STREAM, 0);
 * bind(s, { family: AF_INET, port: 7777, address: "0.0.0.0" });
 * ```
 */
export function bind(s: number, name: Sockaddr): number {
  checkSockaddr("bind", "name", name);
  const descriptor = findDescriptor(s);
  if (typeof descriptor === "number") return fail(descriptor);
  const { core } = descriptor;
  core.settle();
  const isTaken = core.place !== null || core.stream !== null || core.isConnecting;
  if (isTaken) return fail(codes.WSAEINVAL);
  const address = addressOf(name, core.family);
  if (address === null) return fail(codes.WSAEFAULT);
  const context = networkFor("winsock.bind");
  if (typeof context === "number") return fail(context);
  core.place = { address: address.isUnspecified ? null : address, port: name.port, context };
  return 0;
}

/**
 * Lets connections come in. On a socket that listens already it does nothing.
 *
 * @param s - a bound socket
 * @param backlog - how many may wait to be accepted; SOMAXCONN for as many as possible
 * @returns 0; SOCKET_ERROR: WSAEADDRINUSE, WSAEADDRNOTAVAIL, WSAEAFNOSUPPORT, WSAEINVAL (not
 *   bound), WSAEISCONN, WSAEMFILE, WSAENETDOWN, WSAENOTSOCK, WSANOTINITIALISED
 * @throws TypeError
 * @example
 * ```ts
 * const s = socket(AF_INET, SOCK_STREAM, 0);
 * bind(s, { family: AF_INET, port: 7777, address: "0.0.0.0" });
 * listen(s, SOMAXCONN);
 * ```
 */
export function listen(s: number, backlog: number): number {
  if (typeof backlog !== "number") {
    throw new TypeError(`listen: backlog must be a number, got ${typeof backlog}`);
  }
  const descriptor = findDescriptor(s);
  if (typeof descriptor === "number") return fail(descriptor);
  const { core } = descriptor;
  core.settle();
  if (core.stream !== null) return fail(codes.WSAEISCONN);
  if (core.listener !== null) return 0;
  if (core.place === null || core.isConnecting) return fail(codes.WSAEINVAL);
  const errno = core.listen(core.place, Math.min(Math.max(1, Math.trunc(backlog)), MAX_BACKLOG));
  return errno === 0 ? 0 : fail(codeOfErrno(errno));
}

/**
 * Takes the connection that has waited longest; waits for one unless the socket is non-blocking.
 * The new socket has the settings of the listening one, and belongs to the calling coroutine.
 *
 * @param s - a listening socket
 * @param name - filled with the peer's address
 * @returns the new socket; INVALID_SOCKET: WSAEINPROGRESS (in a completion routine), WSAEINTR
 *   (cancelled, or the socket was closed meanwhile), WSAEINVAL (does not listen), WSAEMFILE (the
 *   connection goes on waiting), WSAENETDOWN, WSAENOTSOCK, WSAETIMEDOUT (of a deadline around it),
 *   WSAEWOULDBLOCK, WSANOTINITIALISED
 * @throws TypeError
 * @example
 * ```ts
 * const s = socket(AF_INET, SOCK_STREAM, 0);
 * bind(s, { family: AF_INET, port: 7777, address: "0.0.0.0" });
 * listen(s, SOMAXCONN);
 * const peer = yield* accept(s);
 * ```
 */
export function* accept(s: number, name?: Sockaddr): Operation<number> {
  if (name !== undefined) checkSockaddr("accept", "name", name);
  const descriptor = findDescriptor(s);
  if (typeof descriptor === "number") return fail(descriptor);
  return yield* perform(new AcceptCall(descriptor, name ?? null));
}

/**
 * Opens a connection, over the network in scope unless `bind` has chosen one. A blocking socket is
 * connected when this returns 0; after a failure it can try again. A non-blocking one fails with
 * WSAEWOULDBLOCK and goes on: later calls return WSAEALREADY, then WSAEISCONN or, once, why it has
 * failed; so does SO_ERROR.
 *
 * @param s - a socket
 * @param name - the peer
 * @returns 0; SOCKET_ERROR: WSAEADDRINUSE, WSAEADDRNOTAVAIL (not one to connect to, or no port is
 *   free), WSAEAFNOSUPPORT, WSAEALREADY, WSAECONNREFUSED, WSAEHOSTUNREACH, WSAEINPROGRESS, WSAEINTR
 *   (cancelled, or the socket was closed meanwhile), WSAEINVAL (it listens), WSAEISCONN, WSAEMFILE,
 *   WSAENETDOWN, WSAENETUNREACH, WSAENOTSOCK, WSAETIMEDOUT, WSAEWOULDBLOCK, WSANOTINITIALISED
 * @throws TypeError
 * @example
 * ```ts
 * const s = socket(AF_INET, SOCK_STREAM, 0);
 * const name = { family: AF_INET, port: 7777, address: "127.0.0.1" };
 * if ((yield* connect(s, name)) === SOCKET_ERROR) {
 *   console.log(getLastError());
 * }
 * ```
 */
export function* connect(s: number, name: Sockaddr): Operation<number> {
  checkSockaddr("connect", "name", name);
  const descriptor = findDescriptor(s);
  if (typeof descriptor === "number") return fail(descriptor);
  if (name.family !== descriptor.core.family) return fail(codes.WSAEAFNOSUPPORT);
  const remote = addressOf(name, name.family);
  if (remote === null) return fail(codes.WSAEFAULT);
  if (remote.isUnspecified || name.port === 0) return fail(codes.WSAEADDRNOTAVAIL);
  return yield* perform(new ConnectCall(descriptor, remote, name.port));
}

/**
 * Ends one direction of a connection or both, and closes nothing. After SD_SEND the peer gets what
 * was sent and the end of the stream; calls that wait to send fail with WSAESHUTDOWN, and so do all
 * later ones. After SD_RECEIVE what has arrived and what arrives is dropped. Never waits.
 *
 * @param s - a connected socket
 * @param how - SD_RECEIVE, SD_SEND, SD_BOTH
 * @returns 0, also for a direction that was ended before; SOCKET_ERROR: WSAECONNRESET and the like
 *   (the connection has ended), WSAEINVAL (`how`), WSAENETDOWN, WSAENOTCONN, WSAENOTSOCK,
 *   WSANOTINITIALISED
 * @remarks Windows resets the connection when data arrives after SD_RECEIVE; here it is
 *   acknowledged and dropped, so that the other direction can end in order.
 * @example
 * ```ts
 * const s = socket(AF_INET, SOCK_STREAM, 0);
 * yield* connect(s, { family: AF_INET, port: 7777, address: "127.0.0.1" });
 * shutdown(s, SD_SEND);
 * ```
 */
export function shutdown(s: number, how: number): number {
  const descriptor = findDescriptor(s);
  if (typeof descriptor === "number") return fail(descriptor);
  if (how !== SD_RECEIVE && how !== SD_SEND && how !== SD_BOTH) return fail(codes.WSAEINVAL);
  const { core } = descriptor;
  core.settle();
  const { stream } = core;
  if (stream === null) return fail(codes.WSAENOTCONN);
  const { failure } = stream.flow;
  if (failure !== 0) return fail(codeOfErrno(failure));
  if (how !== SD_SEND && !core.isReceiveShut) {
    core.isReceiveShut = true;
    stream.flow.discardReceived();
    stream.readers.wakeAll();
  }
  if (how !== SD_RECEIVE && !core.isSendShut) {
    core.isSendShut = true;
    stream.done();
  }
  return 0;
}

/**
 * Tells where a socket is bound. Port 0 is known once it listens or connects.
 *
 * @param s - a socket
 * @param name - filled
 * @returns 0; SOCKET_ERROR: WSAEINVAL (not bound), WSAENOTSOCK, WSANOTINITIALISED
 * @throws TypeError
 * @example
 * ```ts
 * const s = socket(AF_INET, SOCK_STREAM, 0);
 * const name = { family: 0, port: 0, address: "" };
 * bind(s, { family: AF_INET, port: 0, address: "0.0.0.0" });
 * listen(s, 5);
 * getsockname(s, name);
 * ```
 */
export function getsockname(s: number, name: Sockaddr): number {
  checkSockaddr("getsockname", "name", name);
  const descriptor = findDescriptor(s);
  if (typeof descriptor === "number") return fail(descriptor);
  const end = descriptor.core.localEnd;
  if (end === null) return fail(codes.WSAEINVAL);
  fillSockaddr(name, end);
  return 0;
}

/**
 * Tells who is at the other end.
 *
 * @param s - a connected socket
 * @param name - filled
 * @returns 0; SOCKET_ERROR: WSAENOTCONN, WSAENOTSOCK, WSANOTINITIALISED
 * @throws TypeError
 * @example
 * ```ts
 * const s = socket(AF_INET, SOCK_STREAM, 0);
 * const name = { family: 0, port: 0, address: "" };
 * yield* connect(s, { family: AF_INET, port: 7777, address: "127.0.0.1" });
 * getpeername(s, name);
 * ```
 */
export function getpeername(s: number, name: Sockaddr): number {
  checkSockaddr("getpeername", "name", name);
  const descriptor = findDescriptor(s);
  if (typeof descriptor === "number") return fail(descriptor);
  const { core } = descriptor;
  core.settle();
  if (core.stream === null) return fail(codes.WSAENOTCONN);
  fillSockaddr(name, core.stream.flow.remoteEnd);
  return 0;
}
