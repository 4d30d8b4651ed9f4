// SPDX-License-Identifier: MIT
// A pipe: two ends and one ring of bytes, for one part of a program to wake another that waits in
// epoll. The first end is read, the second written, as in POSIX; in mTCP both are both.

import { EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT } from "./constants.ts";
import type { Mctx } from "./context.ts";
import type { Descriptor } from "./descriptors.ts";
import { EAGAIN, EBADF, EPIPE } from "./errno.ts";
import { ALL_EVENTS, Pollable, READ_EVENTS, WRITE_EVENTS } from "./pollable.ts";

/** Size of the ring, as in mTCP. */
export const PIPE_BYTES = 10_240;
/** A write of at most so many bytes is done whole or not at all. */
export const PIPE_BUF = 4_096;

/** The ring between two ends. */
class Ring {
  readonly #memory: Uint8Array = new Uint8Array(PIPE_BYTES);
  #head = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  get room(): number {
    return PIPE_BYTES - this.#length;
  }

  /** Copies in `count` bytes, at most `room`. */
  put(bytes: Uint8Array, offset: number, count: number): void {
    const start = (this.#head + this.#length) % PIPE_BYTES;
    const first = Math.min(count, PIPE_BYTES - start);
    this.#memory.set(bytes.subarray(offset, offset + first), start);
    this.#memory.set(bytes.subarray(offset + first, offset + count), 0);
    this.#length += count;
  }

  /** Copies out `count` bytes, at most `length`. */
  get(into: Uint8Array, offset: number, count: number): void {
    const first = Math.min(count, PIPE_BYTES - this.#head);
    into.set(this.#memory.subarray(this.#head, this.#head + first), offset);
    into.set(this.#memory.subarray(0, count - first), offset + first);
  }

  /** Forgets the first `count` bytes. */
  drop(count: number): void {
    this.#head = (this.#head + count) % PIPE_BYTES;
    this.#length -= count;
  }
}

/** One end of a pipe. */
export class PipeEnd implements Descriptor {
  readonly kind = "pipe";
  readonly poll: Pollable;
  readonly isReader: boolean;
  readonly #ring: Ring;
  readonly #mctx: Mctx;
  /** The other end while that is open. */
  #other: PipeEnd | null;
  #isOpen: boolean;

  private constructor(mctx: Mctx, ring: Ring, isReader: boolean) {
    this.poll = new Pollable();
    this.isReader = isReader;
    this.#ring = ring;
    this.#mctx = mctx;
    this.#other = null;
    this.#isOpen = true;
  }

  /** Makes both ends, which hold one of the context's buffers. @returns reader and writer */
  static pair(mctx: Mctx): [PipeEnd, PipeEnd] {
    const ring = new Ring();
    const reader = new PipeEnd(mctx, ring, true);
    const writer = new PipeEnd(mctx, ring, false);
    reader.#other = writer;
    writer.#other = reader;
    mctx.takeBuffer();
    return [reader, writer];
  }

  /** @returns bytes, 0: the writer is closed, -EAGAIN: none now, -EBADF: this is the writer */
  receive(into: Uint8Array, offset: number, length: number, isPeek: boolean): number {
    if (!this.isReader) return -EBADF;
    if (length === 0) return 0;
    const count = Math.min(length, this.#ring.length);
    if (count === 0) return this.#other === null ? 0 : -EAGAIN;
    this.#ring.get(into, offset, count);
    if (isPeek) return count;
    this.#ring.drop(count);
    this.#other?.poll.raise(WRITE_EVENTS);
    return count;
  }

  /** @returns bytes taken, -EAGAIN: no room, -EPIPE: nobody reads, -EBADF: this is the reader */
  send(bytes: Uint8Array, offset: number, length: number): number {
    const gate = this.gate(length);
    if (gate < 0 || length === 0) return gate;
    const count = Math.min(length, this.#ring.room);
    this.#ring.put(bytes, offset, count);
    this.#other?.poll.raise(READ_EVENTS);
    return count;
  }

  /** Whether a write of `length` bytes can begin. @returns 0, or -errno as `send` */
  gate(length: number): number {
    if (this.isReader) return -EBADF;
    if (this.#other === null) return -EPIPE;
    const { room } = this.#ring;
    const isTooMuch = length <= PIPE_BUF ? room < length : room === 0;
    return isTooMuch ? -EAGAIN : 0;
  }

  /** Bytes that can be read. */
  get readableBytes(): number {
    return this.isReader ? this.#ring.length : 0;
  }

  /** Bytes that there is room for. */
  get roomBytes(): number {
    return this.#ring.room;
  }

  /** How things stand: EPOLL* bits. Writable means that any write up to PIPE_BUF is taken. */
  readiness(): number {
    if (this.isReader) {
      return (this.#ring.length > 0 ? EPOLLIN : 0) | (this.#other === null ? EPOLLHUP : 0);
    }
    if (this.#other === null) return EPOLLOUT | EPOLLERR;
    return this.#ring.room >= PIPE_BUF ? EPOLLOUT : 0;
  }

  /** As `mtcp_close`. */
  close(): number {
    if (!this.#isOpen) return 0;
    this.#isOpen = false;
    const other = this.#other;
    this.#other = null;
    if (other === null) this.#mctx.giveBuffer();
    else {
      other.#other = null;
      other.poll.raise(ALL_EVENTS);
    }
    this.poll.end();
    return 0;
  }

  /** The same. */
  drop(): void {
    this.close();
  }
}
