// SPDX-License-Identifier: MIT
// Checks what README.md and docs/ point to: files and headings of this repository exist, and
// `npm run x` names a script of package.json. Links to other sites are not followed.

import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { type Finding, listFiles } from "./project.ts";
import { Anchors } from "./reference/markdown.ts";

/** The Markdown files that users and developers read. */
export function markdownFiles(root: string): string[] {
  const docs = existsSync(path.join(root, "docs")) ? listFiles(root, "docs", [".md"]) : [];
  return ["README.md", ...docs].filter((file) => existsSync(path.join(root, file)));
}

/** Checks links and commands in every Markdown file. */
export function checkLinks(root: string): Finding[] {
  const findings: Finding[] = [];
  if (!existsSync(path.join(root, "README.md"))) {
    findings.push({ file: "README.md", line: 0, message: "is missing" });
  }
  const scripts = scriptNames(root);
  const anchors = new Map<string, ReadonlySet<string>>();
  for (const file of markdownFiles(root)) {
    let isFenced = false;
    readFileSync(path.join(root, file), "utf8")
      .split("\n")
      .forEach((text, index) => {
        if (/^\s*```/.test(text)) isFenced = !isFenced;
        const add = (message: string): void => {
          findings.push({ file, line: index + 1, message });
        };
        for (const match of text.matchAll(/\bnpm run ([\w:-]+)/g)) {
          if (!scripts.has(match[1] ?? "")) add(`npm run ${match[1]}: no such script`);
        }
        if (isFenced) return;
        for (const match of text.replace(/`[^`]*`/g, "").matchAll(/\]\(([^)\s]+)[^)]*\)/g)) {
          const problem = linkProblem(root, file, match[1] ?? "", anchors);
          if (problem !== null) add(problem);
        }
      });
  }
  return findings;
}

function scriptNames(root: string): Set<string> {
  const manifest: unknown = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8"));
  const { scripts } = manifest as { readonly scripts?: Readonly<Record<string, string>> };
  return new Set(Object.keys(scripts ?? {}));
}

function linkProblem(
  root: string,
  file: string,
  target: string,
  anchors: Map<string, ReadonlySet<string>>,
): string | null {
  if (/^[a-z]+:/i.test(target)) return null;
  const [relative = "", anchor] = target.split("#");
  const at = relative === "" ? file : path.posix.join(path.posix.dirname(file), relative);
  if (at.startsWith("..")) return `link ${target} leaves the repository`;
  const full = path.join(root, decodeURIComponent(at));
  if (!existsSync(full)) return `link ${target}: no such file`;
  if (anchor === undefined || !at.endsWith(".md")) return null;
  const known = anchors.get(full) ?? headings(full);
  anchors.set(full, known);
  return known.has(anchor) ? null : `link ${target}: no such heading`;
}

/** The anchors of a file. */
function headings(file: string): Set<string> {
  const anchors = new Anchors();
  const text = readFileSync(file, "utf8").replace(/^```[\s\S]*?^```$/gm, "");
  return new Set(
    [...text.matchAll(/^#+\s+(.*?)\s*#*$/gm)].map((match) => anchors.add(match[1] ?? "")),
  );
}
