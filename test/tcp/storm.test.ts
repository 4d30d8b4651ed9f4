// SPDX-License-Identifier: MIT
// Two ends whose numbers do not agree: traffic dies out (hostile input D15).

import { describe, expect, it } from "vitest";
import { segmentArrives } from "../../src/tcp/tcp-in.ts";
import type { Scene } from "./support/scene.ts";
import { SYNCHRONIZED, sceneIn } from "./support/states.ts";

/** Hands all that one end has sent to the other. @returns how many segments */
function exchange(from: Scene, to: Scene): number {
  const sent = from.host.sent.splice(0);
  for (const { segment } of sent) segmentArrives(to.tcb, segment, 0);
  to.flush();
  return sent.length;
}

describe.each(SYNCHRONIZED)("two desynchronized ends in %s", (state) => {
  it("stop answering each other (RFC 5961 §7)", () => {
    // Each expects numbers the other never sends: all they send is out of the window.
    const left = sceneIn(state, { iss: 1_000_000, irs: 50_000_000 });
    const right = sceneIn(state, { iss: 90_000_000, irs: 1_500_000_000 });
    segmentArrives(left.tcb, left.segment(". -5:-5(0) ack 1"), 0);
    let total = 0;
    for (let round = 0; round < 100; round++) {
      const count = exchange(left, right) + exchange(right, left);
      if (count === 0) break;
      total += count;
    }
    expect(total).toBeGreaterThan(0);
    expect(total).toBeLessThanOrEqual(20);
  });
});
