// SPDX-License-Identifier: MIT
// The transmission control block: all that one connection remembers (RFC 9293 §3.3.1, RFC 7323,
// RFC 6298, RFC 5961). It has fields and no behaviour.
//
// Sequence numbers, ACK numbers and timestamps are int32 (compare them with seq.ts only). Times
// are ms on the context's clock; Infinity means "not armed".

import type { TcpConfig } from "./config.ts";
import { NewReno } from "./congestion.ts";
import { TcpCounters } from "./counters.ts";
import type { TcbHost } from "./host.ts";
import { ReceiveBuffer } from "./receive-buffer.ts";
import { RtoEstimator } from "./rto.ts";
import { SendBuffer } from "./send-buffer.ts";
import { CLOSED } from "./state.ts";

/** "Not armed", for times. */
export const NEVER: number = Number.POSITIVE_INFINITY;

/**
 * Send sequence space.
 *
 * ```
 *        una           resend            nxt              una + wnd
 *   ------|--------------|----------------|-------------------|--------
 *   acked   sent, in      sent once, held   may be sent          not
 *           the network   for lost          (within cwnd)        allowed yet
 * ```
 *
 * `resend == nxt` unless a retransmission timeout has declared everything lost, or a zero-window
 * probe was refused; then what lies between is sent again before anything new (go-back-N).
 */
export class SendSpace {
  /** SND.UNA: oldest unacknowledged sequence number. */
  una: number;
  /** SND.NXT: one past the highest sequence number ever sent. */
  nxt: number;
  /** Where the next segment to leave starts; una <= resend <= nxt. */
  resend: number;
  /** ISS. */
  iss: number;
  /** SND.WND in bytes, scaling applied. */
  wnd: number;
  /** SND.WL1: sequence number of the segment that last set `wnd`. */
  wl1: number;
  /** SND.WL2: ACK number of the segment that last set `wnd`. */
  wl2: number;
  /** MAX.SND.WND: largest window the peer has ever offered. */
  maxWnd: number;
  /** Shift of the peer's window fields (Snd.Wind.Shift), 0 before and without negotiation. */
  wndShift: number;
  /** Payload bytes of a full-sized segment: Eff.snd.MSS with our options taken off (SMSS). */
  mss: number;
  /** Our SYN has been acknowledged: from now on the send buffer's first byte is `una`. */
  synAcked: boolean;
  /** The user has called `finish`; `finSeq` is valid. */
  finQueued: boolean;
  /** Sequence number of our FIN. */
  finSeq: number;
  /** Our FIN has been acknowledged. */
  finAcked: boolean;

  constructor(iss: number, mss: number) {
    this.una = iss;
    this.nxt = iss;
    this.resend = iss;
    this.iss = iss;
    this.wnd = 0;
    this.wl1 = 0;
    this.wl2 = 0;
    this.maxWnd = 0;
    this.wndShift = 0;
    this.mss = mss;
    this.synAcked = false;
    this.finQueued = false;
    this.finSeq = 0;
    this.finAcked = false;
  }
}

/**
 * Receive sequence space.
 *
 * ```
 *   lastAckSent        nxt                        edge
 *   ------|-------------|--------------------------|--------
 *    acked   in order,     window: may arrive         not
 *            ACK pending                              allowed
 * ```
 */
export class ReceiveSpace {
  /** RCV.NXT: next sequence number expected. */
  nxt: number;
  /** RCV.NXT + RCV.WND as far as it was ever advertised. It never moves back (SHLD-14). */
  edge: number;
  /** IRS. */
  irs: number;
  /** Shift of our window fields (Rcv.Wind.Shift), 0 before and without negotiation. */
  wndShift: number;
  /** Both SYNs carried, or ours will carry, the window scale option. */
  hasWindowScale: boolean;
  /** The MSS we announce: payload bytes without options that a segment may bring. */
  mss: number;
  /** RCV.UP: one past the last octet of urgent data. Valid while `isUrgent`. */
  up: number;
  /** Urgent data was announced and not all of it has been read. */
  isUrgent: boolean;
  /** Last.ACK.sent of RFC 7323. */
  lastAckSent: number;
  /** One past the highest octet of text ever taken, early text included; >= `nxt`. */
  top: number;
  /** A FIN was seen, perhaps ahead of missing data; `finSeq` is valid. */
  finSeen: boolean;
  /** Sequence number of the peer's FIN. */
  finSeq: number;
  /** The peer's FIN has been reached: the stream is complete. */
  finReceived: boolean;
  /** `close()`: what arrives is acknowledged and dropped. */
  isDiscarding: boolean;
  /** Data segments taken in order since the last ACK. */
  segmentsSinceAck: number;

  constructor(mss: number) {
    this.nxt = 0;
    this.edge = 0;
    this.irs = 0;
    this.wndShift = 0;
    this.hasWindowScale = false;
    this.mss = mss;
    this.up = 0;
    this.isUrgent = false;
    this.lastAckSent = 0;
    this.top = 0;
    this.finSeen = false;
    this.finSeq = 0;
    this.finReceived = false;
    this.isDiscarding = false;
    this.segmentsSinceAck = 0;
  }
}

/** One TCP connection. Made by `createTcb`; the functions of this folder act on it. */
export class Tcb {
  readonly host: TcbHost;
  /** The host's record of this connection. */
  readonly owner: unknown;
  readonly config: TcpConfig;
  readonly counters: TcpCounters;
  readonly localPort: number;
  readonly remotePort: number;

  /** One of the numbers of state.ts. Written by state.ts only (R7). */
  state: number;
  /** Why the connection ended: 0 while it lives or after an orderly end, else -errno. */
  error: number;
  /** Last error that did not end it (ICMP, no ARP answer, R1 reached): 0 or -errno. */
  softError: number;
  /** Opened by a SYN of the peer (MUST-11). */
  isPassive: boolean;

  readonly snd: SendSpace;
  readonly rcv: ReceiveSpace;
  readonly sendBuffer: SendBuffer;
  readonly receiveBuffer: ReceiveBuffer;
  readonly rto: RtoEstimator;
  readonly congestion: NewReno;

  // --- what output() is to do ---------------------------------------------------------------
  /** An ACK must leave at the next output, alone if need be. */
  ackNow: boolean;
  /** The segment at SND.UNA is to be sent again, whatever the congestion window says. */
  retransmitHead: boolean;
  /** The persist timer has fired: send something although the window says no. */
  forceProbe: boolean;

  // --- timers -------------------------------------------------------------------------------
  /** Retransmission timer. */
  rtoAtMs: number;
  /** Persist timer: zero-window probes and the override of sender's SWS avoidance. */
  persistAtMs: number;
  /** Interval that the persist timer was last armed with. */
  persistMs: number;
  /** Delayed ACK. */
  delayedAckAtMs: number;
  /** 2MSL timer in TIME-WAIT; in other states the end of a connection without a handle. */
  endAtMs: number;
  /** No handle holds this connection any more. */
  isOrphan: boolean;
  /** Since when nothing was acknowledged although something waits for it; R2 counts from here. */
  progressAtMs: number;
  /** Retransmission timeouts since the last progress. */
  retries: number;
  /** Our SYN has timed out: initial window 1 segment, RTO 3 s (RFC 5681 §3.1, RFC 6298 §5.7). */
  synTimedOut: boolean;
  /** When a segment with text or FIN last left. */
  lastDataAtMs: number;

  // --- round-trip timing: one octet is timed at a time (RFC 6298 §3) --------------------------
  /** An octet is being timed. */
  isTiming: boolean;
  /** Nothing was retransmitted since the timing began (Karn). */
  isTimingClean: boolean;
  /** Sequence number of the timed octet. */
  timedSeq: number;
  /** When the timed octet was first sent. */
  timedAtMs: number;
  /** When the segment at SND.UNA was last sent again: an older TSecr is not believed. */
  echoFloorMs: number;

  // --- timestamps (RFC 7323 §4, §5) -----------------------------------------------------------
  /** Both SYNs carried the option. */
  hasTimestamps: boolean;
  /** Added to the clock in ms, so that the clock cannot be read off. int32. */
  readonly tsOffset: number;
  /** TS.Recent. */
  tsRecent: number;
  /** When TS.Recent was set; it expires after 24 days. */
  tsRecentAtMs: number;

  // --- challenge ACK budget (RFC 5961 §7): per connection, never global -----------------------
  challengeFromMs: number;
  challengeCount: number;

  // --- for info() -----------------------------------------------------------------------------
  /** Payload bytes acknowledged by the peer. */
  bytesAcked: number;
  /** Payload bytes received in order. */
  bytesReceived: number;
  segmentsIn: number;
  segmentsOut: number;
  retransmits: number;

  constructor(
    host: TcbHost,
    owner: unknown,
    config: TcpConfig,
    localPort: number,
    remotePort: number,
    mtuPayload: number,
    iss: number,
    tsOffset: number,
  ) {
    this.host = host;
    this.owner = owner;
    this.config = config;
    this.counters = host.tcpCounters ?? new TcpCounters();
    this.localPort = localPort;
    this.remotePort = remotePort;
    this.state = CLOSED;
    this.error = 0;
    this.softError = 0;
    this.isPassive = false;
    this.snd = new SendSpace(iss, mtuPayload);
    this.rcv = new ReceiveSpace(mtuPayload);
    this.sendBuffer = new SendBuffer(config.sendBufferBytes);
    this.receiveBuffer = new ReceiveBuffer(config.receiveBufferBytes);
    this.rto = new RtoEstimator(config);
    this.congestion = new NewReno(config.initialWindowSegments);
    this.ackNow = false;
    this.retransmitHead = false;
    this.forceProbe = false;
    this.rtoAtMs = NEVER;
    this.persistAtMs = NEVER;
    this.persistMs = 0;
    this.delayedAckAtMs = NEVER;
    this.endAtMs = NEVER;
    this.isOrphan = false;
    this.progressAtMs = 0;
    this.retries = 0;
    this.synTimedOut = false;
    this.lastDataAtMs = 0;
    this.isTiming = false;
    this.isTimingClean = false;
    this.timedSeq = 0;
    this.timedAtMs = 0;
    this.echoFloorMs = 0;
    this.hasTimestamps = false;
    this.tsOffset = tsOffset;
    this.tsRecent = 0;
    this.tsRecentAtMs = 0;
    this.challengeFromMs = Number.NEGATIVE_INFINITY;
    this.challengeCount = 0;
    this.bytesAcked = 0;
    this.bytesReceived = 0;
    this.segmentsIn = 0;
    this.segmentsOut = 0;
    this.retransmits = 0;
  }
}

/**
 * Makes a connection in CLOSED. Open it with `openActive` or `openPassive`.
 *
 * @param host - the context it lives in
 * @param owner - the host's record of it, kept in `tcb.owner`
 * @param config - its settings
 * @param localPort - our port, host byte order
 * @param remotePort - the peer's port, host byte order
 * @param mtuPayload - the MSS we announce: link MTU minus IP and TCP headers (MUST-67), bytes
 * @param iss - initial send sequence number (RFC 6528), int32
 * @param tsOffset - added to the timestamp clock (RFC 7323 §5.4), int32
 */
export function createTcb(
  host: TcbHost,
  owner: unknown,
  config: TcpConfig,
  localPort: number,
  remotePort: number,
  mtuPayload: number,
  iss: number,
  tsOffset: number,
): Tcb {
  return new Tcb(host, owner, config, localPort, remotePort, mtuPayload, iss | 0, tsOffset | 0);
}
