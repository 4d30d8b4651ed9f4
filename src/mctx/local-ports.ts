// SPDX-License-Identifier: MIT
// Which local ports are free, and which is chosen when the user leaves that to us.

import type { IpAddress } from "../ip/address.ts";
import type { FlowTable } from "./flow-table.ts";
import type { Limits } from "./limits.ts";
import type { ListenerTable } from "./listener-table.ts";
import type { Secrets } from "./secrets.ts";

/** The local TCP ports of a context. */
export class LocalPorts {
  readonly #secrets: Secrets;
  readonly #limits: Limits;
  readonly #flows: FlowTable;
  readonly #listeners: ListenerTable;

  constructor(secrets: Secrets, limits: Limits, flows: FlowTable, listeners: ListenerTable) {
    this.#secrets = secrets;
    this.#limits = limits;
    this.#flows = flows;
    this.#listeners = listeners;
  }

  /** True if a connection to that peer may be opened from `port`. */
  isFree(local: IpAddress, port: number, remote: IpAddress, remotePort: number): boolean {
    // A port must not be connected to itself: a simultaneous open would make it its own peer.
    if (port === remotePort && local.equals(remote)) return false;
    const hash = this.#flows.hash(local, port, remote, remotePort);
    if (this.#flows.find(hash, local, port, remote, remotePort) !== null) return false;
    return this.#listeners.find(local, port) === null;
  }

  /** @returns a port for a connection to that peer, 0: all are taken */
  ephemeral(local: IpAddress, remote: IpAddress, remotePort: number): number {
    const isFree = (port: number): boolean => this.isFree(local, port, remote, remotePort);
    return this.#secrets.ephemeralPort(local, remote, remotePort, this.#limits, isFree);
  }

  /** @returns a port to listen on, 0: all are taken */
  listening(address: IpAddress): number {
    const isFree = (port: number): boolean => !this.#listeners.hasPort(port);
    return this.#secrets.ephemeralPort(address, address, 0, this.#limits, isFree);
  }
}
