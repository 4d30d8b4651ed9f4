// SPDX-License-Identifier: MIT
// The end of a connection, whatever brought it about. RFC 9293 §3.10 says each time: flush the
// queues, signal the user, enter CLOSED, delete the TCB.

import { CLOSED, setState } from "./state.ts";
import { NEVER, type Tcb } from "./tcb.ts";

/** Disarms every timer and forgets what was to be sent. */
function stop(tcb: Tcb): void {
  tcb.rtoAtMs = NEVER;
  tcb.persistAtMs = NEVER;
  tcb.delayedAckAtMs = NEVER;
  tcb.endAtMs = NEVER;
  tcb.ackNow = false;
  tcb.retransmitHead = false;
  tcb.forceProbe = false;
  tcb.sendBuffer.clear();
}

/**
 * Ends the connection: CLOSED, timers off, queues flushed, host and waiters told. Sends nothing.
 * After an orderly end (`error` 0) bytes that arrived before can still be read.
 *
 * @param tcb - in any state but CLOSED
 * @param error - 0 or -errno; an error that is already set stays
 */
export function terminate(tcb: Tcb, error: number): void {
  stop(tcb);
  if (tcb.error === 0) tcb.error = error;
  if (tcb.error !== 0) {
    if (tcb.receiveBuffer.available > 0) tcb.rcv.isCut = true;
    tcb.receiveBuffer.clear();
  }
  setState(tcb, CLOSED);
}
