// SPDX-License-Identifier: MIT
// Which local ports are free, and which is chosen when the user leaves that to us.

import type { IpAddress } from "../ip/address.ts";
import type { FlowTable } from "./flow-table.ts";
import type { Limits } from "./limits.ts";
import type { ListenerTable } from "./listener-table.ts";
import type { RestingFlows } from "./resting-flows.ts";
import type { Secrets } from "./secrets.ts";

/** The local TCP ports of a context. */
export class LocalPorts {
  readonly #secrets: Secrets;
  readonly #limits: Limits;
  readonly #flows: FlowTable;
  readonly #listeners: ListenerTable;
  readonly #resting: RestingFlows;

  constructor(
    secrets: Secrets,
    limits: Limits,
    flows: FlowTable,
    listeners: ListenerTable,
    resting: RestingFlows,
  ) {
    this.#secrets = secrets;
    this.#limits = limits;
    this.#flows = flows;
    this.#listeners = listeners;
    this.#resting = resting;
  }

  /**
   * True if a connection to that peer may be opened from `port`, perhaps in place of one in
   * TIME-WAIT, which the caller then removes.
   */
  isFree(
    local: IpAddress,
    port: number,
    remote: IpAddress,
    remotePort: number,
    nowMs: number,
  ): boolean {
    // A port must not be connected to itself: a simultaneous open would make it its own peer.
    if (port === remotePort && local.equals(remote)) return false;
    const hash = this.#flows.hash(local, port, remote, remotePort);
    const flow = this.#flows.find(hash, local, port, remote, remotePort);
    if (flow !== null && this.#resting.reopens(flow, nowMs) === null) return false;
    return this.#listeners.find(local, port) === null;
  }

  /** @returns a port for a connection to that peer, 0: all are taken */
  ephemeral(local: IpAddress, remote: IpAddress, remotePort: number, nowMs: number): number {
    const isFree = (port: number): boolean => this.isFree(local, port, remote, remotePort, nowMs);
    return this.#secrets.ephemeralPort(local, remote, remotePort, this.#limits, isFree);
  }

  /** @returns a port to listen on, 0: all are taken */
  listening(address: IpAddress): number {
    const isFree = (port: number): boolean => !this.#listeners.hasPort(port);
    return this.#secrets.ephemeralPort(address, address, 0, this.#limits, isFree);
  }
}
