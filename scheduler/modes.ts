// SPDX-License-Identifier: MIT
// How a coroutine goes on when the loop next runs it.

/** How the generator is to be resumed. */
export const NEXT = 0;
export const THROW = 1;
export const RETURN = 2;
/** Not at all: whoever it waits for says how. */
export const NOT_YET = 3;
/** With ECANCELED thrown by what it is parked on. */
export const CANCEL = 4;
/** Its body is done and its children are gone: it ends. */
export const FINISH = 5;
/** With the wait that its budget has kept it from beginning. */
export const BEGIN = 6;
/** It has let the others run. */
export const YIELDED = 7;
