// SPDX-License-Identifier: MIT
// An error that a coroutine has not caught, on its way to whoever hears of it. It is handed to all
// who wait at that moment; if every one of them goes away without throwing it, it is not lost.

/** One uncaught error. */
export class Failure {
  readonly error: unknown;
  /** Waits that it was handed to and that have neither thrown nor declined it. */
  private offers: number;
  private isTaken: boolean;

  constructor(error: unknown) {
    this.error = error;
    this.offers = 0;
    this.isTaken = false;
  }

  /** It is handed to one more. */
  offer(): void {
    this.offers++;
  }

  /** One of them throws it. */
  take(): unknown {
    this.isTaken = true;
    return this.error;
  }

  /** One of them goes away instead. @returns true: nobody is left who could throw it */
  decline(): boolean {
    return --this.offers === 0 && !this.isTaken;
  }
}
