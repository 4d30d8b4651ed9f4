// SPDX-License-Identifier: MIT
// Which loop and which coroutine code is running on.

import type { Coroutine } from "./coroutine.ts";
import { ancestor, current, loop } from "./current.ts";
import { defaultLoop, type Loop } from "./loop.ts";

/**
 * The loop that runs the calling code.
 *
 * @returns the loop; outside of any, the default one on the real clock
 * @example
 * ```ts
 * console.log(currentLoop().tree());
 * ```
 */
export function currentLoop(): Loop {
  return currentCoroutine()?.loop ?? loop ?? defaultLoop();
}

/**
 * The coroutine that runs the calling code, or that the plain Effection task beginning a wait
 * descends from; null where there is neither.
 */
export function currentCoroutine(): Coroutine | null {
  return current ?? ancestor;
}
