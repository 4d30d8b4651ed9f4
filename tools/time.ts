// SPDX-License-Identifier: MIT
// R1: time is an argument. Finds reads of the real clock, real timers and unseeded chance outside
// the clock files of the scheduler, `bench/`, and the tests that meet the real world.
//
// A test or an example that has to look at real time says so: `// R1: why` on the line or above
// it, or in the comment that opens the file. The library itself has no such way out.

import ts from "typescript";
import { type Finding, findingAt, type Project, relativePath, walk } from "./project.ts";

const FREE = [
  /^scheduler\/clock-[^/]*\.ts$/,
  /^bench\//,
  /^tools\//,
  /^vitest\.config\.ts$/,
  /^test\/(interop|native-io|repo|bench)\//,
];
const MAY_EXPLAIN = [/^test\//, /^examples\//];

const FORBIDDEN_GLOBALS = new Set([
  "Date",
  "performance",
  "setImmediate",
  "setInterval",
  "setTimeout",
]);
const FORBIDDEN_MEMBERS = new Set(["Math.random", "process.hrtime", "process.uptime"]);
const FORBIDDEN_MODULES = new Set(["node:timers", "node:timers/promises", "node:perf_hooks"]);
const GLOBAL_OBJECTS = new Set(["globalThis", "global"]);

/** Checks that only the clock files know what time it is. */
export function checkTime(project: Project): Finding[] {
  const findings: Finding[] = [];
  for (const file of project.sources) {
    const name = relativePath(project, file.fileName);
    if (FREE.some((pattern) => pattern.test(name))) continue;
    const mayExplain = MAY_EXPLAIN.some((pattern) => pattern.test(name));
    if (mayExplain && explainsItself(file)) continue;
    const isTest = name.startsWith("test/");
    walk(file, (node) => {
      const what = forbiddenUse(project, node, isTest);
      if (what === null || (mayExplain && isExplained(file, node))) return;
      findings.push(findingAt(project, file, node, `R1: ${what}; time is an argument here`));
    });
  }
  return findings;
}

/** Names what a node reads that it must not, or null. */
function forbiddenUse(project: Project, node: ts.Node, isTest: boolean): string | null {
  if (ts.isImportDeclaration(node) && ts.isStringLiteral(node.moduleSpecifier)) {
    const specifier = node.moduleSpecifier.text;
    if (FORBIDDEN_MODULES.has(specifier)) return `imports ${specifier}`;
    // Tests show that Effection's sleep works inside our coroutines.
    if (!isTest && specifier === "effection" && importsName(node, "sleep")) {
      return "imports Effection's sleep";
    }
    return null;
  }
  if (ts.isPropertyAccessExpression(node) && ts.isIdentifier(node.expression)) {
    const member = `${node.expression.text}.${node.name.text}`;
    if (FORBIDDEN_MEMBERS.has(member) && isGlobal(project, node.expression))
      return `uses ${member}`;
    if (GLOBAL_OBJECTS.has(node.expression.text) && FORBIDDEN_GLOBALS.has(node.name.text)) {
      return `uses ${member}`;
    }
    return null;
  }
  if (!ts.isIdentifier(node) || !FORBIDDEN_GLOBALS.has(node.text)) return null;
  return isValueUse(node) && isGlobal(project, node) ? `uses ${node.text}` : null;
}

function importsName(node: ts.ImportDeclaration, name: string): boolean {
  const bindings = node.importClause?.namedBindings;
  if (bindings === undefined || !ts.isNamedImports(bindings)) return false;
  return bindings.elements.some((each) => (each.propertyName ?? each.name).text === name);
}

/** False for a member name, a declared name, and inside types. */
function isValueUse(node: ts.Identifier): boolean {
  const parent = node.parent;
  if (ts.isPropertyAccessExpression(parent) && parent.name === node) return false;
  if (ts.isPropertyAssignment(parent) && parent.name === node) return false;
  if (ts.isTypeReferenceNode(parent) || ts.isTypeQueryNode(parent)) return false;
  return ts.isExpression(node) || ts.isShorthandPropertyAssignment(parent);
}

/** Whether the name is declared outside the repository: a global of Node, not a local namesake. */
function isGlobal(project: Project, node: ts.Identifier): boolean {
  const symbol = project.checker.getSymbolAtLocation(node);
  const declarations = symbol?.declarations ?? [];
  return declarations.every((each) => each.getSourceFile().isDeclarationFile);
}

const EXPLANATION = /\/\/ R1: \S/;

function explainsItself(file: ts.SourceFile): boolean {
  const first = file.statements[0];
  return first !== undefined && EXPLANATION.test(file.text.slice(0, first.getStart(file)));
}

function isExplained(file: ts.SourceFile, node: ts.Node): boolean {
  const { line } = file.getLineAndCharacterOfPosition(node.getStart(file));
  const starts = file.getLineStarts();
  const from = starts[Math.max(0, line - 1)] ?? 0;
  const to = starts[line + 1] ?? file.text.length;
  return EXPLANATION.test(file.text.slice(from, to));
}
