// SPDX-License-Identifier: MIT
// The reference of the public API: Markdown pages in docs/reference, made from the documentation
// comments by `npm run docs` and committed, so that they can be read without building anything.

import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { type Finding, loadProject, type Project, ROOT } from "./project.ts";
import { MODULES, publicExports } from "./public-api.ts";
import { codeRows, errorsText, generalMeanings } from "./reference/errors-page.ts";
import {
  CONSTANTS_HEADING,
  callHeading,
  Links,
  tabledConstants,
  topicsOnPage,
} from "./reference/links.ts";
import { code, codeBlock, escapeProse, table, wrap } from "./reference/markdown.ts";
import { ERRORS_PAGE, PAGES, type Page } from "./reference/pages.ts";
import { constantsText, firstSentence, topicText } from "./reference/topic-text.ts";
import { type Topic, topicsOf } from "./reference/topics.ts";

/** Where the pages are. */
export const REFERENCE = "docs/reference";

/** Longest line of imports that a page begins with. */
const IMPORT_COLUMNS = 100;

const NOTE = '<!-- Made by "npm run docs" from the comments in the code: change those. -->';

/** The pages by the names of their files. */
export function referencePages(
  project: Project,
  entries: readonly string[] = MODULES.map((each) => each.entry),
): ReadonlyMap<string, string> {
  const topics = topicsOf(project, entries);
  const pages = PAGES.filter((page) => topics.some((topic) => topic.page === page));
  const links = new Links(project, topics, pages);
  const rows = codeRows(project);
  const codes = generalMeanings(rows);
  const files = new Map([["README.md", indexText(topics, pages, links)]]);
  for (const page of pages) {
    const here = topicsOnPage(topics, page);
    const blocks = [...headOf(page, here), otherExports(project, page, links)];
    const tabled = tabledConstants(here);
    const own = here.filter((topic) => !tabled.includes(topic));
    blocks.push(contents(page, own, tabled, links));
    if (page.id === ERRORS_PAGE) blocks.push(errorsText(rows, topics, pages, links));
    const writer = { project, links, page, codes };
    blocks.push(...own.map((topic) => topicText(writer, topic)));
    if (tabled.length > 0) blocks.push(constantsText(writer, tabled));
    files.set(`${page.id}.md`, `${blocks.filter((each) => each !== "").join("\n\n")}\n`);
  }
  return files;
}

function headOf(page: Page, topics: readonly Topic[]): string[] {
  const values = topics.filter(({ kind, isExported, calls }) => {
    const isMade = kind === "class" && calls.some((call) => call.name.startsWith("new "));
    return isExported && (kind === "function" || kind === "constant" || isMade);
  });
  const names = [...new Set(values.map((each) => each.name.split(".")[0] ?? ""))];
  const line = `import { ${names.join(", ")} } from "${page.module}";`;
  const isShort = names.length > 0 && line.length <= IMPORT_COLUMNS;
  return [
    NOTE,
    `# ${page.title}`,
    isShort ? codeBlock(line) : `Import from \`${page.module}\`.`,
    ...page.intro.map((each) => wrap(each)),
  ];
}

/** What a module exports besides and another page tells of. */
function otherExports(project: Project, page: Page, links: Links): string {
  const module = MODULES.find((each) => each.name === page.module);
  if (module === undefined || module === MODULES[0]) return "";
  const found = publicExports(project, [module.entry]).flatMap(({ declaration }) => {
    const link = links.named(page, declaration);
    return link === null || link.includes("](#") ? [] : [link];
  });
  return found.length === 0 ? "" : wrap(`It also exports ${found.sort().join(", ")}.`);
}

/** What stands on a page, with one sentence each. */
function contents(
  page: Page,
  topics: readonly Topic[],
  tabled: readonly Topic[],
  links: Links,
): string {
  const rows = topics.map((topic) => {
    const shown = topic.kind === "function" ? callHeading(topic.name) : topic.name;
    const link = links.named(page, topic.declaration, shown) ?? shown;
    return [link, escapeProse(links.resolve(page, firstSentence(topic.declaration)))];
  });
  const [first] = tabled;
  if (first !== undefined) {
    const names = tabled.map((each) => code(each.name)).join(" ");
    rows.push([links.named(page, first.declaration, CONSTANTS_HEADING) ?? "", names]);
  }
  return table(["name", "what it is"], rows);
}

function indexText(topics: readonly Topic[], pages: readonly Page[], links: Links): string {
  const rows = pages.map((page) => {
    const here = topicsOnPage(topics, page).filter(
      ({ kind, isExported }) => isExported && (kind === "function" || kind === "class"),
    );
    const names = here.map((topic) => {
      const isFunction = topic.kind === "function";
      return links.named(
        null,
        topic.declaration,
        isFunction ? callHeading(topic.name) : topic.name,
      );
    });
    return [`[${page.title}](${page.id}.md)`, `\`${page.module}\``, names.join(" ")];
  });
  const text = [
    NOTE,
    "# Reference",
    wrap(
      "Every call of the public API with its parameters, its result and its errors. A call that waits takes an absolute deadline " +
        "as its last argument; what it returns is an operation, which does nothing until `yield*`.",
    ),
    table(["page", "import from", "calls and classes"], rows),
  ];
  return `${text.join("\n\n")}\n`;
}

/** Finds pages that are not what the code says. */
export function checkReference(
  root: string,
  pages: ReadonlyMap<string, string>,
): readonly Finding[] {
  const problems = new Map(
    filesIn(root)
      .filter((file) => !pages.has(file))
      .map((file) => [file, "tells of nothing that there is"]),
  );
  for (const [file, text] of pages) {
    const at = path.join(root, REFERENCE, file);
    if (!existsSync(at)) problems.set(file, "is missing");
    else if (readFileSync(at, "utf8") !== text) problems.set(file, "is out of date");
  }
  return [...problems].map(([file, problem]) => ({
    file: `${REFERENCE}/${file}`,
    line: 0,
    message: `${problem}: run npm run docs`,
  }));
}

/** Writes the pages, and removes what else is in their folder. */
export function writeReference(root: string, pages: ReadonlyMap<string, string>): void {
  const folder = path.join(root, REFERENCE);
  mkdirSync(folder, { recursive: true });
  for (const file of filesIn(root)) {
    if (!pages.has(file)) rmSync(path.join(folder, file), { recursive: true });
  }
  for (const [file, text] of pages) writeFileSync(path.join(folder, file), text);
}

function filesIn(root: string): string[] {
  const folder = path.join(root, REFERENCE);
  return existsSync(folder) ? readdirSync(folder).sort() : [];
}

if (process.argv[1] === import.meta.filename) writeReference(ROOT, referencePages(loadProject()));
