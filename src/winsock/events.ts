// SPDX-License-Identifier: MIT
// Events: what an overlapped operation sets when it has ended.

import { now, type Operation } from "../../scheduler/index.ts";
import { PENDING, READY, Wait, WaitQueue } from "../../scheduler/internal.ts";
import { isInCallback } from "./callbacks.ts";
import { WSAEINPROGRESS, WSAEINVAL, WSAETIMEDOUT, WSANOTINITIALISED } from "./codes.ts";
import {
  WSA_INFINITE,
  WSA_MAXIMUM_WAIT_EVENTS,
  WSA_WAIT_EVENT_0,
  WSA_WAIT_FAILED,
  WSA_WAIT_TIMEOUT,
} from "./constants.ts";
import { codeOfError, setLastError } from "./last-error.ts";
import { isStarted } from "./table.ts";

/** An event that stays set until it is reset. Made by `wsaCreateEvent`. */
export class WsaEvent {
  /** @internal Who waits for it. */
  readonly waiting: Set<EventsWait> = new Set();
  #isSet = false;

  /** True once it was set, until it is reset. */
  get isSet(): boolean {
    return this.#isSet;
  }

  /** @internal */
  set(isSet: boolean): void {
    this.#isSet = isSet;
    if (isSet) for (const wait of this.waiting) wait.woken.wakeAll();
  }
}

/**
 * Makes an event that is not set. It holds nothing that would have to be closed.
 *
 * @returns the event
 * @example
 * ```ts
 * const event = wsaCreateEvent();
 * ```
 */
export function wsaCreateEvent(): WsaEvent {
  return new WsaEvent();
}

/**
 * Sets an event: whoever waits for it goes on.
 *
 * @param event - from `wsaCreateEvent`
 * @throws TypeError
 * @example
 * ```ts
 * wsaSetEvent(wsaCreateEvent());
 * ```
 */
export function wsaSetEvent(event: WsaEvent): void {
  checkEvent("wsaSetEvent", event);
  event.set(true);
}

/**
 * Resets an event.
 *
 * @param event - from `wsaCreateEvent`
 * @throws TypeError
 * @example
 * ```ts
 * wsaResetEvent(wsaCreateEvent());
 * ```
 */
export function wsaResetEvent(event: WsaEvent): void {
  checkEvent("wsaResetEvent", event);
  event.set(false);
}

/** Waits for one of several events, or for all. */
class EventsWait extends Wait<number> {
  readonly woken: WaitQueue = new WaitQueue();
  readonly #events: readonly WsaEvent[];
  readonly #waitsForAll: boolean;
  #result = 0;

  constructor(events: readonly WsaEvent[], waitsForAll: boolean, deadline: number | undefined) {
    super("winsock.wsaWaitForMultipleEvents", deadline);
    this.#events = events;
    this.#waitsForAll = waitsForAll;
  }

  override poll(): number {
    const first = this.#events.findIndex((event) => event.isSet);
    const isReady = this.#waitsForAll ? this.#events.every((event) => event.isSet) : first >= 0;
    if (isReady) {
      this.#result = WSA_WAIT_EVENT_0 + first;
      return READY;
    }
    for (const event of this.#events) event.waiting.add(this);
    return PENDING;
  }

  override queue(): WaitQueue {
    return this.woken;
  }

  override take(): number {
    this.#leave();
    return this.#result;
  }

  override withdrawn(): void {
    this.#leave();
  }

  #leave(): void {
    for (const event of this.#events) event.waiting.delete(this);
  }
}

/**
 * Waits until one of the events is set, or all of them.
 *
 * @param events - 1 to WSA_MAXIMUM_WAIT_EVENTS
 * @param waitAll - true: until all are set
 * @param timeoutMs - how long, ms; WSA_INFINITE for ever
 * @returns WSA_WAIT_EVENT_0 and the index of the first that is set; WSA_WAIT_TIMEOUT;
 *   WSA_WAIT_FAILED: WSAEINPROGRESS (in a completion routine), WSAEINTR (cancelled), WSAEINVAL,
 *   WSAETIMEDOUT (of a deadline around it), WSANOTINITIALISED
 * @throws TypeError
 * @example
 * ```ts
 * const event = wsaCreateEvent();
 * const which = yield* wsaWaitForMultipleEvents([event], false, 1_000);
 * ```
 */
export function* wsaWaitForMultipleEvents(
  events: readonly WsaEvent[],
  waitAll: boolean,
  timeoutMs: number,
): Operation<number> {
  const call = "wsaWaitForMultipleEvents";
  if (!Array.isArray(events)) throw new TypeError(`${call}: events must be an array`);
  for (const event of events) checkEvent(call, event);
  if (typeof timeoutMs !== "number") throw new TypeError(`${call}: timeoutMs must be a number`);
  if (!isStarted()) return waitFailed(WSANOTINITIALISED);
  const isFine = events.length > 0 && events.length <= WSA_MAXIMUM_WAIT_EVENTS && timeoutMs >= 0;
  if (!isFine) return waitFailed(WSAEINVAL);
  if (isInCallback()) return waitFailed(WSAEINPROGRESS);
  const isEndless = timeoutMs >= WSA_INFINITE;
  const endMs = isEndless ? Number.POSITIVE_INFINITY : now() + timeoutMs;
  try {
    return yield* new EventsWait(events, waitAll, isEndless ? undefined : endMs);
  } catch (error) {
    const code = codeOfError(error);
    if (code === WSAETIMEDOUT && now() >= endMs) return WSA_WAIT_TIMEOUT;
    return waitFailed(code);
  }
}

/** Refuses what is no event. */
export function checkEvent(call: string, event: unknown): void {
  if (!(event instanceof WsaEvent)) {
    throw new TypeError(`${call}: event must come from wsaCreateEvent`);
  }
}

function waitFailed(code: number): number {
  setLastError(code);
  return WSA_WAIT_FAILED;
}
