// SPDX-License-Identifier: MIT
// Assertions that stay on in production. A failing one is a bug of ours, never a peer's doing.

/**
 * Throws if an invariant of the stack is broken.
 *
 * @param condition - what must hold
 * @param message - the invariant, as a constant string: it is evaluated on the hot path
 * @throws Error when `condition` is false; nobody catches it
 */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(`broken invariant in src/tcp: ${message}`);
}
