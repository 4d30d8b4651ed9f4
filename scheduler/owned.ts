// SPDX-License-Identifier: MIT
// What a bundle owns, linked through itself. Not a Set: handles come and go for as long as a server
// runs, and each hash table that V8 gives up for a larger or cleaner one goes on pointing to the
// next, and to what was in it. Once one of them is old, all of them live until the next full
// collection, and every connection that ever was in one: half of a server's memory traffic.

/** What a bundle aborts when it ends: a connection, a listener, a context. */
export interface Resource {
  /** Ends it at once. Never waits, never throws. */
  abort(): void;
}

/** A resource that is a link of the list itself. */
export abstract class Owned implements Resource {
  /** The list it is in, null if in none. */
  inList: OwnedList | null = null;
  nextOwned: Owned | null = null;
  previousOwned: Owned | null = null;

  abstract abort(): void;
}

/** The link of a resource that is none. */
class Tie extends Owned {
  readonly resource: Resource;

  constructor(resource: Resource) {
    super();
    this.resource = resource;
  }

  override abort(): void {
    this.resource.abort();
  }
}

/** Resources in the order in which they came. */
export class OwnedList {
  #last: Owned | null = null;
  #size = 0;

  /** How many there are. */
  get size(): number {
    return this.#size;
  }

  /** Adds one at the end; nothing happens if it is here. */
  add(resource: Resource): void {
    if (this.#find(resource) !== null) return;
    const owned = resource instanceof Owned ? resource : new Tie(resource);
    owned.inList = this;
    owned.previousOwned = this.#last;
    if (this.#last !== null) this.#last.nextOwned = owned;
    this.#last = owned;
    this.#size++;
  }

  /** Takes one out; nothing happens if it is not here. */
  remove(resource: Resource): void {
    const owned = this.#find(resource);
    if (owned === null) return;
    const { nextOwned, previousOwned } = owned;
    if (previousOwned !== null) previousOwned.nextOwned = nextOwned;
    if (nextOwned === null) this.#last = previousOwned;
    else nextOwned.previousOwned = previousOwned;
    owned.inList = null;
    owned.nextOwned = null;
    owned.previousOwned = null;
    this.#size--;
  }

  /** Takes all out and aborts each, the latest first, as scopes unwind. */
  abortAll(): void {
    for (let owned = this.#last; owned !== null; owned = this.#last) {
      this.remove(owned);
      owned.abort();
    }
  }

  /** @returns the link of a resource, null: it is not here */
  #find(resource: Resource): Owned | null {
    if (resource instanceof Owned) return resource.inList === this ? resource : null;
    let owned = this.#last;
    while (owned !== null && !(owned instanceof Tie && owned.resource === resource)) {
      owned = owned.previousOwned;
    }
    return owned;
  }
}
