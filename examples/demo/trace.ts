// SPDX-License-Identifier: MIT
// The frames that passed our driver since a scene began: printed as lines, and checked.

import type { FrameDirection } from "../../src/testing.ts";
import { FrameView, flagText, PacketText, traceLine } from "../../src/testing.ts";

/** Bytes kept of each frame: all headers with options. */
const KEPT_BYTES = 128;
/** Frames kept of a scene. */
const FRAMES_MAX = 100_000;
/** Of a long scene so many frames are printed from its beginning, and from its end. */
const PRINTED_AT_ENDS = 6;

interface Recorded {
  readonly direction: FrameDirection;
  readonly timeMs: number;
  readonly bytes: Uint8Array;
  readonly length: number;
}

/** What passed our driver. */
export class Trace {
  readonly #text = new PacketText();
  readonly #names: Readonly<Record<FrameDirection, string>>;
  #frames: Recorded[] = [];

  /** @param peer - what to call the other end */
  constructor(peer: string) {
    this.#names = { out: `us > ${peer}`, in: `${peer} > us` };
  }

  /** For `traceDriver`. */
  readonly record = (direction: FrameDirection, frame: Uint8Array, timeMs: number): void => {
    const view = new FrameView().parse(frame);
    const isShown = view.isTcp || view.isArp || view.isIcmp;
    if (!isShown || view.source === "0.0.0.0" || this.#frames.length >= FRAMES_MAX) return;
    const bytes = frame.slice(0, KEPT_BYTES);
    this.#frames.push({ direction, timeMs, bytes, length: frame.length });
  };

  /** Starts a scene: forgets what was. */
  begin(): void {
    this.#frames = [];
  }

  /** Prints the scene with times from its first frame on, of a long one both ends. */
  print(): void {
    const startMs = this.#frames[0]?.timeMs ?? 0;
    const width = Math.max(this.#names.in.length, this.#names.out.length);
    const lines = this.#frames.map(({ direction, timeMs, bytes, length }) => {
      const where = this.#names[direction].padEnd(width);
      return traceLine(timeMs - startMs, where, this.#text.format(bytes, length));
    });
    const hidden = lines.length - 2 * PRINTED_AT_ENDS;
    if (hidden > 1) lines.splice(PRINTED_AT_ENDS, hidden, `      ... ${hidden} more frames`);
    for (const line of lines) console.log(line);
  }

  /** The TCP segments: `"in SYN"`, `"out SYN,ACK"`. */
  get segments(): readonly string[] {
    return this.#views().map(({ direction, view }) => `${direction} ${flagText(view.flags)}`);
  }

  /** What is missing of a whole handshake and an orderly close; `""`: nothing. */
  whatIsWrong(opener: FrameDirection): string {
    const answerer = opener === "in" ? "out" : "in";
    const [first, second, third] = this.segments;
    // The last of the three may carry data.
    const isThird = third?.startsWith(`${opener} `) && third.endsWith("ACK");
    if (first !== `${opener} SYN` || second !== `${answerer} SYN,ACK` || !isThird) {
      return `no handshake but ${first}, ${second}, ${third}`;
    }
    if (this.segments.some((segment) => segment.includes("RST"))) return "a RST";
    for (const direction of ["in", "out"] as const) {
      if (!this.#isFinAcknowledged(direction)) return `no FIN ${direction} with its ACK`;
    }
    return "";
  }

  /** Whether a FIN passed in this direction, and the ACK of it in the other. */
  #isFinAcknowledged(direction: FrameDirection): boolean {
    const views = this.#views();
    const fin = views.findIndex((each) => each.direction === direction && each.view.fin);
    const view = views[fin]?.view;
    if (view === undefined) return false;
    const after = (view.seq + view.payloadLength + 1) >>> 0;
    return views.slice(fin).some((each) => each.direction !== direction && each.view.ack === after);
  }

  #views(): { readonly direction: FrameDirection; readonly view: FrameView }[] {
    return this.#frames
      .map(({ direction, bytes, length }) => ({
        direction,
        view: new FrameView().parse(bytes, length),
      }))
      .filter(({ view }) => view.isTcp);
  }
}
