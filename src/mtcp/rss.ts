// SPDX-License-Identifier: MIT
// Which queue, and so which core, the packets of a connection come to; and for each destination
// that was registered the source addresses and ports whose answers come to ours. A pair is taken
// anew for each 4-tuple, the one that has rested longest first, so that connections to many
// destinations share the ports.
//
// Left out: unpredictable ports (RFC 6056). As in mTCP, a pool begins at its lowest port.

import type { IpAddress } from "../ip/address.ts";
import { ENOMEM } from "./errno.ts";
import { SYMMETRIC_KEY, tcpV4Input, toeplitzHash } from "./toeplitz.ts";

/** As mTCP has it. */
const FIRST_PORT = 1_025;
const LAST_PORT = 65_535;
const PORT_VALUES = 65_536;
/** Source addresses and ports that a context keeps for all destinations: 8 bytes each. */
export const MAX_RSS_PAIRS = 1_048_576;

/** How a context is steered. */
export interface RssPlan {
  readonly cpu: number;
  readonly numCores: number;
  /** Of the redirection table, a power of two. */
  readonly tableSize: number;
}

/** @returns the queue of a hash: the table's entries name the queues in turn */
export function queueOf(hash: number, plan: RssPlan): number {
  return (hash & (plan.tableSize - 1)) % plan.numCores;
}

/** @returns the queue that a 4-tuple's packets come to, whichever way they go */
export function queueOfTuple(
  source: IpAddress,
  sourcePort: number,
  destination: IpAddress,
  destinationPort: number,
  plan: RssPlan,
): number {
  const input = tcpV4Input(source.w3, destination.w3, sourcePort, destinationPort);
  return queueOf(toeplitzHash(SYMMETRIC_KEY, input), plan);
}

/** The source addresses and ports for one destination. */
export class RssPool {
  readonly #addresses: readonly IpAddress[];
  /** Index into `#addresses` and port, in a ring: the first has rested longest. */
  readonly #pairs: Float64Array;
  #head: number;

  constructor(addresses: readonly IpAddress[], pairs: Float64Array) {
    this.#addresses = addresses;
    this.#pairs = pairs;
    this.#head = 0;
  }

  /** Pairs in the pool. */
  get size(): number {
    return this.#pairs.length;
  }

  /**
   * Takes the pair that has rested longest, and puts it last.
   *
   * @returns the index for `addressAt`, times 65,536, plus the port
   */
  next(): number {
    const pair = this.#pairs[this.#head] as number;
    this.#head = (this.#head + 1) % this.#pairs.length;
    return pair;
  }

  /** The address of a pair. */
  addressOf(pair: number): IpAddress {
    return this.#addresses[Math.floor(pair / PORT_VALUES)] as IpAddress;
  }

  /** The port of a pair. */
  portOf(pair: number): number {
    return pair % PORT_VALUES;
  }
}

/** The pools of one context. */
export class RssPools {
  readonly plan: RssPlan;
  /** By destination. */
  readonly #pools: Map<string, RssPool>;
  #pairs: number;

  constructor(plan: RssPlan) {
    this.plan = plan;
    this.#pools = new Map();
    this.#pairs = 0;
  }

  /** True once a destination is registered: the context minds which queue is its own. */
  get isActive(): boolean {
    return this.#pools.size > 0;
  }

  /** Registers a destination, in place of what was registered for it. @returns 0 or -errno */
  register(sources: readonly IpAddress[], destination: IpAddress, port: number): number {
    const key = keyOf(destination, port);
    const replaced = this.#pools.get(key)?.size ?? 0;
    const room = MAX_RSS_PAIRS - this.#pairs + replaced;
    const pairs: number[] = [];
    for (const [i, source] of sources.entries()) {
      this.#addPorts(pairs, i, source, destination, port);
      if (pairs.length > room) return -ENOMEM;
    }
    this.#pools.set(key, new RssPool(sources, Float64Array.from(pairs)));
    this.#pairs += pairs.length - replaced;
    return 0;
  }

  /** @returns the pool of a destination, null if it was not registered */
  find(destination: IpAddress, port: number): RssPool | null {
    return this.#pools.get(keyOf(destination, port)) ?? null;
  }

  /** True if the packets of a 4-tuple come to this core. */
  isOurs(source: IpAddress, sourcePort: number, remote: IpAddress, remotePort: number): boolean {
    const queue = queueOfTuple(source, sourcePort, remote, remotePort, this.plan);
    return queue === this.plan.cpu;
  }

  #addPorts(
    pairs: number[],
    index: number,
    source: IpAddress,
    destination: IpAddress,
    port: number,
  ): void {
    // The hash is linear: that of the port by itself is added to that of the rest.
    const rest = toeplitzHash(SYMMETRIC_KEY, tcpV4Input(source.w3, destination.w3, 0, port));
    const { plan } = this;
    for (let candidate = FIRST_PORT; candidate <= LAST_PORT; candidate++) {
      const hash = rest ^ portHash(candidate);
      if (queueOf(hash, plan) === plan.cpu) pairs.push(index * PORT_VALUES + candidate);
    }
  }
}

function keyOf(destination: IpAddress, port: number): string {
  return `${destination}:${port}`;
}

/** Hash of a source port with everything else 0, by byte. */
const HIGH: Int32Array = new Int32Array(256);
const LOW: Int32Array = new Int32Array(256);
for (let byte = 0; byte < 256; byte++) {
  HIGH[byte] = toeplitzHash(SYMMETRIC_KEY, tcpV4Input(0, 0, byte << 8, 0));
  LOW[byte] = toeplitzHash(SYMMETRIC_KEY, tcpV4Input(0, 0, byte, 0));
}

function portHash(port: number): number {
  return (HIGH[port >>> 8] as number) ^ (LOW[port & 0xff] as number);
}
