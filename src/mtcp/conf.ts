// SPDX-License-Identifier: MIT
// The configuration: what mTCP reads from a file. It holds for contexts that are made from then on.

import type { Context } from "../socket/context.ts";
import { answer, EBUSY, EFAULT, EINVAL, EPERM } from "./errno.ts";

/** How contexts are made. */
export interface MtcpConf {
  /** Contexts that there may be: `createContext` takes 0 to `numCores - 1`. 1 to 256, default 1. */
  numCores: number;
  /** Descriptors of each context, of all kinds. 1 to 1,048,576, default 10,000. */
  maxConcurrency: number;
  /**
   * Connections and pipes of each context that may hold buffers at once; `ENOMEM` beyond. Default:
   * `maxConcurrency`.
   */
  maxNumBuffers: number;
  /**
   * Receive buffer of a connection, bytes, at least 64. It reaches the network through `network`
   * alone (see `tcpOptions`). Default 262,144, or `sndbuf` if only that is given.
   */
  rcvbuf: number;
  /** Send buffer of a connection, bytes, at least 64. Default 262,144, or `rcvbuf`. */
  sndbuf: number;
  /**
   * Seconds without an answer to what was sent, after which a connection ends with ETIMEDOUT; -1:
   * never. A quiet connection is not ended by it. Reaches the network as `rcvbuf` does. Default
   * 180: a SYN must be given as long (RFC 9293 §3.8.3, MUST-23).
   */
  tcpTimeout: number;
  /** Seconds in TIME-WAIT, also 0. Reaches the network as `rcvbuf` does. Default 60. */
  tcpTimewait: number;
  /** Entries of the NIC's redirection table, a power of two. Default 128. */
  rssTableSize: number;
  /**
   * What carries the bytes of core `cpu`: a context of ours over a driver, or of the kernel. Null:
   * the network in scope of the coroutine that calls `createContext`, else the kernel.
   */
  network: ((cpu: number, conf: Readonly<MtcpConf>) => Context) | null;
  /**
   * Whether `destroyContext` closes what `network` gave. Default false: who made it, or the end of
   * the coroutine that did, closes it.
   */
  closeNetwork: boolean;
}

/** Settings of a connection that the configuration decides, as `createContext` of `caraway` has. */
export interface ConfTcpOptions {
  readonly receiveBufferBytes: number;
  readonly sendBufferBytes: number;
  readonly r2Ms: number;
  readonly synR2Ms: number;
  readonly mslMs: number;
}

const MAX_CORES = 256;
const MAX_DESCRIPTORS = 1_048_576;
const MAX_BUFFER_BYTES = 2 ** 30;
const MAX_TABLE_SIZE = 65_536;
/** mTCP's own least. */
const MIN_BUFFER_BYTES = 64;
const DEFAULT_BUFFER_BYTES = 262_144;
/** Beyond any time that a connection lives, and still an exact number of ms. */
const NEVER_MS = 2 ** 52;

const DEFAULTS: Readonly<MtcpConf> = Object.freeze({
  numCores: 1,
  maxConcurrency: 10_000,
  maxNumBuffers: 10_000,
  rcvbuf: DEFAULT_BUFFER_BYTES,
  sndbuf: DEFAULT_BUFFER_BYTES,
  tcpTimeout: 180,
  tcpTimewait: 60,
  rssTableSize: 128,
  network: null,
  closeNetwork: false,
});

/** For each number: least and most; whole but for times. */
const RANGES: Readonly<Record<string, readonly [number, number, boolean]>> = {
  numCores: [1, MAX_CORES, true],
  maxConcurrency: [1, MAX_DESCRIPTORS, true],
  maxNumBuffers: [1, MAX_DESCRIPTORS, true],
  rcvbuf: [MIN_BUFFER_BYTES, MAX_BUFFER_BYTES, true],
  sndbuf: [MIN_BUFFER_BYTES, MAX_BUFFER_BYTES, true],
  tcpTimeout: [Number.MIN_VALUE, NEVER_MS / 1_000, false],
  tcpTimewait: [0, NEVER_MS / 1_000, false],
  rssTableSize: [1, MAX_TABLE_SIZE, true],
};

let conf: Readonly<MtcpConf> | null = null;
/** How many contexts are open: set by context.ts. */
let openContexts: () => number = () => 0;

/** The configuration in force, null before `init`. */
export function currentConf(): Readonly<MtcpConf> | null {
  return conf;
}

/** Says how open contexts are counted. */
export function countContextsBy(count: () => number): void {
  openContexts = count;
}

/** Forgets the configuration. */
export function clearConf(): void {
  conf = null;
}

/**
 * Initialises the library for this thread. Again: from the defaults, once no context is open.
 *
 * @param given - what differs from the defaults
 * @returns 0, or -1 and `errno()`: EBUSY (contexts are open), EFAULT (null), EINVAL (a value is out
 *   of range)
 * @throws TypeError: a field is not known or of the wrong type
 * @example
 * ```ts
 * init({ numCores: 1, maxConcurrency: 1_000 });
 * const mctx = createContext(0);
 * ```
 */
export function init(given: Partial<MtcpConf>): number {
  return answer(null, tryInit(given));
}

function tryInit(given: Partial<MtcpConf>): number {
  if (isNull(given)) return -EFAULT;
  const wanted = checked("mtcp.init", given);
  if (openContexts() > 0) return -EBUSY;
  const { maxConcurrency = DEFAULTS.maxConcurrency } = wanted;
  const made = {
    ...DEFAULTS,
    maxNumBuffers: maxConcurrency,
    rcvbuf: wanted.sndbuf ?? DEFAULT_BUFFER_BYTES,
    sndbuf: wanted.rcvbuf ?? DEFAULT_BUFFER_BYTES,
    ...wanted,
  };
  if (!isSensible(made)) return -EINVAL;
  conf = Object.freeze(made);
  return 0;
}

/**
 * Tells the configuration.
 *
 * @param into - filled in, every field
 * @returns 0, or -1 and `errno()`: EFAULT (null), EPERM (not initialised)
 * @throws TypeError: `into` is no object
 * @example
 * ```ts
 * const conf = { maxConcurrency: 0 };
 * getconf(conf);
 * console.log(conf.maxConcurrency);
 * ```
 */
export function getconf(into: Partial<MtcpConf>): number {
  return answer(null, tryGetconf(into));
}

function tryGetconf(into: Partial<MtcpConf>): number {
  if (isNull(into)) return -EFAULT;
  if (typeof into !== "object") throw new TypeError("mtcp.getconf: into must be an object");
  if (conf === null) return -EPERM;
  Object.assign(into, conf);
  return 0;
}

/**
 * Changes the configuration for contexts that are made from now on. Every value that is in range is
 * honoured, also 0 and -1; a field that is left out stays.
 *
 * @param given - what changes
 * @returns 0, or -1 and `errno()`: EFAULT (null), EINVAL (a value is out of range: nothing
 *   changes), EPERM (not initialised)
 * @throws TypeError: a field is not known or of the wrong type
 * @example
 * ```ts
 * init({});
 * setconf({ tcpTimewait: 0, tcpTimeout: -1 });
 * ```
 */
export function setconf(given: Partial<MtcpConf>): number {
  return answer(null, trySetconf(given));
}

function trySetconf(given: Partial<MtcpConf>): number {
  if (isNull(given)) return -EFAULT;
  const made = { ...conf, ...checked("mtcp.setconf", given) } as MtcpConf;
  if (conf === null) return -EPERM;
  if (!isSensible(made)) return -EINVAL;
  conf = Object.freeze(made);
  return 0;
}

/**
 * Turns a configuration into the option `tcp` of `createContext` of `caraway`.
 *
 * @param of - the configuration that `network` was given
 * @returns sizes and times
 * @example
 * ```ts
 * import { createContext, openDriver } from "caraway";
 * import * as mtcp from "caraway/mtcp";
 * mtcp.init({
 *   rcvbuf: 65_536,
 *   network: (cpu, conf) =>
 *     createContext({
 *       driver: openDriver({ driver: "af_packet", interface: `eth${cpu}` }),
 *       address: "10.0.0.2/24",
 *       tcp: mtcp.tcpOptions(conf),
 *     }),
 *   closeNetwork: true,
 * });
 * ```
 */
export function tcpOptions(of: Readonly<MtcpConf>): ConfTcpOptions {
  const r2Ms = of.tcpTimeout < 0 ? NEVER_MS : of.tcpTimeout * 1_000;
  return {
    receiveBufferBytes: of.rcvbuf,
    sendBufferBytes: of.sndbuf,
    r2Ms,
    synR2Ms: r2Ms,
    mslMs: (of.tcpTimewait * 1_000) / 2,
  };
}

function isNull(value: unknown): boolean {
  return value === null || value === undefined;
}

/** Refuses fields of the wrong type. @returns those that are given, without undefined ones */
function checked(call: string, given: unknown): Partial<MtcpConf> {
  if (typeof given !== "object") throw new TypeError(`${call}: conf must be an object`);
  const wanted: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(given as object)) {
    if (!Object.hasOwn(DEFAULTS, name)) throw new TypeError(`${call}: ${name} is not known`);
    if (value === undefined) continue;
    const type = typeof DEFAULTS[name as keyof MtcpConf];
    if (name === "network") {
      if (value !== null && typeof value !== "function") {
        throw new TypeError(`${call}: network must be a function or null`);
      }
    } else if (typeof value !== type) {
      throw new TypeError(`${call}: ${name} must be a ${type}, got ${typeof value}`);
    }
    wanted[name] = value;
  }
  return wanted;
}

function isSensible(of: MtcpConf): boolean {
  for (const [name, [least, most, isWhole]] of Object.entries(RANGES)) {
    const value = of[name as keyof MtcpConf] as number;
    if (name === "tcpTimeout" && value === -1) continue;
    if (!(value >= least && value <= most)) return false;
    if (isWhole && !Number.isInteger(value)) return false;
  }
  return Number.isInteger(Math.log2(of.rssTableSize));
}
