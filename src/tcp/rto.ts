// SPDX-License-Identifier: MIT
// The retransmission timeout (RFC 6298), with RFC 7323's weights for several samples a round trip.
// Karn's rule (no samples of retransmitted segments) is the caller's: it knows what it resent.

/** What the estimator needs of the TCP configuration. */
export interface RtoConfig {
  /** RTO before the first sample, ms. RFC 6298 (2.1): 1,000. */
  readonly rtoInitialMs: number;
  /** Floor, ms. RFC 6298 (2.4) says 1,000; Linux takes 200. */
  readonly rtoMinMs: number;
  /** Ceiling, ms. RFC 6298 (2.5): at least 60,000. */
  readonly rtoMaxMs: number;
  /** Clock granularity G, ms. Default 1. */
  readonly granularityMs?: number;
}

/** RFC 6298 (2.3): K. */
const VARIANCE_FACTOR = 4;
/** RFC 6298 (2.3): alpha. */
const SRTT_GAIN = 1 / 8;
/** RFC 6298 (2.3): beta. */
const RTTVAR_GAIN = 1 / 4;
const BACK_OFF_FACTOR = 2;
/** RFC 6298 (5.7). */
const RTO_AFTER_LOST_SYN_MS = 3_000;

/** Smoothed round-trip time and what follows from it, for one connection. */
export class RtoEstimator {
  readonly #initialMs: number;
  readonly #minMs: number;
  readonly #maxMs: number;
  readonly #granularityMs: number;
  #rtoMs: number;
  /** SRTT, ms; 0 before the first sample. */
  srttMs = 0;
  /** RTTVAR, ms; 0 before the first sample. */
  rttvarMs = 0;
  /** Whether a sample was taken. */
  hasSample = false;

  constructor(config: RtoConfig) {
    this.#initialMs = config.rtoInitialMs;
    this.#minMs = config.rtoMinMs;
    this.#maxMs = config.rtoMaxMs;
    this.#granularityMs = config.granularityMs ?? 1;
    this.#rtoMs = this.#clamp(config.rtoInitialMs);
  }

  /** The timeout now, ms, back-off included. */
  get rtoMs(): number {
    return this.#rtoMs;
  }

  /**
   * Takes a measured round-trip time; this also ends a back-off.
   *
   * @param rttMs - refused if negative, not a number or above the ceiling: a forged timestamp
   *   must not poison the average (hostile-input D11)
   * @param samplesPerRtt - expected samples in a round trip; divides the gains (RFC 7323 app. G)
   * @returns false if it was refused
   * @remarks Source: RFC 6298 (2.2), (2.3).
   */
  sample(rttMs: number, samplesPerRtt = 1): boolean {
    if (!(rttMs >= 0 && rttMs <= this.#maxMs)) return false;
    if (this.hasSample) {
      const weight = samplesPerRtt > 1 ? 1 / samplesPerRtt : 1;
      // In this order: RTTVAR is taken against the old SRTT.
      const deviationMs = Math.abs(this.srttMs - rttMs);
      this.rttvarMs += RTTVAR_GAIN * weight * (deviationMs - this.rttvarMs);
      this.srttMs += SRTT_GAIN * weight * (rttMs - this.srttMs);
    } else {
      this.srttMs = rttMs;
      this.rttvarMs = rttMs / 2;
      this.hasSample = true;
    }
    this.resetBackOff();
    return true;
  }

  /** Doubles the timeout, up to the ceiling (RFC 6298 (5.5)). */
  backOff(): void {
    this.#rtoMs = Math.min(this.#rtoMs * BACK_OFF_FACTOR, this.#maxMs);
  }

  /**
   * Returns to the timeout that follows from the samples so far. For acknowledgements of new data
   * that allow no sample; RFC 6298 would keep the back-off, Linux does this.
   */
  resetBackOff(): void {
    this.#rtoMs = this.hasSample
      ? this.#clamp(this.srttMs + Math.max(this.#granularityMs, VARIANCE_FACTOR * this.rttvarMs))
      : this.#clamp(this.#initialMs);
  }

  /** Takes 3 s for the first data if the SYN had to be sent again (RFC 6298 (5.7)). */
  afterLostSyn(): void {
    if (this.hasSample) return;
    this.#rtoMs = this.#clamp(Math.max(this.#initialMs, RTO_AFTER_LOST_SYN_MS));
  }

  /** Writes the three numbers that outlast a rest to `into[at]` and behind it (resting.ts). */
  save(into: Float64Array, at: number): void {
    into[at] = this.#rtoMs;
    // Negative: there is none.
    into[at + 1] = this.hasSample ? this.srttMs : -1;
    into[at + 2] = this.rttvarMs;
  }

  /** Takes them back. */
  restore(from: Float64Array, at: number): void {
    this.#rtoMs = from[at] as number;
    const srttMs = from[at + 1] as number;
    if (srttMs < 0) return;
    this.hasSample = true;
    this.srttMs = srttMs;
    this.rttvarMs = from[at + 2] as number;
  }

  #clamp(rtoMs: number): number {
    return Math.min(Math.max(rtoMs, this.#minMs), this.#maxMs);
  }
}
