// SPDX-License-Identifier: MIT
// What can be set per connection, with its default, its unit and where the default comes from.

/** Settings of one connection. All are fixed when it is created. */
export interface TcpConfig {
  /** Maximum segment lifetime, ms; TIME-WAIT lasts twice this. */
  readonly mslMs: number;
  /**
   * How long a port rests in TIME-WAIT before we may use it for a new connection to the same peer,
   * ms, if the old one had timestamps, by which the peer tells both apart. `2 * mslMs`: never. 1 s
   * as Linux.
   */
  readonly timeWaitReuseMs: number;
  /** RTO before the first round-trip sample, ms. RFC 6298 §2.1. */
  readonly rtoInitialMs: number;
  /** Smallest RTO, ms. RFC 6298 §2.4 says 1 s (SHOULD); 200 ms as Linux. */
  readonly rtoMinMs: number;
  /** Largest RTO and largest interval of zero-window probes, ms. RFC 6298 §2.5: at least 60 s. */
  readonly rtoMaxMs: number;
  /** Clock granularity G of RFC 6298, ms. */
  readonly granularityMs: number;
  /** R1: retransmissions of one segment before the user is told (SHLD-9, SHLD-10: at least 3). */
  readonly r1Retries: number;
  /** R2: ms without any progress before the connection ends with ETIMEDOUT (SHLD-11: >= 100 s). */
  readonly r2Ms: number;
  /** R2 while our SYN is not acknowledged, ms (MUST-23: at least 3 minutes). */
  readonly synR2Ms: number;
  /** How long an ACK may wait for company, ms (MUST-40: less than 500). */
  readonly delayedAckMs: number;
  /** Bytes held in the send buffer, unacknowledged ones included. */
  readonly sendBufferBytes: number;
  /** Bytes held in the receive buffer: the largest window we offer. */
  readonly receiveBufferBytes: number;
  /** False: Nagle's algorithm (RFC 9293 §3.7.4). */
  readonly noDelay: boolean;
  /** Offer window scaling (RFC 7323 §2). */
  readonly windowScale: boolean;
  /** Offer timestamps (RFC 7323 §3). */
  readonly timestamps: boolean;
  /** Initial congestion window in segments (RFC 6928: 10). */
  readonly initialWindowSegments: number;
  /** FIN-WAIT-2 without a handle: ms until the connection is dropped. */
  readonly finWait2Ms: number;
  /** Any other state without a handle: ms until the connection is reset. */
  readonly orphanTimeoutMs: number;
  /** Challenge ACKs and ACKs of unacceptable empty segments per interval (RFC 5961 §7). */
  readonly challengeAckLimit: number;
  /** The interval that `challengeAckLimit` counts in, ms (RFC 5961 §7). */
  readonly challengeAckIntervalMs: number;
}

/** What holds when nothing else is asked for. */
export const DEFAULT_TCP_CONFIG: TcpConfig = Object.freeze({
  // RFC 9293 says 2 minutes; 2 * 30 s is what Linux and the BSDs wait.
  mslMs: 30_000,
  timeWaitReuseMs: 1_000,
  rtoInitialMs: 1_000,
  rtoMinMs: 200,
  rtoMaxMs: 60_000,
  granularityMs: 1,
  r1Retries: 3,
  r2Ms: 120_000,
  synR2Ms: 180_000,
  delayedAckMs: 40,
  sendBufferBytes: 262_144,
  receiveBufferBytes: 262_144,
  noDelay: true,
  windowScale: true,
  timestamps: true,
  initialWindowSegments: 10,
  finWait2Ms: 60_000,
  orphanTimeoutMs: 60_000,
  challengeAckLimit: 10,
  challengeAckIntervalMs: 5_000,
});

/**
 * Fills in the defaults.
 *
 * @param overrides - the settings that differ from `DEFAULT_TCP_CONFIG`
 * @returns a complete configuration, to be shared by connections
 */
export function tcpConfig(overrides: Partial<TcpConfig> = {}): TcpConfig {
  return Object.freeze({ ...DEFAULT_TCP_CONFIG, ...overrides });
}
