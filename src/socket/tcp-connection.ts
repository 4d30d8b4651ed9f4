// SPDX-License-Identifier: MIT
// A TCP connection as a handle: what blocks lives here, what TCP does lives in src/tcp. Each call
// is a Wait that polls the connection and parks on one of three queues; the stack's events mark
// those queues ready, the run loop resumes (R3).

import type { Bundle, NetError } from "../../scheduler/index.ts";
import { currentCoroutine, PENDING, READY, Wait, WaitQueue } from "../../scheduler/internal.ts";
import {
  EVENT_READABLE,
  EVENT_STATE,
  EVENT_WRITABLE,
  type Flow,
  type FlowSink,
  type TcpInfo,
} from "../mctx/flow.ts";
import { checkBytes } from "./arguments.ts";
import type { Context } from "./context.ts";
import { EBADF, EBUSY, EINVAL, EPIPE, errnoError, netError } from "./errors.ts";
import { Ownership } from "./ownership.ts";

/** One end of a connection: an address in text form and a port in host byte order. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** An ESTABLISHED TCP connection, got from `tcp.connect` or `listener.accept`. */
export class TcpConnection implements FlowSink {
  readonly #context: Context;
  readonly #flow: Flow;
  readonly #ownership: Ownership;
  readonly #readers: WaitQueue = new WaitQueue();
  readonly #writers: WaitQueue = new WaitQueue();
  readonly #closers: WaitQueue = new WaitQueue();
  #isOpen = true;
  #isClosing = false;
  #isDone = false;
  #receiver: RecvWait | null = null;
  #sender: SendWait | null = null;

  /** @internal Connections come from `tcp.connect` and `listener.accept`. */
  constructor(context: Context, flow: Flow) {
    this.#context = context;
    this.#flow = flow;
    flow.sink = this;
    this.#ownership = new Ownership(this);
  }

  /** Our end. */
  get local(): Endpoint {
    return { host: this.#flow.local.toString(), port: this.#flow.localPort };
  }

  /** The peer's end. */
  get remote(): Endpoint {
    return { host: this.#flow.remote.toString(), port: this.#flow.remotePort };
  }

  /** False once `close` or `abort` was called: every call but `info` fails with EBADF. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /**
   * Sends all of `data`: it is in the send buffer when this returns, not yet acknowledged.
   *
   * @param data - bytes to send; must not change until this returns
   * @param deadline - absolute ms on the loop's clock, -1 never, 0 now
   * @throws NetError EBADF, EBUSY (another coroutine is sending), ECANCELED, ECONNRESET, EPIPE
   *   (after `done`), ETIMEDOUT; `bytesSent` tells how much was taken, the stream is still sound
   */
  send(data: Uint8Array, deadline?: number): Wait<void> {
    checkBytes("tcp.send", "data", data);
    return new SendWait(this, data, deadline);
  }

  /**
   * Receives exactly `buf.length` bytes.
   *
   * @param buf - filled from the start; belongs to this call until it returns
   * @param deadline - absolute ms on the loop's clock, -1 never, 0 now
   * @throws NetError EBADF, EBUSY (another coroutine is receiving), ECANCELED, ECONNRESET, EPIPE
   *   (the stream ended first), ETIMEDOUT; `bytesReceived` bytes are in `buf`, the rest of the
   *   stream can be had later
   */
  recv(buf: Uint8Array, deadline?: number): Wait<void> {
    checkBytes("tcp.recv", "buf", buf);
    return new RecvWait(this, buf, true, "tcp.recv", deadline) as unknown as Wait<void>;
  }

  /**
   * Receives what is there, at least one byte.
   *
   * @param buf - filled from the start; belongs to this call until it returns; not empty
   * @param deadline - absolute ms on the loop's clock, -1 never, 0 now
   * @returns the bytes taken, 0 at the end of the stream
   * @throws NetError EBADF, EBUSY (another coroutine is receiving), ECANCELED, ECONNRESET, EINVAL,
   *   ETIMEDOUT
   */
  recvSome(buf: Uint8Array, deadline?: number): Wait<number> {
    checkBytes("tcp.recvSome", "buf", buf);
    if (buf.length === 0) {
      throw netError("EINVAL", "tcp.recvSome", "buf must have room for a byte");
    }
    return new RecvWait(this, buf, false, "tcp.recvSome", deadline);
  }

  /**
   * Half-closes: our FIN goes out after the bytes already sent. Never waits, and works in a
   * cancelled coroutine. Receiving goes on.
   *
   * @throws NetError EBADF, ECONNRESET, EPIPE (already done)
   */
  done(): void {
    if (!this.#isOpen) throw netError("EBADF", "tcp.done");
    if (this.#isDone) throw netError("EPIPE", "tcp.done");
    const { failure } = this.#flow;
    if (failure !== 0) throw this.#error(failure, "tcp.done");
    this.#finish();
    this.#writers.wakeAll();
  }

  /**
   * Closes in an orderly way: flushes, sends FIN, drops what still arrives, and returns when the
   * peer has acknowledged every byte and the FIN, and has sent its own FIN. The handle is gone even
   * on an error; then the connection has been aborted with RST.
   *
   * @param deadline - absolute ms on the loop's clock, -1 never, 0 now
   * @throws NetError EBADF (closed already), ECANCELED, ECONNRESET, ETIMEDOUT
   */
  close(deadline?: number): Wait<void> {
    return new CloseWait(this, deadline);
  }

  /** Resets the connection at once: RST to the peer. Never waits, never throws. */
  abort(): void {
    if (!this.#isOpen && !this.#isClosing) return;
    this.#isClosing = false;
    this.#release();
    this.#ownership.release();
    this.#context.abortFlow(this.#flow);
  }

  /**
   * Tells what TCP knows of the connection.
   *
   * @returns state, windows, round-trip time, counters
   */
  info(): TcpInfo {
    return this.#flow.info();
  }

  /**
   * Hands the connection to another bundle, which aborts it when it ends.
   *
   * @param bundle - the new owner
   * @throws NetError EBADF (the connection or the bundle is closed)
   */
  moveTo(bundle: Bundle): void {
    if (!this.#isOpen) throw netError("EBADF", "tcp.moveTo");
    this.#ownership.moveTo("tcp.moveTo", bundle);
  }

  /** @internal Hands the connection to the running coroutine. */
  moveToCurrent(): void {
    const owner = currentCoroutine();
    if (owner !== null) this.#ownership.moveTo("tcp.moveTo", owner.bundleForOwn());
  }

  /** @internal From the stack: marks, resumes nobody. */
  flowEvents(events: number): void {
    if ((events & (EVENT_READABLE | EVENT_STATE)) !== 0) this.#readers.wakeAll();
    if ((events & (EVENT_WRITABLE | EVENT_STATE)) !== 0) this.#writers.wakeAll();
    if ((events & EVENT_STATE) !== 0) this.#closers.wakeAll();
  }

  /** @internal One step of a receive. @returns as `Wait.poll` */
  pollRecv(wait: RecvWait): number {
    if (!this.#isOpen) return -EBADF;
    if (this.#receiver !== null && this.#receiver !== wait) return -EBUSY;
    const flow = this.#flow;
    const wanted = wait.buf.length - wait.bytesReceived;
    if (wait.isClause && wait.isExact && flow.receivedBytes < wanted) {
      // In a choose: all of it or nothing, or another clause would win and these bytes be lost.
      if (wanted > flow.tcb.config.receiveBufferBytes) return -EINVAL;
      if (flow.failure === 0 && !flow.isFinished) return PENDING;
    }
    const taken = wanted === 0 ? 0 : flow.receive(wait.buf, wait.bytesReceived, wanted);
    if (taken > 0) wait.bytesReceived += taken;
    if (wait.isExact ? wait.bytesReceived === wait.buf.length : wait.bytesReceived > 0) {
      return READY;
    }
    if (flow.atEnd) return wait.isExact ? -EPIPE : READY;
    if (taken < 0) return this.#flow.failure || taken;
    if (flow.failure !== 0) return flow.failure;
    this.#receiver = wait;
    return PENDING;
  }

  /** @internal One step of a send. @returns as `Wait.poll` */
  pollSend(wait: SendWait): number {
    if (!this.#isOpen) return -EBADF;
    if (this.#isDone) return -EPIPE;
    if (this.#sender !== null && this.#sender !== wait) return -EBUSY;
    const wanted = wait.data.length - wait.bytesSent;
    const flow = this.#flow;
    if (flow.failure !== 0) return flow.failure;
    if (wait.isClause && flow.sendSpaceBytes < wanted) {
      return wanted > flow.tcb.config.sendBufferBytes ? -EINVAL : PENDING;
    }
    const taken = wanted === 0 ? 0 : flow.send(wait.data, wait.bytesSent, wanted);
    if (taken < 0) return taken;
    wait.bytesSent += taken;
    if (wait.bytesSent === wait.data.length) return READY;
    this.#sender = wait;
    return PENDING;
  }

  /** @internal The first step of a close. @returns as `Wait.poll` */
  startClose(): number {
    if (!this.#isOpen) return -EBADF;
    this.#release();
    this.#isClosing = true;
    if (this.#flow.failure !== 0) return this.#flow.failure;
    this.#finish();
    this.#flow.discardReceived();
    return this.pollClose();
  }

  /** @internal Every later step of a close. @returns as `Wait.poll` */
  pollClose(): number {
    // `abort`, or the end of the owner, has overtaken the close.
    if (!this.#isClosing) return -EBADF;
    if (this.#flow.isOrderlyClosed) return READY;
    return this.#flow.failure || PENDING;
  }

  /** @internal The close has ended: without success, abort what is left. */
  endClose(isOrderly: boolean): void {
    if (!this.#isClosing) return;
    this.#isClosing = false;
    this.#ownership.release();
    if (isOrderly) this.#flow.sink = null;
    else this.#context.abortFlow(this.#flow);
  }

  /** @internal A send or receive has ended in any way. */
  ended(wait: RecvWait | SendWait): void {
    if (this.#receiver === wait) this.#receiver = null;
    if (this.#sender === wait) this.#sender = null;
  }

  /** @internal */
  get readers(): WaitQueue {
    return this.#readers;
  }

  /** @internal */
  get writers(): WaitQueue {
    return this.#writers;
  }

  /** @internal */
  get closers(): WaitQueue {
    return this.#closers;
  }

  /** @internal The error of a call on this connection. */
  errorOf(errno: number, syscall: string): NetError {
    return this.#error(errno, syscall);
  }

  #error(errno: number, syscall: string): NetError {
    const { host, port } = this.remote;
    return errnoError(errno, syscall, host, port);
  }

  #finish(): void {
    if (!this.#isDone) {
      this.#isDone = true;
      this.#flow.finish(this.#context.loop.nowMs);
    }
  }

  /** From now on every call is EBADF, those that wait included. */
  #release(): void {
    this.#isOpen = false;
    this.#readers.wakeAll();
    this.#writers.wakeAll();
    this.#closers.wakeAll();
  }
}

class RecvWait extends Wait<number> {
  readonly connection: TcpConnection;
  readonly buf: Uint8Array;
  readonly isExact: boolean;
  bytesReceived: number;

  constructor(
    connection: TcpConnection,
    buf: Uint8Array,
    isExact: boolean,
    syscall: string,
    deadline?: number,
  ) {
    super(syscall, deadline);
    this.connection = connection;
    this.buf = buf;
    this.isExact = isExact;
    this.bytesReceived = 0;
  }

  override reset(): void {
    this.bytesReceived = 0;
  }

  override poll(): number {
    return this.connection.pollRecv(this);
  }

  override queue(): WaitQueue {
    return this.connection.readers;
  }

  override take(): number {
    this.connection.ended(this);
    return this.bytesReceived;
  }

  override withdrawn(): void {
    this.connection.ended(this);
  }

  override error(errno: number): Error {
    const error = this.connection.errorOf(errno, this.syscall);
    error.bytesReceived = this.bytesReceived;
    return error;
  }
}

class SendWait extends Wait<void> {
  readonly connection: TcpConnection;
  readonly data: Uint8Array;
  bytesSent: number;

  constructor(connection: TcpConnection, data: Uint8Array, deadline?: number) {
    super("tcp.send", deadline);
    this.connection = connection;
    this.data = data;
    this.bytesSent = 0;
  }

  override reset(): void {
    this.bytesSent = 0;
  }

  override poll(): number {
    return this.connection.pollSend(this);
  }

  override queue(): WaitQueue {
    return this.connection.writers;
  }

  override take(): void {
    this.connection.ended(this);
  }

  override withdrawn(): void {
    this.connection.ended(this);
  }

  override error(errno: number): Error {
    const error = this.connection.errorOf(errno, this.syscall);
    error.bytesSent = this.bytesSent;
    return error;
  }
}

class CloseWait extends Wait<void> {
  readonly connection: TcpConnection;
  #isStarted = false;

  constructor(connection: TcpConnection, deadline?: number) {
    super("tcp.close", deadline);
    this.connection = connection;
  }

  override reset(): void {
    this.#isStarted = false;
  }

  override poll(): number {
    if (this.#isStarted) return this.connection.pollClose();
    const first = this.connection.startClose();
    this.#isStarted = first !== -EBADF;
    return first;
  }

  override queue(): WaitQueue {
    return this.connection.closers;
  }

  override take(): void {
    this.connection.endClose(true);
  }

  override withdrawn(errno: number): void {
    if (this.#isStarted) {
      this.connection.endClose(false);
    } else if (errno !== -EBADF && errno !== 0 && this.connection.isOpen) {
      // Cancelled before the first step: the handle is closed all the same, by RST. One that
      // another coroutine is closing is not open any more, and goes on closing.
      this.connection.abort();
    }
  }

  override error(errno: number): Error {
    return this.connection.errorOf(errno, this.syscall);
  }
}
