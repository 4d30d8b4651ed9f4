// SPDX-License-Identifier: MIT
// Who may import whom (docs/ARCHITECTURE.md). The table is the rule: the first row that matches a
// file says all it may import besides files of its own folder.

import path from "node:path";
import ts from "typescript";
import { type Finding, findingAt, type Project, relativePath, walk } from "./project.ts";

/** What the files of one room may import. Patterns: `**` any path, `*` any name, else literal. */
export interface ImportRow {
  readonly files: readonly string[];
  /** Paths from the root, `npm:<package>`, or `node:<module>`. */
  readonly may: readonly string[];
  /** The same, for imports that vanish at run time (`import type`). */
  readonly mayTypes?: readonly string[];
}

const PUBLIC = ["src/index.ts", "src/testing.ts", "src/mtcp/index.ts", "src/winsock/index.ts"];
const LAYERS = ["src/wire/**", "src/link/**", "src/ip/**", "src/tcp/**", "src/udp/**"];
const KERNEL = [
  "src/transport/**",
  "src/ip/address.ts",
  "src/tcp/byte-ring.ts",
  "src/wire/copy.ts",
  "scheduler/timer-wheel.ts",
];

/** The table. */
export const IMPORT_TABLE: readonly ImportRow[] = [
  { files: ["src/wire/**"], may: [] },
  // The one door to the addon.
  { files: ["src/link/native-driver.ts"], may: ["src/wire/**", "native-io/**"] },
  // Layers know the wire format and nothing of each other; only mctx knows their order.
  { files: ["src/link/**", "src/ip/**", "src/tcp/**"], may: ["src/wire/**"] },
  // The ring of bytes knows nothing of TCP either.
  { files: ["src/udp/**"], may: ["src/wire/**", "src/tcp/byte-ring.ts"] },
  // What the socket layer asks of whoever carries its bytes: types and constants, no code.
  {
    files: ["src/transport/**"],
    may: ["src/ip/address.ts", "src/tcp/host.ts"],
    mayTypes: ["src/tcp/info.ts"],
  },
  // The stack resumes no coroutine (R3): of the scheduler it needs the timers alone.
  { files: ["src/mctx/**"], may: [...LAYERS, "src/transport/**", "scheduler/timer-wheel.ts"] },
  // The one door to the addon's sockets, and the one place that asks the system for names, which
  // takes its time and therefore is an operation.
  { files: ["src/kernel/native-sockets.ts"], may: [...KERNEL, "native-io/**"] },
  {
    files: ["src/kernel/lookup.ts"],
    may: [...KERNEL, "scheduler/**", "node:dns", "node:dns/promises"],
  },
  // The files that stand for local sockets.
  { files: ["src/kernel/socket-file.ts"], may: [...KERNEL, "node:fs", "node:path"] },
  // Sockets of the kernel carry bytes as the stack does, and resume no coroutine either.
  { files: ["src/kernel/**"], may: KERNEL },
  {
    // Opening a device by its name is a call of users, and has its errors.
    files: ["src/socket/open-driver.ts"],
    may: ["src/link/native-driver.ts", "scheduler/**"],
  },
  {
    // What it lends to users must not be given away to another thread.
    files: ["src/socket/stream-views.ts"],
    may: ["src/transport/**", "scheduler/**", "node:worker_threads"],
  },
  {
    files: ["src/socket/**"],
    may: ["src/mctx/**", "src/kernel/**", "src/transport/**", "src/ip/address.ts", "scheduler/**"],
    mayTypes: ["src/**"],
  },
  {
    // The same sockets by the names of another API: nothing that the sockets do not offer.
    files: ["src/mtcp/**", "src/winsock/**"],
    may: ["src/socket/**", "src/transport/**", "src/ip/address.ts", "scheduler/**"],
    mayTypes: ["src/**"],
  },
  {
    files: ["src/sim/**"],
    may: [
      "src/mctx/**",
      "src/link/**",
      "src/wire/**",
      "src/ip/**",
      "scheduler/**",
      "src/socket/**",
    ],
    mayTypes: ["src/**"],
  },
  { files: ["src/*.ts"], may: ["src/**", "scheduler/**", "npm:effection"] },
  {
    files: ["scheduler/clock-*.ts"],
    may: ["npm:effection", "npm:abort-controller-x", "node:*", "node:**"],
  },
  { files: ["scheduler/**"], may: ["npm:effection", "npm:abort-controller-x"] },
  { files: ["native-io/**"], may: ["node:*", "node:**"] },
  { files: ["examples/**"], may: [...PUBLIC, "npm:effection", "node:*", "node:**"] },
  // Benches speak to the public entries like anyone else. Three measure one layer by itself, with
  // nothing above it in the way, and so reach into that layer and what it stands on.
  {
    files: ["bench/scheduler.ts", "bench/scheduler-*.ts"],
    may: [...PUBLIC, "bench/**", "scheduler/**", "npm:effection", "node:*", "node:**"],
  },
  {
    files: ["bench/stack.ts", "bench/stack-*.ts"],
    may: [...PUBLIC, "bench/**", ...LAYERS, "src/mctx/**", "src/sim/**", "node:*", "node:**"],
  },
  {
    files: ["bench/driver-*.ts"],
    may: [...PUBLIC, "bench/**", "native-io/**", "src/link/**", "src/wire/**", "node:*", "node:**"],
  },
  // A program that is a test as well.
  {
    files: ["bench/scale-many.ts"],
    may: [...PUBLIC, "bench/**", "test/scale/**", "node:*", "node:**"],
  },
  { files: ["bench/**"], may: [...PUBLIC, "bench/**", "npm:effection", "node:*", "node:**"] },
  { files: ["tools/**"], may: ["tools/**", "npm:typescript", "node:*", "node:**"] },
  { files: ["test/**", "vitest.config.ts"], may: ["**", "npm:**", "npm:*", "node:*", "node:**"] },
];

function toRegExp(pattern: string): RegExp {
  const escaped = pattern.replace(/[.+?^${}()|[\]\\]/g, "\\$&");
  const body = escaped.replace(/\*\*|\*/g, (star) => (star === "**" ? ".*" : "[^/]*"));
  return new RegExp(`^${body}$`);
}

const compiled = IMPORT_TABLE.map((row) => ({
  files: row.files.map(toRegExp),
  may: row.may.map(toRegExp),
  mayTypes: (row.mayTypes ?? []).map(toRegExp),
  row,
}));

/** What a module specifier stands for in the table: a path, `npm:name` or `node:name`. */
function targetOf(fromFile: string, specifier: string): string {
  if (specifier.startsWith(".")) return path.posix.join(path.posix.dirname(fromFile), specifier);
  if (specifier.startsWith("node:")) return specifier;
  const parts = specifier.split("/");
  return `npm:${specifier.startsWith("@") ? parts.slice(0, 2).join("/") : parts[0]}`;
}

/** Whether one file may import another. */
export function mayImport(fromFile: string, target: string, isType: boolean): boolean {
  const entry = compiled.find((each) => each.files.some((pattern) => pattern.test(fromFile)));
  if (entry === undefined) return false;
  const isOwnFolder =
    !target.includes(":") && path.posix.dirname(target).startsWith(roomOf(fromFile));
  if (isOwnFolder && path.posix.dirname(fromFile) !== ".") return true;
  if (entry.may.some((pattern) => pattern.test(target))) return true;
  return isType && entry.mayTypes.some((pattern) => pattern.test(target));
}

/** The folder of the table that a file lives in: `src/wire`, `scheduler`, `bench`. */
function roomOf(file: string): string {
  const parts = path.posix.dirname(file).split("/");
  return parts[0] === "src" ? parts.slice(0, 2).join("/") : (parts[0] ?? "");
}

/** Checks every import of the project against the table. */
export function checkImports(project: Project): Finding[] {
  const findings: Finding[] = [];
  for (const file of project.sources) {
    const from = relativePath(project, file.fileName);
    walk(file, (node) => {
      const found = importOf(node);
      if (found === null) return;
      const target = targetOf(from, found.specifier);
      if (mayImport(from, target, found.isType)) return;
      findings.push(findingAt(project, file, node, `must not import ${target}`));
    });
  }
  return findings;
}

interface FoundImport {
  readonly specifier: string;
  readonly isType: boolean;
}

function importOf(node: ts.Node): FoundImport | null {
  if (ts.isImportDeclaration(node) && ts.isStringLiteral(node.moduleSpecifier)) {
    return { specifier: node.moduleSpecifier.text, isType: isTypeOnlyImport(node) };
  }
  if (
    ts.isExportDeclaration(node) &&
    node.moduleSpecifier !== undefined &&
    ts.isStringLiteral(node.moduleSpecifier)
  ) {
    return { specifier: node.moduleSpecifier.text, isType: node.isTypeOnly };
  }
  if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
    const literal = node.argument.literal;
    return ts.isStringLiteral(literal) ? { specifier: literal.text, isType: true } : null;
  }
  if (ts.isCallExpression(node) && node.arguments.length > 0) {
    const isImport = node.expression.kind === ts.SyntaxKind.ImportKeyword;
    const isRequire = ts.isIdentifier(node.expression) && node.expression.text === "require";
    const first = node.arguments[0];
    if ((isImport || isRequire) && first !== undefined && ts.isStringLiteralLike(first)) {
      return { specifier: first.text, isType: false };
    }
  }
  return null;
}

/** `import type ...`, or braces in which every name is a type. */
function isTypeOnlyImport(node: ts.ImportDeclaration): boolean {
  const clause = node.importClause;
  if (clause === undefined) return false;
  if (clause.phaseModifier === ts.SyntaxKind.TypeKeyword) return true;
  const named = clause.namedBindings;
  if (clause.name !== undefined || named === undefined || !ts.isNamedImports(named)) return false;
  return named.elements.length > 0 && named.elements.every((element) => element.isTypeOnly);
}
