// SPDX-License-Identifier: MIT
// The one door to the addon's sockets: typed arrays over the memory shared with it, and its calls
// with addresses as objects. `poll` is the one crossing of a round (R6); the others are for
// opening and closing.

import {
  CONTROL_FIELDS,
  EVENT_FIELDS,
  INFO_FIELDS,
  type OpenedSockets,
  openSockets,
  requireSockets,
  SOCKADDR_BYTES,
  type SocketsAddon,
  type Spinner,
  SUBMISSION_FIELDS,
  spinner,
} from "../../native-io/sockets.ts";
import type { Endpoint } from "../transport/stream.ts";
import { readSockaddr } from "./sockaddr.ts";

export {
  ABOUT_DESCRIPTORS,
  ABOUT_DROPPED,
  ABOUT_FDS,
  ABOUT_FIELDS,
  ABOUT_MORE,
  AF_INET,
  AF_INET6,
  AF_UNIX,
  CONTROL_EVENTS,
  CONTROL_SUBMITTED,
  DATAGRAM_HEADER_BYTES,
  EVENT_ACCEPTABLE,
  EVENT_DATA,
  EVENT_DATAGRAM,
  EVENT_DATAGRAM_TRUNCATED,
  EVENT_DESCRIPTOR,
  EVENT_END,
  EVENT_ERROR,
  EVENT_FIELDS,
  EVENT_HANGUP,
  EVENT_ID,
  EVENT_KIND,
  EVENT_LENGTH,
  EVENT_OFFSET,
  EVENT_READABLE as EVENT_TELL,
  EVENT_WRITABLE as EVENT_ROOM,
  INFO_BYTES_ACKED,
  INFO_BYTES_RECEIVED,
  INFO_CONGESTION_WINDOW,
  INFO_OPTIONS,
  INFO_RECEIVE_QUEUE,
  INFO_RECEIVE_WINDOW,
  INFO_RECEIVE_WINDOW_SCALE,
  INFO_RETRANSMITS,
  INFO_RTO_US,
  INFO_RTT_US,
  INFO_RTT_VARIANCE_US,
  INFO_SEGMENTS_IN,
  INFO_SEGMENTS_OUT,
  INFO_SEND_MSS,
  INFO_SEND_QUEUE,
  INFO_SEND_WINDOW,
  INFO_SEND_WINDOW_SCALE,
  INFO_SLOW_START_THRESHOLD,
  INFO_STATE,
  INFO_TOTAL_RETRANSMITS,
  INFO_UNACKED,
  OP_RESUME,
  OP_SEND,
  OP_SENDTO,
  OP_SHUTDOWN,
  ROOM_TELL,
  SOCK_DGRAM,
  SOCK_STREAM,
  SUBMISSION_FIELDS,
  SUBMISSION_ID,
  SUBMISSION_LENGTH,
  SUBMISSION_OFFSET,
  SUBMISSION_OP,
} from "../../native-io/sockets.ts";

/** The memory shared with the addon. */
export interface SharedSockets {
  /** Received bytes, until the next poll. */
  readonly rx: Uint8Array;
  /** The same memory as int32, for headers. */
  readonly rxWords: Int32Array;
  /** Bytes to send. */
  readonly tx: Uint8Array;
  readonly txWords: Int32Array;
  readonly events: Int32Array;
  readonly submissions: Int32Array;
  readonly maxSubmissions: number;
  readonly control: Int32Array;
  /** By slot: what may be received. */
  readonly room: Int32Array;
}

/** An open socket poller of the addon. */
export class NativeSockets {
  readonly shared: SharedSockets;
  readonly spinner: Spinner = spinner;
  readonly #addon: SocketsAddon;
  readonly #handle: number;
  readonly #sockaddr: Uint8Array;
  readonly #info: Float64Array;
  readonly #ids: Int32Array;

  /** @throws EMFILE, ENOMEM, ENOSYS as the addon's plain errors */
  constructor(maxSockets: number) {
    const opened = openSockets({ maxSockets });
    this.#addon = requireSockets();
    this.#handle = opened.handle;
    this.shared = share(opened);
    this.#sockaddr = new Uint8Array(SOCKADDR_BYTES);
    this.#info = new Float64Array(INFO_FIELDS);
    this.#ids = new Int32Array(2);
  }

  /** The crossing of a round. @returns work done, or -errno */
  poll(): number {
    return this.#addon.poll(this.#handle);
  }

  /** Does the submissions alone. @returns how many there were, or -errno */
  submit(): number {
    return this.#addon.socketsSubmit(this.#handle);
  }

  /** Asks for one call when there is work. @returns false: there is some already */
  armWake(wake: () => void): boolean {
    return this.#addon.armWake(this.#handle, wake);
  }

  /** Takes that back. */
  disarmWake(): void {
    this.#addon.disarmWake(this.#handle);
  }

  /** Closes everything. Idempotent. */
  destroy(): void {
    this.#addon.close(this.#handle);
  }

  /** Makes a socket. @returns its id, or -errno */
  open(family: number, type: number, netns: string): number {
    return this.#addon.socketOpen(this.#handle, family, type, netns);
  }

  /** @returns 0 or -errno */
  bind(id: number, sockaddr: Uint8Array): number {
    return this.#addon.socketBind(this.#handle, id, sockaddr);
  }

  /** @returns 0, -EINPROGRESS or another -errno */
  connect(id: number, sockaddr: Uint8Array): number {
    return this.#addon.socketConnect(this.#handle, id, sockaddr);
  }

  /** @returns 0 or -errno */
  listen(id: number, backlog: number): number {
    return this.#addon.socketListen(this.#handle, id, backlog);
  }

  /** @returns the id of a connection, -EAGAIN or another -errno */
  accept(id: number): number {
    return this.#addon.socketAccept(this.#handle, id, this.#sockaddr);
  }

  /** The peer of the TCP connection that `accept` has just given. */
  get acceptedFrom(): Endpoint {
    return readSockaddr(this.#sockaddr, 0, this.#sockaddr.length);
  }

  /** @returns the address of an end, empty if it has none */
  name(id: number, isPeer: boolean): Endpoint {
    const length = this.#addon.socketName(this.#handle, id, isPeer, this.#sockaddr);
    return readSockaddr(this.#sockaddr, 0, Math.max(0, length));
  }

  /** Sets an option. @returns 0 or -errno */
  option(id: number, level: number, name: number, value: number): number {
    return this.#addon.socketOption(this.#handle, id, level, name, value);
  }

  /** Takes the pending error. @returns 0 or -errno */
  error(id: number): number {
    return this.#addon.socketError(this.#handle, id);
  }

  /** What the kernel knows of a socket; the next call overwrites it. @returns INFO_* fields */
  info(id: number): Float64Array {
    this.#info.fill(0);
    this.#addon.socketInfo(this.#handle, id, this.#info);
    return this.#info;
  }

  /** What has not reached the peer. @returns 0 when all has, or -errno */
  unsent(id: number): number {
    return this.#addon.socketUnsent(this.#handle, id);
  }

  /** What was dropped at a listener because its backlog was full. */
  drops(id: number): number {
    return Math.max(0, this.#addon.socketDrops(this.#handle, id));
  }

  /** Closes. @param isReset - TCP: by a RST */
  close(id: number, isReset: boolean): void {
    this.#addon.socketClose(this.#handle, id, isReset);
  }

  /** Makes two local streams connected to each other. @returns their ids, or -errno */
  pair(): readonly [number, number] | number {
    const result = this.#addon.socketPair(this.#handle, this.#ids);
    return result < 0 ? result : [this.#ids[0] as number, this.#ids[1] as number];
  }

  /** Takes over a descriptor. @returns its id, or -errno: it is still the caller's */
  adopt(fd: number, family: number, isListener: boolean): number {
    return this.#addon.socketAdopt(this.#handle, fd, family, isListener);
  }

  /** Sends a copy of a descriptor with one byte. @returns 1 or -errno */
  sendDescriptor(id: number, fd: number): number {
    return this.#addon.socketSendFd(this.#handle, id, fd);
  }

  /** Sends bytes of a stream at once. @returns bytes taken, or -errno */
  send(id: number, bytes: Uint8Array, offset: number, length: number): number {
    return this.#addon.socketSend(this.#handle, id, bytes, offset, length);
  }

  /**
   * Receives bytes of a stream at once.
   *
   * @param about - filled in, ABOUT_*
   * @returns bytes received, 0 at the end, or -errno
   */
  receive(id: number, into: Uint8Array, offset: number, length: number, about: Int32Array): number {
    return this.#addon.socketReceive(this.#handle, id, into, offset, length, about);
  }

  /** Sends no more, at once. @returns 0 or -errno */
  shutDown(id: number): number {
    return this.#addon.socketShutdown(this.#handle, id);
  }

  /** Whether there is something to receive or to accept. */
  isReadable(id: number): boolean {
    return this.#addon.socketReadable(this.#handle, id) === 1;
  }

  /** Closes a descriptor that has been received. */
  closeDescriptor(fd: number): void {
    this.#addon.closeDescriptor(fd);
  }
}

function share(opened: OpenedSockets): SharedSockets {
  const { buffer, rxOffset, rxBytes, txOffset, txBytes } = opened;
  return {
    rx: new Uint8Array(buffer, rxOffset, rxBytes),
    rxWords: new Int32Array(buffer, rxOffset, rxBytes >> 2),
    tx: new Uint8Array(buffer, txOffset, txBytes),
    txWords: new Int32Array(buffer, txOffset, txBytes >> 2),
    events: new Int32Array(buffer, opened.eventsOffset, opened.events * EVENT_FIELDS),
    submissions: new Int32Array(
      buffer,
      opened.submissionsOffset,
      opened.submissions * SUBMISSION_FIELDS,
    ),
    maxSubmissions: opened.submissions,
    control: new Int32Array(buffer, opened.controlOffset, CONTROL_FIELDS),
    room: new Int32Array(buffer, opened.roomOffset, opened.maxSockets),
  };
}
