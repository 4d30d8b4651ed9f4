// SPDX-License-Identifier: MIT
// Which sockets of a context are bound to which port. The network below learns of a port when it is
// listened on or connected from; that two sockets want one is found out here, when they are bound.

import type { IpAddress } from "../ip/address.ts";

/** A bound socket. */
export interface Bound {
  /** Null: every address. */
  readonly boundAddress: IpAddress | null;
  /** SO_REUSEADDR. */
  readonly reusesAddress: boolean;
  readonly isListening: boolean;
}

/** The bound sockets of a context by port. */
export class BoundPorts<S extends Bound> {
  readonly #sockets: Map<number, S[]> = new Map();

  /**
   * Tells whether a socket may be bound: nobody else is, at an address that overlaps, unless both
   * agree to it and the other does not listen, as in Linux.
   */
  isFree(port: number, address: IpAddress | null, reuses: boolean): boolean {
    for (const other of this.#sockets.get(port) ?? []) {
      const at = other.boundAddress;
      const overlaps = at === null || address === null || at.equals(address);
      if (overlaps && !(reuses && other.reusesAddress && !other.isListening)) return false;
    }
    return true;
  }

  /** Notes that `socket` is bound to `port`. */
  add(port: number, socket: S): void {
    const sockets = this.#sockets.get(port);
    if (sockets === undefined) this.#sockets.set(port, [socket]);
    else sockets.push(socket);
  }

  /** Forgets it. */
  remove(port: number, socket: S): void {
    const sockets = this.#sockets.get(port)?.filter((each) => each !== socket) ?? [];
    if (sockets.length === 0) this.#sockets.delete(port);
    else this.#sockets.set(port, sockets);
  }
}
