// SPDX-License-Identifier: MIT
// Addresses as these calls take and give them. No name service: addresses are numbers.

import { IpAddress } from "../ip/address.ts";
import type { Endpoint } from "../transport/stream.ts";
import { AF_INET, AF_INET6 } from "./constants.ts";

/** An address and a port: sockaddr_in and sockaddr_in6. */
export interface Sockaddr {
  /** AF_INET or AF_INET6. */
  family: number;
  /** 0 to 65535, in host byte order. */
  port: number;
  /** `"10.0.0.1"`, `"::1"`; `"0.0.0.0"` and `"::"` are every address. */
  address: string;
}

/** Refuses what is no sockaddr by its types. */
export function checkSockaddr(syscall: string, name: string, value: unknown): void {
  const { family, port, address } = (value ?? {}) as Partial<Sockaddr>;
  const isOne =
    typeof family === "number" && typeof port === "number" && typeof address === "string";
  if (!isOne) throw new TypeError(`${syscall}: ${name} must be { family, port, address }`);
}

/** @returns the address; null: not one of a socket of this family, or not one at all */
export function addressOf(name: Sockaddr, family: number): IpAddress | null {
  const { port } = name;
  if (name.family !== family || !Number.isInteger(port) || port < 0 || port > 65_535) return null;
  const address = IpAddress.parse(name.address);
  if (address === null || familyOf(address) !== family) return null;
  return address;
}

/** Writes an end of a connection into `name`. */
export function fillSockaddr(name: Sockaddr, end: Endpoint): void {
  name.family = end.host.includes(":") ? AF_INET6 : AF_INET;
  name.port = end.port;
  name.address = end.host;
}

function familyOf(address: IpAddress): number {
  return address.family === 4 ? AF_INET : AF_INET6;
}
