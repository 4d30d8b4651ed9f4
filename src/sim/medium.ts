// SPDX-License-Identifier: MIT
// What all links of one simulated network share: the frames under way, the trace, the hash.

import { Agenda } from "./in-flight.ts";
import type { Random } from "./random.ts";
import { Trace } from "./trace.ts";
import { TraceHash } from "./trace-hash.ts";

/** Most frames under way at once in a network, unless said otherwise. */
export const FRAMES_UNDER_WAY_MAX = 65_536;
/** Frames a trace remembers, unless said otherwise. */
export const TRACE_FRAMES = 4096;

/** Limits of a {@link Medium}. */
export interface MediumOptions {
  /** Most frames under way at once; default 65,536. The rest is dropped and counted. */
  readonly framesUnderWay?: number;
  /** Frames the trace remembers; default 4096, 0: no trace. */
  readonly traceFrames?: number;
}

/** The shared part of a simulated network. */
export class Medium {
  readonly agenda: Agenda;
  readonly trace: Trace;
  readonly hash: TraceHash = new TraceHash();
  readonly random: Random;
  /** Called after something was put on the agenda with no frame before it: re-arm the clock. */
  onAgenda: (() => void) | null = null;

  constructor(random: Random, options: MediumOptions = {}) {
    this.random = random;
    this.agenda = new Agenda(options.framesUnderWay ?? FRAMES_UNDER_WAY_MAX);
    this.trace = new Trace(options.traceFrames ?? TRACE_FRAMES);
  }
}
