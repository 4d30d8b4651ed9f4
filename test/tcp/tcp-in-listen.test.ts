// SPDX-License-Identifier: MIT

import { describe, expect, it } from "vitest";
import {
  LISTEN_DROP,
  LISTEN_RESET,
  LISTEN_SYN,
  listenVerdict,
  replyReset,
} from "../../src/tcp/tcp-in.ts";
import { ACK, FIN, PSH, RST, SYN, TcpSegment } from "../../src/wire/tcp.ts";

function segment(flags: number, seq = 0, ack = 0, payloadBytes = 0): TcpSegment {
  const seg = new TcpSegment();
  return Object.assign(seg, { flags, seq, ack, payloadBytes });
}

describe("LISTEN", () => {
  it("ignores RST, with or without anything else (RFC 9293 §3.10.7.2, first)", () => {
    expect(listenVerdict(segment(RST))).toBe(LISTEN_DROP);
    expect(listenVerdict(segment(RST | ACK))).toBe(LISTEN_DROP);
    expect(listenVerdict(segment(SYN | RST))).toBe(LISTEN_DROP);
    expect(listenVerdict(segment(255))).toBe(LISTEN_DROP);
  });

  it("answers any ACK with RST (RFC 9293 §3.10.7.2, second)", () => {
    expect(listenVerdict(segment(ACK))).toBe(LISTEN_RESET);
    expect(listenVerdict(segment(SYN | ACK))).toBe(LISTEN_RESET);
    expect(listenVerdict(segment(FIN | ACK))).toBe(LISTEN_RESET);
  });

  it("takes a SYN (RFC 9293 §3.10.7.2, third)", () => {
    expect(listenVerdict(segment(SYN))).toBe(LISTEN_SYN);
    expect(listenVerdict(segment(SYN | FIN))).toBe(LISTEN_SYN);
    expect(listenVerdict(segment(SYN | PSH, 0, 0, 100))).toBe(LISTEN_SYN);
  });

  it("drops what has neither SYN, ACK nor RST (RFC 9293 §3.10.7.2, fourth)", () => {
    expect(listenVerdict(segment(0))).toBe(LISTEN_DROP);
    expect(listenVerdict(segment(FIN))).toBe(LISTEN_DROP);
    expect(listenVerdict(segment(PSH, 0, 0, 10))).toBe(LISTEN_DROP);
  });
});

describe("CLOSED", () => {
  const out = { seq: 1, ack: 1, flags: 1 };

  it("answers a segment with ACK by <SEQ=SEG.ACK><CTL=RST> (RFC 9293 §3.10.7.1)", () => {
    expect(replyReset(segment(ACK, 5, -7, 100), out)).toBe(true);
    expect(out).toEqual({ seq: -7, ack: 0, flags: RST });
  });

  it("answers one without by <SEQ=0><ACK=SEG.SEQ+SEG.LEN><CTL=RST,ACK> (§3.10.7.1)", () => {
    expect(replyReset(segment(SYN, 0x7fffffff), out)).toBe(true);
    expect(out).toEqual({ seq: 0, ack: -0x80000000, flags: RST | ACK });
    expect(replyReset(segment(SYN | FIN, -1, 0, 10), out)).toBe(true);
    expect(out).toEqual({ seq: 0, ack: 11, flags: RST | ACK });
    expect(replyReset(segment(0, 3), out)).toBe(true);
    expect(out).toEqual({ seq: 0, ack: 3, flags: RST | ACK });
  });

  it("never answers a RST (hostile input D16)", () => {
    expect(replyReset(segment(RST), out)).toBe(false);
    expect(replyReset(segment(RST | ACK), out)).toBe(false);
  });
});
