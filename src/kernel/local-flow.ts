// SPDX-License-Identifier: MIT
// A local stream (unix(7)), or one end of a pair. Its bytes move at once, by a call each: what has
// been sent is in the kernel when `send` returns, and what nobody has asked for is still there. So
// the peer's question whether its bytes were read, and the ECONNRESET it gets when they were not,
// are about the program and not about buffers of ours; and a descriptor stays with its byte.
//
// Departs from R6, one crossing per round: the system call that each of these needs costs ten
// times the crossing, and would be made for nobody if it were made in advance.

import { Timer } from "../../scheduler/timer-wheel.ts";
import {
  type Endpoint,
  EVENT_READABLE,
  EVENT_STATE,
  EVENT_WRITABLE,
  type FlowSink,
  type StreamFlow,
  type TcpInfo,
} from "../transport/stream.ts";
import { EAGAIN, ECONNRESET, EPIPE } from "./errno.ts";
import { flowInfo } from "./flow-info.ts";
import type { KernelSocket, KernelSockets } from "./kernel-sockets.ts";
import { LocalReceive } from "./local-receive.ts";
import { EVENT_ERROR, EVENT_HANGUP, EVENT_ROOM, EVENT_TELL, ROOM_TELL } from "./native-sockets.ts";

/** How long a connection that nobody holds may take to end, as with TCP. */
const ORPHAN_MS = 60_000;
/** Most bytes of one send that are kept here because it may not be taken in parts. */
const WHOLE_BYTES = 65_536;

/** What the ends of a local stream are called; `""`: nothing. */
export interface LocalEnds {
  /** Of the listening end. */
  readonly path: string;
  readonly local: string;
  readonly remote: string;
}

/** Ends a connection that nobody holds. */
class OrphanTimer extends Timer {
  readonly #flow: LocalFlow;

  constructor(flow: LocalFlow) {
    super();
    this.#flow = flow;
  }

  override fire(nowMs: number): void {
    this.#flow.abort(nowMs);
  }
}

/** One local stream. */
export class LocalFlow implements StreamFlow, KernelSocket {
  readonly id: number;
  /** Of the listening end; `""` for a pair. */
  readonly path: string;
  readonly isListener = false;
  readonly isEstablished = true;
  readonly openFailure = 0;
  readonly sendLimitBytes: number = WHOLE_BYTES;
  readonly localEnd: Endpoint;
  readonly remoteEnd: Endpoint;
  sink: FlowSink | null = null;
  failure = 0;
  isReleased = false;
  readonly #sockets: KernelSockets;
  readonly #incoming: LocalReceive;
  /** Of a send that was to be taken whole: what the kernel has no room for. */
  #rest: Uint8Array | null = null;
  /** Room given out for bytes to send. */
  #reserved: Uint8Array | null = null;
  /** The kernel takes no bytes now. */
  #isBlocked = false;
  #wantsFinish = false;
  /** Our end of the stream has been given to the kernel. */
  #hasFinished = false;
  #isAcknowledged = false;
  #isTouched = false;
  #isClosed = false;
  #timer: OrphanTimer | null = null;

  /** @param ends - as the program knows them, or the kernel */
  constructor(sockets: KernelSockets, id: number, ends: LocalEnds) {
    this.#sockets = sockets;
    this.id = id;
    this.path = ends.path;
    this.localEnd = { host: ends.local, port: 0 };
    this.remoteEnd = { host: ends.remote, port: 0 };
    this.#incoming = new LocalReceive(sockets.native, id);
    sockets.add(this);
    sockets.setRoom(id, ROOM_TELL);
  }

  /** Whom errors name: one of the two ends has no path. */
  get namedEnd(): Endpoint {
    return { host: this.path, port: 0 };
  }

  // --- sending -----------------------------------------------------------------------------------

  get sendSpaceBytes(): number {
    const isFull = this.#isBlocked || this.#rest !== null;
    return isFull || this.#wantsFinish || this.failure !== 0 ? 0 : WHOLE_BYTES;
  }

  send(bytes: Uint8Array, offset: number, length: number, isWhole = false): number {
    if (this.failure !== 0) return this.failure;
    if (this.#wantsFinish) return EPIPE;
    if (this.#rest !== null) return 0;
    const taken = this.#give(bytes, offset, length);
    if (!isWhole || taken === length || this.failure !== 0) return taken;
    this.#rest = bytes.slice(offset + taken, offset + length);
    return length;
  }

  reserve(length: number): Uint8Array | number {
    if (this.failure !== 0) return this.failure;
    if (this.#wantsFinish) return EPIPE;
    if (this.sendSpaceBytes < length) return 0;
    this.#reserved = new Uint8Array(length);
    return this.#reserved;
  }

  commit(length: number): number {
    const bytes = this.#reserved as Uint8Array;
    this.#reserved = null;
    const result = length === 0 ? this.failure : this.send(bytes, 0, length, true);
    return Math.min(result, 0);
  }

  /**
   * Sends a copy of a descriptor, which needs a byte to travel with.
   *
   * @returns 0; EAGAIN: no room now, EVENT_WRITABLE tells; or -errno, which may be about `fd`
   */
  sendDescriptor(fd: number): number {
    if (this.failure !== 0) return this.failure;
    if (this.#wantsFinish) return EPIPE;
    if (this.#rest !== null || this.#isBlocked) return EAGAIN;
    const result = this.#sockets.native.sendDescriptor(this.id, fd);
    return result < 0 ? this.#refused(result) : 0;
  }

  finish(_nowMs: number): number {
    if (this.failure !== 0) return this.failure;
    if (this.#wantsFinish) return EPIPE;
    this.#wantsFinish = true;
    if (this.#rest === null) this.#shutDown();
    return 0;
  }

  get isAcknowledged(): boolean {
    if (this.#isAcknowledged) return true;
    if (!this.#hasFinished || this.failure !== 0 || this.#isClosed) return false;
    const unread = this.#sockets.native.unsent(this.id);
    if (unread < 0) this.#fail(unread);
    this.#isAcknowledged = unread === 0;
    return this.#isAcknowledged;
  }

  get isOrderlyClosed(): boolean {
    return this.isFinished && this.isAcknowledged;
  }

  // --- receiving ---------------------------------------------------------------------------------

  get isFinished(): boolean {
    return this.#incoming.isFinished;
  }

  get receiveLimitBytes(): number {
    return this.#incoming.limitBytes;
  }

  get receivedBytes(): number {
    return this.#isClosed ? 0 : this.#incoming.availableBytes;
  }

  get bytesReceived(): number {
    return this.#incoming.bytesReceived;
  }

  get atEnd(): boolean {
    return this.isFinished && this.#incoming.keptBytes === 0;
  }

  receive(into: Uint8Array, offset: number, length: number): number {
    const taken = this.#incoming.take(into, offset, length);
    this.#noteFailure();
    return taken > 0 || this.isFinished ? taken : this.failure;
  }

  /**
   * Takes the next byte of the stream and the descriptor that came with it.
   *
   * @returns the descriptor; EAGAIN: none there, EVENT_READABLE tells; EPROTO: the byte has none,
   *   and stays; EPIPE: the stream has ended; or another -errno
   */
  receiveDescriptor(): number {
    const fd = this.#incoming.takeDescriptor();
    this.#noteFailure();
    return fd === EAGAIN && this.failure !== 0 ? this.failure : fd;
  }

  /** Closes a descriptor that nobody wants. */
  closeDescriptor(fd: number): void {
    this.#sockets.native.closeDescriptor(fd);
  }

  peek(into: Uint8Array, offset: number, length: number): number {
    this.gather(length);
    return this.#incoming.peek(into, offset, length);
  }

  gather(wanted: number): void {
    this.#incoming.gather(wanted);
    this.#noteFailure();
  }

  get round(): number {
    return this.#sockets.round;
  }

  get viewedBytes(): number {
    const { viewedBytes } = this.#incoming;
    this.#noteFailure();
    return viewedBytes;
  }

  view(): Uint8Array {
    const bytes = this.#incoming.view();
    this.#noteFailure();
    return bytes;
  }

  consume(count: number): void {
    this.#incoming.consume(count);
  }

  discardReceived(): void {
    this.#incoming.discard();
    this.#drain();
  }

  // --- the end -----------------------------------------------------------------------------------

  abort(_nowMs: number): void {
    this.sink = null;
    if (!this.#isClosed) this.#close();
  }

  release(nowMs: number): void {
    this.sink = null;
    if (this.#isClosed) return;
    this.finish(nowMs);
    this.discardReceived();
    this.isReleased = true;
    this.#endIfOver();
    if (this.#isClosed) return;
    this.#timer = new OrphanTimer(this);
    this.#sockets.timers.arm(this.#timer, nowMs + ORPHAN_MS);
  }

  fail(errno: number, _nowMs: number): void {
    this.#fail(errno);
    if (!this.#isClosed) this.#close();
  }

  info(): TcpInfo {
    return flowInfo(this, this.#isClosed ? null : this.#sockets.native);
  }

  get bufferedBytes(): number {
    return this.#incoming.keptBytes + this.unsentBytes;
  }

  /** Bytes that the kernel has not taken yet. */
  get unsentBytes(): number {
    return this.#rest?.length ?? 0;
  }

  get hasTimer(): boolean {
    return this.#timer?.isArmed === true;
  }

  // --- KernelSocket ------------------------------------------------------------------------------

  event(kind: number, _offset: number, length: number): void {
    if (this.#isClosed) return;
    if (kind === EVENT_TELL) this.#readable();
    else if (kind === EVENT_ROOM) this.#roomAgain();
    else if (kind === EVENT_ERROR) this.#fail(length);
    else if (kind === EVENT_HANGUP) this.#notify(EVENT_STATE);
    this.#endIfOver();
  }

  flush(): void {
    this.#isTouched = false;
    if (this.#isClosed) return;
    this.#drain();
    this.#endIfOver();
  }

  /** Nothing of it lies in shared memory. */
  keepReceived(): void {}

  // --- inside ------------------------------------------------------------------------------------

  /** Sends what the kernel takes now. @returns bytes taken, or -errno */
  #give(bytes: Uint8Array, offset: number, length: number): number {
    let taken = 0;
    while (taken < length && !this.#isBlocked && this.failure === 0) {
      const { native } = this.#sockets;
      const result = native.send(this.id, bytes, offset + taken, length - taken);
      if (result >= 0) {
        taken += result;
        continue;
      }
      const errno = this.#refused(result);
      if (errno !== EAGAIN && taken === 0) return errno;
      // Nothing would wake the sender to try again: it hears of it by `failure`.
      if (errno !== EAGAIN) this.#fail(errno);
    }
    return taken;
  }

  /** The kernel has refused to send. @returns -errno for the caller */
  #refused(errno: number): number {
    if (errno === EAGAIN) this.#isBlocked = true;
    else if (errno === EPIPE || errno === ECONNRESET) {
      // The peer is gone, but not what it had sent.
      this.#fail(errno);
      this.#incoming.mayHave = true;
      return this.failure;
    }
    return errno;
  }

  #roomAgain(): void {
    this.#isBlocked = false;
    const rest = this.#rest;
    if (rest !== null) {
      const taken = this.#give(rest, 0, rest.length);
      if (taken < 0) this.#fail(taken);
      else if (this.failure === 0) {
        this.#rest = taken === rest.length ? null : rest.subarray(taken);
        if (this.#rest === null && this.#wantsFinish) this.#shutDown();
      }
    }
    this.#notify(EVENT_WRITABLE);
  }

  #shutDown(): void {
    if (this.failure !== 0) return;
    const result = this.#sockets.native.shutDown(this.id);
    if (result < 0) return this.#fail(result);
    this.#hasFinished = true;
    this.#notify(EVENT_STATE);
  }

  #readable(): void {
    this.#incoming.mayHave = true;
    if (this.#incoming.isDiscarding) this.#drain();
    else this.#notify(EVENT_READABLE);
  }

  /** Drops what is there, a bounded part of it per round. */
  #drain(): void {
    const wasFinished = this.isFinished;
    this.#incoming.drain();
    this.#noteFailure();
    if (this.isFinished && !wasFinished) this.#notify(EVENT_STATE);
    if (this.#incoming.mayHave && !this.#isTouched) {
      this.#isTouched = true;
      this.#sockets.touch(this);
    }
  }

  /** The kernel has said why nothing is received any more. */
  #noteFailure(): void {
    if (this.#incoming.failure !== 0) this.#fail(this.#incoming.failure);
  }

  #fail(errno: number): void {
    if (this.failure !== 0) return;
    this.failure = errno === EPIPE ? ECONNRESET : errno;
    this.#rest = null;
    this.#notify(EVENT_STATE);
  }

  #notify(events: number): void {
    this.sink?.flowEvents(events);
  }

  /** Nobody holds it any more, and nothing is left to do. */
  #endIfOver(): void {
    if (!this.isReleased || this.#isClosed) return;
    if (this.failure !== 0 || this.isOrderlyClosed) this.#close();
  }

  #close(): void {
    this.#isClosed = true;
    if (this.#timer !== null) this.#sockets.timers.cancel(this.#timer);
    this.#rest = null;
    this.#incoming.clear();
    this.#sockets.close(this, false);
  }
}
