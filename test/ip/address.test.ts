// SPDX-License-Identifier: MIT
import { isIPv4, isIPv6 } from "node:net";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { contains, IpAddress, isBroadcastOf, maskOf, parsePrefix } from "../../src/ip/address.ts";

const int32 = fc.integer({ min: -0x80000000, max: 0x7fffffff });

function parsed(text: string): IpAddress {
  const address = IpAddress.parse(text);
  if (address === null) throw new Error(`not an address: ${text}`);
  return address;
}

function prefix(text: string): { address: IpAddress; bits: number } {
  const result = parsePrefix(text);
  if (result === null) throw new Error(`not a prefix: ${text}`);
  return result;
}

describe("addresses", () => {
  it("read what they print, in both families", () => {
    fc.assert(
      fc.property(int32, int32, int32, int32, (w0, w1, w2, w3) => {
        const address = new IpAddress(w0, w1, w2, w3);
        expect(parsed(address.toString()).equals(address)).toBe(true);
        const v4 = IpAddress.v4(w3);
        expect(v4.family).toBe(4);
        expect(isIPv4(v4.toString())).toBe(true);
        expect(parsed(v4.toString()).equals(v4)).toBe(true);
      }),
    );
  });

  it("read what Node reads, and print it as the URL standard and RFC 5952 do", () => {
    fc.assert(
      fc.property(fc.ipV6(), (text) => {
        const address = IpAddress.parse(text);
        expect(address !== null).toBe(isIPv6(text));
        if (address?.family === 6) {
          expect(`[${address.toString()}]`).toBe(new URL(`http://[${text}]`).hostname);
        }
      }),
    );
    fc.assert(
      fc.property(fc.ipV4(), (text) => {
        expect(parsed(text).toString()).toBe(text);
      }),
    );
  });

  it("refuse whatever Node refuses", () => {
    const pieces = fc.constantFrom(
      "1",
      "::",
      ":",
      ".",
      "0",
      "255",
      "256",
      "ffff",
      "g",
      "",
      "01",
      "1.2.3.4",
      "%",
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 12 }), (parts) => {
        const text = parts.join("");
        // A zone identifier is the one thing that Node takes and this does not.
        if (text.includes("%")) expect(IpAddress.parse(text)).toBeNull();
        else expect(IpAddress.parse(text) !== null).toBe(isIPv4(text) || isIPv6(text));
      }),
      { numRuns: 2_000 },
    );
    for (const text of [
      "",
      " ",
      "1.2.3",
      "1.2.3.4.5",
      "1.2.3.04",
      "1.2.3.-4",
      "1.2.3.4 ",
      "0x1.2.3.4",
    ]) {
      expect(IpAddress.parse(text)).toBeNull();
    }
  });

  it("treat a v4-mapped IPv6 address as the IPv4 address it is", () => {
    const mapped = parsed("::ffff:10.0.0.1");
    expect(mapped.family).toBe(4);
    expect(mapped.equals(parsed("10.0.0.1"))).toBe(true);
    expect(mapped.toString()).toBe("10.0.0.1");
  });

  it("differ if any word differs", () => {
    const address = parsed("1:2:3:4:5:6:7:8");
    for (const other of [
      "0:2:3:4:5:6:7:8",
      "1:2:0:4:5:6:7:8",
      "1:2:3:4:5:0:7:8",
      "1:2:3:4:5:6:7:0",
    ]) {
      expect(address.equals(parsed(other))).toBe(false);
    }
  });

  it.each([
    ["0.0.0.0", "isUnspecified"],
    ["::", "isUnspecified"],
    ["127.0.0.1", "isLoopback"],
    ["127.255.255.255", "isLoopback"],
    ["::1", "isLoopback"],
    ["224.0.0.1", "isMulticast"],
    ["239.255.255.255", "isMulticast"],
    ["ff02::1", "isMulticast"],
    ["255.255.255.255", "isLimitedBroadcast"],
    ["10.0.0.1", "none"],
    ["128.0.0.1", "none"],
    ["::2", "none"],
    ["fe80::1", "none"],
  ])("%s: %s", (text, kind) => {
    const address = parsed(text);
    const kinds = ["isUnspecified", "isLoopback", "isMulticast", "isLimitedBroadcast"] as const;
    expect(kinds.filter((name) => address[name])).toEqual(kind === "none" ? [] : [kind]);
  });
});

describe("prefixes", () => {
  it("are read with and without a length", () => {
    expect([prefix("10.0.0.1/24").bits, prefix("10.0.0.1").bits, prefix("::/0").bits]).toEqual([
      24, 32, 0,
    ]);
    for (const text of [
      "10.0.0.1/33",
      "::/129",
      "10.0.0.1/",
      "10.0.0.1/ 1",
      "10.0.0.1/01",
      "/8",
      "10.0.0.1/-1",
      "10.0.0.1/8/8",
    ]) {
      expect(parsePrefix(text)).toBeNull();
    }
  });

  it("contain what agrees in their first bits", () => {
    fc.assert(
      fc.property(fc.array(int32, { minLength: 8, maxLength: 8 }), fc.nat(128), (words, bits) => {
        const [a0, a1, a2, a3, b0, b1, b2, b3] = words as [
          number,
          number,
          number,
          number,
          number,
          number,
          number,
          number,
        ];
        const a = new IpAddress(a0, a1, a2, a3);
        const same = (x: number, y: number, from: number): number =>
          (x & maskOf(bits - from)) | (y & ~maskOf(bits - from));
        const inside = new IpAddress(
          same(a0, b0, 0),
          same(a1, b1, 32),
          same(a2, b2, 64),
          same(a3, b3, 96),
        );
        expect(contains({ address: a, bits }, inside)).toBe(a.family === inside.family);
        if (bits === 0) return;
        const flip = (word: number, from: number): number =>
          bits > from && bits <= from + 32 ? word ^ (1 << (32 - (bits - from))) : word;
        const outside = new IpAddress(flip(a0, 0), flip(a1, 32), flip(a2, 64), flip(a3, 96));
        expect(contains({ address: a, bits }, outside)).toBe(false);
      }),
    );
  });

  it("do not cross families", () => {
    expect(contains(prefix("::/0"), parsed("10.0.0.1"))).toBe(false);
    expect(contains(prefix("0.0.0.0/0"), parsed("fe80::1"))).toBe(false);
    expect(contains(prefix("0.0.0.0/0"), parsed("10.0.0.1"))).toBe(true);
  });

  it("have a broadcast address up to /30", () => {
    const broadcast = (net: string, text: string): boolean =>
      isBroadcastOf(prefix(net), parsed(text));
    expect(broadcast("10.0.0.1/24", "10.0.0.255")).toBe(true);
    expect(broadcast("10.0.0.1/24", "10.0.1.255")).toBe(false);
    expect(broadcast("10.0.0.1/30", "10.0.0.3")).toBe(true);
    expect(broadcast("10.0.0.0/31", "10.0.0.1")).toBe(false);
    expect(broadcast("10.0.0.1/32", "10.0.0.1")).toBe(false);
    expect(broadcast("fe80::/64", "fe80::ffff:ffff:ffff:ffff")).toBe(false);
  });
});
