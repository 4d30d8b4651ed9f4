// SPDX-License-Identifier: MIT
// RST segments: RFC 9293 §3.5.2 (when, and with which numbers) and §3.10.7.1 (no connection).

import { ACK, FIN, RST, SYN, type TcpSegment } from "../wire/tcp.ts";
import { pureSequence } from "./snd.ts";
import type { Tcb } from "./tcb.ts";
import { transmit } from "./tcp-out-segment.ts";

/** Numbers of a RST, host byte order, int32; filled in by `replyReset`. */
export interface ResetFields {
  seq: number;
  ack: number;
  flags: number;
}

/** SEG.LEN: octets of sequence space, SYN and FIN included. */
export function segmentLength(seg: TcpSegment): number {
  return seg.payloadBytes + ((seg.flags & SYN) !== 0 ? 1 : 0) + ((seg.flags & FIN) !== 0 ? 1 : 0);
}

/**
 * The RST that answers a segment for which there is no connection.
 *
 * @param seg - the segment
 * @param out - filled in
 * @returns false when it must not be answered: it is a RST itself
 */
export function replyReset(seg: TcpSegment, out: ResetFields): boolean {
  if ((seg.flags & RST) !== 0) return false;
  if ((seg.flags & ACK) !== 0) {
    out.seq = seg.ack;
    out.ack = 0;
    out.flags = RST;
  } else {
    out.seq = 0;
    out.ack = (seg.seq + segmentLength(seg)) | 0;
    out.flags = RST | ACK;
  }
  return true;
}

/**
 * Resets a connection of ours: <SEQ=SND.NXT><ACK=RCV.NXT><CTL=RST,ACK>. The ACK is more than
 * RFC 9293 §3.10.5 asks for; a peer still in SYN-SENT believes no RST without it.
 *
 * @param tcb - SYN-RECEIVED or later
 * @param nowMs - time of this round, ms
 */
export function sendReset(tcb: Tcb, nowMs: number): void {
  transmit(tcb, pureSequence(tcb), RST | ACK, 0, 0, nowMs);
}

/**
 * Answers an unacceptable ACK before the connection is synchronized: <SEQ=SEG.ACK><CTL=RST>.
 *
 * @param tcb - SYN-SENT or SYN-RECEIVED; its state stays
 * @param seg - a segment with ACK and without RST
 * @param nowMs - time of this round, ms
 */
export function refuseAck(tcb: Tcb, seg: TcpSegment, nowMs: number): void {
  transmit(tcb, seg.ack, RST, 0, 0, nowMs);
}
