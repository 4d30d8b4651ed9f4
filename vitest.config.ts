// SPDX-License-Identifier: MIT
// Three projects. `unit` runs on virtual time and in parallel. `repo` holds the tests of the
// repository itself (build, consumer, the checks of tools/). `machine` talks to the kernel in
// network namespaces or measures real time: one file after the other, once the rest is done.

import { defineConfig, type ViteUserConfig } from "vitest/config";

const MACHINE_TESTS = ["bench", "interop", "ipc", "native-io", "examples"].map(
  (each) => `test/${each}/**/*.test.ts`,
);
const REPO_TESTS = ["test/repo/**/*.test.ts"];

/** Where `.ci/run` wants the results as JSON; it counts them. */
const reportPath = process.env["CARAWAY_TEST_REPORT"];

/** Set by `npm run fuzz`: that many frames take as long as they take. */
const isLongFuzz = process.env["CARAWAY_FUZZ_FRAMES"] !== undefined;

const config: ViteUserConfig = defineConfig({
  test: {
    globals: false,
    passWithNoTests: false,
    reporters: reportPath === undefined ? ["default"] : ["default", "json"],
    ...(reportPath === undefined ? {} : { outputFile: { json: reportPath } }),
    // No colour codes and no interleaved console noise of passing tests in a log file.
    silent: "passed-only",
    pool: "forks",
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: ["test/**/*.test.ts"],
          exclude: [...MACHINE_TESTS, ...REPO_TESTS],
          testTimeout: isLongFuzz ? 0 : 20_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: "repo",
          include: REPO_TESTS,
          testTimeout: 120_000,
          hookTimeout: 120_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: "machine",
          include: MACHINE_TESTS,
          maxWorkers: 1,
          fileParallelism: false,
          testTimeout: 60_000,
          hookTimeout: 60_000,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});

export default config;
