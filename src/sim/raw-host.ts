// SPDX-License-Identifier: MIT
// A host without a stack: a test sends whatever frames it likes and reads what arrives. It answers
// ARP for its address unless told not to, so that the other side finds it. As a silent host it
// answers ARP and ignores the rest: the peer of every ETIMEDOUT test.

import { PENDING, READY, Wait, WaitQueue } from "../../scheduler/internal.ts";
import { bytesArgument } from "./check.ts";
import { type CraftIpv4, craftArp, ipNumber } from "./craft.ts";
import type { FrameSink } from "./frame-sink.ts";
import { FrameView, macText } from "./frame-view.ts";
import type { Link, LinkEnd } from "./link.ts";

/** Frames that wait to be read; beyond it the newest is dropped and counted. */
const QUEUE_FRAMES = 65_536;
/** Longest frame a link carries. */
const FRAME_BYTES_MAX = 65_535 + 18;

/** How a raw host behaves by itself. */
export interface RawHostOptions {
  /** `"10.0.0.7"`; default: the next free address of the segment. */
  readonly address?: string;
  /** Answer ARP requests for the address; default true. */
  readonly answersArp?: boolean;
  /** Drop everything else instead of keeping it for `recv`; default false. */
  readonly isSilent?: boolean;
}

/** Where something can be reached: a simulated host or a raw one. */
export interface Addressed {
  readonly address: string;
  readonly macAddress: Uint8Array;
}

/**
 * A raw endpoint. Made by `net.rawHost(name)` and `net.silentHost(name)`.
 *
 * @example
 * ```ts
 * import { now } from "caraway";
 * import { craftTcp, simulate, TCP_FLAGS } from "caraway/testing";
 * await simulate(1, function* (net) {
 *   const server = net.host("server");
 *   const evil = net.rawHost("evil");
 *   const { SYN } = TCP_FLAGS;
 *   evil.send(craftTcp({ ...evil.to(server), sourcePort: 1, destinationPort: 80, flags: SYN }));
 *   const answer = yield* evil.recv(now() + 1_000);
 *   console.log(answer.length);
 * });
 * ```
 */
export class RawHost implements FrameSink, LinkEnd, Addressed {
  readonly name: string;
  readonly isSwitch = false;
  readonly macAddress: Uint8Array;
  /** `"10.0.0.7"`. */
  address: string;
  readonly answersArp: boolean;
  readonly isSilent: boolean;
  /** Frames that arrived, and those not kept because the queue was full. */
  arrived = 0;
  dropped = 0;
  private cable: Link | null = null;
  private readonly nowMs: () => number;
  private readonly queue: Uint8Array[] = [];
  private taken = 0;
  private readonly readers: WaitQueue = new WaitQueue();
  private readonly view: FrameView = new FrameView();

  constructor(name: string, macAddress: Uint8Array, nowMs: () => number, options: RawHostOptions) {
    this.name = name;
    this.macAddress = macAddress;
    this.address = "";
    this.nowMs = nowMs;
    this.answersArp = options.answersArp ?? true;
    this.isSilent = options.isSilent ?? false;
  }

  /** The link this host is on. */
  get link(): Link {
    if (this.cable === null) throw new Error(`${this.name} is not plugged in`);
    return this.cable;
  }

  /** @internal Plugs the host in, with an address like `10.0.0.7/24`. */
  plug(link: Link, address: string): void {
    this.cable = link;
    this.address = address.split("/")[0] as string;
  }

  /** Frames that wait to be read. */
  get waiting(): number {
    return this.queue.length - this.taken;
  }

  /**
   * Sends a frame now, as it is.
   *
   * @param frame - From the Ethernet header on; copied.
   * @throws NetError EINVAL: `frame` is no Uint8Array.
   */
  send(frame: Uint8Array): void {
    bytesArgument("raw.send", "frame", frame);
    const { link } = this;
    link.from(this.name).receive(frame, 0, Math.min(frame.length, FRAME_BYTES_MAX), this.nowMs());
  }

  /**
   * Waits for the next frame.
   *
   * @param deadline - absolute ms on the loop's clock, -1 never, 0 now
   * @returns the frame; it belongs to the caller.
   * @throws NetError ECANCELED, ETIMEDOUT.
   */
  recv(deadline?: number): Wait<Uint8Array> {
    return new RawReceive(this, this.readers, deadline);
  }

  /**
   * Gives the addresses of a frame from here to there, for the craft functions:
   * `craftTcp({ ...raw.to(host), sourcePort: 1, destinationPort: 80 })`.
   *
   * @param other - where the frame goes
   * @returns fields to spread into those of a frame
   */
  to(
    other: Addressed,
  ): Required<Pick<CraftIpv4, "sourceMac" | "destinationMac" | "source" | "destination">> {
    return {
      sourceMac: this.macAddress,
      destinationMac: other.macAddress,
      source: this.address,
      destination: other.address,
    };
  }

  /**
   * Takes the oldest waiting frame; null when there is none. Never waits.
   *
   * @returns the frame, or null
   */
  take(): Uint8Array | null {
    const frame = this.queue[this.taken];
    if (frame === undefined) return null;
    this.taken++;
    if (this.taken >= 1024 || this.taken === this.queue.length) {
      this.queue.splice(0, this.taken);
      this.taken = 0;
    }
    return frame;
  }

  /** @internal Puts back what `take` gave and nobody used. */
  putBack(frame: Uint8Array): void {
    this.queue.splice(0, this.taken, frame);
    this.taken = 0;
  }

  /** Takes a frame from the link. */
  receive(bytes: Uint8Array, offset: number, length: number, _nowMs: number): void {
    this.arrived++;
    const isArp = length >= 14 && bytes[offset + 12] === 0x08 && bytes[offset + 13] === 0x06;
    if (this.isSilent && !isArp) return;
    const frame = bytes.slice(offset, offset + length);
    if (isArp && this.answersArp && this.answerArp(frame)) return;
    if (this.isSilent) return;
    if (this.waiting >= QUEUE_FRAMES) {
      this.dropped++;
      return;
    }
    this.queue.push(frame);
    this.readers.wakeOne();
  }

  private answerArp(frame: Uint8Array): boolean {
    const view = this.view.parse(frame);
    if (!view.isArp || view.arpOperation !== 1) return false;
    if (view.destinationIp !== ipNumber(this.address)) return false;
    const senderMac = frame.slice(view.networkOffset + 8, view.networkOffset + 14);
    this.send(
      craftArp({
        operation: 2,
        destinationMac: macText(senderMac, 0),
        senderMac: this.macAddress,
        senderIp: this.address,
        targetMac: senderMac,
        targetIp: view.source,
      }),
    );
    return true;
  }
}

/** The wait of {@link RawHost.recv}. */
class RawReceive extends Wait<Uint8Array> {
  private readonly host: RawHost;
  private readonly readers: WaitQueue;
  private frame: Uint8Array | null = null;

  constructor(host: RawHost, readers: WaitQueue, deadline: number | undefined) {
    super("raw.recv", deadline);
    this.host = host;
    this.readers = readers;
  }

  override poll(_nowMs: number): number {
    this.frame ??= this.host.take();
    return this.frame === null ? PENDING : READY;
  }

  override queue(): WaitQueue {
    return this.readers;
  }

  // This wait may have used up the wake-up of a frame that it will not take.
  override withdrawn(_errno: number): void {
    if (this.frame !== null) this.host.putBack(this.frame);
    this.frame = null;
    if (this.host.waiting > 0) this.readers.wakeOne();
  }

  override take(): Uint8Array {
    const frame = this.frame as Uint8Array;
    this.frame = null;
    return frame;
  }
}
