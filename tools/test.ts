// SPDX-License-Identifier: MIT
// `npm test`: every stage runs, also after one has failed, and the end says which did. Arguments
// go to vitest: `npm test -- test/tcp`.

import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import path from "node:path";
import { listFiles, ROOT } from "./project.ts";

interface Stage {
  readonly name: string;
  readonly command: readonly string[];
  /** Show the output as it comes, not only when the stage fails. */
  readonly isLoud?: boolean;
}

/** A stage that could not be run here, with the reason. */
interface Skipped {
  readonly name: string;
  readonly skip: string;
}

const BIN = path.join(ROOT, "node_modules", ".bin");

function stages(vitestArguments: readonly string[]): (Stage | Skipped)[] {
  return [
    { name: "types", command: ["tsc", "--noEmit", "-p", "tsconfig.json"] },
    { name: "lint", command: ["biome", "lint", "--error-on-warnings", "."] },
    { name: "rules", command: ["tsx", "tools/check.ts", "rules"] },
    { name: "format", command: ["biome", "format", "."] },
    clangFormat(),
    { name: "docs", command: ["tsx", "tools/check.ts", "docs"] },
    { name: "tests", command: ["vitest", "run", ...vitestArguments], isLoud: true },
  ];
}

function clangFormat(): Stage | Skipped {
  const name = "format c++";
  const files = listFiles(ROOT, "native-io", [".cc", ".h"]);
  if (files.length === 0) return { name, skip: "no C++ files" };
  const styles = [".clang-format", "native-io/.clang-format"];
  if (!styles.some((style) => existsSync(path.join(ROOT, style)))) {
    return { name, skip: "no .clang-format" };
  }
  if (spawnSync("clang-format", ["--version"]).status !== 0) {
    // In CI a tool that is missing is an error, as a NIC would be.
    if (process.env["CARAWAY_REQUIRE_NIC"] !== "1") return { name, skip: "no clang-format here" };
  }
  return { name, command: ["clang-format", "--dry-run", "-Werror", ...files] };
}

/** Runs one stage and returns whether it passed. */
function run(stage: Stage): boolean {
  const [command = "", ...args] = stage.command;
  const started = performance.now();
  const result = spawnSync(command, args, {
    cwd: ROOT,
    env: { ...process.env, PATH: `${BIN}${path.delimiter}${process.env["PATH"]}` },
    stdio: ["ignore", stage.isLoud ? "inherit" : "pipe", stage.isLoud ? "inherit" : "pipe"],
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
  });
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  const isGood = result.status === 0;
  if (!isGood && !stage.isLoud)
    process.stdout.write(`${result.stdout ?? ""}${result.stderr ?? ""}`);
  if (result.error !== undefined) console.log(String(result.error));
  console.log(`${isGood ? "pass" : "FAIL"}  ${stage.name} (${seconds} s)`);
  return isGood;
}

const failed: string[] = [];
for (const stage of stages(process.argv.slice(2))) {
  if ("skip" in stage) console.log(`skip  ${stage.name}: ${stage.skip}`);
  else if (!run(stage)) failed.push(stage.name);
}
console.log(failed.length === 0 ? "all stages passed" : `failed: ${failed.join(", ")}`);
process.exitCode = failed.length === 0 ? 0 : 1;
