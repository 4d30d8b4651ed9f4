// SPDX-License-Identifier: MIT
// A TCP connection over the kernel. Bytes to send go straight into the memory shared with the
// addon, and wait in a buffer of ours only while the kernel takes no more; received bytes lie there
// until the next crossing, and move to a buffer only if nobody takes them. So a quiet connection
// holds no memory.
//
//   send:     user ──► shared memory ──► kernel     or  user ──► backlog ──► shared ──► kernel
//   receive:  kernel ──► shared memory ──► user     or  kernel ──► shared ──► kept ──► user

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
import { ECONNABORTED, ECONNRESET, ENOTCONN, EPIPE } from "./errno.ts";
import { flowInfo } from "./flow-info.ts";
import { KernelReceive } from "./kernel-receive.ts";
import { KernelSend } from "./kernel-send.ts";
import type { KernelSocket, KernelSockets } from "./kernel-sockets.ts";
import {
  EVENT_DATA,
  EVENT_END,
  EVENT_ERROR,
  EVENT_HANGUP,
  EVENT_ROOM,
  OP_RESUME,
  OP_SEND,
  OP_SHUTDOWN,
} from "./native-sockets.ts";
import type { Submitter } from "./submissions.ts";

/** How long a connection that nobody holds may take to end, as in our own TCP. */
const ORPHAN_MS = 60_000;
/**
 * The kernel tells of the steps of a close as they happen; how soon to look nevertheless. Thousands
 * of connections may wait at once for peers that have vanished.
 */
const FIRST_LOOK_MS = 1;
const LAST_LOOK_MS = 1_000;

/** Most bytes in buffers of ours. */
export interface FlowSettings {
  readonly sendLimitBytes: number;
  readonly receiveLimitBytes: number;
}

class LookTimer extends Timer {
  readonly flow: KernelFlow;
  delayMs: number = FIRST_LOOK_MS;

  constructor(flow: KernelFlow) {
    super();
    this.flow = flow;
  }

  override fire(nowMs: number): void {
    this.flow.look(nowMs);
  }
}

/** One connection of the kernel's. */
export class KernelFlow implements StreamFlow, KernelSocket, Submitter {
  readonly id: number;
  readonly isListener = false;
  sink: FlowSink | null = null;
  isEstablished: boolean;
  failure = 0;
  openFailure = 0;
  isFinished = false;
  isReleased = false;
  /** Bytes given to the kernel, and taken from it. */
  bytesSent = 0;
  bytesReceived = 0;
  readonly #sockets: KernelSockets;
  readonly #incoming: KernelReceive;
  readonly #outgoing: KernelSend;
  /** The kernel receives nothing for us: there was no room. */
  #isStalled = false;
  #isDiscarding = false;
  #isTouched = false;
  #wantsFinish = false;
  #isFinishSubmitted = false;
  /** Our end of the stream has been given to the kernel. */
  #hasFinished = false;
  #isAcknowledged = false;
  #isClosed = false;
  #timer: LookTimer | null = null;
  #endAtMs = Number.POSITIVE_INFINITY;
  #local: Endpoint | null;
  #remote: Endpoint | null;

  /** @param remote, local - null: asked for when somebody wants to know */
  constructor(
    sockets: KernelSockets,
    id: number,
    settings: FlowSettings,
    isEstablished: boolean,
    remote: Endpoint | null,
    local: Endpoint | null = null,
  ) {
    this.#sockets = sockets;
    this.id = id;
    this.isEstablished = isEstablished;
    this.#remote = remote;
    this.#local = local;
    const { shared } = sockets.native;
    this.#incoming = new KernelReceive(shared, settings.receiveLimitBytes);
    const { sendLimitBytes } = settings;
    this.#outgoing = new KernelSend(this, id, sockets.submissions, shared, sendLimitBytes);
    sockets.add(this);
    sockets.setRoom(id, settings.receiveLimitBytes);
  }

  get localEnd(): Endpoint {
    this.#local ??= this.#sockets.native.name(this.id, false);
    return this.#local;
  }

  get remoteEnd(): Endpoint {
    this.#remote ??= this.#sockets.native.name(this.id, true);
    return this.#remote;
  }

  // --- sending -----------------------------------------------------------------------------------

  get sendLimitBytes(): number {
    return this.#outgoing.limitBytes;
  }

  get sendSpaceBytes(): number {
    if (this.#wantsFinish || this.failure !== 0) return 0;
    return this.sendLimitBytes - this.#outgoing.length;
  }

  send(bytes: Uint8Array, offset: number, length: number): number {
    if (this.failure !== 0) return this.failure;
    if (this.#wantsFinish) return EPIPE;
    const count = Math.min(length, this.sendSpaceBytes);
    if (count <= 0) return 0;
    if (this.#outgoing.put(bytes, offset, count, this.isEstablished)) this.#touch();
    return count;
  }

  reserve(length: number): Uint8Array | number {
    if (this.failure !== 0) return this.failure;
    if (this.#wantsFinish) return EPIPE;
    return this.sendSpaceBytes < length ? 0 : this.#outgoing.reserve(length, this.isEstablished);
  }

  commit(length: number): number {
    if (this.failure !== 0) return this.failure;
    if (this.#outgoing.commit(length)) this.#touch();
    return 0;
  }

  finish(_nowMs: number): number {
    if (this.failure !== 0) return this.failure;
    if (this.#wantsFinish) return EPIPE;
    this.#wantsFinish = true;
    if (!this.isEstablished) this.#fail(ECONNABORTED);
    else this.#touch();
    return 0;
  }

  get isAcknowledged(): boolean {
    if (this.#isAcknowledged) return true;
    if (!this.#hasFinished || this.failure !== 0 || this.#isClosed) return false;
    const unsent = this.#sockets.native.unsent(this.id);
    if (unsent < 0) this.#fail(unsent);
    this.#isAcknowledged = unsent === 0;
    return this.#isAcknowledged;
  }

  get isOrderlyClosed(): boolean {
    return this.isFinished && this.isAcknowledged;
  }

  // --- receiving ---------------------------------------------------------------------------------

  get receiveLimitBytes(): number {
    return this.#incoming.limitBytes;
  }

  get receivedBytes(): number {
    return this.#incoming.length;
  }

  get round(): number {
    return this.#sockets.round;
  }

  get viewedBytes(): number {
    return this.#incoming.viewedBytes;
  }

  view(): Uint8Array {
    return this.#incoming.view();
  }

  consume(count: number): void {
    const roomBefore = this.#incoming.room;
    this.#incoming.consume(count);
    if (this.#incoming.room !== roomBefore) this.#makeRoom();
  }

  get atEnd(): boolean {
    return this.isFinished && this.receivedBytes === 0;
  }

  receive(into: Uint8Array, offset: number, length: number): number {
    const roomBefore = this.#incoming.room;
    const taken = this.#incoming.take(into, offset, length);
    if (this.#incoming.room !== roomBefore) this.#makeRoom();
    return taken > 0 || this.isFinished ? taken : this.failure;
  }

  peek(into: Uint8Array, offset: number, length: number): number {
    return this.#incoming.peek(into, offset, length);
  }

  discardReceived(): void {
    this.#isDiscarding = true;
    this.#incoming.clear();
    this.#makeRoom();
  }

  // --- the end -----------------------------------------------------------------------------------

  abort(_nowMs: number): void {
    this.sink = null;
    if (this.#isClosed) return;
    this.#incoming.clear();
    // By RST also after a failure: the peer need not know of it, and must not see an end. And while
    // it connects: the kernel may be further than we have been told.
    const neverOpened = !this.isEstablished && this.openFailure !== 0;
    this.#close(!neverOpened && !this.isOrderlyClosed);
  }

  release(nowMs: number): void {
    this.sink = null;
    if (this.#isClosed) return;
    if (this.failure !== 0 || !this.isEstablished || this.isOrderlyClosed) {
      this.abort(nowMs);
      return;
    }
    if (!this.#wantsFinish) this.finish(nowMs);
    this.discardReceived();
    this.isReleased = true;
    this.#endAtMs = nowMs + ORPHAN_MS;
    this.#lookIn(FIRST_LOOK_MS);
  }

  /** A step of the close may have happened of which the kernel does not tell. */
  look(nowMs: number): void {
    if (this.#isClosed) return;
    // The first question: its answer may be that the connection has failed.
    const { isAcknowledged } = this;
    const isOver = this.failure !== 0 || (isAcknowledged && this.isFinished);
    if (this.isReleased) {
      if (isOver || nowMs >= this.#endAtMs) return this.abort(nowMs);
    } else if (isOver || isAcknowledged) {
      // What else a close waits for, the end of the peer's stream, is an event.
      return this.#notify(EVENT_STATE);
    }
    const timer = this.#timer as LookTimer;
    this.#lookIn(Math.min(timer.delayMs * 2, LAST_LOOK_MS));
  }

  /** The network is gone. What nobody holds any more the kernel finishes, if it has all of it. */
  fail(errno: number, _nowMs: number): void {
    const isGiven = this.isReleased && this.unsentBytes === 0;
    // What has been received can still be read, but not where it lies.
    this.#incoming.keep();
    this.#fail(errno);
    this.#close(!isGiven);
  }

  info(): TcpInfo {
    return flowInfo(this, this.#isClosed ? null : this.#sockets.native);
  }

  get bufferedBytes(): number {
    return this.receivedBytes + this.unsentBytes;
  }

  /** Bytes that the kernel has not taken yet. */
  get unsentBytes(): number {
    return this.#outgoing.length;
  }

  get hasTimer(): boolean {
    return this.#timer?.isArmed === true;
  }

  // --- KernelSocket, Submitter -------------------------------------------------------------------

  event(kind: number, offset: number, length: number, nowMs: number): void {
    if (kind === EVENT_DATA) this.#received(offset, length);
    else if (kind === EVENT_END) this.#ended();
    else if (kind === EVENT_ROOM) this.#roomAgain();
    else if (kind === EVENT_ERROR) this.#error(length);
    else if (kind === EVENT_HANGUP) this.#notify(EVENT_STATE);
    if (this.isReleased && kind !== EVENT_DATA && kind !== EVENT_ROOM) this.look(nowMs);
  }

  submitted(op: number, offset: number, length: number, result: number): void {
    if (this.#isClosed) return;
    if (op === OP_SEND) this.#sent(offset, length, result);
    else if (op === OP_SHUTDOWN) this.#shutDown(result);
  }

  flush(_nowMs: number): void {
    this.#isTouched = false;
    if (this.#isClosed || this.failure !== 0 || !this.isEstablished) return;
    if (this.#isStalled && this.#incoming.room > 0) this.#resume();
    if (!this.#outgoing.flush()) this.#touch();
    if (this.#wantsFinish && !this.#isFinishSubmitted && this.unsentBytes === 0) {
      const { submissions } = this.#sockets;
      this.#isFinishSubmitted = submissions.add(this, this.id, OP_SHUTDOWN, 0, 0);
      if (!this.#isFinishSubmitted) this.#touch();
    }
  }

  keepReceived(): void {
    if (!this.#incoming.keep()) return;
    const { room } = this.#incoming;
    this.#sockets.setRoom(this.id, room);
    this.#isStalled = room === 0;
  }

  // --- inside ------------------------------------------------------------------------------------

  #sent(offset: number, length: number, result: number): void {
    this.bytesSent += Math.max(0, result);
    if (!this.#outgoing.settled(offset, length, result)) return this.#fail(result);
    if (this.#outgoing.backlogLength > 0 || this.#wantsFinish) this.#touch();
    this.#notify(EVENT_WRITABLE);
  }

  #shutDown(result: number): void {
    if (result < 0) return this.#fail(result);
    this.#hasFinished = true;
    this.#lookIn(FIRST_LOOK_MS);
    this.#notify(EVENT_STATE);
  }

  #received(offset: number, length: number): void {
    this.bytesReceived += length;
    if (this.#isDiscarding) return;
    this.#incoming.arrived(offset, length);
    this.#sockets.holds(this);
    this.#notify(EVENT_READABLE);
  }

  #ended(): void {
    // The kernel tells of a reset once: to whoever has not been told, the stream only ends.
    if (this.failure !== 0) return;
    this.isFinished = true;
    this.#notify(EVENT_READABLE | EVENT_STATE);
  }

  #roomAgain(): void {
    if (!this.isEstablished) {
      const errno = this.#sockets.native.error(this.id);
      if (errno !== 0) return this.#error(errno);
      this.isEstablished = true;
      this.#touch();
      this.#notify(EVENT_STATE | EVENT_WRITABLE);
      return;
    }
    this.#outgoing.isBlocked = false;
    if (this.#outgoing.backlogLength > 0) this.#touch();
    this.#notify(EVENT_WRITABLE);
  }

  #error(errno: number): void {
    // A refusal has another number: this one was open before it was reset.
    if (errno === ECONNRESET || errno === EPIPE) this.isEstablished = true;
    if (this.isEstablished) this.#fail(errno);
    else {
      this.openFailure = errno;
      this.#notify(EVENT_STATE);
    }
  }

  #fail(errno: number): void {
    if (this.failure !== 0) return;
    // To the kernel, writing to what the peer has reset is EPIPE, and ending it ENOTCONN.
    this.failure = errno === EPIPE || errno === ENOTCONN ? ECONNRESET : errno;
    // What was open for however short a time has not failed to open: the next call tells.
    if (!this.isEstablished) this.openFailure = this.failure;
    this.#outgoing.clear();
    this.#notify(EVENT_STATE);
  }

  #makeRoom(): void {
    if (this.#isClosed) return;
    if (this.#isStalled) this.#touch();
    else this.#sockets.setRoom(this.id, this.#incoming.room);
  }

  #resume(): void {
    this.#sockets.setRoom(this.id, this.#incoming.room);
    this.#isStalled = !this.#sockets.submissions.add(this, this.id, OP_RESUME, 0, 0);
    if (this.#isStalled) this.#touch();
  }

  #touch(): void {
    if (this.#isTouched) return;
    this.#isTouched = true;
    this.#sockets.touch(this);
  }

  #notify(events: number): void {
    this.sink?.flowEvents(events);
  }

  #lookIn(delayMs: number): void {
    this.#timer ??= new LookTimer(this);
    this.#timer.delayMs = delayMs;
    const atMs = Math.min(this.#sockets.nowMs + delayMs, this.#endAtMs);
    this.#sockets.timers.arm(this.#timer, atMs);
  }

  #close(isReset: boolean): void {
    // The names outlive the descriptor: errors want them.
    void this.localEnd;
    void this.remoteEnd;
    this.#isClosed = true;
    if (this.#timer !== null) this.#sockets.timers.cancel(this.#timer);
    // The user may hold the connection for long yet.
    this.#outgoing.clear();
    this.#sockets.close(this, isReset);
  }
}
