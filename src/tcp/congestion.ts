// SPDX-License-Identifier: MIT
// Congestion control: slow start, congestion avoidance, fast retransmit and fast recovery
// (RFC 5681), limited transmit (RFC 3042), NewReno's partial acknowledgements (RFC 6582), initial
// window 10 (RFC 6928), appropriate byte counting (RFC 3465), with the L of RFC 9406 in the first
// slow start. Left out: SACK (RFC 6675), ECN's response, CUBIC, the rest of HyStart++ (RFC 9406).
//
// Against hostile receivers (hostile-input D4, D5): growth counts bytes and not ACKs, at most L
// segments per ACK, and only while the window is in use; inflation in recovery never exceeds what
// was in flight.

import { geq, gt } from "./seq.ts";

/** RFC 5681 §3.2: duplicates that mean a loss. */
const DUPLICATE_THRESHOLD = 3;
/** RFC 6928 §2: the initial window in bytes where 10 segments would be more. */
const INITIAL_SEGMENT_BYTES = 1460;
/**
 * L, segments of growth per ACK in slow start (RFC 3465 §2.2); 1 after a timeout (§2.3).
 */
const SLOW_START_LIMIT = 2;
/**
 * The same in the first slow start, while nothing is known of the path. Departs from RFC 3465:
 * peers whose NIC or kernel merges our segments acknowledge many at once, and with 2 the window
 * would grow by a fraction each round trip. 8 is what RFC 9406 §4.3 has for senders that do not
 * pace, and only there. Still no ACK is worth more than what it acknowledges.
 */
const FIRST_SLOW_START_LIMIT = 8;
/** Cap that keeps every sum an int32; the largest window is just under 2^30 (RFC 7323 §2.2). */
const CWND_MAX_BYTES = 0x3fffffff;

/** The congestion window of one connection. All sizes are bytes, sequence numbers int32. */
export class NewReno {
  readonly #initialWindowSegments: number;
  #mss = 0;
  #initialWindow = 0;
  /** The congestion window; inflated during recovery. */
  cwnd = 0;
  /** Below it slow start, above it congestion avoidance. */
  ssthresh: number = CWND_MAX_BYTES;
  /** True from fast retransmit until everything sent before it is acknowledged. */
  inRecovery = false;
  /** SND.NXT when the last loss was noticed: recovery ends when SND.UNA reaches it. */
  recover = 0;
  /** Duplicate ACKs since SND.UNA last moved. */
  duplicateAcks = 0;
  /** Partial ACKs in this recovery; only the first restarts the RTO timer (RFC 6582 §4). */
  partialAcks = 0;
  #hasRecover = false;
  #flightBeforeLimitedTransmit = 0;
  #hasTimedOut = false;
  #afterTimeout = false;
  #avoidanceBytes = 0;
  #inflationLeft = 0;
  #hasRound = false;
  #roundEnd = 0;
  #roundFlight = 0;

  /** @param initialWindowSegments - 10 by RFC 6928 */
  constructor(initialWindowSegments: number) {
    this.#initialWindowSegments = initialWindowSegments;
  }

  /**
   * Starts when the connection is established and its MSS is known.
   *
   * @param mss - SMSS: payload bytes of a full segment
   * @param wasSynLost - the SYN or SYN-ACK was sent more than once: one segment (RFC 5681 §3.1)
   */
  start(mss: number, wasSynLost = false): void {
    const segments = this.#initialWindowSegments;
    this.#mss = mss;
    this.#initialWindow = Math.min(
      segments * mss,
      Math.max(2 * mss, segments * INITIAL_SEGMENT_BYTES),
    );
    this.cwnd = wasSynLost ? mss : this.#initialWindow;
  }

  /** Bytes that may be in flight now: `cwnd`, and a segment per early duplicate (RFC 3042). */
  get sendLimit(): number {
    return this.inRecovery ? this.cwnd : this.cwnd + this.#limitedTransmitBytes();
  }

  /**
   * Handles an ACK that moved SND.UNA forward.
   *
   * @param ackedBytes - by how much
   * @param flightBytes - bytes still outstanding after it
   * @param sndUna - SND.UNA after it
   * @param sndNxt - the highest SND.NXT there ever was (SND.MAX)
   * @returns true after a partial ACK: send the segment at SND.UNA again now (RFC 6582 §3.2)
   */
  onAck(ackedBytes: number, flightBytes: number, sndUna: number, sndNxt: number): boolean {
    this.duplicateAcks = 0;
    this.#hasTimedOut = false;
    if (this.inRecovery) {
      if (geq(sndUna, this.recover)) {
        this.#leaveRecovery(flightBytes);
        return false;
      }
      this.#deflate(ackedBytes, flightBytes);
      return true;
    }
    if (this.#hasRecover && gt(sndUna, this.recover)) this.#hasRecover = false;
    this.#measureRound(flightBytes + ackedBytes, sndUna, sndNxt);
    this.#grow(ackedBytes);
    return false;
  }

  /**
   * Handles a duplicate ACK; the caller has checked that it is one (RFC 5681 §2: outstanding
   * data, no payload, no SYN or FIN, same ACK number, same window).
   *
   * @param flightBytes - bytes outstanding
   * @param sndNxt - the highest SND.NXT there ever was (SND.MAX)
   * @returns true: send the segment at SND.UNA again now (fast retransmit)
   */
  onDuplicateAck(flightBytes: number, sndUna: number, sndNxt: number): boolean {
    this.duplicateAcks++;
    if (this.inRecovery) {
      this.#inflate(this.#mss);
      return false;
    }
    if (this.duplicateAcks === 1) this.#flightBeforeLimitedTransmit = flightBytes;
    if (this.duplicateAcks !== DUPLICATE_THRESHOLD) return false;
    // RFC 6582 §3.2 step 2: duplicates of what was resent after a timeout mean nothing.
    if (this.#hasRecover && !gt(sndUna, this.recover)) return false;
    this.ssthresh = this.#halved(Math.min(flightBytes, this.#flightBeforeLimitedTransmit));
    this.cwnd = this.ssthresh;
    this.#inflationLeft = flightBytes;
    this.#inflate(DUPLICATE_THRESHOLD * this.#mss);
    this.#note(sndNxt);
    this.inRecovery = true;
    this.partialAcks = 0;
    return true;
  }

  /**
   * Handles the retransmission timer (RFC 5681 §3.1, RFC 6582 §3.2 step 4).
   *
   * @param flightBytes - bytes outstanding
   * @param sndNxt - the highest SND.NXT there ever was (SND.MAX)
   */
  onTimeout(flightBytes: number, sndNxt: number): void {
    // Not again for the same segment: the flight has not been renewed in between.
    if (!this.#hasTimedOut) this.ssthresh = this.#halved(flightBytes);
    this.#hasTimedOut = true;
    this.#afterTimeout = true;
    this.cwnd = this.#mss;
    this.#avoidanceBytes = 0;
    this.#note(sndNxt);
    this.inRecovery = false;
    this.duplicateAcks = 0;
  }

  /**
   * Restarts with at most the initial window after a pause in sending (RFC 5681 §4.1).
   *
   * @param idleMs - time since the last segment was sent
   */
  onIdle(idleMs: number, rtoMs: number): void {
    if (idleMs > rtoMs && this.cwnd > this.#initialWindow) this.cwnd = this.#initialWindow;
  }

  /**
   * Writes the seven numbers that outlast a rest to `into[at]` and behind it (resting.ts). Nothing
   * is in flight: neither in recovery, nor are there duplicates or a timeout to remember.
   */
  save(into: Int32Array, at: number): void {
    const marks = (this.#hasRecover ? 1 : 0) | (this.#afterTimeout ? 2 : 0);
    into[at] = (this.#mss << 3) | marks | (this.#hasRound ? 4 : 0);
    into[at + 1] = this.cwnd;
    into[at + 2] = this.ssthresh;
    into[at + 3] = this.recover;
    into[at + 4] = this.#avoidanceBytes;
    into[at + 5] = this.#roundEnd;
    into[at + 6] = this.#roundFlight;
  }

  /** Takes them back. */
  restore(from: Int32Array, at: number): void {
    const marks = from[at] as number;
    this.start(marks >>> 3);
    this.#hasRecover = (marks & 1) !== 0;
    this.#afterTimeout = (marks & 2) !== 0;
    this.#hasRound = (marks & 4) !== 0;
    this.cwnd = from[at + 1] as number;
    this.ssthresh = from[at + 2] as number;
    this.recover = from[at + 3] as number;
    this.#avoidanceBytes = from[at + 4] as number;
    this.#roundEnd = from[at + 5] as number;
    this.#roundFlight = from[at + 6] as number;
  }

  #note(sndNxt: number): void {
    this.recover = sndNxt;
    this.#hasRecover = true;
  }

  #limitedTransmitBytes(): number {
    return Math.min(this.duplicateAcks, DUPLICATE_THRESHOLD - 1) * this.#mss;
  }

  #halved(flightBytes: number): number {
    return Math.max(Math.floor(flightBytes / 2), 2 * this.#mss);
  }

  /**
   * RFC 5681 §3.2 step 4, bounded: each duplicate tells of a segment that has left the network,
   * and no more can have left than were in flight at the last resend.
   */
  #inflate(bytes: number): void {
    const added = Math.min(bytes, this.#inflationLeft);
    this.#inflationLeft -= added;
    this.cwnd = Math.min(this.cwnd + added, CWND_MAX_BYTES);
  }

  /** Notes the largest flight of each round trip: how much of the window is really used. */
  #measureRound(flightBefore: number, sndUna: number, sndNxt: number): void {
    // The ACK that completes a round trip still belongs to it: nothing new was sent for it yet.
    if (!this.#hasRound || gt(sndUna, this.#roundEnd)) {
      this.#hasRound = true;
      this.#roundEnd = sndNxt;
      this.#roundFlight = flightBefore;
    } else if (flightBefore > this.#roundFlight) {
      this.#roundFlight = flightBefore;
    }
  }

  #grow(ackedBytes: number): void {
    if (this.cwnd < this.ssthresh) {
      // In slow start twice the flight is in use enough, as in Linux: it is about to double.
      if (this.cwnd >= 2 * this.#roundFlight) return;
      const limit = this.#slowStartLimit() * this.#mss;
      this.cwnd = Math.min(this.cwnd + Math.min(ackedBytes, limit), CWND_MAX_BYTES);
      return;
    }
    this.#afterTimeout = false;
    if (this.#roundFlight + this.#mss <= this.cwnd) return;
    this.#avoidanceBytes += ackedBytes;
    if (this.#avoidanceBytes < this.cwnd) return;
    this.#avoidanceBytes = Math.min(this.#avoidanceBytes - this.cwnd, this.cwnd);
    this.cwnd = Math.min(this.cwnd + this.#mss, CWND_MAX_BYTES);
  }

  #slowStartLimit(): number {
    if (this.#afterTimeout) return 1;
    return this.ssthresh === CWND_MAX_BYTES ? FIRST_SLOW_START_LIMIT : SLOW_START_LIMIT;
  }

  /** RFC 6582 §3.2 step 3, partial ACK: take out what was acknowledged, add a segment back. */
  #deflate(ackedBytes: number, flightBytes: number): void {
    this.partialAcks++;
    this.#inflationLeft = flightBytes;
    const added = ackedBytes >= this.#mss ? this.#mss : 0;
    this.cwnd = Math.max(this.cwnd - ackedBytes + added, this.#mss);
  }

  /** RFC 6582 §3.2 step 3, full ACK, option 1: no burst after a long recovery. */
  #leaveRecovery(flightBytes: number): void {
    this.cwnd = Math.min(this.ssthresh, Math.max(flightBytes, this.#mss) + this.#mss);
    this.inRecovery = false;
    this.#avoidanceBytes = 0;
  }
}
