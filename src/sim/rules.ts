// SPDX-License-Identifier: MIT
// Rules: functions that look at each frame entering one direction of a link and decide. They are
// for the one scripted event that a probability cannot give: "drop the first FIN".

import { bytesArgument, numberIn, wrong } from "./check.ts";
import type { FrameView } from "./frame-view.ts";

/** What a rule decides; nothing (undefined) means pass. */
export type Verdict =
  | "pass"
  | "drop"
  | { readonly laterMs: number }
  | { readonly bytes: Uint8Array };

/** A frame as a rule sees it: the parsed frame and where it is. Reused: do not keep it. */
export interface RuleContext {
  /** Virtual time, ms. */
  readonly nowMs: number;
  /** Names of the two ends, in the direction of the frame. */
  readonly from: string;
  readonly to: string;
  /** How many frames entered this direction before this one. */
  readonly index: number;
}

/** Decides what becomes of a frame. */
// biome-ignore lint/suspicious/noConfusingVoidType: a rule may simply not return.
export type RuleFunction = (frame: FrameView, context: RuleContext) => Verdict | undefined | void;

/** Lets the frame go on, to the next rule and then to the link's conditions. */
export const pass: Verdict = "pass";
/** Drops the frame. */
export const drop: Verdict = "drop";

/**
 * Holds this frame back by `ms`, so that later ones overtake it.
 *
 * @param ms - how long
 * @returns the verdict
 * @throws NetError EINVAL: `ms` is negative or more than a day.
 * @example
 * ```ts
 * import { later, simulate } from "caraway/testing";
 * await simulate(1, function* (net) {
 *   net.host("a").link.rule((frame) => (frame.isArp ? later(100) : undefined));
 * });
 * ```
 */
export function later(ms: number): Verdict {
  return { laterMs: numberIn("sim.rule", "ms", ms, 0, 86_400_000) };
}

/**
 * Replaces the frame by these bytes.
 *
 * @param bytes - the whole frame; copied
 * @returns the verdict
 * @throws NetError EINVAL: `bytes` is no Uint8Array.
 * @example
 * ```ts
 * import { change, simulate } from "caraway/testing";
 * await simulate(1, function* (net) {
 *   net.host("a").link.rule((frame) => change(frame.bytes.slice(0, 60)));
 * });
 * ```
 */
export function change(bytes: Uint8Array): Verdict {
  return { bytes: bytesArgument("sim.rule", "bytes", bytes) };
}

/**
 * One rule in force.
 *
 * @example
 * ```ts
 * import { drop, simulate } from "caraway/testing";
 * await simulate(1, function* (net) {
 *   const rule = net.host("a").link.rule((frame) => (frame.syn ? drop : undefined));
 *   console.log(rule.seen, rule.hits);
 *   rule.remove();
 * });
 * ```
 */
export class Rule {
  /** Frames the rule has seen, and those it did not let pass as they were. */
  seen = 0;
  hits = 0;
  readonly decide: RuleFunction;
  private readonly lists: Rule[][];

  /** @param lists - Of the directions it is for. */
  constructor(decide: RuleFunction, lists: Rule[][]) {
    this.decide = decide;
    this.lists = lists;
    for (const list of lists) list.push(this);
  }

  /** Takes the rule out of force. Idempotent. */
  remove(): void {
    for (const list of this.lists) {
      const at = list.indexOf(this);
      if (at >= 0) list.splice(at, 1);
    }
  }
}

/** Returns a verdict checked, `"pass"` for none. */
export function checkedVerdict(verdict: ReturnType<RuleFunction>): Verdict {
  if (verdict === undefined) return "pass";
  if (verdict === "pass" || verdict === "drop") return verdict;
  if (typeof verdict === "object" && verdict !== null) {
    if ("laterMs" in verdict) return later(verdict.laterMs);
    if ("bytes" in verdict) return change(verdict.bytes);
  }
  throw wrong("sim.rule", "verdict", "must be pass, drop, later(ms) or change(bytes)", verdict);
}
