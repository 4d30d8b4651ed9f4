// SPDX-License-Identifier: MIT
// A figure as a plot: a bar per series, a line from the lowest run to the highest, a dot per run.

import { type Figure, type Series, type Summary, summaryOf } from "./figure.ts";
import { escaped } from "./page.ts";
import { formatted } from "./table.ts";

const WIDTH = 900;
const LABEL_WIDTH = 210;
const VALUE_WIDTH = 90;
const ROW_HEIGHT = 22;
const BAR_HEIGHT = 12;
/** Beyond this ratio of the highest to the lowest, bars would be either all or nothing. */
const LOGARITHMIC_FROM = 60;

interface Row {
  readonly series: Series;
  readonly summary: Summary;
}

/** Says where a value lies, from 0 to 1. */
type Scale = (value: number) => number;

function scaleOf(rows: readonly Row[]): { scale: Scale; isLogarithmic: boolean } {
  const highest = Math.max(...rows.map(({ summary }) => summary.highest), Number.MIN_VALUE);
  const medians = rows.map(({ summary }) => summary.median);
  const lowest = Math.min(...rows.map(({ summary }) => summary.lowest));
  if (lowest <= 0 || Math.max(...medians) / Math.min(...medians) < LOGARITHMIC_FROM) {
    return { scale: (value) => Math.max(0, value / highest), isLogarithmic: false };
  }
  const floor = Math.floor(Math.log10(lowest));
  const span = Math.log10(highest) - floor;
  return { scale: (value) => (Math.log10(value) - floor) / span, isLogarithmic: true };
}

function rowPlot({ series, summary }: Row, at: number, scale: Scale): string {
  const left = (value: number): string =>
    (LABEL_WIDTH + scale(value) * (WIDTH - LABEL_WIDTH - VALUE_WIDTH)).toFixed(1);
  const top = at * ROW_HEIGHT + 4;
  const middle = top + BAR_HEIGHT / 2;
  const kind = series.isOurs ? "ours" : "peer";
  const width = (Number(left(summary.median)) - LABEL_WIDTH).toFixed(1);
  const runs = series.samples.filter((value) => value !== null && Number.isFinite(value));
  const dots = runs.map(
    (value) => `<circle class="run" cx="${left(value as number)}" cy="${middle}" r="1.8"/>`,
  );
  const name = `${series.name}${series.quotedFrom === undefined ? "" : " (quoted)"}`;
  const range = `x1="${left(summary.lowest)}" x2="${left(summary.highest)}"`;
  return `<text x="${LABEL_WIDTH - 8}" y="${middle + 4}" text-anchor="end">${escaped(name)}</text>
<rect class="${kind}" x="${LABEL_WIDTH}" y="${top}" width="${width}" height="${BAR_HEIGHT}" rx="2"/>
<line class="range" ${range} y1="${middle}" y2="${middle}"/>${dots.join("")}
<text x="${WIDTH - VALUE_WIDTH + 8}" y="${middle + 4}">${escaped(formatted(summary.median))}</text>`;
}

/** Draws a figure. @returns an SVG element, or nothing if nothing was measured */
export function barPlot(figure: Figure): string {
  const rows = figure.series.flatMap((series): Row[] => {
    const summary = summaryOf(series.samples);
    return summary === null ? [] : [{ series, summary }];
  });
  if (rows.length === 0) return "";
  const { scale, isLogarithmic } = scaleOf(rows);
  const height = rows.length * ROW_HEIGHT + 6 + (isLogarithmic ? ROW_HEIGHT : 0);
  const note = `<text class="dim" x="${LABEL_WIDTH}" y="${height - 8}">logarithmic</text>`;
  return `<svg viewBox="0 0 ${WIDTH} ${height}" role="img" xmlns="http://www.w3.org/2000/svg">
<title>${escaped(figure.name)}</title>
${rows.map((row, at) => rowPlot(row, at, scale)).join("\n")}
${isLogarithmic ? note : ""}</svg>`;
}
