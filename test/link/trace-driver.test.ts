// A traced driver shows each frame once, in order, and is otherwise the driver it wraps.

import { describe, expect, it } from "vitest";
import {
  DESCRIPTOR_FLAGS,
  DESCRIPTOR_LENGTH,
  DESCRIPTOR_OFFSET,
  TX_CHECKSUM,
  TX_SEGMENT,
  TX_TAIL,
} from "../../src/link/driver.ts";
import { traceDriver } from "../../src/link/trace-driver.ts";
import { createCable } from "../../src/sim/cable.ts";
import { craftTcp } from "../../src/sim/craft.ts";
import { commitFrame, ethernetFrame, pollFrames } from "../support/driver-io.ts";

describe("traceDriver", () => {
  it("shows what is sent and what is received, once, with the time of the poll", () => {
    const [a, b] = createCable({ driver: { txSlots: 4 } });
    const seen: string[] = [];
    const traced = traceDriver(a, (direction, frame, nowMs) => {
      seen.push(`${nowMs} ${direction} ${frame[14]}`);
    });
    // More frames than slots: the count of the ring wraps around.
    for (let i = 0; i < 10; i++) {
      const there = ethernetFrame(b.macAddress, a.macAddress, Uint8Array.of(i));
      expect(commitFrame(traced, there)).toBe(true);
      traced.poll(i);
      expect(pollFrames(b).map((frame) => frame.bytes)).toEqual([there]);
      commitFrame(b, ethernetFrame(a.macAddress, b.macAddress, Uint8Array.of(100 + i)));
      b.poll(i);
      expect(traced.poll(i + 0.5)).toBe(1);
    }
    expect(seen).toEqual(
      Array.from({ length: 10 }, (_, i) => [`${i} out ${i}`, `${i + 0.5} in ${100 + i}`]).flat(),
    );
    traced.close();
    b.close();
  });

  it("shows a super-segment whole, once, and not the slots that it goes on over", () => {
    const [a, b] = createCable({ driver: { txSlots: 16, tsoMaxBytes: 9_000 } });
    const lengths: number[] = [];
    const traced = traceDriver(a, (_direction, frame) => lengths.push(frame.length));
    const frame = craftTcp({
      source: "10.0.0.1",
      destination: "10.0.0.2",
      sourcePort: 1,
      destinationPort: 2,
      payload: new Uint8Array(4_000),
    });
    traced.frames.set(frame, traced.tx[DESCRIPTOR_OFFSET] as number);
    traced.tx[DESCRIPTOR_LENGTH] = frame.length;
    traced.tx[DESCRIPTOR_FLAGS] = (1_000 << 16) | TX_SEGMENT | TX_CHECKSUM;
    traced.control[TX_TAIL] = 3;
    traced.poll(0);
    expect(lengths).toEqual([frame.length]);
    expect(b.poll(0)).toBe(4);
    traced.close();
    b.close();
  });

  it("hands on errors, wake-ups, counters and close", () => {
    const [a, b] = createCable();
    const traced = traceDriver(a, () => {});
    expect(traced.macAddress).toBe(a.macAddress);
    let woken = 0;
    expect(traced.armWake(() => woken++)).toBe(true);
    commitFrame(b, ethernetFrame(a.macAddress, b.macAddress, Uint8Array.of(1)));
    b.poll(0);
    expect(woken).toBe(1);
    expect(traced.armWake(() => woken++)).toBe(false);
    traced.disarmWake();
    expect(traced.poll(0)).toBe(1);
    expect(traced.statistics()).toEqual(a.statistics());
    a.fail();
    expect(traced.poll(0)).toBeLessThan(0);
    traced.close();
    traced.close();
    b.close();
  });

  it("refuses what is no driver and no function", () => {
    const [a, b] = createCable();
    expect(() => traceDriver(null as never, () => {})).toThrow(TypeError);
    expect(() => traceDriver(a, null as never)).toThrow(TypeError);
    a.close();
    b.close();
  });
});
