// SPDX-License-Identifier: MIT
// What a round has given rise to and `flush` sends: flows with output or timers to look at, and
// flows that were reset. When the driver's tx ring is full, the rest comes first in the next round.

import { abort } from "../tcp/calls.ts";
import { CLOSED } from "../tcp/state.ts";
import { output } from "../tcp/tcp-out.ts";
import { nextTimeout } from "../tcp/timers.ts";
import type { Flow } from "./flow.ts";
import { REST_AFTER_MS, type RestingFlows } from "./resting-flows.ts";
import type { Transmitter } from "./tx.ts";

/** The flows to send for at the end of a round. */
export class Outbox {
  readonly #tx: Transmitter;
  readonly #resting: RestingFlows;
  // Two arrays in turn, with counts beside them: setting the length of an array, in every round,
  // would be the dearest thing that a round does.
  #queued: (Flow | null)[];
  #queuedCount: number;
  #spare: (Flow | null)[];
  /** Reset while the ring was full: their RST goes out when there is room. */
  #dying: Flow[];
  /** Set when the ring had no room for a segment. */
  #isRingFull: boolean;

  constructor(tx: Transmitter, resting: RestingFlows) {
    this.#tx = tx;
    this.#resting = resting;
    this.#queued = [];
    this.#queuedCount = 0;
    this.#spare = [];
    this.#dying = [];
    this.#isRingFull = false;
  }

  /** Flows that wait. */
  get size(): number {
    return this.#queuedCount + this.#dying.length;
  }

  /** The flow's output and timer are to be looked at. */
  touch(flow: Flow): void {
    if (flow.isQueued || flow.isGone) return;
    flow.isQueued = true;
    this.#queued[this.#queuedCount++] = flow;
  }

  /** The ring had no room for a segment of the flow: it is asked again in the next round. */
  postpone(flow: Flow): void {
    this.#isRingFull = true;
    this.touch(flow);
  }

  /** The flow is to be reset as soon as the ring has room for the RST. */
  abortLater(flow: Flow): void {
    this.#dying.push(flow);
  }

  /** Sends for all, as far as the ring has room, and sets their timers. */
  flush(nowMs: number): void {
    this.#isRingFull = false;
    if (this.#dying.length > 0) this.#abort(nowMs);
    const flows = this.#queued;
    const count = this.#queuedCount;
    this.#queued = this.#spare;
    this.#queuedCount = 0;
    this.#spare = flows;
    for (let i = 0; i < count; i++) {
      const flow = flows[i] as Flow;
      flows[i] = null;
      if (this.#isRingFull) {
        this.#queued[this.#queuedCount++] = flow;
        continue;
      }
      flow.isQueued = false;
      if (flow.isGone) continue;
      const { tcb } = flow;
      output(tcb, nowMs);
      if (flow.isGone) continue;
      if (flow.isTimeWait && flow.sink === null && this.#resting.offer(flow, nowMs)) continue;
      const at = nextTimeout(tcb);
      flow.armBy(at === Number.POSITIVE_INFINITY ? nowMs + REST_AFTER_MS : at);
    }
  }

  /** Forgets all. */
  clear(): void {
    for (const flow of this.#queued) if (flow !== null) flow.isQueued = false;
    this.#queued.length = 0;
    this.#queuedCount = 0;
    this.#dying.length = 0;
  }

  #abort(nowMs: number): void {
    const flows = this.#dying;
    let done = 0;
    for (; done < flows.length && this.#tx.reserve(); done++) {
      const { tcb } = flows[done] as Flow;
      if (tcb.state !== CLOSED) abort(tcb, nowMs);
    }
    flows.splice(0, done);
  }
}
