// SPDX-License-Identifier: MIT
// Our SYN has been acknowledged and the peer's has come: ESTABLISHED.

import type { TcpSegment } from "../wire/tcp.ts";
import { EVENT_WRITABLE } from "./host.ts";
import { ESTABLISHED, FIN_WAIT_1, setState } from "./state.ts";
import { NEVER, type Tcb } from "./tcb.ts";
import { sampleRoundTrip } from "./timestamps.ts";

/**
 * SYN-SENT or SYN-RECEIVED -> ESTABLISHED, and on to FIN-WAIT-1 if the user has finished already.
 *
 * @param tcb - `learnPeer` was called
 * @param seg - the segment whose ACK is acceptable; SND.WND is set by the caller
 * @param nowMs - time of this round, ms
 */
export function establish(tcb: Tcb, seg: TcpSegment, nowMs: number): void {
  const { snd } = tcb;
  sampleRoundTrip(tcb, seg, nowMs);
  snd.una = seg.ack;
  snd.resend = seg.ack;
  snd.synAcked = true;
  tcb.rtoAtMs = NEVER;
  tcb.persistAtMs = NEVER;
  tcb.retries = 0;
  tcb.progressAtMs = nowMs;
  tcb.softError = 0;
  tcb.congestion.start(snd.mss, tcb.synTimedOut);
  if (tcb.synTimedOut) tcb.rto.afterLostSyn();
  setState(tcb, ESTABLISHED);
  tcb.host.notify(tcb, EVENT_WRITABLE);
  if (snd.finQueued) setState(tcb, FIN_WAIT_1);
  tcb.host.requestOutput(tcb);
}
