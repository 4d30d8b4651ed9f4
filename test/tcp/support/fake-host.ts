// SPDX-License-Identifier: MIT
// A TcbHost that keeps what is sent.

import type { TcbHost } from "../../../src/tcp/host.ts";
import type { Tcb } from "../../../src/tcp/tcb.ts";
import { parseTcp, TcpSegment } from "../../../src/wire/tcp.ts";

const TX_BYTES = 66_000;
const TX_OFFSET = 34;

/** One segment as it left. */
export interface SentSegment {
  readonly atMs: number;
  readonly segment: TcpSegment;
  /** Header and payload, a copy. */
  readonly bytes: Uint8Array;
}

/** A host of one connection; the test is its clock and its run loop. */
export class FakeHost implements TcbHost {
  readonly txBytes: Uint8Array = new Uint8Array(TX_BYTES);
  readonly txOffset: number = TX_OFFSET;
  readonly sent: SentSegment[] = [];
  /** Of all that ever left: payload of what it is to be cut into, 0: it left as it was. */
  readonly cuts: number[] = [];
  nowMs = 0;
  /** Segments for which there is room. */
  room: number = Number.POSITIVE_INFINITY;
  isOutputWanted = false;
  /** Longest segment that is cut up below, TCP header included; 0: none. */
  superBytes = 0;
  /** EVENT_* bits since they were last cleared. */
  events = 0;
  #isReserved = false;

  reserve(_tcb: Tcb): boolean {
    this.#isReserved = this.room > 0;
    return this.#isReserved;
  }

  superSegmentBytes(_tcb: Tcb): number {
    return this.superBytes;
  }

  commit(_tcb: Tcb, lengthBytes: number, cutBytes: number): void {
    if (!this.#isReserved) throw new Error("commit without reserve");
    this.#isReserved = false;
    this.room--;
    const bytes = this.txBytes.slice(TX_OFFSET, TX_OFFSET + lengthBytes);
    const segment = new TcpSegment();
    const reason = parseTcp(bytes, 0, lengthBytes, segment);
    if (reason !== 0) throw new Error(`sent a segment that does not parse: ${reason}`);
    this.cuts.push(cutBytes);
    this.sent.push({ atMs: this.nowMs, segment, bytes });
  }

  requestOutput(_tcb: Tcb): void {
    this.isOutputWanted = true;
  }

  notify(_tcb: Tcb, events: number): void {
    this.events |= events;
  }
}
