// SPDX-License-Identifier: MIT
// What the suites that compare servers have in common: the same load on ours and on others, in
// processes of their own and pinned apart, in network namespaces that this run makes and that end
// with it. Servers take turns, and ratios are taken within a turn, so that a machine whose speed
// drifts does not favour anyone. inside.ts and turns.ts are the other half, in the namespaces.

import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { whyNoNativeDriver } from "../../src/index.ts";
import { type Figure, type Goal, summaryOf } from "./figure.ts";
import { withFolder } from "./folder.ts";
import { type Load, type Metric, type Sample, warmUpSecondsOf } from "./load.ts";
import { allowedProcessors, compileProgram, enterCommand, missingTools } from "./machine.ts";
import { chosen } from "./only.ts";
import type { Pace } from "./pace.ts";
import { type Peers, providePeers } from "./peers.ts";
import type { Outcome, Suite } from "./suite.ts";

/** One of those that are compared. */
export interface Server {
  readonly name: string;
  readonly isOurs?: boolean;
  /** Where the load connects to. */
  readonly host: string;
  /** Program and arguments. It says "ready", and ends when its standard input does. */
  readonly command: readonly string[];
  /** What loads it, instead of programs/load.c: it takes the same arguments, prints the same. */
  readonly client?: readonly string[];
  /** Shell scripts before it starts and after it has ended. */
  readonly prepare?: string;
  readonly restore?: string;
  /** Names of the loads that it is asked. Default: all. */
  readonly loads?: readonly string[];
  readonly isFullRunOnly?: boolean;
}

/** What the part inside the namespaces is told, as JSON on its command line. */
export interface InsideOptions {
  readonly suite: string;
  readonly pace: Pace;
  /** Paths of compiled programs, of Bun and of Deno, by name. */
  readonly programs: Readonly<Record<string, string>>;
  readonly peers: Peers["programs"];
  /** A folder that is removed at the end. */
  readonly folder: string;
  readonly serverProcessor: number;
  readonly loadProcessor: number;
}

/** Where servers are placed: the options, and how to run something at the far end of the cable. */
export interface Site extends InsideOptions {
  readonly there: readonly string[];
}

/** A goal of a comparison. */
export interface ComparisonGoal extends Goal {
  readonly load: string;
  readonly metric: Metric;
}

/** A suite that compares servers, as a table. */
export interface Comparison {
  /** The suite's name; its file exports this as `comparison`. */
  readonly name: string;
  /** In the order of the figures' tables. */
  readonly servers: (site: Site) => readonly Server[];
  readonly loads: readonly Load[];
  readonly metrics: (load: Load) => readonly Metric[];
  readonly goals: readonly ComparisonGoal[];
}

/** What comes back from inside. */
export interface InsideOutcome {
  readonly samples: readonly Sample[];
  readonly notes: readonly string[];
}

/** C programs of bench/programs. */
const PROGRAMS = ["load", "epoll-server", "responder"];
/** More than this of the processors used by others is worth a warning. */
const TOLERABLE_SHARE = 0.1;
const START_SECONDS = 0.4;
/** Stands for the site where only the number of servers is asked for. */
const NOWHERE: Omit<Site, "pace"> = {
  suite: "",
  programs: {},
  peers: { bun: "bun", deno: "deno" },
  folder: "",
  serverProcessor: 0,
  loadProcessor: 1,
  there: [],
};

/** Makes the suite that a table stands for. */
export function comparing(comparison: Comparison): Suite {
  return {
    contestants: (pace) => takingPart(comparison, { ...NOWHERE, pace }).map(({ name }) => name),
    expectedSeconds: (pace) => expectedSeconds(comparison, pace),
    run: (pace) => compare(comparison, pace),
  };
}

/** Servers that take part at this pace, as far as they are wanted. */
export function contestants(comparison: Comparison, site: Site): Server[] {
  const servers = takingPart(comparison, site);
  const names = servers.map(({ name }) => name);
  const wanted = chosen(names, site.pace.only ?? []);
  return servers.filter(({ name }) => wanted.includes(name));
}

function takingPart(comparison: Comparison, site: Site): Server[] {
  const { servers } = comparison;
  const isFull = site.pace.name === "full";
  return servers(site).filter((server) => isFull || server.isFullRunOnly !== true);
}

function expectedSeconds(comparison: Comparison, pace: Pace): number {
  let perTurn = 0;
  for (const server of contestants(comparison, { ...NOWHERE, pace })) {
    perTurn += START_SECONDS;
    for (const load of comparison.loads) {
      if (server.loads !== undefined && !server.loads.includes(load.name)) continue;
      perTurn += warmUpSecondsOf(load, pace) + pace.seconds;
    }
  }
  return Math.ceil(5 + pace.turns * perTurn);
}

async function compare(comparison: Comparison, pace: Pace): Promise<Outcome> {
  const suite = comparison.name;
  const reason = whyNoNativeDriver();
  if (reason !== null) throw new Error(`the suite ${suite} needs the native addon: ${reason}`);
  const processors = checkMachine(suite);
  const peers = providePeers(pace);
  return withFolder(async (folder) => {
    const compiled = PROGRAMS.map((name) => [name, compileProgram(folder, name)] as const);
    const { samples, notes } = await runInside({
      suite,
      pace,
      programs: Object.fromEntries(compiled),
      peers: peers.programs,
      folder,
      serverProcessor: processors[0] as number,
      loadProcessor: processors[1] as number,
    });
    warnOfOthers(suite, samples);
    return {
      figures: figuresOf(comparison, samples, pace.only),
      notes: [...peers.notes, ...notes],
    };
  });
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
  const share = summaryOf(samples.map((sample) => sample.others))?.median ?? 0;
  if (share < TOLERABLE_SHARE) return;
  process.stderr.write(
    `${suite}: other processes used ${Math.round(share * 100)} % of the two processors ` +
      "meanwhile; these figures are about them too. Run it again on a quiet machine.\n",
  );
}

function runInside(options: InsideOptions): Promise<InsideOutcome> {
  const { suite } = options;
  const enter = enterCommand(suite);
  const script = fileURLToPath(new URL("./inside.js", import.meta.url));
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
      if (code === 0) resolve(JSON.parse(output) as InsideOutcome);
      else reject(new Error(`the suite ${suite} could not be measured: see above`));
    });
  });
}

/** One figure per load and metric, with every server that was measured, and goals among them. */
export function figuresOf(
  comparison: Comparison,
  samples: readonly Sample[],
  only: readonly string[] = [],
): Figure[] {
  const isOurs = new Map(
    comparison
      .servers({ ...NOWHERE, pace: { name: "full" } as Pace })
      .map((server) => [server.name, server.isOurs === true]),
  );
  const wanted = chosen([...isOurs.keys()], only);
  const goals = comparison.goals.filter(
    ({ ours, theirs = ours }) => wanted.includes(ours) && wanted.includes(theirs),
  );
  const figures = comparison.loads.flatMap((load) =>
    comparison
      .metrics(load)
      .map((metric) => figureOf({ ...comparison, goals }, samples, load, metric, [...isOurs])),
  );
  const others = samples.map((sample) => sample.others * 100);
  figures.push({
    name: "processor time used by other processes meanwhile",
    unit: "%",
    better: "lower",
    series: [{ name: "others", isOurs: false, samples: others }],
    goals: [],
  });
  return figures;
}

function figureOf(
  comparison: Comparison,
  samples: readonly Sample[],
  load: Load,
  metric: Metric,
  servers: readonly (readonly [string, boolean])[],
): Figure {
  const under = samples.filter((sample) => sample.load === load.name);
  const turns = Math.max(0, ...samples.map((sample) => sample.turn + 1));
  const series = servers.map(([name, isOurs]) => ({
    name,
    isOurs,
    samples: Array.from({ length: turns }, (_, turn) => {
      const sample = under.find((each) => each.server === name && each.turn === turn);
      return sample === undefined ? null : metric.of(sample);
    }),
  }));
  const goals = comparison.goals.filter(
    (goal) => goal.load === load.name && goal.metric === metric,
  );
  return {
    name: `${load.name}: ${metric.name}`,
    unit: metric.unit,
    better: metric.better,
    series: series.filter((each) => each.samples.some((sample) => sample !== null)),
    goals: goals.map(({ load: _load, metric: _metric, ...goal }) => goal),
  };
}
