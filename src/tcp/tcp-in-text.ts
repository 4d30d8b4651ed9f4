// SPDX-License-Identifier: MIT
// The seventh and the eighth check of RFC 9293 §3.10.7.4: segment text and FIN. Which ACK follows:
// RFC 5681 §4.2 (at once for anything out of the ordinary), RFC 1122 §4.2.3.2 (else every second
// segment, or a little later).

import { FIN, SYN, type TcpSegment } from "../wire/tcp.ts";
import { afterRead } from "./calls.ts";
import { sendAckNow } from "./challenge-ack.ts";
import { EVENT_READABLE } from "./host.ts";
import { gt, lt } from "./seq.ts";
import {
  CLOSE_WAIT,
  CLOSING,
  ESTABLISHED,
  FIN_WAIT_1,
  FIN_WAIT_2,
  setState,
  TIME_WAIT,
} from "./state.ts";
import { NEVER, type Tcb } from "./tcb.ts";
import { enterTimeWait, restartTimeWait } from "./time-wait.ts";

/** SHLD-19: an ACK at least for every second segment. */
const SEGMENTS_PER_ACK = 2;

/** Whether the peer may still send: its FIN has not been reached, and both SYNs are done. */
function isReceiving(tcb: Tcb): boolean {
  const { state } = tcb;
  return state === ESTABLISHED || state === FIN_WAIT_1 || state === FIN_WAIT_2;
}

/** Sequence number of the first payload byte. */
function textSequence(seg: TcpSegment): number {
  return (seg.flags & SYN) !== 0 ? (seg.seq + 1) | 0 : seg.seq;
}

/** Where text must end: at our window's edge, or at a FIN that is known already. */
function textLimit(tcb: Tcb): number {
  const { rcv } = tcb;
  return rcv.finSeen && lt(rcv.finSeq, rcv.edge) ? rcv.finSeq : rcv.edge;
}

/**
 * Seventh, the text: in order it goes to the reader, out of order it is kept (SHLD-31), beyond the
 * window it is cut off.
 *
 * @param tcb - the fifth check was passed
 * @param seg - not kept
 * @param nowMs - time of this round, ms
 */
export function processText(tcb: Tcb, seg: TcpSegment, nowMs: number): void {
  if (seg.payloadBytes === 0) return;
  if (!isReceiving(tcb)) {
    tcb.counters.afterFin++;
    return;
  }
  const { rcv } = tcb;
  let offset = seg.payloadOffset;
  let length = seg.payloadBytes;
  let relative = (textSequence(seg) - rcv.nxt) | 0;
  const isRepeated = relative < 0;
  if (isRepeated) {
    offset -= relative;
    length += relative;
    relative = 0;
  }
  const room = ((textLimit(tcb) - rcv.nxt) | 0) - relative;
  const isCut = length > room;
  if (isCut) {
    tcb.counters.beyondWindow++;
    length = room;
  }
  if (length <= 0) {
    sendAckNow(tcb, nowMs);
    return;
  }
  const end = (rcv.nxt + relative + length) | 0;
  if (gt(end, rcv.top)) rcv.top = end;
  const { receiveBuffer } = tcb;
  const hadGaps = receiveBuffer.hasGaps;
  const given = relative === 0 && !hadGaps ? giveToReader(tcb, seg.bytes, offset, length) : 0;
  let advance = given;
  if (given < length) {
    advance += receiveBuffer.insert(relative, seg.bytes, offset + given, length - given);
  }
  if (advance === 0) {
    // RFC 5681 §4.2: one duplicate ACK for each, at once; the sender counts them.
    sendAckNow(tcb, nowMs);
    return;
  }
  rcv.nxt = (rcv.nxt + advance) | 0;
  tcb.bytesReceived += advance;
  if (given > 0) afterRead(tcb);
  if (rcv.isDiscarding) receiveBuffer.discard();
  else if (advance > given) tcb.host.notify(tcb, EVENT_READABLE);
  scheduleAck(tcb, hadGaps || isRepeated || isCut, nowMs);
}

/** In-order text with nothing unread before it may go past the buffer. @returns bytes taken */
function giveToReader(tcb: Tcb, bytes: Uint8Array, offset: number, length: number): number {
  if (tcb.receiveBuffer.available !== 0 || tcb.rcv.isDiscarding) return 0;
  return tcb.host.deliver?.(tcb, bytes, offset, length) ?? 0;
}

/** Decides how soon what was just taken is acknowledged; `output` at the end of the round acts. */
function scheduleAck(tcb: Tcb, isUrgent: boolean, nowMs: number): void {
  const { rcv } = tcb;
  rcv.segmentsSinceAck++;
  const unacked = (rcv.nxt - rcv.lastAckSent) | 0;
  if (isUrgent || rcv.segmentsSinceAck >= SEGMENTS_PER_ACK || unacked >= 2 * rcv.mss) {
    tcb.ackNow = true;
  } else if (tcb.delayedAckAtMs === NEVER) {
    tcb.delayedAckAtMs = nowMs + tcb.config.delayedAckMs;
  }
  tcb.host.requestOutput(tcb);
}

/**
 * Eighth, FIN: the stream ends once everything before it is there. A FIN that came early is
 * remembered (hostile input D9).
 *
 * @param tcb - the fifth check was passed, the text was taken
 * @param seg - not kept
 * @param nowMs - time of this round, ms
 */
export function processFin(tcb: Tcb, seg: TcpSegment, nowMs: number): void {
  const { rcv } = tcb;
  if ((seg.flags & FIN) !== 0) {
    if (tcb.state === TIME_WAIT) restartTimeWait(tcb, nowMs);
    if (!isReceiving(tcb)) return;
    noteFin(tcb, seg, nowMs);
  }
  if (!rcv.finSeen || rcv.finReceived || rcv.nxt !== rcv.finSeq) return;
  rcv.nxt = (rcv.nxt + 1) | 0;
  if (gt(rcv.nxt, rcv.edge)) rcv.edge = rcv.nxt;
  rcv.finReceived = true;
  tcb.ackNow = true;
  tcb.host.notify(tcb, EVENT_READABLE);
  tcb.host.requestOutput(tcb);
  if (tcb.state === ESTABLISHED) setState(tcb, CLOSE_WAIT);
  else if (tcb.state === FIN_WAIT_1) setState(tcb, CLOSING);
  else if (tcb.state === FIN_WAIT_2) enterTimeWait(tcb, nowMs);
}

/**
 * Remembers where the stream ends, unless the segment was cut off before its FIN.
 *
 * A FIN right at RCV.NXT is believed whatever came before. An early one is believed if it is the
 * first, and no text from beyond it has been taken: else one of the two is a lie.
 */
function noteFin(tcb: Tcb, seg: TcpSegment, nowMs: number): void {
  const { rcv } = tcb;
  const finSeq = (textSequence(seg) + seg.payloadBytes) | 0;
  if (finSeq === rcv.nxt) {
    rcv.finSeen = true;
    rcv.finSeq = finSeq;
    return;
  }
  // A bare FIN right at the edge needs no room in the buffer: it may pass a closed window.
  if (!rcv.finSeen && !gt(finSeq, rcv.edge) && !lt(finSeq, rcv.top)) {
    rcv.finSeen = true;
    rcv.finSeq = finSeq;
  }
  // Out of order and without text, so `processText` has not answered it.
  if (seg.payloadBytes === 0) sendAckNow(tcb, nowMs);
}
