// SPDX-License-Identifier: MIT
// Where a packet goes first (RFC 1122 §3.3.1): straight to its destination, or to a gateway. The
// longest matching prefix decides. A connection asks once and keeps the answer.

import { contains, type IpAddress, type Prefix } from "./address.ts";

/** Most routes of a table, unless told otherwise. */
export const MAX_ROUTES = 256;

/** One way out. */
export interface Route {
  /** Destinations it is for; bits 0 is the default route. */
  readonly prefix: Prefix;
  /** Who passes packets on; absent: the destinations are on the link. */
  readonly gateway?: IpAddress | undefined;
}

/** A bounded table of routes, longest prefix first. */
export class RouteTable {
  readonly #limit: number;
  readonly #routes: Route[] = [];

  /** @param limit - most routes held */
  constructor(limit: number = MAX_ROUTES) {
    this.#limit = limit;
  }

  /** Routes held. */
  get size(): number {
    return this.#routes.length;
  }

  /**
   * Adds a route, in place of one with the same prefix.
   *
   * @returns false if the table is full
   */
  add(route: Route): boolean {
    const same = this.#indexOf(route.prefix);
    if (same >= 0) {
      this.#routes[same] = route;
      return true;
    }
    if (this.#routes.length >= this.#limit) return false;
    const { bits } = route.prefix;
    const at = this.#routes.findIndex((other) => other.prefix.bits < bits);
    this.#routes.splice(at < 0 ? this.#routes.length : at, 0, route);
    return true;
  }

  /** Removes the route with this prefix. @returns false if there is none */
  remove(prefix: Prefix): boolean {
    const at = this.#indexOf(prefix);
    if (at < 0) return false;
    this.#routes.splice(at, 1);
    return true;
  }

  /**
   * Finds the next hop.
   *
   * @returns the gateway, or `destination` itself if it is on the link; null: unreachable
   */
  lookup(destination: IpAddress): IpAddress | null {
    for (const route of this.#routes) {
      if (contains(route.prefix, destination)) return route.gateway ?? destination;
    }
    return null;
  }

  #indexOf(prefix: Prefix): number {
    return this.#routes.findIndex(
      (route) => route.prefix.bits === prefix.bits && contains(route.prefix, prefix.address),
    );
  }
}
