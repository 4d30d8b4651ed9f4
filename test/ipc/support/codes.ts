// SPDX-License-Identifier: MIT
// What calls end with.

import { go, type Handle, type Operation, sleep, yieldNow } from "../../../src/index.ts";
import { failure } from "../../socket/support/helpers.ts";

/** Runs `op` in a coroutine that is cancelled already. @returns the code it fails with */
export function* codeWhenCancelled(op: () => Operation<unknown>): Operation<string> {
  let code = "";
  const worker = yield* go(function* () {
    try {
      yield* sleep(-1);
    } finally {
      code = (yield* failure(op)).code;
    }
  });
  yield* yieldNow();
  worker.cancel();
  while (!worker.isEnded) yield* yieldNow();
  return code;
}

/** Starts what must fail. @returns a handle whose `join` gives the code */
export function goFailing(op: () => Operation<unknown>): Operation<Handle<string>> {
  return go(function* () {
    return (yield* failure(op)).code as string;
  });
}
