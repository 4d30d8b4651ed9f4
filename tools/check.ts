// SPDX-License-Identifier: MIT
// The checks that no ready-made linter has: `tsx tools/check.ts [rules] [docs]`, both by default.
// Prints one line per finding and exits with 1 if there is any.

import { checkCodeBlocks, markdownBlocks } from "./code-blocks.ts";
import { checkDocstrings, examplesOf } from "./docstrings.ts";
import { checkImports } from "./imports.ts";
import { checkLinks, markdownFiles } from "./links.ts";
import { type Finding, loadProject, type Project } from "./project.ts";
import { checkReference, REFERENCE, referencePages } from "./reference.ts";
import { checkFileSizes, checkFunctionSizes, LONG_FILE_LINES } from "./size.ts";
import { checkTime } from "./time.ts";
import { checkYieldStar } from "./yield-star.ts";

type Check = (project: Project) => readonly Finding[];

const RULES: Readonly<Record<string, Check>> = {
  imports: checkImports,
  time: checkTime,
  "yield*": checkYieldStar,
  functions: checkFunctionSizes,
  files: (project) => {
    const { findings, long } = checkFileSizes(project.root);
    if (long.length > 0) {
      console.log(`note: over ${LONG_FILE_LINES} lines, mind the limit: ${long.join(", ")}`);
    }
    return findings;
  },
};

const DOCS: Readonly<Record<string, Check>> = {
  docstrings: (project) => checkDocstrings(project),
  reference: (project) => checkReference(project.root, referencePages(project)),
  links: (project) => checkLinks(project.root),
  examples: (project) => {
    // The reference is made of examples that are compiled where they come from.
    const markdown = markdownFiles(project.root).filter((file) => !file.startsWith(REFERENCE));
    const blocks = markdown.flatMap((file) => markdownBlocks(project.root, file));
    return checkCodeBlocks(project, [...blocks, ...examplesOf(project)]);
  },
};

const GROUPS: Readonly<Record<string, Readonly<Record<string, Check>>>> = {
  rules: RULES,
  docs: DOCS,
};

function main(wanted: readonly string[]): number {
  const unknown = wanted.filter((name) => GROUPS[name] === undefined);
  if (unknown.length > 0) {
    console.error(`unknown: ${unknown.join(" ")}; known: ${Object.keys(GROUPS).join(" ")}`);
    return 2;
  }
  const project = loadProject();
  let count = 0;
  for (const group of wanted.length > 0 ? wanted : Object.keys(GROUPS)) {
    for (const [name, check] of Object.entries(GROUPS[group] ?? {})) {
      for (const { file, line, message } of check(project)) {
        console.log(`${file}${line > 0 ? `:${line}` : ""}: ${message} [${name}]`);
        count++;
      }
    }
  }
  console.log(count === 0 ? "no findings" : `${count} findings`);
  return count === 0 ? 0 : 1;
}

process.exitCode = main(process.argv.slice(2));
