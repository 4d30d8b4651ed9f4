// SPDX-License-Identifier: MIT
// The eleven states of a connection, the one function that changes them (R7), and the one that puts
// a connection back into the state it was left in.
// RFC 9293 §3.3.2, figure 5.

import { assert } from "./assert.ts";
import { EVENT_READABLE, EVENT_STATE, EVENT_WRITABLE } from "./host.ts";
import type { Tcb } from "./tcb.ts";

/** No connection: before it is opened, and after its end. */
export const CLOSED = 0;
/** Waiting for a SYN. A TCB passes through it on its way to SYN-RECEIVED. */
export const LISTEN = 1;
/** Our SYN is out, the peer's has not come. */
export const SYN_SENT = 2;
/** Both SYNs have been seen, ours is not acknowledged. */
export const SYN_RECEIVED = 3;
/** Data flows both ways. */
export const ESTABLISHED = 4;
/** We have finished; our FIN is not acknowledged. */
export const FIN_WAIT_1 = 5;
/** Our FIN is acknowledged; the peer has not finished. */
export const FIN_WAIT_2 = 6;
/** The peer has finished, we have not. */
export const CLOSE_WAIT = 7;
/** Both have finished; our FIN is not acknowledged, the peer's came before that. */
export const CLOSING = 8;
/** The peer finished first, then we did; our FIN is not acknowledged. */
export const LAST_ACK = 9;
/** All is done; old duplicates are given time to die. */
export const TIME_WAIT = 10;

/** Names as RFC 9293 writes them, by state number. */
export const STATE_NAMES: readonly string[] = Object.freeze([
  "CLOSED",
  "LISTEN",
  "SYN-SENT",
  "SYN-RECEIVED",
  "ESTABLISHED",
  "FIN-WAIT-1",
  "FIN-WAIT-2",
  "CLOSE-WAIT",
  "CLOSING",
  "LAST-ACK",
  "TIME-WAIT",
]);

const toClosed = 1 << CLOSED;

/**
 * Legal edges: bit `n` of entry `s` allows s -> n. Any state may end in CLOSED: abort, RST, R2.
 * SYN-RECEIVED -> LISTEN of the RFC (RST or SYN on a passive open) is SYN-RECEIVED -> CLOSED here:
 * the listener is a record of its own that never left LISTEN, only the half-open TCB goes away.
 * ESTABLISHED, FIN-WAIT-1 -> TIME-WAIT etc. do not exist: a FIN that also acknowledges ours passes
 * through FIN-WAIT-2, since the ACK is checked (fifth) before the FIN (eighth).
 */
const LEGAL_EDGES: Int32Array = Int32Array.of(
  /* CLOSED       */ (1 << LISTEN) | (1 << SYN_SENT),
  /* LISTEN       */ toClosed | (1 << SYN_RECEIVED) | (1 << SYN_SENT),
  /* SYN-SENT     */ toClosed | (1 << SYN_RECEIVED) | (1 << ESTABLISHED),
  /* SYN-RECEIVED */ toClosed | (1 << ESTABLISHED),
  /* ESTABLISHED  */ toClosed | (1 << FIN_WAIT_1) | (1 << CLOSE_WAIT),
  /* FIN-WAIT-1   */ toClosed | (1 << FIN_WAIT_2) | (1 << CLOSING),
  /* FIN-WAIT-2   */ toClosed | (1 << TIME_WAIT),
  /* CLOSE-WAIT   */ toClosed | (1 << LAST_ACK),
  /* CLOSING      */ toClosed | (1 << TIME_WAIT),
  /* LAST-ACK     */ toClosed,
  /* TIME-WAIT    */ toClosed,
);

/**
 * Tells whether RFC 9293 figure 5 has the edge.
 *
 * @param from - state left
 * @param to - state entered
 */
export function isLegalEdge(from: number, to: number): boolean {
  return ((LEGAL_EDGES[from] as number) & (1 << to)) !== 0;
}

/**
 * Changes the state of a connection and tells its host. The only place that does (R7). When it
 * goes to CLOSED the host forgets the connection at once: set `tcb.error` and send what is to be
 * sent before.
 *
 * @param tcb - the connection
 * @param next - the state to enter
 * @throws Error if the edge is not legal: a bug of ours
 */
export function setState(tcb: Tcb, next: number): void {
  assert(isLegalEdge(tcb.state, next), "illegal edge between states");
  tcb.state = next;
  // The end of a connection concerns whoever waits for anything.
  tcb.host.notify(
    tcb,
    next === CLOSED ? EVENT_STATE | EVENT_READABLE | EVENT_WRITABLE : EVENT_STATE,
  );
}

/**
 * Puts a TCB that was made for a connection at rest into the state that the connection is in. The
 * connection does not change by that, so no edge is looked up and nobody is told.
 *
 * @param tcb - just made
 * @param state - of the connection
 * @throws Error if it was not: a bug of ours
 */
export function restoreState(tcb: Tcb, state: number): void {
  assert(tcb.state === CLOSED, "a TCB in use is restored");
  tcb.state = state;
}

/** True from ESTABLISHED on, TIME-WAIT included: both SYNs are acknowledged. */
export function isSynchronized(state: number): boolean {
  return state >= ESTABLISHED;
}
