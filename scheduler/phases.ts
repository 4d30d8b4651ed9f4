// SPDX-License-Identifier: MIT
// A coroutine's way through life.

export const RUNNING = 0;
/** Its body is done; children are being waited for. */
export const ENDING = 1;
/** Children and handles are gone; its Effection scope is being destroyed. */
export const DESTROYING = 2;
export const ENDED = 3;
