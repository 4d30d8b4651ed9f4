// SPDX-License-Identifier: MIT
// The call `initRss`: source ports whose answers come to this core.

import { IpAddress } from "../ip/address.ts";
import { contextOf, type Mctx, openContext } from "./context.ts";
import { answer, EACCES, EINVAL } from "./errno.ts";
import { ownAddress } from "./open-flow.ts";

/** More would never fit: each has some ports on every core. */
const MAX_ADDRESSES = 1_024;

/**
 * Registers a destination: connections to it leave from ports whose packets the NIC brings to this
 * core's queue. That is the queue of the Toeplitz hash of the 4-tuple with the key 0x05 repeated,
 * which is the same in both directions, masked by the redirection table, modulo `numCores`. Several
 * destinations may be registered; a port serves each of them once. Again for the same one: anew.
 *
 * From the first call on, `connect` refuses a socket that is bound to a port whose answers would
 * come to another core (EINVAL).
 *
 * @param mctx - the context
 * @param saddrBase - our address, the first of `numAddr`; INADDR_ANY: that of the network
 * @param numAddr - addresses from there on, 1 to 1,024
 * @param daddr - the destination's address
 * @param dport - its port, in host byte order
 * @returns 0, or -1 and errno: EACCES (no valid context), EINVAL (an address or port is none, or
 *   not ours), ENOMEM (more sources and ports than are kept: 1,048,576 for all destinations)
 * @throws TypeError
 * @example
 * ```ts
 * const mctx = createContext(0);
 * initRss(mctx, INADDR_ANY, 1, "10.0.0.1", 80);
 * ```
 */
export function initRss(
  mctx: Mctx | null,
  saddrBase: string,
  numAddr: number,
  daddr: string,
  dport: number,
): number {
  for (const [name, value] of Object.entries({ saddrBase, daddr })) {
    if (typeof value !== "string") throw new TypeError(`mtcp.initRss: ${name} must be a string`);
  }
  for (const [name, value] of Object.entries({ numAddr, dport })) {
    if (typeof value !== "number") throw new TypeError(`mtcp.initRss: ${name} must be a number`);
  }
  return answer(contextOf(mctx), tryInitRss(mctx, saddrBase, numAddr, daddr, dport));
}

function tryInitRss(
  mctx: unknown,
  saddrBase: string,
  numAddr: number,
  daddr: string,
  dport: number,
): number {
  const open = openContext(mctx);
  if (open === null) return -EACCES;
  const destination = IpAddress.parse(daddr);
  const given = IpAddress.parse(saddrBase);
  if (destination?.family !== 4 || given?.family !== 4) return -EINVAL;
  if (destination.isUnspecified || destination.isMulticast || destination.isLimitedBroadcast) {
    return -EINVAL;
  }
  if (!Number.isInteger(dport) || dport < 1 || dport > 65_535) return -EINVAL;
  if (!Number.isInteger(numAddr) || numAddr < 1 || numAddr > MAX_ADDRESSES) return -EINVAL;
  const own = ownAddress(open.context.address);
  const base = given.isUnspecified ? own : given;
  // Over a network of several addresses INADDR_ANY names none of them.
  if (base === null) return -EINVAL;
  const sources = Array.from({ length: numAddr }, (_, i) => IpAddress.v4(base.w3 + i));
  if (own !== null && sources.some((source) => !source.equals(own))) return -EINVAL;
  return open.rss.register(sources, destination, dport);
}
