// SPDX-License-Identifier: MIT
// Who has which UDP port. A place is an address of ours, or all, and a port; a connected one has a
// peer too, and takes its datagrams before those that take anybody's. Places without a peer share
// a port only on different addresses, connected ones only with different peers.

import type { AddressWords } from "./receive-queue.ts";

/** What the table knows of a socket. */
export interface Place {
  /** Null: every address of ours; never so if it is connected. */
  readonly local: AddressWords | null;
  readonly localPort: number;
  /** Null: anybody. */
  readonly remote: AddressWords | null;
  readonly remotePort: number;
}

/** Hashes a 4-tuple under a secret, so that a peer cannot aim at one chain. */
export interface TupleHash {
  hash(local: AddressWords, localPort: number, remote: AddressWords, remotePort: number): number;
}

interface Port<P> {
  /** Without a peer. */
  readonly open: P[];
  connected: number;
}

/** The places of a context. */
export class PlaceTable<P extends Place> {
  readonly #hasher: TupleHash;
  /** Maps keep the order of insertion, so that every run takes the same course. */
  readonly #ports: Map<number, Port<P>> = new Map();
  /** By hash of the 4-tuple; hardly ever more than one. */
  readonly #connected: Map<number, P[]> = new Map();
  #size = 0;

  constructor(hasher: TupleHash) {
    this.#hasher = hasher;
  }

  /** Places there are. */
  get size(): number {
    return this.#size;
  }

  /** Adds a place. @returns false if another is in its way */
  add(place: P): boolean {
    const { localPort } = place;
    const port = this.#ports.get(localPort) ?? { open: [], connected: 0 };
    if (place.local === null || place.remote === null) {
      if (port.open.some((other) => overlaps(other.local, place.local))) return false;
      port.open.push(place);
    } else {
      const { local, remote, remotePort } = place;
      if (this.findConnected(local, localPort, remote, remotePort) !== null) return false;
      const hash = this.#hasher.hash(local, localPort, remote, remotePort);
      const chain = this.#connected.get(hash);
      if (chain === undefined) this.#connected.set(hash, [place]);
      else chain.push(place);
      port.connected++;
    }
    this.#ports.set(localPort, port);
    this.#size++;
    return true;
  }

  /** Takes a place out. @returns false if it is not there */
  remove(place: P): boolean {
    const { localPort } = place;
    const port = this.#ports.get(localPort);
    if (port === undefined) return false;
    if (place.local === null || place.remote === null) {
      if (!removeFrom(port.open, place)) return false;
    } else {
      const hash = this.#hasher.hash(place.local, localPort, place.remote, place.remotePort);
      const chain = this.#connected.get(hash);
      if (chain === undefined || !removeFrom(chain, place)) return false;
      if (chain.length === 0) this.#connected.delete(hash);
      port.connected--;
    }
    if (port.open.length === 0 && port.connected === 0) this.#ports.delete(localPort);
    this.#size--;
    return true;
  }

  /** @returns who takes a datagram to one of our addresses, or null */
  find(local: AddressWords, localPort: number, remote: AddressWords, remotePort: number): P | null {
    const port = this.#ports.get(localPort);
    if (port === undefined) return null;
    if (port.connected > 0) {
      const place = this.findConnected(local, localPort, remote, remotePort);
      if (place !== null) return place;
    }
    let any: P | null = null;
    for (const place of port.open) {
      if (place.local === null) any = place;
      else if (isSameAddress(place.local, local)) return place;
    }
    return any;
  }

  /** @returns who takes what was sent to everybody: a place on all addresses; or null */
  findForAll(localPort: number): P | null {
    return this.#ports.get(localPort)?.open.find((place) => place.local === null) ?? null;
  }

  /** @returns who is connected like that, or null */
  findConnected(
    local: AddressWords,
    localPort: number,
    remote: AddressWords,
    remotePort: number,
  ): P | null {
    const chain = this.#connected.get(this.#hasher.hash(local, localPort, remote, remotePort));
    if (chain === undefined) return null;
    for (const place of chain) {
      if (
        place.localPort === localPort &&
        place.remotePort === remotePort &&
        isSameAddress(place.remote as AddressWords, remote) &&
        isSameAddress(place.local as AddressWords, local)
      ) {
        return place;
      }
    }
    return null;
  }

  /** True if anybody has the port, on whatever address and with whatever peer. */
  hasPort(port: number): boolean {
    return this.#ports.has(port);
  }

  /** @returns all places, as a copy that survives changes to the table */
  all(): P[] {
    const places: P[] = [];
    for (const { open } of this.#ports.values()) places.push(...open);
    for (const chain of this.#connected.values()) places.push(...chain);
    return places;
  }

  /** Forgets all. */
  clear(): void {
    this.#ports.clear();
    this.#connected.clear();
    this.#size = 0;
  }
}

function removeFrom<T>(list: T[], item: T): boolean {
  const at = list.indexOf(item);
  if (at < 0) return false;
  list.splice(at, 1);
  return true;
}

function overlaps(a: AddressWords | null, b: AddressWords | null): boolean {
  return a === null || b === null || isSameAddress(a, b);
}

function isSameAddress(a: AddressWords, b: AddressWords): boolean {
  return a.w3 === b.w3 && a.w2 === b.w2 && a.w1 === b.w1 && a.w0 === b.w0;
}
