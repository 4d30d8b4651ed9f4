// SPDX-License-Identifier: MIT
// Counts the results in vitest's JSON report: `node .ci/summary.mjs <report> <exit code of npm test>`.
// Prints the counts as its last line. Fails if any test failed, if none was found, or if the run
// failed for another reason.

import { readFileSync } from "node:fs";

/** @typedef {{ passed: number, failed: number, skipped: number }} Counts */

/**
 * Counts tests; a file that could not be loaded, and so has no tests, counts as one failure.
 *
 * @param {{ testResults: { name: string, status: string, assertionResults: { status: string }[] }[] }} report
 * @returns {Counts}
 */
export function count(report) {
  const counts = { passed: 0, failed: 0, skipped: 0 };
  for (const file of report.testResults) {
    let failedHere = 0;
    for (const { status } of file.assertionResults) {
      if (status === "passed") counts.passed++;
      else if (status === "failed") failedHere++;
      else counts.skipped++;
    }
    if (file.status === "failed" && failedHere === 0) failedHere = 1;
    counts.failed += failedHere;
  }
  return counts;
}

/**
 * @param {string} path
 * @returns {Counts}
 */
function read(path) {
  try {
    return count(JSON.parse(readFileSync(path, "utf8")));
  } catch (error) {
    console.log(`no report of the tests: ${error instanceof Error ? error.message : error}`);
    return { passed: 0, failed: 1, skipped: 0 };
  }
}

const [path, exitCode] = process.argv.slice(2);
if (path !== undefined) {
  const { passed, failed, skipped } = read(path);
  const isEmpty = passed + failed === 0;
  if (isEmpty) console.log("no test was run");
  if (exitCode !== "0") console.log(`npm ci or npm test ended with exit code ${exitCode}`);
  console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
  process.exitCode = failed > 0 || isEmpty || exitCode !== "0" ? 1 : 0;
}
