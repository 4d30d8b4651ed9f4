// SPDX-License-Identifier: MIT
// Takes the prose of `@throws` apart. It is written in one of these ways:
//
//   NetError EBADF, EPIPE (already done), ETIMEDOUT; TypeError; or what `op` throws
//   NetError EINVAL: an option is out of range.
//   ECANCELED when the coroutine was cancelled.

/** One way in which a call can fail. */
export interface ErrorCase {
  /** An error code, or null for an error of another kind. */
  readonly code: string | null;
  /** When it is thrown; without a code: what is thrown. May be empty. */
  readonly text: string;
}

/** What `@throws` tags say. */
export interface Throws {
  readonly cases: readonly ErrorCase[];
  /** What else they say: what of the call's work is done, how to go on. */
  readonly remarks: readonly string[];
}

const CODE = /^`?((?:E|WSA)[A-Z0-9_]{2,})`?\b/;
/** Between two codes. */
const SEPARATOR = /^\s*(?:,\s*(?:and\s+|or\s+)?|\s(?:and|or)\s+)?/;
/** A part after a semicolon that tells of another error. */
const OTHER_ERROR = /^(?:or|and|else)\b|^(?:an? )?`?(?:[A-Z]\w*)?Error\b/;

/** Reads `@throws` tags, given without the name of the tag. */
export function readThrows(texts: readonly string[]): Throws {
  const cases: ErrorCase[] = [];
  const remarks: string[] = [];
  for (const text of texts) {
    const rest = readCodes(
      text
        .replace(/\s+/g, " ")
        .trim()
        .replace(/^NetError:? /, ""),
      cases,
    );
    for (const part of splitOutside(rest, ";")) {
      const isOther = OTHER_ERROR.test(part) || cases.length === 0;
      const said = part.replace(/^(?:(?:or|and|else)\s+)+/, "").replace(/\.$/, "");
      if (said === "") continue;
      if (isOther) cases.push({ code: null, text: said });
      else remarks.push(said);
    }
  }
  return { cases, remarks };
}

/** Reads the list of codes at the start of a text and returns what follows it. */
function readCodes(text: string, cases: ErrorCase[]): string {
  let rest = text;
  for (;;) {
    const code = CODE.exec(rest);
    if (code === null) return rest.replace(/^[\s,;]+/, "");
    rest = rest.slice(code[0].length);
    const note = readNote(rest);
    cases.push({ code: code[1] ?? "", text: note.text });
    rest = note.rest;
    const separator = SEPARATOR.exec(rest)?.[0] ?? "";
    const next = rest.slice(separator.length);
    if (!CODE.test(next)) return rest.replace(/^[\s,;.]+/, "");
    rest = next;
  }
}

/** What stands after a code: `(already done)`, `: an option is wrong.`, `when cancelled.` */
function readNote(text: string): { readonly text: string; readonly rest: string } {
  if (/^\s*\(/.test(text)) {
    const start = text.indexOf("(");
    const end = closingBracket(text, start);
    return { text: text.slice(start + 1, end).trim(), rest: text.slice(end + 1) };
  }
  if (/^\s*[,;.]?\s*$/.test(text) || /^\s*[,;]/.test(text)) return { text: "", rest: text };
  if (/^\s(?:and|or)\s/.test(text) || CODE.test(text.trimStart())) return { text: "", rest: text };
  const [said = "", ...others] = splitOutside(text.replace(/^\s*:?\s*/, ""), ";");
  return { text: said.replace(/\.$/, ""), rest: others.map((each) => `; ${each}`).join("") };
}

function closingBracket(text: string, open: number): number {
  let depth = 0;
  for (let at = open; at < text.length; at++) {
    if (text[at] === "(") depth++;
    if (text[at] === ")" && --depth === 0) return at;
  }
  return text.length;
}

/** Splits at a character outside of brackets and code. */
function splitOutside(text: string, separator: string): string[] {
  const parts: string[] = [""];
  let depth = 0;
  let isCode = false;
  for (const char of text) {
    if (char === "`") isCode = !isCode;
    if (!isCode && char === "(") depth++;
    if (!isCode && char === ")") depth--;
    if (char === separator && depth === 0 && !isCode) parts.push("");
    else parts[parts.length - 1] += char;
  }
  return parts.map((each) => each.trim()).filter((each) => each !== "");
}
