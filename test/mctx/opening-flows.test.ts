// SPDX-License-Identifier: MIT
// What a neighbour that does not answer costs, and whom it concerns.

import { describe, expect, it, vi } from "vitest";
import { FlowTable } from "../../src/mctx/flow-table.ts";
import { OpeningFlows } from "../../src/mctx/opening-flows.ts";
import { CLOSED, ESTABLISHED, SYN_SENT } from "../../src/tcp/state.ts";
import { benchStack, ip, listenOn, open, talk } from "./support/bench-stack.ts";

const PORT = 80;
const EHOSTUNREACH = -113;
const NOBODY = { address: ip("10.0.0.77") } as never;

describe("a next hop that nobody answers for", () => {
  it("ends what is being opened through it, and nothing else", () => {
    const [a, b] = [benchStack(1), benchStack(2)];
    listenOn(b, PORT);
    const established = open(a, b, PORT, 0);
    const nowMs = talk(a, b, 0, 10);
    expect(established.tcb.state).toBe(ESTABLISHED);
    const lost = [0, 1, 2].map((i) => open(a, NOBODY, PORT + i, nowMs));
    const other = open(a, { address: ip("10.0.0.78") } as never, PORT, nowMs);
    a.stack.hopUnreachable(b.address, nowMs);
    a.stack.hopUnreachable(ip("10.0.0.77"), nowMs);
    for (const flow of lost) {
      expect([flow.tcb.state, flow.tcb.error]).toEqual([CLOSED, EHOSTUNREACH]);
    }
    expect(other.tcb.state).toBe(SYN_SENT);
    // It was there once: retransmission decides.
    expect([established.tcb.state, established.tcb.softError]).toEqual([ESTABLISHED, 0]);
    expect(a.stack.flows()).toHaveLength(2);
  });

  it("costs no look at connections that are established", () => {
    const [a, b] = [benchStack(1), benchStack(2)];
    listenOn(b, PORT);
    const flows = [1, 2, 3].map(() => open(a, b, PORT, 0));
    const nowMs = talk(a, b, 0, 10);
    expect(flows.map((flow) => flow.isOpening)).toEqual([false, false, false]);
    const all = vi.spyOn(FlowTable.prototype, "all");
    a.stack.hopUnreachable(b.address, nowMs);
    expect(all).not.toHaveBeenCalled();
    all.mockRestore();
  });

  it("forgets a flow that is aborted, fails or is established", () => {
    const opening = new OpeningFlows();
    const { stack } = benchStack(1);
    const flow = open({ stack } as never, NOBODY, PORT, 0);
    expect(flow.isOpening).toBe(true);
    stack.abortFlow(flow, 0);
    expect([flow.isOpening, flow.listNext, flow.listPrevious]).toEqual([false, null, null]);
    opening.add(flow);
    expect(opening.size).toBe(1);
    opening.remove(flow);
    opening.remove(flow);
    expect(opening.size).toBe(0);
  });
});
