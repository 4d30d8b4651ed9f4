// SPDX-License-Identifier: MIT
// What a link does to frames in one direction, and the checks of it.

import { integerIn, knownKeys, numberIn, wrong } from "./check.ts";

/** Longest delay: a day, in ms. Keeps the sums of times far from where doubles grow coarse. */
const DELAY_MAX_MS = 86_400_000;

/** What one direction of a link does to its frames. Every field may be left out. */
export interface LinkConditions {
  /** Time from the last bit sent to the last bit received, in ms; default 0. */
  readonly delayMs?: number;
  /** Up to this much is added to each delay at random, in ms; keeps the order; default 0. */
  readonly jitterMs?: number;
  /** Bits per second, Ethernet header included; default Infinity. */
  readonly bandwidthBps?: number;
  /** Frames that may wait to be sent, the one being sent included; default 1000. Tail drop. */
  readonly queueFrames?: number;
  /** Bytes that may wait to be sent; default Infinity. Tail drop. */
  readonly queueBytes?: number;
  /** Largest IP packet in bytes; larger ones are dropped silently; default 65,535. */
  readonly mtu?: number;
  /** Probability that a frame is lost, 0 to 1; default 0. */
  readonly loss?: number;
  /** Probability that a frame arrives twice; default 0. */
  readonly duplicate?: number;
  /** Probability that a frame is held back and overtaken; default 0. */
  readonly reorder?: number;
  /** By how much a reordered frame is held back, in ms; default 5. */
  readonly reorderMs?: number;
  /** Probability that a frame is damaged; default 0. */
  readonly corrupt?: number;
  /** What is damaged: one bit (default), or one byte, which becomes another one. */
  readonly corruptUnit?: "bit" | "byte";
}

/** Conditions with nothing left out. */
export type FullConditions = { [K in keyof LinkConditions]-?: NonNullable<LinkConditions[K]> };

/** A perfect link: no delay, no limit, no fault. */
export const PERFECT: FullConditions = Object.freeze({
  delayMs: 0,
  jitterMs: 0,
  bandwidthBps: Number.POSITIVE_INFINITY,
  queueFrames: 1000,
  queueBytes: Number.POSITIVE_INFINITY,
  mtu: 65_535,
  loss: 0,
  duplicate: 0,
  reorder: 0,
  reorderMs: 5,
  corrupt: 0,
  corruptUnit: "bit",
});

const KEYS = Object.keys(PERFECT);

/**
 * Returns `base` with the given fields changed.
 *
 * @throws NetError EINVAL: a field is unknown or out of range.
 */
export function changeConditions(base: FullConditions, change: LinkConditions): FullConditions {
  const call = "sim.link";
  knownKeys(call, "conditions", change, KEYS);
  const next: FullConditions = { ...base };
  for (const key of KEYS as (keyof FullConditions)[]) {
    if (change[key] !== undefined) Object.assign(next, { [key]: change[key] });
  }
  numberIn(call, "delayMs", next.delayMs, 0, DELAY_MAX_MS);
  numberIn(call, "jitterMs", next.jitterMs, 0, DELAY_MAX_MS);
  numberIn(call, "bandwidthBps", next.bandwidthBps, 1, Number.POSITIVE_INFINITY);
  integerIn(call, "queueFrames", next.queueFrames, 1, 1_000_000);
  numberIn(call, "queueBytes", next.queueBytes, 1, Number.POSITIVE_INFINITY);
  integerIn(call, "mtu", next.mtu, 1, 65_535);
  numberIn(call, "loss", next.loss, 0, 1);
  numberIn(call, "duplicate", next.duplicate, 0, 1);
  numberIn(call, "reorder", next.reorder, 0, 1);
  numberIn(call, "reorderMs", next.reorderMs, 0, DELAY_MAX_MS);
  numberIn(call, "corrupt", next.corrupt, 0, 1);
  if (next.corruptUnit !== "bit" && next.corruptUnit !== "byte") {
    throw wrong(call, "corruptUnit", 'must be "bit" or "byte"', next.corruptUnit);
  }
  return next;
}
