// SPDX-License-Identifier: MIT
// What the page of a report is made of.

const ESCAPES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
};

/** Text for HTML, in elements and in quoted attributes. */
export function escaped(text: string): string {
  // Of the control characters XML knows but three.
  const known = [...text].filter((each) => each >= " " || "\t\n\r".includes(each)).join("");
  return known.replace(/[&<>"]/g, (each) => ESCAPES[each] as string);
}

/** An element with text in it. */
export function tag(name: string, text: string, className = ""): string {
  const attribute = className === "" ? "" : ` class="${escaped(className)}"`;
  return `<${name}${attribute}>${escaped(text)}</${name}>`;
}

/** By day and by night, as the reader's system has it. */
export const STYLE = `
:root { color-scheme: light dark; --page: #fff; --text: #1c2024; --dim: #667; --line: #dde;
  --ours: #1769aa; --peer: #9aa5b1; --good: #1b7f3b; --bad: #b3261e; }
@media (prefers-color-scheme: dark) { :root { --page: #14171a; --text: #e4e7ea; --dim: #9aa5b1;
  --line: #333a41; --ours: #5aa9e6; --peer: #66717c; --good: #63c383; --bad: #f2877e; } }
body { margin: 0; background: var(--page); color: var(--text); font: 15px/1.45 system-ui, sans-serif; }
main { max-width: 62rem; margin: 0 auto; padding: 1.5rem; }
h2 { margin-top: 2.5rem; } h3 { margin-top: 2rem; }
figure { margin: 1.5rem 0; padding-top: .5rem; border-top: 1px solid var(--line); }
figcaption span, .note { color: var(--dim); } .note { font-size: 13px; }
table { border-collapse: collapse; font-size: 13px; } .wide { overflow-x: auto; }
th, td { padding: .15rem .7rem .15rem 0; text-align: left; vertical-align: top; }
thead th { color: var(--dim); font-weight: normal; border-bottom: 1px solid var(--line); }
tbody th { font-weight: normal; } tr.ours th { color: var(--ours); font-weight: 600; }
.machine th { color: var(--dim); }
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.reached { color: var(--good); } .missed { color: var(--bad); } .not-measured { color: var(--dim); }
svg { display: block; width: 100%; height: auto; margin: .4rem 0; font: 12px system-ui, sans-serif; }
svg text { fill: var(--text); } svg .dim { fill: var(--dim); }
svg .ours { fill: var(--ours); } svg .peer { fill: var(--peer); }
svg .range { stroke: var(--text); stroke-width: 1.2; } svg .run { fill: var(--text); opacity: .55; }
`;
