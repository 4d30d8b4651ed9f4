// SPDX-License-Identifier: MIT
// A local stream as users hold it. What blocks lives in stream.ts and ipc-descriptors.ts, what the
// kernel does in src/kernel/local-flow.ts.

import type { Bundle, Wait } from "../../scheduler/index.ts";
import type { Loop } from "../../scheduler/internal.ts";
import type { LocalFlow } from "../kernel/local-flow.ts";
import type { Endpoint } from "../transport/stream.ts";
import { RecvFdWait, SendFdWait } from "./ipc-descriptors.ts";
import { checkDescriptor } from "./ipc-path.ts";
import { Stream, streamCalls } from "./stream.ts";
import { commit, consume, peek, readable, reserve } from "./stream-views.ts";

const CALLS = streamCalls("ipc");

/**
 * A connected local stream, got from `ipc.connect`, `listener.accept`, `ipc.pair` or `ipc.fromFd`.
 *
 * A local stream knows no reset. When it ends without an orderly close (`abort`, the end of its
 * owner or of the process) the peer can still read what was sent, and then sees the end of the
 * stream, or ECONNRESET if bytes of its own have not been read. Whether they have been is up to the
 * program that holds the connection: bytes stay in the kernel until they are asked for.
 */
export class IpcConnection {
  /** Path of the listening end, `"@name"` for an abstract name, `""` for a pair. */
  readonly path: string;
  readonly #flow: LocalFlow;
  readonly #stream: Stream;

  /** @internal Connections come from `ipc.connect` and its like. */
  constructor(loop: Loop, flow: LocalFlow) {
    this.path = flow.path;
    this.#flow = flow;
    this.#stream = new Stream(loop, flow, CALLS);
  }

  /** Our end: `host` is its path, `""` for the side that connected and for a pair. */
  get local(): Endpoint {
    return this.#flow.localEnd;
  }

  /** The peer's end, likewise. */
  get remote(): Endpoint {
    return this.#flow.remoteEnd;
  }

  /** False once it is being closed, or was: every call fails with EBADF. */
  get isOpen(): boolean {
    return this.#stream.isOpen;
  }

  /**
   * Sends all of `data`: the kernel has it when this returns, and the peer can read it whatever
   * becomes of us.
   *
   * @param data - bytes to send; must not change until this returns
   * @param deadline - absolute ms on the loop's clock, -1 never, 0 now
   * @throws NetError EBADF, EBUSY (another coroutine is sending), ECANCELED, ECONNRESET (the peer
   *   is gone), ENOBUFS (the kernel has no memory), EPIPE (after `done`), ETIMEDOUT; `bytesSent`
   *   tells how much was taken, the stream is still sound
   */
  send(data: Uint8Array, deadline?: number): Wait<void> {
    return this.#stream.send(data, deadline);
  }

  /**
   * Receives exactly `buf.length` bytes. Descriptors that came with them are closed: `recvFd` is
   * for those.
   *
   * @param buf - filled from the start; belongs to this call until it returns
   * @param deadline - absolute ms on the loop's clock, -1 never, 0 now
   * @throws NetError EBADF, EBUSY (another coroutine is receiving), ECANCELED, ECONNRESET (the peer
   *   is gone and has not read all), EPIPE (the stream ended first), ETIMEDOUT; `bytesReceived`
   *   bytes are in `buf`, the rest of the stream can be had later
   */
  recv(buf: Uint8Array, deadline?: number): Wait<void> {
    return this.#stream.recv(buf, deadline);
  }

  /**
   * Receives what is there, at least one byte. Descriptors that came with it are closed.
   *
   * @param buf - filled from the start; belongs to this call until it returns; not empty
   * @param deadline - absolute ms on the loop's clock, -1 never, 0 now
   * @returns the bytes taken, 0 at the end of the stream
   * @throws NetError EBADF, EBUSY (another coroutine is receiving), ECANCELED, ECONNRESET (the peer
   *   is gone and has not read all), EINVAL, ETIMEDOUT
   */
  recvSome(buf: Uint8Array, deadline?: number): Wait<number> {
    return this.#stream.recvSome(buf, deadline);
  }

  /**
   * Sends a copy of a descriptor: a file, a socket, whatever is open. It takes one byte of the
   * stream, 0xcc, behind all that was sent before. Waits while the peer's queue is full.
   *
   * @param fd - stays the caller's; must stay open until this returns
   * @param deadline - absolute ms on the loop's clock, -1 never, 0 now
   * @throws NetError EBADF (the connection is closed, or `fd` is not open), EBUSY (another
   *   coroutine is sending), ECANCELED, ECONNRESET (the peer is gone), ENOBUFS (the kernel has no
   *   memory), EPIPE (after `done`), ETIMEDOUT, ETOOMANYREFS (more are on their way than this user
   *   may have); the stream is still sound
   */
  sendFd(fd: number, deadline?: number): Wait<void> {
    const checked = checkDescriptor("ipc.sendFd", fd);
    return new SendFdWait(this.#stream, this.#flow, checked, deadline);
  }

  /**
   * Receives a descriptor, which is the caller's then, and the byte that came with it. Of several
   * that came with one byte it returns the first, and the others are closed.
   *
   * @param deadline - absolute ms on the loop's clock, -1 never, 0 now
   * @returns its number, which `node:fs` takes; it is closed in child processes
   * @throws NetError EBADF, EBUSY (another coroutine is receiving), ECANCELED, ECONNRESET (the peer
   *   is gone and has not read all), EMFILE (it came, and is lost), EPIPE (the stream ended),
   *   EPROTO (the next byte of the stream came without a descriptor, and can still be received),
   *   ETIMEDOUT
   */
  recvFd(deadline?: number): Wait<number> {
    return new RecvFdWait(this.#stream, this.#flow, deadline);
  }

  /**
   * Waits until there is something to `peek`, and takes nothing: what has not been consumed makes
   * it return at once. What it shows is up to 256 KiB that the kernel has given away, so to the
   * peer they are read; descriptors that came with them are closed as they are consumed.
   *
   * @param deadline - absolute ms on the loop's clock, -1 never, 0 now
   * @returns how many bytes `peek` shows, at least; 0 at the end of the stream
   * @throws NetError EBADF, EBUSY (another coroutine is receiving), ECANCELED, ECONNRESET (the peer
   *   is gone),
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
   * Waits for room to send, and hands it out to be written. Nothing is sent before `commit`.
   *
   * @param length - bytes in one piece, from 1 up to what the send buffer can ever hold
   * @param deadline - absolute ms on the loop's clock, -1 never, 0 now
   * @returns the room, of undefined content. It is memory of the context: write it, and `commit`,
   *   before this coroutine waits for anything; `send`, `reserve` and the next round take it back
   * @throws NetError EBADF, EBUSY (another coroutine is sending), ECANCELED, ECONNRESET (the peer
   *   is gone),
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
   * @throws NetError EBADF, EBUSY (another coroutine is sending), ECONNRESET (the peer
   *   is gone), EINVAL (more than
   *   reserved, or nothing is: this coroutine has waited, or sent otherwise, in between), EPIPE
   *   (after `done`); TypeError
   */
  commit(length: number): void {
    commit(this.#stream, length);
  }

  /**
   * Half-closes: the peer sees the end of the stream after the bytes already sent. Never waits, and
   * works in a cancelled coroutine. Receiving goes on.
   *
   * @throws NetError EBADF, ECONNRESET, EPIPE (already done)
   */
  done(): void {
    this.#stream.done();
  }

  /**
   * Closes in an orderly way: ends the stream, drops what still arrives, and returns when the peer
   * has read every byte and has ended its side. The handle is gone even on an error.
   *
   * @param deadline - absolute ms on the loop's clock, -1 never, 0 now
   * @throws NetError EBADF (closed already), ECANCELED, ECONNRESET (the peer is gone and has not
   *   read all), ETIMEDOUT
   */
  close(deadline?: number): Wait<void> {
    return this.#stream.close(deadline);
  }

  /**
   * Closes, and waits until the peer has read every byte, not for its own end of the stream: the
   * rest happens in the background. The handle is gone even on an error.
   *
   * @param deadline - absolute ms on the loop's clock, -1 never, 0 now
   * @throws NetError EBADF (closed already), ECANCELED, ECONNRESET (the peer is gone and has not
   *   read all), ETIMEDOUT
   */
  linger(deadline?: number): Wait<void> {
    return this.#stream.linger(deadline);
  }

  /**
   * Lets go of the connection: it ends the stream, and drops what arrives until the peer has ended
   * its side, for a minute at most. Never waits, never throws, tells nobody how it went. It
   * outlives its owner.
   */
  release(): void {
    this.#stream.release();
  }

  /**
   * Closes at once. The peer can still read what was sent; then it sees the end of the stream, or
   * ECONNRESET if bytes of its own were not read. Never waits, never throws.
   */
  abort(): void {
    this.#stream.abort();
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
