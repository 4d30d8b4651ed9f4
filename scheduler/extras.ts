// SPDX-License-Identifier: MIT
// What few coroutines have, or only at their end: one object, made when first needed, since a
// program may have a million coroutines that all wait for their first byte.

import type { Bundle } from "./bundle.ts";
import type { Failure } from "./failure.ts";
import type { Routine } from "./routine.ts";
import type { WaitQueue } from "./wait-queue.ts";

/** The rarer half of a coroutine. */
export class Extras {
  /** For `loop.tree()` and error reports. */
  name: string;
  /** Depth of `shield`s; cancellation waits outside. */
  shields: number;
  /** How often it has swallowed its cancellation. */
  swallowed: number;
  /** It has swallowed too many: only `finally` blocks still run. */
  isForced: boolean;
  /** Bundles it made with `bundle()`. */
  bundles: Set<Bundle> | null;
  /** Who waits for its end. */
  joiners: WaitQueue | null;
  /** Its face towards Effection, made when it first yields an effect of Effection's. */
  routine: Routine | null;
  /** What an effect of Effection's has come to, for its next step. */
  resumeValue: unknown;
  result: unknown;
  /** What it failed with, null if it did not. */
  failure: Failure | null;

  constructor() {
    this.name = "";
    this.shields = 0;
    this.swallowed = 0;
    this.isForced = false;
    this.bundles = null;
    this.joiners = null;
    this.routine = null;
    this.resumeValue = undefined;
    this.result = undefined;
    this.failure = null;
  }
}

/** What a coroutine hands on to those that it starts. Never changed, since it is shared. */
export class Inherited {
  /** Deadline of the innermost `withDeadline`, null for none. */
  readonly deadlineMs: number | null;
  /** Values in scope by key. */
  readonly locals: ReadonlyMap<symbol, unknown> | null;

  constructor(deadlineMs: number | null, locals: ReadonlyMap<symbol, unknown> | null) {
    this.deadlineMs = deadlineMs;
    this.locals = locals;
  }
}
