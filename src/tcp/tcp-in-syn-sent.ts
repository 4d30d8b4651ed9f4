// SPDX-License-Identifier: MIT
// SEGMENT ARRIVES in SYN-SENT, RFC 9293 §3.10.7.3.

import { ACK, RST, SYN, type TcpSegment } from "../wire/tcp.ts";
import { ECONNREFUSED } from "./errno.ts";
import { establish } from "./establish.ts";
import { learnPeer } from "./negotiate.ts";
import { refuseAck } from "./reset.ts";
import { gt, leq } from "./seq.ts";
import { SYN_RECEIVED, setState } from "./state.ts";
import type { Tcb } from "./tcb.ts";
import { checkUrgent } from "./tcp-in-synchronized.ts";
import { processFin, processText } from "./tcp-in-text.ts";
import { terminate } from "./terminate.ts";

/**
 * Takes one segment in SYN-SENT.
 *
 * @param tcb - in SYN-SENT
 * @param seg - not kept
 * @param nowMs - time of this round, ms
 */
export function synSentArrives(tcb: Tcb, seg: TcpSegment, nowMs: number): void {
  const { flags } = seg;
  const { snd } = tcb;
  const hasAck = (flags & ACK) !== 0;
  // First, the ACK: nothing but our SYN can be acknowledged.
  if (hasAck && (leq(seg.ack, snd.iss) || gt(seg.ack, snd.nxt))) {
    tcb.counters.badAck++;
    if ((flags & RST) === 0) refuseAck(tcb, seg, nowMs);
    return;
  }
  // Second, RST: believed only with an acceptable ACK (RFC 5961 §3.2).
  if ((flags & RST) !== 0) {
    if (hasAck) terminate(tcb, ECONNREFUSED);
    return;
  }
  // Fourth, SYN. (Third, security, is not built.) Fifth: neither SYN nor RST is dropped.
  if ((flags & SYN) === 0) return;
  learnPeer(tcb, seg, nowMs);
  if (!hasAck) {
    openSimultaneously(tcb);
    return;
  }
  establish(tcb, seg, nowMs);
  tcb.ackNow = true;
  tcb.host.requestOutput(tcb);
  checkUrgent(tcb, seg);
  processText(tcb, seg, nowMs);
  processFin(tcb, seg, nowMs);
}

/** MUST-10: the peer's SYN crosses ours. Text on it is not taken, the peer sends it again. */
function openSimultaneously(tcb: Tcb): void {
  // Our SYN leaves again, now with an ACK.
  tcb.snd.resend = tcb.snd.iss;
  setState(tcb, SYN_RECEIVED);
  tcb.host.requestOutput(tcb);
}
