// SPDX-License-Identifier: MIT
// The UDP sockets of a context: who has which port, who gets what arrives, whom an ICMP error is
// about, and who waits for room in the tx ring.

import type { IpAddress } from "../ip/address.ts";
import {
  EACCES,
  EADDRINUSE,
  EADDRNOTAVAIL,
  EHOSTUNREACH,
  EMSGSIZE,
  ENETUNREACH,
} from "../tcp/errno.ts";
import type { DatagramPlace } from "../transport/datagram.ts";
import type { FlowSink } from "../transport/stream.ts";
import { PlaceTable, type TupleHash } from "../udp/place-table.ts";
import type { QuotedPacket } from "../wire/icmp.ts";
import { IPV4_HEADER_BYTES } from "../wire/ipv4.ts";
import { UDP_HEADER_BYTES, type UdpDatagram } from "../wire/udp.ts";
import { type DatagramOwner, UdpFlow } from "./datagram-flow.ts";
import type { Limits } from "./limits.ts";
import type { Network } from "./network.ts";
import type { Secrets } from "./secrets.ts";

/** One in so many slots of the tx ring is left to TCP, which sends once the coroutines have run. */
const TCP_SHARE = 4;

/** All UDP sockets of one context. */
export class Datagrams implements DatagramOwner {
  readonly network: Network;
  readonly limits: Limits;
  readonly #secrets: Secrets;
  readonly #places: PlaceTable<UdpFlow>;
  /** Waiting for room in the tx ring, first come first served. */
  #blocked: UdpFlow[];
  /** Connected flows with a datagram that waits for ARP. */
  readonly #unresolved: Set<UdpFlow>;

  /** @param hasher - of 4-tuples, under a secret of the context */
  constructor(network: Network, secrets: Secrets, limits: Limits, hasher: TupleHash) {
    this.network = network;
    this.limits = limits;
    this.#secrets = secrets;
    this.#places = new PlaceTable(hasher);
    this.#blocked = [];
    this.#unresolved = new Set();
  }

  /** Sockets there are. */
  get size(): number {
    return this.#places.size;
  }

  /** Sockets that wait for room in the tx ring. */
  get blocked(): number {
    return this.#blocked.length;
  }

  /** Bytes of datagrams that wait to be received. */
  get heldBytes(): number {
    let heldBytes = 0;
    for (const flow of this.#places.all()) heldBytes += flow.heldBytes;
    return heldBytes;
  }

  /** Opens a socket. @returns it, or -errno */
  open(place: DatagramPlace, sink: FlowSink): UdpFlow | number {
    const { network } = this;
    const { address, port, remote } = place;
    if (address !== null && !network.isOwnAddress(address)) return EADDRNOTAVAIL;
    if (remote !== null && network.isGroupAddress(remote.address)) return EACCES;
    const nextHop = remote === null ? null : network.nextHop(remote.address);
    if (remote !== null && nextHop === null) return ENETUNREACH;
    const chosen = port !== 0 ? port : this.#freePort();
    if (chosen === 0) return EADDRNOTAVAIL;
    // To one peer there is one way, and so one address of ours.
    const local = remote === null ? address : network.address;
    const flow = new UdpFlow(this, local, chosen, remote, nextHop, sink);
    return this.#places.add(flow) ? flow : EADDRINUSE;
  }

  // --- from the receiver -------------------------------------------------------------------------

  /** @returns who takes a datagram to `local`; null: to everybody; or null if nobody does */
  find(local: IpAddress | null, remote: IpAddress, datagram: UdpDatagram): UdpFlow | null {
    const { dstPort, srcPort } = datagram;
    if (local === null) return this.#places.findForAll(dstPort);
    return this.#places.find(local, dstPort, remote, srcPort);
  }

  /**
   * An ICMP error about a datagram from our address. It is believed if a connected socket may have
   * sent what it quotes; any other has no one peer that an error could be about.
   *
   * @param errno - what it means, -errno
   * @param mtu - what the next hop can take, 0 if it does not say; -1: that is not what it is about
   * @returns false: nobody can have sent that
   */
  icmpArrives(quoted: QuotedPacket, remote: IpAddress, errno: number, mtu: number): boolean {
    const { address } = this.network;
    const { srcPort, dstPort } = quoted;
    const flow = this.#places.findConnected(address, srcPort, remote, dstPort);
    // The second word of the header: length and checksum.
    const lengthBytes = quoted.seq >>> 16;
    if (flow === null || !flow.maySent(lengthBytes - UDP_HEADER_BYTES)) return false;
    // RFC 1191 §3: told of a packet that would have fitted, it is none of ours.
    if (errno === EMSGSIZE && IPV4_HEADER_BYTES + lengthBytes <= mtu) return false;
    flow.errorArrives(errno);
    return true;
  }

  /** Nobody answers ARP for `nextHop`: what waited for it is lost. */
  hopUnreachable(nextHop: IpAddress): void {
    for (const flow of this.#unresolved) {
      if (!nextHop.equals(flow.nextHop as IpAddress)) continue;
      this.#unresolved.delete(flow);
      flow.isUnresolved = false;
      flow.errorArrives(EHOSTUNREACH);
    }
  }

  // --- the round ---------------------------------------------------------------------------------

  /** The driver has taken frames: tells as many as have waited for a slot as there are slots. */
  unblock(): void {
    if (this.#blocked.length === 0) return;
    const waiting = this.#blocked;
    const count = Math.min(waiting.length, this.#room);
    if (count <= 0) return;
    this.#blocked = waiting.slice(count);
    for (let i = 0; i < count; i++) {
      const flow = waiting[i] as UdpFlow;
      flow.isBlocked = false;
      flow.writable();
    }
  }

  /** Ends all: the device is gone or the context is closed. */
  fail(error: number): void {
    const flows = this.#places.all();
    this.#places.clear();
    this.#blocked = [];
    this.#unresolved.clear();
    for (const flow of flows) {
      flow.isBlocked = false;
      flow.isUnresolved = false;
      flow.fail(error);
    }
  }

  // --- DatagramOwner -----------------------------------------------------------------------------

  reserve(flow: UdpFlow): boolean {
    if (this.#room > 0 && this.network.tx.reserve()) return true;
    this.network.counters.count("tx.full");
    if (!flow.isBlocked) {
      flow.isBlocked = true;
      this.#blocked.push(flow);
    }
    return false;
  }

  heldUp(flow: UdpFlow, isUnresolved: boolean): void {
    if (flow.isUnresolved === isUnresolved) return;
    flow.isUnresolved = isUnresolved;
    if (isUnresolved) this.#unresolved.add(flow);
    else this.#unresolved.delete(flow);
  }

  remove(flow: UdpFlow): void {
    this.#places.remove(flow);
    this.#unresolved.delete(flow);
    if (flow.isBlocked) this.#blocked.splice(this.#blocked.indexOf(flow), 1);
    flow.isBlocked = false;
  }

  /** Slots of the tx ring that datagrams may fill now. */
  get #room(): number {
    const { tx, driver } = this.network;
    return tx.free - Math.floor(driver.txSlots / TCP_SHARE);
  }

  #freePort(): number {
    return this.#secrets.randomPort(this.limits, (port) => !this.#places.hasPort(port));
  }
}
