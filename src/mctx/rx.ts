// SPDX-License-Identifier: MIT
// The way in, top to bottom: frame -> Ethernet -> ARP or IPv4 -> fragments -> ICMP, UDP or TCP ->
// flow, listener, or a reset or error in answer. Whatever is wrong with a frame, it is counted
// under a name and dropped (R5).

import { IpAddress } from "../ip/address.ts";
import { ICMP_ECHO, ICMP_ERROR, IcmpVerdict, judgeIcmp, mayAnswerWithError } from "../ip/icmp.ts";
import {
  classifyDestination,
  classifySource,
  DESTINATION_MULTICAST,
  DESTINATION_OTHER,
  DESTINATION_OURS,
  SOURCE_NAMES,
  SOURCE_OK,
  SOURCE_OURS,
} from "../ip/martian.ts";
import { REASSEMBLY_COMPLETE, REASSEMBLY_NAMES, REASSEMBLY_PENDING } from "../ip/reassembly.ts";
import { ARP_ANSWER, ARP_CONFLICT, ARP_CREATE, ARP_UPDATE, ArpJudge } from "../link/arp-in.ts";
import {
  DESCRIPTOR_FIELDS,
  DESCRIPTOR_FLAGS,
  DESCRIPTOR_LENGTH,
  DESCRIPTOR_OFFSET,
  RX_CHECKSUM_VALID,
} from "../link/driver.ts";
import {
  icmpArrives,
  LISTEN_RESET,
  LISTEN_SYN,
  listenVerdict,
  pathMtuArrives,
  replyReset,
  segmentArrives,
} from "../tcp/tcp-in.ts";
import { ArpPacket, parseArp } from "../wire/arp.ts";
import { isChecksumValid, pseudoHeaderIpv4 } from "../wire/checksum.ts";
import {
  classifyDestinationMac,
  ETHERNET_HEADER_BYTES,
  ETHERTYPE_ARP,
  ETHERTYPE_IPV4,
  MAC_OTHER,
  MAC_OURS,
  readEtherType,
} from "../wire/ethernet.ts";
import {
  ICMP_UNREACHABLE,
  IcmpMessage,
  parseIcmp,
  UNREACHABLE_PORT,
  UNREACHABLE_PROTOCOL,
} from "../wire/icmp.ts";
import {
  IPV4_HEADER_BYTES,
  Ipv4Header,
  PROTOCOL_ICMP,
  PROTOCOL_TCP,
  PROTOCOL_UDP,
  parseIpv4,
} from "../wire/ipv4.ts";
import { reasonName } from "../wire/reasons.ts";
import { parseTcp, TCP_HEADER_BYTES, TcpSegment } from "../wire/tcp.ts";
import { parseUdp, UDP_NO_CHECKSUM, UdpDatagram } from "../wire/udp.ts";
import type { Datagrams } from "./datagrams.ts";
import type { Flow } from "./flow.ts";
import type { ListenerRecord } from "./listener.ts";
import type { Network } from "./network.ts";

/** Who has connections and listeners. */
export interface FlowLookup {
  findFlow(local: IpAddress, localPort: number, remote: IpAddress, remotePort: number): Flow | null;
  findListener(local: IpAddress, port: number): ListenerRecord | null;
  /** Replaces a TIME-WAIT flow that a new SYN may take over. @returns whether it did */
  reuseTimeWait(flow: Flow, seg: TcpSegment): boolean;
  acceptSyn(
    listener: ListenerRecord,
    local: IpAddress,
    remote: IpAddress,
    syn: TcpSegment,
    nowMs: number,
  ): void;
  /** The flow has had a segment: its output and timer are to be looked at. */
  touch(flow: Flow): void;
}

/** Takes in frames for one context. */
export class Receiver {
  readonly #network: Network;
  readonly #flows: FlowLookup;
  readonly #datagrams: Datagrams;
  readonly #arpJudge: ArpJudge;
  // One of each, reused frame after frame.
  readonly #arp: ArpPacket = new ArpPacket();
  readonly #ip: Ipv4Header = new Ipv4Header();
  readonly #icmp: IcmpMessage = new IcmpMessage();
  readonly #verdict: IcmpVerdict = new IcmpVerdict();
  readonly #segment: TcpSegment = new TcpSegment();
  readonly #datagram: UdpDatagram = new UdpDatagram();
  readonly #reset = { seq: 0, ack: 0, flags: 0 };
  /** The source of the packet in hand; its words are written in place. */
  readonly #remote: { w3: number } & IpAddress = IpAddress.v4(0);

  constructor(network: Network, flows: FlowLookup, datagrams: Datagrams) {
    this.#network = network;
    this.#flows = flows;
    this.#datagrams = datagrams;
    this.#arpJudge = new ArpJudge(network.macAddress, network.address.w3, network.prefix.bits);
  }

  /** Polls the driver once and takes in what it has. @returns frames, or -errno */
  poll(nowMs: number): number {
    const network = this.#network;
    network.nowMs = nowMs;
    network.tx.hasCommitted = false;
    const { driver } = network;
    const frames = driver.poll(nowMs);
    const { rx } = driver;
    for (let i = 0; i < frames; i++) {
      const at = i * DESCRIPTOR_FIELDS;
      this.#frame(
        driver.frames,
        rx[at + DESCRIPTOR_OFFSET] as number,
        rx[at + DESCRIPTOR_LENGTH] as number,
        (rx[at + DESCRIPTOR_FLAGS] as number) & RX_CHECKSUM_VALID,
        nowMs,
      );
    }
    return frames < 0 ? frames : frames + this.#takeLoopback(nowMs);
  }

  #takeLoopback(nowMs: number): number {
    const frames = this.#network.loopback;
    if (frames.length === 0) return 0;
    this.#network.loopback = [];
    for (const frame of frames) {
      this.#ipv4(
        frame,
        ETHERNET_HEADER_BYTES,
        frame.length - ETHERNET_HEADER_BYTES,
        1,
        true,
        nowMs,
      );
    }
    return frames.length;
  }

  #frame(bytes: Uint8Array, offset: number, length: number, isValid: number, nowMs: number): void {
    const { counters, macAddress } = this.#network;
    const etherType = readEtherType(bytes, offset, length);
    if (etherType < 0) return counters.count(reasonName(etherType));
    const to = classifyDestinationMac(bytes, offset, macAddress);
    if (to === MAC_OTHER) return counters.count("ethernet.notForUs");
    const at = offset + ETHERNET_HEADER_BYTES;
    const left = length - ETHERNET_HEADER_BYTES;
    if (etherType === ETHERTYPE_IPV4) {
      this.#ipv4(bytes, at, left, isValid, to === MAC_OURS, nowMs);
    } else if (etherType === ETHERTYPE_ARP) {
      this.#arpIn(bytes, at, left, nowMs);
    } else {
      counters.count("ethernet.unknownType");
    }
  }

  #arpIn(bytes: Uint8Array, offset: number, length: number, nowMs: number): void {
    const network = this.#network;
    const packet = this.#arp;
    const reason = parseArp(bytes, offset, length, packet);
    if (reason !== 0) return network.counters.count(reasonName(reason));
    const verdict = this.#arpJudge.judge(packet);
    if (verdict === 0) return network.counters.count("arp.ignored");
    if ((verdict & ARP_CONFLICT) !== 0) {
      network.counters.count("arp.conflict");
      if (this.#arpJudge.shouldDefend(nowMs)) network.announce();
      return;
    }
    if ((verdict & (ARP_UPDATE | ARP_CREATE)) !== 0) {
      const sender = IpAddress.v4(packet.senderIp);
      network.neighbours.learn(sender, packet.senderMac, (verdict & ARP_CREATE) !== 0, nowMs);
    }
    if ((verdict & ARP_ANSWER) !== 0) network.answerArp(packet.senderMac, packet.senderIp);
  }

  #ipv4(
    bytes: Uint8Array,
    offset: number,
    length: number,
    isValid: number,
    isUnicast: boolean,
    nowMs: number,
  ): void {
    const { counters, address, prefix } = this.#network;
    const header = this.#ip;
    const reason = parseIpv4(bytes, offset, length, header);
    if (reason !== 0) return counters.count(reasonName(reason));
    const source = classifySource(header.src, address.w3, prefix.bits);
    // Our own address as the source is LAND on the wire, and the rule on the loopback.
    if (source !== SOURCE_OK && !(source === SOURCE_OURS && this.#isLooped(bytes))) {
      return counters.count(`ipv4.source.${SOURCE_NAMES[source]}`);
    }
    const destination = classifyDestination(header.dst, address.w3, prefix.bits);
    if (destination === DESTINATION_OTHER) return counters.count("ipv4.notForUs");
    if (header.moreFragments || header.fragmentOffset !== 0) {
      return this.#fragment(bytes, offset, isUnicast, nowMs);
    }
    this.#remote.w3 = header.src;
    const at = offset + header.headerBytes;
    const { payloadBytes, protocol } = header;
    if (protocol === PROTOCOL_TCP) {
      // RFC 9293 §3.9.2.3 (MUST-57): nothing sent to more than one host is answered.
      if (destination !== DESTINATION_OURS || !isUnicast) return counters.count("tcp.broadcast");
      this.#tcp(bytes, at, payloadBytes, isValid, nowMs);
    } else if (protocol === PROTOCOL_ICMP) {
      this.#icmpIn(bytes, at, payloadBytes, destination, nowMs);
    } else if (protocol === PROTOCOL_UDP) {
      this.#udp(bytes, offset, destination, isValid, isUnicast);
    } else {
      counters.count("ipv4.unknownProtocol");
      this.#refuse(UNREACHABLE_PROTOCOL, bytes, offset, destination, isUnicast);
    }
  }

  #isLooped(bytes: Uint8Array): boolean {
    return bytes !== this.#network.driver.frames;
  }

  #fragment(bytes: Uint8Array, offset: number, isUnicast: boolean, nowMs: number): void {
    const { reassembler, counters } = this.#network;
    const outcome = reassembler.add(bytes, offset, this.#ip, nowMs);
    if (outcome === REASSEMBLY_PENDING) return;
    if (outcome !== REASSEMBLY_COMPLETE) {
      return counters.count(`ipv4.fragment.${REASSEMBLY_NAMES[-outcome]}`);
    }
    counters.count("ipv4.reassembled");
    const { packet } = reassembler;
    this.#ipv4(packet, 0, packet.length, 0, isUnicast, nowMs);
  }

  /** Says by ICMP that nobody here wants such a packet, where that may be said. */
  #refuse(
    code: number,
    bytes: Uint8Array,
    offset: number,
    destination: number,
    isUnicast: boolean,
  ): void {
    const header = this.#ip;
    if (!mayAnswerWithError(bytes, offset, header, destination, !isUnicast)) return;
    const to = IpAddress.v4(header.src);
    this.#network.sendIcmpError(to, ICMP_UNREACHABLE, code, bytes, offset, header.totalBytes);
  }

  #icmpIn(
    bytes: Uint8Array,
    offset: number,
    length: number,
    destination: number,
    nowMs: number,
  ): void {
    const network = this.#network;
    const { counters } = network;
    const message = this.#icmp;
    const reason = parseIcmp(bytes, offset, length, message);
    if (reason !== 0) return counters.count(reasonName(reason));
    const verdict = this.#verdict;
    const todo = judgeIcmp(bytes, message, destination, verdict);
    if (todo === ICMP_ECHO) {
      counters.count("icmp.echo");
      network.sendEchoReply(IpAddress.v4(this.#ip.src), message, bytes);
      return;
    }
    if (todo !== ICMP_ERROR) {
      return counters.count(verdict.reason !== 0 ? reasonName(verdict.reason) : "icmp.ignored");
    }
    const { quoted, errno, isHard, mtu } = verdict;
    const { protocol } = quoted;
    const isKnown = protocol === PROTOCOL_TCP || protocol === PROTOCOL_UDP;
    if (!isKnown || quoted.src !== network.address.w3) return counters.count("icmp.notOurs");
    const remote = IpAddress.v4(quoted.dst);
    if (protocol === PROTOCOL_UDP) {
      if (!this.#datagrams.icmpArrives(quoted, remote, errno, mtu)) counters.count("icmp.noFlow");
      return;
    }
    const flow = this.#flows.findFlow(network.address, quoted.srcPort, remote, quoted.dstPort);
    if (flow === null) return counters.count("icmp.noFlow");
    if (mtu > 0) pathMtuArrives(flow.tcb, quoted.seq, mtu - IPV4_HEADER_BYTES - TCP_HEADER_BYTES);
    else icmpArrives(flow.tcb, quoted.seq, errno, isHard, nowMs);
    this.#flows.touch(flow);
  }

  #udp(
    bytes: Uint8Array,
    offset: number,
    destination: number,
    isValid: number,
    isUnicast: boolean,
  ): void {
    const { counters, address } = this.#network;
    const { headerBytes, payloadBytes, src, dst } = this.#ip;
    const at = offset + headerBytes;
    const datagram = this.#datagram;
    const reason = parseUdp(bytes, at, payloadBytes, datagram);
    if (reason !== 0) return counters.count(reasonName(reason));
    const { totalBytes, checksum } = datagram;
    if (isValid === 0 && checksum !== UDP_NO_CHECKSUM) {
      const pseudo = pseudoHeaderIpv4(src, dst, PROTOCOL_UDP, totalBytes);
      if (!isChecksumValid(bytes, at, totalBytes, pseudo)) return counters.count("udp.checksum");
    }
    const isOurs = destination === DESTINATION_OURS;
    // RFC 1122 §3.3.6: to one host by its address and to all by the link is nobody's.
    if (isOurs && !isUnicast) return counters.count("udp.linkBroadcast");
    // Nobody can join a group.
    if (destination === DESTINATION_MULTICAST) return counters.count("udp.multicast");
    const flow = this.#datagrams.find(isOurs ? address : null, this.#remote, datagram);
    if (flow === null) {
      counters.count("udp.noPort");
      this.#refuse(UNREACHABLE_PORT, bytes, offset, destination, isUnicast);
    } else if (!flow.arrives(datagram, this.#remote)) {
      counters.count("udp.queueFull");
    }
  }

  #tcp(bytes: Uint8Array, offset: number, length: number, isValid: number, nowMs: number): void {
    const { counters, address } = this.#network;
    const header = this.#ip;
    if (isValid === 0) {
      const pseudo = pseudoHeaderIpv4(header.src, header.dst, PROTOCOL_TCP, length);
      if (!isChecksumValid(bytes, offset, length, pseudo)) return counters.count("tcp.checksum");
    }
    const seg = this.#segment;
    const reason = parseTcp(bytes, offset, length, seg);
    if (reason !== 0) return counters.count(reasonName(reason));
    const remote = this.#remote;
    const flow = this.#flows.findFlow(address, seg.dstPort, remote, seg.srcPort);
    if (flow !== null && !this.#flows.reuseTimeWait(flow, seg)) {
      segmentArrives(flow.tcb, seg, nowMs);
      this.#flows.touch(flow);
      return;
    }
    const listener = this.#flows.findListener(address, seg.dstPort);
    const verdict = listener === null ? LISTEN_RESET : listenVerdict(seg);
    if (verdict === LISTEN_SYN) {
      const from = IpAddress.v4(header.src);
      this.#flows.acceptSyn(listener as ListenerRecord, address, from, seg, nowMs);
    } else if (verdict === LISTEN_RESET && replyReset(seg, this.#reset)) {
      counters.count("tcp.noFlow");
      const { seq, ack, flags } = this.#reset;
      const to = IpAddress.v4(header.src);
      this.#network.sendReset(to, seg.dstPort, seg.srcPort, seq, ack, flags);
    }
  }
}
