// SPDX-License-Identifier: MIT
// What the user may ask of a connection: RFC 9293 §3.10.1 (OPEN) to §3.10.5 (ABORT). Nothing here
// waits; whoever wants to wait listens to `host.notify` and asks again.
//
// Left out: the urgent flag of SEND (RFC 6093 advises against it), STATUS (see info.ts).

import type { TcpSegment } from "../wire/tcp.ts";
import { ECONNABORTED, ENOTCONN, EPIPE } from "./errno.ts";
import { learnPeer } from "./negotiate.ts";
import { sendReset } from "./reset.ts";
import { geq } from "./seq.ts";
import {
  CLOSE_WAIT,
  CLOSED,
  ESTABLISHED,
  FIN_WAIT_1,
  FIN_WAIT_2,
  LAST_ACK,
  LISTEN,
  SYN_RECEIVED,
  SYN_SENT,
  setState,
  TIME_WAIT,
} from "./state.ts";
import type { Tcb } from "./tcb.ts";
import { terminate } from "./terminate.ts";
import { isUpdateDue } from "./window.ts";

/**
 * Active OPEN: SYN-SENT, and a SYN at the end of this round.
 *
 * @param tcb - in CLOSED, never opened before
 * @param nowMs - time of this round, ms
 */
export function openActive(tcb: Tcb, nowMs: number): void {
  tcb.snd.nxt = (tcb.snd.iss + 1) | 0;
  tcb.progressAtMs = nowMs;
  setState(tcb, SYN_SENT);
  tcb.host.requestOutput(tcb);
}

/**
 * A SYN has come for a listener: SYN-RECEIVED, and a SYN-ACK at the end of this round. Data and
 * FIN on the SYN are not taken: they are not acknowledged, so the peer sends them again.
 *
 * @param tcb - in CLOSED, never opened before
 * @param syn - the segment, for which `listenVerdict` said LISTEN_SYN; not kept
 * @param nowMs - time of this round, ms
 */
export function openPassive(tcb: Tcb, syn: TcpSegment, nowMs: number): void {
  tcb.isPassive = true;
  setState(tcb, LISTEN);
  learnPeer(tcb, syn, nowMs);
  tcb.snd.nxt = (tcb.snd.iss + 1) | 0;
  tcb.progressAtMs = nowMs;
  tcb.segmentsIn++;
  setState(tcb, SYN_RECEIVED);
  tcb.host.requestOutput(tcb);
}

/**
 * SEND: takes bytes into the send buffer, also before the handshake is done.
 *
 * @param tcb - the connection
 * @param bytes - where the bytes are; copied
 * @param offset - of the first
 * @param length - how many are offered
 * @returns how many were taken, 0 when the buffer is full; -EPIPE after `finish`, -ENOTCONN before
 *   an OPEN, else why the connection ended
 */
export function sendBytes(tcb: Tcb, bytes: Uint8Array, offset: number, length: number): number {
  if (tcb.error !== 0) return tcb.error;
  if (tcb.snd.finQueued) return EPIPE;
  if (tcb.state <= LISTEN) return ENOTCONN;
  const taken = tcb.sendBuffer.write(bytes, offset, length);
  if (taken > 0 && tcb.state >= ESTABLISHED) tcb.host.requestOutput(tcb);
  return taken;
}

/**
 * RECEIVE: takes in-order bytes, and opens the window again when enough were taken.
 *
 * @param tcb - the connection
 * @param into - where the bytes go
 * @param offset - of the first
 * @param length - at most this many
 * @returns how many were taken; 0: none now, or at the end of the stream (`atEnd`); -ENOTCONN
 *   before an OPEN, else why the connection ended
 */
export function receiveBytes(tcb: Tcb, into: Uint8Array, offset: number, length: number): number {
  const taken = tcb.receiveBuffer.read(into, offset, length);
  if (taken > 0) {
    afterRead(tcb);
    return taken;
  }
  if (tcb.error !== 0) return tcb.error;
  if (tcb.state <= LISTEN && !tcb.rcv.finReceived) return ENOTCONN;
  return 0;
}

/** Copies in-order bytes without taking them. @returns how many, at most `length` */
export function peekBytes(tcb: Tcb, into: Uint8Array, offset: number, length: number): number {
  return tcb.receiveBuffer.peek(into, offset, length);
}

/**
 * Takes in-order bytes that the user has seen where they lie (`receiveBuffer.view`).
 *
 * @param tcb - the connection
 * @param count - at most `receiveBuffer.available`
 */
export function consumeBytes(tcb: Tcb, count: number): void {
  tcb.receiveBuffer.consume(count);
  if (count > 0) afterRead(tcb);
}

/**
 * Gives out room in the send buffer, to be filled by the user.
 *
 * @param tcb - the connection
 * @param length - how much, in one piece
 * @returns the room; 0: there is not as much now, or -errno as `sendBytes`
 */
export function reserveBytes(tcb: Tcb, length: number): Uint8Array | number {
  if (tcb.error !== 0) return tcb.error;
  if (tcb.snd.finQueued) return EPIPE;
  if (tcb.state <= LISTEN) return ENOTCONN;
  return tcb.sendBuffer.space < length ? 0 : tcb.sendBuffer.reserve(length);
}

/**
 * SEND of what has been written where `reserveBytes` said, right before.
 *
 * @param tcb - the connection
 * @param length - of the first bytes of that room
 * @returns 0, or -errno as `sendBytes`
 */
export function commitBytes(tcb: Tcb, length: number): number {
  if (tcb.error !== 0) return tcb.error;
  tcb.sendBuffer.commit(length);
  if (length > 0 && tcb.state >= ESTABLISHED) tcb.host.requestOutput(tcb);
  return 0;
}

/** Bytes have gone to the reader: the window may be wide enough again to tell the peer. */
export function afterRead(tcb: Tcb): void {
  const { rcv } = tcb;
  if (rcv.isUrgent && geq(readPosition(tcb), rcv.up)) rcv.isUrgent = false;
  if (tcb.state < ESTABLISHED || rcv.finReceived || !isUpdateDue(tcb)) return;
  tcb.ackNow = true;
  tcb.host.requestOutput(tcb);
}

/** Sequence number of the next byte the user will read. */
function readPosition(tcb: Tcb): number {
  const { rcv } = tcb;
  return (rcv.nxt - (rcv.finReceived ? 1 : 0) - tcb.receiveBuffer.available) | 0;
}

/** Bytes that `receiveBytes` would give now. */
export function receivedBytes(tcb: Tcb): number {
  return tcb.receiveBuffer.available;
}

/** True once the peer's FIN was reached and everything before it has been read. */
export function atEnd(tcb: Tcb): boolean {
  return tcb.rcv.finReceived && tcb.receiveBuffer.available === 0;
}

/** Bytes that `sendBytes` would take now. */
export function sendSpaceBytes(tcb: Tcb): number {
  return tcb.snd.finQueued || tcb.error !== 0 ? 0 : tcb.sendBuffer.space;
}

/** Payload bytes given to `sendBytes` that the peer has not acknowledged; a FIN does not count. */
export function unacknowledgedBytes(tcb: Tcb): number {
  return tcb.sendBuffer.length;
}

/**
 * Nobody will read any more: what is there is dropped, what still arrives is acknowledged and
 * dropped, the window stays open. Without return.
 *
 * Departs from RFC 9293 §3.6.1 (SHLD-3, RST when data arrives after CLOSE): our `close` promises
 * an orderly end by a deadline, which a peer that is still sending could otherwise never get.
 */
export function discardReceived(tcb: Tcb): void {
  tcb.rcv.isDiscarding = true;
  tcb.rcv.isUrgent = false;
  tcb.receiveBuffer.discard();
  if (tcb.state !== CLOSED) afterRead(tcb);
}

/**
 * CLOSE: a FIN follows the last queued byte. Receiving goes on. In SYN-RECEIVED the FIN waits for
 * the handshake; in SYN-SENT the connection is gone at once, with -ECONNABORTED (RFC 9293 §3.10.4).
 *
 * @param tcb - the connection
 * @param nowMs - time of this round, ms
 * @returns 0; -EPIPE when already finished, -ENOTCONN before an OPEN, else why the connection ended
 */
export function finish(tcb: Tcb, nowMs: number): number {
  if (tcb.error !== 0) return tcb.error;
  if (tcb.snd.finQueued) return EPIPE;
  if (tcb.state <= LISTEN) return ENOTCONN;
  const { snd } = tcb;
  snd.finQueued = true;
  snd.finSeq = ((snd.synAcked ? snd.una : snd.iss + 1) + tcb.sendBuffer.length) | 0;
  if (tcb.state === SYN_SENT) {
    terminate(tcb, ECONNABORTED);
    return 0;
  }
  if (tcb.state === ESTABLISHED) setState(tcb, FIN_WAIT_1);
  else if (tcb.state === CLOSE_WAIT) setState(tcb, LAST_ACK);
  if (tcb.isOrphan) orphan(tcb, nowMs);
  tcb.host.requestOutput(tcb);
  return 0;
}

/**
 * ABORT: RST where the peer may know of the connection, then CLOSED at once. Never fails; in
 * CLOSED it does nothing. `tcb.error` becomes -ECONNABORTED unless an error is set already or the
 * close was complete (TIME-WAIT).
 *
 * @param tcb - the connection
 * @param nowMs - time of this round, ms
 */
export function abort(tcb: Tcb, nowMs: number): void {
  if (tcb.state === CLOSED) return;
  // Departs from RFC 9293 §3.10.5, which sends none in CLOSING and LAST-ACK: our FIN, perhaps our
  // data, is not acknowledged there, and the peer must learn that it will never come (MUST-12).
  if (tcb.state >= SYN_RECEIVED && tcb.state !== TIME_WAIT) sendReset(tcb, nowMs);
  terminate(tcb, tcb.state === TIME_WAIT ? 0 : ECONNABORTED);
}

/**
 * No handle holds the connection any more: it is given a limited time to end by itself (hostile
 * peers that never finish, E3), then it is reset. Idempotent.
 *
 * @param tcb - the connection
 * @param nowMs - time of this round, ms
 */
export function orphan(tcb: Tcb, nowMs: number): void {
  if (tcb.state === CLOSED || tcb.state === TIME_WAIT) return;
  tcb.isOrphan = true;
  const limitMs = tcb.state === FIN_WAIT_2 ? tcb.config.finWait2Ms : tcb.config.orphanTimeoutMs;
  tcb.endAtMs = nowMs + limitMs;
  tcb.host.requestOutput(tcb);
}

/**
 * Both directions have ended in order: the peer has acknowledged our FIN, hence every byte, and
 * its own FIN has come. Stays true in CLOSED.
 */
export function isOrderlyClosed(tcb: Tcb): boolean {
  return tcb.snd.finAcked && tcb.rcv.finReceived;
}

export { info, type TcpInfo } from "./info.ts";
