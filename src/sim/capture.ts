// SPDX-License-Identifier: MIT
// Captures of a link as pcap files that Wireshark opens, with nanosecond virtual times.

import { PcapWriter } from "../link/pcap.ts";
import { functionArgument, knownKeys } from "./check.ts";
import type { FrameRecorder } from "./frame-sink.ts";
import type { Link } from "./link.ts";

/** Where on the link a capture looks. */
export interface CaptureOptions {
  /**
   * Name of an end: what that end sends and what it receives, each at its time there, as tcpdump
   * on that host would see it. Default: both directions as they enter the link, lost frames too.
   */
  readonly at?: string;
  /** Longer frames are cut to this many bytes; default: whole frames. */
  readonly snapBytes?: number;
}

/** A running capture. */
export class Capture implements FrameRecorder {
  private readonly writer: PcapWriter;
  private readonly lists: FrameRecorder[][];

  /** @internal Use `link.capture`. */
  constructor(writer: PcapWriter, lists: FrameRecorder[][]) {
    this.writer = writer;
    this.lists = lists;
    for (const list of lists) list.push(this);
  }

  /** Frames written so far. */
  get frames(): number {
    return this.writer.frames;
  }

  /** @internal Writes one frame. */
  record(bytes: Uint8Array, offset: number, length: number, nowMs: number): void {
    this.writer.write(bytes, offset, length, nowMs);
  }

  /** Ends the capture; what was written is a whole file. Idempotent. */
  stop(): void {
    for (const list of this.lists) {
      const at = list.indexOf(this);
      if (at >= 0) list.splice(at, 1);
    }
  }
}

/** Starts a capture of `link`; see `Link.capture`. */
export function startCapture(
  link: Link,
  sink: (bytes: Uint8Array) => void,
  options: CaptureOptions,
): Capture {
  functionArgument("sim.capture", "sink", sink);
  knownKeys("sim.capture", "options", options, ["at", "snapBytes"]);
  const writer = new PcapWriter(sink, options.snapBytes);
  if (options.at === undefined) {
    return new Capture(writer, [link.forward.capturesAtSender, link.back.capturesAtSender]);
  }
  const sends = link.from(options.at);
  const receives = sends === link.forward ? link.back : link.forward;
  return new Capture(writer, [sends.capturesAtSender, receives.capturesAtReceiver]);
}
