// SPDX-License-Identifier: MIT
// A TCP connection as users hold it. What blocks lives in stream.ts, what TCP does in src/tcp or in
// the kernel.

import type { Bundle, Wait } from "../../scheduler/index.ts";
import type { Loop } from "../../scheduler/internal.ts";
import type { Endpoint, StreamFlow, TcpInfo } from "../transport/stream.ts";
import { Stream, streamCalls } from "./stream.ts";

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
