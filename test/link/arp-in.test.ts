// SPDX-License-Identifier: MIT
// RFC 826 and RFC 5227 rules; row A4 of the hostile-input list.

import { describe, expect, it } from "vitest";
import {
  ARP_ANSWER,
  ARP_CONFLICT,
  ARP_CREATE,
  ARP_UPDATE,
  ArpJudge,
} from "../../src/link/arp-in.ts";
import { ARP_REPLY, ARP_REQUEST, ArpPacket } from "../../src/wire/arp.ts";

const OWN_MAC = Uint8Array.of(2, 0, 0, 0, 0, 1);
const OWN = 0x0a000001;
const PEER = 0x0a000002;
const OTHER = 0x0a000003;

function packet(
  op: number,
  senderIp: number,
  targetIp: number,
  senderMac = [2, 0, 0, 0, 0, 2],
): ArpPacket {
  const result = Object.assign(new ArpPacket(), { op, senderIp, targetIp });
  result.senderMac.set(senderMac);
  return result;
}

const judge = (arp: ArpPacket, bits = 24): number => new ArpJudge(OWN_MAC, OWN, bits).judge(arp);

describe("an ARP packet", () => {
  it("that asks for us is answered, and its sender learnt (RFC 826)", () => {
    expect(judge(packet(ARP_REQUEST, PEER, OWN))).toBe(ARP_UPDATE | ARP_CREATE | ARP_ANSWER);
  });

  it("that is between others updates what we know", () => {
    expect(judge(packet(ARP_REQUEST, PEER, OTHER))).toBe(ARP_UPDATE);
    expect(judge(packet(ARP_REPLY, PEER, OTHER))).toBe(ARP_UPDATE);
  });

  it("A4: that answers without having been asked makes no entry", () => {
    expect(judge(packet(ARP_REPLY, PEER, OWN))).toBe(ARP_UPDATE);
  });

  it("A4: that announces its sender (gratuitous) makes no entry", () => {
    expect(judge(packet(ARP_REQUEST, PEER, PEER))).toBe(ARP_UPDATE);
    expect(judge(packet(ARP_REPLY, PEER, PEER))).toBe(ARP_UPDATE);
  });

  it("A4: that claims our own address is a conflict, whatever else it says", () => {
    for (const op of [ARP_REQUEST, ARP_REPLY]) {
      for (const target of [OWN, PEER, 0])
        expect(judge(packet(op, OWN, target))).toBe(ARP_CONFLICT);
    }
  });

  it("A4: that probes (sender 0.0.0.0) is answered if it is for us, and never learnt from", () => {
    expect(judge(packet(ARP_REQUEST, 0, OWN))).toBe(ARP_ANSWER);
    expect(judge(packet(ARP_REQUEST, 0, OTHER))).toBe(0);
    expect(judge(packet(ARP_REPLY, 0, OWN))).toBe(0);
  });

  it("A4: with a broadcast, multicast, zero or our own sender MAC is ignored", () => {
    const macs = [
      [255, 255, 255, 255, 255, 255],
      [1, 0, 0x5e, 0, 0, 1],
      [0, 0, 0, 0, 0, 0],
      [...OWN_MAC],
    ];
    for (const mac of macs) {
      expect(judge(packet(ARP_REQUEST, PEER, OWN, mac))).toBe(0);
      expect(judge(packet(ARP_REPLY, OWN, OWN, mac))).toBe(0);
    }
  });

  it("A4: from an address that is no host of our link is ignored", () => {
    for (const sender of [0x0a000000, 0x0a0000ff, 0x0a000101, 0xe0000001 | 0, -1, 0x7f000001]) {
      expect(judge(packet(ARP_REQUEST, sender, OWN))).toBe(0);
    }
    expect(judge(packet(ARP_REQUEST, 0x0a000000, OWN), 31)).not.toBe(0);
    expect(judge(packet(ARP_REQUEST, 0x08080808, OWN), 0)).not.toBe(0);
    expect(judge(packet(ARP_REQUEST, PEER, OWN), 32)).toBe(0);
  });

  it("A4: our address is defended at most once in ten seconds (RFC 5227 §2.4)", () => {
    const arp = new ArpJudge(OWN_MAC, OWN, 24);
    const defended: number[] = [];
    for (let ms = 0; ms <= 25_000; ms += 100) if (arp.shouldDefend(ms)) defended.push(ms);
    expect(defended).toEqual([0, 10_000, 20_000]);
  });
});
