// SPDX-License-Identifier: MIT
// SEGMENT ARRIVES in LISTEN, RFC 9293 §3.10.7.2. A listener is no TCB: it only judges.

import { ACK, RST, SYN, type TcpSegment } from "../wire/tcp.ts";

/** Ignore the segment. */
export const LISTEN_DROP = 0;
/** Answer with `replyReset`. */
export const LISTEN_RESET = 1;
/** Make a TCB and call `openPassive`. */
export const LISTEN_SYN = 2;

/**
 * Judges a segment that belongs to a listener and to no connection.
 *
 * @param seg - parsed, its checksum verified
 * @returns LISTEN_DROP, LISTEN_RESET or LISTEN_SYN
 */
export function listenVerdict(seg: TcpSegment): number {
  const { flags } = seg;
  // First, a RST cannot be valid here. Second, any ACK is bad. Third, a SYN is what we wait for.
  if ((flags & RST) !== 0) return LISTEN_DROP;
  if ((flags & ACK) !== 0) return LISTEN_RESET;
  return (flags & SYN) !== 0 ? LISTEN_SYN : LISTEN_DROP;
}
