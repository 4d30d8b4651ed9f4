// SPDX-License-Identifier: MIT
// What very many connections cost, both ends of each in one process over our own stack: the program
// of `npm run scale`, once per sample in a process of its own. A part of the suite `scale`.
//
//   node --expose-gc scale-many.js COUNT           prints the program's report as JSON

import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { runScale, type ScaleReport } from "../test/scale/million.ts";
import type { Figure } from "./support/figure.ts";
import type { Pace } from "./support/pace.ts";

const SELF = fileURLToPath(import.meta.url);
/** What may grow with the number of connections: the cost of one is to stay within this. */
const FLAT_WITHIN = 2;
const SIZES: Readonly<Record<Pace["name"], readonly number[]>> = {
  full: [1_000, 10_000, 100_000],
  quick: [1_000, 10_000],
  tiny: [300],
};

function measureApart(connections: number): ScaleReport {
  const args = ["--expose-gc", "--max-old-space-size=8192", SELF, `${connections}`];
  const child = spawnSync(process.execPath, args, {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  if (child.status !== 0) throw new Error(`${connections} connections in one process: see above`);
  return JSON.parse(child.stdout) as ScaleReport;
}

function nameOf(connections: number): string {
  return `${connections.toLocaleString("en-US")} connections`;
}

function figureOf(
  name: string,
  unit: string,
  reports: ReadonlyMap<number, readonly ScaleReport[]>,
  of: (report: ScaleReport) => number,
): Figure {
  const sizes = [...reports.keys()];
  const series = sizes.map((size) => ({
    name: nameOf(size),
    isOurs: true,
    samples: (reports.get(size) ?? []).map(of),
  }));
  const [least, most] = [Math.min(...sizes), Math.max(...sizes)];
  const ratio = { ours: nameOf(most), theirs: nameOf(least) };
  const goals = [{ ...ratio, is: "at most" as const, limit: FLAT_WITHIN }];
  return { name, unit, better: "lower", series, goals: least === most ? [] : goals };
}

/** What these figures take, in seconds. */
export function manySeconds(pace: Pace): number {
  const each = SIZES[pace.name].map((connections) => 4 + connections / 5_000);
  return pace.turns * each.reduce((a, b) => a + b, 0);
}

/** Measures them: one size after the other, again and again. */
export function manyFigures(pace: Pace): Figure[] {
  const reports = new Map<number, ScaleReport[]>();
  for (let turn = 0; turn < pace.turns; turn++) {
    for (const size of SIZES[pace.name]) {
      process.stderr.write(`scale: turn ${turn + 1} of ${pace.turns}: ${nameOf(size)}\n`);
      reports.set(size, [...(reports.get(size) ?? []), measureApart(size)]);
    }
  }
  const phases = [...reports.values()][0]?.[0]?.phases ?? [];
  const costs = phases.map(({ name }) =>
    figureOf(`in one process: ${name}, processor time each, both ends`, "us", reports, (report) => {
      return report.phases.find((phase) => phase.name === name)?.cpuUs ?? Number.NaN;
    }),
  );
  const bytes = "in one process: bytes per connection at rest, both ends";
  return [...costs, figureOf(bytes, "bytes", reports, (report) => report.bytesPerConnection)];
}

if (process.argv[1] === SELF) {
  const report = await runScale({ connections: Number(process.argv[2]) });
  process.stdout.write(`${JSON.stringify(report)}\n`, () => process.exit(0));
}
