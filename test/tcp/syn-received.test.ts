// SPDX-License-Identifier: MIT

import { describe, it } from "vitest";
import { Scene } from "./support/scene.ts";
import { SEQUENCE_PAIRS, sceneIn } from "./support/states.ts";

describe.each(SEQUENCE_PAIRS)("SYN-RECEIVED, ISS $iss, IRS $irs", (pair) => {
  it("answers with what both offer (RFC 7323 §2.2, §3.2)", () => {
    const config = { timestamps: true, windowScale: true };
    new Scene({ ...pair, config }).play(`
      < S 0:0(0) <mss 1400,ws 7,ts 100 0>
      > S. 0:0(0) ack 1 win 65535 <mss 1460,ws 3,ts 0 100>
      < . 1:1(0) ack 1 win 100 <ts 101 0>
      = ESTABLISHED
      info {"mss":1388,"sendWindow":12800,"sendWindowShift":7,"receiveWindowShift":3}
    `);
    new Scene({ ...pair, config }).play(`
      < S 0:0(0) <mss 1400>
      > S. 0:0(0) ack 1 <mss 1460>
      < . 1:1(0) ack 1 win 100
      info {"mss":1400,"sendWindow":100,"hasTimestamps":false}
    `);
  });

  it("does not take data or FIN on the SYN, the peer sends them again (C11)", () => {
    new Scene(pair).play(`
      < SF 0:100(100)
      > S. 0:0(0) ack 1
      < F. 1:101(100) ack 1
      > . 1:1(0) ack 102
      = CLOSE-WAIT
      read 200 = 100
    `);
  });

  it("takes data on the ACK that completes the handshake", () => {
    sceneIn("SYN-RECEIVED", pair).play(`
      < P. 1:101(100) ack 1
      = ESTABLISHED
      +40 > . ack 101
      read 200 = 100
    `);
  });

  it("answers a SYN that comes again with its SYN-ACK, at once", () => {
    sceneIn("SYN-RECEIVED", pair).play(`
      +500 < S 0:0(0)
      > S. 0:0(0) ack 1
      = SYN-RECEIVED
      +500 > S. 0:0(0) ack 1
    `);
  });

  it("answers an unacceptable ACK with RST and stays (RFC 9293 §3.10.7.4, fifth)", () => {
    sceneIn("SYN-RECEIVED", pair).play(`
      < . 1:1(0) ack 0
      > R 0:0(0)
      < . 1:1(0) ack 2
      > R 2:2(0)
      = SYN-RECEIVED
    `);
  });

  it("goes away quietly on an exact RST: back to LISTEN (second check)", () => {
    sceneIn("SYN-RECEIVED", pair).play(`
      < R 0:0(0)
      nothing
      < R 2:2(0)
      > . 1:1(0) ack 1
      = SYN-RECEIVED
      < R 1:1(0)
      = CLOSED
    `);
  });

  it("goes away on another SYN in the window: back to LISTEN (fourth check)", () => {
    sceneIn("SYN-RECEIVED", pair).play(`
      < S 5:5(0)
      nothing
      = CLOSED
    `);
  });

  it("challenges a SYN outside the window (RFC 5961 §4.2)", () => {
    sceneIn("SYN-RECEIVED", pair).play(`
      < S -5:-5(0)
      > . 1:1(0) ack 1
      < S 100000:100000(0)
      > . 1:1(0) ack 1
      = SYN-RECEIVED
    `);
  });

  it("drops a segment without ACK (fifth check)", () => {
    sceneIn("SYN-RECEIVED", pair).play(`
      < P 1:11(10)
      < F 1:1(0)
      nothing
      = SYN-RECEIVED
    `);
  });

  it("lets finish wait for the handshake, then sends FIN (RFC 9293 §3.10.4)", () => {
    sceneIn("SYN-RECEIVED", pair).play(`
      write 10
      finish
      nothing
      < . 1:1(0) ack 1
      > FP. 1:11(10) ack 1
      = FIN-WAIT-1
    `);
  });

  it("aborts with a RST that a peer in SYN-SENT believes (RFC 9293 §3.10.5)", () => {
    sceneIn("SYN-RECEIVED", pair).play(`
      abort
      > R. 1:1(0) ack 1
      = CLOSED
    `);
  });

  it("retransmits the SYN-ACK and gives up (MUST-22)", () => {
    sceneIn("SYN-RECEIVED", pair).play(`
      +1000 > S. 0:0(0) ack 1
      +2000 > S. 0:0(0) ack 1
      +4000 > S. 0:0(0) ack 1
      +8000 > S. 0:0(0) ack 1
      +16000 > S. 0:0(0) ack 1
      +32000 > S. 0:0(0) ack 1
      +60000 > S. 0:0(0) ack 1
      +57000 = CLOSED
      error ETIMEDOUT
    `);
  });
});
