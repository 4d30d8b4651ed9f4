// SPDX-License-Identifier: MIT
// What `go`, `run` and `shield` take: an operation, or a function that makes one.

import type { Operation } from "effection";
import type { OperationLike } from "./coroutine.ts";

/** @returns the operation meant by `op` */
export function toOperation<T>(op: OperationLike<T>): Operation<T> {
  const made = typeof op === "function" ? op() : op;
  if (typeof made?.[Symbol.iterator] !== "function") {
    throw new TypeError("expected an operation or a generator function");
  }
  return made;
}

/**
 * @returns an iterator over the operation; what making it throws is thrown by its first step, so
 *   that it fails the coroutine and not whoever starts it
 */
export function toIterator<T>(op: OperationLike<T>): Iterator<unknown, unknown, unknown> {
  if (typeof op !== "function" && typeof op?.[Symbol.iterator] !== "function") {
    throw new TypeError("expected an operation or a generator function");
  }
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
