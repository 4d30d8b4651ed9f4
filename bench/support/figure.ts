// SPDX-License-Identifier: MIT
// What every suite reports, and what is computed from it. A figure keeps its samples, run by run,
// so that a report made later can say everything that could be said at once.

/** What one of those that are compared has reached. */
export interface Series {
  readonly name: string;
  readonly isOurs: boolean;
  /** One value per turn; null where that turn gave none. */
  readonly samples: readonly (number | null)[];
  /** Set if the values were not measured in this run: where they come from. */
  readonly quotedFrom?: string;
}

/** What a figure of ours is to reach: by itself, or as a multiple of another's within a turn. */
export interface Goal {
  readonly ours: string;
  /** Whose figure ours is divided by. Absent: the figure itself is meant. */
  readonly theirs?: string;
  readonly is: "at most" | "at least";
  readonly limit: number;
}

/** One measured cost or rate, with everybody who was measured, ours first. */
export interface Figure {
  readonly name: string;
  /** `"ns"`, `"requests/s"`, `"bytes"`. */
  readonly unit: string;
  readonly better: "lower" | "higher";
  readonly series: readonly Series[];
  readonly goals: readonly Goal[];
}

/** Median, lowest and highest of several runs. */
export interface Summary {
  readonly median: number;
  readonly lowest: number;
  readonly highest: number;
}

/** How our own code is called where a suite compares it with others in one process. */
export const OURS = "caraway";

/** The middle one of several values, the upper of two; NaN of none. */
export function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
}

/** @returns the summary of those that are values, or null if none is */
export function summaryOf(values: readonly (number | null)[]): Summary | null {
  const known = values.filter((value) => value !== null && Number.isFinite(value)) as number[];
  if (known.length === 0) return null;
  return {
    median: medianOf(known),
    lowest: Math.min(...known),
    highest: Math.max(...known),
  };
}

/** Ours by theirs, turn by turn; of figures quoted from elsewhere there is the median alone. */
export function ratios(ours: Series, theirs: Series): (number | null)[] {
  const quoted = theirs.quotedFrom === undefined ? null : summaryOf(theirs.samples);
  return ours.samples.map((our, turn) => {
    const their = quoted?.median ?? theirs.samples[turn] ?? null;
    return our === null || their === null || their === 0 ? null : our / their;
  });
}

/** @returns what a goal is about: the summary of the figure or of the ratio, or null */
export function goalSummary(figure: Figure, goal: Goal): Summary | null {
  const ours = figure.series.find((each) => each.name === goal.ours);
  if (ours === undefined) return null;
  if (goal.theirs === undefined) return summaryOf(ours.samples);
  const theirs = figure.series.find((each) => each.name === goal.theirs);
  return theirs === undefined ? null : summaryOf(ratios(ours, theirs));
}

/** Whether a goal is reached. */
export type Verdict = "reached" | "missed" | "not measured";

/** Judges a goal by the median. */
export function verdictOn(figure: Figure, goal: Goal): Verdict {
  const summary = goalSummary(figure, goal);
  if (summary === null) return "not measured";
  const isReached =
    goal.is === "at least" ? summary.median >= goal.limit : summary.median <= goal.limit;
  return isReached ? "reached" : "missed";
}

/** A cost of our own code, with the costs of others in the same process. Less is better. */
export function costFigure(
  name: string,
  unit: string,
  samples: readonly number[],
  more: { atMost?: number; peers?: Readonly<Record<string, readonly number[]>> } = {},
): Figure {
  const peers = Object.entries(more.peers ?? {});
  const { atMost } = more;
  return {
    name,
    unit,
    better: "lower",
    series: [
      { name: OURS, isOurs: true, samples },
      ...peers.map(([peer, values]) => ({ name: peer, isOurs: false, samples: values })),
    ],
    goals: atMost === undefined ? [] : [{ ours: OURS, is: "at most", limit: atMost }],
  };
}
