// SPDX-License-Identifier: MIT
// `loop.tree()`: bundles and coroutines as an indented text, with what each waits for.

import type { Bundle } from "./bundle.ts";
import type { Coroutine } from "./coroutine.ts";
import { current } from "./current.ts";
import type { Loop } from "./loop.ts";
import { ENDING } from "./phases.ts";

/** Coroutines shown per bundle; the rest is counted. */
const MAX_SHOWN = 100;

/** @returns one line per bundle and coroutine */
export function treeOf(loop: Loop): string {
  const lines: string[] = [];
  if (loop.root !== null) addBundle(lines, loop.root, 0, loop.nowMs);
  return lines.join("\n");
}

function addBundle(lines: string[], bundle: Bundle, depth: number, nowMs: number): void {
  const handles = bundle.resourceCount;
  const owns = handles === 0 ? "" : `, owns ${handles} handle${handles === 1 ? "" : "s"}`;
  lines.push(
    `${"  ".repeat(depth)}bundle${bundle.name === "" ? "" : ` ${bundle.name}`} (${bundle.size}${owns})`,
  );
  let shown = 0;
  for (let at = bundle.first; at !== null; at = at.nextSibling) {
    if (shown++ === MAX_SHOWN) {
      lines.push(`${"  ".repeat(depth + 1)}... and ${bundle.size - MAX_SHOWN} more`);
      return;
    }
    addCoroutine(lines, at, depth + 1, nowMs);
  }
}

function addCoroutine(lines: string[], at: Coroutine, depth: number, nowMs: number): void {
  lines.push(
    `${"  ".repeat(depth)}${at.name === "" ? "coroutine" : at.name}: ${stateOf(at, nowMs)}`,
  );
  const own = at.ownBundle;
  if (own !== null && (own.size > 0 || own.resourceCount > 0)) {
    addBundle(lines, own, depth + 1, nowMs);
  }
  if (at.bundles !== null) {
    for (const bundle of at.bundles) addBundle(lines, bundle, depth + 1, nowMs);
  }
}

function stateOf(coroutine: Coroutine, nowMs: number): string {
  const marks = coroutine.isCancelled ? " (cancelled)" : "";
  if (coroutine === current) return `running${marks}`;
  if (coroutine.phase >= ENDING) return `ending${marks}`;
  if (coroutine.isReady) return `ready${marks}`;
  const what = coroutine.wait?.syscall ?? "waits for an effect of Effection";
  const { untilMs } = coroutine;
  const until =
    untilMs === Number.POSITIVE_INFINITY ? "" : `, ${(untilMs - nowMs).toFixed(3)} ms to go`;
  return `${what}${until}${marks}`;
}
