// SPDX-License-Identifier: MIT
// Opening a connection. A blocking socket's attempt ends with the call; a non-blocking one's goes
// on after WSAEWOULDBLOCK, until another call or SO_ERROR finds out what has become of it.

import { PENDING, READY, type WaitQueue } from "../../scheduler/internal.ts";
import type { IpAddress } from "../ip/address.ts";
import type { Context } from "../socket/context.ts";
import { contextFor } from "../socket/network.ts";
import { CallWait } from "./call-wait.ts";
import { WSAEALREADY, WSAEINVAL, WSAEISCONN } from "./codes.ts";
import type { Descriptor } from "./descriptor.ts";
import { codeOfError } from "./last-error.ts";
import type { Attempt } from "./socket-core.ts";

/** The network in scope. @returns it, or the WSA code why there is none */
export function networkFor(syscall: string): Context | number {
  try {
    return contextFor(syscall, undefined);
  } catch (error) {
    return codeOfError(error);
  }
}

/** A connection being opened. */
export class ConnectCall extends CallWait {
  readonly #remote: IpAddress;
  readonly #remotePort: number;
  #attempt: Attempt | null = null;

  constructor(descriptor: Descriptor, remote: IpAddress, remotePort: number) {
    const { isNonBlocking } = descriptor.core.settings;
    super(descriptor, "winsock.connect", isNonBlocking ? -1 : null);
    this.#remote = remote;
    this.#remotePort = remotePort;
  }

  override queue(): WaitQueue | null {
    return this.#attempt?.waiting ?? null;
  }

  override withdrawn(errno: number): void {
    super.withdrawn(errno);
    if (this.#attempt !== null && !this.isNonBlocking) this.core.abandonConnect();
  }

  protected override attempt(nowMs: number): number {
    const { core } = this;
    core.settle();
    if (this.#attempt === null) {
      const begun = this.#begin(nowMs);
      if (typeof begun === "number") return this.refuse(begun);
      this.#attempt = begun;
      core.settle();
    }
    const { code } = this.#attempt;
    if (code !== 0) {
      core.pendingError = 0;
      return this.refuse(code);
    }
    return core.stream === null ? PENDING : READY;
  }

  protected override result(): number {
    return 0;
  }

  protected override ended(): void {}

  #begin(nowMs: number): Attempt | number {
    const { core } = this;
    if (core.isConnecting) return WSAEALREADY;
    if (core.stream !== null) return WSAEISCONN;
    if (core.listener !== null) return WSAEINVAL;
    if (core.pendingError !== 0) {
      // How the attempt has ended that went on after WSAEWOULDBLOCK: told once, then it can be
      // tried again.
      const code = core.pendingError;
      core.pendingError = 0;
      return code;
    }
    const context = core.place?.context ?? networkFor(this.syscall);
    if (typeof context === "number") return context;
    return core.connect(context, this.#remote, this.#remotePort, nowMs);
  }
}
