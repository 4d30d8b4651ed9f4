// What CI reports is counted by .ci/summary.mjs. A wrong count hides failures.

import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { ROOT } from "../../tools/project.ts";

interface Outcome {
  readonly lastLine: string;
  readonly exitCode: number | null;
}

describe(".ci/summary.mjs", () => {
  let folder = "";
  beforeEach(() => {
    folder = mkdtempSync(path.join(tmpdir(), "caraway-summary-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  function summarize(files: readonly (readonly [string, readonly string[]])[], code = 0): Outcome {
    const report = path.join(folder, "report.json");
    const testResults = files.map(([status, tests]) => ({
      name: "x.test.ts",
      status,
      assertionResults: tests.map((each) => ({ status: each })),
    }));
    writeFileSync(report, JSON.stringify({ testResults }));
    return summarizeFile(report, code);
  }

  function summarizeFile(report: string, code: number): Outcome {
    const script = path.join(ROOT, ".ci", "summary.mjs");
    const { status, stdout } = spawnSync(process.execPath, [script, report, String(code)], {
      encoding: "utf8",
    });
    return { lastLine: stdout.trimEnd().split("\n").at(-1) ?? "", exitCode: status };
  }

  it("counts what passed, failed and was skipped", () => {
    expect(summarize([["passed", ["passed", "passed"]]])).toEqual({
      lastLine: "2 passed, 0 failed",
      exitCode: 0,
    });
    expect(summarize([["failed", ["passed", "failed", "pending", "todo"]]])).toEqual({
      lastLine: "1 passed, 1 failed, 2 skipped",
      exitCode: 1,
    });
  });

  it("counts a file that cannot be loaded as a failure", () => {
    expect(
      summarize([
        ["failed", []],
        ["passed", ["passed"]],
      ]),
    ).toEqual({
      lastLine: "1 passed, 1 failed",
      exitCode: 1,
    });
  });

  it("fails when no test ran, when there is no report, and when another stage failed", () => {
    expect(summarize([])).toEqual({ lastLine: "0 passed, 0 failed", exitCode: 1 });
    const noReport = summarizeFile(path.join(folder, "none.json"), 0);
    expect(noReport).toEqual({ lastLine: "0 passed, 1 failed", exitCode: 1 });
    const lintFailed = summarize([["passed", ["passed"]]], 1);
    expect(lintFailed).toEqual({ lastLine: "1 passed, 0 failed", exitCode: 1 });
  });
});
