// SPDX-License-Identifier: MIT
// `struct sockaddr_in` and the `int *` of C, as objects that calls read and fill in.

import { IpAddress } from "../ip/address.ts";
import type { Endpoint } from "../transport/stream.ts";
import { AF_INET, INADDR_ANY, SOCKADDR_IN_BYTES } from "./constants.ts";
import { EAFNOSUPPORT, EFAULT, EINVAL } from "./errno.ts";

/** An IPv4 address and a port. Where a call fills one in, it fills in every field. */
export interface SockaddrIn {
  /** AF_INET. */
  family: number;
  /** `"10.0.0.1"`; `INADDR_ANY` where every address will do. */
  address: string;
  /** In host byte order; 0 where any port will do. */
  port: number;
}

/** An int that a call reads or fills in: the `int *` and `socklen_t *` of C. */
export interface IntRef {
  value: number;
}

/**
 * Makes an address.
 *
 * @param address - `"10.0.0.1"`; default: every address
 * @param port - in host byte order; default 0
 * @returns a new object
 * @example
 * ```ts
 * const peer = sockaddrIn("10.0.0.1", 80);
 * ```
 */
export function sockaddrIn(address: string = INADDR_ANY, port: number = 0): SockaddrIn {
  return { family: AF_INET, address, port };
}

/** An address that was read. */
export interface Place {
  readonly address: IpAddress;
  readonly port: number;
}

/** Refuses what is no address at all; null passes, and is EFAULT later. */
export function checkSockaddr(call: string, addr: unknown, addrlen: unknown): void {
  if (typeof addrlen !== "number") {
    throw new TypeError(`${call}: addrlen must be a number, got ${typeof addrlen}`);
  }
  if (addr === null || addr === undefined) return;
  const { family, address, port } = addr as Partial<SockaddrIn>;
  const isOne =
    typeof family === "number" && typeof address === "string" && typeof port === "number";
  if (!isOne) throw new TypeError(`${call}: addr must be { family, address, port }`);
}

/**
 * Reads an address that `checkSockaddr` let through.
 *
 * @param badLength - -errno for an `addrlen` that is too short; the manuals differ
 * @returns the address, or -errno
 */
export function readSockaddr(
  addr: SockaddrIn | null,
  addrlen: number,
  badLength: number,
): Place | number {
  if (addr === null || addr === undefined) return -EFAULT;
  if (!(addrlen >= SOCKADDR_IN_BYTES)) return badLength;
  if (addr.family !== AF_INET) return -EAFNOSUPPORT;
  const address = IpAddress.parse(addr.address);
  if (address === null) return -EINVAL;
  if (address.family !== 4) return -EAFNOSUPPORT;
  const { port } = addr;
  if (!Number.isInteger(port) || port < 0 || port > 65_535) return -EINVAL;
  return { address, port };
}

/** Refuses what cannot be filled in; null passes. */
export function checkSockaddrRef(call: string, addr: unknown, addrlen: unknown): void {
  if (addr !== null && typeof addr !== "object") {
    throw new TypeError(`${call}: addr must be an object or null, got ${typeof addr}`);
  }
  checkIntRef(call, "addrlen", addrlen);
}

/** Refuses what is no `{ value }`; null passes. */
export function checkIntRef(call: string, name: string, ref: unknown): void {
  if (ref === null) return;
  if (typeof ref !== "object" || typeof (ref as Partial<IntRef>).value !== "number") {
    throw new TypeError(`${call}: ${name} must be { value: number } or null`);
  }
}

/** @returns 0 if there is room for an address, else -errno */
export function roomForSockaddr(addr: SockaddrIn | null, addrlen: IntRef | null): number {
  if (addr === null || addrlen === null) return -EFAULT;
  return addrlen.value >= SOCKADDR_IN_BYTES ? 0 : -EINVAL;
}

/** Fills in one end of a connection. */
export function fillSockaddr(addr: SockaddrIn, addrlen: IntRef, { host, port }: Endpoint): void {
  addr.family = AF_INET;
  addr.address = host;
  addr.port = port;
  addrlen.value = SOCKADDR_IN_BYTES;
}
