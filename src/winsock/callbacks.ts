// SPDX-License-Identifier: MIT
// Completion routines being processed. Each runs in a coroutine of its own on behalf of the one
// that began the operation, as Winsock runs it on the thread that did.

import { type Coroutine, currentCoroutine } from "../../scheduler/internal.ts";

/** By the coroutine that runs a routine: the one that began the operation. */
const homes = new WeakMap<Coroutine, Coroutine>();

/** The running coroutine processes a routine for `home` from now on. */
export function enterCallback(home: Coroutine): void {
  const coroutine = currentCoroutine();
  if (coroutine !== null) homes.set(coroutine, home);
}

/** It has processed it. */
export function leaveCallback(): void {
  const coroutine = currentCoroutine();
  if (coroutine !== null) homes.delete(coroutine);
}

/** True in a completion routine: calls that block are WSAEINPROGRESS there. */
export function isInCallback(): boolean {
  const coroutine = currentCoroutine();
  return coroutine !== null && homes.has(coroutine);
}

/** Whose what is opened or begun now is: a routine's ends with the routine otherwise. */
export function homeCoroutine(): Coroutine | null {
  const coroutine = currentCoroutine();
  return coroutine === null ? null : (homes.get(coroutine) ?? coroutine);
}
