// SPDX-License-Identifier: MIT
// Datagrams that have arrived at one socket and wait to be taken: payloads one after the other in a
// ring of bytes, lengths and senders in a ring of numbers beside it. Bounded by both, since a
// thousand empty datagrams have no bytes. What has no room is dropped, the newest first (RFC 768
// promises nothing), and costs no allocation.

import { ByteRing } from "../tcp/byte-ring.ts";

/** An address as four int32 words, as in `IpAddress`; arriving packets reuse one such object. */
export interface AddressWords {
  readonly w0: number;
  readonly w1: number;
  readonly w2: number;
  readonly w3: number;
}

/** int32 per datagram: length, port, address. */
const FIELDS = 6;
const LENGTH = 0;
const PORT = 1;
const ADDRESS = 2;
/** First allocation, in datagrams: a request and its answer, and then some. */
const FIRST_CAPACITY = 8;

const NO_FIELDS = new Int32Array(0);

/** What is known of a datagram that was taken; reused for datagram after datagram. */
export class TakenDatagram implements AddressWords {
  /** All bytes that it carried, also those that had no room. */
  lengthBytes = 0;
  /** Port of the sender. */
  port = 0;
  w0 = 0;
  w1 = 0;
  w2 = 0;
  w3 = 0;
}

/** The datagrams that wait at one socket, oldest first. */
export class ReceiveQueue {
  readonly #limitBytes: number;
  readonly #limitDatagrams: number;
  readonly #ring: ByteRing;
  /** A power of two of datagrams, FIELDS numbers each. */
  #fields: Int32Array = NO_FIELDS;
  #capacity = 0;
  /** Counts the datagrams taken, modulo 2^32; its place is `#head & (#capacity - 1)`. */
  #head = 0;
  #size = 0;
  #heldBytes = 0;

  /**
   * @param limitBytes - most bytes of payload
   * @param limitDatagrams - most datagrams
   */
  constructor(limitBytes: number, limitDatagrams: number) {
    this.#limitBytes = limitBytes;
    this.#limitDatagrams = limitDatagrams;
    this.#ring = new ByteRing(limitBytes);
  }

  /** Datagrams that wait. */
  get size(): number {
    return this.#size;
  }

  /** Bytes of their payloads. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /**
   * Adds a copy of a datagram at the end.
   *
   * @param from - address of the sender
   * @param port - of the sender
   * @returns false: it has no room and is dropped
   */
  push(
    bytes: Uint8Array,
    offset: number,
    length: number,
    from: AddressWords,
    port: number,
  ): boolean {
    if (this.#size >= this.#limitDatagrams) return false;
    if (this.#heldBytes + length > this.#limitBytes) return false;
    if (this.#size >= this.#capacity) this.#grow();
    const at = ((this.#head + this.#size) & (this.#capacity - 1)) * FIELDS;
    const fields = this.#fields;
    fields[at + LENGTH] = length;
    fields[at + PORT] = port;
    fields[at + ADDRESS] = from.w0;
    fields[at + ADDRESS + 1] = from.w1;
    fields[at + ADDRESS + 2] = from.w2;
    fields[at + ADDRESS + 3] = from.w3;
    if (length > 0) this.#ring.put(this.#heldBytes, bytes, offset, length, this.#heldBytes);
    this.#heldBytes += length;
    this.#size++;
    return true;
  }

  /**
   * Takes the oldest datagram, which must be there; what `into` has no room for is lost.
   *
   * @param about - filled: its length, its sender
   * @returns bytes written to `into`
   */
  take(into: Uint8Array, about: TakenDatagram): number {
    const fields = this.#fields;
    const at = this.#at;
    const length = fields[at + LENGTH] as number;
    about.lengthBytes = length;
    about.port = fields[at + PORT] as number;
    about.w0 = fields[at + ADDRESS] as number;
    about.w1 = fields[at + ADDRESS + 1] as number;
    about.w2 = fields[at + ADDRESS + 2] as number;
    about.w3 = fields[at + ADDRESS + 3] as number;
    const count = Math.min(length, into.length);
    this.#ring.get(0, into, 0, count);
    this.#ring.advance(length);
    this.#heldBytes -= length;
    this.#head = (this.#head + 1) | 0;
    this.#size--;
    if (this.#heldBytes === 0) this.#ring.emptied();
    return count;
  }

  /** Drops all, and gives the memory back. */
  clear(): void {
    this.#ring.release();
    this.#fields = NO_FIELDS;
    this.#capacity = 0;
    this.#head = 0;
    this.#size = 0;
    this.#heldBytes = 0;
  }

  get #at(): number {
    return (this.#head & (this.#capacity - 1)) * FIELDS;
  }

  #grow(): void {
    const capacity = Math.max(this.#capacity * 2, FIRST_CAPACITY);
    const fields = new Int32Array(capacity * FIELDS);
    // All places are taken: those from the oldest to the end of memory come first.
    const at = this.#capacity === 0 ? 0 : this.#at;
    fields.set(this.#fields.subarray(at));
    fields.set(this.#fields.subarray(0, at), this.#fields.length - at);
    this.#fields = fields;
    this.#capacity = capacity;
    this.#head = 0;
  }
}
