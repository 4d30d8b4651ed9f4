// SPDX-License-Identifier: MIT
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type AddressWords,
  NeighbourCache,
  type NeighbourHost,
  type NeighbourLimits,
} from "../../src/link/neighbours.ts";

interface Address extends AddressWords {
  readonly name: string;
}

function ip(n: number): Address {
  return { w0: 0, w1: 0, w2: 0xffff, w3: 0x0a000000 + n, name: `#${n}` };
}

const mac = (n: number): Uint8Array => Uint8Array.of(2, 0, 0, n >>> 16, n >>> 8, n);

/** Writes down what the cache asks for. */
class Log implements NeighbourHost<Address> {
  readonly events: string[] = [];

  requestNeighbour(address: Address, to: Uint8Array | null): void {
    this.events.push(`who has ${address.name}${to === null ? "" : ` at ${to[5]}`}`);
  }

  neighbourFailed(address: Address): void {
    this.events.push(`failed ${address.name}`);
  }

  sendHeldFrame(address: Address, to: Uint8Array, frame: Uint8Array): void {
    this.events.push(`send ${frame.join(".")} to ${address.name} at ${to[5]}`);
  }

  take(): string[] {
    return this.events.splice(0);
  }
}

function setup(limits: Partial<NeighbourLimits> = {}): [NeighbourCache<Address>, Log] {
  const log = new Log();
  return [new NeighbourCache<Address>(log, limits, 12_345), log];
}

const FRAME = Uint8Array.of(9, 1, 2, 3, 9);

describe("resolution", () => {
  it("asks once, keeps the frame, sends it when the answer comes", () => {
    const [cache, log] = setup();
    expect(cache.lookup(ip(1), 0)).toBeNull();
    expect(cache.enqueue(ip(1), FRAME, 1, 3, 0)).toBe(true);
    expect(log.take()).toEqual([]);
    expect(cache.nextTimeout()).toBe(0);
    cache.onTimeout(0);
    expect(log.take()).toEqual(["who has #1"]);
    expect(cache.lookup(ip(1), 1)).toBeNull();
    expect(cache.learn(ip(1), mac(7), false, 2)).toBe(true);
    expect(log.take()).toEqual(["send 1.2.3 to #1 at 7"]);
    expect(cache.lookup(ip(1), 3)).toEqual(mac(7));
    expect(cache.queuedBytes).toBe(0);
    cache.onTimeout(cache.nextTimeout());
    expect(cache.nextTimeout()).toBe(Number.POSITIVE_INFINITY);
  });

  it("copies frames: the memory they came from may be reused", () => {
    const [cache, log] = setup();
    const frame = Uint8Array.of(1, 2, 3);
    cache.enqueue(ip(1), frame, 0, 3, 0);
    frame.fill(0);
    cache.learn(ip(1), mac(1), false, 1);
    expect(log.take()).toEqual(["send 1.2.3 to #1 at 1"]);
  });

  it("asks at most once a second, gives up after three requests, and tells", () => {
    const [cache, log] = setup();
    const asked: string[] = [];
    for (let ms = 0; ms <= 3_000; ms += 50) {
      if (ms < 3_000) cache.enqueue(ip(1), FRAME, 0, 5, ms);
      cache.onTimeout(ms);
      for (const event of log.take()) asked.push(`${ms} ${event}`);
    }
    expect(asked).toEqual(["0 who has #1", "1000 who has #1", "2000 who has #1", "3000 failed #1"]);
    expect([cache.size, cache.queuedBytes, cache.nextTimeout()]).toEqual([
      0,
      0,
      Number.POSITIVE_INFINITY,
    ]);
  });

  it("keeps the latest frames of a neighbour, and no more bytes than its limit", () => {
    const [cache, log] = setup({ maxQueuedFrames: 2, maxQueuedBytes: 5 });
    const send = (n: number, byte: number, length = 1): boolean =>
      cache.enqueue(ip(n), new Uint8Array(length).fill(byte), 0, length, 0);
    expect([send(1, 1), send(1, 2), send(1, 3)]).toEqual([true, true, true]);
    expect(send(2, 4, 3)).toBe(true);
    expect(send(3, 5)).toBe(false);
    expect(cache.queuedBytes).toBe(5);
    cache.learn(ip(1), mac(1), false, 0);
    expect(log.take()).toEqual(["send 2 to #1 at 1", "send 3 to #1 at 1"]);
    expect(cache.queuedBytes).toBe(3);
    expect(cache.statistics().droppedFrames).toBe(2);
  });

  it("lets the host call back while it is told", () => {
    const log = new Log();
    const cache: NeighbourCache<Address> = new NeighbourCache<Address>({
      requestNeighbour: (address, to) => {
        log.requestNeighbour(address, to);
        cache.enqueue(ip(50), FRAME, 0, 5, 0);
      },
      neighbourFailed: (address) => {
        log.neighbourFailed(address);
        cache.clear();
      },
      sendHeldFrame: (address, to, frame) => {
        log.sendHeldFrame(address, to, frame);
        cache.lookup(address, 0);
      },
    });
    for (let n = 1; n <= 3; n++) cache.resolve(ip(n), 0);
    for (let ms = 0; ms <= 5_000; ms += 500) cache.onTimeout(ms);
    expect(log.take().filter((event) => event.startsWith("failed"))).toEqual(["failed #1"]);
    expect(cache.size).toBe(0);
  });
});

describe("known neighbours", () => {
  it("are confirmed by a request to them alone once they are old and in use", () => {
    const [cache, log] = setup();
    cache.learn(ip(1), mac(1), true, 0);
    expect(cache.lookup(ip(1), 59_999)).not.toBeNull();
    expect(cache.nextTimeout()).toBe(Number.POSITIVE_INFINITY);
    expect(cache.lookup(ip(1), 60_000)).toEqual(mac(1));
    expect(cache.nextTimeout()).toBe(60_000);
    cache.onTimeout(60_000);
    expect(log.take()).toEqual(["who has #1 at 1"]);
    cache.lookup(ip(1), 60_001);
    cache.onTimeout(60_001);
    expect(log.take()).toEqual([]);
    cache.learn(ip(1), mac(2), false, 60_002);
    expect(cache.lookup(ip(1), 61_000)).toEqual(mac(2));
    cache.onTimeout(120_000);
    expect(log.take()).toEqual([]);
  });

  it("stay usable while confirmed, and go when nobody answers", () => {
    const [cache, log] = setup();
    cache.learn(ip(1), mac(1), true, 0);
    for (let ms = 60_000; ms < 63_000; ms += 250) {
      expect(cache.lookup(ip(1), ms)).not.toBeNull();
      cache.onTimeout(ms);
    }
    expect(log.take()).toEqual(new Array(3).fill("who has #1 at 1"));
    cache.onTimeout(63_000);
    expect(log.take()).toEqual(["failed #1"]);
    expect(cache.lookup(ip(1), 63_001)).toBeNull();
  });

  it("are not confirmed, and hold no timer, while nobody uses them", () => {
    const [cache] = setup();
    for (let n = 0; n < 100; n++) cache.learn(ip(n), mac(n), true, 0);
    cache.onTimeout(1e9);
    expect([cache.nextTimeout(), cache.size]).toEqual([Number.POSITIVE_INFINITY, 100]);
  });

  it("are made only if that is asked for", () => {
    const [cache] = setup();
    expect(cache.learn(ip(1), mac(1), false, 0)).toBe(false);
    expect(cache.size).toBe(0);
  });

  it("are told apart by every word of their address", () => {
    const [cache] = setup();
    const base = ip(1);
    const others = [
      base,
      { ...base, w0: 1 },
      { ...base, w1: 1 },
      { ...base, w2: 1 },
      { ...base, w3: 1 },
    ];
    for (const [i, address] of others.entries()) cache.learn(address, mac(i), true, 0);
    for (const [i, address] of others.entries()) expect(cache.lookup(address, 0)).toEqual(mac(i));
  });
});

describe("A5: floods", () => {
  it("of 1,000,000 requests from distinct senders leave our peers in the cache", () => {
    const [cache, log] = setup();
    const peers = Array.from({ length: 100 }, (_, n) => ip(n));
    for (const [n, peer] of peers.entries()) {
      cache.enqueue(peer, FRAME, 0, 5, 0);
      cache.learn(peer, mac(n), false, 0);
    }
    log.take();
    for (let n = 0; n < 1_000_000; n++) cache.learn(ip(1_000 + n), mac(n), true, n / 1_000);
    expect(cache.size).toBe(1_024);
    for (const [n, peer] of peers.entries()) expect(cache.lookup(peer, 1_000)).toEqual(mac(n));
    expect(log.take()).toEqual([]);
  });

  it("cannot displace anybody when every entry is in use", () => {
    const [cache] = setup({ maxEntries: 8 });
    for (let n = 0; n < 8; n++) {
      cache.learn(ip(n), mac(n), true, 0);
      cache.lookup(ip(n), 10);
    }
    expect(cache.learn(ip(100), mac(100), true, 20)).toBe(false);
    expect(cache.statistics().refusals).toBe(1);
    // One that was not used for long makes room.
    for (let n = 1; n < 8; n++) cache.lookup(ip(n), 50_000);
    expect(cache.learn(ip(101), mac(101), true, 60_010)).toBe(true);
    expect(cache.lookup(ip(0), 60_010)).toBeNull();
    expect(cache.lookup(ip(1), 60_010)).not.toBeNull();
  });

  it("of spoofed sources that make us ask leave our peers in the cache", () => {
    const [cache, log] = setup();
    for (let n = 0; n < 500; n++) {
      cache.learn(ip(n), mac(n), true, 0);
      cache.lookup(ip(n), 0);
    }
    for (let n = 0; n < 100_000; n++) {
      const nowMs = n / 100;
      cache.enqueue(ip(1_000 + n), FRAME, 0, 5, nowMs);
      if (n % 100 === 0) cache.onTimeout(nowMs);
      if (cache.size > 1_024 || cache.queuedBytes > 262_144) throw new Error("not bounded");
    }
    for (let n = 0; n < 500; n++) expect(cache.lookup(ip(n), 1_000)).toEqual(mac(n));
    expect(cache.size).toBe(500 + 256);
    log.take();
  });

  it("of our own making evict the entry used longest ago last of all", () => {
    const [cache] = setup({ maxEntries: 4, maxIncomplete: 2 });
    cache.learn(ip(1), mac(1), true, 0);
    cache.lookup(ip(1), 0);
    cache.learn(ip(2), mac(2), true, 0);
    for (let n = 10; n < 20; n++) cache.enqueue(ip(n), FRAME, 0, 5, 1);
    expect(cache.size).toBe(4);
    cache.learn(ip(18), mac(18), false, 2);
    cache.learn(ip(19), mac(19), false, 2);
    cache.enqueue(ip(20), FRAME, 0, 5, 3);
    expect(cache.lookup(ip(2), 3)).toBeNull();
    cache.enqueue(ip(21), FRAME, 0, 5, 3);
    expect(cache.lookup(ip(20), 3)).toBeNull();
    expect(cache.lookup(ip(1), 3)).toEqual(mac(1));
    cache.learn(ip(21), mac(21), false, 4);
    cache.enqueue(ip(22), FRAME, 0, 5, 5);
    expect(cache.lookup(ip(18), 5)).toBeNull();
    expect(cache.lookup(ip(1), 5)).toEqual(mac(1));
  });
});

describe("the cache", () => {
  it("stays within its limits and keeps its lists and table in step, whatever happens", () => {
    const step = fc.tuple(
      fc.constantFrom("learn", "create", "lookup", "enqueue", "tick"),
      fc.nat(20),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
        const limits = { maxEntries: 6, maxIncomplete: 3, maxQueuedFrames: 2, maxQueuedBytes: 20 };
        const [cache, log] = setup(limits);
        const known = new Map<number, number>();
        let nowMs = 0;
        for (const [i, [what, n]] of steps.entries()) {
          if (what === "tick") {
            nowMs += n * 2_000;
            cache.onTimeout(nowMs);
            for (const event of log.take()) {
              if (event.startsWith("failed")) known.delete(Number(event.slice(8)));
            }
          } else if (what === "lookup") {
            const found = cache.lookup(ip(n), nowMs);
            if (found !== null) expect(found).toEqual(mac(known.get(n) as number));
          } else if (what === "enqueue") {
            if (cache.lookup(ip(n), nowMs) === null) cache.enqueue(ip(n), FRAME, 0, 5, nowMs);
          } else if (cache.learn(ip(n), mac(i), what === "create", nowMs)) {
            known.set(n, i);
          }
          expect(cache.size).toBeLessThanOrEqual(6);
          expect(cache.queuedBytes).toBeLessThanOrEqual(20);
        }
        cache.clear();
        expect([cache.size, cache.queuedBytes, cache.nextTimeout()]).toEqual([
          0,
          0,
          Number.POSITIVE_INFINITY,
        ]);
      }),
    );
  });
});
