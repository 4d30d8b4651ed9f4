// SPDX-License-Identifier: MIT
// A folder for a while: it goes however the bench ends, but by SIGKILL.

import { mkdtempSync, rmSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import path from "node:path";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

/** Makes a folder, and removes it when `use` is done or a signal ends this process. */
export async function withFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(path.join(tmpdir(), "caraway-bench-"));
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  const leave = (signal: (typeof SIGNALS)[number]): void => {
    process.exit(128 + constants.signals[signal]);
  };
  process.on("exit", remove);
  for (const signal of SIGNALS) process.on(signal, leave);
  try {
    return await use(folder);
  } finally {
    for (const signal of SIGNALS) process.off(signal, leave);
    process.off("exit", remove);
    remove();
  }
}
