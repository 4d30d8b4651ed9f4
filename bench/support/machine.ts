// SPDX-License-Identifier: MIT
// What comparisons of servers need of the machine: programs, processors, a namespace of their own.

import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

/** The system's compiler: a POSIX name, so that gcc and clang do alike. */
const COMPILER = "cc";
const TOOLS = [COMPILER, "ip", "nsenter", "taskset", "unshare"];

/** @returns the programs that are not on PATH */
export function missingTools(): string[] {
  const folders = (process.env["PATH"] ?? "").split(":");
  return TOOLS.filter((tool) => !folders.some((folder) => existsSync(path.join(folder, tool))));
}

/** @returns the processors that this process may run on */
export function allowedProcessors(): number[] {
  const status = readFileSync("/proc/self/status", "utf8");
  const list = /^Cpus_allowed_list:\s*(.*)$/m.exec(status)?.[1] ?? "0";
  return list.split(",").flatMap((range) => {
    const [first = 0, last = first] = range.split("-").map(Number);
    return Array.from({ length: last - first + 1 }, (_, n) => first + n);
  });
}

/**
 * How to run a command in a network namespace of its own that ends with it.
 *
 * @throws Error that says what is missing and what to do about it
 */
export function enterCommand(suite: string): string[] {
  // Root keeps its power: XDP programs are for the machine's root only, and the C program that is
  // the upper bound over AF_XDP needs one too. A user namespace makes the rest work for others.
  const candidates = [["unshare", "-Urn"]];
  if (process.getuid?.() === 0) candidates.unshift(["unshare", "-n"]);
  let reason = "";
  for (const candidate of candidates) {
    const tried = spawnSync(candidate[0] as string, [...candidate.slice(1), "true"], {
      encoding: "utf8",
    });
    if (tried.status === 0) return candidate;
    reason = tried.stderr.trim();
  }
  throw new Error(
    `the suite ${suite} needs a network namespace of its own, and got none ` +
      `(${reason}). Run it as root, or allow user namespaces: ` +
      "sysctl -w kernel.unprivileged_userns_clone=1 user.max_user_namespaces=10000, " +
      "on Ubuntu also kernel.apparmor_restrict_unprivileged_userns=0",
  );
}

/** Compiles a C program of bench/programs. @returns the path of the executable */
export function compileProgram(folder: string, name: string): string {
  const program = path.join(folder, name);
  const source = sourceOf(`programs/${name}.c`);
  const args = ["-O2", "-std=gnu11", "-Wall", "-Wextra", "-o", program, source];
  const compiled = spawnSync(COMPILER, args, { encoding: "utf8" });
  if (compiled.status !== 0) {
    throw new Error(`bench/programs/${name}.c does not compile:\n${compiled.stderr}`);
  }
  return program;
}

/** The path of a file of bench/, from here or from where this file lies compiled: bench/dist. */
export function sourceOf(file: string): string {
  const bench = fileURLToPath(new URL("..", import.meta.url));
  const source = path.join(bench, file);
  return existsSync(source) ? source : path.join(bench, "../..", file);
}

/** Busy and total time of processors since the machine started, in seconds. */
export interface ProcessorTime {
  readonly busy: number;
  readonly total: number;
}

/** Clock ticks in /proc/stat: USER_HZ, 100 a second wherever Node runs. */
const TICK_SECONDS = 0.01;

/** @returns what the processors have done so far */
export function processorTime(processors: readonly number[]): ProcessorTime {
  let busy = 0;
  let total = 0;
  for (const line of readFileSync("/proc/stat", "utf8").split("\n")) {
    const [name = "", ...ticks] = line.split(/\s+/);
    if (!processors.includes(Number(name.slice(3))) || !/^cpu\d+$/.test(name)) continue;
    // user nice system idle iowait irq softirq steal
    const all = ticks.slice(0, 8).map((count) => Number(count) * TICK_SECONDS);
    const sum = all.reduce((a, b) => a + b, 0);
    total += sum;
    busy += sum - (all[3] ?? 0) - (all[4] ?? 0);
  }
  return { busy, total };
}

/** Processor time that all threads of a process and of its children have used, in seconds. */
export function childSeconds(pid: number): number {
  let seconds = 0;
  try {
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      const folder = `/proc/${pid}/task/${thread}`;
      seconds += Number(readFileSync(`${folder}/schedstat`, "utf8").split(" ")[0]) / 1e9;
      const children = readFileSync(`${folder}/children`, "utf8").trim();
      for (const child of children.split(" ")) {
        if (child !== "") seconds += childSeconds(Number(child));
      }
    }
  } catch {
    // It has ended meanwhile.
  }
  return seconds;
}
