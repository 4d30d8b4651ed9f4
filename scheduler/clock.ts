// SPDX-License-Identifier: MIT
// What a loop needs of time. The only two implementations are clock-real.ts and clock-virtual.ts.

/** A source of time and of turns of Node's event loop. */
export interface Clock {
  /** True: time moves only when the loop jumps. */
  readonly isVirtual: boolean;
  /** ms with fractions, monotonic, from an arbitrary start. */
  read(): number;
  /** Moves virtual time forward. */
  jump(toMs: number): void;
  /** Calls `turn` in the next turn of Node's event loop. */
  soon(turn: () => void): void;
  /** Calls `turn` after `delayMs` of real time. @returns how to take that back */
  after(delayMs: number, turn: () => void): () => void;
  /** Keeps the process alive while nothing is due. @returns how to take that back */
  keepAlive(): () => void;
}
