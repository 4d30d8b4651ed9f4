// SPDX-License-Identifier: MIT
// A local datagram socket as users hold it. What blocks lives in datagram-core.ts, what local
// sockets do in the kernel: unix(7).

import type { Bundle } from "../../scheduler/index.ts";
import { type Loop, PENDING, type Wait } from "../../scheduler/internal.ts";
import { checkBytes } from "./arguments.ts";
import { DatagramCore, type DatagramKind } from "./datagram-core.ts";
import { RecvWait, SendWait } from "./datagram-waits.ts";
import { checkPath } from "./ipc-path.ts";
import { RetryTimer } from "./ipc-retry.ts";

/** What `recv` of a local socket returns: how long the datagram is, and who sent it. */
export interface IpcReceived {
  /** Bytes of the datagram, all of them in the buffer. */
  readonly length: number;
  /** Where its sender receives: a path, or `"@name"`; `""`: nowhere, it wants no answer. */
  readonly path: string;
}

const KIND: DatagramKind<string, IpcReceived> = {
  send: "ipc.send",
  recv: "ipc.recv",
  moveTo: "ipc.moveTo",
  endOf: (to) => ({ host: to, port: 0 }),
  receivedOf: ({ lengthBytes, from }) => ({ length: lengthBytes, path: from.host }),
};

/**
 * A local socket for datagrams, got from `ipc.open`. What `send` has taken is in the receiver's
 * queue: none is lost, doubled or overtaken while the receiver lives.
 */
export class IpcSocket {
  /** @internal */
  readonly core: DatagramCore<string, IpcReceived>;
  // Whom the last datagram went to, as it was given and checked: usually the next one goes there.
  #lastTo = "";
  #lastName = "";

  /** @internal Use `ipc.open`. */
  constructor(loop: Loop) {
    this.core = new DatagramCore(loop, KIND, this);
  }

  /** Where it receives: a path, or `"@name"` for an abstract name; `""`: nowhere. */
  get path(): string {
    return this.core.flow.localEnd.host;
  }

  /** The only peer, by its path; null: it sends to anybody, and receives from anybody. */
  get remote(): string | null {
    return this.core.remote?.host ?? null;
  }

  /** False once it is closed. */
  get isOpen(): boolean {
    return this.core.isOpen;
  }

  /**
   * Sends one datagram: it is in the receiver's queue when this returns, also if this socket closes
   * then. Waits while that queue is full; several coroutines may send at once. A send that ends by
   * an error, a deadline or cancellation has sent nothing.
   *
   * @param data - the payload, up to 65,507 bytes, may be empty; must not change until this returns
   * @param to - a path, or `"@name"`; left out if the socket has a `remote`
   * @param deadline - absolute ms on the loop's clock, -1 never, 0 now
   * @throws NetError EACCES (the folder, or the socket's file), EBADF, ECANCELED, ECONNREFUSED
   *   (nobody has the socket any more; what stands at a `remote` later is sent to again),
   *   ECONNRESET (the peer sends to somebody else now), EDESTADDRREQ (no `to`, no `remote`),
   *   EINVAL, EISCONN (a `to` besides the `remote`), ELOOP, EMSGSIZE (too long), ENAMETOOLONG,
   *   ENETDOWN (its context is closed), ENOBUFS, ENOENT (no such socket), ENOMEM, ENOTDIR, EPERM
   *   (the receiver has another `remote`), EPROTOTYPE (a socket for streams), ETIMEDOUT; none of
   *   them harms the socket; TypeError
   */
  send(data: Uint8Array, to?: string, deadline?: number): Wait<void> {
    checkBytes(KIND.send, "data", data);
    return new LocalSendWait(this.core, data, this.#target(to), deadline);
  }

  /**
   * Receives one datagram. Several coroutines may wait: first come, first served.
   *
   * @param buf - filled from the start; belongs to this call until it returns
   * @param deadline - absolute ms on the loop's clock, -1 never, 0 now
   * @returns its length and its sender
   * @throws NetError EBADF, ECANCELED, ECONNRESET (the peer sends to somebody else now), EMSGSIZE
   *   (it was longer than `buf`, or than 65,535 bytes: `bytesReceived` bytes of it are there, the
   *   rest is lost, `datagramBytes` tells its length, `address` the sender), ENETDOWN (its context
   *   is closed), ETIMEDOUT; none of them harms the socket; TypeError
   */
  recv(buf: Uint8Array, deadline?: number): Wait<IpcReceived> {
    checkBytes(KIND.recv, "buf", buf);
    return new RecvWait(this.core, buf, deadline);
  }

  /**
   * Closes it, and removes the socket's file if it is still the one that `ipc.open` made: what has
   * arrived and was not received is lost. A coroutine that waits in a call on it gets EBADF. Never
   * waits; idempotent.
   */
  close(): void {
    this.core.close();
  }

  /** The same, as the end of its owner calls it. */
  abort(): void {
    this.core.close();
  }

  /**
   * Hands the socket to another bundle, which closes it when it ends.
   *
   * @param owner - the new owner
   * @throws NetError EBADF (the socket or the bundle is closed)
   */
  moveTo(owner: Bundle): void {
    this.core.moveTo(owner);
  }

  #target(to: string | undefined): string | null {
    if (to === undefined) {
      this.core.checkHasRemote();
      return null;
    }
    this.core.checkHasNoRemote();
    if (to !== this.#lastTo || to === "") {
      this.#lastName = checkPath(KIND.send, to, "to").name;
      this.#lastTo = to;
    }
    return this.#lastName;
  }
}

/** Sends. Of a full queue's having room again the kernel does not tell who has no `remote`. */
class LocalSendWait extends SendWait<string> {
  readonly #core: DatagramCore<string, unknown>;
  #retry: RetryTimer | null = null;

  constructor(
    core: DatagramCore<string, unknown>,
    data: Uint8Array,
    to: string | null,
    deadline?: number,
  ) {
    super(core, data, to, deadline);
    this.#core = core;
  }

  override reset(): void {
    this.#retry = null;
  }

  override poll(nowMs: number): number {
    const result = super.poll(nowMs);
    if (result === PENDING) {
      this.#retry ??= new RetryTimer(this);
      this.#retry.arm(this.#core.loop, nowMs);
    }
    return result;
  }

  override take(): void {
    this.#stop();
  }

  override withdrawn(): void {
    this.#stop();
  }

  #stop(): void {
    if (this.#retry !== null) this.#core.loop.timers.cancel(this.#retry);
  }
}
