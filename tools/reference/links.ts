// SPDX-License-Identifier: MIT
// Where each topic of the reference stands, so that others can point to it.

import ts from "typescript";
import type { Project } from "../project.ts";
import { Anchors, code } from "./markdown.ts";
import type { Page } from "./pages.ts";
import { constantValue } from "./signatures.ts";
import { KINDS, namedIn, type Topic } from "./topics.ts";

/** The place of a heading. */
interface Place {
  readonly name: string;
  readonly page: Page;
  readonly anchor: string;
}

/** What stands around the result of every call and is explained once. */
const WRAPPERS = new Set(["Wait", "Operation"]);

/** The topics of a page in their order. */
export function topicsOnPage(topics: readonly Topic[], page: Page): Topic[] {
  const here = topics.filter((each) => each.page === page);
  const exported = KINDS.flatMap((kind) =>
    here.filter((each) => each.isExported && each.kind === kind),
  );
  return [...exported, ...here.filter((each) => !each.isExported)];
}

/** Constants of a page that are many and alike stand in one table. */
const FEWEST_IN_TABLE = 5;

/** The heading of that table. */
export const CONSTANTS_HEADING = "Constants";

/** The constants of a page that stand in a table: all that have a short value, or none. */
export function tabledConstants(topics: readonly Topic[]): Topic[] {
  const short = topics.filter(
    ({ declaration }) => ts.isVariableDeclaration(declaration) && constantValue(declaration) !== "",
  );
  return short.length >= FEWEST_IN_TABLE ? short : [];
}

/** The heading of a call: `tcp.connect()`. */
export function callHeading(name: string): string {
  return name.startsWith("new ") ? name : `${name}()`;
}

/** Knows the place of every heading; made before the first page is written. */
export class Links {
  readonly #byName = new Map<string, Place[]>();
  readonly #byDeclaration = new Map<ts.Node, Place>();
  readonly #project: Project;

  constructor(project: Project, topics: readonly Topic[], pages: readonly Page[]) {
    this.#project = project;
    for (const page of pages) {
      const anchors = new Anchors();
      anchors.add(page.title);
      const here = topicsOnPage(topics, page);
      const tabled = tabledConstants(here);
      for (const topic of here) {
        if (!tabled.includes(topic)) this.#addTopic(topic, page, anchors);
      }
      const anchor = tabled.length === 0 ? "" : anchors.add(CONSTANTS_HEADING);
      for (const { name, declaration } of tabled) this.#add(name, declaration, page, anchor);
    }
  }

  #addTopic(topic: Topic, page: Page, anchors: Anchors): void {
    const isFunction = topic.kind === "function";
    const heading = isFunction ? callHeading(topic.name) : topic.name;
    this.#add(topic.name, topic.declaration, page, anchors.add(heading));
    if (isFunction) return;
    for (const call of topic.calls) {
      this.#add(call.name, call.callable, page, anchors.add(callHeading(call.name)));
    }
    const own = this.#byDeclaration.get(topic.declaration) as Place;
    for (const { name } of topic.properties) {
      this.#addName(`${topic.name}.${name}`, own);
    }
  }

  #add(name: string, declaration: ts.Node, page: Page, anchor: string): void {
    const place = { name, page, anchor };
    this.#byDeclaration.set(declaration, place);
    this.#addName(name, place);
    // Comments say `ListenOptions` also where it is exported as `tcp.ListenOptions`.
    if (/^[a-z]\w*\.[A-Z]\w*$/.test(name)) this.#addName(name.replace(/^.*\./, ""), place);
  }

  #addName(name: string, place: Place): void {
    this.#byName.set(name, [...(this.#byName.get(name) ?? []), place]);
  }

  /** What a comment on a page means by a name: rather what stands on the same page. */
  #find(from: Page, name: string): Place | undefined {
    const places = this.#byName.get(name) ?? [];
    return places.find((each) => each.page === from) ?? places[0];
  }

  /** A link to a declaration with its own name as the text, as code. */
  named(from: Page | null, declaration: ts.Node, text?: string): string | null {
    const place = this.#byDeclaration.get(declaration);
    return place === undefined ? null : `[${code(text ?? place.name)}](${target(from, place)})`;
  }

  /** Turns `{@link X}` into links; what has no place becomes code. */
  resolve(from: Page, text: string): string {
    return text.replace(
      /\{@link(?:code|plain)?\s+([\w.$]+)(?:\s*\|\s*|\s+)?([^}]*)\}/g,
      (_, name, said) => {
        const shown = String(said).trim() === "" ? code(String(name)) : String(said).trim();
        const place = this.#find(from, String(name));
        return place === undefined ? shown : `[${shown}](${target(from, place)})`;
      },
    );
  }

  /** Links to the types that a type names, without those around every result. */
  typesIn(from: Page, type: ts.TypeNode | undefined): string[] {
    if (type === undefined || ts.isTypePredicateNode(type)) return [];
    const places = namedIn(this.#project, type).flatMap((each) => {
      const place = this.#byDeclaration.get(each);
      return place === undefined || WRAPPERS.has(place.name) ? [] : [place];
    });
    return places.map((place) => `[${code(place.name)}](${target(from, place)})`);
  }

  /** A type as code, which is a link if there is one documented type in it. */
  typeText(from: Page, type: ts.TypeNode | undefined, text: string): string {
    if (text === "") return "";
    const named = type === undefined ? [] : namedIn(this.#project, type);
    const place = named.flatMap((each) => this.#byDeclaration.get(each) ?? [])[0];
    return place === undefined ? code(text) : `[${code(text)}](${target(from, place)})`;
  }
}

function target(from: Page | null, place: Place): string {
  const anchor = `#${place.anchor}`;
  return place.page === from ? anchor : `${place.page.id}.md${anchor}`;
}
