// SPDX-License-Identifier: MIT
// A UDP socket as a handle, whoever carries its datagrams: our own stack or the kernel. Each call
// is a Wait that polls the flow and parks on one of two queues; the flow's events mark those queues
// ready, the run loop resumes (R3).

import type { Bundle } from "../../scheduler/index.ts";
import { PENDING, READY, Wait, WaitQueue } from "../../scheduler/internal.ts";
import type { DatagramEnd, DatagramFlow, ReceivedDatagram } from "../transport/datagram.ts";
import {
  type Endpoint,
  EVENT_READABLE,
  EVENT_STATE,
  EVENT_WRITABLE,
  type FlowSink,
} from "../transport/stream.ts";
import { checkBytes } from "./arguments.ts";
import type { Context } from "./context.ts";
import { EAGAIN, EBADF, EMSGSIZE, endpointError, netError } from "./errors.ts";
import type { HostLookup } from "./host-lookup.ts";
import { Ownership } from "./ownership.ts";
import { NamedSendWait, SEND, SendWait } from "./udp-send.ts";
import { checkTarget, NamedEnd, type Target } from "./udp-target.ts";

/** What `recv` returns: how long the datagram is, and who sent it. */
export interface Received {
  /** Bytes of the datagram, all of them in the buffer. */
  readonly length: number;
  /** Address of the sender. */
  readonly host: string;
  /** Port of the sender; 0: it wants no answer. */
  readonly port: number;
}

const RECV = "udp.recv";

/**
 * A UDP socket, got from `udp.open`. What is sent may be lost, doubled or overtaken on the way;
 * what arrives whole is what was sent.
 */
export class UdpSocket implements FlowSink {
  readonly #context: Context;
  readonly #ownership: Ownership;
  #remote: Endpoint | null = null;
  readonly #readers: WaitQueue = new WaitQueue();
  readonly #writers: WaitQueue = new WaitQueue();
  #flow: DatagramFlow | null = null;
  #isOpen = true;
  // Whom the last datagram went to: usually the next one goes there too. A name keeps its address.
  #lastText: string | null = null;
  #lastHost = "";
  #lastEnd: Target | null = null;
  /** Those of calls on this socket that are under way; made for the first name. */
  #lookups: Set<HostLookup> | null = null;

  /** @internal Use `udp.open`. */
  constructor(context: Context) {
    this.#context = context;
    this.#ownership = new Ownership(this);
  }

  /** @internal Ties it to what carries its datagrams. */
  attach(flow: DatagramFlow, remote: Endpoint | null): void {
    this.#flow = flow;
    this.#remote = remote;
  }

  /** Where it is bound; the port is the one chosen if 0 was asked for. */
  get local(): Endpoint {
    return this.flow.localEnd;
  }

  /** The only peer, by its address; null: it sends to anybody, and receives from anybody. */
  get remote(): Endpoint | null {
    return this.#remote;
  }

  /** False once it is closed. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /**
   * Sends one datagram. Waits only while the network takes nothing more, and while a name is
   * looked up; several coroutines may send at once. That it returns does not mean that anybody has
   * received it. If an earlier datagram is known to have been refused, the next call says so, once,
   * and sends nothing: sockets with a `remote` learn of that, others do not.
   *
   * Over the kernel `to` may have a name. It goes to the first of its addresses that the socket can
   * send to, which is kept for as long as each call has the same name and port, and none fails: a
   * name whose addresses may change is looked up anew after a datagram to any other, or on a new
   * socket.
   *
   * @param data - the payload, may be empty; must not change until this returns
   * @param to - an address and a port, or `"10.0.0.1:53"`, `"[::1]:53"`, `"name:53"`; left out if
   *   the socket has a `remote`
   * @param deadline - absolute ms on the loop's clock, -1 never, 0 now
   * @throws NetError EACCES (to more than one host), EAFNOSUPPORT (the socket cannot send to this
   *   family; or to that of no address of the name), EAGAIN (the name service has failed for now),
   *   EBADF, ECANCELED, ECONNREFUSED (nobody has the port), EDESTADDRREQ (no `to`, no `remote`),
   *   EHOSTUNREACH, EINVAL (an argument; or a name over a stack, which has no name service),
   *   EISCONN (a `to` besides the `remote`), EMSGSIZE (too long; the stack does not fragment),
   *   ENETDOWN (its device is gone), ENETUNREACH, ENOBUFS, ENOENT (no such name), ENOMEM, EPERM (a
   *   firewall), ETIMEDOUT; none of them harms the socket; TypeError
   */
  send(data: Uint8Array, to?: Endpoint | string, deadline?: number): Wait<void> {
    checkBytes(SEND, "data", data);
    const target = to === undefined ? this.#noTarget() : this.#target(to);
    return target instanceof NamedEnd
      ? new NamedSendWait(this, data, target, deadline)
      : new SendWait(this, data, target, deadline);
  }

  /**
   * Receives one datagram. Several coroutines may wait: first come, first served.
   *
   * @param buf - filled from the start; belongs to this call until it returns
   * @param deadline - absolute ms on the loop's clock, -1 never, 0 now
   * @returns its length and its sender
   * @throws NetError EBADF, ECANCELED, ECONNREFUSED (an earlier datagram: nobody has the port),
   *   EHOSTUNREACH (likewise), EMSGSIZE (it was longer than `buf`: `bytesReceived` bytes of it are
   *   there, the rest is lost, `datagramBytes` tells its length, `address` and `port` the sender;
   *   or an earlier datagram was too long for the way, then `bytesReceived` is 0, and there is no
   *   `datagramBytes`), ENETDOWN (its device is gone), ENETUNREACH, ETIMEDOUT; none of them harms
   *   the socket; TypeError
   */
  recv(buf: Uint8Array, deadline?: number): Wait<Received> {
    checkBytes(RECV, "buf", buf);
    return new RecvWait(this, buf, deadline);
  }

  /**
   * Closes it: what has arrived and was not received is lost, what was sent goes out. A coroutine
   * that waits in a call on it gets EBADF. Never waits; idempotent.
   */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#ownership.release();
    this.#flow?.close(this.#context.loop.now());
    this.#wakeAll();
    // Who waits for one of them stands in no queue of ours.
    for (const lookup of this.#lookups ?? []) lookup.abandon();
  }

  /** The same, as the end of its owner calls it. */
  abort(): void {
    this.close();
  }

  /**
   * Hands the socket to another bundle, which closes it when it ends.
   *
   * @param owner - the new owner
   * @throws NetError EBADF (the socket or the bundle is closed)
   */
  moveTo(owner: Bundle): void {
    if (!this.#isOpen) throw netError("EBADF", "udp.moveTo");
    this.#ownership.moveTo("udp.moveTo", owner);
  }

  /** @internal From the flow: marks, resumes nobody. */
  flowEvents(events: number): void {
    if ((events & EVENT_STATE) !== 0) this.#wakeAll();
    // One datagram, one receiver; if there are more, each wakes the next.
    if ((events & EVENT_READABLE) !== 0) this.#readers.wakeOne();
    if ((events & EVENT_WRITABLE) !== 0) this.#writers.wakeAll();
  }

  /** @internal One try to send. @returns as `Wait.poll` */
  pollSend(data: Uint8Array, to: DatagramEnd | null): number {
    if (!this.#isOpen) return -EBADF;
    const result = this.flow.send(to, data, 0, data.length);
    return result === -EAGAIN ? PENDING : result;
  }

  /** @internal Begins a lookup; if the socket closes meanwhile, who waits for it is told. */
  looksUp(lookup: HostLookup): void {
    lookup.begin(this.#context);
    this.#lookups ??= new Set();
    this.#lookups.add(lookup);
  }

  /** @internal Whoever wanted it has ended. */
  hasLookedUp(lookup: HostLookup): void {
    this.#lookups?.delete(lookup);
  }

  /** @internal One try to receive. @returns bytes in `buf`, or -errno: -EAGAIN for nothing */
  tryRecv(buf: Uint8Array, about: ReceivedDatagram): number {
    return this.#isOpen ? this.flow.receive(buf, about) : -EBADF;
  }

  /** @internal A receiver has ended in any way: the next may have something to take. */
  wakeNext(): void {
    if (this.#isOpen && this.#readers.size > 0 && this.flow.hasReceived) this.#readers.wakeOne();
  }

  /** @internal */
  get readers(): WaitQueue {
    return this.#readers;
  }

  /** @internal */
  get writers(): WaitQueue {
    return this.#writers;
  }

  /** @internal What carries its datagrams. */
  get flow(): DatagramFlow {
    return this.#flow as DatagramFlow;
  }

  /** @internal What errors are about: its peer, or else itself. */
  get end(): Endpoint {
    return this.#remote ?? this.local;
  }

  #wakeAll(): void {
    this.#readers.wakeAll();
    this.#writers.wakeAll();
  }

  #noTarget(): null {
    if (this.#remote === null) {
      throw netError("EDESTADDRREQ", SEND, "the socket has no remote: say whom to send to");
    }
    return null;
  }

  #target(to: Endpoint | string): Target {
    if (this.#remote !== null) {
      throw netError("EISCONN", SEND, "the socket has a remote, and sends to nobody else");
    }
    const last = this.#lastEnd;
    if (last !== null) {
      if (typeof to === "string") {
        if (to === this.#lastText) return last;
      } else if (to !== null && to.host === this.#lastHost && to.port === last.port) {
        return last;
      }
    }
    const end = checkTarget(SEND, "to", to);
    this.#lastText = typeof to === "string" ? to : null;
    this.#lastHost = typeof to === "string" ? "" : to.host;
    this.#lastEnd = end;
    return end;
  }
}

class RecvWait extends Wait<Received> implements ReceivedDatagram {
  readonly #socket: UdpSocket;
  readonly #buf: Uint8Array;
  // Filled by the flow.
  lengthBytes: number;
  from: Endpoint;
  #bytesReceived: number;

  constructor(socket: UdpSocket, buf: Uint8Array, deadline?: number) {
    super(RECV, deadline);
    this.#socket = socket;
    this.#buf = buf;
    this.lengthBytes = 0;
    this.from = socket.local;
    this.#bytesReceived = 0;
  }

  override reset(): void {
    this.lengthBytes = 0;
    this.#bytesReceived = 0;
  }

  override poll(): number {
    const count = this.#socket.tryRecv(this.#buf, this);
    if (count < 0) return count === -EAGAIN ? PENDING : count;
    this.#bytesReceived = count;
    return this.lengthBytes > count ? -EMSGSIZE : READY;
  }

  override queue(): WaitQueue {
    return this.#socket.readers;
  }

  override take(): Received {
    this.#socket.wakeNext();
    const { host, port } = this.from;
    return { length: this.lengthBytes, host, port };
  }

  override withdrawn(): void {
    this.#socket.wakeNext();
  }

  override error(errno: number): Error {
    const count = this.#bytesReceived;
    const isCut = this.lengthBytes > count;
    const text = `the datagram has ${this.lengthBytes} bytes, the buffer room for ${count}`;
    const error = isCut
      ? endpointError(errno, RECV, this.from, text)
      : endpointError(errno, RECV, this.#socket.end);
    error.bytesReceived = count;
    if (isCut) error.datagramBytes = this.lengthBytes;
    return error;
  }
}
