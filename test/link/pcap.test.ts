// SPDX-License-Identifier: MIT
import { describe, expect, it } from "vitest";
import { PcapWriter } from "../../src/link/pcap.ts";

describe("the pcap writer", () => {
  it("writes the header of a nanosecond Ethernet capture", () => {
    const parts: Uint8Array[] = [];
    new PcapWriter((bytes) => parts.push(bytes));
    expect(Buffer.concat(parts).toString("hex")).toBe(
      "4d3cb2a1020004000000000000000000" + "0000040001000000",
    );
  });

  it("writes each frame with its time to the nanosecond, now and on a virtual clock", () => {
    const parts: Uint8Array[] = [];
    const writer = new PcapWriter((bytes) => parts.push(bytes));
    const frame = Uint8Array.of(0, 1, 2, 3);
    const times = [0, 0.000001, 1.5, 1_234.567891, 999.9999999, 1_763_720_000_123.25];
    for (const ms of times) writer.write(frame, 1, 3, ms);
    const stamps = parts.slice(1).map((part) => {
      const view = new DataView(part.buffer);
      expect([view.getUint32(8, true), view.getUint32(12, true)]).toEqual([3, 3]);
      expect(part.subarray(16)).toEqual(Uint8Array.of(1, 2, 3));
      return [view.getUint32(0, true), view.getUint32(4, true)];
    });
    expect(stamps).toEqual([
      [0, 0],
      [0, 1],
      [0, 1_500_000],
      [1, 234_567_891],
      [1, 0],
      [1_763_720_000, 123_250_000],
    ]);
    expect(writer.frames).toBe(times.length);
  });

  it("cuts long frames and says how long they were", () => {
    const parts: Uint8Array[] = [];
    const writer = new PcapWriter((bytes) => parts.push(bytes), 10);
    writer.write(new Uint8Array(100), 0, 100, 0);
    const view = new DataView((parts[1] as Uint8Array).buffer);
    expect([view.getUint32(8, true), view.getUint32(12, true), view.byteLength]).toEqual([
      10, 100, 26,
    ]);
  });
});
