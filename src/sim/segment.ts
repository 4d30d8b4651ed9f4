// SPDX-License-Identifier: MIT
// A segment: one broadcast domain for any number of hosts, each on a link of its own to the switch
// in the middle. As a learning switch it sends a frame to where its destination was last seen and
// floods what it does not know; as a hub it floods everything. It forwards in no time: delay and
// bandwidth belong to the links.

import type { FrameSink } from "./frame-sink.ts";
import { Link, type LinkEnd } from "./link.ts";
import type { Medium } from "./medium.ts";
import { macKey } from "./trace.ts";

/** MAC addresses remembered; beyond it the oldest is forgotten. */
const ADDRESSES_MAX = 65_536;

/** How a segment forwards. */
export type SegmentMode = "switch" | "hub";

/**
 * One broadcast domain.
 *
 * @example
 * ```ts
 * import { simulate } from "caraway/testing";
 * await simulate(1, function* (net) {
 *   const hub = net.lan("hub", { mode: "hub" });
 *   net.host("a", { lan: "hub" });
 *   console.log(hub.flooded);
 * });
 * ```
 */
export class Segment implements LinkEnd {
  readonly name: string;
  readonly isSwitch = true;
  readonly mode: SegmentMode;
  /** Frames that reached the middle, and those sent to every port. */
  forwarded = 0;
  flooded = 0;
  /** Frames held back by a partition between hosts. */
  partitioned = 0;
  private readonly medium: Medium;
  private readonly ports: Port[] = [];
  private readonly portByMac: Map<number, Port> = new Map();
  /** Pairs `from * 65536 + to` of ports that cannot reach each other. */
  private readonly blocked: Set<number> = new Set();

  constructor(medium: Medium, name: string, mode: SegmentMode) {
    this.medium = medium;
    this.name = name;
    this.mode = mode;
  }

  /**
   * @internal Plugs in an end and returns its link; `link.forward` is what the end sends.
   *
   * @param sink - Takes what the segment sends to this end.
   */
  plug(end: LinkEnd, sink: FrameSink): Link {
    const link = new Link(this.medium, end.name, end, this);
    const port = new Port(this, this.ports.length, link);
    this.ports.push(port);
    link.forward.sink = port;
    link.back.sink = sink;
    return link;
  }

  /** @internal Says whether frames pass between two links of this segment, in both directions. */
  setReachable(first: Link, second: Link, isReachable: boolean): void {
    const a = this.ports.findIndex((port) => port.link === first);
    const b = this.ports.findIndex((port) => port.link === second);
    for (const pair of [a * ADDRESSES_MAX + b, b * ADDRESSES_MAX + a]) {
      if (isReachable) this.blocked.delete(pair);
      else this.blocked.add(pair);
    }
  }

  /** @internal Passes a frame on that came in at a port. */
  forward(from: Port, bytes: Uint8Array, offset: number, length: number, nowMs: number): void {
    this.forwarded++;
    if (this.mode === "switch" && length >= 14) {
      this.learn(macKey(bytes, offset + 6), from);
      const isGroup = ((bytes[offset] as number) & 1) !== 0;
      const known = isGroup ? undefined : this.portByMac.get(macKey(bytes, offset));
      if (known !== undefined) {
        if (known !== from) this.send(from, known, bytes, offset, length, nowMs);
        return;
      }
    }
    this.flooded++;
    for (const port of this.ports) {
      if (port !== from) this.send(from, port, bytes, offset, length, nowMs);
    }
  }

  private learn(mac: number, port: Port): void {
    if (this.portByMac.get(mac) === port) return;
    this.portByMac.delete(mac);
    if (this.portByMac.size >= ADDRESSES_MAX) {
      for (const oldest of this.portByMac.keys()) {
        this.portByMac.delete(oldest);
        break;
      }
    }
    this.portByMac.set(mac, port);
  }

  private send(
    from: Port,
    to: Port,
    bytes: Uint8Array,
    offset: number,
    length: number,
    nowMs: number,
  ): void {
    if (this.blocked.size > 0 && this.blocked.has(from.index * ADDRESSES_MAX + to.index)) {
      this.partitioned++;
      return;
    }
    to.link.back.receive(bytes, offset, length, nowMs);
  }
}

/** One port of a segment. */
class Port implements FrameSink {
  readonly index: number;
  readonly link: Link;
  private readonly segment: Segment;

  constructor(segment: Segment, index: number, link: Link) {
    this.segment = segment;
    this.index = index;
    this.link = link;
  }

  receive(bytes: Uint8Array, offset: number, length: number, nowMs: number): void {
    this.segment.forward(this, bytes, offset, length, nowMs);
  }
}
