// SPDX-License-Identifier: MIT
// The calls that wait for one direction of a connection: they are served in the order in which
// they were made, since each byte is for one of them.

import type { CallWait } from "./call-wait.ts";

/** Calls in the order in which they are served. */
export class CallQueue {
  readonly #calls: Set<CallWait> = new Set();

  /** How many wait. */
  get size(): number {
    return this.#calls.size;
  }

  /** True if nobody stands before `call`. */
  isNext(call: CallWait): boolean {
    const first = this.#first();
    return first === null || first === call;
  }

  /** Stands at the end, unless it stands in it already. */
  join(call: CallWait): void {
    this.#calls.add(call);
  }

  /** It has ended in any way; the next one may go on. */
  leave(call: CallWait): void {
    const wasFirst = this.#first() === call;
    this.#calls.delete(call);
    if (wasFirst) this.#first()?.wakeUp();
  }

  #first(): CallWait | null {
    for (const call of this.#calls) return call;
    return null;
  }
}
