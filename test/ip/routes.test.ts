// SPDX-License-Identifier: MIT
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { contains, IpAddress, type Prefix, parsePrefix } from "../../src/ip/address.ts";
import { RouteTable } from "../../src/ip/routes.ts";

const ip = (text: string): IpAddress => IpAddress.parse(text) as IpAddress;
const net = (text: string): Prefix => parsePrefix(text) as Prefix;

describe("the route table", () => {
  it("sends packets on the link straight to their destination, others to a gateway", () => {
    const routes = new RouteTable();
    routes.add({ prefix: net("0.0.0.0/0"), gateway: ip("10.0.0.254") });
    routes.add({ prefix: net("10.0.0.1/24") });
    expect(String(routes.lookup(ip("10.0.0.7")))).toBe("10.0.0.7");
    expect(String(routes.lookup(ip("192.0.2.1")))).toBe("10.0.0.254");
  });

  it("knows no way without a route", () => {
    const routes = new RouteTable();
    expect(routes.lookup(ip("10.0.0.1"))).toBeNull();
    routes.add({ prefix: net("0.0.0.0/0"), gateway: ip("10.0.0.254") });
    expect(routes.lookup(ip("fe80::1"))).toBeNull();
  });

  it("takes the longest prefix, whatever the order of adding", () => {
    const v4 = fc.integer({ min: -0x80000000, max: 0x7fffffff });
    const route = fc.tuple(v4, fc.nat(32), fc.nat(0xffff));
    fc.assert(
      fc.property(fc.array(route, { maxLength: 30 }), v4, fc.nat(29), (list, random, pick) => {
        const table = new RouteTable();
        const near = list[pick % Math.max(list.length, 1)]?.[0] ?? random;
        const wanted = IpAddress.v4(random & 1 ? near : near ^ (random & 0xff));
        let best: { bits: number; gateway: number } | null = null;
        for (const [address, bits, gateway] of list) {
          const prefix = { address: IpAddress.v4(address), bits };
          table.add({ prefix, gateway: IpAddress.v4(gateway) });
          if (contains(prefix, wanted) && bits >= (best?.bits ?? 0)) best = { bits, gateway };
        }
        expect(table.lookup(wanted)?.w3 ?? null).toBe(best?.gateway ?? null);
      }),
    );
  });

  it("is bounded, and replaces and removes routes", () => {
    const routes = new RouteTable(2);
    expect(routes.add({ prefix: net("10.0.0.0/8"), gateway: ip("10.0.0.1") })).toBe(true);
    expect(routes.add({ prefix: net("11.0.0.0/8") })).toBe(true);
    expect(routes.add({ prefix: net("12.0.0.0/8") })).toBe(false);
    expect(routes.add({ prefix: net("10.1.1.1/8"), gateway: ip("10.0.0.2") })).toBe(true);
    expect(routes.size).toBe(2);
    expect(String(routes.lookup(ip("10.9.9.9")))).toBe("10.0.0.2");
    expect(routes.remove(net("10.0.0.0/8"))).toBe(true);
    expect(routes.remove(net("10.0.0.0/8"))).toBe(false);
    expect(routes.lookup(ip("10.9.9.9"))).toBeNull();
  });
});
