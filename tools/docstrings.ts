// SPDX-License-Identifier: MIT
// Finds gaps in the documentation of what the public entries export. Asked of every export: a
// summary that is a sentence. Of functions and methods besides: each parameter, the result, the
// errors (complete as far as can be told from the signature, alphabetical), and of exported
// functions and classes an example.
//
// Left out: whether the prose is true, and the meaning of single properties, which their names
// and types often say.

import path from "node:path";
import ts from "typescript";
import { type Finding, findingAt, type Project, relativePath } from "./project.ts";

/** The entries whose exports are documented. */
export const ENTRIES: readonly string[] = ["src/index.ts", "src/testing.ts", "scheduler/index.ts"];

/** An exported thing with the place where it is declared. */
export interface PublicExport {
  readonly name: string;
  readonly declaration: ts.Declaration;
}

/** Lists what the entries export and this repository declares, each thing once. */
export function publicExports(
  project: Project,
  entries: readonly string[] = ENTRIES,
): PublicExport[] {
  const seen = new Set<ts.Declaration>();
  const found: PublicExport[] = [];
  const visit = (symbol: ts.Symbol, name: string): void => {
    const isAlias = (symbol.flags & ts.SymbolFlags.Alias) !== 0;
    const target = isAlias ? project.checker.getAliasedSymbol(symbol) : symbol;
    for (const declaration of target.declarations ?? []) {
      if (seen.has(declaration)) continue;
      seen.add(declaration);
      const file = declaration.getSourceFile();
      if (file.isDeclarationFile) continue;
      if (ts.isSourceFile(declaration)) {
        // `export * as tcp from "./tcp.ts"`
        for (const member of project.checker.getExportsOfModule(target)) {
          visit(member, `${name}.${member.name}`);
        }
      } else {
        found.push({ name, declaration });
      }
    }
  };
  for (const entry of entries) {
    const module = moduleSymbol(project, entry);
    if (module === undefined) continue;
    for (const symbol of project.checker.getExportsOfModule(module)) visit(symbol, symbol.name);
  }
  return found;
}

/** The symbol of an entry's module; undefined when the file is missing or exports nothing. */
export function moduleSymbol(project: Project, entry: string): ts.Symbol | undefined {
  const file = project.program.getSourceFile(path.join(project.root, entry));
  return file === undefined ? undefined : project.checker.getSymbolAtLocation(file);
}

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
  const isMade = callable !== null || (isClass && hasPublicConstructor(declaration));
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
  const gaps: Gap[] = [];
  const type = project.checker.getTypeAtLocation(declaration);
  for (const property of project.checker.getPropertiesOfType(type)) {
    const propertyType = project.checker.getTypeOfSymbolAtLocation(property, declaration);
    const callable = propertyType.getCallSignatures()[0]?.getDeclaration();
    if (callable === undefined || callable.getSourceFile().isDeclarationFile) continue;
    // A class or an interface is checked by its own name, if it is exported.
    if (ts.isClassDeclaration(callable.parent) || isHidden(callable)) continue;
    const full = `${name}.${property.name}`;
    gaps.push(...summaryGaps(full, callable), ...callableGaps(project, full, callable, callable));
  }
  return gaps;
}

function memberGaps(
  project: Project,
  owner: string,
  member: ts.ClassElement | ts.TypeElement,
): Gap[] {
  if (isHidden(member) || !isPublicMember(member) || isInherited(project, member)) return [];
  if (!ts.isMethodDeclaration(member) && !ts.isMethodSignature(member)) return [];
  const name = `${owner}.${member.name.getText()}`;
  if (isLaterOverload(project, member)) return [];
  return [...summaryGaps(name, member), ...callableGaps(project, name, member, member)];
}

/** False for `#x`, `private`, `protected`, `[Symbol.x]`, and what a documented parent declares. */
function isPublicMember(member: ts.ClassElement | ts.TypeElement): boolean {
  if (member.name === undefined) return false;
  if (ts.isPrivateIdentifier(member.name) || ts.isComputedPropertyName(member.name)) return false;
  const hidden = ts.ModifierFlags.Private | ts.ModifierFlags.Protected | ts.ModifierFlags.Override;
  return (ts.getCombinedModifierFlags(member) & hidden) === 0;
}

/** Whether users make such objects by `new`, as far as the class says. */
function hasPublicConstructor(declaration: ts.ClassDeclaration): boolean {
  return declaration.members.some(
    (each) =>
      ts.isConstructorDeclaration(each) &&
      !isHidden(each) &&
      (ts.getCombinedModifierFlags(each) & ts.ModifierFlags.Private) === 0,
  );
}

/** Whether an interface that the class implements documents the member. */
function isInherited(project: Project, member: ts.ClassElement | ts.TypeElement): boolean {
  if (!ts.isClassDeclaration(member.parent) || member.name === undefined) return false;
  const name = member.name.getText();
  const parents = (member.parent.heritageClauses ?? []).flatMap((clause) => clause.types);
  return parents.some((parent) => {
    const property = project.checker.getTypeAtLocation(parent).getProperty(name);
    return property?.declarations?.some((each) => summaryOf(each) !== "") ?? false;
  });
}

/** `@internal`, or documented elsewhere. */
function isHidden(node: ts.Node): boolean {
  return ["internal", "inheritDoc", "hidden"].some((name) => tagsOf(node, name).length > 0);
}

function callableOf(declaration: ts.Declaration): ts.SignatureDeclaration | null {
  if (ts.isFunctionDeclaration(declaration)) return declaration;
  if (ts.isVariableDeclaration(declaration) && declaration.initializer !== undefined) {
    const value = declaration.initializer;
    if (ts.isArrowFunction(value) || ts.isFunctionExpression(value)) return value;
  }
  return null;
}

/** Whether a declaration before this one of the same function has the documentation. */
function isLaterOverload(project: Project, node: ts.SignatureDeclaration): boolean {
  if (node.name === undefined) return false;
  const symbol = project.checker.getSymbolAtLocation(node.name);
  const declarations = symbol?.declarations ?? [];
  return declarations.length > 1 && declarations[0] !== node;
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

function summaryOf(node: ts.Node): string {
  const docs = ts.getJSDocCommentsAndTags(node).filter(ts.isJSDoc);
  return docs
    .map((each) => ts.getTextOfJSDocComment(each.comment) ?? "")
    .join("\n")
    .trim();
}

function tagsOf(node: ts.Node, name: string): readonly ts.JSDocTag[] {
  return ts.getJSDocTags(node).filter((tag) => tag.tagName.text === name);
}

function callableGaps(
  project: Project,
  name: string,
  documented: ts.Node,
  callable: ts.SignatureDeclaration,
): Gap[] {
  const gaps: Gap[] = [];
  const documentedParams = new Map(
    ts
      .getJSDocTags(documented)
      .filter(ts.isJSDocParameterTag)
      .map((tag) => [tag.name.getText(), ts.getTextOfJSDocComment(tag.comment) ?? ""]),
  );
  for (const parameter of callable.parameters) {
    if (!ts.isIdentifier(parameter.name) || parameter.name.text === "this") continue;
    const text = documentedParams.get(parameter.name.text);
    if (text === undefined || text.replace(/^\s*-\s*/, "") === "") {
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

const ERROR_CODE = /\bE[A-Z0-9]{2,}\b/g;

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
  const add = (name: string, node: ts.Node): void => {
    for (const tag of tagsOf(node, "example")) {
      const file = tag.getSourceFile();
      const line = file.getLineAndCharacterOfPosition(tag.getStart()).line + 1;
      const text = ts.getTextOfJSDocComment(tag.comment) ?? "";
      const fenced = [...text.matchAll(/```(?:ts|typescript)\n([\s\S]*?)```/g)];
      const codes = fenced.length > 0 ? fenced.map((match) => match[1] ?? "") : [text];
      for (const code of codes) {
        blocks.push({ file: relativePath(project, file.fileName), line, name, code });
      }
    }
  };
  for (const { name, declaration } of publicExports(project, entries)) {
    add(name, declaration);
    if (ts.isClassDeclaration(declaration) || ts.isInterfaceDeclaration(declaration)) {
      for (const member of declaration.members) {
        if (isPublicMember(member)) add(`${name}.${member.name?.getText() ?? ""}`, member);
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
}
