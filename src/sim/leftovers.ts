// SPDX-License-Identifier: MIT
// The check that nothing is left: every loop, context and simulated network counts what it holds.

/** Something that can say what it still holds: a loop, a context, a simulated network. */
export interface HasLeftovers {
  /**
   * Counts by name, or a line for each thing left.
   *
   * @returns counts, where 0 is none, or lines
   */
  leftovers(): object | readonly string[];
}

/** Counts that may be there without anything having been forgotten (RFC 9293 §3.6.1). */
const ALLOWED: readonly string[] = ["timeWait"];

/** Lists what is left: `"2 sockets"`. */
export function leftoversOf(thing: HasLeftovers): string[] {
  const left = thing.leftovers();
  if (Array.isArray(left)) return [...(left as readonly string[])];
  const found: string[] = [];
  for (const [name, count] of Object.entries(left)) {
    if (typeof count === "number" && count !== 0 && !ALLOWED.includes(name)) {
      found.push(`${count} ${name}`);
    }
  }
  return found;
}

/**
 * Throws unless nothing is left in any of these. Connections in TIME-WAIT are not counted.
 *
 * @param things - loops (after `run`), contexts, simulated networks
 * @throws Error naming what is left.
 * @example
 * ```ts
 * import { expectNothingLeft, simulate } from "caraway/testing";
 * await simulate(1, function* (net) {
 *   net.host("a");
 *   expectNothingLeft(net);
 * });
 * ```
 */
export function expectNothingLeft(...things: readonly HasLeftovers[]): void {
  const left = things.flatMap((thing) => leftoversOf(thing));
  if (left.length > 0) throw new Error(`left over: ${left.join(", ")}`);
}
