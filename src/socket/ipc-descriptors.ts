// SPDX-License-Identifier: MIT
// Passing file descriptors over a local stream. Each travels with one byte of the stream (0xcc), in
// the order in which everything was sent.

import { PENDING, READY, Wait, type WaitQueue } from "../../scheduler/internal.ts";
import { EAGAIN, EBADF, EPROTO, netError } from "./errors.ts";
import type { Stream } from "./stream.ts";

/** A stream that carries descriptors. */
export interface DescriptorCarrier {
  /** @returns 0, -EAGAIN or another -errno */
  sendDescriptor(fd: number): number;
  /** @returns a descriptor, -EAGAIN or another -errno */
  receiveDescriptor(): number;
  closeDescriptor(fd: number): void;
}

/** Sends a copy of a descriptor. */
export class SendFdWait extends Wait<void> {
  readonly #stream: Stream;
  readonly #carrier: DescriptorCarrier;
  readonly #fd: number;
  #isBadFd = false;

  constructor(stream: Stream, carrier: DescriptorCarrier, fd: number, deadline?: number) {
    super("ipc.sendFd", deadline);
    this.#stream = stream;
    this.#carrier = carrier;
    this.#fd = fd;
  }

  override reset(): void {
    this.#isBadFd = false;
  }

  override poll(): number {
    const gate = this.#stream.gateSend(this);
    if (gate !== READY) return gate;
    const result = this.#carrier.sendDescriptor(this.#fd);
    this.#isBadFd = result === -EBADF;
    if (result !== -EAGAIN) return result;
    this.#stream.holdSend(this);
    return PENDING;
  }

  override queue(): WaitQueue {
    return this.#stream.writers;
  }

  override take(): void {
    this.#stream.ended(this);
  }

  override withdrawn(): void {
    this.#stream.ended(this);
  }

  override error(errno: number): Error {
    if (!this.#isBadFd) return this.#stream.errorOf(errno, this.syscall);
    return netError("EBADF", this.syscall, `fd is ${this.#fd}, which is not open`);
  }
}

/** Receives a descriptor, which is the caller's then. */
export class RecvFdWait extends Wait<number> {
  readonly #stream: Stream;
  readonly #carrier: DescriptorCarrier;
  #fd = -1;

  constructor(stream: Stream, carrier: DescriptorCarrier, deadline?: number) {
    super("ipc.recvFd", deadline);
    this.#stream = stream;
    this.#carrier = carrier;
  }

  override reset(): void {
    this.#fd = -1;
  }

  override poll(): number {
    const gate = this.#stream.gateRecv(this);
    if (gate !== READY) return gate;
    const result = this.#carrier.receiveDescriptor();
    if (result >= 0) {
      this.#fd = result;
      return READY;
    }
    if (result !== -EAGAIN) return result;
    this.#stream.holdRecv(this);
    return PENDING;
  }

  override queue(): WaitQueue {
    return this.#stream.readers;
  }

  override take(): number {
    this.#stream.ended(this);
    const fd = this.#fd;
    this.#fd = -1;
    return fd;
  }

  override withdrawn(): void {
    this.#stream.ended(this);
    if (this.#fd >= 0) this.#carrier.closeDescriptor(this.#fd);
    this.#fd = -1;
  }

  override error(errno: number): Error {
    if (errno !== -EPROTO) return this.#stream.errorOf(errno, this.syscall);
    const message = "the next byte of the stream came without a descriptor";
    return this.#stream.errorOf(errno, this.syscall, message);
  }
}
