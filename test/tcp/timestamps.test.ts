// SPDX-License-Identifier: MIT
// RFC 7323: negotiation, TS.Recent, PAWS, round-trip measurement.

import { describe, expect, it } from "vitest";
import { Scene } from "./support/scene.ts";
import { SEQUENCE_PAIRS } from "./support/states.ts";

const DAY_MS = 24 * 3_600_000;

/** ESTABLISHED with timestamps; the peer's clock stands at `peer` ms when ours is at 100. */
function stamped(pair: object, peer = 1_000): Scene {
  const config = { timestamps: true };
  return new Scene({ ...pair, config }).play(`
    < S 0:0(0) <mss 1012,ts ${peer - 100} 0>
    > S. 0:0(0) ack 1 <mss 1460,ts 0 ${peer - 100}>
    +100 < . 1:1(0) ack 1 <ts ${peer} 0>
    info {"hasTimestamps":true,"mss":1000,"srttMs":100}
  `);
}

describe.each(SEQUENCE_PAIRS)("timestamps, ISS $iss, IRS $irs", (pair) => {
  it("are on every segment once negotiated (RFC 7323 §3.2)", () => {
    stamped(pair).play(`
      write 10
      > P. 1:11(10) ack 1 <ts 100 1000>
      < . 1:1(0) ack 11 <ts 1001 100>
      finish
      > F. 11:11(0) ack 1 <ts 100 1001>
      abort
      > R. 12:12(0) ack 1 <ts 100 1001>
    `);
  });

  it("are not used when the peer does not offer them (C8)", () => {
    new Scene({ ...pair, config: { timestamps: true } }).play(`
      < S 0:0(0) <mss 1460>
      > S. 0:0(0) ack 1 <mss 1460>
      < . 1:1(0) ack 1 <ts 5 0>
      info {"hasTimestamps":false}
      write 1
      > P. 1:2(1) ack 1 <>
    `);
  });

  it("missing later drop the segment, except RST and SYN (RFC 7323 §3.2, C8)", () => {
    const { tcb } = stamped(pair).play(`
      < P. 1:11(10) ack 1
      < F. 1:1(0) ack 1
      nothing
      = ESTABLISHED
      < S 1:1(0)
      > . ack 1
      < R 1:1(0)
      = CLOSED
      error ECONNRESET
    `);
    expect(tcb.counters.missingTimestamp).toBe(2);
  });

  it("older than TS.Recent drop the segment and get an ACK: PAWS (RFC 7323 §5.3 R1, D14)", () => {
    const { tcb } = stamped(pair).play(`
      < P. 1:11(10) ack 1 <ts 999 0>
      > . 1:1(0) ack 1 <ts 100 1000>
      < P. 1:11(10) ack 1 <ts -2147482647 0>      # 2^31 - 1 behind
      > . 1:1(0) ack 1
      read 10 = 0
      < R 1:1(0) <ts 1 0>
      = CLOSED
    `);
    expect(tcb.counters.paws).toBe(2);
  });

  it("wrap like sequence numbers do (D11, D12)", () => {
    stamped(pair, 0x7fffffff).play(`
      < P. 1:11(10) ack 1 <ts -2147483648 0>
      +40 > . ack 11 <ts 140 -2147483648>
      read 10
    `);
  });

  it("expire in TS.Recent after 24 days (RFC 7323 §5.5)", () => {
    const scene = stamped(pair);
    scene.wait(24 * DAY_MS - 200);
    scene.play(`
      < P. 1:11(10) ack 1 <ts 999 0>
      > . ack 1
    `);
    scene.wait(201);
    scene.play(`
      < P. 1:11(10) ack 1 <ts 999 0>
      read 10
      < P. 11:21(10) ack 1 <ts 998 0>
      > . ack 11
    `);
  });

  it("echo the earliest unacknowledged segment, for delayed ACKs (RFC 7323 §4.3 (A))", () => {
    stamped(pair).play(`
      << . 1:101(100) ack 1 <ts 1010 0>
      << . 101:201(100) ack 1 <ts 1020 0>
      flush
      > . 1:1(0) ack 201 <ts 100 1010>
    `);
  });

  it("echo the last in-order one while there is a hole (RFC 7323 §4.3 (B), (C))", () => {
    stamped(pair).play(`
      < . 1:101(100) ack 1 <ts 1010 0>
      +40 > . 1:1(0) ack 101 <ts 140 1010>
      < . 201:301(100) ack 1 <ts 1030 0>
      > . 1:1(0) ack 101 <ts 140 1010>
      < . 101:201(100) ack 1 <ts 1020 0>
      > . 1:1(0) ack 301 <ts 140 1020>
    `);
  });

  it("echo an old duplicate of the peer's, whose ACK was lost", () => {
    stamped(pair).play(`
      < . 1:101(100) ack 1 <ts 1010 0>
      +40 > . 1:1(0) ack 101 <ts 140 1010>
      < . 1:101(100) ack 1 <ts 1310 0>
      > . 1:1(0) ack 101 <ts 140 1310>
    `);
  });

  it("are not taken from a segment whose ACK cannot be (no poisoning of TS.Recent)", () => {
    stamped(pair).play(`
      < . 1:11(10) ack 5000 <ts 2000000 0>
      > . 1:1(0) ack 1 <ts 100 1000>
      < . -9:1(10) ack -100000 <ts 2000000 0>
      > . 1:1(0) ack 1 <ts 100 1000>
      < . 1:11(10) ack 1 <ts 1001 0>
      read 10
      +40 > . ack 11
    `);
  });

  it("give a sample after a retransmission, and end the back-off (RFC 7323 §4)", () => {
    stamped(pair).play(`
      write 1000
      > P. 1:1001(1000) ack 1 <ts 100 1000>
      +300 > P. 1:1001(1000) ack 1 <ts 400 1000>
      +100 < . 1:1(0) ack 1001 <ts 1400 400>
      info {"srttMs":100,"rtoMs":250}
    `);
  });

  it("end the back-off with the first ACK after a timeout, timed octet or not", () => {
    stamped(pair).play(`
      write 2000
      > . 1:1001(1000) ack 1
      > P. 1001:2001(1000) ack 1
      +100 < . 1:1(0) ack 1001 <ts 1100 100>
      write 1000
      > P. 2001:3001(1000) ack 1             # this one is timed, the one before is lost
      +250 > . 1001:2001(1000) ack 1
      +100 < . 1:1(0) ack 2001 <ts 1450 450>
      info {"srttMs":100,"retries":0}
      > P. 2001:3001(1000) ack 1
    `);
  });

  it("give no sample from an echo that is stale, forged or of the future (D11)", () => {
    for (const echo of [100, 399 - 1, 501, 100_000, -5, 2_000_000_000, -2_000_000_000]) {
      stamped(pair).play(`
        write 1000
        > P. 1:1001(1000) ack 1
        +300 > P. 1:1001(1000) ack 1
        +100 < . 1:1(0) ack 1001 <ts 1400 ${echo}>
        info {"srttMs":100,"rtoMs":600}
      `);
    }
  });

  it("cannot poison SRTT when nothing was retransmitted, whatever they echo (D11)", () => {
    for (const echo of [0, 1, 100, 199, 200, 100_000, -2_000_000_000]) {
      stamped(pair).play(`
        write 1000
        > P. 1:1001(1000) ack 1
        +100 < . 1:1(0) ack 1001 <ts 1400 ${echo}>
        info {"srttMs":100}
      `);
    }
  });
});
