// SPDX-License-Identifier: MIT
// The checks of RFC 9293 §3.10.7.4 in every synchronized state.

import { describe, expect, it } from "vitest";
import { segmentArrives } from "../../src/tcp/tcp-in.ts";
import {
  RECEIVE_NEXT,
  SEND_NEXT,
  SEQUENCE_PAIRS,
  SYNCHRONIZED,
  sceneIn,
} from "./support/states.ts";

const CASES = SEQUENCE_PAIRS.flatMap((pair) => SYNCHRONIZED.map((state) => ({ state, ...pair })));
const WINDOW = 65_535;

describe.each(CASES)("$state, ISS $iss, IRS $irs", ({ state, ...pair }) => {
  const next = RECEIVE_NEXT[state] as number;
  const ours = SEND_NEXT[state] as number;
  const edge = next + WINDOW;
  const challenge = `> . ${ours}:${ours}(0) ack ${next}`;
  const ack = `ack ${ours}`;

  it("is reset by a RST at RCV.NXT exactly (RFC 5961 §3.2, D1)", () => {
    const isDone = state === "TIME-WAIT";
    sceneIn(state, pair).play(`
      < R ${next}:${next + 1400}(1400)
      nothing
      = CLOSED
      error ${isDone ? "0" : "ECONNRESET"}
    `);
  });

  it("is reset whatever the RST acknowledges (RFC 9293 §3.10.7.4, second before fifth)", () => {
    sceneIn(state, pair).play(`
      < R. ${next}:${next}(0) ack 123456
      = CLOSED
    `);
  });

  it("challenges a RST elsewhere in the window (RFC 5961 §3.2, D1)", () => {
    sceneIn(state, pair).play(`
      < R ${next + 1}:${next + 1}(0)
      ${challenge}
      < R. ${edge - 1}:${edge - 1}(0) ${ack}
      ${challenge}
      = ${state}
    `);
  });

  it("drops a RST outside the window silently (RFC 5961 §3.2, D1)", () => {
    sceneIn(state, pair).play(`
      < R ${next - 1}:${next - 1}(0)
      < R ${edge}:${edge}(0)
      < R ${edge + 100000}:${edge + 100000}(0)
      < R. ${next - 1}:${next - 1}(0) ${ack}
      nothing
      = ${state}
    `);
  });

  it("challenges a SYN wherever it is, with or without ACK (RFC 5961 §4.2, D2)", () => {
    sceneIn(state, pair).play(`
      < S ${next}:${next}(0)
      ${challenge}
      < S 0:0(0)
      ${challenge}
      < S ${next + 500}:${next + 500}(0)
      ${challenge}
      < S. ${edge + 1000000}:${edge + 1000000}(0) ${ack}
      ${challenge}
      = ${state}
    `);
  });

  it("answers an unacceptable segment with one ACK (RFC 9293 §3.10.7.4, first)", () => {
    sceneIn(state, pair).play(`
      < . ${next - 1}:${next - 1}(0) ${ack}
      ${challenge}
      < . ${next - 1}:${next}(1) ${ack}
      ${challenge}
      < P. ${edge}:${edge + 10}(10) ${ack}
      ${challenge}
      < . ${edge + 1}:${edge + 1}(0) ${ack}
      ${challenge}
      = ${state}
    `);
  });

  it("answers empty unacceptable segments at most 10 times in 5 s (RFC 5961 §7, D15)", () => {
    const scene = sceneIn(state, pair);
    const before = scene.host.sent.length;
    for (let i = 0; i < 1_000; i++) {
      segmentArrives(scene.tcb, scene.segment(`. ${next - 1}:${next - 1}(0) ${ack}`), 0);
      segmentArrives(scene.tcb, scene.segment(`R. ${next + 1}:${next + 1}(0) ${ack}`), 0);
      segmentArrives(scene.tcb, scene.segment(`S ${next}:${next}(0)`), 0);
      segmentArrives(scene.tcb, scene.segment(`. ${next}:${next}(0) ack ${ours + 1}`), 0);
    }
    expect(scene.host.sent.length - before).toBe(10);
    expect(scene.tcb.counters.challengeSuppressed).toBe(3_990);
    segmentArrives(scene.tcb, scene.segment(`S ${next}:${next}(0)`), 5_000);
    expect(scene.host.sent.length - before).toBe(11);
  });

  it("drops a segment without ACK (RFC 9293 §3.10.7.4, fifth)", () => {
    sceneIn(state, pair).play(`
      < 0 ${next}:${next}(0)
      < P ${next}:${next + 10}(10)
      < F ${next}:${next}(0)
      nothing
      = ${state}
      read 10 = 0
    `);
  });

  it("answers an ACK of what was never sent, and drops the segment (fifth, D3, D4)", () => {
    sceneIn(state, pair).play(`
      < P. ${next}:${next + 10}(10) ack ${ours + 1}
      ${challenge}
      < . ${next}:${next}(0) ack ${ours + 0x7fffffff}
      ${challenge}
      = ${state}
      read 10 = 0
    `);
  });

  it("answers an ACK older than any window, and drops the segment (RFC 5961 §5.2, D3)", () => {
    const una = ours - (state === "FIN-WAIT-1" || state === "CLOSING" ? 1 : 0);
    const old = (state === "LAST-ACK" ? 1 : una) - WINDOW - 1;
    sceneIn(state, pair).play(`
      < P. ${next}:${next + 10}(10) ack ${old}
      ${challenge}
      = ${state}
      read 10 = 0
    `);
  });

  it("keeps quiet about a pure ACK that says nothing new", () => {
    const una = ["FIN-WAIT-1", "CLOSING", "LAST-ACK"].includes(state) ? ours - 1 : ours;
    sceneIn(state, pair).play(`
      < . ${next}:${next}(0) ack ${una}
      < . ${next}:${next}(0) ack ${una}
      nothing
      = ${state}
    `);
  });

  it("never throws at flags that make no sense (C3)", () => {
    const scene = sceneIn(state, pair);
    for (let flags = 0; flags < 256; flags++) {
      const seg = scene.segment(`. ${next}:${next + 10}(10) ${ack}`);
      seg.flags = flags;
      segmentArrives(scene.tcb, seg, 0);
    }
  });
});
