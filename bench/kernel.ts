// SPDX-License-Identifier: MIT
// The suite `kernel`: servers on the kernel's sockets, ours beside Node's `net` and beside epoll in
// C as the upper bound, over loopback and over a veth pair, with one load generator for all. See
// support/comparison.ts for how they are compared, and kernel-inside.ts for the networks.

import { whyNoNativeDriver } from "../src/index.ts";
import type { Figure } from "./figure.ts";
import {
  compare,
  figureOf,
  othersFigure,
  type RatioGoal,
  ratioFigure,
  type Sample,
} from "./support/comparison.ts";

const OURS = "kernel sockets";
const NODE = "node net";
const MEGABYTE = 1e6;

/**
 * Measures servers on the kernel's sockets.
 *
 * @param options - `quick`: three short turns instead of five
 * @returns rates, p50, p99 and bulk throughput on each network, and the ratios that have goals
 */
export async function runKernelSuite(options: { quick: boolean }): Promise<Figure[]> {
  const reason = whyNoNativeDriver();
  if (reason !== null) throw new Error(`the suite kernel needs the native addon: ${reason}`);
  const programs = ["load", "epoll-server"];
  const comparison = { suite: "kernel", script: "kernel-inside.js", programs };
  return figuresOf(await compare(comparison, options));
}

function figuresOf(samples: readonly Sample[]): Figure[] {
  const networks = [...new Set(samples.map((sample) => sample.network))];
  const loads = [...new Set(samples.map((sample) => sample.load))];
  const figures: Figure[] = [];
  for (const network of networks) {
    for (const load of loads) {
      const under = samples.filter((each) => each.network === network && each.load === load);
      figures.push(...figuresOfLoad(under, `${network}: ${load}`));
    }
  }
  for (const network of networks) {
    for (const goal of goalsOf(network)) figures.push(ratioFigure(samples, goal));
  }
  figures.push(othersFigure(samples));
  return figures;
}

function figuresOfLoad(samples: readonly Sample[], name: string): Figure[] {
  if (name.includes("bulk")) {
    const rate = (each: Sample): number => each.bytesPerSecond / MEGABYTE;
    return [figureOf(samples, OURS, name, "MB/s", rate)];
  }
  return [
    figureOf(samples, OURS, `${name}: rate`, "requests/s", (each) => each.perSecond),
    figureOf(samples, OURS, `${name}: p50`, "us", (each) => each.p50Us),
    figureOf(samples, OURS, `${name}: p99`, "us", (each) => each.p99Us),
    figureOf(samples, OURS, `${name}: server's processor`, "us", (each) => each.serverUs),
  ];
}

function goalsOf(network: string): RatioGoal[] {
  const both = { network, ours: OURS, theirs: NODE };
  return [
    {
      ...both,
      name: `${network}: echo, 1 connection: p50 as a share of Node net's`,
      load: "echo, 1 connection",
      of: (sample) => sample.p50Us,
      goal: 0.8,
      goalIs: "at most",
    },
    {
      ...both,
      name: `${network}: echo, 64 connections: rate as a multiple of Node net's`,
      load: "echo, 64 connections",
      of: (sample) => sample.perSecond,
      goal: 1.5,
      goalIs: "at least",
    },
  ];
}
