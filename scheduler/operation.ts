// SPDX-License-Identifier: MIT
// What `go`, `run` and `shield` take: an operation, or a function that makes one.

import type { Operation } from "effection";
import type { Coroutine, OperationLike } from "./coroutine.ts";
import { NetError } from "./net-error.ts";
import { FORCED, waits } from "./wait.ts";

/** Refuses what is neither an operation nor a function. */
export function checkOperation(syscall: string, op: unknown): void {
  if (typeof op === "function") return;
  if (
    typeof (op as Partial<Operation<unknown>> | null | undefined)?.[Symbol.iterator] === "function"
  ) {
    if (typeof op === "object") return;
  }
  throw new TypeError(`${syscall}: op must be an operation or a generator function`);
}

/** Refuses what is no options object, or has an option that there is not. */
export function checkKnown(syscall: string, options: unknown, known: readonly string[]): void {
  if (typeof options !== "object" || options === null) {
    throw new TypeError(`${syscall}: options must be an object, got ${String(options)}`);
  }
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue;
    const message = `options.${name} is not known; there are ${known.join(", ")}`;
    throw new NetError("EINVAL", syscall, { message });
  }
}

/** @returns the operation meant by `op` */
export function toOperation<T>(op: OperationLike<T>): Operation<T> {
  const made = typeof op === "function" ? op() : op;
  if (typeof made?.[Symbol.iterator] !== "function") {
    throw new TypeError("op must return an operation: is it a generator function?");
  }
  return made;
}

/**
 * @returns an iterator over the operation; what making it throws is thrown by its first step, so
 *   that it fails the coroutine and not whoever starts it
 */
export function toIterator<T>(op: OperationLike<T>): Iterator<unknown, unknown, unknown> {
  try {
    return toOperation(op)[Symbol.iterator]();
  } catch (error) {
    return {
      next() {
        throw error;
      },
    };
  }
}

/**
 * The step of an operation that never waits, in a cancelled coroutine: throws ECANCELED, or yields
 * to the end by force of a coroutine that has swallowed it too often.
 */
export function refused(coroutine: Coroutine, syscall: string): IteratorResult<unknown, never> {
  if (coroutine.refuse() === FORCED) return waits(FORCED);
  throw new NetError("ECANCELED", syscall);
}

/** An operation that must see to something even if its coroutine gives it up. */
export interface Abandonable {
  /** It is never stepped again, although it has not ended. Must not throw. */
  abandon(): void;
}

/** Gives up an iterator that does not end however it is asked to. @returns what to end it with */
export function abandoned(iterator: object): NetError {
  (iterator as Partial<Abandonable>).abandon?.();
  return new NetError("ECANCELED", "go");
}
