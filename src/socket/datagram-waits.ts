// SPDX-License-Identifier: MIT
// Sending and receiving a datagram, as Waits.

import { PENDING, READY, Wait, type WaitQueue } from "../../scheduler/internal.ts";
import type { ReceivedDatagram } from "../transport/datagram.ts";
import type { Endpoint } from "../transport/stream.ts";
import type { DatagramCore } from "./datagram-core.ts";
import { EAGAIN, EMSGSIZE, endpointError } from "./errors.ts";

/** Sends to an end, or to the socket's only peer. */
export class SendWait<To> extends Wait<void> {
  readonly #core: DatagramCore<To, unknown>;
  readonly #data: Uint8Array;
  readonly #to: To | null;

  constructor(core: DatagramCore<To, unknown>, data: Uint8Array, to: To | null, deadline?: number) {
    super(core.kind.send, deadline);
    this.#core = core;
    this.#data = data;
    this.#to = to;
  }

  override poll(_nowMs: number): number {
    return this.#core.pollSend(this.#data, this.#to);
  }

  override queue(): WaitQueue {
    return this.#core.writers;
  }

  override take(): void {}

  override error(errno: number): Error {
    const core = this.#core;
    const where = this.#to === null ? core.end : core.kind.endOf(this.#to);
    return sendError(errno, where, core, this.#data);
  }
}

/** Receives. */
export class RecvWait<Received> extends Wait<Received> implements ReceivedDatagram {
  readonly #core: DatagramCore<never, Received>;
  readonly #buf: Uint8Array;
  // Filled by the flow.
  lengthBytes: number;
  from: Endpoint;
  #bytesReceived: number;

  constructor(core: DatagramCore<never, Received>, buf: Uint8Array, deadline?: number) {
    super(core.kind.recv, deadline);
    this.#core = core;
    this.#buf = buf;
    this.lengthBytes = 0;
    this.from = core.flow.localEnd;
    this.#bytesReceived = 0;
  }

  override reset(): void {
    this.lengthBytes = 0;
    this.#bytesReceived = 0;
  }

  override poll(): number {
    const count = this.#core.tryRecv(this.#buf, this);
    if (count < 0) return count === -EAGAIN ? PENDING : count;
    this.#bytesReceived = count;
    return this.lengthBytes > count ? -EMSGSIZE : READY;
  }

  override queue(): WaitQueue {
    return this.#core.readers;
  }

  override take(): Received {
    this.#core.wakeNext();
    return this.#core.kind.receivedOf(this);
  }

  override withdrawn(): void {
    this.#core.wakeNext();
  }

  override error(errno: number): Error {
    const count = this.#bytesReceived;
    const isCut = this.lengthBytes > count;
    const text = `the datagram has ${this.lengthBytes} bytes, the buffer room for ${count}`;
    const error = isCut
      ? endpointError(errno, this.syscall, this.from, text)
      : endpointError(errno, this.syscall, this.#core.end, this.#core.detailOf(errno));
    error.bytesReceived = count;
    if (isCut) error.datagramBytes = this.lengthBytes;
    return error;
  }
}

/** @returns the error of sending `data` to `where` */
export function sendError(
  errno: number,
  where: Endpoint,
  core: DatagramCore<never, unknown>,
  { length }: Uint8Array,
  detail?: string,
): Error {
  const most = core.flow.sendLimitBytes;
  const isTooLong = errno === -EMSGSIZE && length > most;
  const text = isTooLong
    ? `a datagram of ${length} bytes, at most ${most} fit`
    : (detail ?? core.detailOf(errno));
  return endpointError(errno, core.kind.send, where, text);
}
