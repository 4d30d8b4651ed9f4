// SPDX-License-Identifier: MIT
// An epoll instance: what it watches, and which of it may be ready. An entry that may be is on the
// ready list; waiting looks at that list alone, however many entries there are. The list is made of
// the entries themselves, so nothing can overflow and no event is dropped.
//
// Level-triggered entries are asked when somebody waits, and stay on the list while they are ready;
// edge-triggered ones leave it when told, until the next event; one-shot ones until the next MOD.

import {
  EPOLL_CTL_ADD,
  EPOLL_CTL_DEL,
  EPOLL_CTL_MOD,
  EPOLLERR,
  EPOLLET,
  EPOLLHUP,
  EPOLLIN,
  EPOLLONESHOT,
  EPOLLOUT,
  EPOLLRDHUP,
} from "./constants.ts";
import type { Descriptor } from "./descriptors.ts";
import { EEXIST, EINVAL, ENOENT } from "./errno.ts";
import { Pollable, READ_EVENTS, type Watcher } from "./pollable.ts";

/** What is wanted of a socket, or was told of it. */
export interface EpollEvent<D = number> {
  /** EPOLL* bits, or-ed. */
  events: number;
  /** What the user gave, told with each event: the descriptor, or an object of the user's. */
  data: D;
}

/** What an entry watches. */
export interface Source {
  readonly poll: Pollable;
  readiness(): number;
}

const WANTABLE = EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLRDHUP | EPOLLET | EPOLLONESHOT;
/** Told whether wanted or not. */
const ALWAYS = EPOLLERR | EPOLLHUP;

/** One socket in one epoll instance. */
class Entry implements Watcher {
  nextWatcher: Watcher | null;
  readonly epoll: Epoll;
  readonly sockid: number;
  readonly source: Source;
  events: number;
  data: unknown;
  /** False: a one-shot entry that has been told. */
  isArmed: boolean;
  isQueued: boolean;
  nextReady: Entry | null;
  previousReady: Entry | null;

  constructor(epoll: Epoll, sockid: number, source: Source, event: EpollEvent<unknown>) {
    this.nextWatcher = null;
    this.epoll = epoll;
    this.sockid = sockid;
    this.source = source;
    this.events = event.events;
    this.data = event.data;
    this.isArmed = true;
    this.isQueued = false;
    this.nextReady = null;
    this.previousReady = null;
  }

  /** Bits that are told. */
  get mask(): number {
    return this.isArmed ? this.events | ALWAYS : 0;
  }

  raised(events: number): void {
    if ((events & this.mask) !== 0) this.epoll.mayBeReady(this);
  }

  sourceClosed(): void {
    this.epoll.forget(this);
  }
}

/** One epoll instance. */
export class Epoll implements Descriptor {
  readonly kind = "epoll";
  readonly poll: Pollable;
  /** By descriptor; a Map keeps the order of insertion (R4). */
  readonly #entries: Map<number, Entry>;
  #first: Entry | null;
  #last: Entry | null;
  #ready: number;

  constructor() {
    this.poll = new Pollable();
    this.#entries = new Map();
    this.#first = null;
    this.#last = null;
    this.#ready = 0;
  }

  /** As `epoll_ctl`. @returns 0 or -errno */
  control(op: number, sockid: number, source: Source, event: EpollEvent<unknown> | null): number {
    const entry = this.#entries.get(sockid);
    if (op === EPOLL_CTL_DEL) return this.#delete(entry);
    if (op !== EPOLL_CTL_ADD && op !== EPOLL_CTL_MOD) return -EINVAL;
    if (event === null || (event.events & ~WANTABLE) !== 0) return -EINVAL;
    if (op === EPOLL_CTL_ADD) return this.#add(entry, sockid, source, event);
    if (entry === undefined) return -ENOENT;
    entry.events = event.events;
    entry.data = event.data;
    entry.isArmed = true;
    this.#look(entry);
    return 0;
  }

  /**
   * Tells what is ready.
   *
   * @param into - filled from the start; entries that are not there are made
   * @param most - at least 1
   * @returns how many
   */
  collect(into: EpollEvent<unknown>[], most: number): number {
    let count = 0;
    // Those that stay on the list go to its end, so that each gets its turn.
    for (let left = this.#ready; left > 0 && count < most; left--) {
      const entry = this.#first as Entry;
      this.#dequeue(entry);
      const events = entry.source.readiness() & entry.mask;
      if (events === 0) continue;
      const told = into[count];
      if (told === undefined) into[count] = { events, data: entry.data };
      else {
        told.events = events;
        told.data = entry.data;
      }
      count++;
      if ((entry.events & EPOLLONESHOT) !== 0) entry.isArmed = false;
      else if ((entry.events & EPOLLET) === 0) this.#enqueue(entry);
    }
    return count;
  }

  /** Something has happened to what an entry watches. */
  mayBeReady(entry: Entry): void {
    if (!entry.isQueued) this.#enqueue(entry);
    this.poll.raise(READ_EVENTS);
  }

  /** What an entry watches has been closed. */
  forget(entry: Entry): void {
    this.#entries.delete(entry.sockid);
    if (entry.isQueued) this.#dequeue(entry);
  }

  /** As `mtcp_close`. */
  close(): number {
    for (const entry of this.#entries.values()) entry.source.poll.unwatch(entry);
    this.#entries.clear();
    this.#first = null;
    this.#last = null;
    this.#ready = 0;
    this.poll.end();
    return 0;
  }

  /** The same. */
  drop(): void {
    this.close();
  }

  #add(
    entry: Entry | undefined,
    sockid: number,
    source: Source,
    event: EpollEvent<unknown>,
  ): number {
    if (entry !== undefined) return -EEXIST;
    const added = new Entry(this, sockid, source, event);
    this.#entries.set(sockid, added);
    source.poll.watch(added);
    this.#look(added);
    return 0;
  }

  #delete(entry: Entry | undefined): number {
    if (entry === undefined) return -ENOENT;
    entry.source.poll.unwatch(entry);
    this.forget(entry);
    return 0;
  }

  /** What is ready already counts as new. */
  #look(entry: Entry): void {
    if ((entry.source.readiness() & entry.mask) !== 0) this.mayBeReady(entry);
  }

  #enqueue(entry: Entry): void {
    entry.isQueued = true;
    entry.previousReady = this.#last;
    entry.nextReady = null;
    if (this.#last === null) this.#first = entry;
    else this.#last.nextReady = entry;
    this.#last = entry;
    this.#ready++;
  }

  #dequeue(entry: Entry): void {
    const { nextReady, previousReady } = entry;
    if (previousReady === null) this.#first = nextReady;
    else previousReady.nextReady = nextReady;
    if (nextReady === null) this.#last = previousReady;
    else nextReady.previousReady = previousReady;
    entry.nextReady = null;
    entry.previousReady = null;
    entry.isQueued = false;
    this.#ready--;
  }
}
