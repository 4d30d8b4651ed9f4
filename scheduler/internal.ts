// SPDX-License-Identifier: MIT
// The scheduler's entry for the rest of the library: what it takes to write something that waits.

export type { Bundle } from "./bundle.ts";
export { Coroutine } from "./coroutine.ts";
export { codeOf, ERRNO, type ErrorCode } from "./errno.ts";
export { Loop } from "./loop.ts";
export { currentCoroutine, currentLoop } from "./loop-of.ts";
export type { Poller, Spinner } from "./loop-options.ts";
export { Owned, type Resource } from "./owned.ts";
export { Timer, TimerWheel } from "./timer-wheel.ts";
export { PENDING, READY, Wait } from "./wait.ts";
export { type Waiter, WaitQueue } from "./wait-queue.ts";
