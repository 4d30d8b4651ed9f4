// SPDX-License-Identifier: MIT
// `run`: a loop with one root coroutine, from plain JavaScript. `main`: the same for a program.

import { AbortError, throwIfAborted } from "abort-controller-x";
import { Bundle } from "./bundle.ts";
import { VirtualClock } from "./clock-virtual.ts";
import type { OperationLike } from "./coroutine.ts";
import { CANCELED } from "./ending.ts";
import { Loop } from "./loop.ts";
import type { BusyPoll } from "./loop-options.ts";
import { isNetError, NetError } from "./net-error.ts";
import { checkKnown, checkOperation } from "./operation.ts";

/** Exit status of a program ended by a signal: 128 + its number. */
const SIGNAL_EXITS = { SIGINT: 130, SIGTERM: 143 } as const;

/** How `run` runs. */
export interface RunOptions {
  /** "real", or "virtual": time jumps whenever nothing can run. Default "real". */
  readonly clock?: "real" | "virtual";
  /** When drivers are polled; default "adaptive". */
  readonly busyPoll?: BusyPoll;
  /** How long "adaptive" spins after the last work, microseconds; default 200. */
  readonly spinUs?: number;
  /** Gets the loop before the first round, for statistics and leftovers. */
  readonly onLoop?: (loop: Loop) => void;
}

interface Running<T> {
  readonly loop: Loop;
  readonly promise: Promise<T>;
  cancel(): void;
}

function start<T>(op: OperationLike<T>, options: RunOptions): Running<T> {
  checkOperation("run", op);
  const loop = new Loop(loopOptions(options));
  options.onLoop?.(loop);
  const bundle = new Bundle(loop, null, () => {}, "run");
  loop.root = bundle;
  const root = bundle.start(op, "main");
  const promise = new Promise<T>((resolve, reject) => {
    loop.onRootEnded = () => {
      bundle.end();
      loop.end();
      if (root.failure !== null) reject(root.failure.error);
      else if (root.result === CANCELED) reject(new NetError("ECANCELED", "run"));
      else resolve(root.result as T);
    };
    loop.onFatal = (error, isFirst) => {
      // Cancelling lets clean-up run; if even that waits for ever, give up.
      if (isFirst) root.failFrom(error);
      else {
        loop.end();
        reject(error);
      }
    };
  });
  return { loop, promise, cancel: () => root.cancel() };
}

/**
 * Runs an operation as the root coroutine of a loop of its own.
 *
 * @param op - an operation or a generator function
 * @param options - clock and idle policy
 * @returns a promise of its result; when it settles, nothing that the operation opened is left
 * @throws NetError EDEADLK (virtual clock: every coroutine waits for ever), EINVAL; or what the
 *   operation threw
 * @example
 * ```ts
 * await run(function* () {
 *   yield* sleep(now() + 120_000);
 * }, { clock: "virtual" });
 * ```
 */
export async function run<T>(op: OperationLike<T>, options: RunOptions = {}): Promise<T> {
  return start(op, options).promise;
}

/**
 * Runs an operation under an AbortSignal (the conventions of `abort-controller-x`).
 *
 * @param signal - aborting it cancels the root coroutine
 * @param op - an operation or a generator function
 * @param options - clock and idle policy
 * @returns a promise of the result
 * @throws AbortError once an aborted operation has ended (at once if `signal` is aborted already);
 *   else what `run` throws
 * @example
 * ```ts
 * const reply = await runWithSignal(AbortSignal.timeout(5_000), () => sleep(now() + 100));
 * ```
 */
export async function runWithSignal<T>(
  signal: AbortSignal,
  op: OperationLike<T>,
  options: RunOptions = {},
): Promise<T> {
  if (!(signal instanceof AbortSignal)) {
    throw new TypeError("runWithSignal: signal must be an AbortSignal");
  }
  throwIfAborted(signal);
  const running = start(op, options);
  signal.addEventListener("abort", running.cancel);
  try {
    return await running.promise;
  } catch (error) {
    if (signal.aborted && isNetError(error, "ECANCELED")) throw new AbortError();
    throw error;
  } finally {
    signal.removeEventListener("abort", running.cancel);
  }
}

/**
 * Runs a program: SIGINT and SIGTERM cancel the root coroutine, a second one ends the process at
 * once. Errors go to stderr and make the exit status 1.
 *
 * @param op - an operation or a generator function
 * @param options - clock and idle policy
 * @example
 * ```ts
 * await main(function* () {
 *   for (;;) {
 *     yield* sleep(now() + 1_000);
 *     console.log("still here");
 *   }
 * });
 * ```
 */
export async function main(op: OperationLike<unknown>, options: RunOptions = {}): Promise<void> {
  const running = start(op, options);
  let received: keyof typeof SIGNAL_EXITS | null = null;
  const onSignal = (signal: NodeJS.Signals): void => {
    const name = signal as keyof typeof SIGNAL_EXITS;
    if (received !== null) process.exit(SIGNAL_EXITS[name]);
    received = name;
    running.cancel();
  };
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);
  const letExit = running.loop.clock.keepAlive();
  try {
    await running.promise;
  } catch (error) {
    if (received === null || !isNetError(error, "ECANCELED")) {
      process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : error}\n`);
      process.exitCode = 1;
    }
  } finally {
    letExit();
    process.off("SIGINT", onSignal);
    process.off("SIGTERM", onSignal);
  }
  if (received !== null) process.exitCode = SIGNAL_EXITS[received as keyof typeof SIGNAL_EXITS];
}

function loopOptions(options: RunOptions): ConstructorParameters<typeof Loop>[0] {
  checkKnown("run", options, ["busyPoll", "clock", "onLoop", "spinUs"]);
  const { clock, busyPoll, spinUs } = options;
  if (clock !== undefined && clock !== "real" && clock !== "virtual") {
    throw new NetError("EINVAL", "run", {
      message: `clock must be "real" or "virtual", got ${String(clock)}`,
    });
  }
  if (busyPoll !== undefined && !["always", "adaptive", "never"].includes(busyPoll)) {
    throw new NetError("EINVAL", "run", {
      message: `busyPoll must be "always", "adaptive" or "never", got ${String(busyPoll)}`,
    });
  }
  if (spinUs !== undefined && !(spinUs >= 0 && spinUs <= 1e9)) {
    throw new NetError("EINVAL", "run", {
      message: `spinUs must be from 0 to 1e9 microseconds, got ${spinUs}`,
    });
  }
  return {
    ...(clock === "virtual" ? { clock: new VirtualClock() } : {}),
    ...(busyPoll === undefined ? {} : { busyPoll }),
    ...(spinUs === undefined ? {} : { spinUs }),
  };
}
