// SPDX-License-Identifier: MIT
// The phase that a call on a host begins with: a name is looked up, where the context has a name
// service; an address is there at once. Whoever waits for it stands in `waiting`.

import { PENDING, READY, type WaitQueue } from "../../scheduler/internal.ts";
import type { IpAddress } from "../ip/address.ts";
import type { Context, Lookup } from "./context.ts";
import { EINVAL, ENOENT } from "./errors.ts";

/** Of a name: no file is meant. */
const NO_SUCH_NAME = "no such host name";

/** One host of one call, until its addresses are known. */
export class HostLookup {
  /** All of them, once `poll` has said READY. */
  addresses: readonly IpAddress[] = [];
  /** Says more than the code does about why it failed; undefined: there is no more to say. */
  detail: string | undefined = undefined;
  readonly #argument: string;
  readonly #host: IpAddress | string;
  #lookup: Lookup | null = null;
  #outcome: number = READY;

  /** @param argument - what the host came in, for messages: `"to.host"` */
  constructor(argument: string, host: IpAddress | string) {
    this.#argument = argument;
    this.#host = host;
  }

  /** Forgets an earlier use. */
  reset(): void {
    this.addresses = [];
    this.detail = undefined;
    this.#lookup = null;
    this.#outcome = READY;
  }

  /** Looks it up. */
  begin(context: Context): void {
    const host = this.#host;
    if (typeof host !== "string") {
      this.addresses = [host];
      return;
    }
    this.#lookup = context.lookup(host);
    if (this.#lookup === null) {
      // A number, not an exception: in a `choose` the other clauses have to be withdrawn.
      const rule = `${this.#argument} must be an IP address such as "10.0.0.1"`;
      this.detail = `${rule}, got "${host}": ${context.name} has no name service`;
      this.#outcome = -EINVAL;
    }
  }

  /** @returns as `Wait.poll` */
  poll(): number {
    if (this.#lookup === null) return this.#outcome;
    const { addresses, errno } = this.#lookup;
    if (addresses === null) return PENDING;
    this.#lookup = null;
    this.addresses = addresses;
    this.#outcome = errno;
    if (errno === -ENOENT) this.detail = NO_SUCH_NAME;
    return errno;
  }

  /** Where to stand while `poll` says PENDING; null: it does not. */
  get waiting(): WaitQueue | null {
    return this.#lookup?.waiting ?? null;
  }

  /** Nobody wants the result any more; who still waits for it is told. Idempotent. */
  abandon(): void {
    this.#lookup?.abandon();
  }
}
