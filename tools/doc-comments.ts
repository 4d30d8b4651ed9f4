// SPDX-License-Identifier: MIT
// Reads what is written at a declaration: its documentation comment, and whether users can see it.

import ts from "typescript";
import type { Project } from "./project.ts";

/** What a code of an operating error looks like. */
export const ERROR_CODE: RegExp = /\bE[A-Z0-9]{2,}\b/g;

/** The text of a documentation comment before its first tag. */
export function summaryOf(node: ts.Node): string {
  const docs = ts.getJSDocCommentsAndTags(node).filter(ts.isJSDoc);
  return docs
    .map((each) => ts.getTextOfJSDocComment(each.comment) ?? "")
    .join("\n")
    .trim();
}

/** The tags of one name. */
export function tagsOf(node: ts.Node, name: string): readonly ts.JSDocTag[] {
  return ts.getJSDocTags(node).filter((tag) => tag.tagName.text === name);
}

/** The text of a tag, without its name. */
export function tagText(tag: ts.JSDocTag): string {
  return (ts.getTextOfJSDocComment(tag.comment) ?? "").trim();
}

/** What `@param` says, by the name of the parameter, without the dash that may stand in front. */
export function paramTexts(node: ts.Node): Map<string, string> {
  return new Map(
    ts
      .getJSDocTags(node)
      .filter(ts.isJSDocParameterTag)
      .map((tag) => [tag.name.getText(), tagText(tag).replace(/^-\s*/, "")]),
  );
}

/** `@internal`, or documented elsewhere. */
export function isHidden(node: ts.Node): boolean {
  return ["internal", "inheritDoc", "hidden"].some((name) => tagsOf(node, name).length > 0);
}

/** False for `#x`, `private`, `protected`, `[Symbol.x]`, and what a documented parent declares. */
export function isPublicMember(member: ts.ClassElement | ts.TypeElement): boolean {
  if (member.name === undefined) return false;
  if (ts.isPrivateIdentifier(member.name) || ts.isComputedPropertyName(member.name)) return false;
  const hidden = ts.ModifierFlags.Private | ts.ModifierFlags.Protected | ts.ModifierFlags.Override;
  return (ts.getCombinedModifierFlags(member) & hidden) === 0;
}

/** The constructor with which users make such objects by `new`, as far as the class says. */
export function publicConstructor(
  declaration: ts.ClassDeclaration,
): ts.ConstructorDeclaration | undefined {
  return declaration.members.find(
    (each): each is ts.ConstructorDeclaration =>
      ts.isConstructorDeclaration(each) &&
      !isHidden(each) &&
      (ts.getCombinedModifierFlags(each) & ts.ModifierFlags.Private) === 0,
  );
}

/** Where an interface or a class that this one comes from documents the member. */
export function inheritedFrom(
  project: Project,
  member: ts.ClassElement | ts.TypeElement,
): ts.Declaration | undefined {
  if (!ts.isClassDeclaration(member.parent) || member.name === undefined) return undefined;
  const name = member.name.getText();
  for (const parent of (member.parent.heritageClauses ?? []).flatMap((clause) => clause.types)) {
    const property = project.checker.getTypeAtLocation(parent).getProperty(name);
    const documented = property?.declarations?.find((each) => summaryOf(each) !== "");
    if (documented !== undefined) return documented;
  }
  return undefined;
}

/** The function behind a declaration, if it is one. */
export function callableOf(declaration: ts.Declaration): ts.SignatureDeclaration | null {
  if (ts.isFunctionDeclaration(declaration)) return declaration;
  if (ts.isVariableDeclaration(declaration) && declaration.initializer !== undefined) {
    const value = declaration.initializer;
    if (ts.isArrowFunction(value) || ts.isFunctionExpression(value)) return value;
  }
  return null;
}

/** Whether a declaration before this one of the same function has the documentation. */
export function isLaterOverload(project: Project, node: ts.SignatureDeclaration): boolean {
  if (node.name === undefined) return false;
  const symbol = project.checker.getSymbolAtLocation(node.name);
  const declarations = symbol?.declarations ?? [];
  return declarations.length > 1 && declarations[0] !== node;
}

/** The functions of an object (`tcp.listen` of `tcp`), wherever they are declared, by name. */
export function functionsOf(
  project: Project,
  declaration: ts.VariableDeclaration,
): { readonly name: string; readonly callable: ts.SignatureDeclaration }[] {
  const type = project.checker.getTypeAtLocation(declaration);
  return project.checker.getPropertiesOfType(type).flatMap((property) => {
    const propertyType = project.checker.getTypeOfSymbolAtLocation(property, declaration);
    const callable = propertyType.getCallSignatures()[0]?.getDeclaration();
    if (callable === undefined || callable.getSourceFile().isDeclarationFile) return [];
    // A class or an interface stands under its own name, if it is exported.
    if (ts.isClassDeclaration(callable.parent) || isHidden(callable)) return [];
    return [{ name: property.name, callable }];
  });
}
