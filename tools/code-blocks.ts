// SPDX-License-Identifier: MIT
// Documentation that does not compile is wrong documentation. Every block marked `ts` in README.md
// and docs/, and every `@example` of the public API, is compiled against the public entries.
//
// A Markdown block is a whole module, imports included. An `@example` may leave its imports out
// and may `yield*` at its top level; both are added here.

import { readFileSync } from "node:fs";
import path from "node:path";
import ts from "typescript";
import type { CodeBlock } from "./docstrings.ts";
import { type Finding, type Project, projectOfFiles, walk } from "./project.ts";
import { MODULES, moduleSymbol } from "./public-api.ts";

/** The blocks marked `ts` or `typescript` in a Markdown file. */
export function markdownBlocks(root: string, file: string): CodeBlock[] {
  const blocks: CodeBlock[] = [];
  const lines = readFileSync(path.join(root, file), "utf8").split("\n");
  let open: { start: number; isCode: boolean; text: string[] } | null = null;
  lines.forEach((text, index) => {
    const fence = /^\s*```\s*(\w*)/.exec(text);
    if (open === null) {
      if (fence === null) return;
      open = { start: index + 2, isCode: /^(ts|typescript)$/.test(fence[1] ?? ""), text: [] };
    } else if (fence !== null) {
      if (open.isCode) {
        blocks.push({ file, line: open.start, name: file, code: `${open.text.join("\n")}\n` });
      }
      open = null;
    } else {
      open.text.push(text);
    }
  });
  return blocks;
}

/** Compiles the blocks and tells what is wrong in them. */
export function checkCodeBlocks(project: Project, blocks: readonly CodeBlock[]): Finding[] {
  const names = exportedNames(project);
  const files = new Map<string, { readonly block: CodeBlock; readonly prelude: number }>();
  const contents: Record<string, string> = {};
  blocks.forEach((block, index) => {
    const module = asModule(block, names);
    const name = `.code-blocks/${index}.ts`;
    files.set(name, { block, prelude: module.prelude });
    contents[name] = module.text;
  });
  if (blocks.length === 0) return [];
  const { program, root } = projectOfFiles(contents, {
    paths: Object.fromEntries(
      MODULES.map(({ name, entry }) => [name, [path.join(project.root, entry)]]),
    ),
    declaration: false,
    isolatedDeclarations: false,
    noUnusedLocals: false,
    noUnusedParameters: false,
  });
  const findings: Finding[] = [];
  for (const [name, { block, prelude }] of files) {
    const file = program.getSourceFile(path.join(root, name));
    if (file === undefined) throw new Error(`code block ${name} was not compiled`);
    const problems = [
      ...program.getSyntacticDiagnostics(file),
      ...program.getSemanticDiagnostics(file),
    ];
    for (const problem of problems) {
      const at = file.getLineAndCharacterOfPosition(problem.start ?? 0).line - prelude;
      const text = ts.flattenDiagnosticMessageText(problem.messageText, " ");
      const message = `example of ${block.name}, line ${at + 1}: ${text}`;
      findings.push({ file: block.file, line: block.line, message });
    }
  }
  return findings;
}

/** The modules that export each public name, in the order of package.json. */
function exportedNames(project: Project): Map<string, string[]> {
  const names = new Map<string, string[]>();
  for (const { name: module, entry } of MODULES) {
    const symbol = moduleSymbol(project, entry);
    if (symbol === undefined) continue;
    for (const { name } of project.checker.getExportsOfModule(symbol)) {
      names.set(name, [...(names.get(name) ?? []), module]);
    }
  }
  return names;
}

/** Completes a block to a module; `prelude` counts the lines put in front. */
function asModule(
  block: CodeBlock,
  names: ReadonlyMap<string, readonly string[]>,
): { readonly text: string; readonly prelude: number } {
  const isMarkdown = block.name === block.file;
  const isWhole = /^\s*import\s/m.test(block.code);
  if (isMarkdown || isWhole) return { text: `${block.code}\nexport {};\n`, prelude: 0 };
  const wanted = [...names]
    .filter(([name]) => usesName(block.code, name))
    .map(([name, modules]) => ({
      name,
      from: modules.find((each) => each === block.module) ?? modules[0],
    }));
  const imports = MODULES.map(({ name: module }) => {
    const list = wanted.filter(({ from }) => from === module).map(({ name }) => name);
    return list.length === 0 ? "" : `import { ${list.join(", ")} } from "${module}";`;
  });
  const head = imports.join(" ");
  if (!yieldsAtTop(block.code)) return { text: `${head}\n${block.code}\nexport {};\n`, prelude: 1 };
  const text = `${head}\nexport function* example() {\n${block.code}\n}\n`;
  return { text, prelude: 2 };
}

/** Whether a name occurs by itself and is not declared by the block. */
function usesName(code: string, name: string): boolean {
  if (!/^\w+$/.test(name)) return false;
  const isUsed = new RegExp(`(?<![.\\w$])${name}(?![\\w$]|\\s*:[^:])`).test(code);
  return isUsed && !new RegExp(`\\b(const|let|class|function\\*?)\\s+${name}\\b`).test(code);
}

/** Whether a block has a `yield` outside of any generator. */
function yieldsAtTop(code: string): boolean {
  let found = false;
  const file = ts.createSourceFile("block.ts", code, ts.ScriptTarget.ES2022);
  // Inside a generator it parses as a YieldExpression, elsewhere as a mere name.
  walk(file, (node) => {
    if (ts.isIdentifier(node) && node.text === "yield") found = true;
  });
  return found;
}
