// SPDX-License-Identifier: MIT
// What it costs to find the MAC address of a next hop. A part of the suite `stack`.

import { NeighbourCache } from "../src/link/neighbours.ts";
import { costFigure, type Figure } from "./support/figure.ts";
import { measureNs } from "./support/measure.ts";
import type { Pace } from "./support/pace.ts";

const MAC = Uint8Array.of(2, 0, 0, 0, 0, 1);
const FIRST_IP = 0x0a000001;

/** Measures lookups of neighbours in turn; the peer is what everybody writes first. */
export function neighbourFigures(pace: Pace): Figure[] {
  const figures: Figure[] = [];
  for (const peers of [1, 16, 512]) {
    const host = { requestNeighbour() {}, neighbourFailed() {}, sendHeldFrame() {} };
    const cache = new NeighbourCache(host, {}, 1);
    const byText = new Map<string, Uint8Array>();
    const addresses = Array.from({ length: peers }, (_, n) => {
      const address = { w0: 0, w1: 0, w2: 0xffff, w3: FIRST_IP + n };
      cache.learn(address, MAC, true, 0);
      byText.set(`${FIRST_IP + n}`, MAC);
      return address;
    });
    const pick = (i: number): (typeof addresses)[0] =>
      addresses[i & (peers - 1)] as (typeof addresses)[0];
    figures.push(
      costFigure(
        `neighbour lookup, ${peers} in turn`,
        "ns",
        measureNs(pace, (i) => (cache.lookup(pick(i), 1)?.[0] as number) + i),
        {
          peers: {
            "Map by string": measureNs(pace, (i) => byText.get(`${pick(i).w3}`)?.[0] as number),
          },
        },
      ),
    );
  }
  return figures;
}
