// SPDX-License-Identifier: MIT
// What the suites that compare servers have in common: the same load on ours and on others, in
// processes of their own and pinned apart, in network namespaces that this run makes and that end
// with it. Servers take turns, and ratios are taken within a turn, so that a machine whose speed
// drifts does not favour anyone. turns.ts is the other half, inside.

import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { type Figure, summary } from "../figure.ts";
import { allowedProcessors, compileProgram, enterCommand, missingTools } from "./machine.ts";

/** What the load generator reports. */
export interface LoadResult {
  readonly perSecond: number;
  readonly bytesPerSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly requests: number;
  /** The same, and those of the warm-up. */
  readonly total: number;
  readonly failed: number;
  /** Processor time of the load generator. */
  readonly loadSeconds: number;
}

/** One load on one server in one turn. */
export interface Sample extends LoadResult {
  readonly turn: number;
  readonly server: string;
  readonly network: string;
  readonly load: string;
  /** Share of both processors that other processes used meanwhile, 0 to 1. */
  readonly others: number;
  /** Processor time of the server per request, microseconds; it does not mind other processes. */
  readonly serverUs: number;
}

/** What the part inside the namespaces is told, as JSON on its command line. */
export interface InsideOptions {
  readonly suite: string;
  readonly turns: number;
  /** Paths of the compiled programs by name. */
  readonly programs: Readonly<Record<string, string>>;
  readonly serverProcessor: number;
  readonly loadProcessor: number;
  readonly quick: boolean;
}

/** What a comparison is. */
export interface Comparison {
  readonly suite: string;
  /** Compiled file, beside the suite, that runs inside. */
  readonly script: string;
  /** C programs of bench/support that it needs. */
  readonly programs: readonly string[];
}

/** A ratio with a goal: ours by theirs, turn by turn. */
export interface RatioGoal {
  readonly name: string;
  readonly network: string;
  readonly load: string;
  readonly ours: string;
  readonly theirs: string;
  readonly of: (sample: Sample) => number;
  readonly goal: number;
  readonly goalIs: "at most" | "at least";
}

/** More than this of the processors used by others is worth a warning. */
const TOLERABLE_SHARE = 0.1;

/** Runs it. @returns all samples; throws with what is missing and what to do about it */
export async function compare(
  comparison: Comparison,
  options: { quick: boolean },
): Promise<Sample[]> {
  const { suite, programs } = comparison;
  const processors = checkMachine(suite);
  const folder = mkdtempSync(path.join(tmpdir(), "caraway-bench-"));
  try {
    const compiled = programs.map((name) => [name, compileProgram(folder, name)] as const);
    const samples = await runInside(comparison, {
      suite,
      turns: options.quick ? 3 : 5,
      programs: Object.fromEntries(compiled),
      serverProcessor: processors[0] as number,
      loadProcessor: processors[1] as number,
      quick: options.quick,
    });
    warnOfOthers(suite, samples);
    return samples;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function checkMachine(suite: string): readonly number[] {
  const missing = missingTools();
  if (missing.length > 0) {
    throw new Error(`the suite ${suite} needs these programs, not found: ${missing.join(", ")}`);
  }
  const processors = allowedProcessors();
  if (processors.length < 2) {
    throw new Error(
      `the suite ${suite} needs two processors: one for the server, one for the load`,
    );
  }
  return processors;
}

/** A busy-polling server that must share its processor loses its turns to whoever sleeps. */
function warnOfOthers(suite: string, samples: readonly Sample[]): void {
  const share = summary(samples.map((sample) => sample.others)).median;
  if (share < TOLERABLE_SHARE) return;
  process.stderr.write(
    `${suite}: other processes used ${Math.round(share * 100)} % of the two processors ` +
      "meanwhile; these figures are about them too. Run it again on a quiet machine.\n",
  );
}

function runInside(comparison: Comparison, options: InsideOptions): Promise<Sample[]> {
  const { suite } = comparison;
  const enter = enterCommand(suite);
  const script = fileURLToPath(new URL(`../${comparison.script}`, import.meta.url));
  if (!existsSync(script)) {
    throw new Error(`the suite ${suite} runs compiled: npm run bench -- ${suite}`);
  }
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
      else reject(new Error(`the suite ${suite} could not be measured: see above`));
    });
  });
}

/** One figure of what `ours` reached under one load, with the others beside it. */
export function figureOf(
  samples: readonly Sample[],
  ours: string,
  name: string,
  unit: string,
  of: (sample: Sample) => number,
): Figure {
  const peers: Record<string, number> = {};
  for (const server of new Set(samples.map((sample) => sample.server))) {
    if (server === ours) continue;
    const values = samples.filter((sample) => sample.server === server).map(of);
    peers[server] = summary(values).median;
  }
  const values = samples.filter((sample) => sample.server === ours).map(of);
  return { name, unit, ...summary(values), peers };
}

/** Ours by theirs, turn by turn. */
export function ratioFigure(samples: readonly Sample[], wanted: RatioGoal): Figure {
  const { name, network, load, ours, theirs, of, goal, goalIs } = wanted;
  const under = samples.filter((sample) => sample.network === network && sample.load === load);
  const ratios: number[] = [];
  for (const our of under) {
    if (our.server !== ours) continue;
    const their = under.find((other) => other.server === theirs && other.turn === our.turn);
    if (their !== undefined) ratios.push(of(our) / of(their));
  }
  return { name, unit: "ratio", ...summary(ratios), goal, goalIs };
}

/** What else went on meanwhile. */
export function othersFigure(samples: readonly Sample[]): Figure {
  return {
    name: "processor time used by others",
    unit: "%",
    ...summary(samples.map((sample) => sample.others * 100)),
  };
}
