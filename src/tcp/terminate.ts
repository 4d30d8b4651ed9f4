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
 * Bytes that arrived in order before can still be read, then the error is told. Departs from RFC
 * 9293 §3.10.7.4, which flushes them on a RST: whoever reads late would lose what the peer has been
 * told was received, and take a FIN before it for the end of it all. Linux does the same.
 *
 * @param tcb - in any state but CLOSED
 * @param error - 0 or -errno; an error that is already set stays
 */
export function terminate(tcb: Tcb, error: number): void {
  stop(tcb);
  if (tcb.error === 0) tcb.error = error;
  if (tcb.rcv.isDiscarding) tcb.receiveBuffer.clear();
  setState(tcb, CLOSED);
}
