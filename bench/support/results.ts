// SPDX-License-Identifier: MIT
// The file that `--json` writes and `report` reads.

import { readFileSync } from "node:fs";
import type { MachineDescription } from "./description.ts";
import type { Figure } from "./figure.ts";

/** Raised when a reader of old files could misunderstand a new one. */
export const RESULTS_VERSION = 1;

/** What one suite has given. */
export interface SuiteResult {
  readonly suite: string;
  readonly about: string;
  readonly seconds: number;
  readonly figures: readonly Figure[];
  readonly notes: readonly string[];
  /** Why it was not measured. */
  readonly error?: string;
}

/** One run of the bench. */
export interface Results {
  readonly version: typeof RESULTS_VERSION;
  /** ISO 8601, UTC. */
  readonly startedAt: string;
  readonly pace: string;
  readonly machine: MachineDescription;
  readonly suites: readonly SuiteResult[];
}

/**
 * Reads a file of results.
 *
 * @throws Error that names the file and what is wrong with it
 */
export function readResults(file: string): Results {
  let results: Partial<Results>;
  try {
    results = JSON.parse(readFileSync(file, "utf8")) as Partial<Results>;
  } catch (error) {
    const isMissing = (error as NodeJS.ErrnoException).code === "ENOENT";
    const reason = isMissing
      ? `no such file; \`npm run bench -- --json ${file}\` writes one`
      : error instanceof SyntaxError
        ? `no JSON, or cut short (${error.message}); \`npm run bench -- --json ${file}\` writes it anew`
        : (error as Error).message;
    throw new Error(`${file}: ${reason}`);
  }
  if (typeof results !== "object" || results === null || !Array.isArray(results.suites)) {
    throw new Error(`${file}: not what \`npm run bench -- --json FILE\` writes`);
  }
  if (results.version !== RESULTS_VERSION) {
    throw new Error(
      `${file}: version ${results.version ?? "none"} of the results, version ${RESULTS_VERSION} ` +
        "is known here: measure again",
    );
  }
  return results as Results;
}
