// SPDX-License-Identifier: MIT
// What a ring of bytes keeps alive.
// R1: a weak reference holds until the turn of Node's event loop has ended.

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import { ByteRing } from "../../src/tcp/byte-ring.ts";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/** Lets weak references go, and collects what nothing else holds. */
async function collected(): Promise<void> {
  for (let i = 0; i < 3; i++) {
    await new Promise((resolve) => setImmediate(resolve));
    collectGarbage();
  }
}

/** A ring with that many sevens. */
function filled(length: number): ByteRing {
  const ring = new ByteRing(1_000_000);
  ring.put(0, new Uint8Array(length).fill(7), 0, length, 0);
  return ring;
}

describe("the memory of a ring of bytes", () => {
  it("is let go of when it has grown, also if it was read in pieces before", async () => {
    const ring = new ByteRing(1_000_000);
    ring.put(0, new Uint8Array(60_000), 0, 60_000, 0);
    ring.get(0, new Uint8Array(1_000), 0, 1_000);
    const before = new WeakRef(ring.front(60_000).buffer);
    ring.put(60_000, new Uint8Array(60_000), 0, 60_000, 60_000);
    await collected();
    expect(before.deref()).toBe(undefined);
    expect(ring.memoryBytes).toBe(131_072);
  });

  it("is let go of by release", async () => {
    const ring = new ByteRing(1_000_000);
    ring.put(0, new Uint8Array(60_000), 0, 60_000, 0);
    ring.get(0, new Uint8Array(1_000), 0, 1_000);
    const before = new WeakRef(ring.front(60_000).buffer);
    ring.release();
    await collected();
    expect([before.deref(), ring.memoryBytes]).toEqual([undefined, 0]);
  });

  it("serves the next ring, if nobody was shown it", () => {
    const last = filled(200);
    last.release();
    const next = filled(10);
    const shown = next.front(10);
    // What the last ring had there is not overwritten.
    expect(new Uint8Array(shown.buffer)[100]).toBe(7);
    expect(shown).toEqual(new Uint8Array(10).fill(7));
  });

  it.each([
    ["front", (ring: ByteRing) => ring.front(10)],
    ["room", (ring: ByteRing) => ring.room(10, 20)],
  ])("never serves another ring once it was shown by `%s`", (_how, show) => {
    const ring = filled(10);
    const { buffer } = show(ring);
    ring.release();
    const others = Array.from({ length: 600 }, () => filled(10));
    expect(others.filter((other) => other.front(1).buffer === buffer)).toEqual([]);
  });

  it("never serves two rings at once", () => {
    for (const ring of Array.from({ length: 600 }, () => filled(10))) {
      ring.release();
      ring.release();
    }
    const buffers = Array.from({ length: 600 }, () => filled(10).front(1).buffer);
    expect(new Set(buffers).size).toBe(600);
  });

  it("of a ring that has grown is its own, and so is what it leaves behind", () => {
    const grown = filled(10);
    grown.put(10, new Uint8Array(2_000), 0, 2_000, 10);
    const next = filled(20);
    const both = [grown.front(10), next.front(20)].map((bytes) => [...bytes]);
    expect(both).toEqual([new Array(10).fill(7), new Array(20).fill(7)]);
  });
});
