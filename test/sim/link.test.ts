// SPDX-License-Identifier: MIT
import { describe, expect, it } from "vitest";
import type { LinkConditions } from "../../src/sim/conditions.ts";
import { craftTcp, TCP_FLAGS } from "../../src/sim/craft.ts";
import { Link } from "../../src/sim/link.ts";
import { Medium, type MediumOptions } from "../../src/sim/medium.ts";
import { Random } from "../../src/sim/random.ts";
import { change, drop, later } from "../../src/sim/rules.ts";

/** A link between `a` and `b` whose clock the test moves by hand. */
class Bench {
  readonly medium: Medium;
  readonly link: Link;
  readonly atB: { atMs: number; bytes: Uint8Array }[] = [];
  readonly atA: { atMs: number; bytes: Uint8Array }[] = [];

  constructor(conditions: LinkConditions = {}, seed = 1, options: MediumOptions = {}) {
    this.medium = new Medium(new Random(seed), options);
    const ends = ["a", "b"].map((name) => ({ name, isSwitch: false }));
    this.link = new Link(this.medium, "a-b", ends[0]!, ends[1]!);
    this.link.set(conditions);
    this.link.forward.sink = this.sinkTo(this.atB);
    this.link.back.sink = this.sinkTo(this.atA);
  }

  send(value: number, nowMs: number, length = 100): void {
    this.link.inject("a", new Uint8Array(length).fill(value), nowMs);
  }

  run(untilMs = 1e9): void {
    while (this.medium.agenda.nextMs() <= untilMs) {
      this.medium.agenda.advance(this.medium.agenda.nextMs());
    }
  }

  get values(): number[] {
    return this.atB.map((frame) => frame.bytes[0] as number);
  }

  get times(): number[] {
    return this.atB.map((frame) => frame.atMs);
  }

  private sinkTo(list: { atMs: number; bytes: Uint8Array }[]) {
    return {
      receive(bytes: Uint8Array, offset: number, length: number, nowMs: number): void {
        list.push({ atMs: nowMs, bytes: bytes.slice(offset, offset + length) });
      },
    };
  }
}

describe("a link", () => {
  it("delivers unharmed and at once when nothing else is asked for", () => {
    const bench = new Bench();
    bench.send(1, 5);
    bench.send(2, 5, 1514);
    bench.run();
    expect(bench.values).toEqual([1, 2]);
    expect(bench.times).toEqual([5, 5]);
    expect(bench.atB[1]?.bytes).toEqual(new Uint8Array(1514).fill(2));
  });

  it("delays", () => {
    const bench = new Bench({ delayMs: 10 });
    bench.send(1, 0);
    bench.send(2, 3.5);
    bench.run(9.9);
    expect(bench.values).toEqual([]);
    bench.run();
    expect(bench.times).toEqual([10, 13.5]);
  });

  it("jitters without changing the order", () => {
    const bench = new Bench({ delayMs: 10, jitterMs: 20 });
    for (let i = 0; i < 200; i++) bench.send(i, i);
    bench.run();
    expect(bench.values).toEqual(Array.from({ length: 200 }, (_, i) => i));
    const delays = bench.times.map((time, i) => time - i);
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(10);
    expect(Math.max(...delays)).toBeLessThanOrEqual(30);
    expect(new Set(delays).size).toBeGreaterThan(20);
  });

  it("sends no faster than its bandwidth", () => {
    const bench = new Bench({ bandwidthBps: 8_000, delayMs: 1 });
    bench.send(1, 0, 100); // 100 bytes take 100 ms
    bench.send(2, 0, 50);
    bench.send(3, 500, 10);
    bench.run();
    expect(bench.times).toEqual([101, 151, 511]);
  });

  it("drops the tail of a full queue, by frames and by bytes", () => {
    const byFrames = new Bench({ bandwidthBps: 8_000, queueFrames: 2 });
    for (let i = 1; i <= 4; i++) byFrames.send(i, 0);
    byFrames.send(5, 100);
    byFrames.run();
    expect(byFrames.values).toEqual([1, 2, 5]);
    expect(byFrames.link.forward.statistics.queueFull).toBe(2);

    const byBytes = new Bench({ bandwidthBps: 8_000, queueBytes: 150 });
    byBytes.send(1, 0, 100);
    byBytes.send(2, 0, 60);
    byBytes.send(3, 0, 50);
    byBytes.run();
    expect(byBytes.values).toEqual([1, 3]);
  });

  it("lets a long queue grow and drain in order", () => {
    const bench = new Bench({ bandwidthBps: 800_000 });
    for (let i = 0; i < 150; i++) bench.send(i, 0);
    bench.run();
    expect(bench.values).toEqual(Array.from({ length: 150 }, (_, i) => i));
    expect(bench.times[149]).toBeCloseTo(150, 6);
  });

  it("drops packets larger than its MTU", () => {
    const bench = new Bench({ mtu: 1000 });
    bench.send(1, 0, 1014);
    bench.send(2, 0, 1015);
    bench.run();
    expect(bench.values).toEqual([1]);
    expect(bench.link.forward.statistics.tooLarge).toBe(1);
  });

  it("loses, duplicates and corrupts about as often as it is told to", () => {
    const lossy = new Bench({ loss: 0.1 });
    for (let i = 0; i < 10_000; i++) lossy.send(1, i);
    lossy.run();
    expect(lossy.link.forward.statistics.lost).toBeGreaterThan(900);
    expect(lossy.link.forward.statistics.lost).toBeLessThan(1100);
    expect(lossy.atB.length + lossy.link.forward.statistics.lost).toBe(10_000);

    const doubling = new Bench({ duplicate: 0.5 });
    for (let i = 0; i < 1000; i++) doubling.send(1, i);
    doubling.run();
    expect(doubling.atB.length).toBe(1000 + doubling.link.forward.statistics.duplicated);
    expect(Math.abs(doubling.atB.length - 1500)).toBeLessThan(80);
  });

  it("corrupts exactly one bit, or exactly one byte", () => {
    for (const corruptUnit of ["bit", "byte"] as const) {
      const bench = new Bench({ corrupt: 1, corruptUnit });
      for (let i = 0; i < 100; i++) bench.send(0, i);
      bench.run();
      for (const { bytes } of bench.atB) {
        const changed = [...bytes].filter((byte) => byte !== 0);
        expect(changed).toHaveLength(1);
        if (corruptUnit === "bit") expect(Math.log2(changed[0]!) % 1).toBe(0);
      }
    }
  });

  it("reorders: a frame held back is overtaken by those that follow", () => {
    const bench = new Bench({ reorder: 0.2, reorderMs: 3.5 });
    for (let i = 0; i < 100; i++) bench.send(i, i);
    bench.run();
    expect(bench.values).not.toEqual(Array.from({ length: 100 }, (_, i) => i));
    expect([...bench.values].sort((a, b) => a - b)).toEqual(
      Array.from({ length: 100 }, (_, i) => i),
    );
  });

  it("has conditions of each direction, changeable while it runs", () => {
    const bench = new Bench();
    bench.link.set({ delayMs: 7 }, "b");
    bench.send(1, 0);
    bench.link.inject("b", Uint8Array.of(1), 0);
    bench.link.set({ delayMs: 50 });
    bench.send(2, 0);
    bench.run();
    expect(bench.times).toEqual([0, 50]);
    expect(bench.atA.map((frame) => frame.atMs)).toEqual([7]);
  });

  it("loses what enters and what would arrive while it is cut, and works again when repaired", () => {
    const bench = new Bench({ delayMs: 10 });
    bench.send(1, 0);
    bench.link.partition("a");
    bench.send(2, 5);
    bench.link.inject("b", Uint8Array.of(9), 5);
    bench.run(15);
    bench.link.repair();
    bench.send(3, 20);
    bench.run();
    expect(bench.values).toEqual([3]);
    expect(bench.atA).toHaveLength(1);
    expect(bench.link.forward.statistics.partitioned).toBe(2);
  });

  it("bounds the frames under way", () => {
    const bench = new Bench({ delayMs: 10 }, 1, { framesUnderWay: 3 });
    for (let i = 0; i < 5; i++) bench.send(i, 0);
    bench.run();
    expect(bench.values).toEqual([0, 1, 2]);
    expect(bench.link.forward.statistics.poolFull).toBe(2);
  });

  it("refuses wrong conditions, naming them", () => {
    const { link } = new Bench();
    expect(() => link.set({ loss: 1.5 })).toThrow(/loss/);
    expect(() => link.set({ delayMs: -1 })).toThrow(/delayMs/);
    expect(() => link.set({ delayMs: Number.NaN })).toThrow(/delayMs/);
    expect(() => link.set({ bandwidthBps: 0 })).toThrow(/bandwidthBps/);
    expect(() => link.set({ lose: 1 } as object)).toThrow(/lose/);
    expect(() => link.set({ corruptUnit: "nibble" as "bit" })).toThrow(/corruptUnit/);
    expect(() => link.set({ loss: 0 }, "c")).toThrow(/from/);
    expect(() => link.rule("drop" as never)).toThrow(/decide/);
    expect(link.forward.current.loss).toBe(0);
  });
});

describe("rules", () => {
  const segment = {
    source: "10.0.0.1",
    destination: "10.0.0.2",
    sourcePort: 9,
    destinationPort: 80,
  };

  it("see a frame parsed, with its time, direction and number", () => {
    const bench = new Bench();
    const seen: unknown[] = [];
    bench.link.rule((frame, { nowMs, from, to, index }) => {
      seen.push([frame.protocol, frame.source, frame.destinationPort, frame.seq, frame.syn]);
      seen.push([frame.payloadLength, nowMs, from, to, index]);
    });
    const frame = craftTcp({
      ...segment,
      seq: 4_000_000_000,
      flags: TCP_FLAGS.SYN,
      payload: "xyz",
    });
    bench.link.inject("a", new Uint8Array(10), 1);
    bench.link.inject("a", frame, 2.5);
    expect(seen.slice(2)).toEqual([
      ["tcp", "10.0.0.1", 80, 4_000_000_000, true],
      [3, 2.5, "a", "b", 1],
    ]);
  });

  it("drop, hold back, change and pass; each sees what the one before made of it", () => {
    const bench = new Bench();
    const dropFirst = bench.link.rule((_frame, { index }) => (index === 0 ? drop : undefined), "a");
    bench.link.rule((frame) => (frame.bytes[0] === 2 ? later(5) : undefined));
    bench.link.rule((frame) => (frame.bytes[0] === 3 ? change(Uint8Array.of(30)) : "pass"));
    bench.link.rule((frame) => (frame.bytes[0] === 30 ? change(Uint8Array.of(31, 1)) : "pass"));
    for (let i = 1; i <= 4; i++) bench.send(i, i);
    bench.run();
    expect(bench.values).toEqual([31, 4, 2]);
    expect(bench.times).toEqual([3, 4, 7]);
    expect(bench.atB[0]?.bytes).toEqual(Uint8Array.of(31, 1));
    expect([dropFirst.seen, dropFirst.hits]).toEqual([4, 1]);
    expect(bench.link.forward.statistics).toMatchObject({
      droppedByRule: 1,
      delayedByRule: 1,
      changedByRule: 2,
    });
  });

  it("end when they are removed, even by themselves", () => {
    const bench = new Bench();
    const rule = bench.link.rule(() => {
      rule.remove();
      return drop;
    });
    bench.send(1, 0);
    bench.send(2, 0);
    rule.remove();
    bench.run();
    expect(bench.values).toEqual([2]);
  });

  it("must decide something known", () => {
    const bench = new Bench();
    bench.link.rule(() => "perhaps" as "pass");
    expect(() => bench.send(1, 0)).toThrow(/verdict/);
    expect(() => later(-1)).toThrow(/ms/);
    expect(() => change("x" as never)).toThrow(/bytes/);
  });
});

describe("determinism (R4)", () => {
  const rough: LinkConditions = {
    delayMs: 5,
    jitterMs: 3,
    loss: 0.1,
    duplicate: 0.1,
    reorder: 0.1,
    corrupt: 0.1,
    bandwidthBps: 1e6,
    queueFrames: 20,
  };

  function runOf(seed: number, conditions: LinkConditions): Bench {
    const bench = new Bench(conditions, seed);
    for (let i = 0; i < 500; i++) bench.send(i & 255, i * 0.5, 60 + (i % 700));
    bench.run();
    return bench;
  }

  it("gives the same frames at the same times, and the same hash, for the same seed", () => {
    const first = runOf(1, rough);
    const second = runOf(1, rough);
    expect(second.atB).toEqual(first.atB);
    expect(second.medium.hash.digest()).toBe(first.medium.hash.digest());
    expect(second.medium.trace.lines()).toEqual(first.medium.trace.lines());
    expect(runOf(2, rough).medium.hash.digest()).not.toBe(first.medium.hash.digest());
  });

  it("notices a difference of one bit, of one time, of one direction", () => {
    const hashOf = (act: (link: Link) => void): string => {
      const bench = new Bench();
      act(bench.link);
      return bench.medium.hash.digest();
    };
    const hashes = new Set([
      hashOf((link) => link.inject("a", Uint8Array.of(1), 0)),
      hashOf((link) => link.inject("a", Uint8Array.of(0), 0)),
      hashOf((link) => link.inject("a", Uint8Array.of(1, 0), 0)),
      hashOf((link) => link.inject("a", Uint8Array.of(1), 1e-9)),
      hashOf((link) => link.inject("b", Uint8Array.of(1), 0)),
      hashOf(() => {}),
    ]);
    expect(hashes.size).toBe(6);
  });

  it("loses the same frames whether or not others are corrupted or duplicated", () => {
    const lostIn = (conditions: LinkConditions): string[] =>
      runOf(1, conditions)
        .medium.trace.lines()
        .filter((line) => line.includes("*lost*"))
        .map((line) => line.slice(0, 10));
    expect(lostIn({ loss: 0.1, corrupt: 0.5, duplicate: 0.5, jitterMs: 3 })).toEqual(
      lostIn({ loss: 0.1 }),
    );
  });

  it("is not changed by a link more", () => {
    const alone = runOf(1, rough);
    const bench = new Bench(rough, 1);
    const ends = ["c", "d"].map((name) => ({ name, isSwitch: false }));
    const other = new Link(bench.medium, "c-d", ends[0]!, ends[1]!);
    other.set({ loss: 0.5 });
    for (let i = 0; i < 500; i++) {
      other.inject("c", Uint8Array.of(1), i * 0.5);
      bench.send(i & 255, i * 0.5, 60 + (i % 700));
    }
    bench.run();
    expect(bench.atB).toEqual(alone.atB);
  });
});
