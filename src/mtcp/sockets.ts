// SPDX-License-Identifier: MIT
// The life of a socket: socket, bind, listen, accept, connect, shutdown, close, abort. Each `try*`
// answers >= 0 or -errno, for the call itself and for its twin in blocking.ts.
//
// Left out: monitoring sockets (MOS_SOCK_MONITOR_*), which mOS adds.

import { AF_INET, IPPROTO_TCP, SHUT_RD, SHUT_RDWR, SHUT_WR, SOCK_STREAM } from "./constants.ts";
import { checkSockid, contextOf, lookup, type Mctx, openContext } from "./context.ts";
import {
  answer,
  EACCES,
  EADDRINUSE,
  EADDRNOTAVAIL,
  EAFNOSUPPORT,
  EAGAIN,
  EBADF,
  EINVAL,
  ENFILE,
  ENOMEM,
  ENOTCONN,
  ENOTSOCK,
} from "./errno.ts";
import { ownAddress } from "./open-flow.ts";
import {
  checkSockaddr,
  checkSockaddrRef,
  fillSockaddr,
  type IntRef,
  readSockaddr,
  roomForSockaddr,
  type SockaddrIn,
} from "./sockaddr.ts";
import { FRESH, LISTENING, TcpSocket } from "./tcp-socket.ts";

/**
 * Makes a socket. It is non-blocking, as every socket here is.
 *
 * @param mctx - whose pool the descriptor comes from
 * @param domain - AF_INET
 * @param type - SOCK_STREAM; the monitoring sockets of mOS are not built
 * @param protocol - 0 or IPPROTO_TCP
 * @returns the descriptor, or -1 and errno: EACCES, EAFNOSUPPORT (domain), EINVAL (type, protocol),
 *   ENFILE (no descriptor is left in the pool). It is a number of up to 53 bits, in which a
 *   generation tells it from earlier ones of the same place: keep what belongs to it in a Map, not
 *   in an array, and in no int32
 * @example
 * ```ts
 * init({});
 * const mctx = createContext(0);
 * const sockid = socket(mctx, AF_INET, SOCK_STREAM, 0);
 * ```
 */
export function socket(mctx: Mctx | null, domain: number, type: number, protocol: number): number {
  return answer(contextOf(mctx), trySocket(mctx, domain, type, protocol));
}

function trySocket(mctx: unknown, domain: number, type: number, protocol: number): number {
  const open = openContext(mctx);
  if (open === null) return -EACCES;
  if (domain !== AF_INET) return -EAFNOSUPPORT;
  if (type !== SOCK_STREAM) return -EINVAL;
  if (protocol !== 0 && protocol !== IPPROTO_TCP) return -EINVAL;
  return open.table.add(new TcpSocket(open));
}

/**
 * Binds a socket to an address, a port, or both. `INADDR_ANY` or port 0 leave the other half to
 * the network; the port is then chosen when the socket listens or connects.
 *
 * @param mctx - its context
 * @param sockid - a socket that is neither bound, connected nor listening
 * @param addr - our end
 * @param addrlen - at least SOCKADDR_IN_BYTES
 * @returns 0, or -1 and errno: EACCES, EADDRINUSE (another socket of this context is bound there),
 *   EADDRNOTAVAIL (not our address), EAFNOSUPPORT, EBADF, EFAULT, EINVAL, ENOTSOCK
 * @throws TypeError
 * @example
 * ```ts
 * const mctx = createContext(0);
 * const sockid = socket(mctx, AF_INET, SOCK_STREAM, 0);
 * bind(mctx, sockid, sockaddrIn(INADDR_ANY, 80), SOCKADDR_IN_BYTES);
 * ```
 */
export function bind(
  mctx: Mctx | null,
  sockid: number,
  addr: SockaddrIn | null,
  addrlen: number,
): number {
  checkSockid("mtcp.bind", sockid);
  checkSockaddr("mtcp.bind", addr, addrlen);
  return answer(contextOf(mctx), tryBind(mctx, sockid, addr, addrlen));
}

function tryBind(mctx: unknown, sockid: number, addr: SockaddrIn | null, length: number): number {
  const found = streamSocket(mctx, sockid);
  if (typeof found === "number") return found;
  const place = readSockaddr(addr, length, -EINVAL);
  if (typeof place === "number") return place;
  if (found.isBound || found.stage !== FRESH) return -EINVAL;
  const { context, ports } = found.mctx;
  const address = place.address.isUnspecified ? null : place.address;
  const own = ownAddress(context.address);
  if (address !== null && own !== null && !own.equals(address)) return -EADDRNOTAVAIL;
  if (place.port !== 0 && !ports.isFree(place.port, address, found.reusesAddress)) {
    return -EADDRINUSE;
  }
  found.bindTo(address, place.port);
  return 0;
}

/**
 * Listens for connections. Each context has its own listeners: several may listen on one port.
 *
 * @param mctx - its context
 * @param sockid - a socket; if it is not bound, any free port
 * @param backlog - connections that may wait to be accepted, 1 to `maxConcurrency`
 * @returns 0, or -1 and errno: EACCES, EADDRINUSE, EADDRNOTAVAIL, EBADF, EINVAL (backlog; it is
 *   connected or listens already), ENETDOWN, ENFILE (the network has no place for another),
 *   ENOTSOCK
 * @throws TypeError
 * @example
 * ```ts
 * const mctx = createContext(0);
 * const sockid = socket(mctx, AF_INET, SOCK_STREAM, 0);
 * if (listen(mctx, sockid, 128) < 0) console.log(mctx?.errno);
 * ```
 */
export function listen(mctx: Mctx | null, sockid: number, backlog: number): number {
  checkSockid("mtcp.listen", sockid);
  return answer(contextOf(mctx), tryListen(mctx, sockid, backlog));
}

function tryListen(mctx: unknown, sockid: number, backlog: number): number {
  const found = streamSocket(mctx, sockid);
  if (typeof found === "number") return found;
  if (!Number.isInteger(backlog) || backlog <= 0) return -EINVAL;
  if (backlog > found.mctx.conf.maxConcurrency) return -EINVAL;
  return found.listen(backlog);
}

/**
 * Takes the connection that has waited longest. Its socket is non-blocking like any other.
 *
 * @param mctx - its context
 * @param sockid - a listening socket
 * @param addr - filled in with the peer's address; null: not wanted
 * @param addrlen - the room for it, then its length; null with `addr`
 * @returns the new descriptor, or -1 and errno: EACCES, EAGAIN (none waits), EBADF, EFAULT, EINVAL
 *   (not listening), EMFILE (over the kernel), ENETDOWN, ENFILE and ENOMEM (the pool of
 *   descriptors, or that of buffers, is used up: the connection goes on waiting), ENOTSOCK
 * @throws TypeError
 * @example
 * ```ts
 * const mctx = createContext(0);
 * const sockid = socket(mctx, AF_INET, SOCK_STREAM, 0);
 * listen(mctx, sockid, 128);
 * const peer = sockaddrIn();
 * const accepted = accept(mctx, sockid, peer, { value: SOCKADDR_IN_BYTES });
 * ```
 */
export function accept(
  mctx: Mctx | null,
  sockid: number,
  addr: SockaddrIn | null,
  addrlen: IntRef | null,
): number {
  checkSockid("mtcp.accept", sockid);
  checkSockaddrRef("mtcp.accept", addr, addrlen);
  return answer(contextOf(mctx), tryAccept(mctx, sockid, addr, addrlen));
}

/** As `accept`. @returns a descriptor, or -errno */
export function tryAccept(
  mctx: unknown,
  sockid: number,
  addr: SockaddrIn | null,
  addrlen: IntRef | null,
): number {
  const found = streamSocket(mctx, sockid);
  if (typeof found === "number") return found;
  const { listener } = found;
  if (listener === null) return -EINVAL;
  if (addr !== null) {
    const room = roomForSockaddr(addr, addrlen);
    if (room < 0) return room;
  }
  if (listener.error !== 0) return listener.error;
  const { table, hasBuffer } = found.mctx;
  // Asked before the connection is taken, which would have nowhere to go.
  if (table.isFull || !hasBuffer) {
    if (listener.waiting === 0) return -EAGAIN;
    return table.isFull ? -ENFILE : -ENOMEM;
  }
  const flow = listener.take();
  if (flow === null) return -EAGAIN;
  if (typeof flow === "number") return flow;
  const accepted = new TcpSocket(found.mctx);
  accepted.acceptedFrom(found, flow);
  if (addr !== null && addrlen !== null) fillSockaddr(addr, addrlen, flow.remoteEnd);
  return table.add(accepted);
}

/**
 * Begins to connect. What the socket is bound to is honoured, also if that is a port or an address
 * alone. With EINPROGRESS the attempt has begun: EPOLLOUT tells that it has ended, SO_ERROR how.
 * After a failure that was told (by SO_ERROR, or by one more `connect`) another may begin.
 *
 * @param mctx - its context
 * @param sockid - a socket
 * @param addr - the peer's end
 * @param addrlen - at least SOCKADDR_IN_BYTES
 * @returns 0 (connected at once), or -1 and errno: EACCES, EADDRINUSE (the 4-tuple is taken),
 *   EADDRNOTAVAIL (no port is free, or not our address), EAFNOSUPPORT (not AF_INET, or `addrlen`
 *   too short), EALREADY, EBADF, EFAULT (null), EINPROGRESS, EINVAL (a broadcast or multicast
 *   address, INADDR_ANY, port 0; after `initRss`: bound to a port whose answers come to another
 *   core), EISCONN, ENETDOWN, ENETUNREACH, ENFILE, ENOMEM (no buffer is left), ENOTSOCK (not a
 *   stream socket: an epoll instance, a pipe, a listener); or the error of the attempt before, once
 * @throws TypeError
 * @example
 * ```ts
 * const mctx = createContext(0);
 * const sockid = socket(mctx, AF_INET, SOCK_STREAM, 0);
 * const result = connect(mctx, sockid, sockaddrIn("10.0.0.1", 80), SOCKADDR_IN_BYTES);
 * if (result < 0 && mctx?.errno !== EINPROGRESS) console.log("cannot connect");
 * ```
 */
export function connect(
  mctx: Mctx | null,
  sockid: number,
  addr: SockaddrIn | null,
  addrlen: number,
): number {
  checkSockid("mtcp.connect", sockid);
  checkSockaddr("mtcp.connect", addr, addrlen);
  return answer(contextOf(mctx), tryConnect(mctx, sockid, addr, addrlen));
}

/** As `connect`. @returns 0 or -errno */
export function tryConnect(
  mctx: unknown,
  sockid: number,
  addr: SockaddrIn | null,
  addrlen: number,
): number {
  const found = streamSocket(mctx, sockid);
  if (typeof found === "number") return found;
  const place = readSockaddr(addr, addrlen, -EAFNOSUPPORT);
  return typeof place === "number" ? place : found.connect(place.address, place.port);
}

/**
 * Ends one direction of a connection or both. What mTCP cannot express: SHUT_WR sends our FIN after
 * what was written, and reading goes on; SHUT_RD drops what still comes.
 *
 * @param mctx - its context
 * @param sockid - a connected socket
 * @param how - SHUT_RD, SHUT_WR or SHUT_RDWR
 * @returns 0, or -1 and errno: EACCES, EBADF, EINVAL (how), ENOTCONN, ENOTSOCK
 * @throws TypeError
 * @example
 * ```ts
 * const mctx = createContext(0);
 * const sockid = socket(mctx, AF_INET, SOCK_STREAM, 0);
 * shutdown(mctx, sockid, SHUT_WR);
 * ```
 */
export function shutdown(mctx: Mctx | null, sockid: number, how: number): number {
  checkSockid("mtcp.shutdown", sockid);
  return answer(contextOf(mctx), tryShutdown(mctx, sockid, how));
}

function tryShutdown(mctx: unknown, sockid: number, how: number): number {
  const found = streamSocket(mctx, sockid);
  if (typeof found === "number") return found;
  if (how !== SHUT_RD && how !== SHUT_WR && how !== SHUT_RDWR) return -EINVAL;
  return found.shutdown(how !== SHUT_WR, how !== SHUT_RD);
}

/**
 * Makes a socket non-blocking, which every socket is from the beginning, accepted ones included.
 * To wait there is `blocking`.
 *
 * @param mctx - its context
 * @param sockid - a socket, connected, listening or neither
 * @returns 0, or -1 and errno: EACCES, EBADF, ENOTSOCK
 * @throws TypeError
 * @example
 * ```ts
 * const mctx = createContext(0);
 * const sockid = socket(mctx, AF_INET, SOCK_STREAM, 0);
 * setNonblock(mctx, sockid);
 * ```
 */
export function setNonblock(mctx: Mctx | null, sockid: number): number {
  checkSockid("mtcp.setNonblock", sockid);
  const found = streamSocket(mctx, sockid);
  return answer(contextOf(mctx), typeof found === "number" ? found : 0);
}

/**
 * Closes a descriptor of any kind. It is free for re-use in every case, also when -1 is returned
 * (but for EACCES and EBADF, when there was none). A connection ends in order in the background:
 * what was written, then our FIN, within the limits of a connection that nobody holds, and of its
 * context: what is unsent when `run` ends is reset. A connection attempt is dropped, which is no
 * error. A listener's port is free at once, and connections that wait to be accepted are reset.
 * Entries in epoll instances vanish.
 *
 * @param mctx - the context that made it
 * @param sockid - the descriptor
 * @returns 0, or -1 and errno: EACCES (no valid context), EAGAIN (SO_LINGER asks to wait, which
 *   this call refuses: the connection ends in the background all the same; `blocking.close` waits),
 *   EBADF, ENOTCONN (the connection has ended by an error already, or was never opened for one)
 * @throws TypeError
 * @example
 * ```ts
 * const mctx = createContext(0);
 * const sockid = socket(mctx, AF_INET, SOCK_STREAM, 0);
 * close(mctx, sockid);
 * ```
 */
export function close(mctx: Mctx | null, sockid: number): number {
  checkSockid("mtcp.close", sockid);
  return answer(contextOf(mctx), tryClose(mctx, sockid));
}

/** As `close`. @returns 0 or -errno */
export function tryClose(mctx: unknown, sockid: number): number {
  const open = openContext(mctx);
  if (open === null) return -EACCES;
  const found = open.table.get(sockid);
  if (found === null) return -EBADF;
  open.table.remove(sockid);
  return found.close();
}

/**
 * Resets a connection: RST to the peer. The descriptor is free for re-use, also with ENOTCONN.
 *
 * @param mctx - its context
 * @param sockid - a socket, not a listener
 * @returns 0, or -1 and errno: EACCES, EBADF, ENOTCONN (there is no connection, or it has ended),
 *   ENOTSOCK (nothing happens)
 * @throws TypeError
 * @example
 * ```ts
 * const mctx = createContext(0);
 * const sockid = socket(mctx, AF_INET, SOCK_STREAM, 0);
 * abort(mctx, sockid);
 * ```
 */
export function abort(mctx: Mctx | null, sockid: number): number {
  checkSockid("mtcp.abort", sockid);
  return answer(contextOf(mctx), tryAbort(mctx, sockid));
}

function tryAbort(mctx: unknown, sockid: number): number {
  const found = streamSocket(mctx, sockid);
  if (typeof found === "number") return found;
  if (found.stage === LISTENING) return -ENOTSOCK;
  found.settle();
  const isAlive = found.flow !== null && found.flow.failure === 0;
  found.mctx.table.remove(sockid);
  found.drop();
  return isAlive ? 0 : -ENOTCONN;
}

/** @returns the stream socket that a descriptor stands for; -EACCES, -EBADF or -ENOTSOCK */
export function streamSocket(mctx: unknown, sockid: number): TcpSocket | number {
  const found = lookup(mctx, sockid);
  if (typeof found === "number") return found;
  return found.kind === "socket" ? found : -ENOTSOCK;
}
