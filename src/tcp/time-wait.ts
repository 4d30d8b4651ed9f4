// SPDX-License-Identifier: MIT
// TIME-WAIT, RFC 9293 §3.6.1 and §3.10.7.4: old duplicates are given 2 MSL to die.

import { SYN, type TcpSegment } from "../wire/tcp.ts";
import { gt } from "./seq.ts";
import { setState, TIME_WAIT } from "./state.ts";
import { NEVER, type Tcb } from "./tcb.ts";

/**
 * FIN-WAIT-2 or CLOSING -> TIME-WAIT. Starts the 2MSL timer, turns off all others (MUST-13).
 *
 * @param tcb - both FINs are acknowledged or about to be
 * @param nowMs - time of this round, ms
 */
export function enterTimeWait(tcb: Tcb, nowMs: number): void {
  tcb.rtoAtMs = NEVER;
  tcb.persistAtMs = NEVER;
  tcb.delayedAckAtMs = NEVER;
  tcb.sendBuffer.clear();
  tcb.receiveBuffer.trim();
  restartTimeWait(tcb, nowMs);
  setState(tcb, TIME_WAIT);
  tcb.host.requestOutput(tcb);
}

/** The peer has sent its FIN again: 2 MSL from now. */
export function restartTimeWait(tcb: Tcb, nowMs: number): void {
  tcb.endAtMs = nowMs + 2 * tcb.config.mslMs;
  tcb.host.requestOutput(tcb);
}

/**
 * Whether a SYN may open a new connection in place of one in TIME-WAIT (MAY-2): it is beyond all
 * that the old one has seen, by timestamp or else by sequence number. The caller then aborts the
 * old connection and chooses an ISS above the old SND.NXT.
 *
 * @param tcb - the old connection
 * @param seg - the segment that arrived for its 4-tuple
 * @remarks Source: RFC 6191 §2.
 */
export function mayReuseTimeWait(tcb: Tcb, seg: TcpSegment): boolean {
  if (tcb.state !== TIME_WAIT || seg.flags !== SYN) return false;
  if (tcb.hasTimestamps && seg.hasTimestamps) {
    if (gt(seg.tsVal, tcb.tsRecent)) return true;
    if (seg.tsVal !== tcb.tsRecent) return false;
  }
  return gt(seg.seq, tcb.rcv.nxt);
}
