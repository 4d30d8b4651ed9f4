// SPDX-License-Identifier: MIT
// What users can import: the modules that package.json exports, and what those export.

import { readFileSync } from "node:fs";
import path from "node:path";
import ts from "typescript";
import { type Project, ROOT } from "./project.ts";

/** A module that users import. */
export interface PublicModule {
  /** As it is imported: `"caraway"`, `"caraway/testing"`. */
  readonly name: string;
  /** Its source: `"src/index.ts"`. */
  readonly entry: string;
}

/** The modules that package.json exports, in its order. */
export function publicModules(root: string): PublicModule[] {
  const manifest = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8")) as {
    readonly name?: string;
    readonly exports?: Readonly<Record<string, { readonly default: string }>>;
  };
  return Object.entries(manifest.exports ?? {}).map(([subpath, { default: built }]) => ({
    name: path.posix.join(manifest.name ?? "", subpath),
    entry: built.replace(/^\.\/dist\//, "").replace(/\.js$/, ".ts"),
  }));
}

/** The modules of this repository. */
export const MODULES: readonly PublicModule[] = publicModules(ROOT);

/** The entries whose exports are documented: those of users, and the scheduler's own. */
export const ENTRIES: readonly string[] = [
  ...MODULES.map((each) => each.entry),
  "scheduler/index.ts",
];

/** An exported thing with the place where it is declared. */
export interface PublicExport {
  readonly name: string;
  readonly declaration: ts.Declaration;
  /** The entry that exports it first. */
  readonly entry: string;
  /** `export type`: a class of which users make no objects. */
  readonly isTypeOnly: boolean;
}

/** Lists what the entries export and this repository declares, each thing once. */
export function publicExports(
  project: Project,
  entries: readonly string[] = ENTRIES,
): PublicExport[] {
  const found = new Map<ts.Declaration, PublicExport>();
  const visit = (symbol: ts.Symbol, name: string, entry: string): void => {
    const isAlias = (symbol.flags & ts.SymbolFlags.Alias) !== 0;
    const target = isAlias ? project.checker.getAliasedSymbol(symbol) : symbol;
    const isTypeOnly = symbol.declarations?.every(ts.isTypeOnlyExportDeclaration) ?? false;
    for (const declaration of target.declarations ?? []) {
      const file = declaration.getSourceFile();
      if (file.isDeclarationFile) continue;
      if (ts.isSourceFile(declaration)) {
        // `export * as tcp from "./tcp.ts"`
        for (const member of project.checker.getExportsOfModule(target)) {
          visit(member, `${name}.${member.name}`, entry);
        }
        continue;
      }
      const known = found.get(declaration);
      // What has a name of its own goes by that, even if a namespace has it too.
      const isBetter =
        known === undefined || (known.entry === entry && depth(name) < depth(known.name));
      if (isBetter) found.set(declaration, { name, declaration, entry, isTypeOnly });
    }
  };
  for (const entry of entries) {
    const module = moduleSymbol(project, entry);
    if (module === undefined) continue;
    for (const symbol of project.checker.getExportsOfModule(module)) {
      visit(symbol, symbol.name, entry);
    }
  }
  return [...found.values()];
}

function depth(name: string): number {
  return name.split(".").length;
}

/** The symbol of an entry's module; undefined when the file is missing or exports nothing. */
export function moduleSymbol(project: Project, entry: string): ts.Symbol | undefined {
  const file = project.program.getSourceFile(path.join(project.root, entry));
  return file === undefined ? undefined : project.checker.getSymbolAtLocation(file);
}
