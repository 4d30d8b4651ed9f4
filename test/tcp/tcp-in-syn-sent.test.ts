// SPDX-License-Identifier: MIT

import { describe, expect, it } from "vitest";
import { sendBytes } from "../../src/tcp/calls.ts";
import { Scene } from "./support/scene.ts";
import { SEQUENCE_PAIRS, sceneIn } from "./support/states.ts";

describe.each(SEQUENCE_PAIRS)("SYN-SENT, ISS $iss, IRS $irs", (pair) => {
  it("offers MSS, window scale and timestamps (MUST-14, RFC 7323 §2.2, §3.2)", () => {
    new Scene({ ...pair, config: { timestamps: true, windowScale: true } }).play(`
      open
      > S 0:0(0) win 65535 <mss 1460,ws 3,ts 0 0>
      = SYN-SENT
    `);
  });

  it("goes to ESTABLISHED on SYN-ACK and acknowledges it (RFC 9293 §3.10.7.3, fourth)", () => {
    sceneIn("SYN-SENT", pair).play(`
      +10 < S. 0:0(0) ack 1 win 1000 <mss 1000>
      > . 1:1(0) ack 1 win 65535
      = ESTABLISHED
      info {"mss":1000,"sendWindow":1000,"srttMs":10,"hasTimestamps":false}
    `);
  });

  it("takes text and FIN on the SYN-ACK (RFC 9293 §3.10.7.3, to the sixth step)", () => {
    sceneIn("SYN-SENT", pair).play(`
      < SF. 0:10(10) ack 1
      > . 1:1(0) ack 12
      = CLOSE-WAIT
      read 100 = 10
    `);
  });

  it("sends data that was queued before (RFC 9293 §3.10.2)", () => {
    sceneIn("SYN-SENT", pair).play(`
      write 100
      nothing
      < S. 0:0(0) ack 1 <mss 1460>
      > P. 1:101(100) ack 1
    `);
  });

  it("answers an unacceptable ACK with RST and stays (RFC 9293 §3.10.7.3, first)", () => {
    sceneIn("SYN-SENT", pair).play(`
      < . 0:0(0) ack 0
      > R 0:0(0)
      < S. 0:0(0) ack 2
      > R 2:2(0)
      < S. 0:0(0) ack -1
      > R -1:-1(0)
      = SYN-SENT
    `);
  });

  it("believes a RST only with an acceptable ACK (RFC 9293 §3.10.7.3, second; D1)", () => {
    sceneIn("SYN-SENT", pair).play(`
      < R 0:0(0)
      < R. 0:0(0) ack 0
      < R. 0:0(0) ack 2
      nothing
      = SYN-SENT
      < R. 0:1400(1400) ack 1
      = CLOSED
      error ECONNREFUSED
    `);
  });

  it("drops an acceptable ACK without SYN, and whatever else (third, fifth)", () => {
    sceneIn("SYN-SENT", pair).play(`
      < . 0:0(0) ack 1
      < F. 0:0(0) ack 1
      < P. 0:10(10) ack 1
      < 0 0:0(0)
      nothing
      = SYN-SENT
      < S. 0:0(0) ack 1
      > . 1:1(0) ack 1
    `);
  });

  it("opens simultaneously, with the SYN-ACKs crossing (MUST-10, RFC 9293 figure 8)", () => {
    sceneIn("SYN-SENT", pair).play(`
      < S 0:0(0) win 3000 <mss 1200>
      > S. 0:0(0) ack 1 <mss 1460>
      = SYN-RECEIVED
      < S. 0:0(0) ack 1 win 4000 <mss 1200>
      = ESTABLISHED
      info {"mss":1200,"sendWindow":4000}
      write 10
      > P. 1:11(10) ack 1
    `);
  });

  it("opens simultaneously when an ACK completes it (RFC 9293 §3.5)", () => {
    sceneIn("SYN-SENT", pair).play(`
      < S 0:0(0)
      > S. 0:0(0) ack 1
      < . 1:1(0) ack 1
      = ESTABLISHED
    `);
  });

  it("survives a split handshake: ACK, then SYN (hostile input D13)", () => {
    sceneIn("SYN-SENT", pair).play(`
      < . 0:0(0) ack 1
      nothing
      < S 0:0(0)
      > S. 0:0(0) ack 1
      < . 1:1(0) ack 1
      = ESTABLISHED
    `);
  });

  it("is refused by a RST after a simultaneous open (RFC 9293 §3.10.7.4, second)", () => {
    sceneIn("SYN-SENT", pair).play(`
      < S 0:0(0)
      > S. 0:0(0) ack 1
      < R 1:1(0)
      = CLOSED
      error ECONNREFUSED
    `);
  });

  it("clamps a tiny MSS and defaults a missing one (MUST-15, hostile input C5)", () => {
    sceneIn("SYN-SENT", pair).play(`
      < S. 0:0(0) ack 1 <mss 1>
      > . ack 1
      info {"mss":88}
    `);
    sceneIn("SYN-SENT", pair).play(`
      < S. 0:0(0) ack 1
      > . ack 1
      info {"mss":536}
    `);
  });

  it("retransmits the SYN with back-off and gives up after R2 of 3 minutes (MUST-23)", () => {
    sceneIn("SYN-SENT", pair).play(`
      +1000 > S 0:0(0)
      +2000 > S 0:0(0)
      +4000 > S 0:0(0)
      +8000 > S 0:0(0)
      +16000 > S 0:0(0)
      +32000 > S 0:0(0)
      +60000 > S 0:0(0)
      +56999 = SYN-SENT
      +1 = CLOSED
      error ETIMEDOUT
    `);
  });

  it("starts with one segment and RTO 3 s after a lost SYN (RFC 5681 §3.1, RFC 6298 §5.7)", () => {
    sceneIn("SYN-SENT", pair).play(`
      +1000 > S 0:0(0)
      +10 < S. 0:0(0) ack 1 <mss 1460>
      > . ack 1
      info {"congestionWindow":1460,"rtoMs":3000,"srttMs":0}
      write 3000
      > . 1:1461(1460) ack 1
      +3000 > . 1:1461(1460) ack 1
    `);
  });

  it("is left at once by finish and by abort, without a RST (RFC 9293 §3.10.4, §3.10.5)", () => {
    sceneIn("SYN-SENT", pair).play(`
      finish
      = CLOSED
      error ECONNABORTED
    `);
    sceneIn("SYN-SENT", pair).play(`
      abort
      = CLOSED
      error ECONNABORTED
      abort
    `);
  });

  it("sends its SYN when there is room again", () => {
    new Scene(pair).play(`
      room 0
      open
      nothing
      room 10
      +1000 > S 0:0(0)
    `);
  });

  it("bounds what is queued before the handshake (R2)", () => {
    const scene = sceneIn("SYN-SENT", { ...pair, config: { sendBufferBytes: 1_000 } });
    expect(sendBytes(scene.tcb, new Uint8Array(5_000), 0, 5_000)).toBe(1_000);
    expect(sendBytes(scene.tcb, new Uint8Array(5_000), 0, 5_000)).toBe(0);
  });
});
