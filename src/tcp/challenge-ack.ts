// SPDX-License-Identifier: MIT
// ACKs that are sent out of turn: challenge ACKs (RFC 5961), answers to unacceptable segments
// (RFC 9293 §3.10.7.4, first check) and duplicate ACKs (RFC 5681 §4.2).

import { ACK } from "../wire/tcp.ts";
import { pureSequence } from "./snd.ts";
import type { Tcb } from "./tcb.ts";
import { transmit } from "./tcp-out-segment.ts";

/**
 * Sends an ACK at once. If there is no room it is sent at the next output.
 *
 * @param tcb - synchronized, or SYN-RECEIVED
 * @param nowMs - time of this round, ms
 */
export function sendAckNow(tcb: Tcb, nowMs: number): void {
  if (transmit(tcb, pureSequence(tcb), ACK, 0, 0, nowMs)) return;
  tcb.ackNow = true;
  tcb.host.requestOutput(tcb);
}

/**
 * Sends an ACK unless this connection has used up its budget. The budget is the connection's own
 * (CVE-2016-5696: a global one can be read from another connection), and it is what ends a storm
 * of ACKs between two ends that disagree (hostile input D15).
 *
 * @param tcb - synchronized, or SYN-RECEIVED
 * @param nowMs - time of this round, ms
 * @remarks Source: RFC 5961 §7.
 */
export function sendChallengeAck(tcb: Tcb, nowMs: number): void {
  const { config, counters } = tcb;
  if (nowMs - tcb.challengeFromMs >= config.challengeAckIntervalMs) {
    tcb.challengeFromMs = nowMs;
    tcb.challengeCount = 0;
  }
  if (tcb.challengeCount >= config.challengeAckLimit) {
    counters.challengeSuppressed++;
    return;
  }
  tcb.challengeCount++;
  counters.challengeAcks++;
  sendAckNow(tcb, nowMs);
}
