// SPDX-License-Identifier: MIT
// Who is running: the coroutine whose code executes right now, and the loop that `now()` asks.
// The only mutable module state of the scheduler; a worker thread has its own copy.

import type { Result } from "effection";
import type { Coroutine } from "./coroutine.ts";
import type { Loop } from "./loop.ts";
import type { Wait } from "./wait.ts";

/** The coroutine that is running, null outside of one. */
export let current: Coroutine | null = null;
/** The loop whose round is running or ran last, null before the first. */
export let loop: Loop | null = null;

/** While a wait begins in a plain Effection task: the coroutine that the task descends from. */
export let ancestor: Coroutine | null = null;

/** Says whose descendant begins a wait now. @returns whose did before */
export function setAncestor(next: Coroutine | null): Coroutine | null {
  const previous = ancestor;
  ancestor = next;
  return previous;
}

/** Says who runs now. @returns who ran before */
export function setCurrent(next: Coroutine | null): Coroutine | null {
  const previous = current;
  current = next;
  return previous;
}

/** Says which loop runs now. @returns which ran before */
export function setLoop(next: Loop | null): Loop | null {
  const previous = loop;
  loop = next;
  return previous;
}

type EnterTask = (
  wait: Wait<unknown>,
  resolve: (result: Result<number>) => void,
  routine: unknown,
) => (didExit: (result: Result<void>) => void) => void;

/** Begins a wait of a plain Effection task. Set by foreign.ts, which wait.ts cannot import. */
export let enterTask: EnterTask = () => {
  throw new Error("the scheduler is not loaded");
};

/** Says how to begin a wait of a plain Effection task. */
export function setEnterTask(enter: EnterTask): void {
  enterTask = enter;
}
