// SPDX-License-Identifier: MIT
// Size limits of the style guide: a function fits on a screen, a file is one concept.

import { readFileSync } from "node:fs";
import path from "node:path";
import ts from "typescript";
import { type Finding, findingAt, listFiles, type Project, walk } from "./project.ts";

/** Longest function, from its first line to its closing brace. */
export const FUNCTION_LINES = 70;
/** Longest file. */
export const FILE_LINES = 500;
/** From here on a file is named as long, without failing the check. */
export const LONG_FILE_LINES = 250;
/** Longest line. The formatter keeps code within it, but does not break comments. */
export const COLUMNS = 100;

const FOLDERS = ["bench", "examples", "native-io", "scheduler", "src", "test", "tools"];
const EXTENSIONS = [".ts", ".mts", ".mjs", ".js", ".c", ".cc", ".h"];
/** `describe`, `suite`, and helpers named after them (`describeWithNic`). */
const GROUP = /^(describe|suite)/;

/** Files over a limit, and those coming near. */
export interface SizeReport {
  readonly findings: readonly Finding[];
  /** Files over LONG_FILE_LINES: `path (lines)`, longest first. */
  readonly long: readonly string[];
}

/** Checks files and lines on disk, in every language. */
export function checkFileSizes(root: string): SizeReport {
  const findings: Finding[] = [];
  const long: { readonly file: string; readonly lines: number }[] = [];
  for (const folder of FOLDERS.filter((each) => ts.sys.directoryExists(path.join(root, each)))) {
    for (const file of listFiles(root, folder, EXTENSIONS)) {
      const lines = readFileSync(path.join(root, file), "utf8").trimEnd().split("\n");
      if (lines.length > FILE_LINES) {
        findings.push({ file, line: 0, message: `${lines.length} lines, limit ${FILE_LINES}` });
      }
      if (lines.length > LONG_FILE_LINES) long.push({ file, lines: lines.length });
      findings.push(...wideComments(file, lines));
    }
  }
  long.sort((a, b) => b.lines - a.lines);
  return { findings, long: long.map((each) => `${each.file} (${each.lines})`) };
}

function wideComments(file: string, lines: readonly string[]): Finding[] {
  const findings: Finding[] = [];
  lines.forEach((text, index) => {
    const isComment = /^\s*(\/\/|\/\*|\*)/.test(text);
    if (!isComment || [...text].length <= COLUMNS || text.includes("://")) return;
    findings.push({ file, line: index + 1, message: `comment wider than ${COLUMNS} columns` });
  });
  return findings;
}

/** Checks the length of every function, those inside others too. */
export function checkFunctionSizes(project: Project): Finding[] {
  const findings: Finding[] = [];
  for (const file of project.sources) {
    walk(file, (node) => {
      if (!ts.isFunctionLike(node) || !("body" in node) || isGroup(node)) return;
      const first = file.getLineAndCharacterOfPosition(node.getStart(file)).line;
      const last = file.getLineAndCharacterOfPosition(node.getEnd()).line;
      const lines = last - first + 1;
      if (lines <= FUNCTION_LINES) return;
      const message = `function of ${lines} lines, limit ${FUNCTION_LINES}`;
      findings.push(findingAt(project, file, node, message));
    });
  }
  return findings;
}

/** `describe("...", () => { ... })` is a heading, not a function. */
function isGroup(node: ts.Node): boolean {
  if (node.parent === undefined || !ts.isCallExpression(node.parent)) return false;
  let callee: ts.Node = node.parent.expression;
  while (ts.isPropertyAccessExpression(callee) || ts.isCallExpression(callee)) {
    callee = callee.expression;
  }
  return ts.isIdentifier(callee) && GROUP.test(callee.text);
}
