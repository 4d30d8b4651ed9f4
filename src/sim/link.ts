// SPDX-License-Identifier: MIT
// A link between two ends: a pipe for each direction. The ends are hosts, raw endpoints or ports
// of a segment.

import { type Capture, type CaptureOptions, startCapture } from "./capture.ts";
import { functionArgument, wrong } from "./check.ts";
import type { LinkConditions } from "./conditions.ts";
import type { Medium } from "./medium.ts";
import { Pipe } from "./pipe.ts";
import { Rule, type RuleFunction } from "./rules.ts";

/** One end of a link, as the link needs to know it. */
export interface LinkEnd {
  readonly name: string;
  readonly isSwitch: boolean;
}

/** The name of an end of a link: frames in that direction come *from* it. */
export type EndName = string;

/**
 * A link with two directions, which can be changed while it runs.
 *
 * @example
 * ```ts
 * import { simulate, drop } from "caraway/testing";
 * await simulate(1, function* (net) {
 *   const link = net.link("a", "b", { delayMs: 10, loss: 0.01 });
 *   link.set({ bandwidthBps: 1_000_000 }, "a");        // only what a sends
 *   link.rule((frame) => (frame.fin ? drop : undefined));
 * });
 * ```
 */
export class Link {
  readonly name: string;
  /** What the first end sends, and what the second sends. */
  readonly forward: Pipe;
  readonly back: Pipe;

  constructor(medium: Medium, name: string, first: LinkEnd, second: LinkEnd) {
    this.name = name;
    this.forward = new Pipe(medium, name, first.name, second.name, first.isSwitch);
    this.back = new Pipe(medium, name, second.name, first.name, second.isSwitch);
  }

  /**
   * Changes conditions of both directions, or of what one end sends.
   *
   * @param conditions - what to change; the rest stays
   * @param from - Name of the sending end; omitted: both.
   * @throws NetError EINVAL: a condition is unknown or out of range, or there is no such end.
   */
  set(conditions: LinkConditions, from?: EndName): void {
    for (const pipe of this.pipes(from)) pipe.set(conditions);
  }

  /**
   * Puts a rule in force, after those there are.
   *
   * @param decide - Called for each frame that enters; see {@link RuleFunction}.
   * @param from - Name of the sending end; omitted: both directions.
   * @returns the rule, which counts and can be removed.
   * @throws NetError EINVAL: `decide` is no function, or there is no such end.
   */
  rule(decide: RuleFunction, from?: EndName): Rule {
    functionArgument("sim.rule", "decide", decide);
    return new Rule(
      decide,
      this.pipes(from).map((pipe) => pipe.rules),
    );
  }

  /**
   * Cuts the link, or one direction: nothing enters, and what would arrive is lost.
   *
   * @param from - name of the sending end; omitted: both
   * @throws NetError EINVAL: there is no such end.
   */
  partition(from?: EndName): void {
    for (const pipe of this.pipes(from)) pipe.isPartitioned = true;
  }

  /**
   * Undoes {@link Link.partition}.
   *
   * @param from - name of the sending end; omitted: both
   * @throws NetError EINVAL: there is no such end.
   */
  repair(from?: EndName): void {
    for (const pipe of this.pipes(from)) pipe.isPartitioned = false;
  }

  /**
   * Puts a frame on the link as if this end had sent it.
   *
   * @param from - name of the sending end
   * @param frame - from the Ethernet header on; copied
   * @param nowMs - virtual time, ms
   * @throws NetError EINVAL: there is no such end.
   */
  inject(from: EndName, frame: Uint8Array, nowMs: number): void {
    (this.pipes(from)[0] as Pipe).receive(frame, 0, frame.length, nowMs);
  }

  /**
   * Captures the link as a pcap file with times in nanoseconds.
   *
   * @param sink - Is given the bytes of the file, piece by piece.
   * @param options - where on the link to look
   * @returns the capture, which can be stopped
   * @throws NetError EINVAL: an argument is wrong.
   */
  capture(sink: (bytes: Uint8Array) => void, options: CaptureOptions = {}): Capture {
    return startCapture(this, sink, options);
  }

  /**
   * The direction in which this end sends.
   *
   * @param end - name of an end
   * @returns the direction, with its conditions and counters
   */
  from(end: EndName): Pipe {
    return this.pipes(end)[0] as Pipe;
  }

  /**
   * Counters of both directions, by the name of the sending end.
   *
   * @returns copies of the counters
   */
  statistics(): Record<EndName, Readonly<Pipe["statistics"]>> {
    return {
      [this.forward.from]: { ...this.forward.statistics },
      [this.back.from]: { ...this.back.statistics },
    };
  }

  private pipes(from: EndName | undefined): Pipe[] {
    if (from === undefined) return [this.forward, this.back];
    if (from === this.forward.from) return [this.forward];
    if (from === this.back.from) return [this.back];
    const rule = `must be "${this.forward.from}" or "${this.back.from}"`;
    throw wrong("sim.link", "from", rule, from);
  }
}
