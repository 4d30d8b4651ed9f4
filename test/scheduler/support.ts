// Helpers of the scheduler's tests: everything runs on the virtual clock and leaves nothing behind.

import { expect } from "vitest";
import {
  isNetError,
  type Loop,
  type Operation,
  type OperationLike,
  run,
} from "../../scheduler/index.ts";

/** Runs `op` on the virtual clock; afterwards nothing may be left, however it ended. */
export async function virtual<T>(op: OperationLike<T>): Promise<T> {
  let loop: Loop | undefined;
  try {
    return await run(op, { clock: "virtual", onLoop: (made) => (loop = made) });
  } finally {
    expect(loop?.leftovers()).toEqual({ coroutines: 0, timers: 0, pollers: 0, foreignTasks: 0 });
  }
}

/** What `op` throws: the code of a NetError, else the message; "nothing" if it does not throw. */
export function* failureOf(op: () => Operation<unknown>): Operation<string> {
  try {
    yield* op();
    return "nothing";
  } catch (error) {
    return textOf(error);
  }
}

/** The code of a NetError, else the message. */
export function textOf(error: unknown): string {
  if (isNetError(error)) return error.code;
  return error instanceof Error ? error.message : String(error);
}

/** What a promise rejects with, as `failureOf`. */
export async function rejectionOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
    return "nothing";
  } catch (error) {
    return textOf(error);
  }
}
