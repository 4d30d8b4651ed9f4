// SPDX-License-Identifier: MIT
// Markdown as GitHub shows it: wrapped prose, tables, anchors.

/** Where prose is wrapped. */
export const COLUMNS = 130;

/** Gives the headings of one page their anchors, as GitHub does. */
export class Anchors {
  readonly #given = new Set<string>();

  /** Returns the anchor of the next heading of the page. */
  add(heading: string): string {
    const slug = heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, "")
      .trim()
      .replace(/\s/g, "-");
    let anchor = slug;
    for (let n = 1; this.#given.has(anchor); n++) anchor = `${slug}-${n}`;
    this.#given.add(anchor);
    return anchor;
  }
}

/** What would begin a list, a heading or a quotation if it came first in a line. */
const BLOCK_START = /^(?:[-+*>|]|#+|\d+[.)])$/;

/** Wraps a text without breaking code. `indent` goes before every line but the first. */
export function wrap(text: string, indent: string = ""): string {
  const lines: string[] = [];
  let line = "";
  for (const word of wordsOf(text)) {
    const limit = COLUMNS - (lines.length > 0 ? indent.length : 0);
    if (line === "") line = word;
    else if (line.length + 1 + word.length > limit && !BLOCK_START.test(word)) {
      lines.push(line);
      line = word;
    } else line += ` ${word}`;
  }
  lines.push(line);
  return lines.join(`\n${indent}`);
}

/** Splits at spaces outside of code. */
function wordsOf(text: string): string[] {
  const words: string[] = [];
  for (const [index, part] of text.split(/(`[^`]*`)/).entries()) {
    const pieces = index % 2 === 1 ? [part.replace(/\s+/g, " ")] : part.split(/\s+/);
    pieces.forEach((piece, at) => {
      // The first piece goes on where the part before it ended.
      if (at === 0 && words.length > 0) words[words.length - 1] += piece;
      else words.push(piece);
    });
  }
  return words.filter((word) => word !== "");
}

/** Lays out the prose of a comment: wraps its paragraphs and lists, keeps code as it is. */
export function layOut(text: string): string {
  const blocks: string[] = [];
  for (const [index, part] of text.split(/^(```[\s\S]*?^```)$/m).entries()) {
    if (index % 2 === 1) blocks.push(part);
    else blocks.push(...part.split(/\n\s*\n/).map(layOutParagraph));
  }
  return blocks.filter((block) => block !== "").join("\n\n");
}

function layOutParagraph(text: string): string {
  const items = text.trim().split(/\n(?=\s*(?:[-*+]|\d+[.)])\s)/);
  return items
    .map((item) => {
      const marker = /^\s*(?:[-*+]|\d+[.)])\s+/.exec(item)?.[0].trim();
      if (marker === undefined) return item.trimStart().startsWith("|") ? item : wrap(item);
      const body = item.trim().slice(marker.length);
      return wrap(`${marker} ${body.trim()}`, " ".repeat(marker.length + 1));
    })
    .join("\n");
}

/** Makes `<` in prose a character instead of the start of a tag. */
export function escapeProse(text: string): string {
  return text
    .split(/(```[\s\S]*?```|`[^`]*`)/)
    .map((part, index) => (index % 2 === 1 ? part : part.replace(/<(?!\/?code>)/g, "&lt;")))
    .join("");
}

/** A table; a column in which nothing stands is left out. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const used = head.map((_, column) => rows.some((row) => (row[column] ?? "") !== ""));
  const line = (cells: readonly string[]): string => {
    const kept = cells.filter((_, column) => used[column]);
    return `| ${kept.map((cell) => cell.replace(/\s*\n\s*/g, " ").replace(/\|/g, "\\|")).join(" | ")} |`;
  };
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

/** Code in a line. */
export function code(text: string): string {
  return text.includes("`") ? `\`\` ${text} \`\`` : `\`${text}\``;
}

/** TypeScript in a block. */
export function codeBlock(text: string): string {
  return `\`\`\`ts\n${text.trimEnd()}\n\`\`\``;
}

/** Compares names the same way everywhere: without regard to case, then by it. */
export function compareNames(a: string, b: string): number {
  const [x, y] = [a.toLowerCase(), b.toLowerCase()];
  if (x !== y) return x < y ? -1 : 1;
  return a === b ? 0 : a < b ? 1 : -1;
}

/** Makes a text a sentence. */
export function sentence(text: string): string {
  const first = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.:!?)]$/.test(first) && !/[^.:!?]\)$/.test(first) ? first : `${first}.`;
}
