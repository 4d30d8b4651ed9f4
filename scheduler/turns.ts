// SPDX-License-Identifier: MIT
// Where a loop's turns come from: the clock (`setImmediate`), or, while one turn follows another
// and a device brings a spinner along, the spinner, which costs half. Turns of Node's own come in
// between in either case.

import type { Clock } from "./clock.ts";
import type { Spinner } from "./loop-options.ts";

/** The turns of one loop. */
export class Turns {
  private readonly clock: Clock;
  private readonly turn: () => void;
  /** What to spin on; null: nothing, the clock gives every turn. */
  private spinner: Spinner | null;
  private isSpinning: boolean;
  /** A turn will come. */
  private isDue: boolean;

  constructor(clock: Clock, run: () => void) {
    this.clock = clock;
    this.spinner = null;
    this.isSpinning = false;
    this.isDue = false;
    this.turn = () => {
      this.isDue = false;
      run();
    };
  }

  /** Offers a spinner; the first is kept, for it is the thread's. Virtual time does not spin. */
  offer(spinner: Spinner | undefined): void {
    if (!this.clock.isVirtual) this.spinner ??= spinner ?? null;
  }

  /** Asks for a turn, unless one will come. @returns false: one will */
  ask(): boolean {
    if (this.isDue) return false;
    this.isDue = true;
    if (!this.isSpinning) this.clock.soon(this.turn);
    return true;
  }

  /** At the end of a turn: from now on they follow each other until `rest`. */
  spin(): void {
    if (this.isSpinning || this.spinner === null) return;
    this.isSpinning = this.spinner.start(this.turn);
    if (!this.isSpinning) this.spinner = null;
  }

  /** At the end of a turn: none follows until asked for. */
  rest(): void {
    if (this.isSpinning) this.spinner?.stop(this.turn);
    this.isSpinning = false;
  }
}
