// SPDX-License-Identifier: MIT
import { describe, expect, it } from "vitest";
import {
  craftArp,
  craftEthernet,
  craftIcmp,
  craftIpv4,
  craftTcp,
  craftUdp,
  TCP_FLAGS,
} from "../../src/sim/craft.ts";
import { FrameView } from "../../src/sim/frame-view.ts";
import { PacketText, traceLine } from "../../src/sim/packet-text.ts";
import { Random } from "../../src/sim/random.ts";

const { SYN, ACK, FIN, PSH, RST } = TCP_FLAGS;
const there = {
  source: "10.0.0.1",
  destination: "10.0.0.2",
  sourcePort: 49152,
  destinationPort: 80,
};
const back = {
  source: "10.0.0.2",
  destination: "10.0.0.1",
  sourcePort: 80,
  destinationPort: 49152,
};
const SYN_OPTIONS = [2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 7, 0, 0, 0, 0, 1, 3, 3, 7];

function printed(frame: Uint8Array): string {
  return new PacketText({ verifyChecksums: true }).format(frame);
}

describe("a printed packet", () => {
  it("counts sequence numbers from the SYN of each direction", () => {
    const text = new PacketText();
    const lines = [
      craftTcp({ ...there, seq: 0xffffffff, flags: SYN, options: SYN_OPTIONS }),
      craftTcp({ ...back, seq: 5000, ack: 0, flags: SYN | ACK, window: 100 }),
      craftTcp({ ...there, seq: 0, ack: 5001 }),
      craftTcp({ ...there, seq: 0, ack: 5001, flags: PSH | ACK, payload: "hello" }),
      craftTcp({ ...back, seq: 5001, ack: 5, flags: FIN | ACK }),
      craftTcp({ ...there, seq: 5, flags: RST }),
    ].map((frame) => text.format(frame));
    expect(lines).toEqual([
      "10.0.0.1:49152 > 10.0.0.2:80 [SYN] seq 0 win 65535 <mss 1460,sackOK,TS 7/0,wscale 7>",
      "10.0.0.2:80 > 10.0.0.1:49152 [SYN,ACK] seq 0 ack 1 win 100",
      "10.0.0.1:49152 > 10.0.0.2:80 [ACK] seq 1 ack 1 win 65535",
      "10.0.0.1:49152 > 10.0.0.2:80 [PSH,ACK] seq 1:6 ack 1 win 65535 len 5",
      "10.0.0.2:80 > 10.0.0.1:49152 [FIN,ACK] seq 1 ack 6 win 65535",
      "10.0.0.1:49152 > 10.0.0.2:80 [RST] seq 6 win 65535",
    ]);
  });

  it("prints absolute numbers when asked to", () => {
    const text = new PacketText({ absoluteNumbers: true });
    expect(text.format(craftTcp({ ...there, seq: 0xfffffff0, ack: 7 }))).toContain(
      "seq 4294967280 ack 7",
    );
  });

  it("prints SACK blocks, strange options and broken ones", () => {
    const text = new PacketText();
    text.format(craftTcp({ ...back, seq: 999, flags: SYN }));
    const sack = [1, 1, 5, 10, 0, 0, 4, 0, 0, 0, 4, 10];
    expect(text.format(craftTcp({ ...there, options: sack }))).toContain("<sack 25:35>");
    expect(printed(craftTcp({ ...there, options: [254, 4, 0, 0] }))).toContain("<option 254>");
    expect(printed(craftTcp({ ...there, options: [2, 1, 0, 0] }))).toContain("bad length 1");
    expect(printed(craftTcp({ ...there, options: [8, 10, 0, 0] }))).toContain("bad length 10");
  });

  it("prints ARP, ICMP, UDP, fragments and what it does not know", () => {
    const arp = { senderMac: "02:00:00:00:00:01", senderIp: "10.0.0.1", targetIp: "10.0.0.2" };
    expect(printed(craftArp(arp))).toBe("arp who has 10.0.0.2? tell 10.0.0.1");
    expect(printed(craftArp({ ...arp, operation: 2 }))).toBe(
      "arp 10.0.0.1 is at 02:00:00:00:00:01",
    );
    expect(printed(craftArp({ ...arp, senderIp: "0.0.0.0" }))).toContain("(probe)");
    expect(printed(craftArp({ ...arp, targetIp: "10.0.0.1" }))).toContain("announce");
    expect(printed(craftIcmp({ ...there, type: 8, rest: 0x00010002, payload: "abcd" }))).toBe(
      "10.0.0.1 > 10.0.0.2 icmp echo request id 1 seq 2 len 4",
    );
    const quoted = craftTcp(back).subarray(14, 42);
    expect(printed(craftIcmp({ ...there, type: 3, code: 3, payload: quoted }))).toBe(
      "10.0.0.1 > 10.0.0.2 icmp unreachable (port) for 10.0.0.2:80 > 10.0.0.1:49152",
    );
    expect(printed(craftUdp({ ...there, payload: "dns?" }))).toBe(
      "10.0.0.1:49152 > 10.0.0.2:80 udp len 4",
    );
    const rest = craftIpv4({ ...there, id: 5, fragment: 0x2000 | 10 }, new Uint8Array(16));
    expect(printed(rest)).toBe("10.0.0.1 > 10.0.0.2 fragment id 5 80:96+");
    expect(printed(craftEthernet({}, 0x88cc, new Uint8Array(46)))).toContain("ethernet 0x88cc");
  });

  it("prints IPv6 as far as it goes", () => {
    const packet = new Uint8Array(48);
    packet.set([0x60, 0, 0, 0, 0, 8, 58, 255, 0xfe, 0x80], 0);
    packet[23] = 1;
    packet.set([0xff, 2], 24);
    packet[39] = 2;
    packet[40] = 133;
    expect(printed(craftEthernet({}, 0x86dd, packet))).toBe(
      "fe80::1 > ff02::2 icmp6 router solicitation",
    );
  });

  it("tells wrong checksums when asked to look", () => {
    expect(printed(craftTcp({ ...there, payload: "x" }))).not.toContain("bad");
    expect(printed(craftTcp({ ...there, checksum: 1 }))).toContain("(bad tcp checksum)");
    expect(printed(craftTcp({ ...there, ipChecksum: 1 }))).toContain("(bad ip checksum)");
    expect(new PacketText().format(craftTcp({ ...there, checksum: 1 }))).not.toContain("bad");
  });

  it("needs only the beginning of a frame", () => {
    const frame = craftTcp({ ...there, seq: 1, payload: new Uint8Array(1000) });
    expect(new PacketText().format(frame.subarray(0, 60), frame.length)).toContain("len 1000");
  });

  it("prints any bytes without throwing", () => {
    const random = new Random(1);
    const text = new PacketText({ verifyChecksums: true });
    const view = new FrameView();
    const valid = craftTcp({ ...there, options: SYN_OPTIONS, payload: "hello" });
    for (let i = 0; i < 20_000; i++) {
      const bytes = i % 2 === 0 ? random.bytes(random.below(100)) : valid.slice();
      for (let n = random.below(4); n >= 0 && bytes.length > 0; n--) {
        bytes[random.below(bytes.length)] = random.below(256);
      }
      if (bytes.length > 13)
        bytes.set(
          [
            [8, 0],
            [8, 6],
            [0x86, 0xdd],
            [0x81, 0],
          ][i & 3]!,
          12,
        );
      const cut = bytes.subarray(0, random.below(bytes.length + 1));
      expect(text.format(cut).length).toBeGreaterThan(0);
      view.parse(cut);
      expect(view.payload.length).toBeLessThanOrEqual(cut.length);
    }
  });

  it("becomes a trace line with a time and a place", () => {
    expect(traceLine(12.0341, "a > b", "arp")).toBe("    12.034 a > b  arp");
  });
});

describe("crafted frames", () => {
  it("are right where nothing else was asked for", () => {
    const frame = craftTcp({ ...there, seq: 1, ack: 2, flags: SYN, payload: "abc" });
    const view = new FrameView().parse(frame);
    expect(view.isTcp).toBe(true);
    expect([view.seq, view.ack, view.flags, view.payloadLength]).toEqual([1, 2, SYN, 3]);
    expect(new TextDecoder().decode(view.payload)).toBe("abc");
    expect(view.sourceMac).toBe("02:00:00:00:00:fe");
  });

  it("are as wrong as asked for", () => {
    const view = new FrameView();
    expect(view.parse(craftTcp({ ...there, headerBytes: 60 })).ipHeaderBytes).toBe(60);
    expect(view.parse(craftTcp({ ...there, totalBytes: 4000 })).ipTotalBytes).toBe(4000);
    expect(view.parse(craftTcp({ ...there, dataOffsetBytes: 60 })).payloadLength).toBe(0);
    expect(view.parse(craftTcp({ ...there, version: 6 })).protocol).toBe("tcp");
  });

  it("refuse malformed addresses, naming the argument", () => {
    expect(() => craftTcp({ ...there, source: "10.0.0" })).toThrow(/address/);
    expect(() => craftTcp({ ...there, source: "10.0.0.256" })).toThrow(/address/);
    expect(() => craftTcp({ ...there, sourceMac: "02" })).toThrow(/mac/);
  });
});
