// SPDX-License-Identifier: MIT
// A listening TCP port as users hold it. What blocks lives in listener.ts.

import type { Bundle, Operation, Wait } from "../../scheduler/index.ts";
import type { Loop } from "../../scheduler/internal.ts";
import type { Endpoint } from "../transport/stream.ts";
import {
  Listener,
  type ListenerKind,
  type ListenerStatistics,
  type ServeOptions,
} from "./listener.ts";
import { TcpConnection } from "./tcp-connection.ts";

const KIND: ListenerKind<TcpConnection> = {
  name: "tcp",
  connection: (loop, flow) => new TcpConnection(loop, flow),
};

/** A listening TCP port, got from `tcp.listen`. */
export class TcpListener {
  /** @internal */
  readonly core: Listener<TcpConnection>;

  /** @internal Use `tcp.listen`. */
  constructor(loop: Loop) {
    this.core = new Listener(loop, KIND);
  }

  /** Where it listens; the port is the one chosen if 0 was asked for. */
  get local(): Endpoint {
    return this.core.place.localEnd;
  }

  /** False once it is closed. */
  get isOpen(): boolean {
    return this.core.isOpen;
  }

  /**
   * Takes the ESTABLISHED connection that has waited longest. It belongs to the calling coroutine.
   *
   * @param deadline - absolute ms on the loop's clock, -1 never, 0 now
   * @returns the connection
   * @throws NetError EBADF, ECANCELED, EMFILE, ENETDOWN (the device is gone), ENFILE (`maxSockets`
   *   of the context, or the system's limit), ENOBUFS, ENOMEM, ENOSPC (epoll watches), ETIMEDOUT;
   *   none of them harms the listener
   */
  accept(deadline?: number): Wait<TcpConnection> {
    return this.core.accept(deadline);
  }

  /**
   * Accepts for ever, each connection in a coroutine of its own, which owns it: at its end the
   * connection is aborted unless it was closed. An error in one handler aborts that connection
   * alone. When cancelled it closes the listener, lets handlers go on for `graceMs`, then cancels
   * them. Without a descriptor or memory for the next one (EMFILE, ENFILE, ENOBUFS, ENOMEM, ENOSPC)
   * it says so on stderr, at most once a second, and tries again when a handler has ended or after
   * 100 ms.
   *
   * @param handler - gets the connection
   * @param options - limits, grace time, what becomes of errors
   * @throws NetError EBADF (the listener was closed), ECANCELED, EINVAL, ENETDOWN
   */
  serve(
    handler: (connection: TcpConnection) => Operation<unknown>,
    options?: ServeOptions<TcpConnection>,
  ): Operation<never> {
    return this.core.serve(handler, options);
  }

  /** Stops listening: connections that nobody has accepted are reset. Never waits; idempotent. */
  close(): void {
    this.core.close();
  }

  /** The same, as the end of its owner calls it. */
  abort(): void {
    this.core.close();
  }

  /**
   * Hands the listener to another bundle, which closes it when it ends.
   *
   * @param owner - the new owner
   * @throws NetError EBADF (the listener or the bundle is closed)
   */
  moveTo(owner: Bundle): void {
    this.core.moveTo(owner);
  }

  /**
   * Counts what it has done so far.
   *
   * @returns the counters
   */
  statistics(): ListenerStatistics {
    return this.core.statistics();
  }
}
