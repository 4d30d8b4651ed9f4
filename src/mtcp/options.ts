// SPDX-License-Identifier: MIT
// Options and names. An option that is set has its effect, or the call says that it has none.

import {
  AF_INET,
  INT_BYTES,
  IPPROTO_TCP,
  LINGER_BYTES,
  SO_ACCEPTCONN,
  SO_DOMAIN,
  SO_ERROR,
  SO_LINGER,
  SO_PROTOCOL,
  SO_RCVBUF,
  SO_REUSEADDR,
  SO_SNDBUF,
  SO_TYPE,
  SOCK_STREAM,
  SOL_SOCKET,
  TCP_NODELAY,
} from "./constants.ts";
import { checkSockid, contextOf, type Mctx } from "./context.ts";
import { answer, EFAULT, EINVAL, EISCONN, ENOPROTOOPT, ENOTCONN } from "./errno.ts";
import {
  checkIntRef,
  checkSockaddrRef,
  fillSockaddr,
  type IntRef,
  roomForSockaddr,
  type SockaddrIn,
} from "./sockaddr.ts";
import { streamSocket } from "./sockets.ts";
import { FAILED, FRESH, type TcpSocket } from "./tcp-socket.ts";

/** SO_LINGER, as `struct linger`. */
export interface Linger {
  /** 0: `close` ends the connection in the background. */
  onoff: number;
  /** Seconds that `blocking.close` waits at most, 0: `close` resets. */
  linger: number;
}

const MAX_LINGER_SECONDS = 65_535;
const MAX_BUFFER_BYTES = 2 ** 30;

/**
 * Sets an option.
 *
 * - `SO_LINGER` (a `Linger`): off, `close` ends the connection in the background. On with 0, it
 *   resets. On with a time, `blocking.close` waits for the peer's acknowledgement of everything, no
 *   longer than that, then resets; `close`, which cannot wait, says EAGAIN.
 * - `SO_REUSEADDR`: several sockets may be bound to one port, to connect to different peers.
 * - `SO_SNDBUF`: bytes that may wait to be sent; at most what the network has.
 * - `TCP_NODELAY` of IPPROTO_TCP: before the connection; on from the beginning. Of accepted sockets
 *   the network decides.
 *
 * @param mctx - its context
 * @param sockid - a socket
 * @param level - SOL_SOCKET or IPPROTO_TCP
 * @param optname - the option
 * @param optval - its value: a number, or a `Linger`
 * @param optlen - INT_BYTES or LINGER_BYTES
 * @returns 0, or -1 and errno: EACCES, EBADF, EFAULT (null), EINVAL (the value, `optlen`), EISCONN
 *   (it cannot change any more), ENOPROTOOPT (every other option: it would have no effect),
 *   ENOTSOCK
 * @throws TypeError
 * @example
 * ```ts
 * const mctx = createContext(0);
 * const sockid = socket(mctx, AF_INET, SOCK_STREAM, 0);
 * setsockopt(mctx, sockid, SOL_SOCKET, SO_LINGER, { onoff: 1, linger: 0 }, LINGER_BYTES);
 * ```
 */
export function setsockopt(
  mctx: Mctx | null,
  sockid: number,
  level: number,
  optname: number,
  optval: number | Linger | null,
  optlen: number,
): number {
  const call = "mtcp.setsockopt";
  checkSockid(call, sockid);
  if (optval !== null && typeof optval !== "number" && !isLinger(optval)) {
    throw new TypeError(`${call}: optval must be a number, { onoff, linger } or null`);
  }
  if (typeof optlen !== "number") throw new TypeError(`${call}: optlen must be a number`);
  return answer(contextOf(mctx), trySet(mctx, sockid, level, optname, optval, optlen));
}

function trySet(
  mctx: unknown,
  sockid: number,
  level: number,
  optname: number,
  optval: number | Linger | null,
  optlen: number,
): number {
  const found = streamSocket(mctx, sockid);
  if (typeof found === "number") return found;
  const isLingering = level === SOL_SOCKET && optname === SO_LINGER;
  if (!isLingering && !isSettable(level, optname)) return -ENOPROTOOPT;
  if (optval === null) return -EFAULT;
  if (!(optlen >= (isLingering ? LINGER_BYTES : INT_BYTES))) return -EINVAL;
  if (typeof optval === "number") {
    return isLingering || !Number.isInteger(optval)
      ? -EINVAL
      : setInt(found, level, optname, optval);
  }
  return isLingering ? setLinger(found, optval) : -EINVAL;
}

function isSettable(level: number, optname: number): boolean {
  if (level === IPPROTO_TCP) return optname === TCP_NODELAY;
  return level === SOL_SOCKET && (optname === SO_REUSEADDR || optname === SO_SNDBUF);
}

function setInt(socket: TcpSocket, level: number, optname: number, value: number): number {
  if (level === IPPROTO_TCP) {
    socket.settle();
    // An attempt that failed may be followed by another, which takes the option along.
    if (socket.stage !== FRESH && socket.stage !== FAILED) return -EISCONN;
    socket.noDelay = value !== 0;
    return 0;
  }
  if (optname === SO_REUSEADDR) {
    socket.reusesAddress = value !== 0;
    return 0;
  }
  const most = socket.flow?.sendLimitBytes ?? MAX_BUFFER_BYTES;
  if (value < 1 || value > most) return -EINVAL;
  socket.limitSendBuffer(value);
  return 0;
}

function setLinger(socket: TcpSocket, { onoff, linger }: Linger): number {
  const isTime = Number.isInteger(linger) && linger >= 0 && linger <= MAX_LINGER_SECONDS;
  if (onoff !== 0 && !isTime) return -EINVAL;
  socket.lingerSeconds = onoff === 0 ? -1 : linger;
  return 0;
}

/**
 * Asks for an option: those of `setsockopt`, and SO_ACCEPTCONN, SO_DOMAIN, SO_ERROR (0 while the
 * connection attempt goes on; cleared by being read), SO_PROTOCOL, SO_RCVBUF (of a connection),
 * SO_TYPE.
 *
 * @param mctx - its context
 * @param sockid - a socket
 * @param level - SOL_SOCKET or IPPROTO_TCP
 * @param optname - the option
 * @param optval - filled in: `{ value }`, or a `Linger`
 * @param optlen - the room for it, then its length
 * @returns 0, or -1 and errno: EACCES, EBADF, EFAULT (null), EINVAL (`optlen`, or the wrong kind of
 *   `optval`), ENOPROTOOPT (no such option; TCP_NODELAY of an accepted socket, which is not known),
 *   ENOTCONN (SO_RCVBUF: the network decides, for connections), ENOTSOCK
 * @throws TypeError
 * @example
 * ```ts
 * const mctx = createContext(0);
 * const sockid = socket(mctx, AF_INET, SOCK_STREAM, 0);
 * const reason = { value: 0 };
 * getsockopt(mctx, sockid, SOL_SOCKET, SO_ERROR, reason, { value: INT_BYTES });
 * if (reason.value === ECONNREFUSED) console.log("nobody there");
 * ```
 */
export function getsockopt(
  mctx: Mctx | null,
  sockid: number,
  level: number,
  optname: number,
  optval: IntRef | Linger | null,
  optlen: IntRef | null,
): number {
  const call = "mtcp.getsockopt";
  checkSockid(call, sockid);
  if (optval !== null && !isLinger(optval) && !isIntRef(optval)) {
    throw new TypeError(`${call}: optval must be { value }, { onoff, linger } or null`);
  }
  checkIntRef(call, "optlen", optlen);
  return answer(contextOf(mctx), tryGet(mctx, sockid, level, optname, optval, optlen));
}

function tryGet(
  mctx: unknown,
  sockid: number,
  level: number,
  optname: number,
  optval: IntRef | Linger | null,
  optlen: IntRef | null,
): number {
  const found = streamSocket(mctx, sockid);
  if (typeof found === "number") return found;
  if (optval === null || optlen === null) return -EFAULT;
  if (level === SOL_SOCKET && optname === SO_LINGER) return getLinger(found, optval, optlen);
  if (!isIntRef(optval) || !(optlen.value >= INT_BYTES)) return -EINVAL;
  const value = getInt(found, level, optname);
  if (value < 0) return value;
  optval.value = value;
  optlen.value = INT_BYTES;
  return 0;
}

function getLinger(socket: TcpSocket, optval: IntRef | Linger, optlen: IntRef): number {
  if (!isLinger(optval) || !(optlen.value >= LINGER_BYTES)) return -EINVAL;
  optval.onoff = socket.lingerSeconds < 0 ? 0 : 1;
  optval.linger = Math.max(0, socket.lingerSeconds);
  optlen.value = LINGER_BYTES;
  return 0;
}

/** @returns the value, or -errno */
function getInt(socket: TcpSocket, level: number, optname: number): number {
  if (level === IPPROTO_TCP) {
    if (optname !== TCP_NODELAY || socket.noDelay === null) return -ENOPROTOOPT;
    return socket.noDelay ? 1 : 0;
  }
  if (level !== SOL_SOCKET) return -ENOPROTOOPT;
  switch (optname) {
    case SO_ACCEPTCONN:
      return socket.isListening ? 1 : 0;
    case SO_DOMAIN:
      return AF_INET;
    case SO_ERROR:
      return Math.abs(socket.takeError());
    case SO_PROTOCOL:
      return IPPROTO_TCP;
    case SO_RCVBUF:
      return socket.flow?.receiveLimitBytes ?? -ENOTCONN;
    case SO_REUSEADDR:
      return socket.reusesAddress ? 1 : 0;
    case SO_SNDBUF:
      return socket.sendLimitBytes;
    case SO_TYPE:
      return SOCK_STREAM;
    default:
      return -ENOPROTOOPT;
  }
}

/**
 * Tells our end of a socket: where it listens, or what it is connected from (of an accepted socket
 * too), or bound to, else INADDR_ANY and port 0.
 *
 * @param mctx - its context
 * @param sockid - a socket
 * @param addr - filled in
 * @param addrlen - the room for it, at least SOCKADDR_IN_BYTES; then its length
 * @returns 0, or -1 and errno: EACCES, EBADF, EFAULT (null), EINVAL (`addrlen`), ENOTSOCK
 * @throws TypeError
 * @example
 * ```ts
 * const mctx = createContext(0);
 * const sockid = socket(mctx, AF_INET, SOCK_STREAM, 0);
 * const ours = sockaddrIn();
 * getsockname(mctx, sockid, ours, { value: SOCKADDR_IN_BYTES });
 * console.log(ours.port);
 * ```
 */
export function getsockname(
  mctx: Mctx | null,
  sockid: number,
  addr: SockaddrIn | null,
  addrlen: IntRef | null,
): number {
  checkSockid("mtcp.getsockname", sockid);
  checkSockaddrRef("mtcp.getsockname", addr, addrlen);
  return answer(contextOf(mctx), tryName(mctx, sockid, addr, addrlen, false));
}

/**
 * Tells the peer's end of a connection.
 *
 * @param mctx - its context
 * @param sockid - a connected socket
 * @param addr - filled in
 * @param addrlen - the room for it, at least SOCKADDR_IN_BYTES; then its length
 * @returns 0, or -1 and errno: EACCES, EBADF, EFAULT (null), EINVAL (`addrlen`), ENOTCONN, ENOTSOCK
 * @throws TypeError
 * @example
 * ```ts
 * const mctx = createContext(0);
 * const sockid = socket(mctx, AF_INET, SOCK_STREAM, 0);
 * const peer = sockaddrIn();
 * getpeername(mctx, sockid, peer, { value: SOCKADDR_IN_BYTES });
 * ```
 */
export function getpeername(
  mctx: Mctx | null,
  sockid: number,
  addr: SockaddrIn | null,
  addrlen: IntRef | null,
): number {
  checkSockid("mtcp.getpeername", sockid);
  checkSockaddrRef("mtcp.getpeername", addr, addrlen);
  return answer(contextOf(mctx), tryName(mctx, sockid, addr, addrlen, true));
}

function tryName(
  mctx: unknown,
  sockid: number,
  addr: SockaddrIn | null,
  addrlen: IntRef | null,
  isPeer: boolean,
): number {
  const found = streamSocket(mctx, sockid);
  if (typeof found === "number") return found;
  const room = roomForSockaddr(addr, addrlen);
  if (room < 0) return room;
  const end = isPeer ? found.remoteEnd : found.localEnd;
  if (end === null) return -ENOTCONN;
  fillSockaddr(addr as SockaddrIn, addrlen as IntRef, end);
  return 0;
}

function isLinger(value: unknown): value is Linger {
  const { onoff, linger } = Object(value) as Partial<Linger>;
  return typeof onoff === "number" && typeof linger === "number";
}

function isIntRef(value: unknown): value is IntRef {
  return typeof (Object(value) as Partial<IntRef>).value === "number";
}
