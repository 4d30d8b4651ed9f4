// SPDX-License-Identifier: MIT
// Turns of Node's event loop for who spins, at half the price of `setImmediate`: one libuv idle
// handle per thread (src/spinner.h), for all run loops of the thread. It outlives the drivers, so
// that nobody is left without turns when a device goes away under him.

import { loadAddon } from "./addon.ts";

/** Calls back in every turn of the event loop. */
export interface Spinner {
  /**
   * Calls `turn` once a turn until it is stopped, and keeps the process alive until then.
   *
   * @returns false, and nothing was started, where that is not to be had.
   */
  start(turn: () => void): boolean;
  /** Takes that back. Idempotent. */
  stop(turn: () => void): void;
}

/** Whom to call; two only when two run loops spin in one thread. */
const turns: (() => void)[] = [];

function runAll(): void {
  // One that ends another's spinning, or its own, moves those behind it: they come next time.
  for (let i = 0; i < turns.length; i++) (turns[i] as () => void)();
}

/** The spinner of this thread. */
export const spinner: Spinner = {
  start(turn) {
    if (turns.includes(turn)) return true;
    const loaded = loadAddon();
    if (!("addon" in loaded)) return false;
    if (turns.length === 0 && !loaded.addon.startSpinning(runAll)) return false;
    turns.push(turn);
    return true;
  },
  stop(turn) {
    const at = turns.indexOf(turn);
    if (at < 0) return;
    turns.splice(at, 1);
    const loaded = loadAddon();
    if (turns.length === 0 && "addon" in loaded) loaded.addon.stopSpinning();
  },
};
