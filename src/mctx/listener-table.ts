// SPDX-License-Identifier: MIT
// Who listens where. Two listeners may share a port only if their addresses differ; one on a given
// address comes before one on all.

import type { IpAddress } from "../ip/address.ts";
import { EADDRINUSE, ENFILE } from "../tcp/errno.ts";
import type { ListenerSink } from "../transport/stream.ts";
import { ListenerRecord } from "./listener.ts";

/** The listening ports of a context. */
export class ListenerTable {
  readonly #limit: number;
  /** By port; a Map keeps the order of insertion, so that every run takes the same course. */
  readonly #records: Map<number, ListenerRecord[]>;
  #size: number;

  /** @param limit - most listeners */
  constructor(limit: number) {
    this.#limit = limit;
    this.#records = new Map();
    this.#size = 0;
  }

  /** Listeners there are. */
  get size(): number {
    return this.#size;
  }

  /** True when no more fit. */
  get isFull(): boolean {
    return this.#size >= this.#limit;
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
    const others = this.#records.get(port);
    if (others?.some((other) => overlaps(other.address, address))) return EADDRINUSE;
    const record = new ListenerRecord(address, port, backlog, sink);
    if (others === undefined) this.#records.set(port, [record]);
    else others.push(record);
    this.#size++;
    return record;
  }

  /** Takes a listener out. @returns false if it is not there */
  remove(record: ListenerRecord): boolean {
    const records = this.#records.get(record.port);
    const at = records === undefined ? -1 : records.indexOf(record);
    if (records === undefined || at < 0) return false;
    records.splice(at, 1);
    if (records.length === 0) this.#records.delete(record.port);
    this.#size--;
    return true;
  }

  /** @returns who listens there, or null */
  find(local: IpAddress, port: number): ListenerRecord | null {
    const records = this.#records.get(port);
    if (records === undefined) return null;
    let any: ListenerRecord | null = null;
    for (const record of records) {
      if (record.address === null) any = record;
      else if (record.address.equals(local)) return record;
    }
    return any;
  }

  /** True if anybody listens on the port, on whatever address. */
  hasPort(port: number): boolean {
    return this.#records.has(port);
  }

  /** Tells every listener that the context can no longer serve it. */
  fail(error: number): void {
    for (const records of this.#records.values()) {
      for (const record of records) {
        record.error = error;
        record.sink.listenerReady();
      }
    }
  }

  /** Forgets all. */
  clear(): void {
    this.#records.clear();
    this.#size = 0;
  }
}

function overlaps(a: IpAddress | null, b: IpAddress | null): boolean {
  return a === null || b === null || a.equals(b);
}
