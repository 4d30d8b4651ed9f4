// SPDX-License-Identifier: MIT
// What blocks on a datagram socket, whoever carries it: UDP of our own stack or of the kernel, a
// local socket. Each call is a Wait that polls the flow and parks on one of two queues; the flow's
// events mark those queues ready, the run loop resumes (R3). `UdpSocket` and `IpcSocket` are its
// faces.

import type { Bundle, Resource } from "../../scheduler/index.ts";
import { type Loop, PENDING, WaitQueue } from "../../scheduler/internal.ts";
import type { DatagramFlow, ReceivedDatagram } from "../transport/datagram.ts";
import {
  type Endpoint,
  EVENT_READABLE,
  EVENT_STATE,
  EVENT_WRITABLE,
  type FlowSink,
} from "../transport/stream.ts";
import { EAGAIN, EBADF, netError } from "./errors.ts";
import { Ownership } from "./ownership.ts";

/** What carries datagrams to ends of one kind. */
export interface DatagramCarrier<To> extends Omit<DatagramFlow, "send"> {
  /** As `DatagramFlow.send`. */
  send(to: To | null, bytes: Uint8Array, offset: number, length: number): number;
}

/** One kind of datagram socket. */
export interface DatagramKind<To, Received> {
  /** The calls as users know them: `"udp.send"`. */
  readonly send: string;
  readonly recv: string;
  readonly moveTo: string;
  /** Whom a datagram goes to, for errors. */
  readonly endOf: (to: To) => Endpoint;
  /** What a receiver gets. */
  readonly receivedOf: (datagram: ReceivedDatagram) => Received;
}

/** One open datagram socket: the state of a handle, and who waits on it. */
export class DatagramCore<To, Received> implements FlowSink {
  readonly kind: DatagramKind<To, Received>;
  readonly readers: WaitQueue = new WaitQueue();
  readonly writers: WaitQueue = new WaitQueue();
  readonly #loop: Loop;
  readonly #ownership: Ownership;
  #flow: DatagramCarrier<To> | null = null;
  #remote: Endpoint | null = null;
  #isOpen = true;

  /** @param handle - aborted by the end of the coroutine that runs */
  constructor(loop: Loop, kind: DatagramKind<To, Received>, handle: Resource) {
    this.kind = kind;
    this.#loop = loop;
    this.#ownership = new Ownership(handle);
  }

  /** Ties it to what carries its datagrams. */
  attach(flow: DatagramCarrier<To>, remote: Endpoint | null): void {
    this.#flow = flow;
    this.#remote = remote;
  }

  /** What carries its datagrams. */
  get flow(): DatagramCarrier<To> {
    return this.#flow as DatagramCarrier<To>;
  }

  /** The loop that its waits are on. */
  get loop(): Loop {
    return this.#loop;
  }

  /** The only peer; null: anybody. */
  get remote(): Endpoint | null {
    return this.#remote;
  }

  /** False once it is closed. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** What errors are about: its peer, or else itself. */
  get end(): Endpoint {
    return this.#remote ?? this.flow.localEnd;
  }

  /** What an error says beyond its code; undefined: no more. */
  detailOf(errno: number): string | undefined {
    return this.#ownership.detailOf(errno);
  }

  /** Closes. @returns false: it was closed already */
  close(): boolean {
    if (!this.#isOpen) return false;
    this.#isOpen = false;
    this.#ownership.release();
    this.#flow?.close(this.#loop.now());
    this.#wakeAll();
    return true;
  }

  /** As `UdpSocket.moveTo`. */
  moveTo(owner: Bundle): void {
    const { moveTo } = this.kind;
    if (!this.#isOpen) throw netError("EBADF", moveTo, this.detailOf(EBADF));
    this.#ownership.moveTo(moveTo, owner);
  }

  /** From the flow: marks, resumes nobody. */
  flowEvents(events: number): void {
    if ((events & EVENT_STATE) !== 0) this.#wakeAll();
    // One datagram, one receiver; if there are more, each wakes the next.
    if ((events & EVENT_READABLE) !== 0) this.readers.wakeOne();
    if ((events & EVENT_WRITABLE) !== 0) this.writers.wakeAll();
  }

  /** One try to send. @returns as `Wait.poll` */
  pollSend(data: Uint8Array, to: To | null): number {
    if (!this.#isOpen) return -EBADF;
    const result = this.flow.send(to, data, 0, data.length);
    return result === -EAGAIN ? PENDING : result;
  }

  /** One try to receive. @returns bytes in `buf`, or -errno: -EAGAIN for nothing */
  tryRecv(buf: Uint8Array, about: ReceivedDatagram): number {
    return this.#isOpen ? this.flow.receive(buf, about) : -EBADF;
  }

  /** A receiver has ended in any way: the next may have something to take. */
  wakeNext(): void {
    if (this.#isOpen && !this.readers.isEmpty && this.flow.hasReceived) this.readers.wakeOne();
  }

  /** Nobody to send to was named. */
  checkHasRemote(): void {
    if (this.#remote !== null) return;
    const message = "the socket has no remote: say whom to send to";
    throw netError("EDESTADDRREQ", this.kind.send, message);
  }

  /** Somebody to send to was named. */
  checkHasNoRemote(): void {
    if (this.#remote === null) return;
    const message = "the socket has a remote, and sends to nobody else";
    throw netError("EISCONN", this.kind.send, message);
  }

  #wakeAll(): void {
    this.readers.wakeAll();
    this.writers.wakeAll();
  }
}
