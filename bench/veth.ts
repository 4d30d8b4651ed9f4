// SPDX-License-Identifier: MIT
// The suite `veth`: 64-byte echo over a veth pair, one kernel-TCP load generator for all, against
// our server on `af_packet` and on `tap` and against Node's `net`. Server and generator are pinned
// apart. The servers take turns, each in a process of its own, and ratios are taken within a turn,
// so that a machine whose speed drifts does not favour anyone.
//
// All of it happens in namespaces that this run makes and that end with it: see veth-inside.ts.

import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { whyNoNativeDriver } from "../src/index.ts";
import { type Figure, summary } from "./figure.ts";
import { allowedProcessors, compileLoad, enterCommand, missingTools } from "./support/machine.ts";

/** What the load generator reports. */
export interface LoadResult {
  readonly perSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly requests: number;
  readonly failed: number;
}

/** One load on one server in one turn. */
export interface Sample extends LoadResult {
  readonly turn: number;
  readonly server: string;
  readonly load: string;
  /** Share of both processors that other processes used just before, 0 to 1. */
  readonly others: number;
}

/** What the part inside the namespaces is told, as JSON on its command line. */
export interface InsideOptions {
  readonly turns: number;
  readonly loadBinary: string;
  readonly serverProcessor: number;
  readonly loadProcessor: number;
  readonly quick: boolean;
  /** Names of servers and loads, to measure these alone; empty: all. */
  readonly servers: readonly string[];
  readonly loads: readonly string[];
}

const OURS = "af_packet";
const NODE = "node net";
/** More than this of the processors used by others is worth a warning. */
const TOLERABLE_SHARE = 0.1;

/**
 * Measures echo over veth beside Node's `net`.
 *
 * @param options - `quick`: three short turns instead of five
 * @returns requests/s, p50, p99, connections/s, and the two ratios that have goals
 */
export async function runVethSuite(options: { quick: boolean }): Promise<Figure[]> {
  const processors = checkMachine();
  const folder = mkdtempSync(path.join(tmpdir(), "caraway-bench-"));
  try {
    const inside: InsideOptions = {
      turns: options.quick ? 3 : 5,
      loadBinary: compileLoad(folder),
      serverProcessor: processors[0] as number,
      loadProcessor: processors[1] as number,
      quick: options.quick,
      servers: [],
      loads: [],
    };
    const samples = await runInside(inside);
    warnOfOthers(samples);
    return figuresOf(samples);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** @returns processors for server and load; throws with what is missing and what to do about it */
function checkMachine(): readonly number[] {
  const reason = whyNoNativeDriver();
  if (reason !== null) throw new Error(`the suite veth needs the native addon: ${reason}`);
  const missing = missingTools();
  if (missing.length > 0) {
    throw new Error(`the suite veth needs these programs, not found: ${missing.join(", ")}`);
  }
  const processors = allowedProcessors();
  if (processors.length < 2) {
    throw new Error("the suite veth needs two processors: one for the server, one for the load");
  }
  return processors;
}

/** A busy-polling server that must share its processor loses its turns to whoever sleeps. */
function warnOfOthers(samples: readonly Sample[]): void {
  const share = summary(samples.map((sample) => sample.others)).median;
  if (share < TOLERABLE_SHARE) return;
  process.stderr.write(
    `veth: other processes used ${Math.round(share * 100)} % of the two processors meanwhile; ` +
      "these figures are about them too. Run it again on a quiet machine.\n",
  );
}

function runInside(options: InsideOptions): Promise<Sample[]> {
  const enter = enterCommand();
  const script = fileURLToPath(new URL("./veth-inside.js", import.meta.url));
  if (!existsSync(script)) throw new Error("the suite veth runs compiled: npm run bench -- veth");
  const args = [...enter.slice(1), process.execPath, script, JSON.stringify(options)];
  const child = spawn(enter[0] as string, args, { stdio: ["pipe", "pipe", "inherit"] });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => {
      if (code === 0) resolve(JSON.parse(output) as Sample[]);
      else reject(new Error("the suite veth could not be measured: see above"));
    });
  });
}

/** Turns samples into figures: ours, with the peers beside it. */
function figuresOf(samples: readonly Sample[]): Figure[] {
  const figures: Figure[] = [];
  const loads = [...new Set(samples.map((sample) => sample.load))];
  for (const load of loads) {
    const under = samples.filter((sample) => sample.load === load);
    figures.push(figureOf(under, `${load}: rate`, "requests/s", (sample) => sample.perSecond));
    figures.push(figureOf(under, `${load}: p50`, "us", (sample) => sample.p50Us));
    figures.push(figureOf(under, `${load}: p99`, "us", (sample) => sample.p99Us));
  }
  figures.push({
    name: "echo, 1 connection: p50 as a share of Node net's",
    unit: "ratio",
    ...summary(ratios(samples, "echo, 1 connection", (sample) => sample.p50Us)),
    goal: 0.6,
    goalIs: "at most",
  });
  figures.push({
    name: "echo, 64 connections: rate as a multiple of Node net's",
    unit: "ratio",
    ...summary(ratios(samples, "echo, 64 connections", (sample) => sample.perSecond)),
    goal: 1,
    goalIs: "at least",
  });
  figures.push({
    name: "processor time used by others",
    unit: "%",
    ...summary(samples.map((sample) => sample.others * 100)),
  });
  return figures;
}

function figureOf(
  samples: readonly Sample[],
  name: string,
  unit: string,
  of: (sample: Sample) => number,
): Figure {
  const peers: Record<string, number> = {};
  for (const server of new Set(samples.map((sample) => sample.server))) {
    if (server === OURS) continue;
    const values = samples.filter((sample) => sample.server === server).map(of);
    peers[server] = summary(values).median;
  }
  const ours = samples.filter((sample) => sample.server === OURS).map(of);
  return { name, unit, ...summary(ours), peers };
}

/** Ours by Node's, turn by turn. */
function ratios(
  samples: readonly Sample[],
  load: string,
  of: (sample: Sample) => number,
): number[] {
  const found: number[] = [];
  for (const ours of samples) {
    if (ours.server !== OURS || ours.load !== load) continue;
    const node = samples.find(
      (other) => other.server === NODE && other.load === load && other.turn === ours.turn,
    );
    if (node !== undefined) found.push(of(ours) / of(node));
  }
  return found;
}
