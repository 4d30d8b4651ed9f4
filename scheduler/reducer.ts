// SPDX-License-Identifier: MIT
// Runs the plain Effection tasks below our coroutines, in place of Effection's own reducer and in
// the same order: a spawned task starts when its spawner waits, and outer tasks go first. It has to
// be ours because a task that Effection stepped from inside a coroutine would take that coroutine
// for its own, and because the virtual clock must know which tasks wait for the world outside.

import { type Context, createContext, type Result } from "effection";
import { setCurrent, setLoop } from "./current.ts";
import type { Loop } from "./loop.ts";
import { Wait } from "./wait.ts";

// Effection's own contexts, by their internal names.
const PRIORITY = createContext<number>("@effection/scope.generation", 0);
const SETTLE: Context<Settle> = createContext<Settle>("@effection/coroutine.settle");

type Outcome = { exists: true; value: Result<unknown> };
type Settle = (outcome: Outcome, settle: (outcome: unknown) => void) => void;

/** What Effection calls a routine, as far as its reducer uses it. */
interface EffectionRoutine {
  readonly scope: { expect<T>(context: Context<T>): T };
  readonly data: { enqueued: boolean };
  step(): IteratorResult<unknown, unknown>;
  perform(effect: unknown): void;
  settle(outcome: unknown): void;
}

/** What an effect waits for, as far as one can tell. */
export const INSIDE = 0;
/** The world outside or another task: nothing tells. */
export const UNKNOWN = 1;
export const OUTSIDE = 2;

/** @returns INSIDE, UNKNOWN or OUTSIDE */
export function originOf(effect: unknown): number {
  if (effect instanceof Wait) return INSIDE;
  const { description } = effect as { description?: unknown };
  if (typeof description !== "string") return UNKNOWN;
  if (description.startsWith("do <sleep(")) return OUTSIDE;
  return INSIDE_EFFECTS.has(description) ? INSIDE : UNKNOWN;
}

/** Effects of Effection that only another task of the same program can end. */
const INSIDE_EFFECTS: ReadonlySet<string> = new Set(["do <suspend>", "do <await winner>"]);

/** The tasks of one loop. */
export class Reducer {
  private readonly loop: Loop;
  /** Tasks to step, by depth of their scope. */
  private readonly tiers: EffectionRoutine[][] = [];
  private count = 0;
  private isReducing = false;
  /** A coroutine may be running: it goes on first, and the loop drains when it waits. */
  isHeld = false;
  /** Tasks that wait for an effect which is not ours, with its origin. */
  private readonly waiting: Map<EffectionRoutine, number> = new Map();

  constructor(loop: Loop) {
    this.loop = loop;
  }

  /** Effection: `routine` is to be stepped. */
  schedule(routine: EffectionRoutine): void {
    this.forget(routine);
    if (!routine.data.enqueued) {
      routine.data.enqueued = true;
      const depth = routine.scope.expect(PRIORITY);
      while (this.tiers.length <= depth) this.tiers.push([]);
      (this.tiers[depth] as EffectionRoutine[]).push(routine);
      this.count++;
    }
    if (!this.isHeld) this.drain();
  }

  /** True if a task is to be stepped. */
  get isPending(): boolean {
    return this.count > 0;
  }

  /** Steps tasks until all wait. */
  drain(): void {
    if (this.isReducing) return;
    this.isReducing = true;
    const previous = setLoop(this.loop);
    // Effects resolved from outside a round: the time is now.
    this.loop.now();
    try {
      while (this.count > 0) this.stepFirst();
    } finally {
      this.isReducing = false;
      setLoop(previous);
    }
  }

  private stepFirst(): void {
    const tier = this.tiers.find((each) => each.length > 0) as EffectionRoutine[];
    const routine = tier.shift() as EffectionRoutine;
    this.count--;
    routine.data.enqueued = false;
    const { scope } = routine;
    const running = setCurrent(null);
    try {
      const next = routine.step();
      if (next.done === true) {
        settle(routine, scope, { ok: true, value: next.value });
      } else {
        this.remember(routine, originOf(next.value));
        routine.perform(next.value);
      }
    } catch (error) {
      this.forget(routine);
      settle(routine, scope, { ok: false, error: error as Error });
    } finally {
      setCurrent(running);
    }
  }

  private remember(routine: EffectionRoutine, origin: number): void {
    if (origin === INSIDE) return;
    this.waiting.set(routine, origin);
    this.loop.effectBegins(origin);
  }

  private forget(routine: EffectionRoutine): void {
    const origin = this.waiting.get(routine);
    if (origin === undefined) return;
    this.waiting.delete(routine);
    this.loop.effectEnds(origin);
  }
}

function settle(
  routine: EffectionRoutine,
  scope: EffectionRoutine["scope"],
  value: Result<unknown>,
): void {
  scope.expect(SETTLE)({ exists: true, value }, routine.settle);
}
