// SPDX-License-Identifier: MIT
// A TCP connection as users hold it. What blocks lives in stream.ts, what TCP does in src/tcp or in
// the kernel.

import type { Bundle, Wait } from "../../scheduler/index.ts";
import type { Loop } from "../../scheduler/internal.ts";
import type { Endpoint, StreamFlow, TcpInfo } from "../transport/stream.ts";
import { Stream, streamCalls } from "./stream.ts";
import { commit, consume, peek, readable, reserve } from "./stream-views.ts";

const CALLS = streamCalls("tcp");

/** An ESTABLISHED TCP connection, got from `tcp.connect` or `listener.accept`. */
export class TcpConnection {
  readonly #stream: Stream;

  /** @internal Connections come from `tcp.connect` and `listener.accept`. */
  constructor(loop: Loop, flow: StreamFlow) {
    this.#stream = new Stream(loop, flow, CALLS);
  }

  /** Our end. */
  get local(): Endpoint {
    return this.#stream.flow.localEnd;
  }

  /** The peer's end. */
  get remote(): Endpoint {
    return this.#stream.flow.remoteEnd;
  }

  /** False once it is being closed, or was: every call but `info` fails with EBADF. */
  get isOpen(): boolean {
    return this.#stream.isOpen;
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
    return this.#stream.send(data, deadline);
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
    return this.#stream.recv(buf, deadline);
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
    return this.#stream.recvSome(buf, deadline);
  }

  /**
   * Waits until there is something to `peek`, and takes nothing: what has not been consumed makes
   * it return at once. Who needs more than is there takes it by `recv`.
   *
   * @param deadline - absolute ms on the loop's clock, -1 never, 0 now
   * @returns how many bytes `peek` shows, at least; 0 at the end of the stream
   * @throws NetError EBADF, EBUSY (another coroutine is receiving), ECANCELED, ECONNRESET,
   *   ETIMEDOUT
   */
  readable(deadline?: number): Wait<number> {
    return readable(this.#stream, deadline);
  }

  /**
   * Shows received bytes where they lie, from the oldest on: those in one piece, which need not be
   * all. Never waits, and works in a cancelled coroutine.
   *
   * @returns a view, empty if there are none. It is memory of the context: read it before this
   *   coroutine waits for anything, and before `consume`, `recv` or `recvSome`
   * @throws NetError EBADF, EBUSY (another coroutine is receiving)
   */
  peek(): Uint8Array {
    return peek(this.#stream);
  }

  /**
   * Takes bytes that `peek` shows, so that the peer may send as many again. Never waits, and works
   * in a cancelled coroutine.
   *
   * @param count - how many, from the oldest on; at most as many as `peek` shows
   * @throws NetError EBADF, EBUSY (another coroutine is receiving), EINVAL; TypeError
   */
  consume(count: number): void {
    consume(this.#stream, count);
  }

  /**
   * Waits for room to send, and hands it out to be written: no copy is made. Nothing is sent
   * before `commit`.
   *
   * @param length - bytes in one piece, from 1 up to what the send buffer can ever hold
   * @param deadline - absolute ms on the loop's clock, -1 never, 0 now
   * @returns the room, of undefined content. It is memory of the context: write it, and `commit`,
   *   before this coroutine waits for anything; `send`, `reserve` and the next round take it back
   * @throws NetError EBADF, EBUSY (another coroutine is sending), ECANCELED, ECONNRESET,
   *   EINVAL, EPIPE (after `done`), ETIMEDOUT; TypeError
   */
  reserve(length: number, deadline?: number): Wait<Uint8Array> {
    return reserve(this.#stream, length, deadline);
  }

  /**
   * Sends the first bytes of what `reserve` has handed out; the rest is given back. Never waits,
   * and works in a cancelled coroutine.
   *
   * @param length - how many; 0: none after all
   * @throws NetError EBADF, EBUSY (another coroutine is sending), ECONNRESET, EINVAL (more than
   *   reserved, or nothing is: this coroutine has waited, or sent otherwise, in between), EPIPE
   *   (after `done`); TypeError
   */
  commit(length: number): void {
    commit(this.#stream, length);
  }

  /**
   * Half-closes: our FIN goes out after the bytes already sent. Never waits, and works in a
   * cancelled coroutine. Receiving goes on.
   *
   * @throws NetError EBADF, ECONNRESET, EPIPE (already done)
   */
  done(): void {
    this.#stream.done();
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
    return this.#stream.close(deadline);
  }

  /**
   * Closes, and waits for the peer's acknowledgement of every byte and of our FIN, not for the
   * peer's own FIN: the rest happens in the background. SO_LINGER with a time means this. The
   * handle is gone even on an error; then the connection has been aborted with RST.
   *
   * @param deadline - absolute ms on the loop's clock, -1 never, 0 now
   * @throws NetError EBADF (closed already), ECANCELED, ECONNRESET, ETIMEDOUT
   */
  linger(deadline?: number): Wait<void> {
    return this.#stream.linger(deadline);
  }

  /**
   * Lets go of the connection: it flushes, sends FIN and ends in the background, within the limits
   * of a connection that nobody holds; then it is reset. Never waits, never throws, tells nobody
   * how it went. It outlives its owner, not its context: a `run` that ends at once resets it.
   */
  release(): void {
    this.#stream.release();
  }

  /** Resets the connection at once: RST to the peer. Never waits, never throws. */
  abort(): void {
    this.#stream.abort();
  }

  /**
   * Tells what TCP knows of the connection.
   *
   * @returns state, windows, round-trip time, counters
   */
  info(): TcpInfo {
    return this.#stream.flow.info();
  }

  /**
   * Hands the connection to another bundle, which aborts it when it ends.
   *
   * @param bundle - the new owner
   * @throws NetError EBADF (the connection or the bundle is closed)
   */
  moveTo(bundle: Bundle): void {
    this.#stream.moveTo(bundle);
  }

  /** @internal No coroutine owns the connection any more: whoever holds it sees to its end. */
  disown(): void {
    this.#stream.disown();
  }

  /** @internal Hands the connection to the running coroutine. */
  moveToCurrent(): void {
    this.#stream.moveToCurrent();
  }
}
