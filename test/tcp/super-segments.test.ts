// SPDX-License-Identifier: MIT
// Segments that are cut up below: how long they are, what stays as it is without them.

import { describe, expect, it } from "vitest";
import { pathMtuArrives } from "../../src/tcp/icmp-in.ts";
import { Scene } from "./support/scene.ts";

const HEADER_BYTES = 20;

/** ESTABLISHED with a peer that takes segments of 1,000; `room` bytes of payload at once below. */
function established(room: number, config: object = {}, window = 65_535): Scene {
  const scene = new Scene({ config: { rtoMinMs: 1_000, ...config } });
  scene.host.superBytes = room + HEADER_BYTES;
  return scene.play(`
    < S 0:0(0) win ${window} <mss 1000>
    > S. 0:0(0) ack 1
    < . 1:1(0) ack 1 win ${window}
  `);
}

describe("a host that cuts segments up", () => {
  it("is given all that may go at once, and what each segment may carry", () => {
    const scene = established(60_000).play(`
      write 8500
      > P. 1:8501(8500) ack 1
    `);
    expect(scene.host.cuts).toEqual([0, 1_000]);
    expect(scene.tcb.segmentsOut).toBe(1 + 9);
  });

  it("is given whole segments where its room, not the queue, ends", () => {
    established(3_700).play(`
      write 7500
      > . 1:3001(3000) ack 1
      > . 3001:6001(3000) ack 1
      > P. 6001:7501(1500) ack 1
    `);
  });

  it("is given whole segments where the peer's window ends", () => {
    established(60_000, {}, 3_500).play(`
      write 9000
      > . 1:3001(3000) ack 1
      nothing
      < . 1:1(0) ack 3001 win 3500
      > . 3001:6001(3000) ack 1
    `);
  });

  it("is given whole segments where the congestion window ends", () => {
    established(60_000).play(`
      write 50000
      > . 1:10001(10000) ack 1
      nothing
      < . 1:1(0) ack 10001 win 65535
      > . 10001:28001(18000) ack 1
    `);
  });

  it("is given single segments as they are", () => {
    const scene = established(60_000).play(`
      write 1000
      > P. 1:1001(1000) ack 1
      write 999
      > P. 1001:2000(999) ack 1
    `);
    expect(scene.host.cuts).toEqual([0, 0, 0]);
  });

  it.each([0, 1_999])("is given single segments if it takes %i bytes", (room) => {
    const scene = established(room).play(`
      write 2000
      > . 1:1001(1000) ack 1
      > P. 1001:2001(1000) ack 1
    `);
    expect(scene.host.cuts).toEqual([0, 0, 0]);
  });

  it("is not given the small rest while Nagle holds it back", () => {
    established(60_000, { noDelay: false }).play(`
      write 4500
      > . 1:4001(4000) ack 1
      nothing
      < . 1:1(0) ack 4001
      > P. 4001:4501(500) ack 1
    `);
  });

  it("is given the FIN with the last of them", () => {
    const scene = established(60_000, { noDelay: false });
    scene.host.room = 0;
    scene.play("write 4500");
    scene.host.room = 9;
    scene.play("finish\n> FP. 1:4501(4500) ack 1");
  });

  it("gets a lost segment again alone, and after a timeout one first (RFC 5681)", () => {
    const scene = established(60_000).play(`
      write 6000
      > P. 1:6001(6000) ack 1
      < . 1:1(0) ack 1001
      < . 1:1(0) ack 1001
      < . 1:1(0) ack 1001
      < . 1:1(0) ack 1001
      > . 1001:2001(1000) ack 1
      +1000 > . 1001:2001(1000) ack 1
      < . 1:1(0) ack 2001
      > . 2001:4001(2000) ack 1
    `);
    expect(scene.tcb.retransmits).toBe(4);
  });

  it("gets old and new bytes in one, of which only the old count as sent again", () => {
    const scene = established(60_000).play(`
      write 2500
      > P. 1:2501(2500) ack 1
      +1000 > . 1:1001(1000) ack 1
      write 5000
      < . 1:1(0) ack 1501
      > . 1501:3501(2000) ack 1
    `);
    expect(scene.tcb.retransmits).toBe(2);
  });

  it("gets nothing while a shrunken window is full, a probe, and again what the window takes", () => {
    const scene = established(60_000).play(`
      write 6000
      > P. 1:6001(6000) ack 1
      < . 1:1(0) ack 1001 win 2500
      write 3000
      nothing
      < . 1:1(0) ack 6001 win 0
      nothing
      +1000 > . 6001:6002(1) ack 1
      < . 1:1(0) ack 6001 win 2500
      > . 6001:8001(2000) ack 1
      nothing
      < . 1:1(0) ack 8001 win 2500
      > P. 8001:9001(1000) ack 1
    `);
    expect([scene.tcb.retransmits, scene.tcb.segmentsOut]).toEqual([1, 1 + 6 + 1 + 2 + 1]);
  });

  it("cuts by the new path MTU once that is believed (RFC 5927 §7.2)", () => {
    const scene = established(60_000).play(`
      write 4000
      > P. 1:4001(4000) ack 1
      +1000 > . 1:1001(1000) ack 1
    `);
    pathMtuArrives(scene.tcb, scene.iss + 1, 600);
    scene.play(`
      flush
      > . 1:601(600) ack 1
      < . 1:1(0) ack 601
      > . 601:1801(1200) ack 1
    `);
    expect(scene.host.cuts.at(-1)).toBe(600);
  });

  it("leaves out the room that timestamps take", () => {
    const scene = new Scene({ config: { timestamps: true } });
    scene.host.superBytes = HEADER_BYTES + 12 + 2_000;
    scene.play(`
      < S 0:0(0) win 65535 <mss 1012,ts 7 0>
      > S. 0:0(0) ack 1
      < . 1:1(0) ack 1 win 65535 <ts 7 0>
      write 5000
      > . 1:2001(2000) ack 1
      > . 2001:4001(2000) ack 1
      > P. 4001:5001(1000) ack 1
    `);
    expect(scene.host.cuts).toEqual([0, 1_000, 1_000, 0]);
  });
});
