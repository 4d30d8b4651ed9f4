// SPDX-License-Identifier: MIT
// Every server in turn, each in a process of its own, every load on each. Every second turn goes
// through them backwards, so that a machine whose speed drifts does not favour whoever comes first.
// Everything is a child of this process and ends when its standard input does.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import {
  type Comparison,
  contestants,
  type InsideOutcome,
  type Server,
  type Site,
} from "./comparison.ts";
import { PORT } from "./contestants.ts";
import { type Load, type LoadResult, type Sample, warmUpSecondsOf } from "./load.ts";
import { childSeconds, processorTime } from "./machine.ts";
import { shell } from "./namespaces.ts";

/** More than this of the processors used by others, and a measurement is repeated. */
const TOLERABLE_SHARE = 0.05;
const REPEATS_IN_A_ROW = 3;
/** How long to wait for a quiet moment before each. */
const MAX_WAIT_SECONDS = 30;
const LOOK_MS = 500;
const MAX_START_MS = 15_000;
const STOP_MS = 5_000;

type Measured = LoadResult & Pick<Sample, "others" | "serverUs">;

/** Ends a child that ends with its standard input. */
export async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.stdin?.end();
  const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
  await exited;
  clearTimeout(timer);
}

/** Runs a comparison. Who does not start is left out, and the others go on. */
export async function takeTurns(comparison: Comparison, site: Site): Promise<InsideOutcome> {
  const turns = new Turns(comparison, site);
  for (let turn = 0; turn < site.pace.turns; turn++) await turns.take(turn);
  return { samples: turns.samples, notes: turns.notes };
}

class Turns {
  readonly samples: Sample[] = [];
  readonly notes: string[] = [];
  private readonly comparison: Comparison;
  private readonly site: Site;
  private servers: readonly Server[];
  private patienceSeconds: number;

  constructor(comparison: Comparison, site: Site) {
    this.comparison = comparison;
    this.site = site;
    this.servers = contestants(comparison, site);
    this.patienceSeconds = site.pace.patienceSeconds;
  }

  async take(turn: number): Promise<void> {
    for (const server of turn % 2 === 0 ? this.servers : [...this.servers].reverse()) {
      const { suite, pace } = this.site;
      process.stderr.write(`${suite}: turn ${turn + 1} of ${pace.turns}: ${server.name} `);
      try {
        if (server.prepare !== undefined) shell(server.prepare);
        try {
          await this.visit(turn, server);
        } finally {
          if (server.restore !== undefined) shell(server.restore);
        }
      } catch (error) {
        this.note(`left out: ${server.name}: ${(error as Error).message}`);
        this.servers = this.servers.filter((each) => each !== server);
      } finally {
        process.stderr.write("\n");
      }
    }
  }

  private note(text: string): void {
    process.stderr.write(` ${text};`);
    if (!this.notes.includes(text)) this.notes.push(text);
  }

  /** All loads on one server. */
  private async visit(turn: number, server: Server): Promise<void> {
    const child = await startServer(server, this.site);
    try {
      for (const load of this.comparison.loads) {
        if (server.loads?.includes(load.name) === false) continue;
        try {
          const measured = await this.measureQuietly(server, child, load);
          this.samples.push({ turn, server: server.name, load: load.name, ...measured });
          process.stderr.write(` ${briefly(load, measured)};`);
        } catch (error) {
          this.note(`${server.name}: ${load.name}: ${(error as Error).message}`);
          if (child.exitCode !== null || child.signalCode !== null) return;
        }
      }
    } finally {
      await stop(child);
    }
  }

  /** One load on one server, again if others disturbed it: the least disturbed counts. */
  private async measureQuietly(server: Server, child: ChildProcess, load: Load): Promise<Measured> {
    let best = await measureOnce(server, child, load, this.site);
    for (let n = 0; n < REPEATS_IN_A_ROW && best.others > TOLERABLE_SHARE; n++) {
      if (this.patienceSeconds <= 0) break;
      const startMs = performance.now();
      await quietMoment(child, this.site);
      const again = await measureOnce(server, child, load, this.site);
      if (again.others < best.others) best = again;
      this.patienceSeconds -= (performance.now() - startMs) / 1_000;
    }
    return best;
  }
}

/** Waits until nobody else uses the processors, but not for ever. */
async function quietMoment(child: ChildProcess, site: Site): Promise<void> {
  const processors = [site.serverProcessor, site.loadProcessor];
  const endMs = performance.now() + Math.min(MAX_WAIT_SECONDS, site.pace.patienceSeconds / 2) * 1e3;
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
  site: Site,
): Promise<Measured> {
  const processors = [site.serverProcessor, site.loadProcessor];
  const before = processorTime(processors);
  const usedBefore = childSeconds(child.pid as number);
  const resetsBefore = resets();
  const result = await runLoad(server, load, site);
  const reset = resets() - resetsBefore;
  // A segment that was lost to a full queue may end in one.
  if (load.mode === "connect" && reset > 2 + result.total / 100) {
    throw new Error(`${reset} resets: connections are to be closed in an orderly way`);
  }
  const serverSeconds = childSeconds(child.pid as number) - usedBefore;
  const after = processorTime(processors);
  const ours = serverSeconds + result.loadSeconds;
  const others = (after.busy - before.busy - ours) / Math.max(0.01, after.total - before.total);
  const serverUs = (serverSeconds * 1e6) / Math.max(1, result.total);
  return { ...result, serverUs, others: Math.max(0, others) };
}

/** Connections of this namespace that either side has reset so far. */
function resets(): number {
  const lines = readFileSync("/proc/net/snmp", "utf8").split("\n");
  const [names = [], values = []] = lines
    .filter((line) => line.startsWith("Tcp:"))
    .map((line) => line.split(" "));
  const counter = (name: string): number => Number(values[names.indexOf(name)] ?? 0);
  return counter("OutRsts") + counter("EstabResets");
}

function briefly(load: Load, result: LoadResult): string {
  return load.mode === "echo" || load.mode === "connect"
    ? `${Math.round(result.perSecond)}/s ${result.p50Us} us`
    : `${((result.bytesPerSecond * 8) / 1e9).toFixed(1)} Gbit/s`;
}

/** What a program wrote before it failed: the line that names an error, else the last. */
function lastWords(text: string): string {
  const lines = text.trim().split("\n");
  const line = lines.find((each) => /^\w*Error\b/.test(each)) ?? lines.at(-1) ?? "";
  return line.slice(0, 300);
}

async function startServer(server: Server, site: Site): Promise<ChildProcess> {
  const child = spawn("taskset", ["-c", `${site.serverProcessor}`, ...server.command], {
    stdio: ["pipe", "pipe", "pipe"],
  });
  let complaint = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    complaint = `${complaint}${text}`.slice(-2_000);
  });
  let timer: NodeJS.Timeout | undefined;
  const outcome = await Promise.race([
    once(child.stdout, "data").then(() => "ready"),
    once(child, "close").then(() => lastWords(complaint) || "it ended at once"),
    new Promise<string>((resolve) => {
      timer = setTimeout(() => resolve("it does not say that it is ready"), MAX_START_MS);
    }),
  ]);
  clearTimeout(timer);
  child.stdout.resume();
  if (outcome === "ready") return child;
  await stop(child);
  throw new Error(outcome);
}

async function runLoad(server: Server, load: Load, site: Site): Promise<LoadResult> {
  const { seconds, maxConnections } = site.pace;
  const { bytes, mode } = load;
  const connections = Math.min(load.connections, maxConnections);
  const active = Math.min(load.active ?? connections, connections);
  const program = server.client ?? [site.programs["load"] as string];
  const warmUp = warmUpSecondsOf(load, site.pace);
  const args = [server.host, PORT, connections, active, warmUp, seconds, bytes, mode];
  const child = spawn("taskset", ["-c", `${site.loadProcessor}`, ...program, ...args.map(String)], {
    stdio: ["pipe", "pipe", "pipe"],
  });
  let output = "";
  let complaint = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    complaint = `${complaint}${text}`.slice(-2_000);
  });
  const [code] = (await once(child, "close")) as [number | null];
  if (code !== 0) throw new Error(lastWords(complaint) || `the load ended with ${code}`);
  const result = JSON.parse(output) as LoadResult;
  if (result.bytesPerSecond === 0 && site.pace.name !== "tiny") {
    throw new Error("nothing came back while it was measured");
  }
  return result;
}
