// SPDX-License-Identifier: MIT
// The window we advertise: how far the peer may send. RFC 9293 §3.8.6.2.2 (receiver's silly window
// avoidance, MUST-39), §3.8.6 (never move the right edge left, SHLD-14), RFC 7323 §2.3.

import { SYN_RECEIVED } from "./state.ts";
import type { Tcb } from "./tcb.ts";

const MAX_FIELD = 0xffff;

/**
 * The smallest shift by which a 16-bit field can name the whole buffer (RFC 7323 §2.2: at most 14).
 *
 * @param bufferBytes - the receive buffer's limit
 */
export function windowShift(bufferBytes: number): number {
  let shift = 0;
  while (shift < 14 && MAX_FIELD * 2 ** shift < bufferBytes) shift++;
  return shift;
}

/** The largest window that the buffer has room for and the field can name. */
function largestWindow(tcb: Tcb): number {
  const free = tcb.receiveBuffer.window;
  const unit = 1 << tcb.rcv.wndShift;
  return Math.min(free - (free & (unit - 1)), MAX_FIELD * unit);
}

/** RFC 9293 §3.8.6.2.2: min(Fr * RCV.BUFF, Eff.snd.MSS), Fr = 1/2. */
function worthwhile(tcb: Tcb): number {
  return Math.max(1, Math.min(tcb.receiveBuffer.limitBytes >> 1, tcb.rcv.mss));
}

/**
 * Whether the peer should be told at once that the window has opened: half the buffer became free,
 * or the peer is about to run out of window and a full segment would fit again. Otherwise the next
 * ACK tells it early enough.
 */
export function isUpdateDue(tcb: Tcb): boolean {
  const { rcv } = tcb;
  const window = (rcv.edge - rcv.nxt) | 0;
  const gain = largestWindow(tcb) - window;
  const limit = Math.min(tcb.receiveBuffer.limitBytes, MAX_FIELD << rcv.wndShift);
  if (gain >= Math.max(1, limit >> 1)) return true;
  return gain >= worthwhile(tcb) && window <= limit >> 2;
}

/**
 * The window field for a segment that leaves now, not a SYN. Moves RCV.NXT + RCV.WND if that is
 * worthwhile.
 *
 * With scaling the field names multiples of 2^shift only. It is rounded up, so that the edge does
 * not recede, unless the buffer has no room for that: RFC 7323 §2.4 has the sender cope.
 *
 * @returns 16 bits
 */
export function advertise(tcb: Tcb): number {
  const { rcv, receiveBuffer } = tcb;
  const shift = rcv.wndShift;
  const free = receiveBuffer.window;
  const unit = 1 << shift;
  let window = (rcv.edge - rcv.nxt) | 0;
  if (free - window >= worthwhile(tcb)) window = Math.max(window, largestWindow(tcb));
  let field = window >> shift;
  if ((window & (unit - 1)) !== 0 && (field + 1) * unit <= free && field < MAX_FIELD) {
    field++;
    window = field * unit;
  }
  rcv.edge = (rcv.nxt + window) | 0;
  return Math.min(field, MAX_FIELD);
}

/**
 * The window field of a SYN or SYN-ACK, which is never scaled (RFC 7323 §2.2).
 *
 * @returns 16 bits
 */
export function advertiseOnSyn(tcb: Tcb): number {
  const field = Math.min(MAX_FIELD, tcb.receiveBuffer.window);
  // In SYN-SENT the peer's sequence numbers are not known; learnPeer sets the edge then.
  if (tcb.state === SYN_RECEIVED) tcb.rcv.edge = (tcb.rcv.nxt + field) | 0;
  return field;
}
