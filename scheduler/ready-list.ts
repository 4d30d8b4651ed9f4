// SPDX-License-Identifier: MIT
// The coroutines that the loop runs next, in order. They are linked through themselves, and the
// last is its own next, so that whoever has a next is in the list.

import type { Coroutine } from "./coroutine.ts";

/** Who is ready. */
export class ReadyList {
  private head: Coroutine | null = null;
  private tail: Coroutine | null = null;

  /** True if nobody is. */
  get isEmpty(): boolean {
    return this.head === null;
  }

  /** Adds at the end. @returns true: there was nobody */
  push(coroutine: Coroutine): boolean {
    const { tail } = this;
    coroutine.nextReady = coroutine;
    this.tail = coroutine;
    if (tail === null) {
      this.head = coroutine;
      return true;
    }
    tail.nextReady = coroutine;
    return false;
  }

  /** Takes out the first. @returns null: nobody is ready */
  shift(): Coroutine | null {
    const { head } = this;
    if (head === null) return null;
    const next = head.nextReady;
    if (next === head) {
      this.head = null;
      this.tail = null;
    } else {
      this.head = next;
    }
    head.nextReady = null;
    return head;
  }
}
