// SPDX-License-Identifier: MIT
// What a TCP connection asks of the stack around it. Everything in src/tcp is sans-I/O: it is
// called with segments and times, and calls these few functions back.

import type { TcpCounters } from "./counters.ts";
import type { Tcb } from "./tcb.ts";

/** In-order bytes, or the end of the stream, can be taken. */
export const EVENT_READABLE = 1;
/** Room in the send buffer, or sent bytes were acknowledged. */
export const EVENT_WRITABLE = 2;
/** The state or the error of the connection has changed. */
export const EVENT_STATE = 4;

/** The context that a connection lives in. */
export interface TcbHost {
  /**
   * Finds room for one outgoing segment.
   *
   * @returns false when the tx ring is full: stop; `output` is called again when there is room.
   */
  reserve(tcb: Tcb): boolean;
  /** Memory to write the segment to, valid after `reserve` said true. */
  readonly txBytes: Uint8Array;
  /** Where in `txBytes` the TCP header goes. */
  readonly txOffset: number;
  /**
   * How long a segment may be that is cut up below (TCP segmentation offload), now.
   *
   * @returns bytes, TCP header included; 0: no longer than any other
   */
  superSegmentBytes(tcb: Tcb): number;
  /**
   * Sends the segment written at `txOffset`; fills in its checksum and the lower layers.
   *
   * @param cutBytes - 0, or payload bytes of each segment that it is to be cut into
   */
  commit(tcb: Tcb, lengthBytes: number, cutBytes: number): void;
  /** Wants `output(tcb)` called at the end of this round. Idempotent. */
  requestOutput(tcb: Tcb): void;
  /** Marks whoever waits for one of these events ready; resumes nobody. */
  notify(tcb: Tcb, events: number): void;
  /**
   * Offers in-order bytes to a reader who waits for them, before any buffer; missing: there is
   * none. Resumes nobody.
   *
   * @returns how many were copied: the first ones
   */
  deliver?(tcb: Tcb, bytes: Uint8Array, offset: number, length: number): number;
  /** Where drops are counted; without it every connection counts for itself. */
  readonly tcpCounters?: TcpCounters;
}
