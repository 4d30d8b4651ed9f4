// The Internet checksum in C++: by wide instructions where the CPU has them, and without. A program
// of its own, since the addon shows none of it.

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, it } from "vitest";
import { ROOT } from "../support/program.ts";

const SOURCES = ["test/native-io/sum16-check.cc", "native-io/src/sum16.cc"];
const FLAGS = ["-std=c++20", "-O2", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"];

it("sums alike by wide instructions, by plain ones and by the book (RFC 1071)", () => {
  const folder = mkdtempSync(path.join(tmpdir(), "caraway-sum16-"));
  try {
    const binary = path.join(folder, "sum16-check");
    const compiler = process.env["CXX"] ?? "g++";
    const run = (command: string, ...args: string[]) =>
      spawnSync(command, args, {
        cwd: ROOT,
        encoding: "utf8",
        env: { ...process.env, LD_PRELOAD: "" },
      });
    const built = run(compiler, ...FLAGS, "-o", binary, ...SOURCES);
    expect(built.stderr).toBe("");
    const { status, stdout, stderr } = run(binary);
    expect({ status, stdout, stderr }).toEqual({ status: 0, stdout: "", stderr: "" });
  } finally {
    rmSync(folder, { recursive: true });
  }
});
