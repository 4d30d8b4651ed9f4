// SPDX-License-Identifier: MIT
// Finds gaps in the documentation of what the public entries export. Asked of every export: a
// summary that is a sentence. Of functions and methods besides: each parameter, the result, the
// errors (complete as far as can be told from the signature, alphabetical), and of exported
// functions and classes an example.
//
// Left out: whether the prose is true, and the meaning of single properties, which their names
// and types often say.

import ts from "typescript";
import {
  callableOf,
  ERROR_CODE,
  functionsOf,
  inheritedFrom,
  isHidden,
  isLaterOverload,
  isPublicMember,
  paramTexts,
  publicConstructor,
  summaryOf,
  tagsOf,
} from "./doc-comments.ts";
import { type Finding, findingAt, type Project, relativePath } from "./project.ts";
import { ENTRIES, MODULES, moduleSymbol, publicExports } from "./public-api.ts";

/** Checks the documentation of every public export. */
export function checkDocstrings(project: Project, entries: readonly string[] = ENTRIES): Finding[] {
  const findings: Finding[] = [];
  for (const entry of entries) {
    if (moduleSymbol(project, entry) === undefined) {
      findings.push({
        file: entry,
        line: 0,
        message: "public entry is missing or exports nothing",
      });
    }
  }
  for (const { name, declaration } of publicExports(project, entries)) {
    const gaps = gapsOf(project, name, declaration);
    for (const gap of gaps) {
      findings.push(findingAt(project, gap.node.getSourceFile(), gap.node, gap.message));
    }
  }
  // The compiler lists functions first; readers go from top to bottom.
  return findings.sort((a, b) => (a.file === b.file ? a.line - b.line : a.file < b.file ? -1 : 1));
}

interface Gap {
  readonly node: ts.Node;
  readonly message: string;
}

function gapsOf(project: Project, name: string, declaration: ts.Declaration): Gap[] {
  if (isHidden(declaration)) return [];
  const gaps = summaryGaps(name, declaration);
  const callable = callableOf(declaration);
  // Of overloads the first one carries the documentation.
  if (callable !== null && !isLaterOverload(project, callable)) {
    gaps.push(...callableGaps(project, name, declaration, callable));
  }
  const isClass = ts.isClassDeclaration(declaration);
  const isMade = callable !== null || (isClass && publicConstructor(declaration) !== undefined);
  if (isMade && tagsOf(declaration, "example").length === 0) {
    if (callable === null || !isLaterOverload(project, callable)) {
      gaps.push({ node: declaration, message: `${name}: no @example` });
    }
  }
  if (isClass || ts.isInterfaceDeclaration(declaration)) {
    for (const member of declaration.members) gaps.push(...memberGaps(project, name, member));
  }
  if (callable === null && ts.isVariableDeclaration(declaration)) {
    gaps.push(...objectGaps(project, name, declaration));
  }
  return gaps;
}

/** Of an object with functions in it (`tcp.listen`): the functions, wherever they are declared. */
function objectGaps(project: Project, name: string, declaration: ts.VariableDeclaration): Gap[] {
  return functionsOf(project, declaration).flatMap(({ name: own, callable }) => {
    const full = `${name}.${own}`;
    return [...summaryGaps(full, callable), ...callableGaps(project, full, callable, callable)];
  });
}

function memberGaps(
  project: Project,
  owner: string,
  member: ts.ClassElement | ts.TypeElement,
): Gap[] {
  if (isHidden(member) || !isPublicMember(member)) return [];
  if (inheritedFrom(project, member) !== undefined) return [];
  if (!ts.isMethodDeclaration(member) && !ts.isMethodSignature(member)) return [];
  const name = `${owner}.${member.name.getText()}`;
  if (isLaterOverload(project, member)) return [];
  return [...summaryGaps(name, member), ...callableGaps(project, name, member, member)];
}

function summaryGaps(name: string, declaration: ts.Node): Gap[] {
  const summary = summaryOf(declaration);
  if (summary === "") return [{ node: declaration, message: `${name}: no documentation` }];
  const firstLine = summary.split(/\n\s*\n/)[0] ?? "";
  if (!/[.:?!)`]$/.test(firstLine.trim())) {
    return [{ node: declaration, message: `${name}: the summary is not a sentence` }];
  }
  return [];
}

function callableGaps(
  project: Project,
  name: string,
  documented: ts.Node,
  callable: ts.SignatureDeclaration,
): Gap[] {
  const gaps: Gap[] = [];
  const documentedParams = paramTexts(documented);
  for (const parameter of callable.parameters) {
    if (!ts.isIdentifier(parameter.name) || parameter.name.text === "this") continue;
    const text = documentedParams.get(parameter.name.text);
    if (text === undefined || text === "") {
      gaps.push({ node: parameter, message: `${name}: no @param ${parameter.name.text}` });
    }
    documentedParams.delete(parameter.name.text);
  }
  const isPlain = callable.parameters.every((each) => ts.isIdentifier(each.name));
  for (const stale of isPlain ? documentedParams.keys() : []) {
    if (stale.includes(".")) continue;
    gaps.push({ node: documented, message: `${name}: @param ${stale} does not exist` });
  }
  // A summary that tells the result need not tell it twice.
  const isTold = /^(Returns|Whether)\b/.test(summaryOf(documented));
  const hasReturns =
    isTold || ["returns", "return"].some((tag) => tagsOf(documented, tag).length > 0);
  if (!hasReturns && returnsSomething(project.checker, callable)) {
    gaps.push({ node: documented, message: `${name}: no @returns` });
  }
  return [...gaps, ...throwsGaps(name, documented, callable)];
}

/** Whether the result is more than nothing, also inside an operation or a promise. */
function returnsSomething(checker: ts.TypeChecker, callable: ts.SignatureDeclaration): boolean {
  const signature = checker.getSignatureFromDeclaration(callable);
  if (signature === undefined) return false;
  const text = checker.typeToString(signature.getReturnType());
  return !/^(\w+<)?(\w+<[^<>]*>, )?(void|never|undefined)\b[^|]*$/.test(text);
}

function throwsGaps(name: string, documented: ts.Node, callable: ts.SignatureDeclaration): Gap[] {
  const tags = [...tagsOf(documented, "throws"), ...tagsOf(documented, "exception")];
  const perTag = tags.map((tag) => tag.getText().match(ERROR_CODE) ?? []);
  const gaps: Gap[] = [];
  const codes = new Set(perTag.flat());
  const hasDeadline = callable.parameters.some((each) => /deadline/i.test(each.name.getText()));
  for (const code of hasDeadline ? ["ECANCELED", "ETIMEDOUT"] : []) {
    if (codes.has(code)) continue;
    gaps.push({ node: documented, message: `${name}: has a deadline, but no @throws ${code}` });
  }
  // One tag per code, or one tag that lists them. Prose after the first code is free.
  const listed = perTag.length === 1 ? (perTag[0] ?? []) : perTag.map((each) => each[0] ?? "");
  const order = listed.filter((code) => code !== "");
  if (order.some((code, index) => index > 0 && code < (order[index - 1] ?? ""))) {
    gaps.push({ node: documented, message: `${name}: @throws codes are not alphabetical` });
  }
  return gaps;
}

/** The code of every `@example` of the public exports and their members. */
export function examplesOf(project: Project, entries: readonly string[] = ENTRIES): CodeBlock[] {
  const blocks: CodeBlock[] = [];
  const add = (name: string, node: ts.Node, entry: string): void => {
    const module = MODULES.find((each) => each.entry === entry)?.name;
    for (const tag of tagsOf(node, "example")) {
      const file = tag.getSourceFile();
      const line = file.getLineAndCharacterOfPosition(tag.getStart()).line + 1;
      const text = ts.getTextOfJSDocComment(tag.comment) ?? "";
      const fenced = [...text.matchAll(/```(?:ts|typescript)\n([\s\S]*?)```/g)];
      const codes = fenced.length > 0 ? fenced.map((match) => match[1] ?? "") : [text];
      for (const code of codes) {
        const from = module === undefined ? {} : { module };
        blocks.push({ file: relativePath(project, file.fileName), line, name, code, ...from });
      }
    }
  };
  for (const { name, declaration, entry } of publicExports(project, entries)) {
    add(name, declaration, entry);
    if (ts.isClassDeclaration(declaration) || ts.isInterfaceDeclaration(declaration)) {
      for (const member of declaration.members) {
        if (isPublicMember(member)) add(`${name}.${member.name?.getText() ?? ""}`, member, entry);
      }
    }
    if (ts.isVariableDeclaration(declaration) && callableOf(declaration) === null) {
      for (const each of functionsOf(project, declaration)) {
        add(`${name}.${each.name}`, each.callable, entry);
      }
    }
  }
  return blocks;
}

/** A piece of TypeScript found in documentation. */
export interface CodeBlock {
  readonly file: string;
  /** 1-based line of its first line, or of the tag that holds it. */
  readonly line: number;
  /** What it is an example of. */
  readonly name: string;
  readonly code: string;
  /** The module that exports what it is an example of: its names come first. */
  readonly module?: string;
}
