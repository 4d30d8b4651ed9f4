// SPDX-License-Identifier: MIT
// Rows A1 to A3, B1 to B3, B7 and C of the hostile-input list, as far as parsing decides them.

import { describe, expect, it } from "vitest";
import { ArpPacket, parseArp, writeArp } from "../../src/wire/arp.ts";
import { checksum, isChecksumValid, pseudoHeaderIpv4 } from "../../src/wire/checksum.ts";
import { readEtherType, writeEthernet } from "../../src/wire/ethernet.ts";
import { IcmpMessage, parseIcmp, parseQuotedPacket, QuotedPacket } from "../../src/wire/icmp.ts";
import { Ipv4Header, markFragment, parseIpv4, writeIpv4 } from "../../src/wire/ipv4.ts";
import { REASON_NAMES, reasonName } from "../../src/wire/reasons.ts";
import { parseTcp, TcpSegment, writeTcpHeader } from "../../src/wire/tcp.ts";

const MAC_A = Uint8Array.of(2, 0, 0, 0, 0, 1);
const MAC_B = Uint8Array.of(2, 0, 0, 0, 0, 2);
const SYN = 2;
const ACK = 16;

function frame(length: number, etherType: number): Uint8Array {
  const bytes = new Uint8Array(Math.max(length, 14));
  writeEthernet(bytes, 0, MAC_A, MAC_B, etherType);
  return bytes.subarray(0, length);
}

/** An IPv4 packet whose header is changed by `change` and then given a right checksum. */
function packet(totalBytes: number, change: (bytes: Uint8Array) => void = () => {}): Uint8Array {
  const bytes = new Uint8Array(totalBytes);
  writeIpv4(bytes, 0, totalBytes, 64, 6, 0x0a000002, 0x0a000001);
  change(bytes);
  const headerBytes = Math.min(((bytes[0] as number) & 15) * 4, totalBytes);
  bytes[10] = 0;
  bytes[11] = 0;
  const field = checksum(bytes, 0, headerBytes);
  bytes[10] = field >>> 8;
  bytes[11] = field & 0xff;
  return bytes;
}

function verdict(bytes: Uint8Array, length: number = bytes.length): string {
  return reasonName(parseIpv4(bytes, 0, length, new Ipv4Header()));
}

/** A segment with these option bytes, padded with what follows them. */
function segment(options: number[], flags: number, payload = 0): TcpSegment {
  const padded = (options.length + 3) & ~3;
  const bytes = new Uint8Array(20 + padded + payload);
  writeTcpHeader(bytes, 0, 1_000, 2_000, 1, 2, flags, 100, 0, 20 + padded);
  bytes.set(options, 20);
  const out = new TcpSegment();
  expect(parseTcp(bytes, 0, bytes.length, out)).toBe(0);
  expect(out.payloadBytes).toBe(payload);
  return out;
}

describe("frames and ARP", () => {
  it("A1: a frame of 0 to 13 bytes is truncated", () => {
    for (let length = 0; length < 14; length++) {
      expect(reasonName(readEtherType(frame(length, 0x0800), 0, length))).toBe(
        "ethernet.truncated",
      );
    }
  });

  it("A1: VLAN tags, single, double and nested, are refused without looking into them", () => {
    for (const tag of [0x8100, 0x88a8, 0x9100]) {
      for (const length of [14, 15, 18, 46]) {
        const bytes = frame(length, tag);
        for (let at = 16; at + 1 < length; at += 4) bytes[at] = 0x81;
        expect(reasonName(readEtherType(bytes, 0, length))).toBe("ethernet.vlan");
      }
    }
  });

  it("A1: an IEEE 802.3 length in place of the EtherType is refused", () => {
    for (const length of [0, 1, 46, 1_500, 0x5ff]) {
      expect(reasonName(readEtherType(frame(60, length), 0, 60))).toBe("ethernet.lengthField");
    }
  });

  it("A2: padding after the packet never becomes payload", () => {
    const bytes = new Uint8Array(46).fill(0xee);
    bytes.set(packet(41));
    const header = new Ipv4Header();
    expect(parseIpv4(bytes, 0, 46, header)).toBe(0);
    expect(header.payloadBytes).toBe(21);
    writeTcpHeader(bytes, 20, 1, 2, 3, 4, ACK, 5, 0, 20);
    const out = new TcpSegment();
    expect(parseTcp(bytes, header.headerBytes, header.payloadBytes, out)).toBe(0);
    expect(out.payloadBytes).toBe(1);
  });

  it("A3: ARP with other lengths, types or operations, or truncated, is refused", () => {
    const good = new Uint8Array(28);
    writeArp(good, 0, 1, MAC_A, 1, MAC_B, 2);
    const check = (at: number, value: number, reason: string): void => {
      const bytes = good.slice();
      bytes[at] = value;
      const out = new ArpPacket();
      expect(reasonName(parseArp(bytes, 0, 28, out))).toBe(reason);
      expect(out).toEqual(new ArpPacket());
    };
    check(1, 6, "arp.hardware");
    check(2, 0x86, "arp.protocol");
    for (const hlen of [0, 5, 7, 255]) check(4, hlen, "arp.addressLength");
    for (const plen of [0, 3, 5, 16, 255]) check(5, plen, "arp.addressLength");
    for (let op = 3; op <= 255; op++) check(7, op, "arp.operation");
    check(7, 0, "arp.operation");
    check(6, 1, "arp.operation");
    for (let length = 0; length < 28; length++) {
      expect(reasonName(parseArp(good, 0, length, new ArpPacket()))).toBe("arp.truncated");
    }
  });
});

describe("IPv4 headers", () => {
  it("B1: another version", () => {
    for (const version of [0, 1, 3, 5, 6, 15]) {
      const bytes = packet(40, (b) => {
        b[0] = (version << 4) | 5;
      });
      expect(verdict(bytes)).toBe("ipv4.version");
    }
  });

  it("B1: header length below 5 words, or past the bytes present", () => {
    for (const words of [0, 1, 4]) {
      const bytes = packet(40, (b) => {
        b[0] = 0x40 | words;
      });
      expect(verdict(bytes)).toBe("ipv4.headerLength");
    }
    const bytes = packet(40, (b) => {
      b[0] = 0x4f;
    });
    expect(verdict(bytes)).toBe("ipv4.headerLength");
  });

  it("B1: total length 0, below the header, or past the bytes present", () => {
    for (const total of [0, 1, 19, 41, 65_535]) {
      const bytes = packet(40, (b) => {
        b[2] = total >>> 8;
        b[3] = total & 0xff;
      });
      expect(verdict(bytes)).toBe("ipv4.totalLength");
    }
    const options = packet(40, (b) => {
      b[0] = 0x48;
      b[3] = 31;
    });
    expect(verdict(options)).toBe("ipv4.totalLength");
  });

  it("B1: fewer than 20 bytes", () => {
    for (let length = 0; length < 20; length++)
      expect(verdict(packet(40), length)).toBe("ipv4.truncated");
  });

  it("B2: every single wrong bit of the header is noticed, TTL 0 too", () => {
    for (let bit = 0; bit < 160; bit++) {
      const bytes = packet(40);
      (bytes[bit >>> 3] as number) ^= 1 << (bit & 7);
      expect(verdict(bytes)).not.toBe("ok");
    }
    const expired = packet(40, (b) => {
      b[8] = 0;
    });
    expect(verdict(expired)).toBe("ipv4.ttlZero");
  });

  it("B3: options of any content are stepped over", () => {
    const lists = [
      [7, 0],
      [7, 1],
      [7, 255],
      [131, 3, 1],
      [137, 7, 255],
      [68, 4, 5, 0],
      new Array<number>(40).fill(0xaa),
    ];
    for (const list of lists) {
      const words = (list.length + 3) >> 2;
      const bytes = packet(20 + words * 4 + 8, (b) => {
        b[0] = 0x45 + words;
        b.set(list, 20);
      });
      const header = new Ipv4Header();
      expect(parseIpv4(bytes, 0, bytes.length, header)).toBe(0);
      expect(header.headerBytes).toBe(20 + words * 4);
      expect(header.payloadBytes).toBe(8);
    }
  });

  it("B7: fragments that are empty, uneven, or reach past 65,535 bytes are refused", () => {
    const fragment = (payload: number, offset: number, more: boolean): string => {
      const bytes = packet(20 + payload);
      markFragment(bytes, 0, offset, more);
      return verdict(bytes);
    };
    expect(fragment(0, 8, true)).toBe("ipv4.fragmentEmpty");
    expect(fragment(0, 8, false)).toBe("ipv4.fragmentEmpty");
    expect(fragment(12, 0, true)).toBe("ipv4.fragmentAlignment");
    expect(fragment(16, 65_504, false)).toBe("ipv4.fragmentRange");
    expect(fragment(8, 65_504, true)).toBe("ok");
    expect(fragment(11, 65_504, false)).toBe("ok");
    expect(fragment(12, 65_504, false)).toBe("ipv4.fragmentRange");
  });
});

describe("IPv4 packets of ours", () => {
  it("B9: carry id 0 and must not be fragmented: there is nothing to predict (RFC 6864 §4.1)", () => {
    const header = new Ipv4Header();
    expect(parseIpv4(packet(40), 0, 40, header)).toBe(0);
    expect([header.id, header.dontFragment]).toEqual([0, true]);
  });
});

describe("TCP headers", () => {
  const parse = (bytes: Uint8Array, length: number = bytes.length): string =>
    reasonName(parseTcp(bytes, 0, length, new TcpSegment()));

  it("C1: fewer than 20 bytes, data offset below 5 or past the segment", () => {
    const bytes = new Uint8Array(40);
    for (let words = 0; words < 16; words++) {
      writeTcpHeader(bytes, 0, 1, 2, 3, 4, ACK, 5, 0, words * 4);
      expect(parse(bytes)).toBe(words < 5 || words > 10 ? "tcp.dataOffset" : "ok");
    }
    writeTcpHeader(bytes, 0, 1, 2, 3, 4, ACK, 5, 0, 20);
    for (let length = 0; length < 20; length++) expect(parse(bytes, length)).toBe("tcp.truncated");
  });

  it("C2: checksums 0x0000 and 0xffff, odd lengths", () => {
    for (const payload of [0, 1, 2, 3]) {
      const bytes = new Uint8Array(20 + payload).fill(0xff);
      const pseudo = pseudoHeaderIpv4(-1, -1, 6, bytes.length);
      bytes[16] = 0;
      bytes[17] = 0;
      const field = checksum(bytes, 0, bytes.length, pseudo);
      for (const wrong of [0x0000, 0xffff]) {
        bytes[16] = wrong >>> 8;
        bytes[17] = wrong & 0xff;
        // In one's complement both are zero: right exactly if the computed field is one of them.
        const isZero = field === 0 || field === 0xffff;
        expect(isChecksumValid(bytes, 0, bytes.length, pseudo)).toBe(isZero);
      }
      bytes[16] = field >>> 8;
      bytes[17] = field & 0xff;
      expect(isChecksumValid(bytes, 0, bytes.length, pseudo)).toBe(true);
    }
  });

  it("C3: every combination of flags parses; reserved bits are not shown", () => {
    const bytes = new Uint8Array(20);
    const out = new TcpSegment();
    for (let flags = 0; flags < 256; flags++) {
      writeTcpHeader(bytes, 0, 1, 2, 3, 4, flags, 5, 0, 20);
      (bytes[12] as number) |= 0x0f;
      expect(parseTcp(bytes, 0, 20, out)).toBe(0);
      expect(out.flags).toBe(flags);
    }
  });

  it("C4: option lengths 0, 1 and past the end stop the options, not the segment", () => {
    for (const kind of [2, 3, 4, 5, 8, 19, 253, 254, 255]) {
      for (const length of [0, 1, 9, 40, 255]) {
        const out = segment([2, 4, 5, 0xb4, kind, length, 0, 0, 3, 3, 7, 0], SYN, 3);
        expect(out.mss).toBe(1_460);
        if (length !== 9) expect(out.windowScale).toBe(-1);
      }
      expect(segment([1, 1, 1, kind], SYN).mss).toBe(0);
      expect(segment([1, 1, kind, 4], SYN).mss).toBe(0);
    }
  });

  it("C4: an option that lacks its last byte is not completed from the payload", () => {
    for (const option of [
      [2, 4, 5, 0xb4],
      [3, 3, 7],
      [4, 2],
      [8, 10, 0, 0, 0, 1, 0, 0, 0, 2],
    ]) {
      for (let missing = 1; missing < option.length; missing++) {
        const kept = option.slice(0, option.length - missing);
        const nops = new Array<number>((4 - (kept.length & 3)) & 3).fill(1);
        const list = [...nops, ...kept];
        const bytes = new Uint8Array(20 + list.length + 16);
        writeTcpHeader(bytes, 0, 1, 2, 3, 4, SYN, 5, 0, 20 + list.length);
        bytes.set([...nops, ...option], 20);
        const out = new TcpSegment();
        expect(parseTcp(bytes, 0, bytes.length, out)).toBe(0);
        expect([out.mss, out.windowScale, out.sackPermitted, out.hasTimestamps]).toEqual([
          0,
          -1,
          false,
          false,
        ]);
      }
    }
  });

  it("C4: junk after the end of the list is not read; 40 NOPs are nothing", () => {
    expect(segment([0, 2, 4, 5, 0xb4, 3, 3, 7], SYN).mss).toBe(0);
    const out = segment(new Array<number>(40).fill(1), SYN, 5);
    expect([out.mss, out.windowScale, out.hasTimestamps]).toEqual([0, -1, false]);
  });

  it("C4: a list of any kind and length, repeated, ends", () => {
    const bytes = new Uint8Array(60);
    const out = new TcpSegment();
    writeTcpHeader(bytes, 0, 1, 2, 3, 4, SYN, 5, 0, 60);
    let accepted = 0;
    for (let pattern = 0; pattern < 65_536; pattern++) {
      for (let at = 20; at < 60; at += 2) {
        bytes[at] = pattern >>> 8;
        bytes[at + 1] = pattern & 0xff;
      }
      if (parseTcp(bytes, 0, 60, out) === 0) accepted++;
    }
    expect(accepted).toBe(65_536);
  });

  it("C5: an MSS of the wrong length is stepped over, small values count as 88, 0 as none", () => {
    expect(segment([2, 3, 5, 1], SYN).mss).toBe(0);
    expect(segment([2, 5, 5, 0xb4, 1, 1, 1, 1], SYN).mss).toBe(0);
    const values = [0, 1, 7, 48, 87, 88, 536, 65_535];
    const read = values.map((mss) => segment([2, 4, mss >>> 8, mss & 0xff], SYN).mss);
    expect(read).toEqual([0, 88, 88, 88, 88, 88, 536, 65_535]);
  });

  it("C5: an MSS in a data segment is ignored", () => {
    expect(segment([2, 4, 5, 0xb4], ACK, 10).mss).toBe(0);
  });

  it("C6: a window scale above 14 counts as 14; other lengths and data segments are ignored", () => {
    const scale = (list: number[], flags = SYN): number => segment(list, flags).windowScale;
    expect([0, 7, 14, 15, 255].map((shift) => scale([3, 3, shift, 1]))).toEqual([0, 7, 14, 14, 14]);
    expect(scale([3, 2, 1, 1])).toBe(-1);
    expect(scale([3, 4, 7, 7])).toBe(-1);
    expect(scale([3, 3, 7, 1], ACK)).toBe(-1);
  });

  it("C7: SACK-permitted counts in a SYN only; SACK blocks of any length are stepped over", () => {
    expect(segment([4, 2, 1, 1], SYN).sackPermitted).toBe(true);
    expect(segment([4, 2, 1, 1], ACK).sackPermitted).toBe(false);
    expect(segment([4, 3, 0, 1], SYN).sackPermitted).toBe(false);
    for (const length of [2, 9, 10, 11, 18, 26, 34, 38]) {
      const list = [5, length, ...new Array<number>(length - 2).fill(0xff)];
      const out = segment(list.length <= 36 ? [...list, 1, 1] : list, ACK, 4);
      expect(out.hasTimestamps).toBe(false);
    }
  });

  it("C8: timestamps of length 9 and 11 are not timestamps", () => {
    expect(segment([8, 9, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1], ACK).hasTimestamps).toBe(false);
    expect(segment([8, 11, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1], ACK).hasTimestamps).toBe(false);
    const out = segment([8, 10, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 1, 1], ACK);
    expect([out.hasTimestamps, out.tsVal, out.tsEcr]).toEqual([true, 1, -1]);
    const usual = segment([1, 1, 8, 10, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff], ACK);
    expect([usual.hasTimestamps, usual.tsVal, usual.tsEcr]).toEqual([true, 1, -1]);
  });

  it("C9: of two options of one kind the last counts", () => {
    expect(segment([2, 4, 1, 0, 2, 4, 2, 0], SYN).mss).toBe(0x200);
    const stamp = (value: number): number[] => [8, 10, 0, 0, 0, value, 0, 0, 0, 0];
    expect(segment([...stamp(1), ...stamp(2)], ACK).tsVal).toBe(2);
  });

  it("C10, C11: urgent pointers and payloads on any flags are told as they are", () => {
    const bytes = new Uint8Array(24);
    const out = new TcpSegment();
    for (const flags of [32, 34, 33, 2, 18, 4, 1, 63]) {
      for (const pointer of [0, 1, 4, 5, 65_535]) {
        writeTcpHeader(bytes, 0, 1, 2, 3, 4, flags, 5, pointer, 20);
        expect(parseTcp(bytes, 0, 24, out)).toBe(0);
        expect([out.urgentPointer, out.payloadBytes, out.flags]).toEqual([pointer, 4, flags]);
      }
    }
  });

  it("C12: port 0 on either side is refused, equal ports are not", () => {
    const bytes = new Uint8Array(20);
    const ports = (src: number, dst: number): string => {
      writeTcpHeader(bytes, 0, src, dst, 3, 4, SYN, 5, 0, 20);
      return parse(bytes);
    };
    expect([ports(0, 1), ports(1, 0), ports(0, 0), ports(7, 7)]).toEqual([
      "tcp.portZero",
      "tcp.portZero",
      "tcp.portZero",
      "ok",
    ]);
  });
});

describe("ICMP messages", () => {
  const quote = (change: (bytes: Uint8Array) => void, length: number): string => {
    const bytes = packet(60, change);
    return reasonName(parseQuotedPacket(bytes, 0, length, new QuotedPacket()));
  };

  it("G1: a quoted packet of 0 to 27 bytes, or with a header past the end, is not read", () => {
    for (let length = 0; length < 28; length++) {
      expect(quote(() => {}, length)).toBe("icmp.quoteTruncated");
    }
    expect(quote(() => {}, 28)).toBe("ok");
    const longHeader = (bytes: Uint8Array): void => {
      bytes[0] = 0x4f;
    };
    expect(quote(longHeader, 60)).toBe("icmp.quoteTruncated");
    const short = (bytes: Uint8Array): void => {
      bytes[0] = 0x44;
    };
    expect(quote(short, 60)).toBe("icmp.quoteTruncated");
    const version6 = (bytes: Uint8Array): void => {
      bytes[0] = 0x65;
    };
    expect(quote(version6, 60)).toBe("icmp.quoteVersion");
    const laterFragment = (bytes: Uint8Array): void => {
      bytes[7] = 1;
    };
    expect(quote(laterFragment, 60)).toBe("icmp.quoteFragment");
  });

  it("G4: messages below 8 bytes and wrong checksums are refused", () => {
    const bytes = new Uint8Array(16);
    bytes[0] = 8;
    for (let length = 0; length < 8; length++) {
      expect(reasonName(parseIcmp(bytes, 0, length, new IcmpMessage()))).toBe("icmp.truncated");
    }
    expect(reasonName(parseIcmp(bytes, 0, 16, new IcmpMessage()))).toBe("icmp.checksum");
  });
});

describe("reasons", () => {
  it("have one name each", () => {
    expect(new Set(REASON_NAMES).size).toBe(REASON_NAMES.length);
    expect(reasonName(-REASON_NAMES.length)).toBe("unknown");
  });
});
