// SPDX-License-Identifier: MIT
// The text of one topic: heading, signature, summary, parameters, result, errors, example, source.

import ts from "typescript";
import { paramTexts, summaryOf, tagsOf, tagText } from "../doc-comments.ts";
import type { Project } from "../project.ts";
import { CONSTANTS_HEADING, callHeading, type Links } from "./links.ts";
import {
  code,
  codeBlock,
  compareNames,
  escapeProse,
  layOut,
  sentence,
  table,
  wrap,
} from "./markdown.ts";
import { ERRORS_PAGE, type Page } from "./pages.ts";
import { constantValue, declarationText, signaturesOf, typeSource } from "./signatures.ts";
import { type ErrorCase, readThrows, type Throws } from "./throws.ts";
import type { Call, Topic } from "./topics.ts";

/** What the text of a topic needs to know besides the topic. */
export interface Writer {
  readonly project: Project;
  readonly links: Links;
  readonly page: Page;
  /** What each code means in general. */
  readonly codes: ReadonlyMap<string, string>;
}

/** A topic from its heading to its last call. */
export function topicText(writer: Writer, topic: Topic): string {
  const { declaration, calls } = topic;
  if (topic.kind === "function") {
    return calls.map((call) => callText(writer, call, "##")).join("\n\n");
  }
  const blocks = [`## ${topic.name}`];
  const declared = declarationText(topic);
  if (declared !== "") blocks.push(codeBlock(declared));
  const about = [prose(writer, summaryOf(declaration)), heritage(writer, topic)];
  if (!topic.isExported) about.push("Not exported by name; it comes with what uses it.");
  blocks.push(layOut(about.filter((each) => each !== "").join("\n\n")));
  blocks.push(...examples(declaration), ...sources(writer, declaration));
  blocks.push(propertyTable(writer, topic), methodTable(writer, topic));
  blocks.push(...calls.map((call) => callText(writer, call, "###")));
  return blocks.filter((block) => block !== "").join("\n\n");
}

/** Constants with their values. */
export function constantsText(writer: Writer, topics: readonly Topic[]): string {
  const rows = topics.map(({ name, declaration }) => {
    const value = ts.isVariableDeclaration(declaration) ? constantValue(declaration) : "";
    return [code(name), code(value), prose(writer, summaryOf(declaration))];
  });
  return `## ${CONSTANTS_HEADING}\n\n${table(["name", "value", "meaning"], rows)}`;
}

/** The first sentence of a comment. */
export function firstSentence(node: ts.Node): string {
  const [paragraph = ""] = summaryOf(node).split(/\n\s*\n/);
  const text = paragraph.replace(/\s+/g, " ").trim();
  return /^.*?[.!?:](?=\s+[A-Z`]|$)/.exec(text)?.[0].replace(/:$/, ".") ?? text;
}

/** The errors of a call. */
export function throwsOf(call: Call): Throws {
  const tags = ["throws", "exception"].flatMap((name) => tagsOf(call.documented, name));
  return readThrows(tags.map(throwsText));
}

/** A tag's text, with the `{Type}` that the compiler keeps apart. */
function throwsText(tag: ts.JSDocTag): string {
  const type = ts.isJSDocThrowsTag(tag) ? (tag.typeExpression?.type.getText() ?? "") : "";
  return `${type} ${tagText(tag)}`.trim();
}

function prose(writer: Writer, text: string): string {
  return escapeProse(writer.links.resolve(writer.page, text));
}

function callText(writer: Writer, call: Call, marks: string): string {
  const { documented } = call;
  const blocks = [
    `${marks} ${callHeading(call.name)}`,
    codeBlock(signaturesOf(writer.project, call)),
    layOut(prose(writer, summaryOf(documented))),
    list([...parameters(writer, call)]),
    returns(writer, call),
    errors(writer, call),
    ...(ts.isConstructorDeclaration(call.callable) ? [] : examples(documented)),
    ...sources(writer, documented),
  ];
  return blocks.filter((block) => block !== "").join("\n\n");
}

function list(items: readonly string[]): string {
  return items.map((each) => wrap(`- ${each}`, "  ")).join("\n");
}

function parameters(writer: Writer, { callable, documented }: Call): string[] {
  const texts = paramTexts(documented);
  return callable.parameters.flatMap((each) => {
    if (!ts.isIdentifier(each.name) || each.name.text === "this") return [];
    const text = prose(writer, texts.get(each.name.text) ?? "");
    const types = writer.links.typesIn(writer.page, each.type);
    if (text === "" && types.length === 0) return [];
    const name = code(each.name.text.replace(/^_/, ""));
    if (text === "") return [`${name}: ${types.join(", ")}`];
    return [`${name}: ${text}${types.length === 0 ? "" : ` (${types.join(", ")})`}`];
  });
}

function returns(writer: Writer, { callable, documented }: Call): string {
  const [tag] = [...tagsOf(documented, "returns"), ...tagsOf(documented, "return")];
  const types = writer.links.typesIn(writer.page, callable.type);
  const said = prose(writer, tag === undefined ? "" : tagText(tag)).replace(/^-\s*/, "");
  if (said === "") return types.length === 0 ? "" : `Returns ${types.join(", ")}.`;
  const isWord = /^[A-Z][a-z]*\b(?!Error)/.test(said) && !/^[A-Z]\w*[A-Z]/.test(said);
  const text = `Returns ${isWord ? said.charAt(0).toLowerCase() + said.slice(1) : said}`;
  if (types.length === 0) return wrap(sentence(text));
  const [, body = "", end = "."] = /^([\s\S]*?)([.!?]?)$/.exec(text) ?? [];
  // In front of what follows, if it is more than a phrase.
  const at = body.search(/[.;:]\s/);
  const place = ` (${types.join(", ")})`;
  const whole = at < 0 ? body + place : body.slice(0, at) + place + body.slice(at);
  return wrap(`${whole}${end === "" ? "." : end}`);
}

function errors(writer: Writer, call: Call): string {
  const { cases, remarks } = throwsOf(call);
  if (cases.length === 0) return "";
  const items = cases.map((each) => errorItem(writer, each));
  const after = remarks.map((each) => sentence(prose(writer, each))).join(" ");
  return `*Errors*\n\n${list(items)}${after === "" ? "" : `\n\n${wrap(after)}`}`;
}

function errorItem(writer: Writer, { code: name, text }: ErrorCase): string {
  if (name === null) {
    const isBare = text === "TypeError";
    return isBare ? `\`${text}\`: an argument is of the wrong type` : otherError(writer, text);
  }
  const general = writer.codes.get(name);
  const to = writer.page.id === ERRORS_PAGE ? "" : `${ERRORS_PAGE}.md`;
  const shown = general === undefined ? code(name) : `[${code(name)}](${to}#${name.toLowerCase()})`;
  const said = text === "" ? (general ?? "") : prose(writer, text);
  return said === "" ? shown : `${shown}: ${said}`;
}

function otherError(writer: Writer, text: string): string {
  return prose(writer, text.replace(/^(\w*Error)\b/, "`$1`"));
}

function examples(node: ts.Node): string[] {
  return tagsOf(node, "example").map((tag) => {
    const text = tagText(tag);
    return text.includes("```") ? `*Example*\n\n${text}` : `*Example*\n\n${codeBlock(text)}`;
  });
}

function sources(writer: Writer, node: ts.Node): string[] {
  return tagsOf(node, "remarks").map((tag) => {
    const text = prose(writer, tagText(tag));
    return layOut(text.replace(/^Source:/, "*Source:*"));
  });
}

/** What a class or an interface comes from, as far as the reference tells of that. */
function heritage(writer: Writer, { declaration, inherited }: Topic): string {
  if (!ts.isClassDeclaration(declaration) && !ts.isInterfaceDeclaration(declaration)) return "";
  const sentences = (declaration.heritageClauses ?? []).flatMap((clause) => {
    const links = clause.types.flatMap((each) => linkToParent(writer, each));
    const verb = clause.token === ts.SyntaxKind.ExtendsKeyword ? "Extends" : "Implements";
    return links.length === 0 ? [] : [`${verb} ${links.join(", ")}.`];
  });
  const names = inherited.map((each) => code(each.name?.getText() ?? "")).sort(compareNames);
  const isTold = sentences.length > 0 && names.length > 0;
  return [...sentences, isTold ? `See there for ${names.join(", ")}.` : ""].join(" ").trim();
}

function linkToParent(writer: Writer, parent: ts.ExpressionWithTypeArguments): string[] {
  const symbol = writer.project.checker.getTypeAtLocation(parent).symbol;
  const links = symbol?.declarations?.map((each) => writer.links.named(writer.page, each)) ?? [];
  return links.filter((link) => link !== null).slice(0, 1);
}

function propertyTable(writer: Writer, { properties }: Topic): string {
  if (properties.length === 0) return "";
  const rows = properties.map(({ name, isOptional, member, type, documented }) => {
    const { checker } = writer.project;
    const text =
      type === undefined
        ? checker.typeToString(checker.getTypeAtLocation(member), member)
        : typeSource(type);
    return [
      code(`${name}${isOptional ? "?" : ""}`),
      writer.links.typeText(writer.page, type, text),
      prose(writer, summaryOf(documented)),
    ];
  });
  return table(["property", "type", "meaning"], rows);
}

function methodTable(writer: Writer, { calls }: Topic): string {
  if (calls.length < 3) return "";
  const methods = calls.filter((call) => !ts.isConstructorDeclaration(call.callable));
  const rows = methods.map((call) => {
    const own = callHeading(call.name.replace(/^.*\./, ""));
    const link = writer.links.named(writer.page, call.callable, own);
    return [link ?? code(own), prose(writer, firstSentence(call.documented))];
  });
  return table(["method", "does"], rows);
}
