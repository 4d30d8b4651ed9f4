// SPDX-License-Identifier: MIT
// A datagram socket of the kernel's: UDP, or local. What was received lies in shared memory until
// the next crossing, and is copied only if nobody takes it in its round.
//
//   in shared memory:  [ length of the address | of the payload ] [ address, padded ] [ payload ]

import type { DatagramEnd, DatagramFlow, ReceivedDatagram } from "../transport/datagram.ts";
import {
  type Endpoint,
  EVENT_READABLE,
  EVENT_STATE,
  EVENT_WRITABLE,
  type FlowSink,
} from "../transport/stream.ts";
import { EAGAIN, EMSGSIZE, ENOTCONN } from "./errno.ts";
import type { KernelSocket, KernelSockets } from "./kernel-sockets.ts";
import {
  DATAGRAM_HEADER_BYTES,
  EVENT_DATAGRAM,
  EVENT_DATAGRAM_TRUNCATED,
  EVENT_ERROR,
  EVENT_ROOM,
  OP_RESUME,
  OP_SENDTO,
} from "./native-sockets.ts";
import { IS_LITTLE, readSockaddr } from "./sockaddr.ts";
import type { Submitter } from "./submissions.ts";

/** Datagrams that wait for us to take them; more wait in the kernel. */
const RECEIVE_LIMIT = 64;
/** Datagrams that wait for the kernel to take them. */
const SEND_LIMIT = 64;
/** RFC 768 over IPv4: 65,535 less the headers of IP and UDP. */
const MAX_PAYLOAD_BYTES = 65_507;

/** One datagram as it lies in memory, with its header. */
interface Stored {
  readonly bytes: Uint8Array;
  readonly offset: number;
}

/** What is different for a local socket, where nothing is lost on the way: unix(7). */
export interface LocalManner {
  /** The only peer, as the kernel takes it; null: anybody. */
  readonly remote: Uint8Array | null;
  /** Before the socket goes. */
  readonly onClosing: () => void;
}

/**
 * One datagram socket. A local one gives each datagram to the kernel at once, by a crossing of its
 * own: what `send` has taken is in the receiver's queue, an error is about this very datagram, and
 * a receiver whose queue is full keeps nobody from sending to others.
 */
export class KernelDatagram<To = DatagramEnd>
  implements Omit<DatagramFlow, "send">, KernelSocket, Submitter
{
  readonly id: number;
  readonly isListener = false;
  readonly isReleased = false;
  readonly hasTimer = false;
  readonly sendLimitBytes: number = MAX_PAYLOAD_BYTES;
  sink: FlowSink | null;
  failure = 0;
  readonly #sockets: KernelSockets;
  readonly #toSockaddr: (to: To) => Uint8Array | number;
  readonly #manner: LocalManner | null;
  /** An error of an earlier send, told once. */
  #softError = 0;
  #received: Stored[] = [];
  /** How many of those lie in memory of ours. */
  #kept = 0;
  /** Datagrams with their headers that the kernel has not taken. */
  #unsent: Uint8Array[] = [];
  #submitted = 0;
  /** Of the unsent, those that the kernel has left in this crossing: they come first. */
  #leftOver = 0;
  #isBlocked = false;
  #isStalled = false;
  #isTouched = false;
  #isClosed = false;
  /** What became of the datagram that a local socket has just sent. */
  #sent = 0;
  #local: Endpoint | null = null;

  /**
   * @param toSockaddr - an address for this socket's family, or -errno
   * @param manner - of a local socket
   */
  constructor(
    sockets: KernelSockets,
    id: number,
    sink: FlowSink,
    toSockaddr: (to: To) => Uint8Array | number,
    manner: LocalManner | null = null,
  ) {
    this.#sockets = sockets;
    this.id = id;
    this.sink = sink;
    this.#toSockaddr = toSockaddr;
    this.#manner = manner;
    sockets.add(this);
    sockets.setRoom(id, RECEIVE_LIMIT);
  }

  get localEnd(): Endpoint {
    this.#local ??= this.#sockets.native.name(this.id, false);
    return this.#local;
  }

  get hasReceived(): boolean {
    return this.#received.length > 0 || this.#softError !== 0;
  }

  get bufferedBytes(): number {
    let bytes = 0;
    for (let i = 0; i < this.#kept; i++) bytes += this.#received[i]?.bytes.length ?? 0;
    for (const datagram of this.#unsent) bytes += datagram.length;
    return bytes;
  }

  send(to: To | null, bytes: Uint8Array, offset: number, length: number): number {
    const error = this.#takeError();
    if (error !== 0) return error;
    if (length > MAX_PAYLOAD_BYTES) return EMSGSIZE;
    if (this.#unsent.length >= SEND_LIMIT) return EAGAIN;
    const address = to === null ? NO_ADDRESS : this.#toSockaddr(to);
    if (typeof address === "number") return address;
    const total = DATAGRAM_HEADER_BYTES + padded(address.length) + length;
    if (this.#manner !== null) return this.#sendNow(address, bytes, offset, length);
    const { submissions } = this.#sockets;
    if (this.#isBlocked || this.#unsent.length > 0 || submissions.room < total) {
      const stored = new Uint8Array(total);
      write(stored, 0, address, bytes, offset, length);
      this.#unsent.push(stored);
      this.#touch();
      return 0;
    }
    this.#submit(address, bytes, offset, length);
    this.#submitted++;
    return 0;
  }

  receive(into: Uint8Array, about: ReceivedDatagram): number {
    const first = this.#received[0];
    if (first === undefined) return this.#takeError() || EAGAIN;
    this.#received.shift();
    if (this.#kept > 0) this.#kept--;
    const { bytes, offset } = first;
    const view = new DataView(bytes.buffer, bytes.byteOffset + offset, DATAGRAM_HEADER_BYTES);
    const addressBytes = view.getInt32(0, IS_LITTLE);
    about.lengthBytes = view.getInt32(4, IS_LITTLE);
    about.from = readSockaddr(bytes, offset + DATAGRAM_HEADER_BYTES, addressBytes);
    const start = offset + DATAGRAM_HEADER_BYTES + padded(addressBytes);
    const count = Math.min(about.lengthBytes, into.length, MAX_STORED_BYTES);
    into.set(bytes.subarray(start, start + count));
    this.#makeRoom();
    return count;
  }

  close(nowMs: number): void {
    if (this.#isClosed) return;
    void this.localEnd;
    // What was sent in this round has not reached the kernel yet.
    const isWaiting = this.#unsent.length > 0 && !this.#isBlocked;
    if (this.#submitted > 0 || isWaiting) this.#sockets.giveAll(nowMs);
    this.#isClosed = true;
    this.#received = [];
    this.#kept = 0;
    this.#unsent = [];
    this.sink = null;
    this.#manner?.onClosing();
    this.#sockets.close(this, false);
  }

  // --- KernelSocket, Submitter -------------------------------------------------------------------

  event(kind: number, offset: number, length: number): void {
    if (kind === EVENT_DATAGRAM || kind === EVENT_DATAGRAM_TRUNCATED) {
      this.#received.push({ bytes: this.#sockets.native.shared.rx, offset });
      if (this.#received.length - this.#kept === 1) this.#sockets.holds(this);
      this.sink?.flowEvents(EVENT_READABLE);
    } else if (kind === EVENT_ROOM) {
      this.#isBlocked = false;
      if (this.#unsent.length > 0) this.#touch();
      this.sink?.flowEvents(EVENT_WRITABLE);
    } else if (kind === EVENT_ERROR) {
      this.#softError = length;
      this.sink?.flowEvents(EVENT_STATE | EVENT_READABLE);
    }
  }

  submitted(op: number, offset: number, length: number, result: number): void {
    if (op !== OP_SENDTO || this.#isClosed) return;
    if (this.#manner !== null) {
      this.#sent = Math.min(result, 0);
      return;
    }
    this.#submitted--;
    if (result === EAGAIN) {
      this.#isBlocked = true;
      const left = this.#sockets.native.shared.tx.slice(offset, offset + length);
      this.#unsent.splice(this.#leftOver++, 0, left);
    } else if (result < 0) {
      this.#softError = result;
      this.sink?.flowEvents(EVENT_READABLE);
    }
    if (this.#submitted === 0) this.#leftOver = 0;
  }

  flush(): void {
    this.#isTouched = false;
    if (this.#isClosed) return;
    const { submissions, native } = this.#sockets;
    if (this.#isStalled && this.#received.length < RECEIVE_LIMIT) {
      this.#sockets.setRoom(this.id, RECEIVE_LIMIT - this.#received.length);
      this.#isStalled = !submissions.add(this, this.id, OP_RESUME, 0, 0);
      if (this.#isStalled) this.#touch();
    }
    const wasFull = this.#unsent.length >= SEND_LIMIT;
    while (!this.#isBlocked && this.#unsent.length > 0) {
      const next = this.#unsent[0] as Uint8Array;
      if (submissions.room < next.length) break;
      this.#unsent.shift();
      const at = submissions.take(next.length);
      native.shared.tx.set(next, at);
      submissions.add(this, this.id, OP_SENDTO, at, next.length);
      this.#submitted++;
    }
    if (this.#unsent.length > 0 && !this.#isBlocked) this.#touch();
    if (wasFull && this.#unsent.length < SEND_LIMIT) this.sink?.flowEvents(EVENT_WRITABLE);
  }

  keepReceived(): void {
    for (let i = this.#kept; i < this.#received.length; i++) {
      const { bytes, offset } = this.#received[i] as Stored;
      const view = new DataView(bytes.buffer, bytes.byteOffset + offset, DATAGRAM_HEADER_BYTES);
      const payload = Math.min(view.getInt32(4, IS_LITTLE), MAX_STORED_BYTES);
      const total = DATAGRAM_HEADER_BYTES + padded(view.getInt32(0, IS_LITTLE)) + payload;
      this.#received[i] = { bytes: bytes.slice(offset, offset + total), offset: 0 };
    }
    this.#kept = this.#received.length;
    const room = RECEIVE_LIMIT - this.#kept;
    this.#sockets.setRoom(this.id, room);
    this.#isStalled = room === 0;
  }

  fail(errno: number, nowMs: number): void {
    this.failure = errno;
    this.sink?.flowEvents(EVENT_STATE | EVENT_READABLE | EVENT_WRITABLE);
    this.close(nowMs);
  }

  /** @returns as `send`: 0 once the receiver has it; EAGAIN: its queue is full */
  #sendNow(address: Uint8Array, bytes: Uint8Array, offset: number, length: number): number {
    const result = this.#cross(address, bytes, offset, length);
    const remote = this.#manner?.remote ?? null;
    if (result !== ENOTCONN || remote === null) return result;
    // The peer had gone, which an earlier send was told; another may stand there by now.
    const connected = this.#sockets.native.connect(this.id, remote);
    return connected < 0 ? connected : this.#cross(address, bytes, offset, length);
  }

  #cross(address: Uint8Array, bytes: Uint8Array, offset: number, length: number): number {
    const total = DATAGRAM_HEADER_BYTES + padded(address.length) + length;
    if (this.#sockets.submissions.room < total) this.#sockets.submitNow();
    this.#submit(address, bytes, offset, length);
    this.#sockets.submitNow();
    return this.#sent;
  }

  /** There must be room. */
  #submit(address: Uint8Array, bytes: Uint8Array, offset: number, length: number): void {
    const { submissions, native } = this.#sockets;
    const total = DATAGRAM_HEADER_BYTES + padded(address.length) + length;
    const at = submissions.take(total);
    write(native.shared.tx, at, address, bytes, offset, length);
    submissions.add(this, this.id, OP_SENDTO, at, total);
  }

  #takeError(): number {
    if (this.failure !== 0) return this.failure;
    const error = this.#softError;
    this.#softError = 0;
    return error;
  }

  #makeRoom(): void {
    if (this.#isStalled) this.#touch();
    else this.#sockets.setRoom(this.id, RECEIVE_LIMIT - this.#kept);
  }

  #touch(): void {
    if (this.#isTouched) return;
    this.#isTouched = true;
    this.#sockets.touch(this);
  }
}

const NO_ADDRESS = new Uint8Array(0);
/** The addon keeps no more of a datagram than this. */
const MAX_STORED_BYTES = 65_535;

function padded(bytes: number): number {
  return (bytes + 3) & ~3;
}

function write(
  into: Uint8Array,
  at: number,
  address: Uint8Array,
  bytes: Uint8Array,
  offset: number,
  length: number,
): void {
  const view = new DataView(into.buffer, into.byteOffset + at, DATAGRAM_HEADER_BYTES);
  view.setInt32(0, address.length, IS_LITTLE);
  view.setInt32(4, length, IS_LITTLE);
  into.set(address, at + DATAGRAM_HEADER_BYTES);
  const start = at + DATAGRAM_HEADER_BYTES + padded(address.length);
  into.set(bytes.subarray(offset, offset + length), start);
}
