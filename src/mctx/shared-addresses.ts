// SPDX-License-Identifier: MIT
// One object for an address that many connections share: behind a proxy, a balancer or a NAT there
// are many thousands of one peer's. Where peers have many addresses, the last to come stay.

import type { IpAddress } from "../ip/address.ts";

/** A power of two. */
const PLACES = 256;

/** The addresses of recent peers. */
export class SharedAddresses {
  readonly #places: (IpAddress | null)[] = new Array<IpAddress | null>(PLACES).fill(null);

  /** @returns an address equal to the given one, the same object as before if it was seen lately */
  share(address: IpAddress): IpAddress {
    const place = (address.w3 ^ (address.w3 >>> 8)) & (PLACES - 1);
    const known = this.#places[place] as IpAddress | null;
    if (known?.equals(address) === true) return known;
    this.#places[place] = address;
    return address;
  }
}
