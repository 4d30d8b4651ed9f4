// SPDX-License-Identifier: MIT
// The table of all error codes, and which calls throw each: gathered from the `@throws` of all.

import ts from "typescript";
import type { Project } from "../project.ts";
import { callHeading, type Links } from "./links.ts";
import { code, escapeProse, sentence, table } from "./markdown.ts";
import type { Page } from "./pages.ts";
import { throwsOf } from "./topic-text.ts";
import type { Call, Topic } from "./topics.ts";

/** Where the codes are declared. */
const CODES_FILE = "scheduler/errno.ts";

/** What every call with a deadline throws means the same everywhere. */
const MEANINGS: Readonly<Record<string, string>> = {
  ECANCELED: "the coroutine was cancelled",
  ETIMEDOUT: "the deadline has passed",
};

/** An error code. */
export interface CodeRow {
  readonly name: string;
  readonly number: string;
  /** As in the message of the error. */
  readonly text: string;
}

/** The codes with their numbers and texts, as the scheduler declares them. */
export function codeRows(project: Project): CodeRow[] {
  const file = project.sources.find((each) => each.fileName.endsWith(`/${CODES_FILE}`));
  if (file === undefined) return [];
  const numbers = literalsOf(file, "ERRNO");
  const texts = literalsOf(file, "ERROR_TEXT");
  return [...numbers].map(([name, number]) => ({ name, number, text: texts.get(name) ?? "" }));
}

/** What each code means where a call does not say more. */
export function generalMeanings(rows: readonly CodeRow[]): Map<string, string> {
  return new Map(rows.map(({ name, text }) => [name, MEANINGS[name] ?? text]));
}

/** The values of `const NAME = Object.freeze({ KEY: value })`, as text. */
function literalsOf(file: ts.SourceFile, name: string): Map<string, string> {
  const found = new Map<string, string>();
  const visit = (node: ts.Node): void => {
    const isValue = ts.isPropertyAssignment(node) && ts.isLiteralExpression(node.initializer);
    if (isValue) found.set(node.name.getText(), node.initializer.text);
    ts.forEachChild(node, visit);
  };
  for (const statement of file.statements) {
    if (!ts.isVariableStatement(statement)) continue;
    for (const declaration of statement.declarationList.declarations) {
      if (declaration.name.getText() === name) visit(declaration);
    }
  }
  return found;
}

/** The table of codes, and a section for each that some call throws. */
export function errorsText(
  rows: readonly CodeRow[],
  topics: readonly Topic[],
  pages: readonly Page[],
  links: Links,
): string {
  const thrown = throwersOf(topics);
  const lines = rows.map(({ name, number, text }) => {
    const shown = thrown.has(name) ? `[${code(name)}](#${name.toLowerCase()})` : code(name);
    return [shown, number, text];
  });
  const sections = rows.flatMap((row) => {
    const calls = thrown.get(row.name);
    return calls === undefined ? [] : [codeSection(row, calls, pages, links)];
  });
  return [
    "## All codes",
    "`errno` is the number negated, as in Node's errors. A code without a link is thrown by no call of this version.",
    table(["code", "number", "text"], lines),
    "## Who throws what",
    ...sections,
  ].join("\n\n");
}

interface Thrower {
  readonly call: Call;
  readonly page: Page;
  /** When, if the call says so. */
  readonly text: string;
}

function throwersOf(topics: readonly Topic[]): Map<string, Thrower[]> {
  const found = new Map<string, Thrower[]>();
  for (const { calls, page } of topics) {
    for (const call of calls) {
      for (const { code: name, text } of throwsOf(call).cases) {
        if (name === null) continue;
        const list = found.get(name) ?? [];
        if (list.some((each) => each.call === call)) continue;
        found.set(name, [...list, { call, page, text }]);
      }
    }
  }
  return found;
}

/** What a call throws it for, and the calls that do; first those that say nothing more. */
function codeSection(
  { name, text }: CodeRow,
  throwers: readonly Thrower[],
  pages: readonly Page[],
  links: Links,
): string {
  const usual = MEANINGS[name] ?? "";
  const byReason = new Map<string, string[]>([["", []]]);
  for (const page of pages) {
    for (const { call, text: reason } of throwers.filter((each) => each.page === page)) {
      const link = links.named(null, call.callable, callHeading(call.name)) ?? code(call.name);
      byReason.set(reason, [...(byReason.get(reason) ?? []), link]);
    }
  }
  const rows = [...byReason]
    .filter(([, calls]) => calls.length > 0)
    .map(([reason, calls]) => [reason === "" ? usual : escapeProse(reason), calls.join(" ")]);
  return [`### ${name}`, sentence(text), table(["when", "calls"], rows)].join("\n\n");
}
