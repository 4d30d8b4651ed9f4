// SPDX-License-Identifier: MIT
// FIN both ways, half-close, simultaneous close, abort, TIME-WAIT. RFC 9293 §3.6, §3.10.4, §3.10.5.

import { describe, expect, it } from "vitest";
import { atEnd, isOrderlyClosed } from "../../src/tcp/calls.ts";
import { ENETDOWN } from "../../src/tcp/errno.ts";
import { mayReuseTimeWait } from "../../src/tcp/time-wait.ts";
import { nextTimeout } from "../../src/tcp/timers.ts";
import { Scene } from "./support/scene.ts";
import { SEQUENCE_PAIRS, SYNCHRONIZED, sceneIn } from "./support/states.ts";

describe.each(SEQUENCE_PAIRS)("closing, ISS $iss, IRS $irs", (pair) => {
  it("goes FIN-WAIT-1, FIN-WAIT-2, TIME-WAIT, CLOSED (RFC 9293 figure 12)", () => {
    const { tcb } = sceneIn("ESTABLISHED", pair).play(`
      finish
      > F. 1:1(0) ack 1
      = FIN-WAIT-1
      < . 1:1(0) ack 2
      = FIN-WAIT-2
      < F. 1:1(0) ack 2
      > . 2:2(0) ack 2
      = TIME-WAIT
      +59999 = TIME-WAIT
      +1 = CLOSED
      error 0
    `);
    expect(isOrderlyClosed(tcb)).toBe(true);
    expect(atEnd(tcb)).toBe(true);
    expect(nextTimeout(tcb)).toBe(Number.POSITIVE_INFINITY);
  });

  it("goes CLOSE-WAIT, LAST-ACK, CLOSED (RFC 9293 figure 12)", () => {
    const { tcb } = sceneIn("ESTABLISHED", pair).play(`
      < F. 1:1(0) ack 1
      > . 1:1(0) ack 2
      = CLOSE-WAIT
      finish
      > F. 1:1(0) ack 2
      = LAST-ACK
      < . 2:2(0) ack 2
      = CLOSED
      error 0
    `);
    expect(isOrderlyClosed(tcb)).toBe(true);
  });

  it("closes simultaneously through CLOSING (RFC 9293 figure 13)", () => {
    sceneIn("ESTABLISHED", pair).play(`
      finish
      > F. 1:1(0) ack 1
      < F. 1:1(0) ack 1
      > . 2:2(0) ack 2
      = CLOSING
      < . 2:2(0) ack 1
      = CLOSING
      < . 2:2(0) ack 2
      = TIME-WAIT
    `);
  });

  it("goes to TIME-WAIT by one segment with FIN and the ACK of ours (fifth before eighth)", () => {
    sceneIn("FIN-WAIT-1", pair).play(`
      < F. 1:1(0) ack 2
      > . 2:2(0) ack 2
      = TIME-WAIT
    `);
  });

  it("puts FIN on the last data, after what was queued", () => {
    sceneIn("ESTABLISHED", { ...pair, mss: 1000 }).play(`
      << . 1:1(0) ack 1
      write 2500
      > . 1:1001(1000) ack 1
      > . 1001:2001(1000) ack 1
      > P. 2001:2501(500) ack 1
      finish
      > F. 2501:2501(0) ack 1
      write 1 = EPIPE
      finish = EPIPE
    `);
    sceneIn("ESTABLISHED", { ...pair, mss: 1000 }).play(`
      room 0
      write 1500
      finish
      = FIN-WAIT-1
      room 10
      < P. 1:11(10) ack 1
      > . 1:1001(1000) ack 11
      > FP. 1001:1501(500) ack 11
    `);
  });

  it("keeps receiving after its own FIN: half-close (RFC 9293 §3.6, done)", () => {
    sceneIn("FIN-WAIT-2", pair).play(`
      < P. 1:101(100) ack 2
      +40 > . 2:2(0) ack 101
      read 100
      +100000 < FP. 101:201(100) ack 2
      > . 2:2(0) ack 202
      = TIME-WAIT
      read 1000 = 100
      read 1000 = 0
    `);
  });

  it("keeps sending after the peer's FIN (RFC 9293 §3.6)", () => {
    sceneIn("CLOSE-WAIT", pair).play(`
      write 100
      > P. 1:101(100) ack 2
      < . 2:2(0) ack 101
      finish
      > F. 101:101(0) ack 2
      < . 2:2(0) ack 102
      = CLOSED
      error 0
    `);
  });

  it("takes data in FIN-WAIT-1, with and without the ACK of our FIN", () => {
    sceneIn("FIN-WAIT-1", pair).play(`
      < P. 1:101(100) ack 1
      = FIN-WAIT-1
      < P. 101:201(100) ack 2
      > . 2:2(0) ack 201
      = FIN-WAIT-2
      read 1000 = 200
    `);
  });

  it("lets what came before be read after the connection has ended in order", () => {
    const { tcb } = sceneIn("ESTABLISHED", pair).play(`
      < FP. 1:101(100) ack 1
      > . 1:1(0) ack 102
      finish
      > F. 1:1(0) ack 102
      < . 102:102(0) ack 2
      = CLOSED
      read 60
      read 60 = 40
      read 60 = 0
    `);
    expect(atEnd(tcb)).toBe(true);
  });

  it("retransmits a lost FIN in FIN-WAIT-1, CLOSING and LAST-ACK", () => {
    sceneIn("FIN-WAIT-1", pair).play("+200 > F. 1:1(0) ack 1\n+400 > F. 1:1(0) ack 1");
    sceneIn("CLOSING", pair).play("+200 > F. 1:1(0) ack 2");
    sceneIn("LAST-ACK", pair).play("+200 > F. 1:1(0) ack 2");
  });

  it("retransmits data and FIN together when both were lost", () => {
    sceneIn("ESTABLISHED", pair).play(`
      write 100
      > P. 1:101(100) ack 1
      finish
      > F. 101:101(0) ack 1
      +200 > FP. 1:101(100) ack 1
      < . 1:1(0) ack 102
      = FIN-WAIT-2
    `);
  });

  it("gives up on a FIN that nobody acknowledges (R2)", () => {
    const scene = sceneIn("LAST-ACK", pair);
    scene.wait(120_000);
    scene.host.sent.length = 0;
    scene.play("= CLOSED\nerror ETIMEDOUT");
    expect(isOrderlyClosed(scene.tcb)).toBe(false);
  });

  it("acknowledges and drops what arrives after discard, window open (close of DESIGN §4)", () => {
    sceneIn("ESTABLISHED", { ...pair, config: { receiveBufferBytes: 2_000 } }).play(`
      < P. 1:1001(1000) ack 1
      discard
      > . 1:1(0) ack 1001 win 2000
      finish
      > F. 1:1(0) ack 1001 win 2000
      < . 1001:3001(2000) ack 2
      +40 > . 2:2(0) ack 3001 win 2000
      < . 3001:5001(2000) ack 2
      +40 > . 2:2(0) ack 5001 win 2000
      = FIN-WAIT-2
      info {"bytesReadable":0,"bytesReceived":5000}
      < F. 5001:5001(0) ack 2
      > . 2:2(0) ack 5002
      = TIME-WAIT
    `);
  });

  it("opens a closed window at once when what filled it is discarded", () => {
    sceneIn("ESTABLISHED", { ...pair, config: { receiveBufferBytes: 2_000 } }).play(`
      < P. 1:2001(2000) ack 1
      +40 > . 1:1(0) ack 2001 win 0
      discard
      > . 1:1(0) ack 2001 win 2000
    `);
  });

  it("aborts with RST at SND.NXT and forgets everything (RFC 9293 §3.10.5)", () => {
    const resets: Readonly<Record<string, string>> = {
      ESTABLISHED: "> R. 1:1(0) ack 1",
      "FIN-WAIT-1": "> R. 2:2(0) ack 1",
      "FIN-WAIT-2": "> R. 2:2(0) ack 1",
      "CLOSE-WAIT": "> R. 1:1(0) ack 2",
      CLOSING: "> R. 2:2(0) ack 2",
      "LAST-ACK": "> R. 2:2(0) ack 2",
      "TIME-WAIT": "nothing",
    };
    for (const state of SYNCHRONIZED) {
      const { tcb } = sceneIn(state, pair).play(`
        abort
        ${resets[state]}
        = CLOSED
        error ${state === "TIME-WAIT" ? "0" : "ECONNABORTED"}
        abort
        nothing
      `);
      expect(nextTimeout(tcb)).toBe(Number.POSITIVE_INFINITY);
    }
  });

  it("aborts with data in flight by RST after the last octet sent", () => {
    sceneIn("ESTABLISHED", pair).play(`
      write 100
      > P. 1:101(100) ack 1
      abort
      > R. 101:101(0) ack 1
      read 10 = ECONNABORTED
      write 10 = ECONNABORTED
      finish = ECONNABORTED
    `);
  });

  it("keeps the reason that its host has set before an abort", () => {
    const scene = sceneIn("ESTABLISHED", pair);
    scene.tcb.error = ENETDOWN;
    scene.play(`
      abort
      > R. 1:1(0) ack 1
      error ENETDOWN
      read 10 = ENETDOWN
    `);
  });

  it("tells reset from end of stream (MUST-12)", () => {
    sceneIn("ESTABLISHED", pair).play(`
      < P. 1:101(100) ack 1
      < R 101:101(0)
      = CLOSED
      read 60
      read 100 = 40
      read 100 = ECONNRESET
      write 100 = ECONNRESET
      finish = ECONNRESET
    `);
  });

  it("restarts 2MSL on a retransmitted FIN only, and acknowledges it (MUST-13)", () => {
    sceneIn("TIME-WAIT", pair).play(`
      +30000 < F. 1:1(0) ack 2
      > . 2:2(0) ack 2
      +30000 < . 2:2(0) ack 2
      nothing
      +100 < P. 2:12(10) ack 2
      nothing
      +100 < . 1:1(0) ack 2
      > . 2:2(0) ack 2
      +29799 = TIME-WAIT
      +1 = CLOSED
    `);
  });

  it("holds TIME-WAIT for 2 MSL as configured (MUST-13)", () => {
    sceneIn("TIME-WAIT", { ...pair, config: { mslMs: 500 } }).play(`
      +999 = TIME-WAIT
      +1 = CLOSED
    `);
  });

  it("knows which SYN could replace it in TIME-WAIT (RFC 6191, MAY-2)", () => {
    const scene = sceneIn("TIME-WAIT", pair);
    expect(mayReuseTimeWait(scene.tcb, scene.segment("S 3:3(0)"))).toBe(true);
    expect(mayReuseTimeWait(scene.tcb, scene.segment("S 2:2(0)"))).toBe(false);
    expect(mayReuseTimeWait(scene.tcb, scene.segment("S. 3:3(0) ack 1"))).toBe(false);
    scene.tcb.hasTimestamps = true;
    scene.tcb.tsRecent = 100;
    expect(mayReuseTimeWait(scene.tcb, scene.segment("S 0:0(0) <ts 101 0>"))).toBe(true);
    expect(mayReuseTimeWait(scene.tcb, scene.segment("S 3:3(0) <ts 99 0>"))).toBe(false);
    expect(mayReuseTimeWait(scene.tcb, scene.segment("S 3:3(0) <ts 100 0>"))).toBe(true);
  });

  it("ends an orphan that the peer keeps half open, with RST (E3)", () => {
    sceneIn("FIN-WAIT-2", pair).play(`
      orphan
      +59999 = FIN-WAIT-2
      +1 > R. 2:2(0) ack 1
      = CLOSED
      error ETIMEDOUT
    `);
    sceneIn("ESTABLISHED", { ...pair, config: { orphanTimeoutMs: 5_000 } }).play(`
      orphan
      finish
      > F. 1:1(0) ack 1
      +100 < . 1:1(0) ack 2
      = FIN-WAIT-2
      +60000 > R. 2:2(0) ack 1
      = CLOSED
    `);
    sceneIn("ESTABLISHED", { ...pair, config: { orphanTimeoutMs: 150 } }).play(`
      orphan
      finish
      > F. 1:1(0) ack 1
      +150 > R. 2:2(0) ack 1
      = CLOSED
    `);
  });

  it("refuses every call before it is opened", () => {
    new Scene(pair).play(`
      write 1 = ENOTCONN
      read 1 = ENOTCONN
      finish = ENOTCONN
      abort
      = CLOSED
    `);
  });
});
