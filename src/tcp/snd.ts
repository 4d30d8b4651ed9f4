// SPDX-License-Identifier: MIT
// Questions about the send sequence space that several parts ask.

import { NEVER, type Tcb } from "./tcb.ts";

/** One past the last octet the user has queued, our FIN included; before that, past our SYN. */
export function queuedEnd(tcb: Tcb): number {
  const { snd } = tcb;
  if (!snd.synAcked) return (snd.iss + 1) | 0;
  const fin = snd.finQueued && !snd.finAcked ? 1 : 0;
  return (snd.una + tcb.sendBuffer.length + fin) | 0;
}

/** Something waits to be sent, or to be sent again. */
export function hasPending(tcb: Tcb): boolean {
  return queuedEnd(tcb) !== tcb.snd.resend;
}

/**
 * The sequence number of a segment without payload: SND.NXT; but while the window is closed, the
 * octet of a probe that was refused does not count, or the peer would find us beyond its window.
 */
export function pureSequence(tcb: Tcb): number {
  const { snd } = tcb;
  return tcb.persistAtMs !== NEVER && snd.resend === snd.una ? snd.una : snd.nxt;
}
