// SPDX-License-Identifier: MIT
// The connections that `connect` has opened and that are not established yet. They are apart from
// the others because a next hop that nobody answers for concerns only them: whoever makes ARP
// entries fail, by spoofing sources, must not make us look at every connection each time.

import type { IpAddress } from "../ip/address.ts";
import { EHOSTUNREACH } from "../tcp/errno.ts";
import { hostUnreachable } from "../tcp/tcp-in.ts";
import { type Flow, FlowList } from "./flow.ts";

/** Flows between `connect` and ESTABLISHED. */
export class OpeningFlows {
  readonly #flows: FlowList = new FlowList();

  /** Flows there are. */
  get size(): number {
    return this.#flows.size;
  }

  /** Adds a flow that is about to open; it must be on no list. */
  add(flow: Flow): void {
    flow.isOpening = true;
    this.#flows.push(flow);
  }

  /** The flow is established or gone. Nothing happens if it is not here. */
  remove(flow: Flow): void {
    if (!flow.isOpening) return;
    flow.isOpening = false;
    this.#flows.remove(flow);
  }

  /** Nobody answers for `nextHop`: what is to be opened through it fails. */
  hopUnreachable(nextHop: IpAddress, nowMs: number): void {
    let flow = this.#flows.oldest;
    while (flow !== null) {
      // Read first: a flow that fails leaves the list.
      const next: Flow | null = flow.listNext;
      if (flow.nextHop.equals(nextHop)) hostUnreachable(flow.tcb, EHOSTUNREACH, nowMs);
      flow = next;
    }
  }
}
