// SPDX-License-Identifier: MIT
// Deadlines and shields around whole operations.

import type { Operation, Task } from "effection";
import type { Coroutine, OperationLike } from "./coroutine.ts";
import { current } from "./current.ts";
import { withDeadlineInTask } from "./foreign-scope.ts";
import { isNetError } from "./net-error.ts";
import { checkOperation, toOperation } from "./operation.ts";
import { checkTime } from "./wait.ts";

/**
 * Bounds every wait inside `op`: each ends by the earlier of its own deadline and this one. What is
 * started inside with `go` is bounded too.
 *
 * @param deadline - absolute ms on the loop's clock, negative: no bound of its own
 * @param op - an operation or a generator function
 * @returns what `op` returns
 * @throws NetError ECANCELED, EINVAL, ETIMEDOUT, and whatever `op` throws
 * @example
 * ```ts
 * const questions = channel<string>();
 * const answers = channel<string>();
 * const answer = yield* withDeadline(now() + 5_000, function* () {
 *   yield* questions.send("why?");
 *   return yield* answers.recv();
 * });
 * ```
 */
export function* withDeadline<T>(deadline: number, op: OperationLike<T>): Operation<T> {
  checkTime("withDeadline", deadline);
  checkOperation("withDeadline", op);
  const coroutine = current;
  if (coroutine === null) return yield* withDeadlineInTask(deadline, op);
  const before = coroutine.deadlineMs;
  if (deadline >= 0 && (before === null || deadline < before)) coroutine.deadlineMs = deadline;
  const tasksBefore = coroutine.routine === null ? [] : [...coroutine.routine.tasks];
  try {
    return yield* toOperation(op);
  } catch (error) {
    // An operation of Effection that a deadline has cut short (`race`) leaves its tasks behind.
    if (isNetError(error, "ETIMEDOUT")) yield* haltOthers(coroutine, tasksBefore);
    throw error;
  } finally {
    coroutine.deadlineMs = before;
  }
}

function* haltOthers(coroutine: Coroutine, kept: readonly Task<unknown>[]): Operation<void> {
  for (const task of coroutine.routine?.tasks ?? []) {
    if (!kept.includes(task)) yield* shield(-1, () => task.halt());
  }
}

/**
 * Runs clean-up that must wait: inside, neither cancellation nor an enclosing deadline is felt,
 * only `deadline`. Afterwards cancellation goes on where it was.
 *
 * @param deadline - absolute ms on the loop's clock, negative: none
 * @param op - an operation or a generator function
 * @returns what `op` returns
 * @throws NetError ECANCELED (only that of a coroutine which `op` joins), EINVAL, ETIMEDOUT, and
 *   whatever `op` throws
 * @example
 * ```ts
 * const log = channel<string>();
 * try {
 *   yield* sleep(-1);
 * } finally {
 *   yield* shield(now() + 1_000, () => log.send("goodbye"));
 * }
 * ```
 */
export function* shield<T>(deadline: number, op: OperationLike<T>): Operation<T> {
  checkTime("shield", deadline);
  checkOperation("shield", op);
  const coroutine = current;
  // Effection runs `finally` blocks of a halted task to their end by itself.
  if (coroutine === null) return yield* withDeadlineInTask(deadline, op);
  const before = coroutine.deadlineMs;
  coroutine.deadlineMs = deadline >= 0 ? deadline : null;
  const extras = coroutine.more();
  extras.shields++;
  try {
    return yield* toOperation(op);
  } finally {
    extras.shields--;
    coroutine.deadlineMs = before;
  }
}
