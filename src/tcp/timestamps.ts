// SPDX-License-Identifier: MIT
// Timestamps (RFC 7323 §3 to §5) and round-trip timing (RFC 6298 §3 and §4, Karn's rule MUST-18).
//
// One octet is timed at a time, about one sample per round trip. If nothing was retransmitted
// meanwhile, our own clock gives the sample, to the microsecond and out of the peer's reach. Only
// after a retransmission, where that would be ambiguous, TSecr is asked. It is believed if it names
// the retransmission or something later: anything earlier may be a stale echo (a peer whose ACK was
// lost echoes what it had recorded before), or forged (hostile input D11).

import type { TcpSegment } from "../wire/tcp.ts";
import { geq, gt, leq, lt } from "./seq.ts";
import type { Tcb } from "./tcb.ts";

/** RFC 7323 §5.5: TS.Recent says nothing after 24 days of idleness, ms. */
const TS_RECENT_LIFETIME_MS = 24 * 24 * 3_600_000;

/** The timestamp clock: 1 ms per tick from a random offset (RFC 7323 §5.4), int32. */
export function timestampNow(tcb: Tcb, nowMs: number): number {
  // `| 0` takes the time modulo 2^32, as the option's field does.
  return ((nowMs | 0) + tcb.tsOffset) | 0;
}

/** PAWS, RFC 7323 §5.3 R1: the segment is from an earlier turn of the sequence space. */
export function isOldTimestamp(tcb: Tcb, seg: TcpSegment, nowMs: number): boolean {
  if (!lt(seg.tsVal, tcb.tsRecent)) return false;
  return nowMs - tcb.tsRecentAtMs <= TS_RECENT_LIFETIME_MS;
}

/**
 * RFC 7323 §4.3 (2): remembers the timestamp to echo, of the segment at the left edge of what has
 * been acknowledged. Called once the ACK field was found acceptable, so that a blind segment
 * cannot poison TS.Recent.
 */
export function rememberTimestamp(tcb: Tcb, seg: TcpSegment, nowMs: number): void {
  if (!tcb.hasTimestamps || !seg.hasTimestamps) return;
  if (!leq(seg.seq, tcb.rcv.lastAckSent)) return;
  if (geq(seg.tsVal, tcb.tsRecent) || nowMs - tcb.tsRecentAtMs > TS_RECENT_LIFETIME_MS) {
    tcb.tsRecent = seg.tsVal;
    tcb.tsRecentAtMs = nowMs;
  }
}

/** Starts timing the octet at `seq`, sent now for the first time, if no other is being timed. */
export function startTiming(tcb: Tcb, seq: number, nowMs: number): void {
  if (tcb.isTiming) return;
  tcb.isTiming = true;
  tcb.isTimingClean = true;
  tcb.timedSeq = seq;
  tcb.timedAtMs = nowMs;
}

/**
 * Notes that the segment at `seq` leaves again.
 *
 * @param tcb - the connection
 * @param seq - its first sequence number
 * @param nowMs - time of this round, ms
 */
export function spoilTiming(tcb: Tcb, seq: number, nowMs: number): void {
  tcb.isTimingClean = false;
  if (seq === tcb.snd.una) tcb.echoFloorMs = nowMs;
}

/**
 * Takes the sample if `seg` acknowledges the timed octet; after a timeout, from the first ACK that
 * allows one, since it ends the back-off.
 *
 * @param tcb - the connection; SND.UNA and `retries` as before this ACK
 * @param seg - with an acceptable ACK beyond SND.UNA
 * @param nowMs - time of this round, ms
 */
export function sampleRoundTrip(tcb: Tcb, seg: TcpSegment, nowMs: number): void {
  if (!tcb.isTiming) return;
  const isReached = gt(seg.ack, tcb.timedSeq);
  if (!isReached && tcb.retries === 0) return;
  if (isReached) tcb.isTiming = false;
  if (tcb.isTimingClean) {
    if (isReached) tcb.rto.sample(nowMs - tcb.timedAtMs);
    return;
  }
  if (!tcb.hasTimestamps || !seg.hasTimestamps) return;
  const rttMs = (timestampNow(tcb, nowMs) - seg.tsEcr) | 0;
  // One more for the tick that the retransmission fell into.
  if (rttMs >= 0 && rttMs <= nowMs - tcb.echoFloorMs + 1) tcb.rto.sample(rttMs);
}
