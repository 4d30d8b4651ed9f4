// SPDX-License-Identifier: MIT
// SEGMENT ARRIVES, RFC 9293 §3.10.7: which part of it applies. CLOSED and LISTEN have no TCB
// here: see `replyReset` and `listenVerdict`.

import type { TcpSegment } from "../wire/tcp.ts";
import { LISTEN, SYN_SENT } from "./state.ts";
import type { Tcb } from "./tcb.ts";
import { synSentArrives } from "./tcp-in-syn-sent.ts";
import { synchronizedArrives } from "./tcp-in-synchronized.ts";

export { hostUnreachable, icmpArrives, pathMtuArrives } from "./icmp-in.ts";
export { replyReset } from "./reset.ts";
export { LISTEN_DROP, LISTEN_RESET, LISTEN_SYN, listenVerdict } from "./tcp-in-listen.ts";

/**
 * Takes one segment. Never throws, whatever it holds; allocates nothing for data in order. What is
 * to be answered in turn is sent by `output` at the end of the round, which this asks for; only
 * RSTs, challenge ACKs and duplicate ACKs leave at once.
 *
 * @param tcb - the connection of its 4-tuple; nothing happens in CLOSED
 * @param seg - parsed, its checksum verified; not kept, nor the memory it points to
 * @param nowMs - time of this round, ms
 */
export function segmentArrives(tcb: Tcb, seg: TcpSegment, nowMs: number): void {
  if (tcb.state <= LISTEN) return;
  tcb.segmentsIn++;
  if (tcb.state === SYN_SENT) synSentArrives(tcb, seg, nowMs);
  else synchronizedArrives(tcb, seg, nowMs);
}
