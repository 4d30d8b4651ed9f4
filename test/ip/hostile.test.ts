// SPDX-License-Identifier: MIT
// Rows B4 to B6 and G of the hostile-input list, as far as src/ip decides them.

import { describe, expect, it } from "vitest";
import { IpAddress } from "../../src/ip/address.ts";
import {
  ICMP_ECHO,
  ICMP_ERROR,
  ICMP_IGNORE,
  IcmpVerdict,
  judgeIcmp,
  mayAnswerWithError,
  TokenBucket,
} from "../../src/ip/icmp.ts";
import {
  classifyDestination,
  classifySource,
  DESTINATION_BROADCAST,
  DESTINATION_MULTICAST,
  DESTINATION_OURS,
  SOURCE_NAMES,
} from "../../src/ip/martian.ts";
import { IcmpMessage, parseIcmp, writeIcmpError } from "../../src/wire/icmp.ts";
import { Ipv4Header, writeIpv4 } from "../../src/wire/ipv4.ts";
import { writeTcpHeader } from "../../src/wire/tcp.ts";

const w3 = (text: string): number => (IpAddress.parse(text) as IpAddress).w3;
const OWN = w3("10.0.0.1");
const PEER = w3("10.0.0.2");

describe("addresses of arrived packets", () => {
  it.each([
    ["0.0.0.0", "unspecified"],
    ["0.1.2.3", "unspecified"],
    ["127.0.0.1", "loopback"],
    ["127.255.0.1", "loopback"],
    ["224.0.0.1", "multicast"],
    ["239.255.255.250", "multicast"],
    ["240.0.0.1", "reserved"],
    ["255.255.255.255", "broadcast"],
    ["10.0.0.255", "broadcast"],
    ["10.0.0.0", "broadcast"],
    ["10.0.0.1", "ours"],
    ["10.0.0.2", "ok"],
    ["10.0.1.255", "ok"],
    ["192.0.2.255", "ok"],
  ])("B4: source %s is %s", (text, name) => {
    expect(SOURCE_NAMES[classifySource(w3(text), OWN, 24)]).toBe(name);
  });

  it("B4: a /31 and a /32 have no broadcast address", () => {
    expect(classifySource(w3("10.0.0.0"), OWN, 31)).toBe(0);
    expect(classifySource(w3("10.0.0.2"), OWN, 32)).toBe(0);
  });

  it.each([
    ["10.0.0.1", "ours"],
    ["10.0.0.255", "broadcast"],
    ["10.0.0.0", "broadcast"],
    ["255.255.255.255", "broadcast"],
    ["224.0.0.1", "multicast"],
    ["10.0.0.2", "other"],
    ["10.0.1.255", "other"],
  ])("B5: destination %s is %s", (text, name) => {
    const names = ["ours", "broadcast", "multicast", "other"];
    expect(names[classifyDestination(w3(text), OWN, 24)]).toBe(name);
  });
});

/** An ICMP error about a SYN of ours, of `quoteBytes` bytes of it. */
function judgeError(type: number, code: number, rest = 0, quoteBytes = 40): [number, IcmpVerdict] {
  const packet = new Uint8Array(60);
  writeIpv4(packet, 0, 60, 64, 6, OWN, PEER);
  writeTcpHeader(packet, 20, 50_000, 80, 77, 0, 2, 0, 0, 40);
  const bytes = new Uint8Array(100);
  const length = writeIcmpError(bytes, 0, type, code, rest, packet, 0, quoteBytes);
  const message = new IcmpMessage();
  expect(parseIcmp(bytes, 0, length, message)).toBe(0);
  const verdict = new IcmpVerdict();
  return [judgeIcmp(bytes, message, DESTINATION_OURS, verdict), verdict];
}

describe("ICMP in", () => {
  it("G1: unreachable messages become errnos; only protocol and port are hard", () => {
    const errnos: number[] = [];
    for (let code = 0; code <= 15; code++) {
      const [kind, verdict] = judgeError(3, code);
      expect(kind).toBe(ICMP_ERROR);
      expect(verdict.isHard).toBe(code === 2 || code === 3);
      expect(verdict.mtu).toBe(code === 4 ? 0 : -1);
      expect([verdict.quoted.srcPort, verdict.quoted.dstPort, verdict.quoted.seq]).toEqual([
        50_000, 80, 77,
      ]);
      expect([verdict.quoted.src, verdict.quoted.dst]).toEqual([OWN, PEER]);
      errnos.push(-verdict.errno);
    }
    expect(errnos.slice(0, 5)).toEqual([101, 113, 111, 111, 90]);
    expect(errnos.slice(13)).toEqual([113, 113, 113]);
  });

  it("G1: a quoted packet that is cut short is ignored", () => {
    for (let quoteBytes = 0; quoteBytes < 28; quoteBytes++) {
      const [kind, verdict] = judgeError(3, 3, 0, quoteBytes);
      expect([kind, verdict.reason < 0]).toEqual([ICMP_IGNORE, true]);
    }
    expect(judgeError(3, 3, 0, 28)[0]).toBe(ICMP_ERROR);
  });

  it("G2: the next-hop MTU is told as it came", () => {
    for (const mtu of [0, 1, 67, 68, 552, 1_500, 65_535]) {
      expect(judgeError(3, 4, mtu)[1].mtu).toBe(mtu);
    }
    // The upper half is unused and must not be believed.
    expect(judgeError(3, 4, (0x7fff << 16) | 552)[1].mtu).toBe(552);
  });

  it("G3: source quench, redirects, router discovery, timestamps, masks are ignored", () => {
    for (const type of [0, 4, 5, 9, 10, 13, 14, 15, 16, 17, 18, 40, 255]) {
      for (const code of [0, 1, 2, 3]) expect(judgeError(type, code)[0]).toBe(ICMP_IGNORE);
    }
  });

  it("G3: time exceeded and parameter problem are soft", () => {
    for (const type of [11, 12]) {
      const [kind, verdict] = judgeError(type, 0);
      expect([kind, verdict.isHard, verdict.errno]).toEqual([ICMP_ERROR, false, -113]);
    }
  });

  it("G4: an echo to us is answered, one to a broadcast or multicast address is not", () => {
    const message = Object.assign(new IcmpMessage(), { type: 8 });
    const judge = (destination: number): number =>
      judgeIcmp(new Uint8Array(8), message, destination, new IcmpVerdict());
    expect(judge(DESTINATION_OURS)).toBe(ICMP_ECHO);
    expect(judge(DESTINATION_BROADCAST)).toBe(ICMP_IGNORE);
    expect(judge(DESTINATION_MULTICAST)).toBe(ICMP_IGNORE);
    message.code = 1;
    expect(judge(DESTINATION_OURS)).toBe(ICMP_IGNORE);
  });
});

describe("ICMP errors out (RFC 1122 §3.2.2)", () => {
  const header = (fields: Partial<Ipv4Header>): Ipv4Header =>
    Object.assign(new Ipv4Header(), { headerBytes: 20, totalBytes: 40, protocol: 17 }, fields);
  const may = (
    fields: Partial<Ipv4Header>,
    destination = DESTINATION_OURS,
    isGroup = false,
  ): boolean => mayAnswerWithError(new Uint8Array(60), 0, header(fields), destination, isGroup);

  it("B6: go out about unknown protocols, tunnels among them", () => {
    for (const protocol of [4, 17, 41, 47, 132, 255]) expect(may({ protocol })).toBe(true);
  });

  it("B5: never go out about broadcasts and multicasts of either layer", () => {
    expect(may({}, DESTINATION_BROADCAST)).toBe(false);
    expect(may({}, DESTINATION_MULTICAST)).toBe(false);
    expect(may({}, DESTINATION_OURS, true)).toBe(false);
  });

  it("never go out about a fragment but the first", () => {
    expect(may({ fragmentOffset: 8 })).toBe(false);
    expect(may({ moreFragments: true })).toBe(true);
  });

  it("B3: never go out about a packet with options", () => {
    expect(may({ headerBytes: 24 })).toBe(false);
  });

  it("G5: never go out about an ICMP error, and about other ICMP only if its type is present", () => {
    const bytes = new Uint8Array(60);
    for (let type = 0; type < 256; type++) {
      bytes[20] = type;
      const isError = [3, 4, 5, 11, 12].includes(type);
      const icmp = header({ protocol: 1 });
      expect(mayAnswerWithError(bytes, 0, icmp, DESTINATION_OURS, false)).toBe(!isError);
    }
    expect(may({ protocol: 1, totalBytes: 20 })).toBe(false);
  });

  it("G5: are limited by a token bucket", () => {
    const bucket = new TokenBucket(100, 20);
    const taken = (nowMs: number, tries: number): number => {
      let count = 0;
      for (let i = 0; i < tries; i++) if (bucket.take(nowMs)) count++;
      return count;
    };
    expect(taken(5, 1_000)).toBe(20);
    expect(taken(14, 1_000)).toBe(0);
    expect(taken(25, 1_000)).toBe(2);
    expect(taken(1_000_000, 1_000)).toBe(20);
    let flood = 0;
    for (let ms = 0; ms < 10_000; ms++) flood += taken(2_000_000 + ms, 10);
    expect(flood).toBeGreaterThanOrEqual(1_000);
    expect(flood).toBeLessThanOrEqual(1_021);
  });

  it("F4: are limited by a bucket whose exact level chance hides, at the same rate", () => {
    let state = 1;
    const random = (): number => {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      return state / 2 ** 32;
    };
    const bursts = new Set<number>();
    let total = 0;
    for (let round = 0; round < 200; round++) {
      const bucket = new TokenBucket(100, 20, random);
      let burst = 0;
      while (bucket.take(0)) burst++;
      bursts.add(burst);
      total += burst;
    }
    expect(bursts.size).toBeGreaterThan(5);
    expect(total / 200).toBeGreaterThan(17);
    expect(total / 200).toBeLessThan(23);
  });
});
