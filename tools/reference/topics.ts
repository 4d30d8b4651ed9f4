// SPDX-License-Identifier: MIT
// What the reference tells of: the exports of the public modules, with their calls and properties,
// each on its page. Types that are not exported but stand in the signature of something that is
// come along, since without them the reader could not tell what to give.

import ts from "typescript";
import {
  callableOf,
  functionsOf,
  inheritedFrom,
  isHidden,
  isLaterOverload,
  isPublicMember,
  publicConstructor,
  summaryOf,
} from "../doc-comments.ts";
import { type Project, relativePath, walk } from "../project.ts";
import { MODULES, type PublicExport, publicExports } from "../public-api.ts";
import { compareNames } from "./markdown.ts";
import { type Page, pageOf } from "./pages.ts";

/** In the order of a page. */
export const KINDS = ["function", "class", "interface", "type", "constant"] as const;
/** What an export is. */
export type Kind = (typeof KINDS)[number];

/** Something that can be called. */
export interface Call {
  /** `tcp.connect`, `TcpConnection.send`, `new Random`. */
  readonly name: string;
  readonly callable: ts.SignatureDeclaration;
  /** Where its documentation stands. */
  readonly documented: ts.Node;
  /** The callable and its overloads. */
  readonly overloads: readonly ts.SignatureDeclaration[];
}

/** A field, an accessor, or a member of an interface that is not a method. */
export interface Property {
  readonly name: string;
  readonly isOptional: boolean;
  readonly member: ts.ClassElement | ts.TypeElement;
  readonly type: ts.TypeNode | undefined;
  /** Where its documentation stands. */
  readonly documented: ts.Node;
}

/** A documented export. */
export interface Topic {
  readonly name: string;
  readonly kind: Kind;
  readonly page: Page;
  readonly declaration: ts.Declaration;
  /** False: it comes along with what uses it. */
  readonly isExported: boolean;
  /** The function itself, or the methods. */
  readonly calls: readonly Call[];
  readonly properties: readonly Property[];
  /** Methods that a documented interface or class tells of. */
  readonly inherited: readonly ts.ClassElement[];
}

/** Everything that the reference tells of, sorted by name. */
export function topicsOf(
  project: Project,
  entries: readonly string[] = MODULES.map((each) => each.entry),
): Topic[] {
  const topics = publicExports(project, entries).flatMap((each) => topicsOfExport(project, each));
  topics.sort((a, b) => compareNames(a.name, b.name));
  return [...topics, ...unexportedTopics(project, topics)];
}

function topicsOfExport(project: Project, each: PublicExport): Topic[] {
  const { name, declaration } = each;
  if (isHidden(declaration)) return [];
  const page = pageOf(each, relativePath(project, declaration.getSourceFile().fileName));
  const base = { page, isExported: true, properties: [], inherited: [] };
  const callable = callableOf(declaration);
  if (callable !== null) {
    if (isLaterOverload(project, callable)) return [];
    const calls = [callOf(project, name, callable, declaration)];
    return [{ ...base, name, kind: "function", declaration, calls }];
  }
  if (ts.isVariableDeclaration(declaration)) {
    const functions = functionsOf(project, declaration);
    if (functions.length > 0) {
      return functions.map((member) => {
        const full = `${name}.${member.name}`;
        const calls = [callOf(project, full, member.callable, member.callable)];
        return { ...base, name: full, kind: "function", declaration: member.callable, calls };
      });
    }
  }
  const topic = typeTopic(project, name, declaration, page, !each.isTypeOnly);
  return topic === null ? [] : [topic];
}

/** A class, an interface, a type or a constant; null for what is none of them. */
function typeTopic(
  project: Project,
  name: string,
  declaration: ts.Declaration,
  page: Page,
  isValue: boolean,
): Topic | null {
  const base = { name, page, declaration, isExported: true };
  const bare = { ...base, calls: [], properties: [], inherited: [] };
  if (ts.isVariableDeclaration(declaration)) return { ...bare, kind: "constant" };
  if (ts.isTypeAliasDeclaration(declaration)) return { ...bare, kind: "type" };
  const isClass = ts.isClassDeclaration(declaration);
  if (!isClass && !ts.isInterfaceDeclaration(declaration)) return null;
  const members = [...declaration.members].filter(
    (member) => isPublicMember(member) && !isHidden(member),
  );
  const inherited = members.filter(
    (member): member is ts.ClassElement =>
      ts.isMethodDeclaration(member) && inheritedFrom(project, member) !== undefined,
  );
  const calls: Call[] = [];
  const made = isClass && isValue ? publicConstructor(declaration) : undefined;
  if (made !== undefined) calls.push(callOf(project, `new ${name}`, made, made));
  for (const member of members) {
    if (!ts.isMethodDeclaration(member) && !ts.isMethodSignature(member)) continue;
    if (inherited.includes(member as ts.ClassElement) || isLaterOverload(project, member)) continue;
    calls.push(callOf(project, `${name}.${member.name.getText()}`, member, member));
  }
  return {
    ...base,
    kind: isClass ? "class" : "interface",
    calls,
    properties: members.flatMap((member) => propertyOf(project, member)),
    inherited,
  };
}

function callOf(
  project: Project,
  name: string,
  callable: ts.SignatureDeclaration,
  documented: ts.Node,
): Call {
  const symbol =
    callable.name === undefined ? undefined : project.checker.getSymbolAtLocation(callable.name);
  const all = (symbol?.declarations ?? []).filter(
    (each): each is ts.SignatureDeclaration =>
      ts.isFunctionDeclaration(each) || ts.isMethodDeclaration(each) || ts.isMethodSignature(each),
  );
  // The declaration that has a body is none that callers see, if there are others.
  const seen = all.filter((each) => !("body" in each) || each.body === undefined);
  return { name, callable, documented, overloads: seen.length > 1 ? seen : [callable] };
}

function propertyOf(project: Project, member: ts.ClassElement | ts.TypeElement): Property[] {
  const isProperty =
    ts.isPropertyDeclaration(member) ||
    ts.isPropertySignature(member) ||
    ts.isGetAccessorDeclaration(member);
  if (!isProperty || member.name === undefined) return [];
  const isOptional = "questionToken" in member && member.questionToken !== undefined;
  const isTold = summaryOf(member) !== "";
  const documented = isTold ? member : (inheritedFrom(project, member) ?? member);
  return [{ name: member.name.getText(), isOptional, member, type: member.type, documented }];
}

/** The declarations that a type names. */
export function namedIn(project: Project, node: ts.Node): ts.Declaration[] {
  const found: ts.Declaration[] = [];
  walk(node, (each) => {
    if (!ts.isTypeReferenceNode(each) && !ts.isExpressionWithTypeArguments(each)) return;
    const name = ts.isTypeReferenceNode(each) ? each.typeName : each.expression;
    const symbol = project.checker.getSymbolAtLocation(name);
    if (symbol === undefined) return;
    const isAlias = (symbol.flags & ts.SymbolFlags.Alias) !== 0;
    const target = isAlias ? project.checker.getAliasedSymbol(symbol) : symbol;
    found.push(...(target.declarations ?? []));
  });
  return [...new Set(found)];
}

/** The types in the signatures and properties of a topic. */
function namedByTopic(project: Project, topic: Topic): ts.Declaration[] {
  const nodes: ts.Node[] = topic.properties.flatMap((each) => each.type ?? []);
  for (const { overloads } of topic.calls) {
    for (const each of overloads) {
      nodes.push(...each.parameters.flatMap((parameter) => parameter.type ?? []));
      if (each.type !== undefined) nodes.push(each.type);
    }
  }
  if (ts.isTypeAliasDeclaration(topic.declaration)) nodes.push(topic.declaration.type);
  return nodes.flatMap((node) => namedIn(project, node));
}

/** Interfaces and types that exported ones name, and those that these name in turn. */
function unexportedTopics(project: Project, exported: readonly Topic[]): Topic[] {
  const known = new Set<ts.Declaration>(exported.map((each) => each.declaration));
  const found: Topic[] = [];
  const sources = new Set(project.sources);
  const queue = [...exported];
  for (let topic = queue.shift(); topic !== undefined; topic = queue.shift()) {
    for (const declaration of namedByTopic(project, topic)) {
      const isType =
        ts.isInterfaceDeclaration(declaration) || ts.isTypeAliasDeclaration(declaration);
      if (!isType || known.has(declaration) || !sources.has(declaration.getSourceFile())) continue;
      known.add(declaration);
      if (isHidden(declaration) || summaryOf(declaration) === "") continue;
      const made = typeTopic(project, declaration.name.text, declaration, topic.page, false);
      if (made === null) continue;
      const unexported = { ...made, isExported: false };
      found.push(unexported);
      queue.push(unexported);
    }
  }
  return found.sort((a, b) => compareNames(a.name, b.name));
}
