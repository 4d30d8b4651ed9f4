// SPDX-License-Identifier: MIT
// Counted events of a context by name: every frame that is dropped says why here (R5).

/** Named counters that only grow. Iteration is in order of first use. */
export class Counters {
  readonly #counts: Map<string, number> = new Map();

  /** Adds one to `name`. Names come from fixed tables in the code, never from the wire. */
  count(name: string): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
  }

  /** @returns the count of `name`, 0 if it never happened */
  get(name: string): number {
    return this.#counts.get(name) ?? 0;
  }

  /** @returns all counts by name */
  toObject(): Record<string, number> {
    return Object.fromEntries(this.#counts);
  }
}
