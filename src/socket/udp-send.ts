// SPDX-License-Identifier: MIT
// Sending a datagram to a name, which is looked up first, as a Wait.

import { PENDING, READY, Wait, type WaitQueue } from "../../scheduler/internal.ts";
import type { DatagramEnd } from "../transport/datagram.ts";
import { sendError } from "./datagram-waits.ts";
import { EAFNOSUPPORT, EBADF, ENOENT } from "./errors.ts";
import { HostLookup } from "./host-lookup.ts";
import type { UdpSocket } from "./udp-socket.ts";
import type { NamedEnd } from "./udp-target.ts";

/**
 * Sends to a name: to the first of its addresses that the socket can send to. What is found is kept
 * in the `NamedEnd`, for the next that sends there.
 */
export class NamedSendWait extends Wait<void> {
  readonly #socket: UdpSocket;
  readonly #data: Uint8Array;
  readonly #to: NamedEnd;
  readonly #lookup: HostLookup;
  #isLookingUp = false;

  constructor(socket: UdpSocket, data: Uint8Array, to: NamedEnd, deadline?: number) {
    super(socket.core.kind.send, deadline);
    this.#socket = socket;
    this.#data = data;
    this.#to = to;
    this.#lookup = new HostLookup("to.host", to.host);
  }

  override reset(): void {
    this.#isLookingUp = false;
    this.#lookup.reset();
  }

  override poll(): number {
    const socket = this.#socket;
    if (!socket.isOpen) return -EBADF;
    const { failure } = socket.core.flow;
    if (failure !== 0) return failure;
    if (!this.#isLookingUp) {
      if (this.#to.found !== null) return this.#sendTo(this.#to.found);
      this.#isLookingUp = true;
      socket.looksUp(this.#lookup);
    }
    const outcome = this.#lookup.poll();
    return outcome === READY ? this.#sendToFirst() : outcome;
  }

  override queue(): WaitQueue {
    return this.#lookup.waiting ?? this.#socket.core.writers;
  }

  override take(): void {
    this.#socket.hasLookedUp(this.#lookup);
  }

  override withdrawn(): void {
    this.#lookup.abandon();
    this.#socket.hasLookedUp(this.#lookup);
  }

  override error(errno: number): Error {
    return sendError(errno, this.#to, this.#socket.core, this.#data, this.#lookup.detail);
  }

  /** The socket knows best what it can send to. */
  #sendToFirst(): number {
    let result = -ENOENT;
    for (const address of this.#lookup.addresses) {
      // Names are blocked so in /etc/hosts; as an address it is refused, too.
      if (address.isUnspecified) continue;
      result = this.#sendTo({ address, port: this.#to.port });
      if (result !== -EAFNOSUPPORT) return result;
    }
    return result;
  }

  #sendTo(end: DatagramEnd): number {
    const result = this.#socket.core.pollSend(this.#data, end);
    if (result !== PENDING) this.#to.found = result === READY ? end : null;
    return result;
  }
}
