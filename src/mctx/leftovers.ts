// SPDX-License-Identifier: MIT
// What a context still holds, counted for tests and for the check that nothing was left behind.

import type { Datagrams } from "./datagrams.ts";
import type { Flow } from "./flow.ts";
import type { Network } from "./network.ts";

/** What is still alive in a context. */
export interface StackLeftovers {
  /** Connections and datagram sockets. */
  readonly sockets: number;
  readonly timeWait: number;
  readonly listeners: number;
  /** Of connections that somebody holds or that still end, of datagrams, and of fragments. */
  readonly bufferedBytes: number;
  readonly timers: number;
}

/**
 * Counts what these flows and the layers below them hold. Flows in TIME-WAIT count apart, since
 * they end by themselves; what they hold counts only while somebody can still read it.
 */
export function countLeftovers(
  flows: readonly Flow[],
  listeners: number,
  datagrams: Pick<Datagrams, "size" | "heldBytes">,
  network: Pick<Network, "reassembler">,
): StackLeftovers {
  let timeWait = 0;
  let bufferedBytes = network.reassembler.heldBytes + datagrams.heldBytes;
  let timers = 0;
  for (const flow of flows) {
    if (flow.isTimeWait) timeWait++;
    else if (flow.timer?.isArmed === true) timers++;
    if (flow.isTimeWait && flow.sink === null) continue;
    bufferedBytes += flow.bufferedBytes;
  }
  const sockets = flows.length - timeWait + datagrams.size;
  return { sockets, timeWait, listeners, bufferedBytes, timers };
}
