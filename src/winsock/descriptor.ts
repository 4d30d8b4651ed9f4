// SPDX-License-Identifier: MIT
// One reference to a socket: what a number stands for. Several may refer to one socket
// (`duplicateSocket`); what the socket holds goes with the last of them. A descriptor belongs to
// the coroutine that opened it, whose end closes it hard.

import { currentCoroutine } from "../../scheduler/internal.ts";
import { Ownership } from "../socket/ownership.ts";
import { homeCoroutine } from "./callbacks.ts";
import type { SocketCore } from "./socket-core.ts";
import { addDescriptor, leaveTable, removeDescriptor } from "./table.ts";

/** One reference to a socket. */
export class Descriptor {
  readonly core: SocketCore;
  readonly handle: number;
  readonly #ownership: Ownership;
  #isOpen = true;
  #isGone = false;

  constructor(core: SocketCore) {
    this.core = core;
    core.references++;
    this.handle = addDescriptor(this);
    this.#ownership = new Ownership(this);
    // Opened in a completion routine: it is of whoever the routine runs for, unless that ends now.
    const bundle = homeCoroutine()?.bundleForOwn();
    const isMoved = bundle !== undefined && bundle !== currentCoroutine()?.bundleForOwn();
    if (isMoved && !bundle.isClosed) this.#ownership.moveTo("socket", bundle);
  }

  /** False once its number is stale. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** The number is stale from now on and pending calls are cancelled; what is sent goes on. */
  retire(): void {
    this.#isOpen = false;
    leaveTable(this);
    this.core.cancelCalls(this);
  }

  /**
   * Lets go of the socket.
   *
   * @param isHard - if this is the last reference: resets the connection instead of leaving it to
   *   end in the background
   */
  close(isHard: boolean): void {
    if (this.#isGone) return;
    this.#isGone = true;
    this.#isOpen = false;
    removeDescriptor(this);
    this.#ownership.release();
    const { core } = this;
    core.cancelCalls(this);
    core.references--;
    if (core.references === 0) core.end(isHard);
  }

  /** The end of its owner. */
  abort(): void {
    this.close(true);
  }
}
