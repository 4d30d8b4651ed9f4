// SPDX-License-Identifier: MIT
// The memory of what the links of a network carried: the beginnings of the last frames, in a ring
// without allocation per frame, printed only when somebody asks.

import { PacketText, traceLine } from "./packet-text.ts";

/** What became of a frame that entered a link. Part of the trace hash: append only. */
export const FATE_SENT = 0;
export const FATE_LOST = 1;
export const FATE_QUEUE_FULL = 2;
export const FATE_TOO_LARGE = 3;
export const FATE_PARTITIONED = 4;
export const FATE_DROPPED_BY_RULE = 5;
export const FATE_POOL_FULL = 6;
export const FATE_DUPLICATE = 7;
/** Added to FATE_SENT or FATE_DUPLICATE. */
export const FATE_CORRUPTED = 16;
export const FATE_HELD_BACK = 32;
export const FATE_CHANGED_BY_RULE = 64;

const FATE_TEXT = [
  "",
  "lost",
  "queue full",
  "too large",
  "partitioned",
  "dropped by rule",
  "too many frames under way",
  "duplicate",
] as const;

/** Bytes kept of each frame: all headers with options, and a little payload. */
const KEPT_BYTES = 160;

/** Which lines {@link Trace.lines} gives. */
export interface TraceFilter {
  /** Only frames on this link, by its name. */
  readonly link?: string;
  /**
   * Also frames that a switch passed on unharmed; default false, because the same frame was
   * printed when it entered the switch.
   */
  readonly everyHop?: boolean;
  /** Only the last so many lines. */
  readonly last?: number;
  /** Sequence numbers as on the wire; default relative. */
  readonly absoluteNumbers?: boolean;
}

/** What the trace needs to know of one direction of a link. */
export interface TracedDirection {
  readonly link: string;
  readonly from: string;
  readonly to: string;
  /** True when the sending end is a switch. */
  readonly isFromSwitch: boolean;
}

/** The last frames of a network. */
export class Trace {
  readonly capacity: number;
  /** Frames ever recorded. */
  recorded = 0;
  private readonly directions: TracedDirection[] = [];
  private readonly macs: Map<number, string> = new Map();
  private readonly times: Float64Array;
  private readonly lengths: Int32Array;
  private readonly ids: Int32Array;
  private readonly fates: Uint8Array;
  private readonly bytes: Uint8Array;

  /** @param capacity - Frames remembered; 0: none. */
  constructor(capacity: number) {
    this.capacity = capacity;
    this.times = new Float64Array(capacity);
    this.lengths = new Int32Array(capacity);
    this.ids = new Int32Array(capacity);
    this.fates = new Uint8Array(capacity);
    this.bytes = new Uint8Array(capacity * KEPT_BYTES);
  }

  /** Registers a direction and returns its number. */
  addDirection(direction: TracedDirection): number {
    this.directions.push(direction);
    return this.directions.length - 1;
  }

  /** Records that a frame entered a link. */
  record(nowMs: number, id: number, fate: number, bytes: Uint8Array, length: number): void {
    if (this.capacity === 0) return;
    const slot = this.recorded++ % this.capacity;
    this.times[slot] = nowMs;
    this.ids[slot] = id;
    this.fates[slot] = fate;
    this.lengths[slot] = length;
    const kept = Math.min(length, KEPT_BYTES);
    const at = slot * KEPT_BYTES;
    for (let i = 0; i < kept; i++) this.bytes[at + i] = bytes[i] as number;
  }

  /** Prints what is remembered, oldest first. */
  lines(filter: TraceFilter = {}): string[] {
    const text = new PacketText({ absoluteNumbers: filter.absoluteNumbers ?? false });
    const lines: string[] = [];
    for (let i = Math.max(0, this.recorded - this.capacity); i < this.recorded; i++) {
      const slot = i % this.capacity;
      const direction = this.directions[this.ids[slot] as number] as TracedDirection;
      const fate = this.fates[slot] as number;
      const length = this.lengths[slot] as number;
      const at = slot * KEPT_BYTES;
      const bytes = this.bytes.subarray(at, at + Math.min(length, KEPT_BYTES));
      const packet = text.format(bytes, length);
      if (filter.link !== undefined && direction.link !== filter.link) continue;
      if (direction.isFromSwitch && fate === FATE_SENT && filter.everyHop !== true) continue;
      const target = filter.everyHop === true ? undefined : this.macs.get(macKey(bytes, 0));
      const where = `${direction.from} > ${target ?? direction.to}`;
      const note = fateText(fate);
      const line = traceLine(this.times[slot] as number, where, packet);
      lines.push(note === "" ? line : `${line}  *${note}*`);
    }
    return filter.last === undefined ? lines : lines.slice(-filter.last);
  }

  /** Tells the trace which host has a MAC address, for lines `a > b` on a switched segment. */
  nameMac(mac: Uint8Array, host: string): void {
    this.macs.set(macKey(mac, 0), host);
  }
}

/** Says what became of a frame: `"lost"`, `"duplicate, corrupted"`; `""` for nothing special. */
export function fateText(fate: number): string {
  const parts: string[] = [FATE_TEXT[fate & 15] ?? ""];
  if ((fate & FATE_CHANGED_BY_RULE) !== 0) parts.push("changed by rule");
  if ((fate & FATE_HELD_BACK) !== 0) parts.push("held back");
  if ((fate & FATE_CORRUPTED) !== 0) parts.push("corrupted");
  return parts.filter((part) => part !== "").join(", ");
}

/** Makes a Map key of a MAC address: 48 bits are exact in a double. */
export function macKey(bytes: Uint8Array, at: number): number {
  let key = 0;
  for (let i = 0; i < 6; i++) key = key * 256 + (bytes[at + i] ?? 0);
  return key;
}
