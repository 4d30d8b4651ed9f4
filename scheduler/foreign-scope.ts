// SPDX-License-Identifier: MIT
// `go`, `bundle` and `withDeadline` inside a plain Effection task: coroutines that belong to the
// task's scope, which cancels them and waits for them when it ends.

import { type Operation, race, resource, spawn, useScope } from "effection";
import { Bundle, type BundleOptions, type GoOptions } from "./bundle.ts";
import type { OperationLike } from "./coroutine.ts";
import { loopOf } from "./foreign.ts";
import { Handle } from "./handle.ts";
import { NetError } from "./net-error.ts";
import { toOperation } from "./operation.ts";
import { sleep } from "./sleep.ts";

/** `bundle()` in a plain Effection task. */
export function bundleInTask(options?: BundleOptions): Operation<Bundle> {
  return resource(function* (provide) {
    const loop = loopOf({ scope: yield* useScope() });
    const made = new Bundle(loop, null, options?.onError ?? null, options?.name ?? "");
    try {
      yield* provide(made);
    } finally {
      if (!made.isClosed) yield* made.close();
    }
  });
}

/** `go()` in a plain Effection task. */
export function goInTask<T>(op: OperationLike<T>, options?: GoOptions): Operation<Handle<T>> {
  return resource(function* (provide) {
    const made = yield* bundleInTask();
    const handle = new Handle<T>(made.start(op, options?.name ?? ""));
    // An error that nobody joins fails the task, as that of a spawned task does.
    yield* spawn(() => made.wait());
    yield* provide(handle);
  });
}

/** `withDeadline()` in a plain Effection task. */
export function withDeadlineInTask<T>(deadline: number, op: OperationLike<T>): Operation<T> {
  if (deadline < 0) return toOperation(op);
  return race([
    (function* (): Operation<T> {
      return yield* toOperation(op);
    })(),
    (function* (): Operation<never> {
      yield* sleep(deadline);
      throw new NetError("ETIMEDOUT", "withDeadline");
    })(),
  ]);
}
