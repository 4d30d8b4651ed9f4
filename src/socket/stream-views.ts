// SPDX-License-Identifier: MIT
// Streams without copies: the user reads received bytes where they lie, and writes bytes to send
// where they are to lie. What is handed out is memory of the context, so it is good only until the
// coroutine waits again: then the next round may use it otherwise.

import { markAsUntransferable } from "node:worker_threads";
import { PENDING, READY, Wait, type WaitQueue } from "../../scheduler/internal.ts";
import { checkInteger } from "./arguments.ts";
import { EBADF, EBUSY, invalid } from "./errors.ts";
import type { Stream } from "./stream.ts";

/** Room to send that has been handed out. */
export interface Reservation {
  readonly bytes: number;
  /** Of the flow, when it was. */
  readonly round: number;
}

/** As `TcpConnection.readable`. */
export function readable(stream: Stream, deadline?: number): Wait<number> {
  return new ReadableWait(stream, stream.calls.readable, deadline);
}

/** As `TcpConnection.peek`. */
export function peek(stream: Stream): Uint8Array {
  checkReader(stream, stream.calls.peek);
  return lent(stream.flow.view());
}

/** As `TcpConnection.consume`. */
export function consume(stream: Stream, count: number): void {
  const { consume: call } = stream.calls;
  checkReader(stream, call);
  const { viewedBytes } = stream.flow;
  if (checkInteger(call, "count", count, 0, Number.MAX_SAFE_INTEGER) > viewedBytes) {
    const peeked = viewedBytes === 0 ? "nothing: call it first" : `${viewedBytes} bytes`;
    invalid(call, `count must be at most what peek has shown, ${peeked}; got ${count}`);
  }
  stream.flow.consume(count);
  stream.kick();
}

/** As `TcpConnection.reserve`. */
export function reserve(stream: Stream, length: number, deadline?: number): Wait<Uint8Array> {
  const { reserve: call } = stream.calls;
  const checked = checkInteger(call, "length", length, 1, stream.flow.sendLimitBytes);
  return new ReserveWait(stream, checked, call, deadline);
}

/** As `TcpConnection.commit`. */
export function commit(stream: Stream, length: number): void {
  const { commit: call } = stream.calls;
  const { flow, reservation } = stream;
  const gate = stream.gateSend(null);
  if (gate !== READY) throw stream.errorOf(gate, call);
  const isGood = reservation !== null && reservation.round === flow.round;
  if (!isGood) {
    invalid(call, "nothing is reserved: commit before waiting, and before sending otherwise");
  }
  checkInteger(call, "length", length, 0, reservation.bytes);
  stream.reservation = null;
  const result = flow.commit(length);
  if (result < 0) throw stream.errorOf(result, call);
  stream.kick();
}

/** Memory of the context must not go with a message to another thread: that gets a copy. */
function lent(bytes: Uint8Array): Uint8Array {
  markAsUntransferable(bytes.buffer);
  return bytes;
}

/** Refuses whom received bytes do not belong to now. */
function checkReader(stream: Stream, call: string): void {
  const gate = stream.gateRecv(null);
  if (gate !== READY) throw stream.errorOf(gate, call);
}

/** Waits for received bytes and takes none. */
class ReadableWait extends Wait<number> {
  readonly #stream: Stream;
  #bytes = 0;

  constructor(stream: Stream, syscall: string, deadline?: number) {
    super(syscall, deadline);
    this.#stream = stream;
  }

  override poll(): number {
    const stream = this.#stream;
    const gate = stream.gateRecv(this);
    if (gate !== READY) return gate;
    const { flow } = stream;
    this.#bytes = flow.viewedBytes;
    if (this.#bytes > 0 || flow.atEnd) return READY;
    if (flow.failure !== 0) return flow.failure;
    stream.holdRecv(this);
    return PENDING;
  }

  override queue(): WaitQueue {
    return this.#stream.readers;
  }

  override take(): number {
    this.#stream.ended(this);
    return this.#bytes;
  }

  override withdrawn(): void {
    this.#stream.ended(this);
  }

  override error(errno: number): Error {
    return this.#stream.errorOf(errno, this.syscall);
  }
}

/** Waits for room to send, and takes it. */
class ReserveWait extends Wait<Uint8Array> {
  readonly #stream: Stream;
  readonly #length: number;

  constructor(stream: Stream, length: number, syscall: string, deadline?: number) {
    super(syscall, deadline);
    this.#stream = stream;
    this.#length = length;
  }

  override poll(): number {
    const stream = this.#stream;
    const gate = stream.gateSend(this);
    if (gate !== READY) return gate;
    const { flow } = stream;
    if (flow.failure !== 0) return flow.failure;
    if (flow.sendSpaceBytes >= this.#length) return READY;
    stream.holdSend(this);
    return PENDING;
  }

  override queue(): WaitQueue {
    return this.#stream.writers;
  }

  override take(): Uint8Array {
    const stream = this.#stream;
    stream.ended(this);
    const { flow } = stream;
    const room = stream.isOpen ? flow.reserve(this.#length) : EBADF;
    // A plain Effection task hears of it later: the room may have gone meanwhile.
    if (typeof room === "number") throw this.error(room || EBUSY);
    stream.reservation = { bytes: room.length, round: flow.round };
    return lent(room);
  }

  override withdrawn(): void {
    this.#stream.ended(this);
  }

  override error(errno: number): Error {
    return this.#stream.errorOf(errno, this.syscall);
  }
}
