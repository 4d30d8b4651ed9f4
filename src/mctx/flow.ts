// SPDX-License-Identifier: MIT
// A flow: one TCP connection as its context sees it. It binds the TCB, which knows no addresses,
// to the 4-tuple, to its one timer, to the round's output list and to whoever waits for it.

import type { TimerWheel } from "../../scheduler/timer-wheel.ts";
import { Timer } from "../../scheduler/timer-wheel.ts";
import type { IpAddress } from "../ip/address.ts";
import {
  atEnd,
  commitBytes,
  consumeBytes,
  discardReceived,
  finish,
  info,
  isOrderlyClosed,
  orphan,
  peekBytes,
  receiveBytes,
  receivedBytes,
  reserveBytes,
  sendBytes,
  sendSpaceBytes,
  type TcpInfo,
} from "../tcp/calls.ts";
import type { TcpConfig } from "../tcp/config.ts";
import { ECONNREFUSED, ECONNRESET, EHOSTUNREACH, ENETUNREACH } from "../tcp/errno.ts";
import { CLOSED, SYN_RECEIVED } from "../tcp/state.ts";
import type { Tcb } from "../tcp/tcb.ts";
import type { Endpoint, FlowSink, StreamFlow } from "../transport/stream.ts";
import type { ListenerRecord } from "./listener.ts";

const NO_BYTES = new Uint8Array(0);

/** What a flow needs of its context. */
export interface FlowOwner {
  /** Counts rounds. */
  readonly round: number;
  readonly timers: TimerWheel;
  flowTimeout(flow: Flow, nowMs: number): void;
  /** Resets the connection, unless both sides have finished with it. */
  abortFlow(flow: Flow, nowMs: number): void;
  /** The flow's output and timer are to be looked at in this round. */
  touch(flow: Flow): void;
  /** Gives a flow that rests its TCB back, for whatever happens next. */
  wakeFlow(flow: Flow): Tcb;
}

const QUEUED = 1;
const OFFERED = 2;
const OPENING = 4;
const TIME_WAITING = 8;
const GONE = 16;

/** @returns both ports of a connection in one int32 */
export function portsWord(localPort: number, remotePort: number): number {
  return (remotePort << 16) | localPort;
}

class FlowTimer extends Timer {
  readonly flow: Flow;

  constructor(flow: Flow) {
    super();
    this.flow = flow;
  }

  override fire(nowMs: number): void {
    this.flow.owner.flowTimeout(this.flow, nowMs);
  }
}

/** One connection of a context. Made by `Stack`, in its flow table until CLOSED. */
export class Flow implements StreamFlow {
  readonly owner: FlowOwner;
  readonly local: IpAddress;
  readonly remote: IpAddress;
  /** As `portsWord` has them. */
  readonly ports: number;
  /** Hash of the 4-tuple under the context's seed. */
  readonly hash: number;
  /** Next flow in the same bucket of the flow table. */
  next: Flow | null;
  readonly config: TcpConfig;
  /** Null while the connection rests. Set right after the constructor: both refer to each other. */
  awake: Tcb | null;
  /** Where its numbers are while it rests. */
  restingRow: number;
  /** Where packets to `remote` go first: `remote` itself or a gateway. */
  nextHop: IpAddress;
  /** The listener while this connection is half-open or waits to be accepted. */
  listener: ListenerRecord | null;
  /** The handle, null while nobody holds one (half-open, unaccepted, most in TIME-WAIT). */
  sink: FlowSink | null;
  /** The marks that follow, as bits: a million flows would have five words each for them. */
  #marks: number;
  /** Links of the one list it may be on: of its listener, opening, or TIME-WAIT of the context. */
  listNext: Flow | null;
  listPrevious: Flow | null;
  /** Made when first armed. */
  timer: Timer | null;

  constructor(
    owner: FlowOwner,
    local: IpAddress,
    localPort: number,
    remote: IpAddress,
    remotePort: number,
    nextHop: IpAddress,
    hash: number,
    config: TcpConfig,
  ) {
    this.owner = owner;
    this.local = local;
    this.remote = remote;
    this.ports = portsWord(localPort, remotePort);
    this.hash = hash;
    this.next = null;
    this.config = config;
    this.awake = null;
    this.restingRow = 0;
    this.nextHop = nextHop;
    this.listener = null;
    this.sink = null;
    this.#marks = 0;
    this.listNext = null;
    this.listPrevious = null;
    this.timer = null;
  }

  get localPort(): number {
    return this.ports & 0xffff;
  }

  get remotePort(): number {
    return this.ports >>> 16;
  }

  /** Its connection; asking for it wakes one that rests. */
  get tcb(): Tcb {
    return this.awake ?? this.owner.wakeFlow(this);
  }

  /** Sees to it that the timer fires at `atMs` or before. */
  armBy(atMs: number): void {
    this.timer ??= new FlowTimer(this);
    // Earlier than needed: let it fire in vain once instead of moving it for every segment.
    if (this.timer.isArmed && this.timer.whenMs <= atMs) return;
    this.owner.timers.arm(this.timer, atMs);
  }

  /** Sees to it that the timer fires at `atMs`, and not before. */
  armAt(atMs: number): void {
    this.timer ??= new FlowTimer(this);
    if (this.timer.isArmed && this.timer.whenMs === atMs) return;
    this.owner.timers.arm(this.timer, atMs);
  }

  /** The timer fires no more. */
  disarm(): void {
    if (this.timer !== null) this.owner.timers.cancel(this.timer);
  }

  /** Bytes that wait to be acknowledged or to be taken. */
  get bufferedBytes(): number {
    const { awake } = this;
    return awake === null ? 0 : awake.sendBuffer.length + awake.receiveBuffer.available;
  }

  /** Our end as users know it. */
  get localEnd(): Endpoint {
    return { host: this.local.toString(), port: this.localPort };
  }

  /** The peer's end as users know it. */
  get remoteEnd(): Endpoint {
    return { host: this.remote.toString(), port: this.remotePort };
  }

  // --- marks -----------------------------------------------------------------------------------

  /** True while on the round's list of flows to send for and to set timers of. */
  get isQueued(): boolean {
    return (this.#marks & QUEUED) !== 0;
  }

  set isQueued(is: boolean) {
    this.mark(QUEUED, is);
  }

  /** True once its handshake is done and it waits on, or was taken from, the accept queue. */
  get isOffered(): boolean {
    return (this.#marks & OFFERED) !== 0;
  }

  set isOffered(is: boolean) {
    this.mark(OFFERED, is);
  }

  /** True from `connect` until it is established or gone. */
  get isOpening(): boolean {
    return (this.#marks & OPENING) !== 0;
  }

  set isOpening(is: boolean) {
    this.mark(OPENING, is);
  }

  /** True once it counts as TIME-WAIT instead of as a socket. */
  get isTimeWait(): boolean {
    return (this.#marks & TIME_WAITING) !== 0;
  }

  set isTimeWait(is: boolean) {
    this.mark(TIME_WAITING, is);
  }

  /** True once it has left the flow table; it sends nothing any more. */
  get isGone(): boolean {
    return (this.#marks & GONE) !== 0;
  }

  set isGone(is: boolean) {
    this.mark(GONE, is);
  }

  // `#mark` would cost each flow a word.
  private mark(mark: number, is: boolean): void {
    this.#marks = is ? this.#marks | mark : this.#marks & ~mark;
  }

  // --- user calls: none waits ------------------------------------------------------------------

  /** Queues bytes for sending. @returns bytes taken, 0: buffer full, or -errno */
  send(bytes: Uint8Array, offset: number, length: number): number {
    const taken = sendBytes(this.tcb, bytes, offset, length);
    if (taken > 0) this.owner.touch(this);
    return taken;
  }

  /** Takes received bytes. @returns bytes taken, 0: none there, or -errno */
  receive(into: Uint8Array, offset: number, length: number): number {
    if (this.awake === null) return 0;
    const taken = receiveBytes(this.tcb, into, offset, length);
    if (taken > 0) this.owner.touch(this);
    return taken;
  }

  /** Copies received bytes and leaves them there. @returns bytes copied */
  peek(into: Uint8Array, offset: number, length: number): number {
    return peekBytes(this.tcb, into, offset, length);
  }

  /** Counts rounds: memory handed out in one is void in the next. */
  get round(): number {
    return this.owner.round;
  }

  /** Received bytes that `view` shows. */
  get viewedBytes(): number {
    return this.awake === null ? 0 : this.awake.receiveBuffer.viewedBytes;
  }

  /** Received bytes where they lie, from the oldest on. @returns a view of this round */
  view(): Uint8Array {
    return this.awake === null ? NO_BYTES : this.awake.receiveBuffer.view();
  }

  /** Takes that many bytes of those that `view` shows. */
  consume(count: number): void {
    if (count === 0) return;
    consumeBytes(this.tcb, count);
    this.owner.touch(this);
  }

  /** Gives out room to send. @returns a view of this round; 0: not as much now; or -errno */
  reserve(length: number): Uint8Array | number {
    return reserveBytes(this.tcb, length);
  }

  /** Sends the first bytes of the room that was given out last. @returns 0 or -errno */
  commit(length: number): number {
    const result = commitBytes(this.tcb, length);
    this.owner.touch(this);
    return result;
  }

  /** In-order bytes that can be taken now. */
  get receivedBytes(): number {
    return this.awake === null ? 0 : receivedBytes(this.awake);
  }

  /** Most bytes that can ever wait to be taken. */
  get receiveLimitBytes(): number {
    return this.config.receiveBufferBytes;
  }

  /** Most bytes that the send buffer can ever take. */
  get sendLimitBytes(): number {
    return this.config.sendBufferBytes;
  }

  /** Bytes that the send buffer has room for now. */
  get sendSpaceBytes(): number {
    return sendSpaceBytes(this.tcb);
  }

  /** True once all bytes are taken and the peer has sent its FIN. */
  get atEnd(): boolean {
    return this.awake !== null && atEnd(this.awake);
  }

  /** True once the peer has sent its FIN: no byte follows those that have been received. */
  get isFinished(): boolean {
    return this.awake?.rcv.finReceived === true;
  }

  /** Half-closes: FIN after the queued bytes. @returns 0 or -errno */
  finish(nowMs: number): number {
    const result = finish(this.tcb, nowMs);
    this.owner.touch(this);
    return result;
  }

  /** From now on drops what has arrived and what arrives. */
  discardReceived(): void {
    discardReceived(this.tcb);
    this.owner.touch(this);
  }

  /** Resets the connection, unless both sides have finished with it. Nobody holds it any more. */
  abort(nowMs: number): void {
    this.owner.abortFlow(this, nowMs);
  }

  /** Nobody holds it any more: it finishes in the background, within the limits of an orphan. */
  release(nowMs: number): void {
    this.sink = null;
    if (this.failure !== 0 || this.isGone) return;
    if (!this.tcb.snd.finQueued) this.finish(nowMs);
    this.discardReceived();
    orphan(this.tcb, nowMs);
  }

  /** True once the peer has acknowledged every byte and our FIN. */
  get isAcknowledged(): boolean {
    return this.tcb.snd.finAcked;
  }

  /** True once the peer has acknowledged our FIN and sent its own. */
  get isOrderlyClosed(): boolean {
    return isOrderlyClosed(this.tcb);
  }

  /** True once the handshake is done and while the connection lives. */
  get isEstablished(): boolean {
    return this.awake === null || this.awake.state > SYN_RECEIVED;
  }

  /** 0 while the connection can go on or after an orderly end, else why it ended: -errno. */
  get failure(): number {
    const { awake } = this;
    if (awake === null) return 0;
    if (awake.error !== 0) return awake.error;
    return awake.state === CLOSED && !isOrderlyClosed(awake) ? ECONNRESET : 0;
  }

  /**
   * Why a connection cannot be opened: what ended it, or an ICMP error that TCP itself takes for
   * passing. RFC 5461 §4.1: whoever waits for a SYN-ACK wants to hear it now. A peer that resets
   * the connection in the round in which it was established has refused it.
   *
   * @returns 0 or -errno
   */
  get openFailure(): number {
    const { failure } = this;
    if (failure !== 0) return failure === ECONNRESET ? ECONNREFUSED : failure;
    const { softError } = this.tcb;
    const isUnreachable = softError === EHOSTUNREACH || softError === ENETUNREACH;
    return isUnreachable && !this.isEstablished ? softError : 0;
  }

  /** What TCP knows of the connection. */
  info(): TcpInfo {
    return info(this.tcb);
  }
}

/** A doubly linked list of flows through `listNext` and `listPrevious`, oldest first. */
export class FlowList {
  #head: Flow | null = null;
  #tail: Flow | null = null;
  #size = 0;

  /** Flows in the list. */
  get size(): number {
    return this.#size;
  }

  /** The flow added first, null if empty. */
  get oldest(): Flow | null {
    return this.#head;
  }

  /** Adds `flow`, which must be on no list. */
  push(flow: Flow): void {
    flow.listPrevious = this.#tail;
    flow.listNext = null;
    if (this.#tail === null) this.#head = flow;
    else this.#tail.listNext = flow;
    this.#tail = flow;
    this.#size++;
  }

  /** Removes `flow`, which must be on this list. */
  remove(flow: Flow): void {
    const { listNext, listPrevious } = flow;
    if (listPrevious === null) this.#head = listNext;
    else listPrevious.listNext = listNext;
    if (listNext === null) this.#tail = listPrevious;
    else listNext.listPrevious = listPrevious;
    flow.listNext = null;
    flow.listPrevious = null;
    this.#size--;
  }
}
