// SPDX-License-Identifier: MIT
// Bun and Deno. Nobody who uses or develops Caraway needs them, so they are no dependencies: npm
// fetches them when they are measured for the first time, into a folder that git ignores.

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { Pace } from "./pace.ts";

/** What is fetched. Their programs lie in packages of their own, one per platform. */
export const PEER_VERSIONS = { bun: "1.4.5", deno: "2.9.6" } as const;

/** Programs by name; those that could not be had are missing. */
export interface Peers {
  readonly programs: Readonly<Partial<Record<keyof typeof PEER_VERSIONS, string>>>;
  /** Why some are missing, and what to do. */
  readonly notes: readonly string[];
}

const PROGRAMS = {
  bun: { scope: "@oven", file: "bin/bun" },
  deno: { scope: "@deno", file: "deno" },
} as const;
const FETCH_TIMEOUT_MS = 300_000;

/** From bench/support, or from where this lies compiled: bench/dist/bench/support. */
function cacheFolder(): string {
  const bench = fileURLToPath(new URL("..", import.meta.url));
  const root = bench.endsWith("/dist/bench/") ? path.join(bench, "../..") : bench;
  return path.join(root, ".cache", `bun-${PEER_VERSIONS.bun}-deno-${PEER_VERSIONS.deno}`);
}

function find(folder: string, name: keyof typeof PROGRAMS): string | null {
  const scope = path.join(folder, "node_modules", PROGRAMS[name].scope);
  const packages = existsSync(scope) ? readdirSync(scope) : [];
  const programs = packages.map((each) => path.join(scope, each, PROGRAMS[name].file));
  // Of two for one platform, one is for another C library: the one that runs is taken.
  return programs.find((program) => spawnSync(program, ["--version"]).status === 0) ?? null;
}

function fetchAll(folder: string): string | null {
  mkdirSync(folder, { recursive: true });
  writeFileSync(path.join(folder, "package.json"), '{ "private": true }\n');
  const wanted = Object.entries(PEER_VERSIONS).map(([name, version]) => `${name}@${version}`);
  process.stderr.write(`bench: fetching ${wanted.join(" and ")} (about 200 MB, once) ...\n`);
  // Their install scripts only put the programs into place, and are not needed for that.
  const args = ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
  const fetched = spawnSync("npm", [...args, ...wanted], {
    cwd: folder,
    encoding: "utf8",
    stdio: ["ignore", "ignore", "pipe"],
    timeout: FETCH_TIMEOUT_MS,
  });
  if (fetched.status === 0) return null;
  return fetched.stderr?.trim().split("\n").at(-1) ?? String(fetched.error);
}

/** Finds them, and fetches them if need be; a tiny run measures what is there. */
export function providePeers(pace: Pace): Peers {
  const folder = cacheFolder();
  const names = Object.keys(PEER_VERSIONS) as (keyof typeof PEER_VERSIONS)[];
  const programs: Partial<Record<keyof typeof PEER_VERSIONS, string>> = {};
  let reason = "they are fetched by a full or a quick run";
  for (const mayFetch of [pace.name !== "tiny", false]) {
    for (const name of names) {
      const program = find(folder, name);
      if (program !== null) programs[name] = program;
    }
    if (Object.keys(programs).length === names.length || !mayFetch) break;
    reason = fetchAll(folder) ?? "npm has brought nothing for this platform";
  }
  const missing = names.filter((name) => programs[name] === undefined);
  if (missing.length === 0) return { programs, notes: [] };
  const note =
    `left out: ${missing.join(" and ")}: ${reason}. ` +
    "They come from the npm registry, so the first run needs the network";
  return { programs, notes: [note] };
}
