// SPDX-License-Identifier: MIT
// What a failed simulation says: the error that it was, and how to see it again.

import type { Loop } from "../../scheduler/index.ts";
import { wrong } from "./check.ts";
import type { SimNetwork } from "./network.ts";

/** Packets shown at the end of the message. */
const PACKETS_SHOWN = 20;
/** The environment variable that replays a test. */
const SEED_VARIABLE = "CARAWAY_SEED";

/** Where a simulation was when it failed. */
export interface FailedSimulation {
  readonly seed: number | string;
  readonly network: SimNetwork | undefined;
  readonly loop: Loop;
}

/**
 * Adds the seed and the last packets to an error. The error stays the same object, so that its
 * class and its `code` can be relied on; what is no Error becomes the cause of one.
 */
export function annotate(thrown: unknown, where: FailedSimulation): Error {
  const error = thrown instanceof Error ? thrown : new Error(String(thrown), { cause: thrown });
  const { seed, network, loop } = where;
  const lines = [
    error.message,
    `  seed ${seed}, virtual time ${loop.nowMs.toFixed(3)} ms`,
    `  replay: simulate(${JSON.stringify(seed)}, ...), or ${SEED_VARIABLE}=${seed} ` +
      "for tests that take theirs from seedFromEnvironment",
  ];
  const packets = network?.trace({ last: PACKETS_SHOWN }) ?? [];
  if (packets.length > 0) lines.push("  last packets:", ...packets.map((line) => `  ${line}`));
  const message = lines.join("\n");
  const { stack } = error;
  try {
    if (stack?.includes(error.message)) error.stack = stack.replace(error.message, () => message);
    error.message = message;
  } catch {
    return new Error(message, { cause: error });
  }
  return error;
}

/**
 * Gives the seed of the environment variable CARAWAY_SEED, else the one given. For tests that
 * should be replayable with another seed from outside.
 *
 * @param fallback - the seed to take without the variable
 * @returns the seed: a number if it reads like one, else text
 * @throws NetError EINVAL: the variable is there but empty
 * @example
 * ```ts
 * import { seedFromEnvironment, simulate } from "caraway/testing";
 * await simulate(seedFromEnvironment(7), function* (net) {
 *   net.host("a");
 * });
 * ```
 */
export function seedFromEnvironment(fallback: number | string): number | string {
  const text = process.env[SEED_VARIABLE];
  if (text === undefined) return fallback;
  if (text === "") throw wrong("seedFromEnvironment", SEED_VARIABLE, "must not be empty", text);
  return /^-?\d{1,15}$/.test(text) ? Number(text) : text;
}
