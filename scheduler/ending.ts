// SPDX-License-Identifier: MIT
// How a coroutine ends: its children are cancelled and waited for, then what it owns is aborted,
// then its Effection scope (if it ever asked for one) is destroyed, then joiners hear.

import type { Coroutine } from "./coroutine.ts";
import type { Failure } from "./failure.ts";
import { NEXT, NOT_YET } from "./modes.ts";
import { NetError } from "./net-error.ts";
import { DESTROYING, ENDED, ENDING } from "./phases.ts";
import type { Wait } from "./wait.ts";

/** Result of a coroutine that its cancellation has ended. */
export const CANCELED: unique symbol = Symbol("canceled");

/** Its body has returned `result`, or thrown: `failure`. */
export function bodyEnded(coroutine: Coroutine, result: unknown, failure: Failure | null): void {
  if (coroutine.phase === DESTROYING) {
    // What ended is the destruction of its Effection scope.
    coroutine.more().failure ??= failure;
    settle(coroutine);
    return;
  }
  coroutine.phase = ENDING;
  if (result !== undefined) coroutine.more().result = result;
  if (failure !== null) {
    const extras = coroutine.more();
    if (!isOwnCancellation(coroutine, failure.error)) extras.failure ??= failure;
    else if (extras.failure === null) extras.result = CANCELED;
  }
  const { bundles, ownBundle } = coroutine;
  if (ownBundle !== null || bundles !== null) {
    ownBundle?.beginClose();
    if (bundles !== null) for (const bundle of [...bundles]) bundle.beginClose();
    // Bundles without coroutines have closed; the last of the others calls `childrenEnded`.
    if (hasChildren(coroutine)) {
      coroutine.resumeMode = NOT_YET;
      return;
    }
  }
  finish(coroutine);
}

/** True while a coroutine that it has started is alive. */
export function hasChildren({ ownBundle, bundles }: Coroutine): boolean {
  if (ownBundle !== null && ownBundle.size > 0) return true;
  if (bundles !== null) for (const bundle of bundles) if (bundle.size > 0) return true;
  return false;
}

/** Its body has ended and its children are gone. */
export function finish(coroutine: Coroutine): void {
  const { extras } = coroutine;
  if (extras !== null && extras.bundles !== null) {
    for (const bundle of [...extras.bundles]) {
      extras.failure ??= bundle.takeFailure();
      bundle.end();
    }
  }
  coroutine.ownBundle?.end();
  if (extras !== null && extras.routine?.hasScope === true) {
    coroutine.phase = DESTROYING;
    extras.shields++;
    coroutine.deadlineMs = null;
    coroutine.iterator = extras.routine.destroyScope();
    coroutine.resumeMode = NEXT;
    coroutine.makeReady();
    return;
  }
  settle(coroutine);
}

function settle(coroutine: Coroutine): void {
  coroutine.phase = ENDED;
  // Should it still stand in the ready list.
  coroutine.resumeMode = NOT_YET;
  const { extras } = coroutine;
  const joiners = extras === null ? null : extras.joiners;
  const hasJoiner = joiners !== null && !joiners.isEmpty;
  if (hasJoiner) {
    for (let at = joiners.first; at !== null; at = at.nextInQueue) {
      (at.wait as Wait<unknown>).isHanded = true;
      extras?.failure?.offer();
    }
    joiners.wakeAll();
  }
  coroutine.bundle.childEnded(coroutine, hasJoiner);
}

/** The ECANCELED that a cancelled coroutine ends with is no failure. */
function isOwnCancellation(coroutine: Coroutine, error: unknown): boolean {
  return coroutine.isCancelled && error instanceof NetError && error.code === "ECANCELED";
}
