// SPDX-License-Identifier: MIT
// Our own TCP/IP stack as a context: one stack over one driver, on the loop that made it.

import {
  currentCoroutine,
  currentLoop,
  type Loop,
  type Poller,
  type Spinner,
} from "../../scheduler/internal.ts";
import {
  contains,
  type IpAddress,
  isBroadcastOf,
  maskOf,
  type Prefix,
  parsePrefix,
} from "../ip/address.ts";
import type { ReassemblyLimits } from "../ip/reassembly.ts";
import type { Driver, DriverStatistics } from "../link/driver.ts";
import type { NeighbourLimits, NeighbourStatistics } from "../link/neighbours.ts";
import {
  createStack,
  DEFAULT_LIMITS,
  DEFAULT_NEIGHBOUR_LIMITS,
  DEFAULT_REASSEMBLY_LIMITS,
  DEFAULT_TCP_CONFIG,
  parseStationMac,
  type TcpConfig,
  tcpConfig,
} from "../mctx/create.ts";
import type { StackLeftovers } from "../mctx/leftovers.ts";
import type { Limits } from "../mctx/limits.ts";
import type { ListenerRecord } from "../mctx/listener.ts";
import type { Stack } from "../mctx/stack.ts";
import type { DatagramFlow, DatagramPlace } from "../transport/datagram.ts";
import type {
  Endpoint,
  FlowSink,
  ListenerSink,
  StreamFlow,
  StreamListener,
  StreamPlace,
  StreamTarget,
} from "../transport/stream.ts";
import { checkAddress, checkOptions, checkSettings, checkTcpConfig } from "./arguments.ts";
import { type Context, type ContextStatistics, registerContext } from "./context.ts";
import { EADDRNOTAVAIL, EAFNOSUPPORT, ENETDOWN, invalid, netError } from "./errors.ts";
import { Ownership } from "./ownership.ts";

/** How a context is made. */
export interface ContextOptions {
  /** An open driver; the context closes it. */
  readonly driver: Driver;
  /** Our IPv4 address with the prefix length of its network: `"10.0.0.2/24"`. */
  readonly address: string;
  /** Who passes on packets to other networks. Default: nobody. */
  readonly gateway?: string;
  /** `"02:00:00:00:00:01"`; default: the driver's. */
  readonly macAddress?: string;
  /** Fills an array with unpredictable bytes; default: the system's. For simulations only. */
  readonly random?: (into: Uint8Array) => void;
  /** Bounds that differ from the defaults. */
  readonly limits?: Partial<Limits>;
  /** TCP settings that differ from the defaults. */
  readonly tcp?: Partial<TcpConfig>;
  /** Bounds of the neighbour cache that differ from the defaults. */
  readonly neighbours?: Partial<NeighbourLimits>;
  /** Bounds of reassembly that differ from the defaults. */
  readonly reassembly?: Partial<ReassemblyLimits>;
}

/** Counters of a stack. */
export interface StackStatistics extends ContextStatistics {
  readonly driver: DriverStatistics;
  readonly neighbours: NeighbourStatistics;
  /** Drops and other events inside TCP by name. */
  readonly tcp: Record<string, number>;
}

const KNOWN = [
  "address",
  "driver",
  "gateway",
  "limits",
  "macAddress",
  "neighbours",
  "random",
  "reassembly",
  "tcp",
];

/** Drivers that an open context uses. */
const driversInUse = new WeakSet<Driver>();
/** Whose the drivers of `openDriver` are that no context has taken yet. */
const driverOwnership = new WeakMap<Driver, Ownership>();

/** One TCP/IP stack over one driver. Made by `createContext`. */
export class StackContext implements Context, Poller {
  readonly name: string;
  readonly isReal: boolean;
  /** @internal */
  readonly stack: Stack;
  /** @internal */
  readonly loop: Loop;
  readonly #ownership: Ownership;
  #isOpen = true;

  /** @internal Use `createContext`. */
  constructor(stack: Stack, loop: Loop) {
    this.stack = stack;
    this.loop = loop;
    this.name = `${stack.network.driver.name} ${stack.network.address}`;
    this.isReal = stack.network.driver.isReal;
    this.#ownership = new Ownership(this);
    driversInUse.add(stack.network.driver);
    registerContext(this);
    loop.addPoller(this);
  }

  /** Our address. */
  get address(): string {
    return this.stack.network.address.toString();
  }

  /** The driver under it. */
  get driver(): Driver {
    return this.stack.network.driver;
  }

  /** False once it is closed, or its device is gone: every call fails with ENETDOWN. */
  get isOpen(): boolean {
    return this.#isOpen && this.stack.error === 0;
  }

  /**
   * Adds a route, in place of one to the same network.
   *
   * @param destination - a network: `"10.1.0.0/16"`
   * @param gateway - who passes packets on, an address in our own network
   * @throws NetError EINVAL, ENOBUFS (the table is full)
   */
  addRoute(destination: string, gateway: string): void {
    const prefix = typeof destination === "string" ? parsePrefix(destination) : null;
    if (prefix === null || prefix.address.family !== 4) {
      invalid("addRoute", `destination must be like "10.1.0.0/16", got "${destination}"`);
    }
    const via = checkAddress("addRoute", "gateway", gateway);
    if (!contains(this.stack.network.prefix, via)) {
      invalid("addRoute", `gateway ${gateway} is not in the network of the address`);
    }
    if (!this.stack.network.routes.add({ prefix, gateway: via })) {
      throw netError("ENOBUFS", "addRoute", "the route table is full");
    }
  }

  /** Resets every connection, closes the driver, frees everything. Idempotent. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#ownership.release();
    this.stack.close(-ENETDOWN, this.loop.now());
    driversInUse.delete(this.driver);
    this.loop.removePoller(this);
  }

  /** The same, as the end of its owner calls it. */
  abort(): void {
    this.close();
  }

  /**
   * Counts what has happened so far.
   *
   * @returns counters of driver, link, IP and TCP
   */
  statistics(): StackStatistics {
    const { network, tcpCounters, socketCount, timeWait } = this.stack;
    return {
      driver: network.driver.statistics(),
      neighbours: network.neighbours.statistics(),
      events: network.counters.toObject(),
      tcp: { ...tcpCounters },
      sockets: socketCount,
      timeWait: timeWait.size,
    };
  }

  /**
   * Counts what is alive in it, for tests.
   *
   * @returns all zero, but for TIME-WAIT, when nothing was left behind
   */
  leftovers(): StackLeftovers {
    return this.stack.leftovers();
  }

  // --- Context ---------------------------------------------------------------------------------

  /** @internal */
  openStream(target: StreamTarget, sink: FlowSink, nowMs: number): StreamFlow | number {
    const { remote, remotePort, local, localPort, noDelay } = target;
    if (remote.family !== 4) return -EAFNOSUPPORT;
    const isForeign = local !== null && !this.stack.network.isOwnAddress(local);
    if (isForeign && !local.isUnspecified) return -EADDRNOTAVAIL;
    const { tcpConfig: shared } = this.stack;
    const isShared = noDelay === null || noDelay === shared.noDelay;
    const config = isShared ? shared : tcpConfig({ ...shared, noDelay });
    return this.stack.connect(remote, remotePort, localPort, config, sink, nowMs);
  }

  /** @internal */
  listenStream(place: StreamPlace, sink: ListenerSink): StreamListener | number {
    const { address, port, backlog } = place;
    if (address !== null && address.family !== 4) return -EAFNOSUPPORT;
    const own = address?.isUnspecified === true ? null : address;
    const record = this.stack.listen(own, port, backlog, sink);
    return typeof record === "number" ? record : new StackListener(this.stack, record);
  }

  /** @internal */
  openDatagram(place: DatagramPlace, sink: FlowSink): DatagramFlow | number {
    const { address, port, remote } = place;
    if (address !== null && address.family !== 4) return -EAFNOSUPPORT;
    if (remote !== null && remote.address.family !== 4) return -EAFNOSUPPORT;
    const own = address?.isUnspecified === true ? null : address;
    return this.stack.openDatagram({ address: own, port, remote }, sink);
  }

  /** @internal A stack has no name service. */
  lookup(_host: string): null {
    return null;
  }

  // --- Poller ----------------------------------------------------------------------------------

  /** @internal */
  get spinner(): Spinner | undefined {
    return this.driver.spinner;
  }

  /** @internal */
  poll(nowMs: number): number {
    return this.stack.poll(nowMs);
  }

  /** @internal */
  flush(nowMs: number): void {
    this.stack.flush(nowMs);
  }

  /** @internal */
  armWake(wake: () => void): boolean {
    const { stack } = this;
    if (stack.error !== 0) return true;
    return !stack.hasWork && stack.network.driver.armWake(wake);
  }

  /** @internal */
  disarmWake(): void {
    if (this.stack.error === 0) this.stack.network.driver.disarmWake();
  }
}

/**
 * Makes a TCP/IP stack over a driver. It belongs to the running coroutine, whose end closes it.
 *
 * @param options - driver, address, and what differs from the defaults
 * @returns the context
 * @throws NetError EBADF (the driver is closed), EBUSY (another context uses it), EINVAL; TypeError
 * @example
 * ```ts
 * const driver = openDriver({ driver: "af_packet", interface: "veth0" });
 * const mctx = createContext({ driver, address: "10.0.0.2/24" });
 * yield* useNetwork(mctx);
 * ```
 */
export function createContext(options: ContextOptions): StackContext {
  const call = "createContext";
  checkOptions(call, options, KNOWN);
  const { driver, address, gateway, macAddress, random } = options;
  checkDriver(call, driver);
  const prefix = prefixOf(call, address);
  if (random !== undefined && driver.isReal) {
    // RFC 6528, RFC 6056: whoever knows the seed knows every sequence number and port to come.
    invalid(call, `random is for simulations: ${driver.name} is a real device`);
  }
  const { addresses } = driver;
  if (addresses !== undefined && !addresses.includes(prefix.address.toString())) {
    invalid(call, `address: ${driver.name} was opened for ${addresses.join(", ")} alone`);
  }
  const station = macAddress === undefined ? driver.macAddress : macOf(macAddress);
  if (addresses !== undefined && station.some((byte, i) => byte !== driver.macAddress[i])) {
    invalid(
      call,
      `macAddress: ${driver.name} takes frames to its own alone; open it with this one`,
    );
  }
  checkBounds(call, options);
  const loop = currentLoop();
  const stack = createStack({
    driver,
    prefix,
    gateway: gateway === undefined ? null : gatewayIn(prefix, gateway),
    macAddress: station,
    random: random ?? systemRandom,
    timers: loop.timers,
    limits: options.limits ?? {},
    tcp: options.tcp ?? {},
    neighbours: options.neighbours ?? {},
    reassembly: options.reassembly ?? {},
  });
  const context = new StackContext(stack, loop);
  driverOwnership.get(driver)?.release();
  driverOwnership.delete(driver);
  return context;
}

/** Gives a new driver to the running coroutine, whose end closes it unless a context takes it. */
export function ownDriver(driver: Driver): void {
  if (currentCoroutine() === null) return;
  driverOwnership.set(driver, new Ownership({ abort: () => driver.close() }));
}

/** A listening port of a stack. */
class StackListener implements StreamListener {
  readonly localEnd: Endpoint;
  readonly #stack: Stack;
  readonly #record: ListenerRecord;

  constructor(stack: Stack, record: ListenerRecord) {
    this.#stack = stack;
    this.#record = record;
    const address = record.address ?? stack.network.address;
    this.localEnd = { host: address.toString(), port: record.port };
  }

  get error(): number {
    return this.#record.error;
  }

  get waiting(): number {
    return this.#record.ready.size;
  }

  get opening(): number {
    return this.#record.halfOpen.size;
  }

  take(): StreamFlow | null {
    return this.#record.take();
  }

  close(nowMs: number): void {
    this.#stack.unlisten(this.#record, nowMs);
  }
}

/** Refuses bounds and settings that make no sense. */
function checkBounds(call: string, options: ContextOptions): void {
  const { limits, random, tcp, neighbours, reassembly } = options;
  checkSettings(call, "limits", limits, DEFAULT_LIMITS);
  checkSettings(call, "tcp", tcp, DEFAULT_TCP_CONFIG);
  checkTcpConfig(call, { ...DEFAULT_TCP_CONFIG, ...tcp });
  checkSettings(call, "neighbours", neighbours, DEFAULT_NEIGHBOUR_LIMITS);
  checkSettings(call, "reassembly", reassembly, DEFAULT_REASSEMBLY_LIMITS);
  const { ephemeralFirst, ephemeralLast } = { ...DEFAULT_LIMITS, ...limits };
  if (ephemeralFirst > ephemeralLast || ephemeralLast > 65_535) {
    invalid(call, "limits.ephemeralFirst to limits.ephemeralLast must be a range of ports");
  }
  if (random !== undefined && typeof random !== "function") {
    throw new TypeError(`${call}: random must be a function, got ${typeof random}`);
  }
}

/** Refuses what is no driver, or none that a new context could use. */
function checkDriver(call: string, driver: Driver): void {
  if (typeof driver?.poll !== "function") {
    throw new TypeError(`${call}: driver must be an open driver, from openDriver for instance`);
  }
  if (driversInUse.has(driver)) {
    throw netError("EBUSY", call, `driver ${driver.name} is used by another context`);
  }
  // The memory of a native driver goes with it. Not asked by a poll, which would lose frames.
  if (driver.frames.length === 0) {
    throw netError("EBADF", call, `driver ${driver.name} is closed`);
  }
}

/** @returns our address and how long the prefix of its network is */
function prefixOf(call: string, text: unknown): Prefix {
  // Without its length a prefix is a host's: there would be nobody else in the network.
  const prefix = typeof text === "string" && text.includes("/") ? parsePrefix(text) : null;
  if (prefix === null || prefix.address.family !== 4) {
    invalid(call, `address must be like "10.0.0.2/24", got ${JSON.stringify(text)}`);
  }
  const { address, bits } = prefix;
  const host = address.w3 & ~maskOf(bits);
  const isAll = isBroadcastOf(prefix, address);
  // RFC 3021: the two addresses of a /31 are hosts.
  if (address.isUnspecified || isAll || (bits < 31 && host === 0)) {
    const what = isAll ? "the broadcast address of the network" : "a network, not a host in it";
    invalid(call, `address must be like "10.0.0.2/24", got "${text}": that is ${what}`);
  }
  return prefix;
}

function gatewayIn(prefix: Prefix, text: string): IpAddress {
  const gateway = checkAddress("createContext", "gateway", text);
  if (!contains(prefix, gateway)) {
    invalid("createContext", `gateway ${text} is not in the network of the address`);
  }
  return gateway;
}

function macOf(text: string): Uint8Array {
  const mac = typeof text === "string" ? parseStationMac(text) : null;
  if (mac === null) {
    invalid("createContext", `macAddress must be like "02:00:00:00:00:01", got ${String(text)}`);
  }
  return mac;
}

function systemRandom(into: Uint8Array): void {
  crypto.getRandomValues(into);
}
