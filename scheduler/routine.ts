// SPDX-License-Identifier: MIT
// A coroutine's face towards Effection: interprets the effects that Effection's own operations
// yield. Effection 4.1.1 calls `effect.enter(resolve, routine)` and uses of the routine `scope`,
// `data` and `unwind`; none of that is public, so the version is pinned and each operation tested.

import {
  type Context,
  createContext,
  createScope,
  type Effect,
  type Result,
  type Scope,
  type Task,
} from "effection";
import type { Coroutine } from "./coroutine.ts";
import { setCurrent } from "./current.ts";
import type { ErrorCode } from "./errno.ts";
import type { Loop } from "./loop.ts";
import { NEXT, RETURN, THROW } from "./modes.ts";
import { NetError } from "./net-error.ts";
import { INSIDE, originOf } from "./reducer.ts";
import { PARKED, Wait } from "./wait.ts";

/** The coroutine that a plain Effection task descends from, if it descends from one. */
export const COROUTINE_CONTEXT: Context<Coroutine> = createContext<Coroutine>("caraway/coroutine");
// Effection's own contexts, by their internal names.
const ERROR_BOUNDARY = createContext<unknown>("@effection/error-boundary");
const TASK_GROUP = createContext<unknown>("@effection/task-group");
const REDUCER = createContext<unknown>("@effection/reducer");

type Exit = (didExit: (result: Result<void>) => void) => void;
type Outcome = Result<unknown>;

const DONE: Outcome = { ok: true, value: undefined };
const NO_EXIT: Exit = (didExit) => didExit(DONE as Result<void>);

/** What Effection keeps per routine. */
interface RoutineData {
  critical: boolean;
  unwinding: boolean;
  exit: Exit;
}

/** One coroutine as Effection sees it. */
export class Routine {
  readonly data: RoutineData = { critical: false, unwinding: false, exit: NO_EXIT };
  /** How the coroutine goes on after `perform` said true. */
  mode: number = NEXT;
  value: unknown = undefined;
  /** Plain Effection tasks that its body has started, directly or by an operation. */
  readonly tasks: Set<Task<unknown>> = new Set();
  readonly #coroutine: Coroutine;
  #scope: Scope | null = null;
  #resolve: ((result: Outcome) => void) | null = null;
  #result: Outcome = DONE;
  #isEntering = false;
  #origin: number = INSIDE;
  /** What the coroutine had before `scoped` put another in place. */
  #ownScope: Scope | null = null;

  constructor(coroutine: Coroutine) {
    this.#coroutine = coroutine;
  }

  /** The Effection scope of the coroutine, made when first asked for. */
  get scope(): Scope {
    if (this.#scope === null) {
      this.#ownScope = this.#createScope();
      this.#scope = this.#ownScope;
    }
    return this.#scope;
  }

  /** The scope that lives as long as the coroutine, null if none was asked for. */
  get ownScope(): Scope | null {
    return this.#ownScope;
  }

  /** `scoped` puts another scope in place for a while. */
  set scope(scope: Scope) {
    this.#scope = scope;
  }

  /** True once an Effection operation has asked for a scope. */
  get hasScope(): boolean {
    return this.#scope !== null;
  }

  /** True if the coroutine must unwind instead of waiting. */
  get mustUnwind(): boolean {
    return this.data.unwinding && !this.data.critical;
  }

  /**
   * Performs an effect.
   *
   * @returns true: go on with `mode` and `value`; false: the coroutine waits
   */
  perform(effect: unknown): boolean {
    // A wait that its own iterator has yielded does not come here: this one was yielded as it is,
    // and what it evaluates to would be a status and no result.
    if (effect instanceof Wait) {
      const error = new TypeError(`a coroutine yielded ${effect.syscall} itself: use yield*`);
      return this.#goOn({ ok: false, error });
    }
    // Once more what a wait has yielded: it stands for that one wait, in a task that has it.
    if (!isEffect(effect) || effect === PARKED.value) {
      const error = new TypeError(
        `a coroutine yielded ${describe(effect)}, which is not an effect: use yield*`,
      );
      return this.#goOn({ ok: false, error });
    }
    const resolve = (result: Outcome): void => {
      if (this.#resolve !== resolve) return;
      this.#resolve = null;
      this.#result = result;
      if (!this.#isEntering) this.#leave();
    };
    this.#resolve = resolve;
    this.#isEntering = true;
    let exit: Exit;
    // Effection may run other tasks meanwhile: their waits are not this coroutine's.
    const running = setCurrent(null);
    try {
      exit = effect.enter(resolve as never, this as never) as Exit;
    } catch (error) {
      this.#resolve = null;
      return this.#goOn({ ok: false, error: error as Error });
    } finally {
      setCurrent(running);
      this.#isEntering = false;
    }
    if (this.#resolve !== null) this.#refuseToWait();
    if (this.#resolve === null) return this.#goOn(exitNow(exit, this.#result));
    this.data.exit = exit;
    this.#origin = originOf(effect);
    this.#coroutine.loop.effectBegins(this.#origin);
    if (!this.data.critical) this.#coroutine.armDeadline();
    return false;
  }

  /** The order at every wait: cancelled, ready, the deadline, and only then it waits. */
  #refuseToWait(): void {
    if (this.data.critical) return;
    const coroutine = this.#coroutine;
    let code: ErrorCode | null = null;
    if (coroutine.isInterrupted) {
      coroutine.refuse();
      code = "ECANCELED";
    } else if (coroutine.untilMs <= coroutine.loop.nowMs) {
      code = "ETIMEDOUT";
    }
    if (code === null) return;
    this.#resolve = null;
    this.#result = { ok: false, error: new NetError(code, "effect") };
  }

  /** Ends what is being waited for with `error`, unless it is clean-up of Effection's. */
  interrupt(error: Error): void {
    if (!this.data.critical) this.#resolve?.({ ok: false, error });
  }

  /** Effection: a child in the scope has failed, or a boundary has no value: unwind. */
  unwind(): void {
    this.data.unwinding = true;
    if (this.data.critical) return;
    if (this.#resolve !== null) this.#resolve(DONE);
    else this.#coroutine.unwind();
  }

  /** @returns the iterator whose end is the end of the scope */
  destroyScope(): Iterator<unknown, unknown, unknown> {
    this.data.critical = true;
    const scope = this.#ownScope as Scope & AsyncDisposable;
    const destruction = scope[Symbol.asyncDispose]() as unknown as Iterable<unknown>;
    return destruction[Symbol.iterator]() as Iterator<unknown, unknown, unknown>;
  }

  #createScope(): Scope {
    const scope = createScope(parentScope(this.#coroutine));
    scope.set(COROUTINE_CONTEXT, this.#coroutine);
    scope.set(ERROR_BOUNDARY, {
      raise: (error: unknown): void => this.#coroutine.failFrom(error),
    });
    scope.set(TASK_GROUP, { tasks: this.tasks });
    return scope;
  }

  #goOn(result: Outcome): boolean {
    if (!result.ok) {
      this.data.unwinding = false;
      this.mode = THROW;
      this.value = thrown(result.error);
    } else if (this.mustUnwind) {
      this.data.unwinding = false;
      this.mode = RETURN;
      this.value = undefined;
    } else {
      this.mode = NEXT;
      this.value = result.value;
    }
    return true;
  }

  /** The effect was resolved while the coroutine waited. */
  #leave(): void {
    const { exit } = this.data;
    const coroutine = this.#coroutine;
    this.data.exit = NO_EXIT;
    coroutine.disarm();
    coroutine.loop.effectEnds(this.#origin);
    exit((exited) => {
      this.#goOn(exited.ok ? this.#result : exited);
      coroutine.resume(this.mode, this.value);
    });
  }
}

function exitNow(exit: Exit, result: Outcome): Outcome {
  let outcome = result;
  if (typeof exit !== "function") return outcome;
  const running = setCurrent(null);
  try {
    exit((exited) => {
      if (!exited.ok) outcome = exited;
    });
  } finally {
    setCurrent(running);
  }
  return outcome;
}

function isEffect(value: unknown): value is Effect<unknown> {
  return (
    typeof value === "object" &&
    value !== null &&
    typeof (value as { enter?: unknown }).enter === "function"
  );
}

function describe(value: unknown): string {
  if (value === null) return "null";
  if (typeof value !== "object" && typeof value !== "function") return String(value);
  return Symbol.iterator in value ? "an operation" : `a value of type ${typeof value}`;
}

/** Effection wraps what is thrown and is not an Error. */
function thrown(error: Error): unknown {
  return error.name === "ThrownValueError" ? error.cause : error;
}

function parentScope(coroutine: Coroutine): Scope {
  for (let at = coroutine.bundle.parent; at !== null; at = at.bundle.parent) {
    // Not what `scoped` has put in place for a while: the coroutine may outlive that.
    const scope = at.routine?.ownScope ?? null;
    if (scope !== null) return scope;
  }
  return coroutine.loop.effectionScope();
}

/** @returns the scope from which all Effection scopes of `loop` descend */
export function createLoopScope(loop: Loop): Scope {
  const scope = createScope();
  scope.set(REDUCER, loop.reducer);
  return scope;
}
