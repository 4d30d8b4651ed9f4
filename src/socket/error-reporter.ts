// SPDX-License-Identifier: MIT
// Errors that nobody handles: counted, and written to stderr at most once a second, so that a
// flood of them neither hides nor drowns anything.

const INTERVAL_MS = 1_000;

/** Reports the errors of one place. Time is an argument. */
export class ErrorReporter {
  readonly #where: string;
  #nextMs = Number.NEGATIVE_INFINITY;
  #suppressed = 0;

  /** @param where - what the lines start with */
  constructor(where: string) {
    this.#where = where;
  }

  /** Writes the error, or counts it for the next line. */
  report(error: unknown, nowMs: number): void {
    if (nowMs < this.#nextMs) {
      this.#suppressed++;
      return;
    }
    const more = this.#suppressed === 0 ? "" : ` (and ${this.#suppressed} more since the last)`;
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    process.stderr.write(`${this.#where}: ${text}${more}\n`);
    this.#nextMs = nowMs + INTERVAL_MS;
    this.#suppressed = 0;
  }
}
