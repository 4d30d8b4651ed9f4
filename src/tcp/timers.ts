// SPDX-License-Identifier: MIT
// The timers of a connection: retransmission (RFC 6298 §5), persist (RFC 9293 §3.8.6.1), delayed
// ACK, 2MSL. They are times in the TCB; the host asks for the earliest and calls back. None of
// them sends: they mark what `output` is to do.

import { ETIMEDOUT } from "./errno.ts";
import { EVENT_STATE } from "./host.ts";
import { sendReset } from "./reset.ts";
import { hasPending } from "./snd.ts";
import { CLOSED, SYN_RECEIVED, TIME_WAIT } from "./state.ts";
import { NEVER, type Tcb } from "./tcb.ts";
import { terminate } from "./terminate.ts";

/**
 * When `onTimeout` wants to be called next. It may change with every call into this folder, in
 * both directions; calling too early does no harm.
 *
 * @returns ms on the context's clock, Infinity if nothing is armed
 */
export function nextTimeout(tcb: Tcb): number {
  let at = tcb.rtoAtMs;
  if (tcb.persistAtMs < at) at = tcb.persistAtMs;
  if (tcb.delayedAckAtMs < at) at = tcb.delayedAckAtMs;
  if (tcb.endAtMs < at) at = tcb.endAtMs;
  return at;
}

/**
 * Does what is due; what is to be sent leaves at the next output, which this asks for.
 *
 * @param tcb - the connection; nothing happens in CLOSED
 * @param nowMs - time of this round, ms
 */
export function onTimeout(tcb: Tcb, nowMs: number): void {
  if (tcb.state === CLOSED) return;
  if (tcb.endAtMs <= nowMs) {
    endTimeout(tcb, nowMs);
    return;
  }
  if (tcb.rtoAtMs <= nowMs) retransmissionTimeout(tcb, nowMs);
  if (tcb.persistAtMs <= nowMs) persistTimeout(tcb, nowMs);
  if (tcb.delayedAckAtMs <= nowMs) {
    tcb.delayedAckAtMs = NEVER;
    tcb.ackNow = true;
    tcb.host.requestOutput(tcb);
  }
}

/** 2MSL is over, or a connection that nobody holds has had its time. */
function endTimeout(tcb: Tcb, nowMs: number): void {
  if (tcb.state === TIME_WAIT) {
    terminate(tcb, 0);
    return;
  }
  if (tcb.state >= SYN_RECEIVED) sendReset(tcb, nowMs);
  terminate(tcb, ETIMEDOUT);
}

/** When R2 is reached: it is longer for a SYN (MUST-23). */
function giveUpAtMs(tcb: Tcb): number {
  return tcb.progressAtMs + (tcb.snd.synAcked ? tcb.config.r2Ms : tcb.config.synR2Ms);
}

/** R2 is reached: the connection ends (MUST-20), for the reason that ICMP gave if it did. */
function giveUp(tcb: Tcb): void {
  tcb.counters.giveUps++;
  terminate(tcb, tcb.softError !== 0 ? tcb.softError : ETIMEDOUT);
}

/**
 * When the retransmission timer is to fire if it is started now: one RTO later, but not after R2,
 * so that giving up takes no longer than was asked for.
 */
export function retransmitDeadline(tcb: Tcb, nowMs: number): number {
  return Math.min(nowMs + tcb.rto.rtoMs, giveUpAtMs(tcb));
}

/** RFC 6298 §5.4 to §5.6, and R1 and R2 of RFC 9293 §3.8.3. */
function retransmissionTimeout(tcb: Tcb, nowMs: number): void {
  const { snd, config } = tcb;
  tcb.rtoAtMs = NEVER;
  if (nowMs >= giveUpAtMs(tcb)) {
    giveUp(tcb);
    return;
  }
  tcb.retries++;
  if (tcb.retries === config.r1Retries) {
    // SHLD-9. The host may take it as bad news about the first hop (MUST-20).
    if (tcb.softError === 0) tcb.softError = ETIMEDOUT;
    tcb.host.notify(tcb, EVENT_STATE);
  }
  tcb.rto.backOff();
  if (!snd.synAcked) {
    tcb.synTimedOut = true;
    snd.resend = snd.iss;
  } else {
    // A peer that has shrunk its window to nothing is probed, not suspected of loss (SHLD-17).
    if (snd.wnd > 0) tcb.congestion.onTimeout((snd.nxt - snd.una) | 0, snd.nxt);
    snd.resend = snd.una;
    tcb.retransmitHead = false;
  }
  tcb.host.requestOutput(tcb);
}

/** SHLD-30: the interval doubles, up to the largest RTO. MUST-37: only silence counts for R2. */
function persistTimeout(tcb: Tcb, nowMs: number): void {
  if (nowMs >= giveUpAtMs(tcb)) {
    giveUp(tcb);
    return;
  }
  tcb.persistMs = Math.min(tcb.persistMs * 2, tcb.config.rtoMaxMs);
  tcb.persistAtMs = nowMs + tcb.persistMs;
  tcb.forceProbe = true;
  tcb.host.requestOutput(tcb);
}

/**
 * Sets retransmission and persist timer by what is in the network and what waits. Exactly one of
 * them runs: retransmission while something sent may be acknowledged, persist while something
 * waits and nothing is on its way that could open the window (or the host had no room).
 *
 * @param tcb - after sending
 * @param nowMs - time of this round, ms
 */
export function armTimers(tcb: Tcb, nowMs: number): void {
  const { snd } = tcb;
  if (snd.resend !== snd.una || !snd.synAcked) {
    tcb.persistAtMs = NEVER;
    if (tcb.rtoAtMs === NEVER) tcb.rtoAtMs = retransmitDeadline(tcb, nowMs);
    return;
  }
  tcb.rtoAtMs = NEVER;
  if (!hasPending(tcb)) {
    tcb.persistAtMs = NEVER;
  } else if (tcb.persistAtMs === NEVER) {
    // SHLD-29: the first probe after one RTO.
    tcb.persistMs = tcb.rto.rtoMs;
    tcb.persistAtMs = nowMs + tcb.persistMs;
    tcb.progressAtMs = nowMs;
  }
}
