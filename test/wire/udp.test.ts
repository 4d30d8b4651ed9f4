// SPDX-License-Identifier: MIT
// The UDP header: parse after emit is the identity; lengths that lie, and what is padding.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { checksum, isChecksumValid, pseudoHeaderIpv4 } from "../../src/wire/checksum.ts";
import { reasonName } from "../../src/wire/reasons.ts";
import { parseUdp, UdpDatagram, writeUdpHeader } from "../../src/wire/udp.ts";

const port = fc.integer({ min: 1, max: 0xffff });

function put16(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 8;
  bytes[at + 1] = value & 0xff;
}

function verdict(bytes: Uint8Array, length: number = bytes.length): string {
  const out = new UdpDatagram();
  const reason = parseUdp(bytes, 0, length, out);
  if (reason !== 0) expect(out).toEqual(new UdpDatagram());
  return reasonName(reason);
}

describe("UDP", () => {
  it("reads the header it wrote, at any offset, whatever padding follows", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 0xffff }),
        port,
        fc.uint8Array({ maxLength: 100 }),
        fc.nat(9),
        fc.nat(20),
        (srcPort, dstPort, payload, at, padding) => {
          const bytes = new Uint8Array(at + 8 + payload.length + padding).fill(0xee);
          writeUdpHeader(bytes, at, srcPort, dstPort, payload.length);
          bytes.set(payload, at + 8);
          const out = new UdpDatagram();
          expect(parseUdp(bytes, at, bytes.length - at, out)).toBe(0);
          expect(out).toEqual(
            Object.assign(new UdpDatagram(), {
              srcPort,
              dstPort,
              totalBytes: 8 + payload.length,
              checksum: 0,
              bytes,
              payloadOffset: at + 8,
              payloadBytes: payload.length,
            }),
          );
        },
      ),
    );
  });

  it("carries up to 65,527 bytes behind its header", () => {
    const bytes = new Uint8Array(65_535);
    writeUdpHeader(bytes, 0, 1, 2, 65_527);
    const out = new UdpDatagram();
    expect(parseUdp(bytes, 0, bytes.length, out)).toBe(0);
    expect([out.totalBytes, out.payloadBytes]).toEqual([65_535, 65_527]);
  });

  it("fewer than 8 bytes are truncated", () => {
    const bytes = new Uint8Array(8);
    writeUdpHeader(bytes, 0, 1, 2, 0);
    for (let length = 0; length < 8; length++) expect(verdict(bytes, length)).toBe("udp.truncated");
    expect(verdict(bytes)).toBe("ok");
  });

  it("a length below the header, or past the packet, is refused; a shorter one is believed", () => {
    const bytes = new Uint8Array(20);
    writeUdpHeader(bytes, 0, 1, 2, 12);
    for (const lie of [0, 1, 7, 21, 255, 65_535]) {
      put16(bytes, 4, lie);
      expect(verdict(bytes)).toBe("udp.length");
    }
    const out = new UdpDatagram();
    for (const length of [8, 9, 19, 20]) {
      put16(bytes, 4, length);
      expect(parseUdp(bytes, 0, 20, out)).toBe(0);
      expect(out.payloadBytes).toBe(length - 8);
    }
  });

  it("port 0 is nobody's, but may be the sender's, who then wants no answer", () => {
    const ports = (src: number, dst: number): string => {
      const bytes = new Uint8Array(8);
      writeUdpHeader(bytes, 0, src, dst, 0);
      return verdict(bytes);
    };
    expect([ports(0, 1), ports(1, 0), ports(0, 0), ports(7, 7)]).toEqual([
      "ok",
      "udp.portZero",
      "udp.portZero",
      "ok",
    ]);
  });

  it("a checksum that comes out as 0 verifies as 0xffff, its other form", () => {
    const bytes = new Uint8Array(10);
    writeUdpHeader(bytes, 0, 1_000, 2_000, 2);
    const pseudo = pseudoHeaderIpv4(0x0a000001, 0x0a000002, 17, 10);
    // The payload that makes the sum come out as all ones.
    put16(bytes, 8, checksum(bytes, 0, 10, pseudo));
    expect(checksum(bytes, 0, 10, pseudo)).toBe(0);
    put16(bytes, 6, 0xffff);
    expect(isChecksumValid(bytes, 0, 10, pseudo)).toBe(true);
    put16(bytes, 6, 0xfffe);
    expect(isChecksumValid(bytes, 0, 10, pseudo)).toBe(false);
  });
});
