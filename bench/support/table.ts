// SPDX-License-Identifier: MIT
// Figures as text.

import {
  type Figure,
  type Goal,
  goalSummary,
  ratios,
  type Series,
  type Summary,
  summaryOf,
  verdictOn,
} from "./figure.ts";

/** Four digits that matter, thousands apart. */
export function formatted(value: number): string {
  const digits = Math.abs(value) >= 1_000 ? 0 : Math.abs(value) >= 100 ? 1 : 2;
  return value.toLocaleString("en-US", {
    minimumFractionDigits: digits === 2 && value % 1 !== 0 ? 2 : 0,
    maximumFractionDigits: value !== 0 && Math.abs(value) < 0.1 ? 4 : digits,
  });
}

/** `lowest .. highest`, or nothing if there was one run. */
export function spreadText(summary: Summary): string {
  if (summary.lowest === summary.highest) return "";
  return `${formatted(summary.lowest)} .. ${formatted(summary.highest)}`;
}

/** What a goal is about, in words. */
export function goalText(figure: Figure, goal: Goal): string {
  const by = goal.theirs === undefined ? ` ${figure.unit}` : ` x ${goal.theirs}`;
  return `${goal.ours}: ${goal.is} ${formatted(goal.limit)}${by}`;
}

function ratioText(ours: Series, theirs: Series): string {
  const summary = ours === theirs ? null : summaryOf(ratios(ours, theirs));
  return summary === null ? "" : `x ${formatted(summary.median)}`;
}

/** Cells of a figure's table: a row of titles, then one per series; ours by each, within a turn. */
export function cellsOf(figure: Figure): string[][] {
  const measured = figure.series.filter((each) => summaryOf(each.samples) !== null);
  const ours = measured.filter((each) => each.isOurs);
  const hasPeers = measured.length > 1;
  const titles = ["", figure.unit, "lowest .. highest"];
  const rows = measured.map((series) => {
    const summary = summaryOf(series.samples) as Summary;
    const name = `${series.name}${series.quotedFrom === undefined ? "" : " (quoted)"}`;
    const by = hasPeers ? ours.map((our) => ratioText(our, series)) : [];
    return [name, formatted(summary.median), spreadText(summary), ...by];
  });
  return [hasPeers ? [...titles, ...ours.map((our) => `${our.name} by it`)] : titles, ...rows];
}

/** One line per goal: what it is, what was reached. */
export function goalLines(figure: Figure): string[] {
  return figure.goals.map((goal) => {
    const verdict = verdictOn(figure, goal);
    const summary = goalSummary(figure, goal);
    const reached = summary === null ? "" : ` ${formatted(summary.median)}`;
    const spread = summary === null ? "" : spreadText(summary);
    const range = spread === "" ? "" : ` (${spread})`;
    const outcome = summary === null ? "" : `:${reached}${range}`;
    return `goal: ${goalText(figure, goal)}${outcome}: ${verdict.toUpperCase()}`;
  });
}

/** A figure as a table of text. */
export function tableOf(figure: Figure): string {
  const rows = cellsOf(figure);
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => row[column]?.length ?? 0)),
  );
  const lines = rows.map((row) => {
    const cells = row.map((cell, column) => {
      const width = widths[column] ?? 0;
      return column === 0 ? cell.padEnd(width) : cell.padStart(width);
    });
    return `  ${cells.join("  ")}`.trimEnd();
  });
  const goals = goalLines(figure).map((line) => `  ${line}`);
  return [figure.name, ...lines, ...goals, ""].join("\n");
}
