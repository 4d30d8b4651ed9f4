// SPDX-License-Identifier: MIT
// Signatures as callers see them: no bodies, no defaults, no modifiers.

import ts from "typescript";
import type { Project } from "../project.ts";
import type { Call, Topic } from "./topics.ts";

/** Longest signature that stands in one line. */
const LINE_COLUMNS = 100;
/** Longest value of a constant that is shown. */
const VALUE_LINES = 40;

/** A type as it is written, in one line. */
export function typeSource(node: ts.Node): string {
  return node
    .getText()
    .replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "")
    .replace(/\s+/g, " ")
    .replace(/^\| /, "")
    .trim();
}

/** The signatures of a call, one per overload. */
export function signaturesOf(project: Project, call: Call): string {
  return call.overloads.map((each) => signatureOf(project, call.name, each)).join("\n");
}

function signatureOf(project: Project, name: string, callable: ts.SignatureDeclaration): string {
  const generics = typeParameters(callable.typeParameters);
  const parameters = callable.parameters
    .filter((each) => each.name.getText() !== "this")
    .map((each) => parameterOf(project, each));
  const result = ts.isConstructorDeclaration(callable) ? "" : `: ${resultOf(project, callable)}`;
  const line = `${name}${generics}(${parameters.join(", ")})${result}`;
  if (line.length <= LINE_COLUMNS || parameters.length === 0) return line;
  return `${name}${generics}(\n${parameters.map((each) => `  ${each},\n`).join("")})${result}`;
}

function parameterOf(project: Project, node: ts.ParameterDeclaration): string {
  const rest = node.dotDotDotToken === undefined ? "" : "...";
  const name = ts.isIdentifier(node.name) ? node.name.text : "options";
  const isOptional = node.questionToken !== undefined || node.initializer !== undefined;
  const { checker } = project;
  const type =
    node.type === undefined
      ? checker.typeToString(checker.getTypeAtLocation(node), node)
      : typeSource(node.type);
  return `${rest}${name.replace(/^_/, "")}${isOptional ? "?" : ""}: ${type}`;
}

function resultOf(project: Project, callable: ts.SignatureDeclaration): string {
  if (callable.type !== undefined) return typeSource(callable.type);
  const signature = project.checker.getSignatureFromDeclaration(callable);
  return signature === undefined
    ? "void"
    : project.checker.typeToString(signature.getReturnType(), callable);
}

function typeParameters(nodes: readonly ts.TypeParameterDeclaration[] | undefined): string {
  return nodes === undefined ? "" : `<${nodes.map(typeSource).join(", ")}>`;
}

/** What a class, an interface, a type or a constant is declared as; empty if its name says all. */
export function declarationText({ name, declaration }: Topic): string {
  const own = name.slice(name.lastIndexOf(".") + 1);
  if (ts.isTypeAliasDeclaration(declaration)) {
    const text = declaration.getText().replace(/^(?:export|declare)\s+/, "");
    return text.slice(text.indexOf("type "));
  }
  if (ts.isVariableDeclaration(declaration)) return `const ${constantText(own, declaration)};`;
  const isClass = ts.isClassDeclaration(declaration);
  if (!isClass && !ts.isInterfaceDeclaration(declaration)) return "";
  if (declaration.typeParameters === undefined) return "";
  return `${isClass ? "class" : "interface"} ${own}${typeParameters(declaration.typeParameters)}`;
}

function constantText(name: string, declaration: ts.VariableDeclaration): string {
  const { type } = declaration;
  if (type === undefined) {
    const lines = declaration.getText().split("\n");
    // What follows the first line is indented as in its file: not at all.
    return lines.length <= VALUE_LINES ? lines.join("\n") : name;
  }
  const value = constantValue(declaration);
  return `${name}: ${typeSource(type)}${value === "" ? "" : ` = ${value}`}`;
}

/** The value of a constant if it is a short one. */
export function constantValue({ initializer }: ts.VariableDeclaration): string {
  const value = initializer === undefined ? "" : typeSource(initializer);
  return value.length <= 60 && !/[({[]/.test(value) ? value : "";
}
