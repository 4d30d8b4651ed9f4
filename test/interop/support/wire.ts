// What passed our driver, for tests that look at the wire.

import { expect } from "vitest";
import { type FrameDirection, FrameView, flagText } from "../../../src/testing.ts";

/** Segments kept; a bulk transfer is not for looking at. */
const SEGMENTS_MAX = 20_000;

/** A TCP segment as it passed. */
export interface Segment {
  readonly direction: FrameDirection;
  readonly flags: string;
  readonly seq: number;
  readonly ack: number;
  readonly length: number;
  readonly remotePort: number;
}

/** The TCP segments that passed a driver. */
export class Wire {
  readonly segments: Segment[] = [];
  readonly #view: FrameView = new FrameView();

  /** For `traceDriver`. */
  readonly record = (direction: FrameDirection, frame: Uint8Array): void => {
    const view = this.#view.parse(frame);
    if (!view.isTcp || this.segments.length >= SEGMENTS_MAX) return;
    this.segments.push({
      direction,
      flags: flagText(view.flags),
      seq: view.seq,
      ack: view.ack,
      length: view.payloadLength,
      remotePort: direction === "in" ? view.sourcePort : view.destinationPort,
    });
  };

  /** `"in SYN"`, `"out SYN,ACK"`, ... */
  get flags(): string[] {
    return this.segments.map(({ direction, flags }) => `${direction} ${flags}`);
  }

  /** Whether a segment with these flags passed. */
  has(direction: FrameDirection, flag: string): boolean {
    return this.flags.some((each) => each.startsWith(direction) && each.includes(flag));
  }

  /** One connection: three segments to open it, both FINs, both of their ACKs, and no RST. */
  expectOrderly(opener: FrameDirection, firstFin: FrameDirection): void {
    const answerer = opener === "in" ? "out" : "in";
    const { flags } = this;
    expect(flags.slice(0, 2)).toEqual([`${opener} SYN`, `${answerer} SYN,ACK`]);
    expect(flags[2]).toMatch(new RegExp(`^${opener} .*ACK$`));
    expect(flags.filter((each) => each.includes("RST"))).toEqual([]);
    const fins = this.#fins();
    expect(fins.map((each) => each.direction)).toEqual(
      firstFin === "in" ? ["in", "out"] : ["out", "in"],
    );
    for (const fin of fins) {
      const after = (fin.seq + fin.length + 1) >>> 0;
      const isAck = (each: Segment): boolean =>
        each.direction !== fin.direction && each.ack === after;
      expect(this.segments.some(isAck), `ACK of the FIN ${fin.direction}`).toBe(true);
    }
  }

  /** Each FIN once: a busy machine may make either side send one again. */
  #fins(): Segment[] {
    return this.segments.filter(
      (each, i) =>
        each.flags.includes("FIN") &&
        !this.segments
          .slice(0, i)
          .some((other) => other.flags.includes("FIN") && other.direction === each.direction),
    );
  }
}
