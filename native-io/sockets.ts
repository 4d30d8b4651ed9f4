// SPDX-License-Identifier: MIT
// The typed door to the kernel's sockets in the addon (src/sockets.h): one poller per run loop,
// whose `poll` does in one call what all of its sockets need. Imported by
// src/kernel/native-sockets.ts alone. What lies where in the shared memory:
//
// - submissions: `SUBMISSION_FIELDS` int32 each, id, op, offset from the start of tx, length. A
//   poll does `control[CONTROL_SUBMITTED]` of them in order, puts the result (bytes taken, or
//   -errno) where the length was, and sets the count back to 0.
// - events: `EVENT_FIELDS` int32 each, id, kind, offset from the start of rx, length. A poll writes
//   them anew and their count to `control[CONTROL_EVENTS]`. Bytes in rx hold until the next poll.
// - room: one int32 per slot, how many bytes (datagrams: how many) are wanted of that socket. The
//   addon only reads it. Without room a socket is not received from; what is there stays in the
//   kernel until OP_RESUME says that there is room again. With ROOM_TELL it is not received from
//   either, EVENT_READABLE tells that there may be something, and `socketReceive` takes it.
//
// An id that was closed is -EBADF everywhere; events already written may still name it.

import { type Addon, loadAddon, type OpenFailure } from "./addon.ts";
import { driverError, driverErrorOf } from "./error.ts";

export type { DriverError } from "./error.ts";
export { type Spinner, spinner } from "./spinner.ts";

/** Index of the control fields: submissions for the next poll. */
export const CONTROL_SUBMITTED = 0;
/** Index of the control fields: events of the last poll. */
export const CONTROL_EVENTS = 1;
/** Length of the control fields, in int32. */
export const CONTROL_FIELDS = 16;

/** Length of a submission, in int32. */
export const SUBMISSION_FIELDS = 4;
/** Index within a submission. */
export const SUBMISSION_ID = 0;
/** Index within a submission. */
export const SUBMISSION_OP = 1;
/** Index within a submission: bytes from the start of tx. */
export const SUBMISSION_OFFSET = 2;
/** Index within a submission: bytes, and after the poll the result. */
export const SUBMISSION_LENGTH = 3;

/**
 * Sends bytes of a stream. Result: bytes taken, 0 when there is no room; after a short one the
 * later ones of that socket take 0 without trying in the same poll, so that order is kept.
 */
export const OP_SEND = 1;
/**
 * Sends one datagram: `DATAGRAM_HEADER_BYTES`, the sockaddr (none: to the connected peer) padded
 * to 4 bytes, the payload; `length` covers all. Result: payload bytes, or -errno, -EAGAIN without
 * room.
 */
export const OP_SENDTO = 2;
/** Sends no more: FIN. Result 0 or -errno. To be submitted once all was taken. */
export const OP_SHUTDOWN = 3;
/** There is room again: what stayed in the kernel is received. Result 0. */
export const OP_RESUME = 4;

/** Length of an event, in int32. */
export const EVENT_FIELDS = 4;
/** Index within an event. */
export const EVENT_ID = 0;
/** Index within an event. */
export const EVENT_KIND = 1;
/** Index within an event: bytes from the start of rx. */
export const EVENT_OFFSET = 2;
/** Index within an event. */
export const EVENT_LENGTH = 3;

/** Bytes of a stream: `length` of them at `offset`. */
export const EVENT_DATA = 1;
/** The peer sends no more. Told once. */
export const EVENT_END = 2;
/**
 * `length` is -errno. A stream tells at most one, after the bytes that came before it as far as
 * there was room for them; it is not received from again.
 */
export const EVENT_ERROR = 3;
/** Connected, or there is room to send after a send that fell short. */
export const EVENT_WRITABLE = 4;
/** Connections wait to be accepted: until -EAGAIN, for there is one such event for all of them. */
export const EVENT_ACCEPTABLE = 5;
/**
 * A datagram: at `offset` lies the header (bytes of the sockaddr, bytes of the payload as sent),
 * the sockaddr padded to 4 bytes, the payload. `length` covers all.
 */
export const EVENT_DATAGRAM = 6;
/** The same, and only the first 65,535 bytes of the payload are there. */
export const EVENT_DATAGRAM_TRUNCATED = 7;
/**
 * A descriptor came over an AF_UNIX stream, right before the bytes of the EVENT_DATA that follows.
 * `length` is its number; the receiver owns it.
 */
export const EVENT_DESCRIPTOR = 8;
/**
 * The state has changed, so that `socketInfo` and `socketUnsent` may say something new: both
 * directions are over, or something happened after the end, or all that was sent and the FIN have
 * been acknowledged. May be told several times.
 */
export const EVENT_HANGUP = 9;
/**
 * There may be something to receive: bytes, the end, or an error, which of a stream with ROOM_TELL
 * only `socketReceive` tells. Comes again after that has said -EAGAIN or that there is no more.
 */
export const EVENT_READABLE = 10;

/** As a room: what is there stays in the kernel, and EVENT_READABLE tells of it. */
export const ROOM_TELL = -1;

/** Index into what `socketReceive` fills in: 1 if there may be more to receive now, else 0. */
export const ABOUT_MORE = 0;
/** Descriptors that came with the bytes. */
export const ABOUT_DESCRIPTORS = 1;
/** 1 if others came and were dropped: too many files are open, or more than 16 came at once. */
export const ABOUT_DROPPED = 2;
/** The first of those that came; the others follow. The receiver owns them. */
export const ABOUT_FDS = 3;
/** Length of the array to be filled in, in int32. */
export const ABOUT_FIELDS = 19;

/** Bytes before a datagram's sockaddr: int32 of its length, int32 of the payload's. */
export const DATAGRAM_HEADER_BYTES = 8;

/** Index into the status array: the monotonic clock, read once per poll. */
export const SOCKET_STATUS_NOW_MS = 0;
/** Events told. */
export const SOCKET_STATUS_EVENTS = 1;
/** Bytes of streams and payloads received. */
export const SOCKET_STATUS_BYTES_RECEIVED = 2;
/** Bytes of streams and payloads the kernel took. */
export const SOCKET_STATUS_BYTES_SENT = 3;
/** System calls that receive. */
export const SOCKET_STATUS_RECV_CALLS = 4;
/** System calls that send. */
export const SOCKET_STATUS_SEND_CALLS = 5;
/** System calls that ask who is ready. */
export const SOCKET_STATUS_EPOLL_WAITS = 6;
/** Calls of `poll`. */
export const SOCKET_STATUS_POLLS = 7;
/** Connections accepted. */
export const SOCKET_STATUS_ACCEPTED = 8;
/** Sockets made or adopted; pairs count twice. */
export const SOCKET_STATUS_OPENED = 9;
/** Sockets closed or detached. */
export const SOCKET_STATUS_CLOSED = 10;
/** Length of the status array, in float64. */
export const SOCKET_STATUS_FIELDS = 16;

/** Index into what `socketInfo` fills in: TCP's state as in `<netinet/tcp.h>`, 1 ESTABLISHED. */
export const INFO_STATE = 0;
/** Largest segment that is sent. */
export const INFO_SEND_MSS = 1;
/** TCPI_OPT_*: 1 timestamps, 2 SACK, 4 window scaling, 8 ECN. */
export const INFO_OPTIONS = 2;
/** Window scale of the peer. */
export const INFO_SEND_WINDOW_SCALE = 3;
/** Window scale of ours. */
export const INFO_RECEIVE_WINDOW_SCALE = 4;
/** Window of the peer, in bytes; 0 on kernels before 5.4. */
export const INFO_SEND_WINDOW = 5;
/** What the kernel expects to receive per round trip, in bytes. */
export const INFO_RECEIVE_SPACE = 6;
/** Congestion window, in segments. */
export const INFO_CONGESTION_WINDOW = 7;
/** Slow start threshold, in segments. */
export const INFO_SLOW_START_THRESHOLD = 8;
/** Smoothed round trip, in microseconds. */
export const INFO_RTT_US = 9;
/** Its variance, in microseconds. */
export const INFO_RTT_VARIANCE_US = 10;
/** Retransmission timeout, in microseconds. */
export const INFO_RTO_US = 11;
/** Timeouts since the last acknowledgement. */
export const INFO_RETRANSMITS = 12;
/** Segments retransmitted in all. */
export const INFO_TOTAL_RETRANSMITS = 13;
/** Segments received. */
export const INFO_SEGMENTS_IN = 14;
/** Segments sent. */
export const INFO_SEGMENTS_OUT = 15;
/** Bytes acknowledged by the peer. */
export const INFO_BYTES_ACKED = 16;
/** Bytes received. */
export const INFO_BYTES_RECEIVED = 17;
/** Segments on their way; of a listener, connections that wait to be accepted. */
export const INFO_UNACKED = 18;
/** Bytes not acknowledged, a FIN counting as one. AF_UNIX: memory of what the peer has not read. */
export const INFO_SEND_QUEUE = 19;
/** Bytes that wait to be received. */
export const INFO_RECEIVE_QUEUE = 20;
/** Segments acknowledged selectively; of a listener, its backlog. */
export const INFO_SACKED = 21;
/** Window we offer, in bytes; 0 on kernels before 6.2. */
export const INFO_RECEIVE_WINDOW = 22;
/** Length of the array to be filled in, in float64. What does not apply is 0. */
export const INFO_FIELDS = 32;

/** Address families, socket types: the numbers of Linux. */
export const AF_UNIX = 1;
/** IPv4. */
export const AF_INET = 2;
/** IPv6. */
export const AF_INET6 = 10;
/** TCP, or a stream of AF_UNIX. */
export const SOCK_STREAM = 1;
/** UDP, or datagrams of AF_UNIX. */
export const SOCK_DGRAM = 2;

/** Room for any sockaddr. */
export const SOCKADDR_BYTES = 128;

/** How large a poller is. */
export interface SocketsOptions {
  /** Sockets open at once, 1 to 1,048,576; default 65,536. Memory is used as slots are. */
  readonly maxSockets?: number;
  /** Bytes received per poll over all sockets, 131,072 to 2^28; default 1 MiB. */
  readonly rxBytes?: number;
  /** Bytes that can be submitted per poll, 4,096 to 2^28; default 1 MiB. */
  readonly txBytes?: number;
  /** Submissions per poll, 1 to 65,536; default 4,096. */
  readonly submissions?: number;
  /** Events per poll, 64 to 65,536; default 4,096. */
  readonly events?: number;
}

/** An open poller: one shared memory, and where in it everything lies. */
export interface OpenedSockets {
  /** Names the poller in every other call; never used again after `close`. */
  readonly handle: number;
  /** Covers all of it. Detached by `close`. */
  readonly buffer: ArrayBuffer;
  /** Byte offset of what was received. */
  readonly rxOffset: number;
  readonly rxBytes: number;
  /** Byte offset of what is to be sent. */
  readonly txOffset: number;
  readonly txBytes: number;
  /** Byte offset of the events. */
  readonly eventsOffset: number;
  /** Most events per poll. */
  readonly events: number;
  /** Byte offset of the submissions. */
  readonly submissionsOffset: number;
  /** Most submissions per poll. */
  readonly submissions: number;
  /** Byte offset of the control fields. */
  readonly controlOffset: number;
  /** Byte offset of the status, `SOCKET_STATUS_FIELDS` float64. */
  readonly statusOffset: number;
  /** Byte offset of the room, `maxSockets` int32 by slot. */
  readonly roomOffset: number;
  readonly maxSockets: number;
}

/**
 * What the addon does with sockets. Every call takes the poller's handle and returns a result
 * >= 0 or -errno; -EBADF when the poller is closed or the id names no open socket. None waits.
 */
export interface SocketsAddon
  extends Pick<Addon, "armWake" | "disarmWake" | "close" | "monotonicMs"> {
  /** Opens a poller. */
  openSockets(options: Required<SocketsOptions>): OpenedSockets | OpenFailure;
  /**
   * Does the submissions, learns who is ready, receives. Sockets take turns, one receive each
   * (datagrams: up to 32); who found no space in rx or among the events is first in the next poll.
   *
   * @returns submissions done and events told.
   */
  poll(handle: number): number;
  /**
   * Does the submissions alone: what the last poll has received and told stays where it is.
   *
   * @returns submissions done.
   */
  socketsSubmit(handle: number): number;
  /**
   * Makes a socket in a network namespace: "" is this one, else a name under /run/netns or a path.
   *
   * @returns its id. -ENFILE: the table is full. -EPERM: no CAP_SYS_ADMIN for the namespace.
   */
  socketOpen(handle: number, family: number, type: number, netns: string): number;
  /** Binds to a struct sockaddr in the layout of the host; its length counts for AF_UNIX. */
  socketBind(handle: number, id: number, sockaddr: Uint8Array): number;
  /** Connects. @returns 0, or -EINPROGRESS: EVENT_WRITABLE or EVENT_ERROR follows. */
  socketConnect(handle: number, id: number, sockaddr: Uint8Array): number;
  /** Begins to listen; EVENT_ACCEPTABLE tells of connections. */
  socketListen(handle: number, id: number, backlog: number): number;
  /**
   * Accepts one connection; those that were reset meanwhile are skipped. After -ENFILE (the table
   * is full, the connection stays where it is) and -EMFILE no event follows by itself.
   *
   * @param peer - filled in: the sockaddr of its other end, as far as there is room.
   * @returns its id, or -EAGAIN: none is there.
   */
  socketAccept(handle: number, id: number, peer?: Uint8Array): number;
  /** Writes the local or the peer's sockaddr. @returns its length. */
  socketName(handle: number, id: number, isPeer: boolean, into: Uint8Array): number;
  /** Sets an option that is an int. */
  socketOption(handle: number, id: number, level: number, name: number, value: number): number;
  /** Reads an option that is an int >= 0. */
  socketGetOption(handle: number, id: number, level: number, name: number): number;
  /** Takes the pending error (SO_ERROR). @returns it as -errno, or 0. */
  socketError(handle: number, id: number): number;
  /** Fills in `INFO_*`. @returns 0. */
  socketInfo(handle: number, id: number, into: Float64Array): number;
  /**
   * Tells how much has not reached the peer. TCP: bytes not acknowledged, a FIN that has been sent
   * counting as one. AF_UNIX: memory of what the peer has not read. Datagrams: 0.
   *
   * @returns 0 when all is done, -errno when the connection broke.
   */
  socketUnsent(handle: number, id: number): number;
  /** Counts what was dropped at this socket (SK_MEMINFO_DROPS): of a listener, a full backlog. */
  socketDrops(handle: number, id: number): number;
  /** Closes; with `isReset` a TCP connection by RST. Nothing more is told of it. */
  socketClose(handle: number, id: number, isReset: boolean): number;
  /** Makes two AF_UNIX streams that are connected to each other. @returns 0. */
  socketPair(handle: number, ids: Int32Array): number;
  /**
   * Takes over an open descriptor: a connected stream or a listener of that family. On failure it
   * stays the caller's: -EBADF, -ENOTSOCK, -EINVAL (another family or type, or not listening when
   * it should, or the reverse), -ENOTCONN, -ENFILE, -EEXIST (it is one of ours).
   *
   * @returns its id.
   */
  socketAdopt(handle: number, fd: number, family: number, isListener: boolean): number;
  /** Gives a socket up without closing it. @returns the descriptor, which is non-blocking. */
  socketDetach(handle: number, id: number): number;
  /**
   * Sends a copy of any open descriptor over an AF_UNIX stream, with one byte, 0xcc, since it
   * cannot travel without. After -EAGAIN EVENT_WRITABLE follows.
   *
   * @returns 1.
   */
  socketSendFd(handle: number, id: number, fd: number): number;
  /**
   * Sends bytes of a stream at once: not to be mixed with OP_SEND. After -EAGAIN EVENT_WRITABLE
   * follows; after a short send nothing does, until the rest has been tried.
   *
   * @returns bytes taken.
   */
  socketSend(handle: number, id: number, bytes: Uint8Array, offset: number, length: number): number;
  /**
   * Receives bytes of a stream with ROOM_TELL at once. Behind bytes that descriptors came with it
   * stops; the descriptors belong to all of the bytes, which with one byte asked for is exact.
   *
   * @param about - filled in: `ABOUT_*`, an Int32Array of ABOUT_FIELDS.
   * @returns bytes received, 0 at the end of the stream.
   */
  socketReceive(
    handle: number,
    id: number,
    into: Uint8Array,
    offset: number,
    length: number,
    about: Int32Array,
  ): number;
  /** Sends no more, at once. @returns 0. */
  socketShutdown(handle: number, id: number): number;
  /** Looks whether there is something to receive or to accept, and takes nothing. @returns 0, 1 */
  socketReadable(handle: number, id: number): number;
  /** Closes a descriptor that EVENT_DESCRIPTOR, `socketReceive` or `socketDetach` gave. */
  closeDescriptor(fd: number): number;
}

const LIMITS: Readonly<Record<keyof SocketsOptions, readonly [number, number, number]>> = {
  maxSockets: [1, 2 ** 20, 65_536],
  // One datagram of 64 KB with its address has to fit.
  rxBytes: [2 ** 17, 2 ** 28, 2 ** 20],
  txBytes: [2 ** 12, 2 ** 28, 2 ** 20],
  submissions: [1, 65_536, 4096],
  events: [64, 65_536, 4096],
};

/** Says why there are no sockets of the kernel, or null when there are. */
export function whyNoSockets(): string | null {
  const loaded = loadAddon();
  if (!("addon" in loaded)) return loaded.reason;
  return "socketReceive" in loaded.addon
    ? null
    : "the addon is of an older version; build it again";
}

/**
 * Returns the addon's calls on sockets.
 *
 * @throws ENOSYS: it is not there; the message says why.
 */
export function requireSockets(): SocketsAddon {
  const reason = whyNoSockets();
  const loaded = loadAddon();
  if (reason === null && "addon" in loaded) return loaded.addon as unknown as SocketsAddon;
  throw driverError("ENOSYS", `sockets of the kernel are not available: ${reason}`, SYSCALL);
}

/**
 * Opens a poller. `requireSockets().close(handle)` closes it and all of its sockets.
 *
 * @throws EINVAL: an option is wrong; the message names it.
 * @throws EMFILE: 64 pollers and drivers are open in this thread, or no descriptor is left.
 * @throws ENOMEM: the tables do not fit into memory.
 * @throws ENOSYS: there is no addon.
 */
export function openSockets(options: SocketsOptions = {}): OpenedSockets {
  const addon = requireSockets();
  const opened = addon.openSockets({
    maxSockets: size(options, "maxSockets"),
    rxBytes: size(options, "rxBytes"),
    txBytes: size(options, "txBytes"),
    submissions: size(options, "submissions"),
    events: size(options, "events"),
  });
  if ("message" in opened) throw driverErrorOf(opened.errno, opened.message, SYSCALL);
  return opened;
}

const SYSCALL = "sockets.open";

function size(options: SocketsOptions, name: keyof SocketsOptions): number {
  const [low, high, byDefault] = LIMITS[name];
  const value = options[name] ?? byDefault;
  if (typeof value !== "number") {
    throw new TypeError(`${name} must be a number, got ${typeof value}`);
  }
  if (Number.isInteger(value) && value >= low && value <= high) return value;
  const message = `${name} must be an integer from ${low} to ${high}, got ${value}`;
  throw driverError("EINVAL", message, SYSCALL);
}
