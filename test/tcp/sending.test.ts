// SPDX-License-Identifier: MIT
// What may be sent: segment sizes, PSH, Nagle, silly windows, the peer's window, probes.

import { describe, expect, it } from "vitest";
import { sendSpaceBytes, unacknowledgedBytes } from "../../src/tcp/calls.ts";
import { EVENT_WRITABLE } from "../../src/tcp/host.ts";
import { Scene } from "./support/scene.ts";
import { SEQUENCE_PAIRS, sceneIn } from "./support/states.ts";

/** ESTABLISHED with a peer that offers `window` bytes and takes segments of 1,000. */
function offered(window: number, pair: object, config: object = {}): Scene {
  return new Scene({ ...pair, config: { ...config, rtoMinMs: 1_000 } }).play(`
    < S 0:0(0) win ${window} <mss 1000>
    > S. 0:0(0) ack 1
    < . 1:1(0) ack 1 win ${window}
  `);
}

describe.each(SEQUENCE_PAIRS)("sending, ISS $iss, IRS $irs", (pair) => {
  it("fills segments and sets PSH on the last buffered one (SHLD-27, SHLD-28, MUST-61)", () => {
    offered(10_000, pair).play(`
      write 2500
      > . 1:1001(1000) ack 1
      > . 1001:2001(1000) ack 1
      > P. 2001:2501(500) ack 1
    `);
  });

  it("packs small writes of a round into one segment (SHLD-28)", () => {
    const scene = offered(10_000, pair);
    scene.host.room = 0;
    scene.play("write 10\nwrite 10\nwrite 10");
    scene.host.room = 9;
    scene.play("write 10\n> P. 1:41(40) ack 1");
  });

  it("stays within the peer's window (RFC 9293 §3.8.6)", () => {
    const { tcb } = offered(2_500, pair).play(`
      write 5000
      > . 1:1001(1000) ack 1
      > . 1001:2001(1000) ack 1
      nothing
      < . 1:1(0) ack 1001 win 2500
      > . 2001:3001(1000) ack 1
      < . 1:1(0) ack 3001 win 100
      nothing
      < . 1:1(0) ack 3001 win 3000
      > . 3001:4001(1000) ack 1
      > P. 4001:5001(1000) ack 1
    `);
    expect(unacknowledgedBytes(tcb)).toBe(2_000);
  });

  it("sends at once however small without Nagle (MUST-17)", () => {
    offered(10_000, pair).play(`
      write 10
      > P. 1:11(10) ack 1
      write 10
      > P. 11:21(10) ack 1
    `);
  });

  it("holds back small segments while one is out with Nagle (SHLD-7)", () => {
    offered(10_000, pair, { noDelay: false }).play(`
      write 10
      > P. 1:11(10) ack 1
      write 10
      write 10
      nothing
      write 2000
      > . 11:1011(1000) ack 1
      > . 1011:2011(1000) ack 1
      < . 1:1(0) ack 2011
      > P. 2011:2031(20) ack 1
      finish
      > F. 2031:2031(0) ack 1
    `);
  });

  it("does not hold back what ends the stream (Nagle and FIN)", () => {
    offered(10_000, pair, { noDelay: false }).play(`
      write 10
      > P. 1:11(10) ack 1
      write 10
      nothing
      finish
      > FP. 11:21(10) ack 1
    `);
  });

  it("sends a part only if it is half of the largest window (MUST-38)", () => {
    offered(4_000, pair).play(`
      write 8000
      > . 1:1001(1000) ack 1
      > . 1001:2001(1000) ack 1
      > . 2001:3001(1000) ack 1
      > . 3001:4001(1000) ack 1
      < . 1:1(0) ack 4001 win 999
      nothing                        # silly
      < . 1:1(0) ack 4001 win 1000
      > . 4001:5001(1000) ack 1      # a full segment
    `);
    offered(800, pair).play(`
      write 5000
      > . 1:801(800) ack 1
      < . 1:1(0) ack 801 win 399
      nothing
      < . 1:1(0) ack 801 win 400
      > . 801:1201(400) ack 1        # half of all the peer ever offers
    `);
  });

  it("overrides the silly window avoidance after a while (RFC 9293 §3.8.6.2.1 (4))", () => {
    offered(4_000, pair).play(`
      write 5000
      > . 1:1001(1000) ack 1
      > . 1001:2001(1000) ack 1
      > . 2001:3001(1000) ack 1
      > . 3001:4001(1000) ack 1
      < . 1:1(0) ack 4001 win 300
      +1000 > . 4001:4301(300) ack 1
      < . 1:1(0) ack 4301 win 3000
      > P. 4301:5001(700) ack 1
    `);
  });

  it("overrides it also against a peer that talks all the time", () => {
    const scene = offered(4_000, pair).play(`
      write 4001
      ignore
      < . 1:1(0) ack 4001 win 0
      < . 1:1(0) ack 4001 win 1
      > P. 4001:4002(1) ack 1
      < . 1:1(0) ack 4002 win 300
      write 5000 = 5000
    `);
    for (let i = 0; i < 9; i++) {
      scene.wait(100);
      scene.arrive(scene.segment(`P. ${i + 1}:${i + 2}(1) ack 4002 win 300`));
      scene.flush();
    }
    scene.play("ignore\n+40 > . ack 10\n+60 > . 4002:4302(300) ack 10");
  });

  it("overrides it one RTO after a window that was closed for long has opened a little", () => {
    offered(4_000, pair).play(`
      write 8000
      ignore
      < . 1:1(0) ack 4001 win 0
      +1000 > . 4001:4002(1) ack 1
      +2000 > . 4001:4002(1) ack 1
      +4000 > . 4001:4002(1) ack 1
      < . 1:1(0) ack 4001 win 300
      +1000 > . 4001:4301(300) ack 1
    `);
  });

  it("ignores a window from an old segment (SND.WL1, SND.WL2)", () => {
    offered(2_000, pair).play(`
      << P. 11:21(10) ack 1 win 5000
      > . 1:1(0) ack 1
      << . 1:11(10) ack 1 win 1000
      flush
      > . 1:1(0) ack 21
      info {"sendWindow":5000}
    `);
  });

  it("survives a window that shrinks below what is out (MUST-34, SHLD-15)", () => {
    offered(4_000, pair).play(`
      write 6000
      > . 1:1001(1000) ack 1
      > . 1001:2001(1000) ack 1
      > . 2001:3001(1000) ack 1
      > . 3001:4001(1000) ack 1
      < . 1:1(0) ack 1001 win 1000
      nothing
      +1000 > . 1001:2001(1000) ack 1  # within the window (SHLD-16)
      < . 1:1(0) ack 4001 win 2000
      > . 4001:5001(1000) ack 1
      > P. 5001:6001(1000) ack 1
    `);
  });

  it("probes when the window shrinks to nothing under data (MUST-35, SHLD-17)", () => {
    offered(2_000, pair).play(`
      write 2000
      > . 1:1001(1000) ack 1
      > P. 1001:2001(1000) ack 1
      < . 1:1(0) ack 1 win 0
      +1000 nothing
      +2000 > . 1:2(1) ack 1
      < . 1:1(0) ack 1 win 0
      +4000 > . 1:2(1) ack 1
      < . 1:1(0) ack 2 win 2000
      > . 2:1002(1000) ack 1
      > P. 1002:2001(999) ack 1
    `);
  });

  it("probes a closed window with one octet, first after an RTO, then doubling (MUST-36)", () => {
    const scene = offered(1_000, pair).play(`
      write 3000
      > . 1:1001(1000) ack 1
      < . 1:1(0) ack 1001 win 0
      +1000 > . 1001:1002(1) ack 1    # SHLD-29
      < . 1:1(0) ack 1001 win 0
      +2000 > . 1001:1002(1) ack 1    # SHLD-30
      < . 1:1(0) ack 1001 win 0
      +4000 > . 1001:1002(1) ack 1
      < . 1:1(0) ack 1002 win 0       # one octet was taken
      +8000 > . 1002:1003(1) ack 1
      < . 1:1(0) ack 1002 win 1500
      > . 1002:2002(1000) ack 1
    `);
    expect(scene.tcb.error).toBe(0);
  });

  it("keeps a connection open as long as probes are answered (MUST-37)", () => {
    const scene = offered(1_000, pair).play(`
      write 1001
      > . 1:1001(1000) ack 1
      < . 1:1(0) ack 1001 win 0
    `);
    for (let minutes = 0; minutes < 60 * 24; minutes++) {
      scene.wait(60_000);
      if (scene.host.sent.length === 0) continue;
      expect(scene.host.sent.length).toBeLessThan(10);
      scene.host.sent.length = 0;
      scene.play("< . 1:1(0) ack 1001 win 0");
    }
    scene.play(`
      = ESTABLISHED
      < . 1:1(0) ack 1001 win 10
      > P. 1001:1002(1) ack 1
    `);
  });

  it("gives up when nobody answers probes any more (R2)", () => {
    const scene = offered(1_000, pair).play(`
      write 1001
      > . 1:1001(1000) ack 1
      < . 1:1(0) ack 1001 win 0
    `);
    scene.wait(400_000);
    scene.host.sent.length = 0;
    scene.play("= CLOSED\nerror ETIMEDOUT");
  });

  it("does not put FIN on data that fills the window", () => {
    offered(1_000, pair).play(`
      room 0
      write 1000
      finish
      room 9
      < P. 1:2(1) ack 1 win 1000
      > P. 1:1001(1000) ack 2
      < . 2:2(0) ack 1001 win 1000
      > F. 1001:1001(0) ack 2
    `);
  });

  it("holds FIN back while the window is closed, and probes with it", () => {
    offered(1_000, pair).play(`
      write 1000
      > P. 1:1001(1000) ack 1
      finish
      nothing
      < . 1:1(0) ack 1001 win 0
      +1000 > F. 1001:1001(0) ack 1
      < . 1:1(0) ack 1001 win 0
      = FIN-WAIT-1
      < . 1:1(0) ack 1001 win 1
      > F. 1001:1001(0) ack 1
      < . 1:1(0) ack 1002 win 1
      = FIN-WAIT-2
    `);
  });

  it("speaks from inside the window while it probes", () => {
    offered(1_000, pair).play(`
      write 1500
      > . 1:1001(1000) ack 1
      < . 1:1(0) ack 1001 win 0
      +1000 > . 1001:1002(1) ack 1
      < . 1:1(0) ack 1001 win 0
      < P. 1:11(10) ack 1001 win 0
      +40 > . 1001:1001(0) ack 11
      abort
      > R. 1001:1001(0) ack 11
    `);
  });

  it("survives windows that oscillate and huge scales (D10)", () => {
    const scene = new Scene({ ...pair, config: { windowScale: true } }).play(`
      < S 0:0(0) win 0 <mss 1000,ws 14>
      > S. 0:0(0) ack 1
      < . 1:1(0) ack 1 win 65535
      info {"sendWindow":1073725440}
      write 100000
      ignore
    `);
    for (let i = 0; i < 2_000; i++) {
      scene.arrive(scene.segment(`. 1:1(0) ack 1 win ${i % 3 === 0 ? 0 : (i * 7) % 65_536}`));
      scene.flush();
      if (i % 10 === 0) scene.wait(50);
    }
    expect(scene.host.sent.length).toBeLessThan(1_000);
    scene.play("ignore\n< . 1:1(0) ack 1001 win 1\nignore\n= ESTABLISHED");
  });

  it("writes no more than the buffer holds, and tells when there is room (E10)", () => {
    const scene = offered(10_000, pair, { sendBufferBytes: 3_000 });
    scene.play(`
      write 5000 = 3000
      > . 1:1001(1000) ack 1
      > . 1001:2001(1000) ack 1
      > P. 2001:3001(1000) ack 1
      write 1 = 0
    `);
    expect(sendSpaceBytes(scene.tcb)).toBe(0);
    scene.host.events = 0;
    scene.play("< . 1:1(0) ack 1001");
    expect(scene.host.events & EVENT_WRITABLE).not.toBe(0);
    expect(sendSpaceBytes(scene.tcb)).toBe(1_000);
  });

  it("goes on where it stopped when the tx ring was full", () => {
    offered(10_000, pair).play(`
      room 1
      write 2500
      > . 1:1001(1000) ack 1
      room 9
      write 1
      > . 1001:2001(1000) ack 1
      > P. 2001:2502(501) ack 1
    `);
  });

  it("keeps our MSS where the peer's is larger (MUST-16)", () => {
    new Scene({ ...pair, mss: 500 }).play(`
      < S 0:0(0) <mss 9000>
      > S. 0:0(0) ack 1 <mss 500>
      < . 1:1(0) ack 1
      write 501
      > . 1:501(500) ack 1
      > P. 501:502(1) ack 1
    `);
  });

  it("retransmits the FIN-only segment in CLOSE-WAIT order: data, FIN", () => {
    sceneIn("CLOSE-WAIT", pair).play(`
      write 10
      > P. 1:11(10) ack 2
      finish
      > F. 11:11(0) ack 2
      < . 2:2(0) ack 11
      = LAST-ACK
      +200 > F. 11:11(0) ack 2
      < . 2:2(0) ack 12
      = CLOSED
    `);
  });
});
