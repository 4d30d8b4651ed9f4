// SPDX-License-Identifier: MIT
// The fifth check of RFC 9293 §3.10.7.4: the ACK field. What it acknowledges, what window it
// offers, what it says about loss (RFC 5681, RFC 6582), and what it changes in each state.

import { ACK, FIN, SYN, type TcpSegment } from "../wire/tcp.ts";
import { sendChallengeAck } from "./challenge-ack.ts";
import { establish } from "./establish.ts";
import { EVENT_WRITABLE } from "./host.ts";
import { refuseAck } from "./reset.ts";
import { gt, leq, lt } from "./seq.ts";
import { hasPending } from "./snd.ts";
import { CLOSING, FIN_WAIT_1, FIN_WAIT_2, LAST_ACK, SYN_RECEIVED, setState } from "./state.ts";
import { NEVER, type Tcb } from "./tcb.ts";
import { terminate } from "./terminate.ts";
import { enterTimeWait } from "./time-wait.ts";
import { retransmitDeadline } from "./timers.ts";
import { rememberTimestamp, sampleRoundTrip } from "./timestamps.ts";

/**
 * Fifth, the ACK field.
 *
 * @param tcb - the first four checks were passed
 * @param seg - not kept
 * @param nowMs - time of this round, ms
 * @returns false: the segment is dropped, or the connection is gone
 */
export function checkAck(tcb: Tcb, seg: TcpSegment, nowMs: number): boolean {
  if ((seg.flags & ACK) === 0) {
    tcb.counters.missingAck++;
    return false;
  }
  const { snd } = tcb;
  if (tcb.state === SYN_RECEIVED) return acceptHandshake(tcb, seg, nowMs);
  // RFC 5961 §5.2: what was never sent, or is older than any window could explain.
  if (gt(seg.ack, snd.nxt) || lt(seg.ack, (snd.una - snd.maxWnd) | 0)) {
    tcb.counters.badAck++;
    sendChallengeAck(tcb, nowMs);
    return false;
  }
  rememberTimestamp(tcb, seg, nowMs);
  if (gt(seg.ack, snd.una)) acknowledge(tcb, seg, nowMs);
  else if (seg.ack === snd.una) countDuplicate(tcb, seg);
  else return true;
  updateWindow(tcb, seg, nowMs);
  return advanceState(tcb, nowMs);
}

/** SYN-RECEIVED: only the ACK of our SYN will do. */
function acceptHandshake(tcb: Tcb, seg: TcpSegment, nowMs: number): boolean {
  const { snd } = tcb;
  if (leq(seg.ack, snd.una) || gt(seg.ack, snd.nxt)) {
    tcb.counters.badAck++;
    refuseAck(tcb, seg, nowMs);
    return false;
  }
  rememberTimestamp(tcb, seg, nowMs);
  setWindow(tcb, seg);
  establish(tcb, seg, nowMs);
  return true;
}

/** SND.UNA < SEG.ACK =< SND.NXT. */
function acknowledge(tcb: Tcb, seg: TcpSegment, nowMs: number): void {
  const { snd } = tcb;
  sampleRoundTrip(tcb, seg, nowMs);
  let payload = (seg.ack - snd.una) | 0;
  if (snd.finQueued && !snd.finAcked && gt(seg.ack, snd.finSeq)) {
    snd.finAcked = true;
    payload--;
  }
  tcb.sendBuffer.drop(payload);
  tcb.bytesAcked += payload;
  snd.una = seg.ack;
  if (lt(snd.resend, snd.una)) snd.resend = snd.una;
  const flight = (snd.nxt - snd.una) | 0;
  tcb.retransmitHead = tcb.congestion.onAck(payload, flight, snd.una, snd.nxt);
  tcb.retries = 0;
  tcb.softError = 0;
  tcb.progressAtMs = nowMs;
  restartRetransmitTimer(tcb, nowMs);
  tcb.host.notify(tcb, EVENT_WRITABLE);
  tcb.host.requestOutput(tcb);
}

/**
 * RFC 6298 §5.2 and §5.3. In fast recovery only the first partial ACK restarts the timer, so that
 * a window with many losses ends in a timeout instead of one segment per round trip (RFC 6582 §4).
 */
function restartRetransmitTimer(tcb: Tcb, nowMs: number): void {
  const { snd, congestion } = tcb;
  if (snd.resend === snd.una) tcb.rtoAtMs = NEVER;
  else if (!congestion.inRecovery || congestion.partialAcks <= 1) {
    tcb.rtoAtMs = retransmitDeadline(tcb, nowMs);
  }
}

/**
 * SEG.ACK = SND.UNA. A duplicate ACK is one with something in the network, without payload, SYN
 * or FIN, and with the same window (RFC 5681 §2).
 */
function countDuplicate(tcb: Tcb, seg: TcpSegment): void {
  const { snd } = tcb;
  if (snd.resend === snd.una || seg.payloadBytes !== 0 || (seg.flags & FIN) !== 0) return;
  if (seg.window << snd.wndShift !== snd.wnd) return;
  const flight = (snd.nxt - snd.una) | 0;
  if (tcb.congestion.onDuplicateAck(flight, snd.una, snd.nxt)) tcb.retransmitHead = true;
  tcb.host.requestOutput(tcb);
}

/** SND.WND, SND.WL1 and SND.WL2; only a segment newer than the last that set them. */
function updateWindow(tcb: Tcb, seg: TcpSegment, nowMs: number): void {
  const { snd } = tcb;
  const isNewer = lt(snd.wl1, seg.seq) || (snd.wl1 === seg.seq && leq(snd.wl2, seg.ack));
  const before = snd.wnd;
  if (isNewer) {
    setWindow(tcb, seg);
    if (snd.wnd > before && hasPending(tcb)) tcb.host.requestOutput(tcb);
  }
  if (tcb.persistAtMs === NEVER) return;
  // MUST-37: a peer that answers probes is alive, however long its window stays closed.
  tcb.progressAtMs = nowMs;
  if (isNewer && before === 0 && snd.wnd > 0) hastenProbe(tcb, nowMs);
}

/**
 * A closed window has opened. If it is too small for `output`, the override must not wait as long
 * as the last probe did. It is never put off, or a peer with much to say could do so for ever.
 */
function hastenProbe(tcb: Tcb, nowMs: number): void {
  tcb.persistMs = tcb.rto.rtoMs;
  tcb.persistAtMs = Math.min(tcb.persistAtMs, nowMs + tcb.persistMs);
}

function setWindow(tcb: Tcb, seg: TcpSegment): void {
  const { snd } = tcb;
  // The window of a SYN is never scaled (RFC 7323 §2.2).
  snd.wnd = (seg.flags & SYN) !== 0 ? seg.window : seg.window << snd.wndShift;
  snd.wl1 = seg.seq;
  snd.wl2 = seg.ack;
  if (snd.wnd > snd.maxWnd) snd.maxWnd = snd.wnd;
}

/** What the ACK of our FIN changes. @returns false: the segment goes no further */
function advanceState(tcb: Tcb, nowMs: number): boolean {
  if (!tcb.snd.finAcked) return tcb.state !== CLOSING && tcb.state !== LAST_ACK;
  switch (tcb.state) {
    case FIN_WAIT_1:
      setState(tcb, FIN_WAIT_2);
      if (tcb.isOrphan) tcb.endAtMs = nowMs + tcb.config.finWait2Ms;
      tcb.host.requestOutput(tcb);
      return true;
    case CLOSING:
      enterTimeWait(tcb, nowMs);
      return false;
    case LAST_ACK:
      terminate(tcb, 0);
      return false;
    default:
      return true;
  }
}
