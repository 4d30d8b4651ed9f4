// SPDX-License-Identifier: MIT
// Reassembly of IPv4 fragments (RFC 791 §3.2, RFC 1122 §3.3.2) in bounded memory (hostile-input
// B7, B8). Stricter than the RFCs, as RFC 5722 is for IPv6: fragments that overlap in any way,
// reach past the end, or tell two ends, condemn their datagram, and whatever else comes of it
// until its time is up. A TCP header must lie in the first fragment whole (RFC 1858, RFC 3128).
// Left out: the ICMP "time exceeded" about datagrams that stay incomplete.

import { IPV4_HEADER_BYTES, type Ipv4Header, PROTOCOL_TCP, writeIpv4 } from "../wire/ipv4.ts";
import { TCP_HEADER_BYTES } from "../wire/tcp.ts";

/** Kept; the datagram is not complete. */
export const REASSEMBLY_PENDING = 0;
/** The datagram is complete: see `Reassembler.packet`. */
export const REASSEMBLY_COMPLETE = 1;
/** Dropped: a transport header cut apart. */
export const REASSEMBLY_TINY = -1;
/** Dropped, with its datagram: overlap, or ends that contradict each other. */
export const REASSEMBLY_OVERLAP = -2;
/** Dropped, with its datagram: too many fragments. */
export const REASSEMBLY_FRAGMENTS = -3;
/** Dropped: it belongs to a condemned datagram. */
export const REASSEMBLY_CONDEMNED = -4;
/** Dropped: larger than all memory for fragments. */
export const REASSEMBLY_BYTES = -5;

/** Names by `-code` of what `add` returns below 0, for counters. */
export const REASSEMBLY_NAMES: readonly string[] = [
  "pending",
  "tiny",
  "overlap",
  "fragments",
  "condemned",
  "bytes",
];

/** The bounds of a reassembler. */
export interface ReassemblyLimits {
  /** Datagrams in pieces; beyond it the oldest makes room. */
  readonly maxDatagrams: number;
  /** Fragments of one datagram. */
  readonly maxFragments: number;
  /** Bytes of all fragments; beyond it the oldest datagram makes room. */
  readonly maxBytes: number;
  /** Time from the first fragment to giving up (RFC 1122 §3.3.2: 60 to 120 s). */
  readonly timeoutMs: number;
}

/** What a reassembler is bounded by when nothing else is asked for. */
export const DEFAULT_REASSEMBLY_LIMITS: ReassemblyLimits = {
  maxDatagrams: 64,
  // 65,535 bytes over links of 576.
  maxFragments: 128,
  maxBytes: 262_144,
  timeoutMs: 60_000,
};

const NO_BYTES = new Uint8Array(0);

/** One datagram in pieces. */
class Datagram {
  readonly src: number;
  readonly dst: number;
  readonly id: number;
  readonly protocol: number;
  readonly createdMs: number;
  /** Ascending, disjoint; parallel to `pieces`. */
  readonly starts: number[] = [];
  readonly pieces: Uint8Array[] = [];
  heldBytes = 0;
  /** Payload length by the last fragment, -1 before it has come. */
  totalBytes = -1;
  isCondemned = false;
  tos = 0;
  ttl = 0;

  constructor(header: Ipv4Header, nowMs: number) {
    this.src = header.src;
    this.dst = header.dst;
    this.id = header.id;
    this.protocol = header.protocol;
    this.createdMs = nowMs;
  }

  matches(header: Ipv4Header): boolean {
    return (
      this.id === header.id &&
      this.src === header.src &&
      this.dst === header.dst &&
      this.protocol === header.protocol
    );
  }

  get isComplete(): boolean {
    return this.heldBytes === this.totalBytes;
  }
}

/** Puts fragments together. One per context. */
export class Reassembler {
  readonly #limits: ReassemblyLimits;
  /** Oldest first, which is also the order in which they time out. */
  readonly #datagrams: Datagram[] = [];
  #heldBytes = 0;
  /** After REASSEMBLY_COMPLETE: the whole packet, with an IPv4 header of 20 bytes; a new array. */
  packet: Uint8Array = NO_BYTES;

  /** @param limits - those that differ from DEFAULT_REASSEMBLY_LIMITS */
  constructor(limits: Partial<ReassemblyLimits> = {}) {
    this.#limits = { ...DEFAULT_REASSEMBLY_LIMITS, ...limits };
  }

  /** Datagrams in pieces, condemned ones included. */
  get size(): number {
    return this.#datagrams.length;
  }

  /** Bytes of fragments held. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /**
   * Takes a fragment.
   *
   * @param bytes - copied from
   * @param offset - first byte of the packet
   * @param header - of that packet, as `parseIpv4` accepted it, with `isFragment`
   * @returns REASSEMBLY_PENDING, REASSEMBLY_COMPLETE, or why it was dropped
   */
  add(bytes: Uint8Array, offset: number, header: Ipv4Header, nowMs: number): number {
    this.onTimeout(nowMs);
    const payload = offset + header.headerBytes;
    if (isTiny(bytes, payload, header)) return REASSEMBLY_TINY;
    const length = header.payloadBytes;
    if (length > this.#limits.maxBytes) return REASSEMBLY_BYTES;
    let datagram = this.#datagrams.find((other) => other.matches(header));
    if (datagram === undefined) {
      datagram = new Datagram(header, nowMs);
      if (this.#datagrams.length >= this.#limits.maxDatagrams) this.#dropOldest();
      this.#datagrams.push(datagram);
    }
    if (datagram.isCondemned) return REASSEMBLY_CONDEMNED;
    if (datagram.pieces.length >= this.#limits.maxFragments) {
      return this.#condemn(datagram, REASSEMBLY_FRAGMENTS);
    }
    const at = placeOf(datagram, header.fragmentOffset, length, header.moreFragments);
    if (at < 0) return this.#condemn(datagram, REASSEMBLY_OVERLAP);
    while (this.#heldBytes + length > this.#limits.maxBytes) {
      if (this.#datagrams[0] === datagram) return this.#condemn(datagram, REASSEMBLY_BYTES);
      this.#dropOldest();
    }
    datagram.starts.splice(at, 0, header.fragmentOffset);
    datagram.pieces.splice(at, 0, bytes.slice(payload, payload + length));
    datagram.heldBytes += length;
    this.#heldBytes += length;
    if (!header.moreFragments) datagram.totalBytes = header.fragmentOffset + length;
    if (header.fragmentOffset === 0) {
      datagram.tos = header.tos;
      datagram.ttl = header.ttl;
    }
    return datagram.isComplete ? this.#complete(datagram) : REASSEMBLY_PENDING;
  }

  /** When the oldest datagram is given up, ms; Infinity: there is none. */
  nextTimeout(): number {
    const oldest = this.#datagrams[0];
    if (oldest === undefined) return Number.POSITIVE_INFINITY;
    return oldest.createdMs + this.#limits.timeoutMs;
  }

  /** Gives up datagrams whose time is up. */
  onTimeout(nowMs: number): void {
    while (this.nextTimeout() <= nowMs) this.#dropOldest();
  }

  /** Drops everything. */
  clear(): void {
    this.#datagrams.length = 0;
    this.#heldBytes = 0;
    this.packet = NO_BYTES;
  }

  #dropOldest(): void {
    const oldest = this.#datagrams.shift();
    if (oldest !== undefined) this.#heldBytes -= oldest.heldBytes;
  }

  #condemn(datagram: Datagram, reason: number): number {
    this.#heldBytes -= datagram.heldBytes;
    datagram.heldBytes = 0;
    datagram.pieces.length = 0;
    datagram.starts.length = 0;
    datagram.isCondemned = true;
    return reason;
  }

  #complete(datagram: Datagram): number {
    const packet = new Uint8Array(IPV4_HEADER_BYTES + datagram.totalBytes);
    const { ttl, protocol, src, dst, id, tos, starts } = datagram;
    writeIpv4(packet, 0, packet.length, ttl, protocol, src, dst, id, false, tos);
    for (const [i, piece] of datagram.pieces.entries()) {
      packet.set(piece, IPV4_HEADER_BYTES + (starts[i] as number));
    }
    this.#datagrams.splice(this.#datagrams.indexOf(datagram), 1);
    this.#heldBytes -= datagram.heldBytes;
    this.packet = packet;
    return REASSEMBLY_COMPLETE;
  }
}

/** Whether a TCP header is cut by the end of the first fragment or the start of a later one. */
function isTiny(bytes: Uint8Array, payload: number, header: Ipv4Header): boolean {
  if (header.protocol !== PROTOCOL_TCP) return false;
  if (header.fragmentOffset !== 0) return header.fragmentOffset < TCP_HEADER_BYTES;
  if (header.payloadBytes < TCP_HEADER_BYTES) return true;
  return header.payloadBytes < ((bytes[payload + 12] as number) >>> 4) << 2;
}

/** @returns the index a fragment belongs at, -1 if it contradicts what is there */
function placeOf(datagram: Datagram, start: number, length: number, more: boolean): number {
  const { starts, pieces, totalBytes } = datagram;
  const end = start + length;
  if (totalBytes >= 0 && (!more || end > totalBytes)) return -1;
  let low = 0;
  let high = starts.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((starts[middle] as number) < start) low = middle + 1;
    else high = middle;
  }
  if (low < starts.length && (!more || (starts[low] as number) < end)) return -1;
  if (low > 0) {
    const before = (starts[low - 1] as number) + (pieces[low - 1] as Uint8Array).length;
    if (before > start) return -1;
  }
  return low;
}
