// SPDX-License-Identifier: MIT
// The bounds of a coroutine (R2).

/** Operations that need not wait, before a coroutine must let the others run. */
export const READY_OPERATIONS_BUDGET = 128;
/** How often a cancelled coroutine may swallow ECANCELED before it is ended by force. */
export const MAX_SWALLOWED_CANCELLATIONS = 1_000;
/** The same, and 100 more waits that its `finally` blocks may then try. */
export const MAX_STEPS_CANCELLED: number = MAX_SWALLOWED_CANCELLATIONS + 100;
