// SPDX-License-Identifier: MIT
// SEGMENT ARRIVES in SYN-RECEIVED and all synchronized states, RFC 9293 §3.10.7.4: one function
// per numbered check, called in order. RFC 5961 hardens the first, second, fourth and fifth,
// RFC 7323 §5.3 puts the timestamp before the first. The third (security) is not built. The fifth
// is in tcp-in-ack.ts, the seventh and eighth in tcp-in-text.ts.

import { ACK, FIN, RST, SYN, type TcpSegment, URG } from "../wire/tcp.ts";
import { sendAckNow, sendChallengeAck } from "./challenge-ack.ts";
import { ECONNREFUSED, ECONNRESET } from "./errno.ts";
import { EVENT_READABLE } from "./host.ts";
import { segmentLength } from "./reset.ts";
import { geq, gt, leq } from "./seq.ts";
import { ESTABLISHED, FIN_WAIT_2, SYN_RECEIVED, TIME_WAIT } from "./state.ts";
import type { Tcb } from "./tcb.ts";
import { checkAck } from "./tcp-in-ack.ts";
import { processFin, processText } from "./tcp-in-text.ts";
import { terminate } from "./terminate.ts";
import { restartTimeWait } from "./time-wait.ts";
import { isOldTimestamp, rememberTimestamp } from "./timestamps.ts";

/**
 * Takes one segment in SYN-RECEIVED or later.
 *
 * @param tcb - SYN-RECEIVED or later
 * @param seg - not kept
 * @param nowMs - time of this round, ms
 */
export function synchronizedArrives(tcb: Tcb, seg: TcpSegment, nowMs: number): void {
  if (!checkTimestamp(tcb, seg, nowMs)) return;
  if (!checkSequence(tcb, seg, nowMs)) return;
  if (!checkReset(tcb, seg, nowMs)) return;
  if (!checkSyn(tcb, seg, nowMs)) return;
  if (!checkAck(tcb, seg, nowMs)) return;
  checkUrgent(tcb, seg);
  processText(tcb, seg, nowMs);
  processFin(tcb, seg, nowMs);
}

/** RFC 7323 §3.2 and §5.3 R1. @returns false: dropped */
function checkTimestamp(tcb: Tcb, seg: TcpSegment, nowMs: number): boolean {
  if (!tcb.hasTimestamps || (seg.flags & RST) !== 0) return true;
  if (!seg.hasTimestamps) {
    // Departs from RFC 7323 §3.2: a SYN passes, to be challenged. A peer that has restarted may
    // not offer timestamps any more, and must find out that we still hold the old connection.
    if ((seg.flags & SYN) !== 0) return true;
    tcb.counters.missingTimestamp++;
    return false;
  }
  if (!isOldTimestamp(tcb, seg, nowMs)) return true;
  tcb.counters.paws++;
  answerUnacceptable(tcb, seg, nowMs);
  return false;
}

/** First, the sequence number. @returns false: dropped */
function checkSequence(tcb: Tcb, seg: TcpSegment, nowMs: number): boolean {
  const { rcv } = tcb;
  const relative = (seg.seq - rcv.nxt) | 0;
  const window = (rcv.edge - rcv.nxt) | 0;
  if ((seg.flags & RST) !== 0) {
    // RFC 5961 §3.2: only where it starts counts, and one outside is dropped silently.
    // At RCV.NXT it is valid even if the window is closed (MUST-66).
    if (relative === 0 || (relative > 0 && relative < window)) return true;
    tcb.counters.resetOutOfWindow++;
    return false;
  }
  const length = segmentLength(seg);
  if (length === 0) {
    // Departs from RFC 9293, as Linux does: "<= window". After sending all it may, a peer that
    // must also ACK us does so from exactly there.
    if (relative >= 0 && relative <= window) return true;
  } else if (relative === 0 || (relative < window && relative + length > 0)) {
    // A segment at RCV.NXT passes a closed window: its ACK counts, its text is cut (MUST-66).
    return true;
  } else if (tcb.state === SYN_RECEIVED && seg.seq === rcv.irs && (seg.flags & SYN) !== 0) {
    return synAgain(tcb, seg, nowMs);
  }
  tcb.counters.outOfWindow++;
  if (tcb.state === TIME_WAIT && (seg.flags & FIN) !== 0 && relative + length === 0) {
    // "The only thing that can arrive in this state is a retransmission of the remote FIN.
    // Acknowledge it, and restart the 2 MSL timeout." It never passes the first check.
    restartTimeWait(tcb, nowMs);
  }
  if (isCredible(tcb, seg, relative, length)) rememberTimestamp(tcb, seg, nowMs);
  answerUnacceptable(tcb, seg, nowMs);
  return false;
}

/**
 * Whether an old duplicate is the peer's own: not far behind, and its ACK fits. Its timestamp is
 * then echoed (RFC 7323 §5.3 R3 asks for no more): the peer, whose segment came but whose ACK was
 * lost, else takes the time until it tried again for the round trip. A blind guess must not set
 * TS.Recent, or PAWS would lock the peer out.
 */
function isCredible(tcb: Tcb, seg: TcpSegment, relative: number, length: number): boolean {
  const { snd } = tcb;
  if ((seg.flags & (ACK | SYN)) !== ACK) return false;
  if (length === 0 || relative >= 0 || relative < -tcb.receiveBuffer.limitBytes) return false;
  return leq(seg.ack, snd.nxt) && geq(seg.ack, (snd.una - snd.maxWnd) | 0);
}

/**
 * The peer's SYN once more, in SYN-RECEIVED. With an ACK, it is the other half of a simultaneous
 * open (RFC 9293 §3.5, figure 8, whose SYN-ACK would fail the first check to the letter). Without,
 * our SYN-ACK was lost: it goes out again instead of an ACK that SYN-SENT would ignore.
 *
 * @returns false: dropped
 */
function synAgain(tcb: Tcb, seg: TcpSegment, nowMs: number): boolean {
  if ((seg.flags & ACK) === 0) {
    tcb.snd.resend = tcb.snd.iss;
    tcb.host.requestOutput(tcb);
    return false;
  }
  if (!tcb.isPassive) return true;
  sendChallengeAck(tcb, nowMs);
  return false;
}

/** "If an incoming segment is not acceptable, an acknowledgment should be sent in reply." */
function answerUnacceptable(tcb: Tcb, seg: TcpSegment, nowMs: number): void {
  // What occupies sequence space is sent on the peer's timers. Empty segments are answers, perhaps
  // to ours: answering them without a limit makes a storm (hostile input D15).
  const isSyn = (seg.flags & SYN) !== 0;
  if (!isSyn && segmentLength(seg) > 0) sendAckNow(tcb, nowMs);
  else sendChallengeAck(tcb, nowMs);
}

/** Second, RST. @returns false: dropped, or the connection is gone */
function checkReset(tcb: Tcb, seg: TcpSegment, nowMs: number): boolean {
  if ((seg.flags & RST) === 0) return true;
  if (seg.seq !== tcb.rcv.nxt) {
    // RFC 5961 §3.2: in the window but not exact may be a guess. A true peer answers our ACK with
    // a RST that is exact.
    sendChallengeAck(tcb, nowMs);
    return false;
  }
  if (tcb.state === SYN_RECEIVED && !tcb.isPassive) terminate(tcb, ECONNREFUSED);
  else terminate(tcb, tcb.state === TIME_WAIT ? 0 : ECONNRESET);
  return false;
}

/** Fourth, SYN. @returns false: dropped, or the connection is gone */
function checkSyn(tcb: Tcb, seg: TcpSegment, nowMs: number): boolean {
  if ((seg.flags & SYN) === 0) return true;
  if (tcb.state === SYN_RECEIVED) {
    // Let through by `synAgain`: simultaneous open.
    if (seg.seq === tcb.rcv.irs) return true;
    if (tcb.isPassive) {
      // "Return this connection to the LISTEN state": the listener is there, this TCB goes.
      terminate(tcb, ECONNRESET);
      return false;
    }
  }
  tcb.counters.unexpectedSyn++;
  sendChallengeAck(tcb, nowMs);
  return false;
}

/**
 * Sixth, URG: keeps the urgent pointer for `info` and wakes the reader (MUST-32). Urgent data
 * itself is delivered in line, as RFC 6093 wants.
 */
export function checkUrgent(tcb: Tcb, seg: TcpSegment): void {
  if ((seg.flags & URG) === 0) return;
  if (tcb.state < ESTABLISHED || tcb.state > FIN_WAIT_2) return;
  const { rcv } = tcb;
  if (rcv.finReceived || rcv.isDiscarding) return;
  const up = (seg.seq + seg.urgentPointer) | 0;
  // Nothing beyond RCV.NXT, or nothing new.
  if (!gt(up, rcv.nxt) || (rcv.isUrgent && !gt(up, rcv.up))) return;
  rcv.up = up;
  rcv.isUrgent = true;
  tcb.host.notify(tcb, EVENT_READABLE);
}
