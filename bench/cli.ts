// SPDX-License-Identifier: MIT
// `npm run bench`: runs suites, prints a table or JSON. Figures compare within one run only.

import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { type Figure, missesGoal } from "./figure.ts";

const HELP = `Usage: npm run bench -- [scheduler|wire|tcp|veth|kernel ...] [--quick] [--json [FILE]]

  scheduler   switches, go, channels, deadlines, beside Effection, async/await, bare generators
  wire        what a packet costs in src/wire, in nanoseconds
  tcp         the stack in the process: a request, connect and close, bulk bytes, idle connections
  veth        64-byte echo against kernel TCP clients over veth, beside Node's net
  kernel      servers on the kernel's sockets over loopback and veth: ours beside Node's net and
              epoll in C: 64-byte echo, connections, bulk data
              (these two need root or user namespaces, a C compiler, two processors)

  --quick     fewer and shorter runs: a smoke test, not a measurement
  --json      prints JSON instead of a table; with FILE writes it there besides the table
  --help      prints this

Without a suite all of them run. Medians are printed, with the lowest and highest of the runs where
there were several. Compare figures of one run only: machines differ and drift.
`;

type Suite = (options: { quick: boolean }) => Promise<Figure[]>;

const SUITES: Record<string, () => Promise<Suite>> = {
  scheduler: async () => (await import("./scheduler.ts")).runSchedulerSuite,
  wire: async () => (await import("./wire.ts")).runWireSuite,
  tcp: async () => (await import("./tcp.ts")).runTcpSuite,
  veth: async () => (await import("./veth.ts")).runVethSuite,
  kernel: async () => (await import("./kernel.ts")).runKernelSuite,
};

interface Report {
  readonly suite: string;
  readonly seconds: number;
  readonly figures?: readonly Figure[];
  readonly error?: string;
}

interface Arguments {
  readonly suites: readonly string[];
  readonly quick: boolean;
  readonly json: boolean;
  readonly file: string | null;
}

/** Every argument but options is a suite, and the one after `--json` may be a file. */
function parse(given: readonly string[]): Arguments {
  const args = [...given];
  const at = args.indexOf("--json");
  const next = at < 0 ? undefined : args[at + 1];
  const file = next !== undefined && !next.startsWith("-") && !(next in SUITES) ? next : null;
  if (file !== null) args.splice(at + 1, 1);
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      help: { type: "boolean" },
      json: { type: "boolean" },
      quick: { type: "boolean" },
    },
  });
  for (const name of positionals) {
    if (!(name in SUITES)) {
      throw new Error(`no suite "${name}": there are ${Object.keys(SUITES).join(", ")}`);
    }
  }
  if (values.help === true) {
    process.stdout.write(HELP);
    process.exit(0);
  }
  const suites = positionals.length > 0 ? positionals : Object.keys(SUITES);
  return { suites, quick: values.quick === true, json: values.json === true, file };
}

async function runSuite(name: string, quick: boolean): Promise<Report> {
  const startedMs = performance.now();
  const seconds = (): number => (performance.now() - startedMs) / 1_000;
  const timer = setTimeout(() => process.stderr.write(`${name}: measuring ...\n`), 500);
  timer.unref();
  process.stderr.write(`${name}: ${quick ? "a quick run" : "a full run"}\n`);
  try {
    const suite = await (SUITES[name] as () => Promise<Suite>)();
    const figures = await suite({ quick });
    return { suite: name, seconds: seconds(), figures };
  } catch (error) {
    return { suite: name, seconds: seconds(), error: (error as Error).message };
  } finally {
    clearTimeout(timer);
  }
}

/** Four digits that matter, thousands apart. */
function formatted(value: number): string {
  const digits = Math.abs(value) >= 1_000 ? 0 : Math.abs(value) >= 100 ? 1 : 2;
  return value.toLocaleString("en-US", {
    minimumFractionDigits: digits === 2 && value % 1 !== 0 ? 2 : 0,
    maximumFractionDigits: value !== 0 && Math.abs(value) < 0.1 ? 4 : digits,
  });
}

function goalText(figure: Figure): string {
  if (figure.goal === undefined) return "";
  const limit = `${figure.goalIs ?? "at most"} ${formatted(figure.goal)}`;
  return `${limit}: ${missesGoal(figure) ? "MISSED" : "reached"}`;
}

function rowOf(figure: Figure): string[] {
  const spread = figure.spread?.map(formatted).join(" .. ") ?? "";
  const peers = Object.entries(figure.peers ?? {}).map(
    ([name, value]) => `${name} ${formatted(value)} (x${formatted(figure.median / value)})`,
  );
  return [
    figure.name,
    `${formatted(figure.median)} ${figure.unit}`,
    spread,
    goalText(figure),
    peers.join("; "),
  ];
}

function table(report: Report): string {
  const head = `\n${report.suite} (${report.seconds.toFixed(1)} s)\n`;
  if (report.figures === undefined) return `${head}  not measured: ${report.error}\n`;
  const titles = ["", "median", "lowest .. highest", "goal", "peers (x: ours by theirs)"];
  const rows = [titles, ...report.figures.map(rowOf)];
  const widths = titles.map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  const lines = rows.map((row) =>
    row
      .map((cell, column) =>
        column === 1 ? cell.padStart(widths[1] ?? 0) : cell.padEnd(widths[column] ?? 0),
      )
      .join("  ")
      .trimEnd(),
  );
  return `${head}${lines.join("\n")}\n`;
}

async function main(): Promise<void> {
  const { suites, quick, json, file } = parse(process.argv.slice(2));
  const reports: Report[] = [];
  for (const name of suites) {
    const report = await runSuite(name, quick);
    reports.push(report);
    if (!json || file !== null) process.stdout.write(table(report));
    if (report.error !== undefined) {
      process.stderr.write(`${name}: ${report.error}\n`);
      process.exitCode = 1;
    }
  }
  if (!json) return;
  const { node, v8 } = process.versions;
  const text = `${JSON.stringify({ node, v8, arch: process.arch, quick, reports }, null, 2)}\n`;
  if (file === null) process.stdout.write(text);
  else writeFileSync(file, text);
}

try {
  await main();
} catch (error) {
  process.stderr.write(`bench: ${(error as Error).message}\n`);
  process.exitCode = 2;
}
