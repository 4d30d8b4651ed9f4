// The page that `npm run bench -- report` makes.

import { writeFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { pageOf } from "../../bench/report.ts";
import { type Figure, ratios, summaryOf, verdictOn } from "../../bench/support/figure.ts";
import { type Results, readResults } from "../../bench/support/results.ts";
import { TestFolder } from "../support/folder.ts";

const FIGURE: Figure = {
  name: "echo <64> & more: rate",
  unit: "requests/s",
  better: "higher",
  series: [
    { name: "ours", isOurs: true, samples: [300, 100, null, 260, 220] },
    { name: "theirs", isOurs: false, samples: [100, 100, 50, null, 110] },
    { name: "C", isOurs: false, samples: [10, 30, 20], quotedFrom: "a book" },
    { name: "absent", isOurs: false, samples: [null, null] },
  ],
  goals: [
    { ours: "ours", theirs: "theirs", is: "at least", limit: 2 },
    { ours: "ours", is: "at least", limit: 1_000 },
    { ours: "nobody", theirs: "theirs", is: "at least", limit: 1 },
  ],
};

const RUN: Results = {
  version: 1,
  startedAt: "2026-01-02T03:04:05.678Z",
  pace: "full",
  machine: {
    cpu: "Model <T>",
    cores: 2,
    isVirtual: true,
    governor: "performance",
    memoryGb: 8,
    kernel: "Linux 6.1",
    arch: "x64",
    versions: { node: "20.1.0", bun: "1.2.3" },
  },
  suites: [
    {
      suite: "echo",
      about: "requests",
      seconds: 61.4,
      notes: ['left out: "deno"\u0000'],
      figures: [FIGURE, { ...FIGURE, name: "spread wide", series: WIDE(), goals: [] }],
    },
    { suite: "memif", about: "two processes", seconds: 0, figures: [], notes: [], error: "no <c>" },
  ],
};

function WIDE(): Figure["series"] {
  return [
    { name: "quick", isOurs: true, samples: [10] },
    { name: "slow", isOurs: false, samples: [67_600] },
  ];
}

/** What is wrong with the nesting of elements, or null. */
function whyNotWellFormed(page: string): string | null {
  const open: string[] = [];
  const text = page.replace(/^<!DOCTYPE html>/, "").replace(/<style>[^<]*<\/style>/, "");
  const pattern =
    /<(\/?)([a-z][\w-]*)((?:\s+[\w-]+="[^"<]*")*)\s*(\/?)>|<|&(?!(?:amp|lt|gt|quot);)/gi;
  for (const [whole, end, name, , isEmpty] of text.matchAll(pattern)) {
    if (name === undefined) return `a bare ${whole}`;
    if (end === "/") {
      const last = open.pop();
      if (last !== name) return `</${name}> ends <${last}>`;
    } else if (isEmpty !== "/") {
      open.push(name);
    }
  }
  return open.length === 0 ? null : `not ended: ${open.join(" ")}`;
}

describe("figures", () => {
  it("takes ratios within a turn, and by the median of what is quoted", () => {
    const [ours, theirs, quoted] = FIGURE.series;
    if (ours === undefined || theirs === undefined || quoted === undefined) throw new Error();
    expect(ratios(ours, theirs)).toEqual([3, 1, null, null, 2]);
    expect(ratios(ours, quoted)).toEqual([15, 5, null, 13, 11]);
    expect(summaryOf(ratios(ours, theirs))).toEqual({ median: 2, lowest: 1, highest: 3 });
  });

  it("judges goals by the median, and says what was not measured", () => {
    expect(FIGURE.goals.map((goal) => verdictOn(FIGURE, goal))).toEqual([
      "reached",
      "missed",
      "not measured",
    ]);
  });
});

describe("the report", () => {
  const folder = new TestFolder();
  const page = pageOf([RUN, { ...RUN, startedAt: "2026-02-02T03:04:05.678Z" }]);

  it("is well-formed, whatever the names hold", () => {
    expect(whyNotWellFormed("<p><b>x</p></b>")).toBe("</p> ends <b>");
    expect(whyNotWellFormed("<p>1 < 2</p>")).toBe("a bare <");
    expect(whyNotWellFormed(page)).toBeNull();
    expect(page).not.toContain("\u0000");
  });

  it("needs nothing from elsewhere", () => {
    const links = [...page.matchAll(/(?:src|href|url|import|xlink)[=(\s:"']+[^\s"')]*/g)];
    expect(links.map(([link]) => link)).toEqual([]);
    const addresses = new Set([...page.matchAll(/https?:[^"\s]*/g)].map(([address]) => address));
    expect([...addresses].sort()).toEqual([
      "http://www.w3.org/1999/xhtml",
      "http://www.w3.org/2000/svg",
    ]);
    expect(page).not.toContain("<script");
  });

  it("holds every figure, series that was measured, verdict, note and reason", () => {
    for (const part of [
      "echo &lt;64&gt; &amp; more: rate",
      "spread wide",
      "ours",
      "theirs",
      "C (quoted)",
      "C: quoted: a book",
      "reached",
      "missed",
      "not measured",
      "left out: &quot;deno&quot;",
      "not measured: no &lt;c&gt;",
      "2026-01-02 03:04 UTC, a full run",
      "2026-02-02 03:04 UTC, a full run",
      "Model &lt;T&gt;, 2 cores, x64, virtual",
      "performance",
      "1.2.3",
      "logarithmic",
    ]) {
      expect(page).toContain(part);
    }
    expect(page).not.toContain("absent");
    expect(page.match(/<svg/g)).toHaveLength(4);
    expect(page).not.toMatch(/NaN|undefined|Infinity/);
  });

  it("is not made of a file that is no JSON: the error names it, and what writes one", () => {
    const file = folder.file("broken.json");
    writeFileSync(file, '{"version": 1, "sui');
    const expected = new RegExp(
      `^${file}: no JSON, or cut short .*npm run bench -- --json ${file}`,
    );
    expect(() => readResults(file)).toThrow(expected);
  });

  it("has colours for light and for dark", () => {
    expect(page).toContain("prefers-color-scheme: dark");
  });
});
