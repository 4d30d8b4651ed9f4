// SPDX-License-Identifier: MIT
// What the processes of a comparison have in common.

import type { NativeDriverOptions } from "../../src/index.ts";

/** A stack of ours: its driver, and the address that it has there. */
export interface StackPlace {
  readonly driver: NativeDriverOptions;
  readonly address: string;
}

/** However the bench ends, none of its processes lives longer than this. */
const LIFETIME_MS = 1_800_000;

/** Ends this process when its standard input does, so that it survives nobody who started it. */
export function leaveWithInput(): void {
  setTimeout(() => process.exit(0), LIFETIME_MS).unref();
  process.stdin.on("end", () => process.exit(0)).resume();
  process.on("SIGTERM", () => process.exit(0));
}
