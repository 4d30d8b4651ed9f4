// SPDX-License-Identifier: MIT
// What a user may know about a connection: STATUS of RFC 9293 §3.10.6, and urgent data (MUST-33).

import { STATE_NAMES } from "./state.ts";
import type { Tcb } from "./tcb.ts";

/** A connection at one moment. Sizes are bytes, times are ms. */
export interface TcpInfo {
  /** As RFC 9293 writes it. */
  readonly state: string;
  /** 0 or -errno: why it ended. */
  readonly error: number;
  /** 0 or -errno: the last error that did not end it. */
  readonly softError: number;
  /** Payload of a full-sized segment that we send. */
  readonly mss: number;
  readonly hasTimestamps: boolean;
  /** Shift of the windows we send, 0 if not negotiated. */
  readonly receiveWindowShift: number;
  /** Shift of the windows we receive, 0 if not negotiated. */
  readonly sendWindowShift: number;
  /** What the peer allows us. */
  readonly sendWindow: number;
  /** What we have allowed the peer. */
  readonly receiveWindow: number;
  /** What we think the network can take. */
  readonly congestionWindow: number;
  readonly slowStartThreshold: number;
  /** Smoothed round-trip time, 0 before the first sample. */
  readonly srttMs: number;
  readonly rttvarMs: number;
  readonly rtoMs: number;
  /** Timeouts since the peer last acknowledged something. */
  readonly retries: number;
  /** Segments sent again since the beginning. */
  readonly retransmits: number;
  readonly segmentsIn: number;
  readonly segmentsOut: number;
  /** Payload that the peer has acknowledged. */
  readonly bytesAcked: number;
  /** Payload received in order. */
  readonly bytesReceived: number;
  /** Payload taken from the user and not acknowledged. */
  readonly bytesUnacknowledged: number;
  /** Payload that can be read. */
  readonly bytesReadable: number;
  /** How many bytes from the next one to be read are urgent; 0: none. */
  readonly urgentBytes: number;
}

/** How much of what comes next in the stream is urgent (MUST-33). */
function urgentBytes(tcb: Tcb): number {
  const { rcv } = tcb;
  if (!rcv.isUrgent) return 0;
  const position = rcv.nxt - (rcv.finReceived ? 1 : 0) - tcb.receiveBuffer.available;
  return Math.max(0, (rcv.up - position) | 0);
}

/**
 * Describes a connection now.
 *
 * @param tcb - in any state
 * @returns a copy; it does not change
 */
export function info(tcb: Tcb): TcpInfo {
  const { snd, rcv } = tcb;
  return {
    state: STATE_NAMES[tcb.state] as string,
    error: tcb.error,
    softError: tcb.softError,
    mss: snd.mss,
    hasTimestamps: tcb.hasTimestamps,
    receiveWindowShift: rcv.wndShift,
    sendWindowShift: snd.wndShift,
    sendWindow: snd.wnd,
    receiveWindow: (rcv.edge - rcv.nxt) | 0,
    congestionWindow: tcb.congestion.cwnd,
    slowStartThreshold: tcb.congestion.ssthresh,
    srttMs: tcb.rto.srttMs,
    rttvarMs: tcb.rto.rttvarMs,
    rtoMs: tcb.rto.rtoMs,
    retries: tcb.retries,
    retransmits: tcb.retransmits,
    segmentsIn: tcb.segmentsIn,
    segmentsOut: tcb.segmentsOut,
    bytesAcked: tcb.bytesAcked,
    bytesReceived: tcb.bytesReceived,
    bytesUnacknowledged: tcb.sendBuffer.length,
    bytesReadable: tcb.receiveBuffer.available,
    urgentBytes: urgentBytes(tcb),
  };
}
