// SPDX-License-Identifier: MIT
// What every suite reports.

/** One measured cost or rate, and what others reach in the same run. */
export interface Figure {
  readonly name: string;
  /** `"ns"`, `"requests/s"`, `"bytes"`. */
  readonly unit: string;
  readonly median: number;
  /** The lowest and the highest of the runs, where there were several. */
  readonly spread?: readonly [number, number];
  /** What to reach: at most this, unless `goalIs` says otherwise. */
  readonly goal?: number;
  readonly goalIs?: "at most" | "at least";
  /** Medians of the peers by name, in the same unit. */
  readonly peers?: Record<string, number>;
}

/** The middle one of several values, the upper of two. */
export function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}

/** Median and spread of several runs. */
export function summary(values: readonly number[]): Pick<Figure, "median" | "spread"> {
  return { median: medianOf(values), spread: [Math.min(...values), Math.max(...values)] };
}

/** True if the figure has a goal and does not reach it. */
export function missesGoal(figure: Figure): boolean {
  if (figure.goal === undefined) return false;
  return figure.goalIs === "at least" ? figure.median < figure.goal : figure.median > figure.goal;
}
