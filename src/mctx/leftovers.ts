// SPDX-License-Identifier: MIT
// What a context still holds, counted for tests and for the check that nothing was left behind.

import type { Flow } from "./flow.ts";

/** What is still alive in a context. */
export interface StackLeftovers {
  readonly sockets: number;
  readonly timeWait: number;
  readonly listeners: number;
  readonly bufferedBytes: number;
  readonly timers: number;
}

/** Counts what these flows hold; those in TIME-WAIT count apart, since they end by themselves. */
export function countLeftovers(flows: readonly Flow[], listeners: number): StackLeftovers {
  let timeWait = 0;
  let bufferedBytes = 0;
  let timers = 0;
  for (const flow of flows) {
    if (flow.isTimeWait) {
      timeWait++;
      continue;
    }
    bufferedBytes += flow.tcb.sendBuffer.length + flow.tcb.receiveBuffer.available;
    if (flow.timer.isArmed) timers++;
  }
  return { sockets: flows.length - timeWait, timeWait, listeners, bufferedBytes, timers };
}
