// SPDX-License-Identifier: MIT
// Mutated frames against every parser: none throws, none reads past the bytes it was told of, and
// what they accept is consistent. A failure prints the frame and the seed.

import { describe, expect, it } from "vitest";
import { ArpPacket, parseArp, writeArp } from "../../src/wire/arp.ts";
import { checksum } from "../../src/wire/checksum.ts";
import {
  ETHERNET_HEADER_BYTES,
  ETHERTYPE_ARP,
  ETHERTYPE_IPV4,
  readEtherType,
  writeEthernet,
} from "../../src/wire/ethernet.ts";
import { IcmpMessage, parseIcmp, parseQuotedPacket, QuotedPacket } from "../../src/wire/icmp.ts";
import { Ipv4Header, parseIpv4, writeIpv4 } from "../../src/wire/ipv4.ts";
import { REASON_NAMES } from "../../src/wire/reasons.ts";
import { parseTcp, TcpSegment, writeTcpHeader } from "../../src/wire/tcp.ts";
import { writeTcpOptions } from "../../src/wire/tcp-options.ts";
import { parseUdp, UdpDatagram, writeUdpHeader } from "../../src/wire/udp.ts";

const FRAMES = 1_000_000;
const SEED = 0x5eed;
const MAC_A = Uint8Array.of(2, 0, 0, 0, 0, 1);
const MAC_B = Uint8Array.of(2, 0, 0, 0, 0, 2);
const SLOT_BYTES = 160;
/** Bytes after the frame that no parser may look at; a change here must change nothing. */
const CANARY_BYTES = 64;

/** mulberry32 */
function generator(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return (t ^ (t >>> 14)) >>> 0;
  };
}

function ipFrame(protocol: number, payloadBytes: number): Uint8Array {
  const frame = new Uint8Array(34 + payloadBytes);
  writeEthernet(frame, 0, MAC_A, MAC_B, ETHERTYPE_IPV4);
  writeIpv4(frame, 14, 20 + payloadBytes, 64, protocol, 0x0a000002, 0x0a000001);
  return frame;
}

function templates(): Uint8Array[] {
  const arp = new Uint8Array(60);
  writeEthernet(arp, 0, MAC_A, MAC_B, ETHERTYPE_ARP);
  writeArp(arp, 14, 1, MAC_B, 0x0a000002, MAC_A, 0x0a000001);
  const syn = ipFrame(6, 40);
  writeTcpHeader(syn, 34, 40_000, 80, 1, 0, 2, 65_535, 0, 40);
  writeTcpOptions(syn, 54, 1_460, 7, true, 1, 2);
  const data = ipFrame(6, 52);
  writeTcpHeader(data, 34, 40_000, 80, 1, 2, 24, 500, 0, 32);
  writeTcpOptions(data, 54, 0, -1, true, 3, 4);
  const echo = ipFrame(1, 40);
  echo[34] = 8;
  const unreachable = ipFrame(1, 36);
  unreachable[34] = 3;
  unreachable[35] = 3;
  writeIpv4(unreachable, 42, 40, 64, 6, 0x0a000001, 0x0a000002);
  const datagram = ipFrame(17, 30);
  writeUdpHeader(datagram, 34, 40_000, 53, 20);
  return [arp, syn, data, echo, unreachable, datagram];
}

class Parsers {
  readonly arp = new ArpPacket();
  readonly ip = new Ipv4Header();
  readonly tcp = new TcpSegment();
  readonly udp = new UdpDatagram();
  readonly icmp = new IcmpMessage();
  readonly quoted = new QuotedPacket();
  readonly counts = new Array<number>(REASON_NAMES.length).fill(0);

  /** @returns a digest of everything the parsers said */
  run(bytes: Uint8Array, length: number): number {
    const etherType = readEtherType(bytes, 0, length);
    if (etherType < 0) return this.#count(etherType);
    const rest = length - ETHERNET_HEADER_BYTES;
    if (etherType === ETHERTYPE_ARP) return this.#count(parseArp(bytes, 14, rest, this.arp));
    if (etherType !== ETHERTYPE_IPV4) return etherType;
    const { ip } = this;
    const reason = parseIpv4(bytes, 14, rest, ip);
    if (reason !== 0) return this.#count(reason);
    if (14 + ip.totalBytes > length || ip.payloadBytes < 0) throw new Error("IPv4 past the end");
    if (ip.protocol === 17) return this.#udp(bytes);
    return ip.protocol === 1 ? this.#icmp(bytes) : this.#tcp(bytes);
  }

  #udp(bytes: Uint8Array): number {
    const { ip, udp } = this;
    const reason = parseUdp(bytes, 14 + ip.headerBytes, ip.payloadBytes, udp);
    if (reason !== 0) return this.#count(reason);
    const end = udp.payloadOffset + udp.payloadBytes;
    if (udp.payloadBytes < 0 || end > 14 + ip.totalBytes) {
      throw new Error("UDP payload past the end of the packet");
    }
    return udp.srcPort ^ udp.dstPort ^ udp.checksum ^ udp.payloadBytes;
  }

  #tcp(bytes: Uint8Array): number {
    const { ip, tcp } = this;
    const reason = parseTcp(bytes, 14 + ip.headerBytes, ip.payloadBytes, tcp);
    if (reason !== 0) return this.#count(reason);
    if (tcp.payloadOffset + tcp.payloadBytes !== 14 + ip.totalBytes) {
      throw new Error("TCP payload is not what is left of the packet");
    }
    if (tcp.windowScale > 14 || (tcp.mss !== 0 && tcp.mss < 88)) throw new Error("not clamped");
    return tcp.mss ^ tcp.windowScale ^ tcp.tsVal ^ tcp.tsEcr ^ tcp.seq ^ tcp.payloadBytes;
  }

  #icmp(bytes: Uint8Array): number {
    const { ip, icmp, quoted } = this;
    const reason = parseIcmp(bytes, 14 + ip.headerBytes, ip.payloadBytes, icmp);
    if (reason !== 0) return this.#count(reason);
    if (icmp.bodyOffset + icmp.bodyBytes !== 14 + ip.totalBytes) throw new Error("ICMP body");
    const inner = parseQuotedPacket(bytes, icmp.bodyOffset, icmp.bodyBytes, quoted);
    if (inner !== 0) return this.#count(inner);
    return quoted.seq ^ quoted.srcPort ^ quoted.dst;
  }

  #count(reason: number): number {
    (this.counts[-reason] as number) += 1;
    return reason;
  }
}

function store16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8;
  bytes[at + 1] = value & 0xff;
}

/** Makes the checksums right again, so that the mutation is looked at and not just its checksum. */
function repair(bytes: Uint8Array, length: number): void {
  const headerBytes = ((bytes[14] as number) & 15) * 4;
  if (headerBytes < 20 || 14 + headerBytes > length) return;
  store16(bytes, 24, 0);
  store16(bytes, 24, checksum(bytes, 14, headerBytes));
  if (bytes[23] !== 1) return;
  const start = 14 + headerBytes;
  const end = Math.min(length, 14 + (((bytes[16] as number) << 8) | (bytes[17] as number)));
  if (end - start < 8) return;
  store16(bytes, start + 2, 0);
  store16(bytes, start + 2, checksum(bytes, start, end - start));
}

const EDGES = [0, 1, 2, 4, 5, 6, 8, 0x0f, 0x40, 0x45, 0x4f, 0x7f, 0x80, 0xf0, 0xfe, 0xff];

describe("parsers", () => {
  it(`survive ${FRAMES} mutated frames (seed ${SEED})`, { timeout: 60_000 }, () => {
    const random = generator(SEED);
    const shapes = templates();
    const bytes = new Uint8Array(SLOT_BYTES + CANARY_BYTES);
    const parsers = new Parsers();
    for (let i = 0; i < FRAMES; i++) {
      const shape = shapes[i % shapes.length] as Uint8Array;
      bytes.set(shape);
      let length = shape.length;
      const draw = random();
      const mutations = 1 + (draw & 3);
      for (let m = 0; m < mutations; m++) {
        const value = random();
        // Headers, not Ethernet, most of the time.
        const at = value & 1 ? 14 + ((value >>> 8) % (length - 14)) : (value >>> 8) % length;
        bytes[at] =
          value & 2
            ? (EDGES[(value >>> 4) & 15] as number)
            : (bytes[at] as number) ^ (value >>> 24);
      }
      if ((draw & 0x70) === 0) length = (draw >>> 8) % (length + 1);
      if ((draw & 0x80) === 0) repair(bytes, length);
      try {
        const first = parsers.run(bytes, length);
        // The bytes after the frame are not its own: what lies there must not matter.
        if ((i & 7) === 0) {
          bytes.fill(draw & 0xff, length, length + CANARY_BYTES);
          if (parsers.run(bytes, length) !== first) throw new Error("read past the end");
        }
      } catch (error) {
        const frame = Buffer.from(bytes.subarray(0, length)).toString("hex");
        throw new Error(`frame ${i}, seed ${SEED}: ${frame}`, { cause: error });
      }
    }
    // Every refusal that there is was reached.
    expect(REASON_NAMES.filter((_, code) => parsers.counts[code] === 0)).toEqual([]);
  });

  it("survive frames of pure noise", () => {
    const random = generator(SEED + 1);
    const bytes = new Uint8Array(SLOT_BYTES + CANARY_BYTES);
    const parsers = new Parsers();
    for (let i = 0; i < 100_000; i++) {
      for (let at = 0; at < SLOT_BYTES; at += 4) {
        const value = random();
        bytes[at] = value;
        bytes[at + 1] = value >>> 8;
        bytes[at + 2] = value >>> 16;
        bytes[at + 3] = value >>> 24;
      }
      // Let the noise get as far as it can.
      store16(bytes, 12, i % 3 === 0 ? ETHERTYPE_ARP : ETHERTYPE_IPV4);
      bytes[14] = 0x40 | ((bytes[14] as number) & 15);
      bytes[16] = 0;
      const length = random() % SLOT_BYTES;
      repair(bytes, length);
      parsers.run(bytes, length);
    }
  });
});
