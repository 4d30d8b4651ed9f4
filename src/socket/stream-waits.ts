// SPDX-License-Identifier: MIT
// The waits of a byte stream: receive, send, close. What each step does is the stream's
// (stream.ts); these remember how far they are and who is told.

import { Wait, type WaitQueue } from "../../scheduler/internal.ts";
import { EBADF } from "./errors.ts";
import type { Stream } from "./stream.ts";

/** A receive: exactly what the buffer holds, or what is there. */
export class RecvWait extends Wait<number> {
  readonly stream: Stream;
  readonly buf: Uint8Array;
  readonly isExact: boolean;
  bytesReceived: number;

  constructor(
    stream: Stream,
    buf: Uint8Array,
    isExact: boolean,
    syscall: string,
    deadline?: number,
  ) {
    super(syscall, deadline);
    this.stream = stream;
    this.buf = buf;
    this.isExact = isExact;
    this.bytesReceived = 0;
  }

  override reset(): void {
    this.bytesReceived = 0;
  }

  override poll(): number {
    return this.stream.pollRecv(this);
  }

  override queue(): WaitQueue {
    return this.stream.readers;
  }

  override take(): number {
    this.stream.ended(this);
    return this.bytesReceived;
  }

  override withdrawn(): void {
    this.stream.ended(this);
  }

  override error(errno: number): Error {
    const error = this.stream.errorOf(errno, this.syscall);
    error.bytesReceived = this.bytesReceived;
    return error;
  }
}

/** A send of all of the data. */
export class SendWait extends Wait<void> {
  readonly stream: Stream;
  readonly data: Uint8Array;
  bytesSent: number;

  constructor(stream: Stream, data: Uint8Array, syscall: string, deadline?: number) {
    super(syscall, deadline);
    this.stream = stream;
    this.data = data;
    this.bytesSent = 0;
  }

  override reset(): void {
    this.bytesSent = 0;
  }

  override poll(): number {
    return this.stream.pollSend(this);
  }

  override queue(): WaitQueue {
    return this.stream.writers;
  }

  override take(): void {
    this.stream.ended(this);
  }

  override withdrawn(): void {
    this.stream.ended(this);
  }

  override error(errno: number): Error {
    const error = this.stream.errorOf(errno, this.syscall);
    error.bytesSent = this.bytesSent;
    return error;
  }
}

/** A close that waits: for both ends of the stream, or for the peer's acknowledgement alone. */
export class CloseWait extends Wait<void> {
  readonly stream: Stream;
  readonly isLinger: boolean;
  #isStarted = false;

  constructor(stream: Stream, isLinger: boolean, syscall: string, deadline?: number) {
    super(syscall, deadline);
    this.stream = stream;
    this.isLinger = isLinger;
  }

  override reset(): void {
    this.#isStarted = false;
  }

  override poll(): number {
    if (this.#isStarted) return this.stream.pollClose(this.isLinger);
    const first = this.stream.startClose(this.isLinger);
    this.#isStarted = first !== -EBADF;
    return first;
  }

  override queue(): WaitQueue {
    return this.stream.writers;
  }

  override take(): void {
    this.stream.endClose(true);
  }

  override withdrawn(errno: number): void {
    if (this.#isStarted) {
      this.stream.endClose(false);
    } else if (errno !== -EBADF && errno !== 0 && this.stream.isOpen) {
      // Cancelled before the first step: the handle is closed all the same, by RST. One that
      // another coroutine is closing is not open any more, and goes on closing.
      this.stream.abort();
    }
  }

  override error(errno: number): Error {
    return this.stream.errorOf(errno, this.syscall);
  }
}
