// SPDX-License-Identifier: MIT
// Parse after emit is the identity, for every header, at any offset.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ARP_BYTES, ArpPacket, parseArp, writeArp } from "../../src/wire/arp.ts";
import {
  ETHERNET_HEADER_BYTES,
  formatMac,
  parseMac,
  readEtherType,
  writeEthernet,
} from "../../src/wire/ethernet.ts";
import {
  ICMP_ECHO_REPLY,
  ICMP_ECHO_REQUEST,
  ICMP_UNREACHABLE,
  IcmpMessage,
  parseIcmp,
  parseQuotedPacket,
  QuotedPacket,
  writeIcmpEcho,
  writeIcmpError,
} from "../../src/wire/icmp.ts";
import { Ipv4Header, markFragment, parseIpv4, writeIpv4 } from "../../src/wire/ipv4.ts";
import { parseTcp, TcpSegment, writeTcpHeader } from "../../src/wire/tcp.ts";
import { tcpOptionsBytes, writeTcpOptions } from "../../src/wire/tcp-options.ts";

const int32 = fc.integer({ min: -0x80000000, max: 0x7fffffff });
const uint16 = fc.integer({ min: 0, max: 0xffff });
const uint8 = fc.integer({ min: 0, max: 0xff });
const port = fc.integer({ min: 1, max: 0xffff });
const mac = fc.uint8Array({ minLength: 6, maxLength: 6 });
const shift = fc.nat(9);

describe("Ethernet", () => {
  it("reads the header it wrote", () => {
    fc.assert(
      fc.property(
        mac,
        mac,
        fc.constantFrom(0x0800, 0x0806, 0x86dd),
        shift,
        (dst, src, type, at) => {
          const bytes = new Uint8Array(at + ETHERNET_HEADER_BYTES);
          writeEthernet(bytes, at, dst, src, type);
          expect(readEtherType(bytes, at, ETHERNET_HEADER_BYTES)).toBe(type);
          expect(bytes.subarray(at, at + 12)).toEqual(Uint8Array.of(...dst, ...src));
          expect(parseMac(formatMac(bytes, at))).toEqual(dst);
        },
      ),
    );
  });

  it("refuses text that is no MAC address", () => {
    for (const text of [
      "",
      "02:00:00:00:00",
      "02:00:00:00:00:0g",
      "02-00-00-00-00-01",
      "2:0:0:0:0:1",
    ]) {
      expect(parseMac(text)).toBeNull();
    }
  });
});

describe("ARP", () => {
  it("reads the packet it wrote", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(1, 2),
        mac,
        int32,
        mac,
        int32,
        shift,
        (op, smac, sip, tmac, tip, at) => {
          const bytes = new Uint8Array(at + ARP_BYTES);
          writeArp(bytes, at, op, smac, sip, tmac, tip);
          const out = new ArpPacket();
          expect(parseArp(bytes, at, ARP_BYTES, out)).toBe(0);
          expect(out).toEqual(
            Object.assign(new ArpPacket(), {
              op,
              senderMac: smac,
              senderIp: sip,
              targetMac: tmac,
              targetIp: tip,
            }),
          );
        },
      ),
    );
  });
});

describe("IPv4", () => {
  it("reads the header it wrote", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 20, max: 1_500 }),
        fc.integer({ min: 1, max: 255 }),
        uint8,
        int32,
        int32,
        uint16,
        fc.boolean(),
        uint8,
        shift,
        (totalBytes, ttl, protocol, src, dst, id, dontFragment, tos, at) => {
          const bytes = new Uint8Array(at + totalBytes);
          writeIpv4(bytes, at, totalBytes, ttl, protocol, src, dst, id, dontFragment, tos);
          const out = new Ipv4Header();
          expect(parseIpv4(bytes, at, totalBytes, out)).toBe(0);
          expect(out).toEqual(
            Object.assign(new Ipv4Header(), {
              headerBytes: 20,
              totalBytes,
              tos,
              id,
              dontFragment,
              ttl,
              protocol,
              src,
              dst,
            }),
          );
        },
      ),
    );
  });

  it("reads the fragment it marked", () => {
    fc.assert(
      fc.property(fc.nat(1_000), fc.boolean(), (unit, more) => {
        const bytes = new Uint8Array(28);
        writeIpv4(bytes, 0, 28, 64, 17, 1, 2, 3);
        markFragment(bytes, 0, unit * 8, more);
        const out = new Ipv4Header();
        expect(parseIpv4(bytes, 0, 28, out)).toBe(0);
        expect([out.fragmentOffset, out.moreFragments, out.dontFragment]).toEqual([
          unit * 8,
          more,
          false,
        ]);
        expect(out.isFragment).toBe(more || unit !== 0);
      }),
    );
  });
});

describe("ICMP", () => {
  it("reads the echo it wrote", () => {
    fc.assert(
      fc.property(int32, fc.uint8Array({ maxLength: 200 }), shift, (rest, data, at) => {
        const bytes = new Uint8Array(at + 8 + data.length);
        const type = data.length % 2 === 0 ? ICMP_ECHO_REQUEST : ICMP_ECHO_REPLY;
        const length = writeIcmpEcho(bytes, at, type, rest, data, 0, data.length);
        const out = new IcmpMessage();
        expect(parseIcmp(bytes, at, length, out)).toBe(0);
        expect([out.type, out.code, out.rest, out.bodyBytes]).toEqual([type, 0, rest, data.length]);
        expect(bytes.slice(out.bodyOffset)).toEqual(data);
      }),
    );
  });

  it("reads the packet quoted in the error it wrote", () => {
    fc.assert(
      fc.property(
        int32,
        int32,
        port,
        port,
        int32,
        fc.nat(1_000),
        (src, dst, from, to, seq, more) => {
          const packet = new Uint8Array(40 + more);
          writeIpv4(packet, 0, packet.length, 64, 6, src, dst);
          writeTcpHeader(packet, 20, from, to, seq, 0, 2, 0, 0, 20);
          const bytes = new Uint8Array(556);
          const length = writeIcmpError(bytes, 0, ICMP_UNREACHABLE, 3, 0, packet, 0, packet.length);
          expect(length).toBe(Math.min(8 + packet.length, 556));
          const message = new IcmpMessage();
          expect(parseIcmp(bytes, 0, length, message)).toBe(0);
          const quoted = new QuotedPacket();
          expect(parseQuotedPacket(bytes, message.bodyOffset, message.bodyBytes, quoted)).toBe(0);
          expect(quoted).toEqual(
            Object.assign(new QuotedPacket(), {
              protocol: 6,
              src,
              dst,
              srcPort: from,
              dstPort: to,
              seq,
            }),
          );
        },
      ),
    );
  });
});

describe("TCP", () => {
  it("reads the header and options it wrote", () => {
    fc.assert(
      fc.property(
        fc.record({ srcPort: port, dstPort: port, seq: int32, ack: int32 }),
        fc.record({ flags: uint8, window: uint16, urgentPointer: uint16 }),
        fc.option(fc.integer({ min: 88, max: 65_535 }), { nil: 0 }),
        fc.integer({ min: -1, max: 14 }),
        fc.option(fc.tuple(int32, int32), { nil: null }),
        fc.uint8Array({ maxLength: 50 }),
        (ends, rest, mss, windowScale, timestamps, payload) => {
          const flags = mss !== 0 || windowScale >= 0 ? rest.flags | 2 : rest.flags;
          const [tsVal, tsEcr] = timestamps ?? [0, 0];
          const options = tcpOptionsBytes(mss, windowScale, timestamps !== null);
          const bytes = new Uint8Array(5 + 20 + options + payload.length);
          const written = writeTcpOptions(
            bytes,
            25,
            mss,
            windowScale,
            timestamps !== null,
            tsVal,
            tsEcr,
          );
          expect(written).toBe(options);
          writeTcpHeader(
            bytes,
            5,
            ends.srcPort,
            ends.dstPort,
            ends.seq,
            ends.ack,
            flags,
            rest.window,
            rest.urgentPointer,
            20 + options,
          );
          bytes.set(payload, 25 + options);
          const out = new TcpSegment();
          expect(parseTcp(bytes, 5, bytes.length - 5, out)).toBe(0);
          const { bytes: _, ...fields } = out;
          expect(fields).toEqual({
            ...ends,
            ...rest,
            flags,
            headerBytes: 20 + options,
            checksum: 0,
            mss,
            windowScale,
            sackPermitted: false,
            hasTimestamps: timestamps !== null,
            tsVal,
            tsEcr,
            payloadOffset: 25 + options,
            payloadBytes: payload.length,
          });
        },
      ),
    );
  });

  it("leaves nothing of one segment in the next", () => {
    const bytes = new Uint8Array(60);
    const out = new TcpSegment();
    const options = writeTcpOptions(bytes, 20, 1_460, 7, true, 1, 2);
    writeTcpHeader(bytes, 0, 1, 2, 3, 4, 2, 5, 6, 20 + options);
    expect(parseTcp(bytes, 0, 60, out)).toBe(0);
    writeTcpHeader(bytes, 0, 1, 2, 3, 4, 16, 5, 6, 20);
    expect(parseTcp(bytes, 0, 20, out)).toBe(0);
    expect([out.mss, out.windowScale, out.hasTimestamps, out.tsVal, out.tsEcr]).toEqual([
      0,
      -1,
      false,
      0,
      0,
    ]);
    expect(out.payloadBytes).toBe(0);
  });
});
