// SPDX-License-Identifier: MIT
// What blocks on a byte stream, whoever carries it: TCP of our own stack, TCP of the kernel, a
// local socket. Each call is a Wait that polls the flow and parks on one of two queues; the
// flow's events mark those queues ready, the run loop resumes (R3). `TcpConnection` and
// `IpcConnection` are its faces.

import type { Bundle, NetError } from "../../scheduler/index.ts";
import {
  Coroutine,
  currentCoroutine,
  type Loop,
  PENDING,
  READY,
  type Wait,
  WaitQueue,
} from "../../scheduler/internal.ts";
import {
  type Endpoint,
  EVENT_READABLE,
  EVENT_STATE,
  EVENT_WRITABLE,
  type FlowSink,
  type StreamFlow,
} from "../transport/stream.ts";
import { checkBytes } from "./arguments.ts";
import { EBADF, EBUSY, EINVAL, EPIPE, endpointError, netError } from "./errors.ts";
import { Ownership } from "./ownership.ts";
import type { Reservation } from "./stream-views.ts";
import { CloseWait, RecvWait, SendWait } from "./stream-waits.ts";

/** The calls of one kind of stream as users know them: `"tcp.send"`. */
export interface StreamCalls {
  readonly send: string;
  readonly recv: string;
  readonly recvSome: string;
  readonly readable: string;
  readonly peek: string;
  readonly consume: string;
  readonly reserve: string;
  readonly commit: string;
  readonly done: string;
  readonly close: string;
  readonly linger: string;
  readonly moveTo: string;
}

/** @returns the names of the calls of a kind: `"tcp"` */
export function streamCalls(kind: string): StreamCalls {
  return {
    send: `${kind}.send`,
    recv: `${kind}.recv`,
    recvSome: `${kind}.recvSome`,
    readable: `${kind}.readable`,
    peek: `${kind}.peek`,
    consume: `${kind}.consume`,
    reserve: `${kind}.reserve`,
    commit: `${kind}.commit`,
    done: `${kind}.done`,
    close: `${kind}.close`,
    linger: `${kind}.linger`,
    moveTo: `${kind}.moveTo`,
  };
}

/** Neither closed nor being closed. */
const OPEN = 1;
/** A `close` or `linger` waits. */
const CLOSING = 2;
/** Nothing follows what has been sent. */
const DONE = 4;

/** One open stream: the state of a handle, and who waits on it. */
export class Stream implements FlowSink {
  readonly flow: StreamFlow;
  readonly #loop: Loop;
  readonly calls: StreamCalls;
  /** Null: no coroutine owns it. */
  #ownership: Ownership | null;
  // Made when somebody waits for the first time.
  #readers: WaitQueue | null = null;
  #writers: WaitQueue | null = null;
  /** Room to send that has been handed out; whatever else is sent takes it back. */
  reservation: Reservation | null = null;
  /** Bits, since there may be a million of these. */
  #marks = OPEN;
  #receiver: Wait<unknown> | null = null;
  #sender: Wait<unknown> | null = null;

  constructor(loop: Loop, flow: StreamFlow, calls: StreamCalls) {
    this.#loop = loop;
    this.flow = flow;
    this.calls = calls;
    flow.sink = this;
    this.#ownership = new Ownership(this);
  }

  /** False once it is being closed, or was. */
  get isOpen(): boolean {
    return (this.#marks & OPEN) !== 0;
  }

  /** As `TcpConnection.send`. */
  send(data: Uint8Array, deadline?: number): Wait<void> {
    checkBytes(this.calls.send, "data", data);
    return new SendWait(this, data, this.calls.send, deadline);
  }

  /** As `TcpConnection.recv`. */
  recv(buf: Uint8Array, deadline?: number): Wait<void> {
    const { recv } = this.calls;
    checkBytes(recv, "buf", buf);
    return new RecvWait(this, buf, true, recv, deadline) as unknown as Wait<void>;
  }

  /** As `TcpConnection.recvSome`. */
  recvSome(buf: Uint8Array, deadline?: number): Wait<number> {
    const { recvSome } = this.calls;
    checkBytes(recvSome, "buf", buf);
    if (buf.length === 0) throw netError("EINVAL", recvSome, "buf must have room for a byte");
    return new RecvWait(this, buf, false, recvSome, deadline);
  }

  /** As `TcpConnection.done`. */
  done(): void {
    const { done } = this.calls;
    if (!this.isOpen) throw netError("EBADF", done, this.#ownership?.detailOf(EBADF));
    if ((this.#marks & DONE) !== 0) throw netError("EPIPE", done);
    const { failure } = this.flow;
    if (failure !== 0) throw this.errorOf(failure, done);
    this.finish();
    this.#writers?.wakeAll();
    this.#loop.kick();
  }

  /** As `TcpConnection.close`. */
  close(deadline?: number): Wait<void> {
    return new CloseWait(this, false, this.calls.close, deadline);
  }

  /** As `TcpConnection.linger`. */
  linger(deadline?: number): Wait<void> {
    return new CloseWait(this, true, this.calls.linger, deadline);
  }

  /** As `TcpConnection.release`. */
  release(): void {
    if (!this.isOpen) return;
    this.leave();
    this.#ownership?.release();
    this.letGo();
  }

  /** As `TcpConnection.abort`. */
  abort(): void {
    if ((this.#marks & (OPEN | CLOSING)) === 0) return;
    this.#marks &= ~CLOSING;
    this.leave();
    this.#ownership?.release();
    this.reset();
  }

  /** As `TcpConnection.moveTo`. */
  moveTo(bundle: Bundle): void {
    const { moveTo } = this.calls;
    if (!this.isOpen) throw netError("EBADF", moveTo, this.#ownership?.detailOf(EBADF));
    this.#ownership ??= new Ownership(this);
    this.#ownership.moveTo(moveTo, bundle);
  }

  /** Hands it to the running coroutine. */
  moveToCurrent(): void {
    const owner = currentCoroutine();
    if (owner !== null) this.moveTo(owner.bundleForOwn());
  }

  /** No coroutine owns it any more: whoever holds it sees to its end. */
  disown(): void {
    this.#ownership?.release();
    this.#ownership = null;
  }

  /** Where those wait who receive. */
  get readers(): WaitQueue {
    this.#readers ??= new WaitQueue();
    return this.#readers;
  }

  /** Where those wait who send or close: the same events of the flow concern both. */
  get writers(): WaitQueue {
    this.#writers ??= new WaitQueue();
    return this.#writers;
  }

  /** From the flow: marks, resumes nobody. */
  flowEvents(events: number): void {
    if ((events & (EVENT_READABLE | EVENT_STATE)) !== 0) this.#readers?.wakeAll();
    if ((events & (EVENT_WRITABLE | EVENT_STATE)) !== 0) this.#writers?.wakeAll();
  }

  /**
   * From the flow: bytes go straight into the buffer of a coroutine that waits for some. Marks it
   * once it has what it waits for; until it is resumed more may follow.
   */
  deliver(bytes: Uint8Array): number {
    const wait = this.reader;
    // Cancelled, it stands nowhere any more. A plain Effection task that is halted after it was
    // woken would lose what it has been given.
    if (wait === null || !(wait.waiter instanceof Coroutine)) return 0;
    const room = wait.buf.length - wait.bytesReceived;
    if (room <= 0) return 0;
    const part = bytes.length <= room ? bytes : bytes.subarray(0, room);
    wait.buf.set(part, wait.bytesReceived);
    wait.bytesReceived += part.length;
    if (!wait.isExact || part.length === room) {
      wait.isHanded = true;
      wait.wakeWaiter();
    }
    return part.length;
  }

  /** True while `deliver` may find somebody. */
  get isReading(): boolean {
    return this.reader !== null;
  }

  /** One step of a receive. @returns as `Wait.poll` */
  pollRecv(wait: RecvWait): number {
    const { flow } = this;
    const gate = this.gateRecv(wait);
    if (gate !== READY) return gate;
    const wanted = wait.buf.length - wait.bytesReceived;
    if (wait.isClause && wait.isExact) {
      // In a choose: all of it or nothing, or another clause would win and these bytes be lost.
      flow.gather?.(wanted);
      if (flow.receivedBytes < wanted) {
        if (wanted > flow.receiveLimitBytes) return -EINVAL;
        if (flow.failure === 0 && !flow.isFinished) return PENDING;
      }
    }
    const taken = wanted === 0 ? 0 : flow.receive(wait.buf, wait.bytesReceived, wanted);
    if (taken > 0) wait.bytesReceived += taken;
    if (wait.isExact ? wait.bytesReceived === wait.buf.length : wait.bytesReceived > 0) {
      return READY;
    }
    if (flow.atEnd) return wait.isExact ? -EPIPE : READY;
    if (taken < 0) return flow.failure || taken;
    if (flow.failure !== 0) return flow.failure;
    this.#receiver = wait;
    return PENDING;
  }

  /** Whether `wait` (null: a call that never waits) may receive. @returns READY or -errno */
  gateRecv(wait: Wait<unknown> | null): number {
    if (!this.isOpen) return -EBADF;
    return this.#receiver !== null && this.#receiver !== wait ? -EBUSY : READY;
  }

  /** Whether `wait` (null: a call that never waits) may send. @returns READY or -errno */
  gateSend(wait: Wait<unknown> | null): number {
    if (!this.isOpen) return -EBADF;
    if ((this.#marks & DONE) !== 0) return -EPIPE;
    return this.#sender !== null && this.#sender !== wait ? -EBUSY : READY;
  }

  /** `wait` is the one that receives until `ended`. */
  holdRecv(wait: Wait<unknown>): void {
    this.#receiver = wait;
  }

  /** `wait` is the one that sends until `ended`. */
  holdSend(wait: Wait<unknown>): void {
    this.#sender = wait;
  }

  /** One step of a send. @returns as `Wait.poll` */
  pollSend(wait: SendWait): number {
    const gate = this.gateSend(wait);
    if (gate !== READY) return gate;
    const wanted = wait.data.length - wait.bytesSent;
    const { flow } = this;
    this.reservation = null;
    if (flow.failure !== 0) return flow.failure;
    if (wait.isClause && flow.sendSpaceBytes < wanted) {
      return wanted > flow.sendLimitBytes ? -EINVAL : PENDING;
    }
    const taken = wanted === 0 ? 0 : flow.send(wait.data, wait.bytesSent, wanted, wait.isClause);
    if (taken < 0) return taken;
    wait.bytesSent += taken;
    if (wait.bytesSent === wait.data.length) return READY;
    // It may have failed behind the bytes that it took, and would not tell again.
    if (flow.failure !== 0) return flow.failure;
    this.#sender = wait;
    return PENDING;
  }

  /** The first step of a close. @returns as `Wait.poll` */
  startClose(isLinger: boolean): number {
    if (!this.isOpen) return -EBADF;
    this.leave();
    this.#marks |= CLOSING;
    if (this.flow.failure !== 0) return this.flow.failure;
    this.finish();
    this.flow.discardReceived();
    return this.pollClose(isLinger);
  }

  /** Every later step of a close. @returns as `Wait.poll` */
  pollClose(isLinger: boolean): number {
    // `abort`, or the end of the owner, has overtaken the close.
    if ((this.#marks & CLOSING) === 0) return -EBADF;
    const { flow } = this;
    if (isLinger ? flow.isAcknowledged : flow.isOrderlyClosed) return READY;
    return flow.failure || PENDING;
  }

  /** The close has ended: without success, abort what is left. */
  endClose(isOrderly: boolean): void {
    if ((this.#marks & CLOSING) === 0) return;
    this.#marks &= ~CLOSING;
    this.#ownership?.release();
    if (isOrderly) this.letGo();
    else this.reset();
  }

  /** A send or receive has ended in any way. */
  ended(wait: Wait<unknown>): void {
    if (this.#receiver === wait) this.#receiver = null;
    if (this.#sender === wait) this.#sender = null;
  }

  /** What was asked for may need a round, and a plain Effection task may stand outside of one. */
  kick(): void {
    this.#loop.kick();
  }

  /** The error of a call on this stream. @param message - says more than the code */
  errorOf(errno: number, syscall: string, message?: string): NetError {
    const detail = message ?? this.#ownership?.detailOf(errno);
    return endpointError(errno, syscall, this.flow.namedEnd ?? this.flow.remoteEnd, detail);
  }

  /** Both ends, for a handle that shows them. */
  get ends(): { readonly local: Endpoint; readonly remote: Endpoint } {
    return { local: this.flow.localEnd, remote: this.flow.remoteEnd };
  }

  // `#methods` would cost each stream a word, by which the engine tells who has them.

  /** The receiver, while what arrives may go straight into its buffer. */
  private get reader(): RecvWait | null {
    const receiver = this.#receiver;
    return receiver instanceof RecvWait && !receiver.isClause ? receiver : null;
  }

  private finish(): void {
    if ((this.#marks & DONE) !== 0) return;
    this.#marks |= DONE;
    this.flow.finish(this.#loop.nowMs);
  }

  /** From now on every call is EBADF, those that wait included. */
  private leave(): void {
    this.#marks &= ~OPEN;
    this.#readers?.wakeAll();
    this.#writers?.wakeAll();
  }

  private letGo(): void {
    this.flow.sink = null;
    this.flow.release(this.#loop.now());
    this.#loop.kick();
  }

  private reset(): void {
    this.flow.sink = null;
    this.flow.abort(this.#loop.now());
    this.#loop.kick();
  }
}
