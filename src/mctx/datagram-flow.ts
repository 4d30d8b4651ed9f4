// SPDX-License-Identifier: MIT
// One UDP socket of a context, as the socket layer sees it: where it is bound, what has arrived for
// it, and what ICMP and ARP have said about what it sent (RFC 1122 §4.1.3.3).

import { IpAddress } from "../ip/address.ts";
import { EACCES, EAFNOSUPPORT, EAGAIN, EDESTADDRREQ, EMSGSIZE, ENETUNREACH } from "../tcp/errno.ts";
import { EVENT_READABLE, EVENT_STATE, EVENT_WRITABLE } from "../tcp/host.ts";
import type { DatagramEnd, DatagramFlow, ReceivedDatagram } from "../transport/datagram.ts";
import type { Endpoint, FlowSink } from "../transport/stream.ts";
import type { Place } from "../udp/place-table.ts";
import { type AddressWords, ReceiveQueue, TakenDatagram } from "../udp/receive-queue.ts";
import { IPV4_HEADER_BYTES, IPV4_MAX_BYTES, PROTOCOL_UDP } from "../wire/ipv4.ts";
import {
  UDP_CHECKSUM_OFFSET,
  UDP_HEADER_BYTES,
  type UdpDatagram,
  writeUdpHeader,
} from "../wire/udp.ts";
import type { Limits } from "./limits.ts";
import type { Network } from "./network.ts";

const ALL_EVENTS = EVENT_READABLE | EVENT_WRITABLE | EVENT_STATE;
/** Filled and read within one call. */
const TAKEN = new TakenDatagram();

/** What a datagram flow needs of its context. */
export interface DatagramOwner {
  readonly network: Network;
  readonly limits: Limits;
  /** Finds room in the tx ring; else notes that the flow waits for it. */
  reserve(flow: UdpFlow): boolean;
  /** Whether the last datagram of a connected flow waits for the MAC address of its next hop. */
  heldUp(flow: UdpFlow, isUnresolved: boolean): void;
  remove(flow: UdpFlow): void;
}

/** One UDP socket. Made by `Datagrams`. */
export class UdpFlow implements DatagramFlow, Place {
  readonly local: IpAddress | null;
  readonly localPort: number;
  readonly remote: IpAddress | null;
  readonly remotePort: number;
  /** Where packets to `remote` go first; null if there is no one remote. */
  readonly nextHop: IpAddress | null;
  readonly localEnd: Endpoint;
  sink: FlowSink | null;
  failure: number;
  /** True while it waits for room in the tx ring. */
  isBlocked: boolean;
  /** True while it may hear that its next hop does not answer. */
  isUnresolved: boolean;
  readonly #owner: DatagramOwner;
  readonly #queue: ReceiveQueue;
  /** 0, or -errno about a datagram sent earlier that nobody has been told of. */
  #softError: number;
  /** Longest payload sent so far, -1 for none: what an ICMP error can be about. */
  #longestSentBytes: number;
  // The sender of the last datagram taken: usually that of the next, and its text is dear to make.
  #from: IpAddress;
  #fromEnd: Endpoint;

  constructor(
    owner: DatagramOwner,
    local: IpAddress | null,
    localPort: number,
    remote: DatagramEnd | null,
    nextHop: IpAddress | null,
    sink: FlowSink,
  ) {
    const { network, limits } = owner;
    this.#owner = owner;
    this.local = local;
    this.localPort = localPort;
    this.remote = remote?.address ?? null;
    this.remotePort = remote?.port ?? 0;
    this.nextHop = nextHop;
    this.localEnd = { host: (local ?? network.address).toString(), port: localPort };
    this.sink = sink;
    this.failure = 0;
    this.isBlocked = false;
    this.isUnresolved = false;
    this.#queue = new ReceiveQueue(limits.maxQueuedDatagramBytes, limits.maxQueuedDatagrams);
    this.#softError = 0;
    this.#longestSentBytes = -1;
    this.#from = network.address;
    this.#fromEnd = this.localEnd;
  }

  // --- user calls: none waits ------------------------------------------------------------------

  /** True if a datagram, or an error about one sent earlier, can be taken. */
  get hasReceived(): boolean {
    return this.#queue.size > 0 || this.#softError !== 0;
  }

  /** Bytes of datagrams that wait. */
  get heldBytes(): number {
    return this.#queue.heldBytes;
  }

  /** Largest payload that can be sent: what fits one packet, since we do not fragment. */
  get sendLimitBytes(): number {
    const packetBytes = Math.min(this.#owner.network.mtu, IPV4_MAX_BYTES);
    return packetBytes - IPV4_HEADER_BYTES - UDP_HEADER_BYTES;
  }

  /** Sends one datagram. @returns 0, -EAGAIN or -errno */
  send(to: DatagramEnd | null, bytes: Uint8Array, offset: number, length: number): number {
    if (this.failure !== 0) return this.failure;
    if (this.#softError !== 0) return this.#takeError();
    if (length > this.sendLimitBytes) return EMSGSIZE;
    const { network } = this.#owner;
    const remote = to === null ? this.remote : to.address;
    if (remote === null) return EDESTADDRREQ;
    if (remote.family !== 4) return EAFNOSUPPORT;
    if (network.isGroupAddress(remote)) return EACCES;
    const nextHop = to === null ? this.nextHop : network.nextHop(remote);
    if (nextHop === null) return ENETUNREACH;
    if (!this.#owner.reserve(this)) return EAGAIN;
    const { tx } = network;
    const { txBytes, txOffset } = tx;
    const isWhole = offset === 0 && length === bytes.length;
    const payload = isWhole ? bytes : bytes.subarray(offset, offset + length);
    writeUdpHeader(txBytes, txOffset, this.localPort, to?.port ?? this.remotePort, length);
    txBytes.set(payload, txOffset + UDP_HEADER_BYTES);
    const isGone = tx.commitIpv4(
      network.address,
      remote,
      nextHop,
      PROTOCOL_UDP,
      UDP_CHECKSUM_OFFSET,
      UDP_HEADER_BYTES + length,
    );
    if (length > this.#longestSentBytes) this.#longestSentBytes = length;
    if (this.remote !== null && isGone === this.isUnresolved) this.#owner.heldUp(this, !isGone);
    return 0;
  }

  /** Takes the oldest datagram. @returns bytes written to `into`, -EAGAIN or -errno */
  receive(into: Uint8Array, about: ReceivedDatagram): number {
    if (this.failure !== 0) return this.failure;
    if (this.#softError !== 0) return this.#takeError();
    if (this.#queue.size === 0) return EAGAIN;
    const count = this.#queue.take(into, TAKEN);
    about.lengthBytes = TAKEN.lengthBytes;
    about.from = this.#endOf(TAKEN, TAKEN.port);
    return count;
  }

  /** Ends it. Idempotent. */
  close(): void {
    this.sink = null;
    this.#queue.clear();
    this.#owner.remove(this);
  }

  // --- from the context --------------------------------------------------------------------------

  /** A datagram has come. @returns false: it has no room */
  arrives(datagram: UdpDatagram, from: AddressWords): boolean {
    const { bytes, payloadOffset, payloadBytes, srcPort } = datagram;
    if (!this.#queue.push(bytes, payloadOffset, payloadBytes, from, srcPort)) return false;
    this.sink?.flowEvents(EVENT_READABLE);
    return true;
  }

  /** Tells whether it may have sent a datagram of so many bytes of payload. */
  maySent(payloadBytes: number): boolean {
    return payloadBytes >= 0 && payloadBytes <= this.#longestSentBytes;
  }

  /** Something sent earlier has not arrived. The next call says so, once; the socket lives on. */
  errorArrives(errno: number): void {
    this.#softError = errno;
    this.sink?.flowEvents(EVENT_READABLE);
  }

  /** The tx ring has room. */
  writable(): void {
    this.sink?.flowEvents(EVENT_WRITABLE);
  }

  /** The context can no longer serve it. */
  fail(errno: number): void {
    this.failure = errno;
    this.#queue.clear();
    this.sink?.flowEvents(ALL_EVENTS);
  }

  #takeError(): number {
    const errno = this.#softError;
    this.#softError = 0;
    return errno;
  }

  #endOf({ w0, w1, w2, w3 }: AddressWords, port: number): Endpoint {
    const last = this.#from;
    const isLast = last.w3 === w3 && last.w2 === w2 && last.w1 === w1 && last.w0 === w0;
    if (!isLast || this.#fromEnd.port !== port) {
      this.#from = isLast ? last : new IpAddress(w0, w1, w2, w3);
      this.#fromEnd = { host: isLast ? this.#fromEnd.host : this.#from.toString(), port };
    }
    return this.#fromEnd;
  }
}
