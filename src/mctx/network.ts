// SPDX-License-Identifier: MIT
// The lower half of a context: its driver, address, routes, neighbours, fragments and counters.
// It sends what is neither TCP nor held by a connection: ARP, echo replies, ICMP errors, resets.

import { type IpAddress, isBroadcastOf, type Prefix } from "../ip/address.ts";
import {
  ICMP_ECHO_BURST,
  ICMP_ECHOES_PER_SECOND,
  ICMP_ERROR_BURST,
  ICMP_ERRORS_PER_SECOND,
  TokenBucket,
} from "../ip/icmp.ts";
import { Reassembler, type ReassemblyLimits } from "../ip/reassembly.ts";
import { RouteTable } from "../ip/routes.ts";
import type { Driver } from "../link/driver.ts";
import { NeighbourCache, type NeighbourHost, type NeighbourLimits } from "../link/neighbours.ts";
import { ARP_BYTES, ARP_REPLY, ARP_REQUEST, writeArp } from "../wire/arp.ts";
import { Views } from "../wire/copy.ts";
import {
  ETHERNET_HEADER_BYTES,
  ETHERTYPE_ARP,
  MAC_BYTES,
  writeEthernet,
} from "../wire/ethernet.ts";
import {
  ICMP_ECHO_REPLY,
  ICMP_HEADER_BYTES,
  type IcmpMessage,
  writeIcmpEcho,
  writeIcmpError,
} from "../wire/icmp.ts";
import { IPV4_HEADER_BYTES, PROTOCOL_ICMP, PROTOCOL_TCP } from "../wire/ipv4.ts";
import { TCP_CHECKSUM_OFFSET, TCP_HEADER_BYTES, writeTcpHeader } from "../wire/tcp.ts";
import { Counters } from "./counters.ts";
import { NO_CHECKSUM, Transmitter } from "./tx.ts";

const BROADCAST_MAC: Uint8Array = new Uint8Array(MAC_BYTES).fill(0xff);
const ZERO_MAC: Uint8Array = new Uint8Array(MAC_BYTES);

/** How the lower half of a context is made. */
export interface NetworkOptions {
  readonly driver: Driver;
  /** Our address and the network it is in. */
  readonly prefix: Prefix;
  /** Who passes on packets to other networks; null: nobody. */
  readonly gateway: IpAddress | null;
  /** 6 bytes. */
  readonly macAddress: Uint8Array;
  readonly maxLoopbackFrames: number;
  readonly neighbourLimits: Partial<NeighbourLimits>;
  readonly reassemblyLimits: Partial<ReassemblyLimits>;
  /** A secret int32. */
  readonly hashSeed: number;
  /** 0 to 1, 1 excluded, unpredictable. */
  readonly chance: () => number;
  /** Nobody answers ARP for this next hop. */
  readonly onUnreachable: (nextHop: IpAddress) => void;
}

/** From where to where the packets of a connection go. */
export interface Path {
  readonly local: IpAddress;
  readonly remote: IpAddress;
  /** `remote` itself or a gateway. */
  readonly nextHop: IpAddress;
}

/** Link and IP of one context. */
export class Network implements NeighbourHost<IpAddress> {
  readonly driver: Driver;
  readonly prefix: Prefix;
  readonly address: IpAddress;
  readonly macAddress: Uint8Array;
  /** Largest IP packet, bytes. */
  readonly mtu: number;
  readonly ipHeaderBytes: number = IPV4_HEADER_BYTES;
  readonly counters: Counters = new Counters();
  readonly routes: RouteTable = new RouteTable();
  readonly neighbours: NeighbourCache<IpAddress>;
  readonly reassembler: Reassembler;
  readonly tx: Transmitter;
  readonly frameViews: Views;
  /** Frames from us to us that wait for the next poll. */
  loopback: Uint8Array[];
  nowMs: number;
  readonly #maxLoopbackFrames: number;
  readonly #onUnreachable: (nextHop: IpAddress) => void;
  readonly #icmpErrors: TokenBucket;
  readonly #echoes: TokenBucket = new TokenBucket(ICMP_ECHOES_PER_SECOND, ICMP_ECHO_BURST);

  constructor(options: NetworkOptions) {
    const { driver, prefix, gateway } = options;
    this.driver = driver;
    this.prefix = prefix;
    this.address = prefix.address;
    this.macAddress = options.macAddress;
    this.mtu = driver.capabilities.mtu;
    this.neighbours = new NeighbourCache<IpAddress>(
      this,
      options.neighbourLimits,
      options.hashSeed,
    );
    this.reassembler = new Reassembler(options.reassemblyLimits);
    this.tx = new Transmitter(driver, options.macAddress, this);
    this.frameViews = new Views(driver.frames);
    this.loopback = [];
    this.nowMs = 0;
    this.#icmpErrors = new TokenBucket(ICMP_ERRORS_PER_SECOND, ICMP_ERROR_BURST, options.chance);
    this.#maxLoopbackFrames = options.maxLoopbackFrames;
    this.#onUnreachable = options.onUnreachable;
    this.routes.add({ prefix });
    if (gateway !== null) {
      this.routes.add({ prefix: { address: gateway, bits: 0 }, gateway });
    }
  }

  /** @returns where packets to `remote` go first, null: no route */
  nextHop(remote: IpAddress): IpAddress | null {
    return this.routes.lookup(remote);
  }

  /** True for our own address. */
  isOwnAddress(address: IpAddress): boolean {
    return address.equals(this.address);
  }

  /** True for broadcast, multicast and other addresses that name no one host. */
  isGroupAddress(address: IpAddress): boolean {
    return (
      address.isMulticast ||
      address.isLimitedBroadcast ||
      address.isUnspecified ||
      isBroadcastOf(this.prefix, address)
    );
  }

  /** Work that must not wait for the driver to wake the loop. */
  get hasWork(): boolean {
    return this.tx.hasCommitted || this.loopback.length > 0;
  }

  /** When `onTimeout` wants to be called, ms; Infinity: not at all. */
  nextTimeout(): number {
    return Math.min(this.neighbours.nextTimeout(), this.reassembler.nextTimeout());
  }

  /** Sends ARP requests that are due, gives up on silent neighbours and old fragments. */
  onTimeout(nowMs: number): void {
    this.nowMs = nowMs;
    if (this.neighbours.nextTimeout() <= nowMs) this.neighbours.onTimeout(nowMs);
    if (this.reassembler.nextTimeout() <= nowMs) this.reassembler.onTimeout(nowMs);
  }

  /** Sends an ARP reply, or with our own address as the target an announcement. */
  sendArp(op: number, targetMac: Uint8Array, targetIp: number, to: Uint8Array): void {
    if (!this.tx.reserve()) return this.counters.count("tx.full");
    const { txBytes, frameOffset } = this.tx;
    writeEthernet(txBytes, frameOffset, to, this.macAddress, ETHERTYPE_ARP);
    const at = frameOffset + ETHERNET_HEADER_BYTES;
    writeArp(txBytes, at, op, this.macAddress, this.address.w3, targetMac, targetIp);
    this.tx.commitFrame(ETHERNET_HEADER_BYTES + ARP_BYTES);
  }

  /** Answers a request for our MAC address. */
  answerArp(senderMac: Uint8Array, senderIp: number): void {
    this.sendArp(ARP_REPLY, senderMac, senderIp, senderMac);
  }

  /** Tells everybody that our address is ours (RFC 5227 §2.3). */
  announce(): void {
    this.sendArp(ARP_REQUEST, ZERO_MAC, this.address.w3, BROADCAST_MAC);
  }

  /** Answers an echo request, if the limiter allows it and the packet fits. */
  sendEchoReply(to: IpAddress, message: IcmpMessage, bytes: Uint8Array): void {
    const nextHop = this.nextHop(to);
    if (nextHop === null || !this.#echoes.take(this.nowMs)) {
      return this.counters.count("icmp.echoLimited");
    }
    if (IPV4_HEADER_BYTES + ICMP_HEADER_BYTES + message.bodyBytes > this.mtu) {
      return this.counters.count("icmp.echoTooLarge");
    }
    if (!this.tx.reserve()) return this.counters.count("tx.full");
    const { bodyOffset, bodyBytes, rest } = message;
    const { txBytes, txOffset } = this.tx;
    const length = writeIcmpEcho(
      txBytes,
      txOffset,
      ICMP_ECHO_REPLY,
      rest,
      bytes,
      bodyOffset,
      bodyBytes,
    );
    this.tx.commitIpv4(this.address, to, nextHop, PROTOCOL_ICMP, NO_CHECKSUM, length);
  }

  /** Sends an ICMP error about the packet at `offset`, if the limiter allows it. */
  sendIcmpError(
    to: IpAddress,
    type: number,
    code: number,
    bytes: Uint8Array,
    offset: number,
    packetBytes: number,
  ): void {
    const nextHop = this.nextHop(to);
    if (nextHop === null || !this.#icmpErrors.take(this.nowMs)) {
      return this.counters.count("icmp.errorLimited");
    }
    if (!this.tx.reserve()) return this.counters.count("tx.full");
    const { txBytes, txOffset } = this.tx;
    const quoted = Math.min(packetBytes, this.mtu - IPV4_HEADER_BYTES - ICMP_HEADER_BYTES);
    const length = writeIcmpError(txBytes, txOffset, type, code, 0, bytes, offset, quoted);
    this.tx.commitIpv4(this.address, to, nextHop, PROTOCOL_ICMP, NO_CHECKSUM, length);
  }

  /**
   * Sends the segment of a connection that was written at `tx.txOffset`.
   *
   * @param cutBytes - 0, or payload bytes of each segment that the driver is to cut it into
   */
  sendTcp(path: Path, lengthBytes: number, cutBytes: number): void {
    const { local, remote, nextHop } = path;
    const at = TCP_CHECKSUM_OFFSET;
    this.tx.commitIpv4(local, remote, nextHop, PROTOCOL_TCP, at, lengthBytes, cutBytes);
  }

  /** Sends a RST that belongs to no connection. */
  sendReset(
    to: IpAddress,
    srcPort: number,
    dstPort: number,
    seq: number,
    ack: number,
    flags: number,
  ): void {
    const nextHop = this.nextHop(to);
    if (nextHop === null) return;
    if (!this.tx.reserve()) return this.counters.count("tx.full");
    const { txBytes, txOffset } = this.tx;
    writeTcpHeader(txBytes, txOffset, srcPort, dstPort, seq, ack, flags, 0, 0, TCP_HEADER_BYTES);
    this.tx.commitIpv4(
      this.address,
      to,
      nextHop,
      PROTOCOL_TCP,
      TCP_CHECKSUM_OFFSET,
      TCP_HEADER_BYTES,
    );
  }

  /** Drops what it holds: neighbours, frames that wait for them, fragments. */
  forget(): void {
    this.neighbours.clear();
    this.reassembler.clear();
    this.loopback = [];
  }

  /** Ends it: what is committed goes out once more, then the driver is closed. Idempotent. */
  close(nowMs: number): void {
    this.forget();
    if (this.tx.hasCommitted) this.driver.poll(nowMs);
    this.driver.close();
  }

  /**
   * Bytes that a transport segment for the driver to cut up may have now; 0: nobody cuts it up.
   * What loops back to us never reaches a driver, and what waits for a neighbour is kept as it is.
   */
  superSegmentBytes(nextHop: IpAddress): number {
    const bytes = this.tx.superSegmentBytes;
    if (bytes === 0 || this.isOwnAddress(nextHop) || this.macOf(nextHop) === null) return 0;
    return bytes;
  }

  // --- NextHops, for the transmitter -----------------------------------------------------------

  macOf(nextHop: IpAddress): Uint8Array | null {
    return this.neighbours.lookup(nextHop, this.nowMs);
  }

  hold(nextHop: IpAddress, frame: Uint8Array, offset: number, lengthBytes: number): void {
    this.neighbours.enqueue(nextHop, frame, offset, lengthBytes, this.nowMs);
  }

  loop(frame: Uint8Array, offset: number, lengthBytes: number): void {
    if (this.loopback.length >= this.#maxLoopbackFrames) {
      return this.counters.count("loopback.full");
    }
    this.loopback.push(frame.slice(offset, offset + lengthBytes));
  }

  // --- NeighbourHost ---------------------------------------------------------------------------

  requestNeighbour(address: IpAddress, mac: Uint8Array | null): void {
    this.sendArp(ARP_REQUEST, ZERO_MAC, address.w3, mac ?? BROADCAST_MAC);
  }

  neighbourFailed(address: IpAddress): void {
    this.counters.count("arp.noAnswer");
    this.#onUnreachable(address);
  }

  sendHeldFrame(_address: IpAddress, mac: Uint8Array, frame: Uint8Array): void {
    if (!this.tx.sendHeld(mac, frame)) this.counters.count("tx.full");
  }
}
