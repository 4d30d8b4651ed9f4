// SPDX-License-Identifier: MIT
// Sending a datagram, as Waits: to an address, and to a name, which is looked up first.

import { PENDING, READY, Wait, type WaitQueue } from "../../scheduler/internal.ts";
import type { DatagramEnd } from "../transport/datagram.ts";
import type { Endpoint } from "../transport/stream.ts";
import { EAFNOSUPPORT, EBADF, EMSGSIZE, ENOENT, endpointError } from "./errors.ts";
import { HostLookup } from "./host-lookup.ts";
import type { UdpSocket } from "./udp-socket.ts";
import type { NamedEnd } from "./udp-target.ts";

/** The operation, for errors. */
export const SEND = "udp.send";

/** Sends to an address, or to the socket's only peer. */
export class SendWait extends Wait<void> {
  readonly #socket: UdpSocket;
  readonly #data: Uint8Array;
  readonly #to: DatagramEnd | null;

  constructor(socket: UdpSocket, data: Uint8Array, to: DatagramEnd | null, deadline?: number) {
    super(SEND, deadline);
    this.#socket = socket;
    this.#data = data;
    this.#to = to;
  }

  override poll(): number {
    return this.#socket.pollSend(this.#data, this.#to);
  }

  override queue(): WaitQueue {
    return this.#socket.writers;
  }

  override take(): void {}

  override error(errno: number): Error {
    const to = this.#to;
    const where = to === null ? this.#socket.end : { host: to.address.toString(), port: to.port };
    return sendError(errno, where, this.#socket, this.#data);
  }
}

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
    super(SEND, deadline);
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
    const { failure } = socket.flow;
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
    return this.#lookup.waiting ?? this.#socket.writers;
  }

  override take(): void {
    this.#socket.hasLookedUp(this.#lookup);
  }

  override withdrawn(): void {
    this.#lookup.abandon();
    this.#socket.hasLookedUp(this.#lookup);
  }

  override error(errno: number): Error {
    return sendError(errno, this.#to, this.#socket, this.#data, this.#lookup.detail);
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
    const result = this.#socket.pollSend(this.#data, end);
    if (result !== PENDING) this.#to.found = result === READY ? end : null;
    return result;
  }
}

function sendError(
  errno: number,
  where: Endpoint,
  { flow }: UdpSocket,
  { length }: Uint8Array,
  detail?: string,
): Error {
  const most = flow.sendLimitBytes;
  const isTooLong = errno === -EMSGSIZE && length > most;
  const text = isTooLong ? `a datagram of ${length} bytes, at most ${most} fit` : detail;
  return endpointError(errno, SEND, where, text);
}
