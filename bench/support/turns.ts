// SPDX-License-Identifier: MIT
// The part of a comparison that runs inside its namespaces: every server in turn, each in a process
// of its own, every load on each. Every second turn goes through them backwards, so that a machine
// whose speed drifts does not favour whoever comes first. Everything is a child of this process and
// ends when its standard input does.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { InsideOptions, LoadResult, Sample } from "./comparison.ts";
import { processorTime } from "./machine.ts";

/** Where servers echo. At the next port they drop what comes, at the one after they send. */
export const PORT = 7_777;
const SERVER = fileURLToPath(new URL("./server.js", import.meta.url));
/** More than this of the processors used by others, and a measurement is repeated. */
const TOLERABLE_SHARE = 0.05;
const REPEATS_IN_A_ROW = 3;
/** How long to wait for a quiet moment before each, and with all repeats of a run, in seconds. */
const MAX_WAIT_SECONDS = 30;
const PATIENCE_SECONDS = 1_200;
const PATIENCE_SECONDS_QUICK = 60;
const LOOK_MS = 500;
const MODE_PORTS = { echo: 0, connect: 0, send: 1, receive: 2 } as const;

/** One of those that are compared. */
export interface Server {
  readonly name: string;
  /** The network that it is reached by; "" where there is but one. */
  readonly network: string;
  /** Where the load connects to. */
  readonly host: string;
  /** Program and arguments. It says "ready", and ends when its standard input does. */
  readonly command: readonly string[];
  readonly isFullRunOnly?: boolean;
}

/** What is asked of each. */
export interface Load {
  readonly name: string;
  readonly connections: number;
  /** As support/load.c knows it. */
  readonly mode: keyof typeof MODE_PORTS;
  readonly bytes: number;
}

type Measured = LoadResult & Pick<Sample, "others" | "serverUs">;

/** The command of support/server.ts with these arguments. */
export function nodeServer(...args: readonly string[]): string[] {
  const flags = (process.env["CARAWAY_BENCH_NODE_FLAGS"] ?? "").split(" ").filter(Boolean);
  return [process.execPath, ...flags, SERVER, ...args];
}

/** Ends a child that ends with its standard input. */
export async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.stdin?.end();
  const timer = setTimeout(() => child.kill("SIGKILL"), 5_000);
  await exited;
  clearTimeout(timer);
}

/**
 * Runs the inside of a comparison: `measure` with the options of the outside. Prints the samples as
 * one line of JSON.
 */
export async function runTurns(
  measure: (options: InsideOptions) => Promise<Sample[]>,
): Promise<void> {
  // Whoever started this has gone: so does this, and by their standard inputs all the others.
  process.stdin.on("end", () => process.exit(1)).resume();
  const options = JSON.parse(process.argv[2] ?? "{}") as InsideOptions;
  try {
    process.stdout.write(`${JSON.stringify(await measure(options))}\n`);
  } catch (error) {
    process.stderr.write(`${options.suite}: ${(error as Error).message}\n`);
    process.exitCode = 1;
  } finally {
    process.stdin.destroy();
  }
}

/** Every server in turn, every load on each. */
export async function takeTurns(
  all: readonly Server[],
  loads: readonly Load[],
  options: InsideOptions,
): Promise<Sample[]> {
  const samples: Sample[] = [];
  const patience = { seconds: options.quick ? PATIENCE_SECONDS_QUICK : PATIENCE_SECONDS };
  const servers = all.filter((server) => !(options.quick && server.isFullRunOnly === true));
  for (let turn = 0; turn < options.turns; turn++) {
    for (const server of turn % 2 === 0 ? servers : [...servers].reverse()) {
      const where = server.network === "" ? server.name : `${server.network}: ${server.name}`;
      process.stderr.write(`${options.suite}: turn ${turn + 1} of ${options.turns}: ${where} `);
      const child = await startServer(server, options);
      try {
        for (const load of loads) {
          const measured = await measureQuietly(server, child, load, options, patience);
          const { name, network } = server;
          samples.push({ turn, server: name, network, load: load.name, ...measured });
          process.stderr.write(` ${briefly(load, measured)};`);
        }
      } finally {
        await stop(child);
        process.stderr.write("\n");
      }
    }
  }
  return samples;
}

/** One load on one server, again if others disturbed it: the least disturbed counts. */
async function measureQuietly(
  server: Server,
  child: ChildProcess,
  load: Load,
  options: InsideOptions,
  patience: { seconds: number },
): Promise<Measured> {
  let best = await measureOnce(server, child, load, options);
  for (let n = 0; n < REPEATS_IN_A_ROW && best.others > TOLERABLE_SHARE; n++) {
    if (patience.seconds <= 0) break;
    const startMs = performance.now();
    await quietMoment(child, options);
    const again = await measureOnce(server, child, load, options);
    if (again.others < best.others) best = again;
    patience.seconds -= (performance.now() - startMs) / 1_000;
  }
  return best;
}

/** Waits until nobody else uses the processors, but not for ever. */
async function quietMoment(child: ChildProcess, options: InsideOptions): Promise<void> {
  const processors = [options.serverProcessor, options.loadProcessor];
  const endMs = performance.now() + MAX_WAIT_SECONDS * 1_000;
  // A server that never sleeps would be taken for the others.
  child.kill("SIGSTOP");
  while (performance.now() < endMs) {
    const before = processorTime(processors);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    const after = processorTime(processors);
    if (after.busy - before.busy < (after.total - before.total) * TOLERABLE_SHARE) break;
  }
  child.kill("SIGCONT");
}

async function measureOnce(
  server: Server,
  child: ChildProcess,
  load: Load,
  options: InsideOptions,
): Promise<Measured> {
  const processors = [options.serverProcessor, options.loadProcessor];
  const before = processorTime(processors);
  const usedBefore = secondsOf(child);
  const result = await runLoad(server, load, options);
  const serverSeconds = secondsOf(child) - usedBefore;
  const after = processorTime(processors);
  const ours = serverSeconds + result.loadSeconds;
  const others = (after.busy - before.busy - ours) / Math.max(0.01, after.total - before.total);
  const serverUs = (serverSeconds * 1e6) / result.total;
  return { ...result, serverUs, others: Math.max(0, others) };
}

function briefly(load: Load, result: LoadResult): string {
  return load.mode === "send" || load.mode === "receive"
    ? `${Math.round(result.bytesPerSecond / 1e6)} MB/s`
    : `${Math.round(result.perSecond)}/s ${result.p50Us} us`;
}

/** Processor time that all threads of a process have used so far. */
function secondsOf(child: ChildProcess): number {
  const folder = `/proc/${child.pid}/task`;
  let seconds = 0;
  for (const thread of readdirSync(folder)) {
    const text = readFileSync(`${folder}/${thread}/schedstat`, "utf8");
    seconds += Number(text.split(" ")[0]) / 1e9;
  }
  return seconds;
}

async function startServer(server: Server, options: InsideOptions): Promise<ChildProcess> {
  const command = ["taskset", "-c", `${options.serverProcessor}`, ...server.command];
  const child = spawn(command[0] as string, command.slice(1), {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const started = await Promise.race([
    once(child.stdout, "data").then(() => true),
    once(child, "exit").then(() => false),
  ]);
  if (!started) throw new Error(`the server "${server.name}" does not start`);
  return child;
}

async function runLoad(server: Server, load: Load, options: InsideOptions): Promise<LoadResult> {
  const seconds = options.quick ? 0.7 : 1.5;
  const warmUp = options.quick ? 0.4 : 0.7;
  const port = PORT + MODE_PORTS[load.mode];
  const args = [server.host, port, load.connections, warmUp, seconds, load.bytes, load.mode];
  const program = options.programs["load"] as string;
  const pinned = ["-c", `${options.loadProcessor}`, program, ...args.map(String)];
  const child = spawn("taskset", pinned, { stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  const [code] = (await once(child, "close")) as [number | null];
  if (code !== 0) throw new Error(`"${load.name}" against "${server.name}" failed`);
  return JSON.parse(output) as LoadResult;
}
