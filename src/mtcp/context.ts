// SPDX-License-Identifier: MIT
// A context (mctx): one per core, with a pool of descriptors, buffers and source ports of its own,
// over whatever carries its bytes. It belongs to the coroutine that makes it.
//
// Left out of mTCP's: the stack's own thread (the loop of the coroutine runs it), core affinity,
// signals.

import { isNetError, type Resource } from "../../scheduler/index.ts";
import { IpAddress } from "../ip/address.ts";
import { type Context, isContext } from "../socket/context.ts";
import { contextFor } from "../socket/network.ts";
import { Ownership } from "../socket/ownership.ts";
import type { StreamPlace } from "../transport/stream.ts";
import { BoundPorts } from "./bound-ports.ts";
import { clearConf, countContextsBy, currentConf, type MtcpConf } from "./conf.ts";
import { DescriptorTable } from "./descriptors.ts";
import type { Epoll } from "./epoll.ts";
import { answer, EACCES, EAFNOSUPPORT, EBADF, EINVAL } from "./errno.ts";
import { ownAddress } from "./open-flow.ts";
import type { PipeEnd } from "./pipe.ts";
import { RssPools } from "./rss.ts";
import type { TcpSocket } from "./tcp-socket.ts";

/** What a descriptor may stand for. */
export type AnyDescriptor = TcpSocket | Epoll | PipeEnd;

/** One context. Made by `createContext`; calls take it as their first argument. */
export class Mctx implements Resource {
  /** Number of the last failure, positive as in Linux; 0 before any. A success leaves it. */
  errno: number;
  /** The core it was made for. */
  readonly cpu: number;
  /** @internal What carries its bytes. */
  readonly context: Context;
  /** @internal The configuration in force when it was made. */
  readonly conf: Readonly<MtcpConf>;
  /** @internal */
  readonly table: DescriptorTable<AnyDescriptor>;
  /** @internal */
  readonly ports: BoundPorts<TcpSocket>;
  /** @internal */
  readonly rss: RssPools;
  /** @internal Connections without a descriptor that a coroutine still closes. */
  readonly closing: Set<Resource>;
  readonly #ownership: Ownership;
  #buffers: number;
  #isOpen: boolean;

  /** @internal Use `createContext`. */
  constructor(cpu: number, conf: Readonly<MtcpConf>, context: Context) {
    this.errno = 0;
    this.cpu = cpu;
    this.context = context;
    this.conf = conf;
    this.table = new DescriptorTable(conf.maxConcurrency);
    this.ports = new BoundPorts();
    const { numCores, rssTableSize: tableSize } = conf;
    this.rss = new RssPools({ cpu, numCores, tableSize });
    this.closing = new Set();
    this.#buffers = 0;
    this.#isOpen = true;
    this.#ownership = new Ownership(this);
  }

  /** False once it is destroyed: every call fails with EACCES. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Descriptors in use, of all kinds. */
  get descriptorCount(): number {
    return this.table.size;
  }

  /** Connections and pipes that hold buffers, of `maxNumBuffers`. */
  get bufferCount(): number {
    return this.#buffers;
  }

  /** Ends it, as the end of its owner does: every socket is reset. Idempotent. */
  abort(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    byCpu.delete(this.cpu);
    this.#ownership.release();
    for (const descriptor of this.table.clear()) descriptor.drop();
    for (const each of [...this.closing]) each.abort();
    const { closeNetwork, network } = this.conf;
    if (closeNetwork && network !== null) this.context.close();
  }

  /** @internal Time of the round. */
  get nowMs(): number {
    return this.context.loop.now();
  }

  /** @internal True if another connection or pipe may have buffers. */
  get hasBuffer(): boolean {
    return this.#buffers < this.conf.maxNumBuffers;
  }

  /** @internal One more holds buffers. */
  takeBuffer(): void {
    this.#buffers++;
  }

  /** @internal One less does. */
  giveBuffer(): void {
    this.#buffers--;
  }

  /** @internal Where to listen: every address means every IPv4 address. */
  placeOf(place: StreamPlace): StreamPlace {
    const { address } = place;
    if (address !== null) return place;
    return ownAddress(this.context.address) === null ? { ...place, address: ANY } : place;
  }
}

const ANY: IpAddress = IpAddress.v4(0);
const byCpu: Map<number, Mctx> = new Map();
countContextsBy(() => byCpu.size);

/**
 * Makes the context of a core. It belongs to the running coroutine, whose end destroys it.
 *
 * @param cpu - 0 to `numCores - 1`; one context each
 * @returns the context; null and `errno()`: EINVAL (no such core, it has a context already, or
 *   `init` was not called), EAFNOSUPPORT (a network of IPv6 alone), or what `network` failed with
 * @throws TypeError: `cpu` is no number, `network` gave no context; or what else `network` throws
 * @example
 * ```ts
 * init({ numCores: 1 });
 * const mctx = createContext(0);
 * if (mctx === null) throw new Error(`no context: ${errno()}`);
 * ```
 */
export function createContext(cpu: number): Mctx | null {
  if (typeof cpu !== "number") {
    throw new TypeError(`mtcp.createContext: cpu must be a number, got ${typeof cpu}`);
  }
  const conf = currentConf();
  const isCore = conf !== null && Number.isInteger(cpu) && cpu >= 0 && cpu < conf.numCores;
  if (!isCore || byCpu.has(cpu)) {
    answer(null, -EINVAL);
    return null;
  }
  const context = networkOf(cpu, conf);
  if (typeof context === "number") {
    answer(null, context);
    return null;
  }
  const mctx = new Mctx(cpu, conf, context);
  byCpu.set(cpu, mctx);
  return mctx;
}

/**
 * Destroys a context: every socket of it is reset, what waits in its calls gets EACCES. What
 * carried its bytes is closed only if `closeNetwork` says so.
 *
 * @param mctx - the context
 * @returns 0, or -1 and `errno()`: EACCES
 * @example
 * ```ts
 * init({});
 * destroyContext(createContext(0));
 * ```
 */
export function destroyContext(mctx: Mctx | null): number {
  const open = openContext(mctx);
  if (open === null) return answer(contextOf(mctx), -EACCES);
  open.abort();
  return 0;
}

/**
 * Destroys every context of this thread, and forgets the configuration.
 *
 * @example
 * ```ts
 * init({});
 * destroy();
 * ```
 */
export function destroy(): void {
  for (const mctx of [...byCpu.values()]) mctx.abort();
  clearConf();
}

/** @returns what carries the bytes of a core, or -errno */
function networkOf(cpu: number, conf: Readonly<MtcpConf>): Context | number {
  try {
    const { network } = conf;
    const made =
      network === null ? contextFor("mtcp.createContext", undefined) : network(cpu, conf);
    if (!isContext(made)) {
      throw new TypeError("mtcp.createContext: network must return a context");
    }
    return ownAddress(made.address)?.family === 6 ? -EAFNOSUPPORT : made;
  } catch (error) {
    if (isNetError(error)) return error.errno;
    throw error;
  }
}

/** @returns the context, also one that is destroyed; null: it is none at all */
export function contextOf(given: unknown): Mctx | null {
  return given instanceof Mctx ? given : null;
}

/** @returns the context if calls may use it, else null */
export function openContext(given: unknown): Mctx | null {
  return given instanceof Mctx && given.isOpen ? given : null;
}

/** @returns what a descriptor stands for, -EACCES or -EBADF */
export function lookup(mctx: unknown, sockid: number): AnyDescriptor | number {
  const open = openContext(mctx);
  if (open === null) return -EACCES;
  return open.table.get(sockid) ?? -EBADF;
}

/** Refuses a descriptor that is no number at all. */
export function checkSockid(call: string, sockid: unknown, name: string = "sockid"): void {
  if (typeof sockid !== "number") {
    throw new TypeError(`${call}: ${name} must be a number, got ${typeof sockid}`);
  }
}
