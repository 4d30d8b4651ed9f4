// SPDX-License-Identifier: MIT
import { describe, expect, it } from "vitest";
import { craftEthernet } from "../../src/sim/craft.ts";
import type { Link } from "../../src/sim/link.ts";
import { Medium } from "../../src/sim/medium.ts";
import { Random } from "../../src/sim/random.ts";
import { Segment, type SegmentMode } from "../../src/sim/segment.ts";

const MACS = {
  a: "02:00:00:00:00:0a",
  b: "02:00:00:00:00:0b",
  c: "02:00:00:00:00:0c",
  all: "ff:ff:ff:ff:ff:ff",
};
type Name = "a" | "b" | "c";

class Lan {
  readonly medium: Medium = new Medium(new Random(1));
  readonly segment: Segment;
  readonly links: Record<string, Link> = {};
  readonly seen: string[] = [];

  constructor(mode: SegmentMode) {
    this.segment = new Segment(this.medium, "lan", mode);
    for (const name of ["a", "b", "c"]) {
      const seen = this.seen;
      this.links[name] = this.segment.plug(
        { name, isSwitch: false },
        {
          receive(bytes, offset): void {
            seen.push(`${name}${bytes[offset + 14]}`);
          },
        },
      );
      this.medium.trace.nameMac(
        Uint8Array.from(MACS[name as Name].split(":"), (part) => Number.parseInt(part, 16)),
        name,
      );
    }
  }

  send(from: Name, to: keyof typeof MACS, value: number): string {
    const addresses = { sourceMac: MACS[from], destinationMac: MACS[to] };
    const frame = craftEthernet(addresses, 0x88b5, new Uint8Array(46).fill(value));
    this.seen.length = 0;
    this.links[from]!.inject(from, frame, 0);
    this.medium.agenda.advance(0);
    return this.seen.join(" ");
  }
}

describe("a switch", () => {
  it("floods broadcasts and unknown destinations, and learns where everybody is", () => {
    const lan = new Lan("switch");
    expect(lan.send("a", "all", 1)).toBe("b1 c1");
    expect(lan.send("a", "b", 2)).toBe("b2 c2");
    expect(lan.send("b", "a", 3)).toBe("a3");
    expect(lan.send("a", "b", 4)).toBe("b4");
    expect(lan.send("b", "b", 5)).toBe("");
  });

  it("learns anew when an address moves to another port", () => {
    const lan = new Lan("switch");
    lan.send("a", "all", 1);
    const frame = craftEthernet({ sourceMac: MACS.a }, 0x88b5, new Uint8Array(46));
    lan.links["c"]!.inject("c", frame, 0);
    lan.medium.agenda.advance(0);
    expect(lan.send("b", "a", 2)).toBe("c2");
  });

  it("keeps partitioned hosts apart, and only them", () => {
    const lan = new Lan("switch");
    lan.segment.setReachable(lan.links["a"]!, lan.links["b"]!, false);
    expect(lan.send("a", "all", 1)).toBe("c1");
    expect(lan.send("b", "all", 2)).toBe("c2");
    expect(lan.send("c", "all", 3)).toBe("a3 b3");
    expect(lan.send("b", "a", 4)).toBe("");
    lan.segment.setReachable(lan.links["a"]!, lan.links["b"]!, true);
    expect(lan.send("b", "a", 5)).toBe("a5");
  });

  it("shows a frame once in the trace, from host to host, unless every hop is asked for", () => {
    const lan = new Lan("switch");
    lan.send("a", "all", 1);
    lan.send("b", "a", 1);
    expect(lan.medium.trace.lines().map((line) => line.slice(11, 20))).toEqual([
      "a > lan  ",
      "b > a  et",
    ]);
    expect(lan.medium.trace.lines({ everyHop: true })).toHaveLength(5);
    lan.links["a"]!.partition("lan");
    lan.send("b", "a", 1);
    expect(lan.medium.trace.lines().at(-1)).toContain("lan > a");
    expect(lan.medium.trace.lines().at(-1)).toContain("*partitioned*");
  });
});

describe("a hub", () => {
  it("sends everything to everybody else", () => {
    const lan = new Lan("hub");
    lan.send("b", "all", 1);
    expect(lan.send("a", "b", 2)).toBe("b2 c2");
  });
});
