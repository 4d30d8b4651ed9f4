// SPDX-License-Identifier: MIT
// The queue of received datagrams against an array of copies, and its bounds.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ReceiveQueue, TakenDatagram } from "../../src/udp/receive-queue.ts";

const FROM = { w0: 1, w1: -2, w2: 3, w3: -4 };

describe("the queue of received datagrams", () => {
  it("gives back what an array would, and drops what has no room", () => {
    const step = fc.oneof(
      fc.record({ payload: fc.uint8Array({ maxLength: 300 }), port: fc.nat(65_535) }),
      fc.record({ room: fc.nat(300) }),
    );
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1_000 }),
        fc.integer({ min: 1, max: 20 }),
        fc.array(step, { maxLength: 100 }),
        (maxBytes, maxDatagrams, steps) => {
          const queue = new ReceiveQueue(maxBytes, maxDatagrams);
          const naive: { payload: Uint8Array; port: number }[] = [];
          const held = (): number => naive.reduce((sum, { payload }) => sum + payload.length, 0);
          const about = new TakenDatagram();
          for (const step of steps) {
            if ("payload" in step) {
              const { payload, port } = step;
              const bytes = Uint8Array.of(9, 9, 9, ...payload, 8);
              const hasRoom = naive.length < maxDatagrams && held() + payload.length <= maxBytes;
              const from = { ...FROM, w3: port };
              expect(queue.push(bytes, 3, payload.length, from, port)).toBe(hasRoom);
              if (hasRoom) naive.push({ payload, port });
            } else if (naive.length > 0) {
              const { payload, port } = naive.shift() as (typeof naive)[0];
              const into = new Uint8Array(step.room);
              const count = queue.take(into, about);
              expect(count).toBe(Math.min(step.room, payload.length));
              expect(into.subarray(0, count)).toEqual(payload.subarray(0, count));
              expect(about).toEqual(
                Object.assign(new TakenDatagram(), {
                  ...FROM,
                  w3: port,
                  port,
                  lengthBytes: payload.length,
                }),
              );
            }
            expect([queue.size, queue.heldBytes]).toEqual([naive.length, held()]);
          }
        },
      ),
    );
  });

  it("holds empty datagrams too, by count alone", () => {
    const queue = new ReceiveQueue(10, 1_000);
    const bytes = new Uint8Array(0);
    for (let i = 0; i < 1_000; i++) expect(queue.push(bytes, 0, 0, FROM, 1 + i)).toBe(true);
    expect(queue.push(bytes, 0, 0, FROM, 1)).toBe(false);
    const about = new TakenDatagram();
    for (let i = 0; i < 1_000; i++) {
      expect(queue.take(bytes, about)).toBe(0);
      expect([about.port, about.lengthBytes]).toEqual([1 + i, 0]);
    }
    expect(queue.size).toBe(0);
  });

  it("takes one datagram of all its bytes, and not one byte more", () => {
    const queue = new ReceiveQueue(100, 10);
    expect(queue.push(new Uint8Array(101), 0, 101, FROM, 1)).toBe(false);
    expect(queue.push(new Uint8Array(100), 0, 100, FROM, 1)).toBe(true);
    expect(queue.push(new Uint8Array(1), 0, 1, FROM, 1)).toBe(false);
    expect(queue.push(new Uint8Array(0), 0, 0, FROM, 1)).toBe(true);
  });

  it("can be used again after clear", () => {
    const queue = new ReceiveQueue(100, 10);
    queue.push(Uint8Array.of(1, 2), 0, 2, FROM, 1);
    queue.clear();
    expect([queue.size, queue.heldBytes]).toEqual([0, 0]);
    queue.push(Uint8Array.of(3), 0, 1, FROM, 2);
    const into = new Uint8Array(4);
    const about = new TakenDatagram();
    expect([queue.take(into, about), into[0], about.port]).toEqual([1, 3, 2]);
  });
});
