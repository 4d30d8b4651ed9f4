// SPDX-License-Identifier: MIT
// What a peer must not be able to guess: initial sequence numbers (RFC 6528), timestamp offsets
// (RFC 7323 §5.4) and ephemeral ports (RFC 6056). All come from one keyed hash over the 4-tuple,
// keyed per context.

import type { IpAddress } from "../ip/address.ts";
import type { Limits } from "./limits.ts";
import { SipHash } from "./sip-hash.ts";

/** Fills an array with unpredictable bytes; a simulation passes its seeded source. */
export type RandomSource = (into: Uint8Array) => void;

/** The ephemeral ports, both ends included. */
export type PortRange = Pick<Limits, "ephemeralFirst" | "ephemeralLast">;

const PURPOSE_CONNECTION = 1;
const PURPOSE_PORT = 2;
/** RFC 6528 §3: the clock part of the ISN ticks every 4 microseconds. */
const ISN_TICKS_PER_MS = 250;
/** RFC 6056 §3.3.4 (algorithm 4): counters kept per hash bucket, so that destinations differ. */
const PORT_COUNTERS = 256;

/** The secrets of one context. */
export class Secrets {
  readonly #hash: SipHash;
  readonly #words: Int32Array;
  readonly #portCounters: Uint16Array;
  readonly #random: RandomSource;
  /** Secret seed for the flow table. */
  readonly flowSeed: number;
  /** Initial sequence number of the connection that `open` was asked for last. */
  iss: number;
  /** What that connection adds to its clock in the timestamps it sends. */
  tsOffset: number;

  constructor(random: RandomSource) {
    this.#random = random;
    const bytes = new Uint8Array(20 + 2 * PORT_COUNTERS);
    random(bytes);
    const view = new DataView(bytes.buffer);
    this.#hash = new SipHash(bytes.subarray(0, 16));
    this.flowSeed = view.getInt32(16, true);
    this.iss = 0;
    this.tsOffset = 0;
    this.#words = new Int32Array(10);
    this.#portCounters = new Uint16Array(bytes.slice(20).buffer);
  }

  /**
   * Chooses what a connection that opens now starts with: `iss` is a 4 us clock + PRF(4-tuple),
   * `tsOffset` the other half of that PRF.
   */
  open(
    local: IpAddress,
    localPort: number,
    remote: IpAddress,
    remotePort: number,
    nowMs: number,
  ): void {
    const clock = Math.floor(nowMs * ISN_TICKS_PER_MS) % 0x1_0000_0000;
    const digest = this.#digest(PURPOSE_CONNECTION, local, localPort, remote, remotePort);
    this.iss = (digest + (clock >>> 0)) | 0;
    this.tsOffset = this.#hash.high;
  }

  /**
   * An ephemeral port by RFC 6056 algorithm 4 (double hash): the first in hash order that `isFree`.
   *
   * @returns the port, or 0 when all are taken
   */
  ephemeralPort(
    local: IpAddress,
    remote: IpAddress,
    remotePort: number,
    { ephemeralFirst: first, ephemeralLast: last }: PortRange,
    isFree: (port: number) => boolean,
  ): number {
    const count = last - first + 1;
    const offset = this.#digest(PURPOSE_PORT, local, 0, remote, remotePort) >>> 0;
    const bucket = this.#hash.high & (PORT_COUNTERS - 1);
    // Counted apart from the table, whose 16 bits would wrap and leave ports out.
    const counter = this.#portCounters[bucket] as number;
    for (let tries = 0; tries < count; tries++) {
      const port = first + ((offset + counter + tries) % count);
      if (!isFree(port)) continue;
      this.#portCounters[bucket] = counter + tries + 1;
      return port;
    }
    return 0;
  }

  /**
   * An ephemeral port by RFC 6056 algorithm 1 (random): for datagrams, where the port is all that
   * keeps a forged answer out (RFC 5452), and nothing in TIME-WAIT wants the longest rest.
   *
   * @returns the port, or 0 when all are taken
   */
  randomPort(
    { ephemeralFirst: first, ephemeralLast: last }: PortRange,
    isFree: (port: number) => boolean,
  ): number {
    const count = last - first + 1;
    const start = Math.floor(this.chance() * count);
    for (let tries = 0; tries < count; tries++) {
      const port = first + ((start + tries) % count);
      if (isFree(port)) return port;
    }
    return 0;
  }

  /** @returns a number from 0 to 1, 1 excluded, that nobody can foretell */
  chance(): number {
    const word = new Int32Array(1);
    this.#random(new Uint8Array(word.buffer));
    return ((word[0] as number) >>> 0) / 0x1_0000_0000;
  }

  #digest(
    purpose: number,
    local: IpAddress,
    localPort: number,
    remote: IpAddress,
    remotePort: number,
  ): number {
    const words = this.#words;
    words[0] = purpose;
    words[1] = local.w0;
    words[2] = local.w1;
    words[3] = local.w2;
    words[4] = local.w3;
    words[5] = remote.w0;
    words[6] = remote.w1;
    words[7] = remote.w2;
    words[8] = remote.w3;
    words[9] = (localPort << 16) | remotePort;
    return this.#hash.digest(words, 10);
  }
}
