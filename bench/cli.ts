// SPDX-License-Identifier: MIT
// `npm run bench`: runs suites, prints tables, writes JSON, or makes a page of an earlier run.

import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { writeReport } from "./report.ts";
import { ALIASES, SUITES } from "./suites.ts";
import { describeMachine } from "./support/description.ts";
import { verdictOn } from "./support/figure.ts";
import { checkOnly, namesIn } from "./support/only.ts";
import { PACES, type Pace } from "./support/pace.ts";
import { RESULTS_VERSION, type Results, type SuiteResult } from "./support/results.ts";
import { tableOf } from "./support/table.ts";

const HELP = `Usage: npm run bench -- [SUITE ...] [--quick] [--only NAME[,NAME]] [--json FILE]
       npm run bench -- report [FILE.json ...] [--out FILE.html]

${Object.entries(SUITES)
  .map(([name, { about }]) => `  ${name.padEnd(10)} ${about}`)
  .join("\n")}

  --quick      fewer and shorter runs: a smoke test, not a measurement
  --only NAMES runs only these of those that a suite compares, by name or its beginning; a comma
               with a space after it is a part of a name
  --json FILE  writes everything that was measured, besides printing it; "-" prints it instead
  --out FILE   where "report" writes its page (report.html)
  --help       prints this

Without a suite all of them run. "report" makes one page with tables and plots of files that --json
has written (results.json if none is named). Figures compare within one run only: machines differ
and drift. Suites that compare servers need root or user namespaces, a C compiler and two
processors; Bun and Deno are fetched once by npm, into bench/.cache.
`;

interface Arguments {
  readonly report: readonly string[] | null;
  readonly out: string;
  readonly suites: readonly string[];
  readonly pace: Pace;
  readonly json: string | null;
}

function suiteNamed(name: string): string {
  const suite = ALIASES[name] ?? name;
  if (suite in SUITES) return suite;
  throw new Error(`no suite "${name}": there are ${Object.keys(SUITES).join(", ")}`);
}

function parse(args: readonly string[]): Arguments | null {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      help: { type: "boolean" },
      json: { type: "string" },
      only: { type: "string" },
      out: { type: "string" },
      quick: { type: "boolean" },
      // For the tests: that the suites run at all.
      tiny: { type: "boolean" },
    },
  });
  if (values.help === true) return null;
  const isReport = positionals[0] === "report";
  if (values.out !== undefined && !isReport) throw new Error("--out is for report");
  if (isReport && (values.json ?? values.only ?? values.quick ?? values.tiny) !== undefined) {
    throw new Error("report measures nothing: it takes files and --out");
  }
  const pace = PACES[values.tiny === true ? "tiny" : values.quick === true ? "quick" : "full"];
  const named = positionals.length > 0 && !isReport ? positionals : Object.keys(SUITES);
  return {
    report: isReport ? positionals.slice(1) : null,
    out: values.out ?? "report.html",
    suites: isReport ? [] : [...new Set(named.map(suiteNamed))],
    pace: values.only === undefined ? pace : { ...pace, only: namesIn(values.only) },
    json: values.json ?? null,
  };
}

function duration(seconds: number): string {
  return seconds < 100 ? `${Math.ceil(seconds)} s` : `${Math.ceil(seconds / 60)} min`;
}

async function runSuite(name: string, pace: Pace): Promise<SuiteResult> {
  const startedMs = performance.now();
  const { about, load } = SUITES[name] as (typeof SUITES)[string];
  const seconds = (): number => (performance.now() - startedMs) / 1_000;
  try {
    const { suite } = await load();
    checkOnly(suite.contestants?.(pace) ?? [], pace.only ?? []);
    const expected = duration(suite.expectedSeconds(pace));
    process.stderr.write(`${name}: a ${pace.name} run, about ${expected} on a quiet machine\n`);
    const { figures, notes } = await suite.run(pace);
    return { suite: name, about, seconds: seconds(), figures, notes };
  } catch (error) {
    const reason = (error as Error).message;
    process.stderr.write(`${name}: ${reason}\n`);
    return { suite: name, about, seconds: seconds(), figures: [], notes: [], error: reason };
  }
}

function textOf(result: SuiteResult): string {
  const head = `\n== ${result.suite} (${result.seconds.toFixed(1)} s)\n\n`;
  if (result.error !== undefined) return `${head}not measured: ${result.error}\n`;
  const notes = result.notes.map((note) => `note: ${note}\n`).join("");
  return `${head}${result.figures.map((figure) => `${tableOf(figure)}\n`).join("")}${notes}`;
}

/** How many goals there were, and how many of them were reached. */
function tally(results: readonly SuiteResult[]): string {
  const verdicts = results.flatMap((result) =>
    result.figures.flatMap((figure) => figure.goals.map((goal) => verdictOn(figure, goal))),
  );
  const count = (verdict: string): number => verdicts.filter((each) => each === verdict).length;
  return (
    `\n${verdicts.length} goals: ${count("reached")} reached, ${count("missed")} missed, ` +
    `${count("not measured")} not measured\n`
  );
}

async function measure({ suites, pace, json }: Arguments): Promise<void> {
  const startedAt = new Date().toISOString();
  const results: SuiteResult[] = [];
  const page = (): Results => ({
    version: RESULTS_VERSION,
    startedAt,
    pace: pace.name,
    machine: describeMachine(),
    suites: results,
  });
  for (const name of suites) {
    const result = await runSuite(name, pace);
    results.push(result);
    if (result.error !== undefined) process.exitCode = 1;
    if (json !== "-") process.stdout.write(textOf(result));
    // After every suite: a run that is interrupted has not been for nothing.
    if (json !== null && json !== "-") writeFileSync(json, `${JSON.stringify(page(), null, 1)}\n`);
  }
  process.stdout.write(json === "-" ? `${JSON.stringify(page(), null, 1)}\n` : tally(results));
}

try {
  const given = parse(process.argv.slice(2));
  if (given === null) process.stdout.write(HELP);
  else if (given.report === null) await measure(given);
  else writeReport(given.report.length > 0 ? given.report : ["results.json"], given.out);
} catch (error) {
  process.stderr.write(`bench: ${(error as Error).message}\n`);
  process.exitCode = 2;
}
