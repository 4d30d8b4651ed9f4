// SPDX-License-Identifier: MIT
// The Toeplitz hash against the published vectors, and what the symmetric key adds.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { IpAddress } from "../../src/ip/address.ts";
import { SYMMETRIC_KEY, tcpV4Input, toeplitzHash } from "../../src/mtcp/toeplitz.ts";

/** The key of the verification suite in the RSS specification. */
const MICROSOFT_KEY = Uint8Array.from(
  Buffer.from(
    "6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa",
    "hex",
  ),
);

/** Destination, source, hash of the addresses, hash of addresses and ports. */
const VECTORS_V4 = [
  ["161.142.100.80:1766", "66.9.149.187:2794", 0x323e8fc2, 0x51ccc178],
  ["65.69.140.83:4739", "199.92.111.2:14230", 0xd718262a, 0xc626b0ea],
  ["12.22.207.184:38024", "24.19.198.95:12898", 0xd2d0a5de, 0x5c2b394a],
  ["209.142.163.6:2217", "38.27.205.30:48228", 0x82989176, 0xafc7327f],
  ["202.188.127.2:1303", "153.39.163.191:44251", 0x5d1809c5, 0x10e828a2],
] as const;

const VECTORS_V6 = [
  ["3ffe:2501:200:3::1", 1766, "3ffe:2501:200:1fff::7", 2794, 0x2cc18cd5, 0x40207d3d],
  ["ff02::1", 4739, "3ffe:501:8::260:97ff:fe40:efab", 14230, 0x0f0c461c, 0xdde51bbf],
  [
    "fe80::200:f8ff:fe21:67cf",
    38024,
    "3ffe:1900:4545:3:200:f8ff:fe21:67cf",
    44251,
    0x4b61e985,
    0x02d1feef,
  ],
] as const;

function parse(text: string): IpAddress {
  return IpAddress.parse(text) as IpAddress;
}

function endOf(text: string): [number, number] {
  const [address = "", port] = text.split(":");
  return [parse(address).w3, Number(port)];
}

/** Source, destination, and perhaps both ports, as 16-byte addresses are hashed. */
function inputV6(source: IpAddress, destination: IpAddress, ports: readonly number[]): Uint8Array {
  const input = new Uint8Array(32 + 2 * ports.length);
  const view = new DataView(input.buffer);
  for (const [i, { w0, w1, w2, w3 }] of [source, destination].entries()) {
    for (const [j, word] of [w0, w1, w2, w3].entries()) view.setInt32(16 * i + 4 * j, word);
  }
  for (const [i, port] of ports.entries()) view.setUint16(32 + 2 * i, port);
  return input;
}

describe("the Toeplitz hash", () => {
  for (const [destination, source, ofAddresses, ofAll] of VECTORS_V4) {
    it(`is as published for ${source} to ${destination}`, () => {
      const [to, toPort] = endOf(destination);
      const [from, fromPort] = endOf(source);
      const input = tcpV4Input(from, to, fromPort, toPort);
      expect(toeplitzHash(MICROSOFT_KEY, input)).toBe(ofAll);
      expect(toeplitzHash(MICROSOFT_KEY, input.subarray(0, 8))).toBe(ofAddresses);
    });
  }

  for (const [destination, toPort, source, fromPort, ofAddresses, ofAll] of VECTORS_V6) {
    it(`is as published for ${source} to ${destination}`, () => {
      const [from, to] = [parse(source), parse(destination)];
      expect(toeplitzHash(MICROSOFT_KEY, inputV6(from, to, []))).toBe(ofAddresses);
      expect(toeplitzHash(MICROSOFT_KEY, inputV6(from, to, [fromPort, toPort]))).toBe(ofAll);
    });
  }

  const word = fc.nat(0xffff_ffff);
  const port = fc.nat(0xffff);

  it("is the same in both directions with the repeated key", () => {
    fc.assert(
      fc.property(word, word, port, port, (one, two, onePort, twoPort) => {
        const there = toeplitzHash(SYMMETRIC_KEY, tcpV4Input(one, two, onePort, twoPort));
        const back = toeplitzHash(SYMMETRIC_KEY, tcpV4Input(two, one, twoPort, onePort));
        expect(there).toBe(back);
      }),
    );
  });

  it("is not with another key", () => {
    const there = toeplitzHash(MICROSOFT_KEY, tcpV4Input(1, 2, 3, 4));
    expect(toeplitzHash(MICROSOFT_KEY, tcpV4Input(2, 1, 4, 3))).not.toBe(there);
  });

  it("is linear: the hash of a port is added to that of the rest", () => {
    fc.assert(
      fc.property(word, word, port, port, (one, two, onePort, twoPort) => {
        const whole = toeplitzHash(MICROSOFT_KEY, tcpV4Input(one, two, onePort, twoPort));
        const rest = toeplitzHash(MICROSOFT_KEY, tcpV4Input(one, two, 0, twoPort));
        const alone = toeplitzHash(MICROSOFT_KEY, tcpV4Input(0, 0, onePort, 0));
        expect((rest ^ alone) >>> 0).toBe(whole);
      }),
    );
  });
});
