// SPDX-License-Identifier: MIT
// Flows whose connection is at rest: they keep a row of numbers instead of a TCB, until somebody
// asks for it (src/tcp/resting.ts). A flow comes here when its timer finds nothing to do, so one
// that is in use pays nothing for it; in TIME-WAIT, as soon as nobody holds it.

import type { TcbHost } from "../tcp/host.ts";
import { RestingTcbs, restsAtMs } from "../tcp/resting.ts";
import { NEVER, type Tcb } from "../tcp/tcb.ts";
import type { Flow } from "./flow.ts";

/**
 * How soon a connection without timers is looked at, ms. Longer, and the TCBs of a busy server with
 * very many connections outlive the young generation of the engine's heap.
 */
export const REST_AFTER_MS = 200;

/** The flows of a context that are at rest. */
export class RestingFlows {
  readonly #tcbs: RestingTcbs = new RestingTcbs();

  /** Flows at rest. */
  get size(): number {
    return this.#tcbs.size;
  }

  /** Lets a flow rest if it can. @returns whether it does */
  offer(flow: Flow, nowMs: number): boolean {
    const { awake } = flow;
    if (awake === null || flow.isQueued) return false;
    const atMs = restsAtMs(awake);
    if (atMs > nowMs) {
      // Strangers who provoke challenge ACKs must not keep it awake for good.
      if (atMs !== Number.POSITIVE_INFINITY) flow.armBy(atMs);
      return false;
    }
    if (awake.endAtMs === NEVER) flow.timer = null;
    else flow.armAt(awake.endAtMs);
    flow.restingRow = this.#tcbs.put(awake);
    flow.awake = null;
    return true;
  }

  /**
   * Tells whether a connection from this side may take the place of one in TIME-WAIT, and where it
   * left off.
   *
   * @returns its SND.NXT; null: it may not
   */
  reopens(flow: Flow, nowMs: number): number | null {
    const { awake, restingRow, config } = flow;
    if (awake !== null || !this.#tcbs.mayReopen(restingRow, nowMs, config)) return null;
    return this.#tcbs.sendNext(restingRow);
  }

  /** Forgets a flow that rests, and is to be woken no more. */
  drop(flow: Flow): void {
    this.#tcbs.drop(flow.restingRow);
  }

  /** Wakes a flow that rests. @returns its TCB, as it was */
  wake(flow: Flow, host: TcbHost, nowMs: number): Tcb {
    const { config, localPort, remotePort, restingRow } = flow;
    const tcb = this.#tcbs.take(restingRow, host, flow, config, localPort, remotePort, nowMs);
    flow.awake = tcb;
    return tcb;
  }
}
