// SPDX-License-Identifier: MIT
// `npm run bench -- report`: results as one page that needs nothing else: no script, no font, no
// picture from elsewhere. It is well-formed XML as well as HTML.

import { writeFileSync } from "node:fs";
import { barPlot } from "./support/bar-plot.ts";
import type { MachineDescription } from "./support/description.ts";
import { type Figure, goalSummary, verdictOn } from "./support/figure.ts";
import { escaped, STYLE, tag } from "./support/page.ts";
import { type Results, readResults, type SuiteResult } from "./support/results.ts";
import { cellsOf, formatted, goalText, spreadText } from "./support/table.ts";

/** Writes the page of these files of results; throws if one of them is no such file. */
export function writeReport(files: readonly string[], out: string): void {
  writeFileSync(out, pageOf(files.map(readResults)));
  process.stdout.write(`${out}: written\n`);
}

/** The page, as text. */
export function pageOf(runs: readonly Results[]): string {
  const title = "Caraway: measurements";
  const head =
    '<meta charset="utf-8"/><meta name="viewport" content="width=device-width"/>' +
    `${tag("title", title)}<style>${STYLE}</style>`;
  const body =
    tag("h1", title) +
    `<p>Medians, with the lowest and the highest run. Ratios and goals are taken within a turn, in which
each has had the same load within seconds. Figures of different runs or machines do not compare.</p>` +
    runs.map(runSection).join("");
  return `<!DOCTYPE html>
<html lang="en" xmlns="http://www.w3.org/1999/xhtml"><head>${head}</head>
<body><main>${body}</main></body></html>
`;
}

function runSection(run: Results): string {
  const head = tag("h2", `${run.startedAt.slice(0, 16).replace("T", " ")} UTC, a ${run.pace} run`);
  const suites = run.suites.map(suiteSection).join("");
  return `<section>${head}${machineTable(run.machine)}${goalTable(run)}${suites}</section>`;
}

function rows(pairs: readonly (readonly [string, string])[]): string {
  return pairs.map(([name, value]) => `<tr>${tag("th", name)}${tag("td", value)}</tr>`).join("");
}

function machineTable(machine: MachineDescription): string {
  const { cpu, cores, isVirtual, governor, memoryGb, kernel, arch, versions } = machine;
  return `<table class="machine"><tbody>${rows([
    ["processor", `${cpu}, ${cores} cores, ${arch}${isVirtual ? ", virtual" : ""}`],
    ["memory", `${memoryGb} GiB`],
    ["frequency governor", governor],
    ["kernel", kernel],
    ...Object.entries(versions),
  ])}</tbody></table>`;
}

function goalTable(run: Results): string {
  const lines = run.suites.flatMap(({ suite, figures }) =>
    figures.flatMap((figure) =>
      figure.goals.map((goal) => {
        const summary = goalSummary(figure, goal);
        const verdict = verdictOn(figure, goal);
        const cells = [
          tag("td", suite),
          tag("td", figure.name),
          tag("td", goalText(figure, goal)),
          tag("td", summary === null ? "" : formatted(summary.median), "number"),
          tag("td", summary === null ? "" : spreadText(summary), "number"),
          tag("td", verdict, verdict.replace(" ", "-")),
        ];
        return `<tr>${cells.join("")}</tr>`;
      }),
    ),
  );
  if (lines.length === 0) return "";
  const titles = ["suite", "figure", "goal", "median", "lowest .. highest", ""];
  const head = `<thead><tr>${titles.map((title) => tag("th", title)).join("")}</tr></thead>`;
  return `${tag("h3", "Goals")}<div class="wide"><table>${head}<tbody>${lines.join("")}</tbody></table></div>`;
}

function suiteSection(result: SuiteResult): string {
  const { suite, about, seconds, error, notes, figures } = result;
  const id = escaped(suite);
  const head = `<h3 id="${id}">${id}</h3>${tag("p", `${about} (${Math.round(seconds)} s)`)}`;
  const reason = error === undefined ? "" : tag("p", `not measured: ${error}`, "missed");
  const remarks = notes.map((note) => tag("p", note, "note")).join("");
  return `<section>${head}${reason}${remarks}${figures.map(figureSection).join("")}</section>`;
}

function figureSection(figure: Figure): string {
  const [titles = [], ...lines] = cellsOf(figure);
  const head = titles.map((title) => tag("th", title)).join("");
  const body = lines.map((cells) => {
    const [name = "", ...values] = cells;
    const isOurs = figure.series.some((each) => each.isOurs && each.name === name);
    const row = tag("th", name) + values.map((value) => tag("td", value, "number")).join("");
    return `<tr class="${isOurs ? "ours" : "peer"}">${row}</tr>`;
  });
  const sources = figure.series.flatMap(({ name, quotedFrom }) =>
    quotedFrom === undefined ? [] : [tag("p", `${name}: quoted: ${quotedFrom}`, "note")],
  );
  const table = `<table><thead><tr>${head}</tr></thead><tbody>${body.join("")}</tbody></table>`;
  const unit = `${figure.unit}, ${figure.better} is better`;
  return `<figure><figcaption>${tag("strong", figure.name)} ${tag("span", unit)}</figcaption>
${barPlot(figure)}<div class="wide">${table}</div>${sources.join("")}</figure>\n`;
}
