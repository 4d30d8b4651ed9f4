// SPDX-License-Identifier: MIT
// Connecting a local stream, as a Wait. The kernel connects at once or says that the backlog is
// full; then this tries again until the deadline.

import { type Loop, PENDING, READY, Wait, type WaitQueue } from "../../scheduler/internal.ts";
import type { LocalFlow } from "../kernel/local-flow.ts";
import { type LocalAddress, openLocal, tryConnect } from "../kernel/local-open.ts";
import { EAGAIN } from "./errors.ts";
import { backlogQueue, leaveBacklog } from "./ipc-backlog.ts";
import { IpcConnection } from "./ipc-connection.ts";
import { kernelFor, openError } from "./ipc-kernel.ts";
import { RetryTimer } from "./ipc-retry.ts";
import type { KernelContext } from "./kernel-context.ts";

/** Connects; a full backlog is waited for. */
export class ConnectWait extends Wait<IpcConnection> {
  readonly #address: LocalAddress;
  #context: KernelContext | null = null;
  /** The socket, until it is connected; 0 for none. */
  #id = 0;
  #flow: LocalFlow | null = null;
  #retry: RetryTimer | null = null;

  constructor(address: LocalAddress, deadline?: number) {
    super("ipc.connect", deadline);
    this.#address = address;
  }

  override reset(): void {
    this.#context = null;
    this.#id = 0;
    this.#flow = null;
    this.#retry = null;
  }

  override poll(nowMs: number): number {
    this.#context ??= kernelFor(this.syscall);
    const { sockets } = this.#context;
    if (this.#id === 0) {
      const id = openLocal(sockets);
      if (id < 0) return id;
      this.#id = id;
    }
    const result = tryConnect(sockets, this.#id, this.#address);
    if (result === -EAGAIN) {
      this.#tryLater(nowMs);
      return PENDING;
    }
    if (typeof result === "number") return result;
    this.#id = 0;
    this.#flow = result;
    return READY;
  }

  override queue(): WaitQueue {
    return backlogQueue(this.#loop, this.#address.name);
  }

  override take(): IpcConnection {
    this.#leave();
    return new IpcConnection(this.#loop, this.#flow as LocalFlow);
  }

  override withdrawn(): void {
    if (this.#context === null) return;
    this.#leave();
    if (this.#id !== 0) this.#context.sockets.native.close(this.#id, false);
    this.#id = 0;
    this.#flow?.abort(this.#loop.now());
    this.#flow = null;
  }

  override error(errno: number): Error {
    return openError(errno, this.syscall, this.#address.name);
  }

  get #loop(): Loop {
    return (this.#context as KernelContext).loop;
  }

  #tryLater(nowMs: number): void {
    this.#retry ??= new RetryTimer(this);
    this.#retry.arm(this.#loop, nowMs);
  }

  #leave(): void {
    if (this.#retry === null) return;
    this.#loop.timers.cancel(this.#retry);
    leaveBacklog(this.#loop, this.#address.name);
  }
}
