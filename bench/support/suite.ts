// SPDX-License-Identifier: MIT
// What a suite is to whoever runs it.

import type { Figure } from "./figure.ts";
import type { Pace } from "./pace.ts";

/** What a suite has measured. */
export interface Outcome {
  readonly figures: readonly Figure[];
  /** What the reader must know: who was left out, and why. */
  readonly notes: readonly string[];
}

/** A suite. */
export interface Suite {
  /** Names of those whom it compares, and of whom some can be chosen. */
  contestants?(pace: Pace): readonly string[];
  /** What it is expected to take, in seconds, on a machine that does nothing else. */
  expectedSeconds(pace: Pace): number;
  /** Measures. It throws with what is missing and what to do about it. */
  run(pace: Pace): Promise<Outcome>;
}
