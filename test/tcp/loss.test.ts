// SPDX-License-Identifier: MIT
// Retransmission (RFC 6298), Karn (MUST-18), R1 and R2 (MUST-20), congestion control as the
// connection applies it (RFC 5681, RFC 6582, RFC 3042, RFC 6928).

import { describe, expect, it } from "vitest";
import { sendBytes } from "../../src/tcp/calls.ts";
import { EVENT_STATE } from "../../src/tcp/host.ts";
import { Scene } from "./support/scene.ts";
import { SEQUENCE_PAIRS } from "./support/states.ts";

/** ESTABLISHED with a round trip of 100 ms behind it: SRTT 100, RTO 300; MSS 1,000. */
function connected(pair: object, config: object = {}): Scene {
  return new Scene({ ...pair, config }).play(`
    < S 0:0(0) win 65535 <mss 1000>
    > S. 0:0(0) ack 1
    +100 < . 1:1(0) ack 1
    info {"srttMs":100,"rttvarMs":50,"rtoMs":300}
  `);
}

const TEN = Array.from(
  { length: 10 },
  (_, i) => `> ${i === 9 ? "P" : ""}. ${i * 1000 + 1}:${i * 1000 + 1001}(1000) ack 1`,
).join("\n");

describe.each(SEQUENCE_PAIRS)("loss, ISS $iss, IRS $irs", (pair) => {
  it("sends ten segments at first (RFC 6928)", () => {
    connected(pair).play(`
      write 10000
      ${TEN}
      info {"congestionWindow":10000}
      write 1000
      nothing
      +100 < . 1:1(0) ack 1001
      > P. 10001:11001(1000) ack 1
    `);
  });

  it("retransmits the earliest segment after RTO and doubles it (RFC 6298 §5.4 to §5.6)", () => {
    connected(pair).play(`
      write 2000
      > . 1:1001(1000) ack 1
      > P. 1001:2001(1000) ack 1
      +300 > . 1:1001(1000) ack 1
      +600 > . 1:1001(1000) ack 1
      +1200 > . 1:1001(1000) ack 1
      info {"retries":3,"retransmits":3,"congestionWindow":1000}
    `);
  });

  it("restarts the timer on new ACKs, stops it when all is acknowledged (§5.2, §5.3)", () => {
    const { tcb } = connected(pair).play(`
      write 2000
      > . 1:1001(1000) ack 1
      > P. 1001:2001(1000) ack 1
      +100 < . 1:1(0) ack 1001
      +250 > P. 1001:2001(1000) ack 1      # SRTT 100, RTTVAR 37.5
    `);
    expect(tcb.rto.srttMs).toBe(100);
    connected(pair).play(`
      write 1000
      > P. 1:1001(1000) ack 1
      +100 < . 1:1(0) ack 1001
      +100000 nothing
    `);
  });

  it("takes no sample from what was sent twice, keeps the back-off (Karn, MUST-18)", () => {
    connected(pair).play(`
      write 1000
      > P. 1:1001(1000) ack 1
      +300 > P. 1:1001(1000) ack 1
      +50 < . 1:1(0) ack 1001
      info {"srttMs":100,"rtoMs":600}
      write 1000
      > P. 1001:2001(1000) ack 1
      +100 < . 1:1(0) ack 2001
      info {"srttMs":100,"rtoMs":250}
    `);
  });

  it("resends in order what a timeout has declared lost, as the window opens", () => {
    connected(pair).play(`
      write 4000
      > . 1:1001(1000) ack 1
      > . 1001:2001(1000) ack 1
      > . 2001:3001(1000) ack 1
      > P. 3001:4001(1000) ack 1
      +300 > . 1:1001(1000) ack 1
      +100 < . 1:1(0) ack 1001
      > . 1001:2001(1000) ack 1
      > . 2001:3001(1000) ack 1
      +100 < . 1:1(0) ack 4001           # the rest had arrived
      nothing
      +100000 nothing
    `);
  });

  it("retransmits fast on the third duplicate ACK, limited transmit on the first two", () => {
    connected(pair).play(`
      write 10000
      ${TEN}
      write 9000
      +100 < . 1:1(0) ack 1              # 1st: RFC 3042
      > . 10001:11001(1000) ack 1
      < . 1:1(0) ack 1                   # 2nd
      > . 11001:12001(1000) ack 1
      < . 1:1(0) ack 1                   # 3rd: RFC 5681 §3.2
      > . 1:1001(1000) ack 1
      info {"slowStartThreshold":5000,"congestionWindow":8000}
      < . 1:1(0) ack 1
      < . 1:1(0) ack 1
      < . 1:1(0) ack 1
      < . 1:1(0) ack 1
      nothing
      < . 1:1(0) ack 1                   # 8 duplicates: cwnd 13,000
      > . 12001:13001(1000) ack 1
      +100 < . 1:1(0) ack 12001          # full acknowledgement: deflated
      > . 13001:14001(1000) ack 1
    `);
  });

  it("resends one segment per partial ACK (RFC 6582 §3.2)", () => {
    connected(pair).play(`
      write 10000
      ${TEN}
      +100 << . 1:1(0) ack 1
      << . 1:1(0) ack 1
      << . 1:1(0) ack 1
      flush
      > . 1:1001(1000) ack 1
      +100 < . 1:1(0) ack 3001
      > . 3001:4001(1000) ack 1
      +100 < . 1:1(0) ack 5001
      > . 5001:6001(1000) ack 1
      +100 < . 1:1(0) ack 10001
      nothing
    `);
  });

  it("does not take these for duplicate ACKs: data, a new window, nothing out (RFC 5681 §2)", () => {
    connected(pair).play(`
      write 1000
      > P. 1:1001(1000) ack 1
      < . 1:11(10) ack 1
      < . 11:21(10) ack 1
      > . 1001:1001(0) ack 21
      < . 21:31(10) ack 1
      < . 31:31(0) ack 1 win 60000
      < . 31:31(0) ack 1 win 50000
      < . 31:31(0) ack 1 win 40000
      nothing
      +40 > . 1001:1001(0) ack 31
      < . 31:31(0) ack 1001 win 40000
      < . 31:31(0) ack 1001 win 40000
      < . 31:31(0) ack 1001 win 40000
      < . 31:31(0) ack 1001 win 40000
      nothing
    `);
  });

  it("bounds what a thousand forged duplicate ACKs can make it send (D5)", () => {
    const scene = connected(pair).play(`
      write 200000
      ${TEN.replace("P.", ".")}
    `);
    for (let i = 0; i < 1_000; i++) {
      scene.arrive(scene.segment(". 1:1(0) ack 1"));
      scene.flush();
    }
    expect(scene.host.sent.length).toBeLessThanOrEqual(16);
  });

  it("grows by bytes, not by ACKs: division gains nothing (D5)", () => {
    const scene = connected(pair).play(`
      write 200000
      ${TEN.replace("P.", ".")}
    `);
    for (let i = 1; i <= 1_000; i++) {
      scene.arrive(scene.segment(`. 1:1(0) ack ${i + 1}`));
    }
    expect(scene.tcb.congestion.cwnd).toBeLessThanOrEqual(11_000);
  });

  it("does not grow by an ACK of what was never sent (D4)", () => {
    connected(pair).play(`
      write 1000
      > P. 1:1001(1000) ack 1
      < . 1:1(0) ack 100001
      > . 1001:1001(0) ack 1
      info {"congestionWindow":10000,"bytesUnacknowledged":1000}
    `);
  });

  it("tells the user at R1, gives up at R2 and not later (MUST-20, SHLD-9 to SHLD-11)", () => {
    const scene = connected(pair, { r1Retries: 3, r2Ms: 10_000 }).play(`
      write 1000
      > P. 1:1001(1000) ack 1
      +300 > P. 1:1001(1000) ack 1
      +600 > P. 1:1001(1000) ack 1
      soft 0
    `);
    scene.host.events = 0;
    scene.play(`
      +1200 > P. 1:1001(1000) ack 1
      soft ETIMEDOUT
      +2400 > P. 1:1001(1000) ack 1
      +4800 > P. 1:1001(1000) ack 1
      +699 = ESTABLISHED
      +1 = CLOSED
      error ETIMEDOUT
      read 1 = ETIMEDOUT
    `);
    expect(scene.host.events & EVENT_STATE).not.toBe(0);
    expect(scene.tcb.counters.giveUps).toBe(1);
  });

  it("never gives up with R2 infinite (MUST-21)", () => {
    const scene = connected(pair, { r2Ms: Number.POSITIVE_INFINITY }).play(`
      write 1000
      > P. 1:1001(1000) ack 1
    `);
    scene.wait(24 * 3_600_000);
    scene.host.sent.length = 0;
    scene.play("= ESTABLISHED");
  });

  it("counts R2 from the last progress", () => {
    connected(pair, { r2Ms: 1_000 }).play(`
      write 2000
      > . 1:1001(1000) ack 1
      > P. 1001:2001(1000) ack 1
      +300 > . 1:1001(1000) ack 1
      +500 < . 1:1(0) ack 1001
      > P. 1001:2001(1000) ack 1
      +600 > P. 1001:2001(1000) ack 1
      +399 = ESTABLISHED
      +1 = CLOSED
    `);
  });

  it("counts R2 from the first segment after a pause", () => {
    connected(pair, { r2Ms: 1_000 }).play(`
      +3600000 write 1000
      > P. 1:1001(1000) ack 1
      +300 > P. 1:1001(1000) ack 1
      +600 > P. 1:1001(1000) ack 1
      +99 = ESTABLISHED
      +1 = CLOSED
    `);
  });

  it("starts small again after a pause (RFC 5681 §4.1)", () => {
    const scene = connected(pair);
    for (let i = 0; i < 30; i++) {
      scene.play("write 10000\nignore");
      scene.wait(100);
      for (let at = 2_000; at <= 10_000; at += 2_000) {
        scene.arrive(scene.segment(`. 1:1(0) ack ${i * 10_000 + at + 1}`));
        scene.flush();
      }
      scene.host.sent.length = 0;
    }
    expect(scene.tcb.congestion.cwnd).toBeGreaterThan(10_000);
    scene.wait(10_000);
    sendBytes(scene.tcb, new Uint8Array(50_000), 0, 50_000);
    scene.flush();
    expect(scene.host.sent.length).toBe(10);
  });
});
