// SPDX-License-Identifier: MIT
// The suite `veth`: 64-byte echo over a veth pair, one kernel-TCP load generator for all, against
// our stack on `af_packet` and on `tap` and against Node's `net`. See support/comparison.ts for how
// they are compared, and veth-inside.ts for the networks.

import { whyNoNativeDriver } from "../src/index.ts";
import type { Figure } from "./figure.ts";
import { compare, figureOf, othersFigure, ratioFigure, type Sample } from "./support/comparison.ts";

const OURS = "af_packet";
const NODE = "node net";

/**
 * Measures echo over veth beside Node's `net`.
 *
 * @param options - `quick`: three short turns instead of five
 * @returns requests/s, p50, p99, connections/s, and the two ratios that have goals
 */
export async function runVethSuite(options: { quick: boolean }): Promise<Figure[]> {
  const reason = whyNoNativeDriver();
  if (reason !== null) throw new Error(`the suite veth needs the native addon: ${reason}`);
  const comparison = { suite: "veth", script: "veth-inside.js", programs: ["load"] };
  return figuresOf(await compare(comparison, options));
}

/** Turns samples into figures: ours, with the peers beside it. */
function figuresOf(samples: readonly Sample[]): Figure[] {
  const figures: Figure[] = [];
  const loads = [...new Set(samples.map((sample) => sample.load))];
  for (const load of loads) {
    const under = samples.filter((sample) => sample.load === load);
    figures.push(figureOf(under, OURS, `${load}: rate`, "requests/s", (each) => each.perSecond));
    figures.push(figureOf(under, OURS, `${load}: p50`, "us", (each) => each.p50Us));
    figures.push(figureOf(under, OURS, `${load}: p99`, "us", (each) => each.p99Us));
  }
  const both = { network: "", ours: OURS, theirs: NODE };
  figures.push(
    ratioFigure(samples, {
      ...both,
      name: "echo, 1 connection: p50 as a share of Node net's",
      load: "echo, 1 connection",
      of: (sample) => sample.p50Us,
      goal: 0.6,
      goalIs: "at most",
    }),
    ratioFigure(samples, {
      ...both,
      name: "echo, 64 connections: rate as a multiple of Node net's",
      load: "echo, 64 connections",
      of: (sample) => sample.perSecond,
      goal: 1,
      goalIs: "at least",
    }),
    othersFigure(samples),
  );
  return figures;
}
