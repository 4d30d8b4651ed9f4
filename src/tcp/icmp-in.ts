// SPDX-License-Identifier: MIT
// ICMP errors about a connection: RFC 9293 §3.9.2.2, made safe by RFC 5927. And the silence of ARP,
// which says the same but comes from this host and can be believed.

import { EVENT_STATE } from "./host.ts";
import { TIMESTAMPS_BYTES } from "./negotiate.ts";
import { geq, lt } from "./seq.ts";
import { CLOSED, ESTABLISHED, SYN_RECEIVED, SYN_SENT } from "./state.ts";
import type { Tcb } from "./tcb.ts";
import { terminate } from "./terminate.ts";

/** Payload of the smallest path MTU we believe, 552 (Linux: min_pmtu), bytes. */
const MIN_PATH_MSS = 512;

/**
 * Takes an ICMP error whose quoted 4-tuple is this connection. Source Quench must not come here
 * (MUST-55).
 *
 * @param tcb - the connection
 * @param quotedSeq - sequence number of the quoted segment, int32
 * @param errno - what it means, -errno
 * @param isHard - protocol or port unreachable (codes 2 and 3), or what else RFC 1122 calls hard
 * @param nowMs - time of this round, ms
 * @remarks Source: RFC 5927 §4.1 (the quoted octet must be in flight) and §5.2: hard errors end
 *   only connections that are not yet synchronized, and are soft errors later (SHLD-26, MUST-56).
 */
export function icmpArrives(
  tcb: Tcb,
  quotedSeq: number,
  errno: number,
  isHard: boolean,
  nowMs: number,
): void {
  const { snd } = tcb;
  if (tcb.state < SYN_SENT) return;
  if (lt(quotedSeq, snd.una) || geq(quotedSeq, snd.nxt)) {
    tcb.counters.icmpOutOfWindow++;
    return;
  }
  if (isHard && tcb.state <= SYN_RECEIVED) terminate(tcb, errno);
  else softErrorArrives(tcb, errno, nowMs);
}

/**
 * A router says that our packets are too large (destination unreachable, code 4).
 *
 * Departs from RFC 1191: it is believed only once a segment had to be retransmitted, as RFC 5927
 * §7.2 recommends, since a real black hole comes with a timeout and a forgery does not.
 *
 * @param tcb - the connection
 * @param quotedSeq - sequence number of the quoted segment, int32
 * @param payloadBytes - what the new path MTU leaves for a TCP payload without options
 * @remarks Source: RFC 5927 §7, hostile input G2: never larger, never below MIN_PATH_MSS.
 */
export function pathMtuArrives(tcb: Tcb, quotedSeq: number, payloadBytes: number): void {
  const { snd } = tcb;
  if (!snd.synAcked || tcb.state < ESTABLISHED) return;
  if (lt(quotedSeq, snd.una) || geq(quotedSeq, snd.nxt)) {
    tcb.counters.icmpOutOfWindow++;
    return;
  }
  if (tcb.retries === 0) return;
  const mss = Math.max(MIN_PATH_MSS, payloadBytes) - (tcb.hasTimestamps ? TIMESTAMPS_BYTES : 0);
  if (mss >= snd.mss) return;
  snd.mss = mss;
  snd.resend = snd.una;
  tcb.host.requestOutput(tcb);
}

/**
 * The first hop does not answer ARP. Ends a connection in SYN-SENT; later the peer was there once,
 * and retransmission decides.
 *
 * @param tcb - the connection
 * @param errno - usually -EHOSTUNREACH
 * @param nowMs - time of this round, ms
 */
export function hostUnreachable(tcb: Tcb, errno: number, nowMs: number): void {
  if (tcb.state === CLOSED) return;
  if (tcb.state === SYN_SENT) terminate(tcb, errno);
  else softErrorArrives(tcb, errno, nowMs);
}

/** MUST-47, SHLD-25: seen in `tcb.softError`, and the reason given if R2 is reached. */
function softErrorArrives(tcb: Tcb, errno: number, _nowMs: number): void {
  tcb.softError = errno;
  tcb.host.notify(tcb, EVENT_STATE);
}
