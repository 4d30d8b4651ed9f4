// SPDX-License-Identifier: MIT
// What every suite reports.

/** One measured cost or rate, and what others reach in the same run. */
export interface Figure {
  readonly name: string;
  /** `"ns"`, `"requests/s"`, `"bytes"`. */
  readonly unit: string;
  readonly median: number;
  /** What to reach: at most this. */
  readonly goal?: number;
  /** Medians of the peers by name, in the same unit. */
  readonly peers?: Record<string, number>;
}
