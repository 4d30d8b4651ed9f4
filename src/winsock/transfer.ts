// SPDX-License-Identifier: MIT
// Receiving and sending on a connected socket, waiting or overlapped.

import { PENDING, READY, type WaitQueue } from "../../scheduler/internal.ts";
import type { Stream } from "../socket/stream.ts";
import { CallWait } from "./call-wait.ts";
import { MSG_PEEK, MSG_WAITALL } from "./constants.ts";
import type { Descriptor } from "./descriptor.ts";
import { codeOfErrno } from "./last-error.ts";

/** A receive: what is there, at least one byte. */
export class RecvCall extends CallWait {
  readonly #buf: Uint8Array;
  readonly #lengthBytes: number;
  readonly #flags: number;
  #receivedBytes = 0;

  constructor(
    descriptor: Descriptor,
    buf: Uint8Array,
    lengthBytes: number,
    flags: number,
    timeoutMs: number | null,
  ) {
    super(descriptor, "winsock.recv", timeoutMs);
    this.#buf = buf;
    this.#lengthBytes = lengthBytes;
    this.#flags = flags;
  }

  override get partial(): number {
    return this.#receivedBytes;
  }

  override queue(): WaitQueue {
    return (this.core.stream as Stream).readers;
  }

  protected override attempt(): number {
    const { core } = this;
    const gate = core.receiveGate();
    if (gate !== 0) return this.refuse(gate);
    if (this.#lengthBytes === 0) return READY;
    if (!core.receives.isNext(this)) return this.#park();
    const { flow } = core.stream as Stream;
    const taken = this.#take();
    if (taken > 0) {
      this.#receivedBytes += taken;
      const isEnough = this.#receivedBytes === this.#lengthBytes;
      if (isEnough || (this.#flags & MSG_WAITALL) === 0) return READY;
    }
    if (flow.atEnd) return READY;
    if (flow.failure !== 0 || taken < 0) {
      // What was taken is told first; the next call hears of the failure.
      return this.#receivedBytes > 0 ? READY : this.refuse(codeOfErrno(flow.failure || taken));
    }
    return this.#park();
  }

  protected override result(): number {
    return this.#receivedBytes;
  }

  protected override ended(): void {
    this.core.receives.leave(this);
  }

  /** @returns bytes taken, 0: none, or -errno */
  #take(): number {
    const { flow } = this.core.stream as Stream;
    const left = this.#lengthBytes - this.#receivedBytes;
    if ((this.#flags & MSG_PEEK) !== 0) return flow.peek(this.#buf, 0, left);
    const isAll = (this.#flags & MSG_WAITALL) !== 0 && this.#lengthBytes <= flow.receiveLimitBytes;
    const isWhole = flow.receivedBytes >= left || flow.isFinished || flow.failure !== 0;
    // Nothing is taken before all is there, so that an interruption loses nothing.
    if (isAll && !isWhole) return 0;
    return flow.receive(this.#buf, this.#receivedBytes, left);
  }

  #park(): number {
    this.core.receives.join(this);
    return PENDING;
  }
}

/** A send of all of the data; of a non-blocking socket as much as there is room for. */
export class SendCall extends CallWait {
  readonly #buf: Uint8Array;
  readonly #lengthBytes: number;
  #sentBytes = 0;

  constructor(
    descriptor: Descriptor,
    buf: Uint8Array,
    lengthBytes: number,
    timeoutMs: number | null,
  ) {
    super(descriptor, "winsock.send", timeoutMs);
    this.#buf = buf;
    this.#lengthBytes = lengthBytes;
  }

  override queue(): WaitQueue {
    return (this.core.stream as Stream).writers;
  }

  protected override attempt(): number {
    const { core } = this;
    const gate = core.sendGate();
    if (gate !== 0) return this.refuse(gate);
    if (this.#lengthBytes === 0) return READY;
    if (!core.sends.isNext(this)) return this.#park();
    const { flow } = core.stream as Stream;
    const taken = flow.send(this.#buf, this.#sentBytes, this.#lengthBytes - this.#sentBytes);
    if (taken < 0) return this.refuse(codeOfErrno(taken));
    this.#sentBytes += taken;
    const isEnough = this.isNonBlocking ? taken > 0 : this.#sentBytes === this.#lengthBytes;
    return isEnough ? READY : this.#park();
  }

  protected override result(): number {
    return this.#sentBytes;
  }

  protected override ended(): void {
    this.core.sends.leave(this);
  }

  #park(): number {
    this.core.sends.join(this);
    return PENDING;
  }
}
