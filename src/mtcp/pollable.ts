// SPDX-License-Identifier: MIT
// What can be waited for: who is told when a socket or a pipe may have become ready. Telling only
// marks (R3): coroutines parked in a twin, and epoll instances, ask again how things stand.

import { WaitQueue } from "../../scheduler/internal.ts";
import { EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, EPOLLRDHUP } from "./constants.ts";

/** New events in the direction of reading. */
export const READ_EVENTS: number = EPOLLIN | EPOLLRDHUP;
/** New events in the direction of writing. */
export const WRITE_EVENTS: number = EPOLLOUT;
/** The state has changed: whoever waits for anything is concerned. */
export const ALL_EVENTS: number = READ_EVENTS | WRITE_EVENTS | EPOLLERR | EPOLLHUP;

/** An entry of an epoll instance, as its socket knows it. */
export interface Watcher {
  /** Next watcher of the same socket. */
  nextWatcher: Watcher | null;
  /** Something new: EPOLL* bits. Must only mark. */
  raised(events: number): void;
  /** The socket has been closed. */
  sourceClosed(): void;
}

/** Who waits on one socket, pipe end or epoll instance. */
export class Pollable {
  /** Coroutines that want to read, accept, or (of an epoll instance) hear of events. */
  readonly readers: WaitQueue;
  /** Coroutines that want to write, or to be connected. */
  readonly writers: WaitQueue;
  #watchers: Watcher | null;

  constructor() {
    this.readers = new WaitQueue();
    this.writers = new WaitQueue();
    this.#watchers = null;
  }

  /** Something new has happened. */
  raise(events: number): void {
    if ((events & READ_EVENTS) !== 0) this.readers.wakeAll();
    if ((events & WRITE_EVENTS) !== 0) this.writers.wakeAll();
    for (let at = this.#watchers; at !== null; at = at.nextWatcher) at.raised(events);
  }

  /** It is closed: nobody watches it any more, and whoever waits finds out. */
  end(): void {
    for (let at = this.#watchers; at !== null; ) {
      const next: Watcher | null = at.nextWatcher;
      at.nextWatcher = null;
      at.sourceClosed();
      at = next;
    }
    this.#watchers = null;
    this.readers.wakeAll();
    this.writers.wakeAll();
  }

  /** Adds a watcher. */
  watch(watcher: Watcher): void {
    watcher.nextWatcher = this.#watchers;
    this.#watchers = watcher;
  }

  /** Takes a watcher off. */
  unwatch(watcher: Watcher): void {
    let before: Watcher | null = null;
    for (let at = this.#watchers; at !== null; before = at, at = at.nextWatcher) {
      if (at !== watcher) continue;
      if (before === null) this.#watchers = at.nextWatcher;
      else before.nextWatcher = at.nextWatcher;
      at.nextWatcher = null;
      return;
    }
  }
}
