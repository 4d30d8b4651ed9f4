// SPDX-License-Identifier: MIT
// A simulated network: hosts, segments and links, and the clock work between them. It is a poller
// of the loop: at the beginning of each round it delivers the frames that are due, so that the
// hosts, polled after it, see them in the same round; and one timer makes the virtual clock jump
// to the next delivery.

import { type Loop, type Poller, Timer } from "../../scheduler/internal.ts";
import { AddressPlan } from "./address-plan.ts";
import { knownKeys, wrong } from "./check.ts";
import type { LinkConditions } from "./conditions.ts";
import { HOST_OPTIONS, type HostOptions, SimHost } from "./host.ts";
import { Link } from "./link.ts";
import { Medium, type MediumOptions } from "./medium.ts";
import type { PipeStatistics } from "./pipe.ts";
import type { Random } from "./random.ts";
import { RawHost, type RawHostOptions } from "./raw-host.ts";
import { Segment, type SegmentMode } from "./segment.ts";
import type { TraceFilter } from "./trace.ts";

/** Hosts in one network, raw ones included; MAC addresses are numbered with 16 bits. */
const HOSTS_MAX = 65_000;
/** Name of the segment that hosts are on when nothing else is said. */
const DEFAULT_LAN = "lan";

/** How a segment is made. */
export interface LanOptions {
  /** `"10.1.0.0/24"`; default 10.0.k.0/24 for the k-th segment or link, starting at 0. */
  readonly prefix?: string;
  /** Learning switch (default) or hub. */
  readonly mode?: SegmentMode;
}

/** A host that can be plugged in: with a stack, or raw. */
type AnyHost = SimHost | RawHost;

/**
 * A simulated network on a loop, virtual or real. `simulate` makes one; a program that wants one on
 * the real clock makes it with `new SimNetwork(currentLoop(), new Random(seed))` and closes it.
 *
 * @example
 * ```ts
 * import { simulate } from "caraway/testing";
 * await simulate(1, function* (net) {
 *   const a = net.host("a");
 *   const b = net.host("b", { link: { delayMs: 10, loss: 0.01 } });
 *   net.partition([a], [b]);
 *   console.log(net.trace().join("\n"));
 * });
 * ```
 */
export class SimNetwork implements Poller {
  /** For messages of the loop. */
  readonly name = "simulated network";
  readonly isReal = false;
  readonly random: Random;
  readonly medium: Medium;
  private readonly loop: Loop;
  private readonly timer: DeliveryTimer;
  private readonly plan: AddressPlan;
  private readonly hosts: Map<string, AnyHost> = new Map();
  private readonly segments: Map<string, Segment> = new Map();
  private readonly segmentOf: Map<AnyHost, Segment> = new Map();
  private readonly allLinks: Map<string, Link> = new Map();

  /** @param random - Everything random in this network comes from forks of it. */
  constructor(loop: Loop, random: Random, options: MediumOptions = {}) {
    this.loop = loop;
    this.random = random;
    this.medium = new Medium(random, options);
    this.plan = new AddressPlan();
    this.timer = new DeliveryTimer();
    this.medium.onAgenda = () => this.armTimer();
    loop.addPoller(this);
  }

  /** Time on the loop's clock, ms. */
  get nowMs(): number {
    return this.loop.nowMs;
  }

  // --- what there is -------------------------------------------------------------------------

  /**
   * Finds the host of this name, or makes it and plugs it into a segment.
   *
   * @param name - unique in the network
   * @param options - address, segment, link, NIC, stack
   * @returns the host, plugged in and up
   * @throws NetError EINVAL: an option is wrong, or the host exists and options are given.
   */
  host(name: string, options?: HostOptions): SimHost {
    const known = this.hosts.get(name);
    if (known !== undefined) {
      if (known instanceof SimHost && options === undefined) return known;
      throw wrong("sim.host", "name", "is in use", name);
    }
    const host = this.createHost(name, options ?? {});
    if (options?.lan !== false) {
      this.plugInto(options?.lan ?? DEFAULT_LAN, host, options?.address, options?.link);
    }
    return host;
  }

  /**
   * Makes a raw endpoint on a segment: it has no stack, the test sends and reads frames.
   *
   * @param name - unique in the network
   * @param options - address, segment, link, behaviour
   * @returns the endpoint, plugged in
   * @throws NetError EINVAL: an option is wrong, or the name is in use.
   */
  rawHost(name: string, options: RawHostOptions & RawPlace = {}): RawHost {
    const lan = options.lan ?? DEFAULT_LAN;
    this.lan(lan);
    this.checkName(name);
    const host = new RawHost(name, this.plan.mac(), () => this.nowMs, options);
    this.register(host);
    this.plugInto(lan, host, options.address, options.link);
    return host;
  }

  /**
   * Makes a host that answers ARP and nothing else.
   *
   * @param name - unique in the network
   * @param options - address, segment, link
   * @returns the endpoint, plugged in
   */
  silentHost(name: string, options: RawHostOptions & RawPlace = {}): RawHost {
    return this.rawHost(name, { ...options, isSilent: true });
  }

  /**
   * Finds the segment of this name or makes it.
   *
   * @param name - unique in the network; default `"lan"`
   * @param options - prefix and mode
   * @returns the segment
   * @throws NetError EINVAL: an option is wrong, or the segment exists and options are given.
   */
  lan(name: string = DEFAULT_LAN, options?: LanOptions): Segment {
    const known = this.segments.get(name);
    if (known !== undefined) {
      if (options === undefined) return known;
      throw wrong("sim.lan", "name", "is in use", name);
    }
    knownKeys("sim.lan", "options", options ?? {}, ["prefix", "mode"]);
    const mode = options?.mode ?? "switch";
    if (mode !== "switch" && mode !== "hub") {
      throw wrong("sim.lan", "mode", 'must be "switch" or "hub"', mode);
    }
    this.plan.addPrefix(name, options?.prefix);
    const segment = new Segment(this.medium, name, mode);
    this.segments.set(name, segment);
    return segment;
  }

  /**
   * Links two hosts directly. A name that is not known becomes a host.
   *
   * @param first - a host or the name of one
   * @param second - another
   * @param conditions - Of both directions; see `link.set(conditions, from)` for one of them.
   * @returns the link; its name is `"first-second"`
   * @throws NetError EINVAL: a condition is wrong, or a host is plugged in already.
   */
  link(first: string | SimHost, second: string | SimHost, conditions: LinkConditions = {}): Link {
    const a = this.unplugged(first, "first");
    const b = this.unplugged(second, "second");
    if (a === b) throw wrong("sim.link", "second", "must be another host", b.name);
    const name = `${a.name}-${b.name}`;
    this.plan.addPrefix(name, undefined);
    const link = new Link(this.medium, name, a, b);
    link.set(conditions);
    link.forward.sink = b;
    link.back.sink = a;
    for (const host of [a, b]) host.plug(link, this.addressOf(name, host.wishedAddress));
    this.allLinks.set(name, link);
    return link;
  }

  /** All links, in the order in which they were made. */
  get links(): readonly Link[] {
    return [...this.allLinks.values()];
  }

  // --- faults --------------------------------------------------------------------------------

  /**
   * Keeps two groups of hosts of one segment from reaching each other.
   *
   * @param left - some hosts
   * @param right - those they shall not reach, nor be reached by
   * @throws NetError EINVAL: a host is not on a segment, or they are on different ones.
   */
  partition(left: readonly AnyHost[], right: readonly AnyHost[]): void {
    this.setReachable(left, right, false);
  }

  /**
   * Undoes {@link SimNetwork.partition}.
   *
   * @param left - some hosts
   * @param right - those they shall reach again
   * @throws NetError EINVAL: a host is not on a segment, or they are on different ones.
   */
  repair(left: readonly AnyHost[], right: readonly AnyHost[]): void {
    this.setReachable(left, right, true);
  }

  // --- what happened -------------------------------------------------------------------------

  /**
   * Prints what the links carried, one line per frame; the oldest may have been forgotten.
   *
   * @param filter - which lines; default: each frame once
   * @returns lines, oldest first
   */
  trace(filter: TraceFilter = {}): string[] {
    return this.medium.trace.lines(filter);
  }

  /** The hash over every frame so far: its time, link, direction, fate and bytes. */
  get traceHash(): string {
    return this.medium.hash.digest();
  }

  /**
   * Counters of every link and direction: `statistics()["a"]["a"].lost`.
   *
   * @returns copies of the counters, by link and sending end
   */
  statistics(): Record<string, Record<string, Readonly<PipeStatistics>>> {
    const all: Record<string, Record<string, Readonly<PipeStatistics>>> = {};
    for (const link of this.allLinks.values()) all[link.name] = link.statistics();
    return all;
  }

  /**
   * What is still there: frames under way, and the leftovers of each host.
   *
   * @returns a line for each kind of thing that a host still holds
   */
  leftovers(): string[] {
    const found: string[] = [];
    for (const host of this.hosts.values()) {
      if (host instanceof SimHost) found.push(...host.leftovers());
    }
    return found;
  }

  /** Frames under way. */
  get framesUnderWay(): number {
    return this.medium.agenda.size;
  }

  /** Ends every host and forgets the frames under way. Idempotent. */
  close(): void {
    for (const host of this.hosts.values()) {
      if (host instanceof SimHost) host.close();
    }
    this.medium.agenda.clear();
    this.loop.timers.cancel(this.timer);
    this.loop.removePoller(this);
  }

  // --- Poller --------------------------------------------------------------------------------

  /** Delivers what is due. */
  poll(nowMs: number): number {
    const delivered = this.medium.agenda.advance(nowMs);
    this.armTimer();
    return delivered;
  }

  /** Nothing to do: frames leave when the hosts' drivers are polled. */
  flush(_nowMs: number): void {}

  /** The loop may sleep unless something is due; the timer wakes it for the rest. */
  armWake(_wake: () => void): boolean {
    return this.medium.agenda.nextMs() > this.loop.nowMs;
  }

  /** Nothing to take back. */
  disarmWake(): void {}

  private armTimer(): void {
    const nextMs = this.medium.agenda.nextMs();
    if (nextMs === Number.POSITIVE_INFINITY) {
      if (this.timer.isArmed) this.loop.timers.cancel(this.timer);
    } else if (!this.timer.isArmed || this.timer.whenMs !== nextMs) {
      this.loop.timers.arm(this.timer, nextMs);
    }
  }

  private createHost(name: string, options: HostOptions): SimHost {
    knownKeys("sim.host", "options", options, HOST_OPTIONS);
    this.checkName(name);
    const random = this.random.fork(`host ${name}`);
    const mac = options.macAddress ?? this.plan.mac();
    const host = new SimHost(name, mac, random, options);
    this.register(host);
    return host;
  }

  private checkName(name: string): void {
    if (typeof name !== "string" || name === "") {
      throw wrong("sim.host", "name", "must be a text", name);
    }
    if (this.hosts.has(name) || this.segments.has(name)) {
      throw wrong("sim.host", "name", "is in use", name);
    }
    if (this.hosts.size >= HOSTS_MAX) {
      throw wrong("sim.host", "name", `is one host too many (${HOSTS_MAX})`, name);
    }
  }

  private register(host: AnyHost): void {
    this.hosts.set(host.name, host);
    this.medium.trace.nameMac(host.macAddress, host.name);
  }

  private plugInto(
    lan: string,
    host: AnyHost,
    address: string | undefined,
    conditions: LinkConditions | undefined,
  ): void {
    const segment = this.lan(lan);
    const link = segment.plug(host, host);
    if (conditions !== undefined) link.set(conditions);
    host.plug(link, this.addressOf(lan, address));
    this.segmentOf.set(host, segment);
    this.allLinks.set(link.name, link);
  }

  private addressOf(place: string, wished: string | undefined): string {
    return wished === undefined ? this.plan.next(place) : this.plan.reserve(place, wished);
  }

  private unplugged(which: string | SimHost, argument: string): SimHost {
    const host =
      typeof which === "string" && !this.hosts.has(which)
        ? this.host(which, { lan: false })
        : typeof which === "string"
          ? this.host(which)
          : which;
    if (!(host instanceof SimHost) || host.isPlugged) {
      throw wrong("sim.link", argument, "must be a host that is not plugged in", String(which));
    }
    return host;
  }

  private setReachable(
    left: readonly AnyHost[],
    right: readonly AnyHost[],
    isReachable: boolean,
  ): void {
    for (const a of left) {
      for (const b of right) {
        const segment = this.segmentOf.get(a);
        if (segment === undefined || segment !== this.segmentOf.get(b) || a === b) {
          throw wrong("sim.partition", "hosts", "must be on one segment", `${a.name}, ${b.name}`);
        }
        segment.setReachable(a.link, b.link, isReachable);
      }
    }
  }
}

/** Where a raw host is plugged in. */
export interface RawPlace {
  /** Name of the segment; default `"lan"`. */
  readonly lan?: string;
  /** Conditions of its link. */
  readonly link?: LinkConditions;
}

/** Makes the clock jump to the next delivery; the poll of that round delivers. */
class DeliveryTimer extends Timer {
  override fire(_nowMs: number): void {}
}
