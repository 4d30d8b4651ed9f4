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
});
