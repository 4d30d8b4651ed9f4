// SPDX-License-Identifier: MIT
// What the two SYNs agree on: MSS (RFC 9293 §3.7.1, RFC 6691), window scale (RFC 7323 §2) and
// timestamps (RFC 7323 §3). Options on any other segment are ignored.

import type { TcpSegment } from "../wire/tcp.ts";
import type { Tcb } from "./tcb.ts";
import { windowShift } from "./window.ts";

/** MUST-15: what the peer takes when it did not say (IPv4). */
const DEFAULT_SEND_MSS = 536;
/** Hostile input C5, E5: smaller offers would leave almost no payload beside our options. */
const MIN_SEND_MSS = 88;
/** Timestamps option with two NOPs in front, bytes (RFC 7323 appendix A). */
export const TIMESTAMPS_BYTES = 12;
const MAX_FIELD = 0xffff;

/**
 * Takes over the peer's SYN or SYN-ACK: its sequence number, window and options.
 *
 * @param tcb - before SYN-RECEIVED or ESTABLISHED
 * @param syn - a segment with SYN; not kept
 * @param nowMs - time of this round, ms
 */
export function learnPeer(tcb: Tcb, syn: TcpSegment, nowMs: number): void {
  const { snd, rcv, config } = tcb;
  rcv.irs = syn.seq;
  rcv.nxt = (syn.seq + 1) | 0;
  rcv.edge = (rcv.nxt + Math.min(MAX_FIELD, tcb.receiveBuffer.window)) | 0;
  rcv.lastAckSent = rcv.nxt;
  rcv.top = rcv.nxt;

  const offered = syn.mss === 0 ? DEFAULT_SEND_MSS : Math.max(MIN_SEND_MSS, syn.mss);
  snd.mss = Math.min(offered, rcv.mss);

  tcb.hasTimestamps = config.timestamps && syn.hasTimestamps;
  if (tcb.hasTimestamps) {
    snd.mss -= TIMESTAMPS_BYTES;
    tcb.tsRecent = syn.tsVal;
    tcb.tsRecentAtMs = nowMs;
  }
  rcv.hasWindowScale = config.windowScale && syn.windowScale >= 0;
  if (rcv.hasWindowScale) {
    snd.wndShift = Math.min(14, syn.windowScale);
    rcv.wndShift = windowShift(config.receiveBufferBytes);
  }
  // The window of a SYN is not scaled.
  snd.wnd = syn.window;
  snd.maxWnd = syn.window;
  snd.wl1 = syn.seq;
  snd.wl2 = syn.ack;
}
