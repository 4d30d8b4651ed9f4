// SPDX-License-Identifier: MIT
// The scheduler's public entry: coroutines, bundles, channels, deadlines, cancellation.

export type { Operation } from "effection";
export { abortable } from "./abortable.ts";
export {
  Bundle,
  type BundleOptions,
  bundle,
  type GoOptions,
} from "./bundle.ts";
export { Channel, channel } from "./channel.ts";
export { type Choice, choose } from "./choose.ts";
export type { OperationLike } from "./coroutine.ts";
export { shield, withDeadline } from "./deadline.ts";
export type { ErrorCode } from "./errno.ts";
export { go, Handle } from "./handle.ts";
export type { Loop } from "./loop.ts";
export { currentLoop } from "./loop-of.ts";
export type { BusyPoll, LoopLeftovers, LoopStatistics } from "./loop-options.ts";
export { isNetError, NetError } from "./net-error.ts";
export type { Resource } from "./owned.ts";
export { main, type RunOptions, run, runWithSignal } from "./run.ts";
export { now, sleep, yieldNow } from "./sleep.ts";
export type { Wait } from "./wait.ts";
