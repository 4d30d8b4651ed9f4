// SPDX-License-Identifier: MIT
// Every bound of a context in one place (R2). Reaching one is an errno for the caller, or a
// counted drop for a frame.

/** The bounds of one context. All are counts unless the name says otherwise. */
export interface Limits {
  /**
   * Connections, half-open connections and datagram sockets together, TIME-WAIT not counted.
   * `ENFILE` beyond.
   */
  readonly maxSockets: number;
  /** Listening ports. `ENFILE` beyond. */
  readonly maxListeners: number;
  /** Connections in TIME-WAIT; beyond it the one that has waited longest ends early. */
  readonly maxTimeWait: number;
  /** Half-open connections per listener; beyond it the oldest makes room (RFC 4987 §3.3). */
  readonly maxHalfOpen: number;
  /** Datagrams that wait in one socket to be received; what comes beyond them is dropped. */
  readonly maxQueuedDatagrams: number;
  /** Bytes of their payloads; what comes beyond them is dropped. */
  readonly maxQueuedDatagramBytes: number;
  /** Frames handed from this context to itself that wait for the next round. */
  readonly maxLoopbackFrames: number;
  /** First ephemeral port (RFC 6335: 49152). */
  readonly ephemeralFirst: number;
  /** Last ephemeral port, inclusive. */
  readonly ephemeralLast: number;
}

/** What a context is bounded by when nothing else is asked for. */
export const DEFAULT_LIMITS: Limits = {
  maxSockets: 1_048_576,
  maxListeners: 1_024,
  maxTimeWait: 65_536,
  maxHalfOpen: 1_024,
  maxQueuedDatagrams: 1_024,
  maxQueuedDatagramBytes: 262_144,
  maxLoopbackFrames: 1_024,
  ephemeralFirst: 49_152,
  ephemeralLast: 65_535,
};
