// SPDX-License-Identifier: MIT
// Sending: what may go now, and with it or alone the ACK that is due. RFC 9293 §3.8.6.2.1 (sender's
// silly window avoidance, MUST-38), §3.7.4 (Nagle), RFC 5681 and RFC 6582 (how much may be in the
// network), §3.8.6.1 (zero-window probes).
//
// `output` runs once at the end of a round, after the coroutines: so an ACK rides on the reply, and
// all segments of a round are taken before one is acknowledged (MUST-58, MUST-59).

import { ACK, FIN, PSH, SYN } from "../wire/tcp.ts";
import { gt, lt } from "./seq.ts";
import { pureSequence, queuedEnd } from "./snd.ts";
import { LISTEN, SYN_RECEIVED, SYN_SENT, TIME_WAIT } from "./state.ts";
import { NEVER, type Tcb } from "./tcb.ts";
import { segmentCount, superPayloadBytes, transmit } from "./tcp-out-segment.ts";
import { armTimers } from "./timers.ts";
import { spoilTiming, startTiming } from "./timestamps.ts";

/** `segmentSize`: nothing may go. 0 means a bare FIN. */
const NOTHING = -1;

/**
 * Sends all that may go now: retransmissions, data, FIN, and an ACK if one is due and none of
 * these has carried it. Stops when the host has no room; then it must be called again.
 *
 * @param tcb - the connection; nothing happens in CLOSED
 * @param nowMs - time of this round, ms
 */
export function output(tcb: Tcb, nowMs: number): void {
  const { state } = tcb;
  if (state <= LISTEN) return;
  if (state === SYN_SENT || state === SYN_RECEIVED) {
    sendSyn(tcb, nowMs);
  } else if (state !== TIME_WAIT) {
    if (tcb.retransmitHead) retransmitHead(tcb, nowMs);
    if (tcb.forceProbe) sendProbe(tcb, nowMs);
    sendQueued(tcb, nowMs);
  }
  if (tcb.ackNow && state !== SYN_SENT) transmit(tcb, pureSequence(tcb), ACK, 0, 0, nowMs);
  if (state !== TIME_WAIT) armTimers(tcb, nowMs);
}

/** SYN or SYN-ACK, the first time or again. */
function sendSyn(tcb: Tcb, nowMs: number): void {
  const { snd } = tcb;
  if (snd.resend !== snd.iss) return;
  const flags = tcb.state === SYN_SENT ? SYN : SYN | ACK;
  if (!transmit(tcb, snd.iss, flags, 0, 0, nowMs)) return;
  snd.resend = (snd.iss + 1) | 0;
  if (tcb.isTiming) noteRetransmit(tcb, snd.iss, 1, nowMs);
  else startTiming(tcb, snd.iss, nowMs);
}

function noteRetransmit(tcb: Tcb, seq: number, segments: number, nowMs: number): void {
  spoilTiming(tcb, seq, nowMs);
  tcb.retransmits += segments;
  tcb.counters.retransmits += segments;
}

/**
 * Sends the payload `[seq, seq + bytes)`, with FIN if it reaches ours and `mayFin`.
 *
 * @returns SEG.LEN, or -1 if the host has no room
 */
function sendText(tcb: Tcb, seq: number, bytes: number, mayFin: boolean, nowMs: number): number {
  const { snd, sendBuffer } = tcb;
  const end = (seq + bytes) | 0;
  const hasFin = mayFin && snd.finQueued && !snd.finAcked && end === snd.finSeq;
  const at = (seq - snd.una) | 0;
  let flags = ACK;
  // MUST-61: on the last buffered segment.
  if (bytes > 0 && at + bytes === sendBuffer.length) flags |= PSH;
  if (hasFin) flags |= FIN;
  if (!transmit(tcb, seq, flags, at, bytes, nowMs)) return -1;
  tcb.lastDataAtMs = nowMs;
  const length = hasFin ? bytes + 1 : bytes;
  if (lt(seq, snd.nxt)) {
    // A long one may go on beyond what was ever sent.
    const again = Math.min(bytes, (snd.nxt - seq) | 0);
    noteRetransmit(tcb, seq, segmentCount(tcb, again), nowMs);
  }
  const next = (seq + length) | 0;
  if (gt(next, snd.nxt)) {
    startTiming(tcb, snd.nxt, nowMs);
    snd.nxt = next;
  }
  return length;
}

/** Everything between `resend` and the end of the queue that the windows allow. */
function sendQueued(tcb: Tcb, nowMs: number): void {
  const { snd } = tcb;
  if (snd.resend === queuedEnd(tcb)) return;
  if (snd.una === snd.nxt) startFlight(tcb, nowMs);
  for (;;) {
    const bytes = segmentSize(tcb);
    if (bytes === NOTHING) return;
    const at = (snd.resend - snd.una) | 0;
    const length = sendText(tcb, snd.resend, bytes, at + bytes < snd.wnd, nowMs);
    if (length < 0) return;
    snd.resend = (snd.resend + length) | 0;
  }
}

/** Nothing was in the network: R2 counts from now, and after a pause the window starts small. */
function startFlight(tcb: Tcb, nowMs: number): void {
  if (tcb.persistAtMs !== NEVER) return;
  tcb.progressAtMs = nowMs;
  tcb.congestion.onIdle(nowMs - tcb.lastDataAtMs, tcb.rto.rtoMs);
}

/**
 * How many bytes the next segment carries: Nagle and the sender's silly window avoidance.
 *
 * @returns bytes; 0: a bare FIN; NOTHING: not now
 */
function segmentSize(tcb: Tcb): number {
  const { snd, congestion, config } = tcb;
  const at = (snd.resend - snd.una) | 0;
  const queued = tcb.sendBuffer.length - at;
  const window = snd.wnd - at;
  if (queued <= 0) {
    // Only the FIN can be left. It takes one octet of the peer's window, none of the network's.
    const isDue = queued === 0 && snd.finQueued && !snd.finAcked;
    return isDue && window >= 1 ? 0 : NOTHING;
  }
  const bytes = Math.min(queued, snd.mss);
  const usable = Math.min(window, congestion.sendLimit - at);
  if (usable >= bytes) {
    if (bytes === snd.mss) return bulkSize(tcb, queued, usable);
    // Nagle: one small segment at a time. What is sent again, or ends the stream, does not wait.
    const isFree = config.noDelay || snd.finQueued || at === 0 || snd.resend !== snd.nxt;
    return isFree ? bytes : NOTHING;
  }
  // §3.8.6.2.1 (3): a part, only if the peer's window is what limits us and it is half of the
  // largest we have seen; else wait for more window, or for the persist timer to override (4).
  if (usable <= 0 || usable !== window || usable < snd.maxWnd / 2) return NOTHING;
  return config.noDelay || at === 0 ? usable : NOTHING;
}

/**
 * How many bytes of bulk data go into one segment: SND.MSS, or as many of those as are cut up
 * below (TCP segmentation offload). The small rest goes with them if it need not wait.
 *
 * @param queued - bytes that wait, at least SND.MSS
 * @param usable - how many of them may go, at least SND.MSS
 */
function bulkSize(tcb: Tcb, queued: number, usable: number): number {
  const { mss, finQueued } = tcb.snd;
  if (queued === mss || usable < mss + Math.min(mss, queued - mss)) return mss;
  const bytes = Math.min(queued, usable, superPayloadBytes(tcb));
  if (bytes === queued && (tcb.config.noDelay || finQueued)) return bytes;
  return Math.max(mss, bytes - (bytes % mss));
}

/** Fast retransmit, and what a partial ACK asks for (RFC 6582): the segment at SND.UNA again. */
function retransmitHead(tcb: Tcb, nowMs: number): void {
  const { snd } = tcb;
  tcb.retransmitHead = false;
  const inFlight = (snd.resend - snd.una) | 0;
  if (inFlight === 0) return;
  const bytes = Math.min(tcb.sendBuffer.length, snd.mss, inFlight, snd.wnd);
  if (bytes === 0 && tcb.sendBuffer.length > 0) return;
  if (sendText(tcb, snd.una, bytes, bytes < inFlight, nowMs) < 0) tcb.retransmitHead = true;
}

/**
 * The persist timer has fired. With a closed window: one octet beyond it, or the FIN; it does not
 * count as sent, and is sent again when the window opens. With a window too small for our taste:
 * what fits (override of the silly window avoidance).
 */
function sendProbe(tcb: Tcb, nowMs: number): void {
  const { snd } = tcb;
  tcb.forceProbe = false;
  if (snd.resend !== snd.una || queuedEnd(tcb) === snd.una) return;
  const room = Math.max(1, snd.wnd);
  const bytes = Math.min(tcb.sendBuffer.length, snd.mss, room);
  const length = sendText(tcb, snd.una, bytes, bytes < room, nowMs);
  if (length > 0 && snd.wnd > 0) snd.resend = (snd.una + length) | 0;
}
