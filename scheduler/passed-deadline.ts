// SPDX-License-Identifier: MIT
// The commonest mistake with deadlines is to pass a span of time: `connect(to, 5_000)`. On the
// loop's clock that is a point long before the loop began, and the error can say so.

import { current, loop } from "./current.ts";
import { ERROR_TEXT } from "./errno.ts";
import { isNetError } from "./net-error.ts";

/**
 * Makes an ETIMEDOUT say that its deadline had passed before the loop began. 0 means "now", and is
 * left alone, as is a deadline within the life of the loop, which may well have been met late.
 *
 * @param givenMs - the deadline of the call, null if it had none
 * @returns the same error
 */
export function explainPassed(error: Error, givenMs: number | null): Error {
  const running = current?.loop ?? loop;
  if (running === null || !isNetError(error, "ETIMEDOUT")) return error;
  const enclosingMs = current?.deadlineMs ?? null;
  const passed = [givenMs, enclosingMs].find((ms) => isBefore(ms, running.startedMs));
  if (typeof passed !== "number") return error;
  const lateMs = Math.round(running.nowMs - passed);
  const text =
    `the deadline had passed ${lateMs} ms before the call; ` +
    "deadlines are points in time: now() + ms";
  // The error is made by the wait, who knows address and bytes; it is the text alone that differs.
  const { message, stack } = error;
  error.message = message.replace(ERROR_TEXT.ETIMEDOUT, text);
  if (stack !== undefined) error.stack = stack.replace(message, error.message);
  return error;
}

function isBefore(ms: number | null, startedMs: number): boolean {
  return ms !== null && ms > 0 && ms < startedMs;
}
