// SPDX-License-Identifier: MIT
// Who listens where. Two listeners may share a port only if their addresses differ; one on a given
// address comes before one on all.

import type { IpAddress } from "../ip/address.ts";
import { EADDRINUSE, ENFILE } from "../tcp/errno.ts";
import { ListenerRecord, type ListenerSink } from "./listener.ts";

/** The listening ports of a context. */
export class ListenerTable {
  readonly #limit: number;
  #records: ListenerRecord[];

  /** @param limit - most listeners */
  constructor(limit: number) {
    this.#limit = limit;
    this.#records = [];
  }

  /** Listeners there are. */
  get size(): number {
    return this.#records.length;
  }

  /** True when no more fit. */
  get isFull(): boolean {
    return this.#records.length >= this.#limit;
  }

  /**
   * Adds a listener.
   *
   * @param address - one of ours, null: all
   * @returns the record, or -errno
   */
  add(
    address: IpAddress | null,
    port: number,
    backlog: number,
    sink: ListenerSink,
  ): ListenerRecord | number {
    if (this.isFull) return ENFILE;
    for (const other of this.#records) {
      if (other.port === port && overlaps(other.address, address)) return EADDRINUSE;
    }
    const record = new ListenerRecord(address, port, backlog, sink);
    this.#records.push(record);
    return record;
  }

  /** Takes a listener out. @returns false if it is not there */
  remove(record: ListenerRecord): boolean {
    const at = this.#records.indexOf(record);
    if (at >= 0) this.#records.splice(at, 1);
    return at >= 0;
  }

  /** @returns who listens there, or null */
  find(local: IpAddress, port: number): ListenerRecord | null {
    let any: ListenerRecord | null = null;
    for (const record of this.#records) {
      if (record.port !== port) continue;
      if (record.address === null) any = record;
      else if (record.address.equals(local)) return record;
    }
    return any;
  }

  /** True if anybody listens on the port, on whatever address. */
  hasPort(port: number): boolean {
    return this.#records.some((record) => record.port === port);
  }

  /** Tells every listener that the context can no longer serve it. */
  fail(error: number): void {
    for (const record of this.#records) {
      record.error = error;
      record.sink.listenerReady();
    }
  }

  /** Forgets all. */
  clear(): void {
    this.#records = [];
  }
}

function overlaps(a: IpAddress | null, b: IpAddress | null): boolean {
  return a === null || b === null || a.equals(b);
}
