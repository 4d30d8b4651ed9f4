// SPDX-License-Identifier: MIT
// RFC 791 §3.2, RFC 1122 §3.3.2; rows B7 and B8 of the hostile-input list.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  REASSEMBLY_COMPLETE,
  REASSEMBLY_CONDEMNED,
  REASSEMBLY_FRAGMENTS,
  REASSEMBLY_NAMES,
  REASSEMBLY_OVERLAP,
  REASSEMBLY_PENDING,
  REASSEMBLY_TINY,
  Reassembler,
} from "../../src/ip/reassembly.ts";
import { Ipv4Header, markFragment, parseIpv4, writeIpv4 } from "../../src/wire/ipv4.ts";

const UDP = 17;
const TCP = 6;

/** A fragment with payload bytes `start .. end` of a datagram whose byte i is `i * 7`. */
function fragment(start: number, end: number, more: boolean, id = 1, protocol = UDP): Uint8Array {
  const bytes = new Uint8Array(20 + end - start);
  writeIpv4(bytes, 0, bytes.length, 64, protocol, 1, 2, id);
  markFragment(bytes, 0, start, more);
  for (let i = start; i < end; i++) bytes[20 + i - start] = i * 7;
  return bytes;
}

function add(reassembler: Reassembler, bytes: Uint8Array, nowMs = 0): number {
  const header = new Ipv4Header();
  expect(parseIpv4(bytes, 0, bytes.length, header)).toBe(0);
  return reassembler.add(bytes, 0, header, nowMs);
}

describe("reassembly", () => {
  it("puts fragments together in any order, last one first too", () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.integer({ min: 1, max: 100 }), { maxLength: 30 }),
        fc.integer({ min: 1, max: 20 }),
        fc.infiniteStream(fc.nat()),
        (cuts, tail, order) => {
          const edges = [0, ...cuts.sort((a, b) => a - b).map((cut) => cut * 8)];
          const total = (edges.at(-1) as number) + tail;
          const parts = edges.map((start, i) =>
            fragment(start, edges[i + 1] ?? total, i + 1 < edges.length),
          );
          const shuffled = parts
            .map((part) => [order.next().value as number, part] as const)
            .sort((a, b) => a[0] - b[0])
            .map(([, part]) => part);
          const reassembler = new Reassembler();
          if (parts.length === 1) return;
          const results = shuffled.map((part) => add(reassembler, part));
          expect(results.pop()).toBe(REASSEMBLY_COMPLETE);
          expect(results.every((result) => result === REASSEMBLY_PENDING)).toBe(true);
          const { packet } = reassembler;
          const header = new Ipv4Header();
          expect(parseIpv4(packet, 0, packet.length, header)).toBe(0);
          expect([header.isFragment, header.payloadBytes, header.id]).toEqual([false, total, 1]);
          expect(packet.subarray(20)).toEqual(Uint8Array.from({ length: total }, (_, i) => i * 7));
          expect([reassembler.size, reassembler.heldBytes]).toEqual([0, 0]);
        },
      ),
    );
  });

  it("keeps datagrams apart by source, destination, protocol and id", () => {
    const reassembler = new Reassembler();
    expect(add(reassembler, fragment(0, 8, true, 1))).toBe(REASSEMBLY_PENDING);
    expect(add(reassembler, fragment(8, 16, false, 2))).toBe(REASSEMBLY_PENDING);
    expect(add(reassembler, fragment(8, 16, false, 1, 99))).toBe(REASSEMBLY_PENDING);
    expect(reassembler.size).toBe(3);
    expect(add(reassembler, fragment(8, 16, false, 1))).toBe(REASSEMBLY_COMPLETE);
    expect(reassembler.size).toBe(2);
  });

  it("B7: any overlap condemns the datagram, and what comes of it later", () => {
    const overlaps: [number, number, boolean][] = [
      [16, 32, true], // identical
      [16, 24, true], // inside
      [8, 40, true], // around
      [8, 24, true], // straddling the start
      [24, 48, true], // straddling the end
    ];
    for (const [start, end, more] of overlaps) {
      const reassembler = new Reassembler();
      expect(add(reassembler, fragment(16, 32, true))).toBe(REASSEMBLY_PENDING);
      expect(add(reassembler, fragment(start, end, more))).toBe(REASSEMBLY_OVERLAP);
      expect(reassembler.heldBytes).toBe(0);
      expect(add(reassembler, fragment(0, 16, true))).toBe(REASSEMBLY_CONDEMNED);
      expect(add(reassembler, fragment(32, 40, false))).toBe(REASSEMBLY_CONDEMNED);
    }
  });

  it("B7: two ends, or bytes past the end, condemn the datagram", () => {
    const contradictions: [number, number, boolean][] = [
      [32, 40, false],
      [16, 24, false],
      [32, 40, true],
      [24, 40, false],
    ];
    for (const [start, end, more] of contradictions) {
      const reassembler = new Reassembler();
      expect(add(reassembler, fragment(24, 32, false))).toBe(REASSEMBLY_PENDING);
      expect(add(reassembler, fragment(start, end, more))).toBe(REASSEMBLY_OVERLAP);
    }
    const reassembler = new Reassembler();
    expect(add(reassembler, fragment(24, 32, true))).toBe(REASSEMBLY_PENDING);
    expect(add(reassembler, fragment(8, 16, false))).toBe(REASSEMBLY_OVERLAP);
  });

  it("B7: a TCP header must lie in the first fragment whole (RFC 1858, RFC 3128)", () => {
    const reassembler = new Reassembler();
    expect(add(reassembler, fragment(0, 8, true, 1, TCP))).toBe(REASSEMBLY_TINY);
    expect(add(reassembler, fragment(0, 16, true, 1, TCP))).toBe(REASSEMBLY_TINY);
    expect(add(reassembler, fragment(8, 16, true, 1, TCP))).toBe(REASSEMBLY_TINY);
    expect(add(reassembler, fragment(16, 24, true, 1, TCP))).toBe(REASSEMBLY_TINY);
    const first = fragment(0, 24, true, 1, TCP);
    first[32] = 0x70;
    expect(add(reassembler, first)).toBe(REASSEMBLY_TINY);
    first[32] = 0x60;
    expect(add(reassembler, first)).toBe(REASSEMBLY_PENDING);
    expect(reassembler.size).toBe(1);
  });

  it("B7: a datagram is given up 60 s after its first fragment", () => {
    const reassembler = new Reassembler();
    expect(reassembler.nextTimeout()).toBe(Number.POSITIVE_INFINITY);
    add(reassembler, fragment(0, 8, true, 1), 1_000);
    add(reassembler, fragment(8, 16, true, 1), 50_000);
    add(reassembler, fragment(0, 8, true, 2), 2_000);
    expect(reassembler.nextTimeout()).toBe(61_000);
    reassembler.onTimeout(60_999);
    expect(reassembler.size).toBe(2);
    reassembler.onTimeout(61_000);
    expect(reassembler.size).toBe(1);
    expect(add(reassembler, fragment(8, 16, false, 2), 62_000)).toBe(REASSEMBLY_PENDING);
    expect([reassembler.size, reassembler.heldBytes]).toEqual([1, 8]);
  });

  it("B8: 100,000 first fragments with distinct ids stay within the limits", () => {
    const reassembler = new Reassembler({ maxDatagrams: 64, maxBytes: 10_000 });
    const header = new Ipv4Header();
    const bytes = fragment(0, 512, true);
    expect(parseIpv4(bytes, 0, bytes.length, header)).toBe(0);
    for (let id = 0; id < 100_000; id++) {
      header.id = id & 0xffff;
      header.src = id;
      expect(reassembler.add(bytes, 0, header, id / 100)).toBe(REASSEMBLY_PENDING);
      if (reassembler.size > 64 || reassembler.heldBytes > 10_000) throw new Error("not bounded");
    }
    expect(reassembler.size).toBe(19);
  });

  it("B8: 8,189 fragments of 8 bytes of one datagram stay within the limits", () => {
    const reassembler = new Reassembler();
    const results = new Set<number>();
    for (let i = 0; i < 8_189; i++) {
      results.add(
        add(reassembler, fragment(((i * 2_731) % 8_189) * 8, ((i * 2_731) % 8_189) * 8 + 8, true)),
      );
      expect(reassembler.heldBytes).toBeLessThanOrEqual(128 * 8);
    }
    expect([...results]).toEqual([REASSEMBLY_PENDING, REASSEMBLY_FRAGMENTS, REASSEMBLY_CONDEMNED]);
  });

  it("takes a datagram of 65,535 bytes in fragments of an Ethernet link", () => {
    const reassembler = new Reassembler();
    let result = REASSEMBLY_PENDING;
    for (let start = 0; start < 65_515; start += 1_480) {
      const end = Math.min(start + 1_480, 65_515);
      result = add(reassembler, fragment(start, end, end < 65_515));
    }
    expect(result).toBe(REASSEMBLY_COMPLETE);
    expect(reassembler.packet.length).toBe(65_535);
  });

  it("names every refusal", () => {
    expect(REASSEMBLY_NAMES.length).toBe(6);
  });
});
