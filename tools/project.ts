// SPDX-License-Identifier: MIT
// What every check works on: the compiler's view of the repository, and findings to report.

import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import ts from "typescript";

/** One thing that a check found wrong. */
export interface Finding {
  /** Path from the root of the repository, with forward slashes. */
  readonly file: string;
  /** 1-based; 0: the file as a whole. */
  readonly line: number;
  readonly message: string;
}

/** A parsed and type-checked set of files below one root. */
export interface Project {
  readonly root: string;
  readonly program: ts.Program;
  readonly checker: ts.TypeChecker;
  /** The repository's own TypeScript files: no declaration files, nothing from node_modules. */
  readonly sources: readonly ts.SourceFile[];
}

/** Root of the repository. */
export const ROOT: string = path.resolve(import.meta.dirname, "..");

/** Reads the compiler options and the file names of the repository's tsconfig.json. */
export function readConfig(root: string): ts.ParsedCommandLine {
  const configPath = path.join(root, "tsconfig.json");
  const read = ts.readConfigFile(configPath, (name) => readFileSync(name, "utf8"));
  if (read.error !== undefined) {
    throw new Error(ts.flattenDiagnosticMessageText(read.error.messageText, "\n"));
  }
  return ts.parseJsonConfigFileContent(read.config, ts.sys, root);
}

/** Loads the repository as tsconfig.json describes it. */
export function loadProject(root: string = ROOT): Project {
  const config = readConfig(root);
  return projectOf(root, ts.createProgram(config.fileNames, config.options));
}

/**
 * Makes a project of files held in memory, on top of those on disk: the tests of the checks hand
 * in small wrong programs, the docs check hands in code blocks.
 *
 * @param files contents by path from the root.
 * @param overrides compiler options that differ from tsconfig.json.
 */
export function projectOfFiles(
  files: Readonly<Record<string, string>>,
  overrides: ts.CompilerOptions = {},
  root: string = ROOT,
): Project {
  const options = { ...readConfig(root).options, ...overrides };
  const host = ts.createCompilerHost(options);
  const contents = new Map(
    Object.entries(files).map(([name, text]) => [path.join(root, name), text]),
  );
  const folders = new Set<string>();
  for (const name of contents.keys()) {
    for (let at = path.dirname(name); at.length >= root.length; at = path.dirname(at)) {
      folders.add(at);
    }
  }
  const { fileExists, readFile, directoryExists } = host;
  host.fileExists = (name) => contents.has(name) || fileExists.call(host, name);
  host.readFile = (name) => contents.get(name) ?? readFile.call(host, name);
  host.directoryExists = (name) => folders.has(name) || (directoryExists?.call(host, name) ?? true);
  const getSourceFile = host.getSourceFile.bind(host);
  host.getSourceFile = (name, languageVersion, ...rest) => {
    const text = contents.get(name);
    return text === undefined
      ? getSourceFile(name, languageVersion, ...rest)
      : ts.createSourceFile(name, text, languageVersion, true);
  };
  return projectOf(root, ts.createProgram([...contents.keys()], options, host));
}

function projectOf(root: string, program: ts.Program): Project {
  const sources = program
    .getSourceFiles()
    .filter(
      (file) =>
        !file.isDeclarationFile &&
        !file.fileName.includes("/node_modules/") &&
        file.fileName.startsWith(`${root}/`),
    );
  return { root, program, checker: program.getTypeChecker(), sources };
}

/** Path of a file from the root of the project. */
export function relativePath(project: { readonly root: string }, fileName: string): string {
  return path.relative(project.root, fileName).split(path.sep).join("/");
}

/** Makes a finding at a node. */
export function findingAt(
  project: Project,
  file: ts.SourceFile,
  node: ts.Node,
  message: string,
): Finding {
  const line = file.getLineAndCharacterOfPosition(node.getStart(file)).line + 1;
  return { file: relativePath(project, file.fileName), line, message };
}

/** Calls `visit` for a node and everything below it, parents first. */
export function walk(node: ts.Node, visit: (node: ts.Node) => void): void {
  visit(node);
  ts.forEachChild(node, (child) => walk(child, visit));
}

/** Lists files below a folder with one of the extensions, sorted; skips what is built. */
export function listFiles(root: string, folder: string, extensions: readonly string[]): string[] {
  const skipped = new Set(["node_modules", "build", "build-asan", "dist", ".git"]);
  const found: string[] = [];
  const visit = (at: string): void => {
    for (const entry of readdirSync(path.join(root, at), { withFileTypes: true })) {
      const name = path.posix.join(at, entry.name);
      if (entry.isDirectory()) {
        if (!skipped.has(entry.name)) visit(name);
      } else if (extensions.some((extension) => entry.name.endsWith(extension))) {
        found.push(name);
      }
    }
  };
  visit(folder);
  return found.sort();
}
