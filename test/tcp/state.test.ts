// SPDX-License-Identifier: MIT

import { describe, expect, it } from "vitest";
import {
  CLOSED,
  ESTABLISHED,
  isLegalEdge,
  LISTEN,
  STATE_NAMES,
  SYN_SENT,
  setState,
} from "../../src/tcp/state.ts";
import { Scene } from "./support/scene.ts";

/** RFC 9293 figure 5 and the aborts, written independently of the table under test. */
const FIGURE_5: readonly string[] = [
  "CLOSED -> LISTEN",
  "CLOSED -> SYN-SENT",
  "LISTEN -> SYN-RECEIVED",
  "LISTEN -> SYN-SENT",
  "LISTEN -> CLOSED",
  "SYN-SENT -> SYN-RECEIVED",
  "SYN-SENT -> ESTABLISHED",
  "SYN-SENT -> CLOSED",
  "SYN-RECEIVED -> ESTABLISHED",
  "SYN-RECEIVED -> CLOSED",
  "ESTABLISHED -> FIN-WAIT-1",
  "ESTABLISHED -> CLOSE-WAIT",
  "ESTABLISHED -> CLOSED",
  "FIN-WAIT-1 -> FIN-WAIT-2",
  "FIN-WAIT-1 -> CLOSING",
  "FIN-WAIT-1 -> CLOSED",
  "FIN-WAIT-2 -> TIME-WAIT",
  "FIN-WAIT-2 -> CLOSED",
  "CLOSE-WAIT -> LAST-ACK",
  "CLOSE-WAIT -> CLOSED",
  "CLOSING -> TIME-WAIT",
  "CLOSING -> CLOSED",
  "LAST-ACK -> CLOSED",
  "TIME-WAIT -> CLOSED",
];

describe("states", () => {
  it("have the edges of RFC 9293 figure 5 and no others", () => {
    const edges: string[] = [];
    for (let from = 0; from < STATE_NAMES.length; from++) {
      for (let to = 0; to < STATE_NAMES.length; to++) {
        if (isLegalEdge(from, to)) edges.push(`${STATE_NAMES[from]} -> ${STATE_NAMES[to]}`);
      }
    }
    expect(edges.sort()).toEqual([...FIGURE_5].sort());
  });

  it("assert an illegal edge (R7)", () => {
    const { tcb } = new Scene();
    expect(() => setState(tcb, ESTABLISHED)).toThrow("illegal edge");
    expect(tcb.state).toBe(CLOSED);
  });

  it("are eleven", () => {
    expect(STATE_NAMES).toHaveLength(11);
    expect([CLOSED, LISTEN, SYN_SENT]).toEqual([0, 1, 2]);
  });
});
