// SPDX-License-Identifier: MIT
// Whom datagrams go to, as callers say it: an address and a port, or a name and a port.

import { IpAddress } from "../ip/address.ts";
import type { DatagramEnd } from "../transport/datagram.ts";
import type { Endpoint } from "../transport/stream.ts";
import { checkHost, checkPort, peerOf } from "./arguments.ts";
import { invalid } from "./errors.ts";

/** A peer by its name. */
export class NamedEnd {
  /** The name. */
  readonly host: string;
  readonly port: number;
  /** The address that sending has last gone to; null: it is to be looked up. */
  found: DatagramEnd | null = null;

  constructor(host: string, port: number) {
    this.host = host;
    this.port = port;
  }
}

/** Whom a datagram can be sent to. */
export type Target = DatagramEnd | NamedEnd;

/** @returns whom a datagram can be sent to, read from what a caller gave */
export function checkTarget(syscall: string, name: string, value: Endpoint | string): Target {
  const given = peerOf(syscall, name, value);
  const host = checkHost(syscall, `${name}.host`, given.host);
  const port = checkPort(syscall, `${name}.port`, given.port, 1);
  if (!(host instanceof IpAddress)) return new NamedEnd(host, port);
  if (host.isUnspecified) invalid(syscall, `${name}.host must name a host, got "${given.host}"`);
  return { address: host, port };
}
