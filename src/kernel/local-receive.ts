// SPDX-License-Identifier: MIT
// The receiving half of a local stream: bytes stay in the kernel until somebody asks for them.
// Only a clause of `choose`, which takes all that it wants or nothing, needs them gathered here.
//
// A descriptor belongs to the bytes that it was sent with. Whoever takes those by an ordinary
// receive has not asked for it, and it is closed; so none is ever lost.

import { ByteRing } from "../tcp/byte-ring.ts";
import { EAGAIN, EMFILE, EPIPE, EPROTO } from "./errno.ts";
import {
  ABOUT_DESCRIPTORS,
  ABOUT_DROPPED,
  ABOUT_FDS,
  ABOUT_FIELDS,
  ABOUT_MORE,
  INFO_RECEIVE_QUEUE,
  type NativeSockets,
} from "./native-sockets.ts";
import { ReceivedDescriptors } from "./received-descriptors.ts";

/** Most bytes that are gathered. */
const GATHER_BYTES = 262_144;
const SCRATCH_BYTES = 65_536;
/** Calls per round that drop what nobody wants. */
const DRAINS_PER_ROUND = 16;

/** Filled in and emptied within one call. */
const ABOUT = new Int32Array(ABOUT_FIELDS);
let scratch: Uint8Array | null = null;

/** What one local stream receives. */
export class LocalReceive {
  /** Something may be there: bytes, the end, or an error. */
  mayHave = true;
  isDiscarding = false;
  /** The peer's end of the stream has been seen. */
  isFinished = false;
  /** 0, or -errno: what the kernel has said instead of giving bytes. */
  failure = 0;
  bytesReceived = 0;
  readonly limitBytes: number = GATHER_BYTES;
  readonly #native: NativeSockets;
  readonly #id: number;
  readonly #kept: ByteRing = new ByteRing(GATHER_BYTES);
  #keptLength = 0;
  /** Those that came with bytes that are kept. */
  readonly #descriptors: ReceivedDescriptors;

  constructor(native: NativeSockets, id: number) {
    this.#native = native;
    this.#id = id;
    this.#descriptors = new ReceivedDescriptors(native);
  }

  /** Bytes that are here and no longer in the kernel. */
  get keptBytes(): number {
    return this.#keptLength;
  }

  /** Bytes that can be taken now. */
  get availableBytes(): number {
    if (!this.mayHave) return this.#keptLength;
    return this.#keptLength + (this.#native.info(this.#id)[INFO_RECEIVE_QUEUE] as number);
  }

  /** @returns bytes taken, 0: none there, the end, or a failure */
  take(into: Uint8Array, offset: number, length: number): number {
    let taken = 0;
    if (this.#keptLength > 0) {
      taken = Math.min(length, this.#keptLength);
      this.#kept.get(0, into, offset, taken);
      this.#passKept(taken);
    }
    while (taken < length) {
      const count = this.#receive(into, offset + taken, length - taken);
      if (count <= 0) break;
      this.#closeCome();
      taken += count;
    }
    return taken;
  }

  /** Copies bytes that are kept. @returns how many */
  peek(into: Uint8Array, offset: number, length: number): number {
    const count = Math.min(length, this.#keptLength);
    this.#kept.get(0, into, offset, count);
    return count;
  }

  /** Bytes that `view` shows. */
  get viewedBytes(): number {
    this.gather(GATHER_BYTES);
    return this.#kept.frontBytes(this.#keptLength);
  }

  /** Bytes that lie in one piece, from the oldest on. @returns good until some are received */
  view(): Uint8Array {
    this.gather(GATHER_BYTES);
    return this.#kept.front(this.#keptLength);
  }

  /** Takes bytes that `view` shows. */
  consume(count: number): void {
    if (count > 0) this.#passKept(count);
  }

  /** Gathers up to `wanted` bytes. */
  gather(wanted: number): void {
    const most = Math.min(wanted, GATHER_BYTES);
    while (this.#keptLength < most) {
      const bytes = scratchBytes();
      const count = this.#receive(bytes, 0, Math.min(most - this.#keptLength, bytes.length));
      if (count <= 0) break;
      this.#keep(bytes, count);
    }
  }

  /**
   * Takes the next byte and the descriptor that came with it. A byte without one stays.
   *
   * @returns the descriptor, EAGAIN, EPROTO, EPIPE at the end of the stream, EMFILE when the kernel
   *   had to drop it, or another -errno
   */
  takeDescriptor(): number {
    if (this.#keptLength === 0) {
      const bytes = scratchBytes();
      // One byte: what comes with it was sent with it.
      const count = this.#receive(bytes, 0, 1);
      if (count <= 0) return this.isFinished ? EPIPE : this.failure || EAGAIN;
      if (ABOUT[ABOUT_DESCRIPTORS] === 0 && ABOUT[ABOUT_DROPPED] === 1) return EMFILE;
      this.#keep(bytes, count);
    }
    if (this.#descriptors.position !== this.#position) return EPROTO;
    const fd = this.#descriptors.take();
    this.#passKept(1);
    return fd;
  }

  /** From now on drops what is here and what comes. */
  discard(): void {
    this.isDiscarding = true;
    this.clear();
  }

  /** Drops what is there, a bounded part of it; `mayHave` tells whether that was all. */
  drain(): void {
    const bytes = scratchBytes();
    for (let i = 0; i < DRAINS_PER_ROUND; i++) {
      // Behind the last bytes there may be the end, of which the kernel has not told yet.
      this.mayHave = true;
      if (this.#receive(bytes, 0, bytes.length) <= 0) return;
      this.#closeCome();
    }
    this.mayHave = true;
  }

  /** Drops what is here. */
  clear(): void {
    this.#keptLength = 0;
    this.#kept.release();
    this.#descriptors.clear();
  }

  /** Position in the stream of the next byte to be taken. */
  get #position(): number {
    return this.bytesReceived - this.#keptLength;
  }

  /** Asks the kernel. @returns bytes received; 0: none there now, the end, or a failure */
  #receive(into: Uint8Array, offset: number, length: number): number {
    if (!this.mayHave) return 0;
    const count = this.#native.receive(this.#id, into, offset, length, ABOUT);
    if (count > 0) {
      this.bytesReceived += count;
      this.mayHave = ABOUT[ABOUT_MORE] === 1;
      return count;
    }
    this.mayHave = false;
    if (count === 0) this.isFinished = true;
    else if (count !== EAGAIN) this.failure = count;
    return 0;
  }

  /** Keeps bytes that have just been received, and what came with them. */
  #keep(bytes: Uint8Array, count: number): void {
    this.#kept.put(this.#keptLength, bytes, 0, count, this.#keptLength);
    this.#keptLength += count;
    const came = ABOUT[ABOUT_DESCRIPTORS] as number;
    for (let i = 0; i < came; i++) this.#descriptors.arrived(ABOUT[ABOUT_FDS + i] as number);
    // The kernel stops behind the bytes of a message that has descriptors.
    this.#descriptors.settle(this.bytesReceived - 1);
  }

  /** Closes the descriptors that have just come. */
  #closeCome(): void {
    const came = ABOUT[ABOUT_DESCRIPTORS] as number;
    for (let i = 0; i < came; i++) this.#native.closeDescriptor(ABOUT[ABOUT_FDS + i] as number);
  }

  #passKept(count: number): void {
    this.#keptLength -= count;
    if (this.#keptLength === 0) this.#kept.emptied();
    else this.#kept.advance(count);
    this.#descriptors.passed(this.#position);
  }
}

function scratchBytes(): Uint8Array {
  scratch ??= new Uint8Array(SCRATCH_BYTES);
  return scratch;
}
