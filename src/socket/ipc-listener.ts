// SPDX-License-Identifier: MIT
// A listening local socket as users hold it. What blocks lives in listener.ts.

import type { Bundle, Operation, Wait } from "../../scheduler/index.ts";
import type { Loop } from "../../scheduler/internal.ts";
import type { LocalFlow } from "../kernel/local-flow.ts";
import type { Endpoint } from "../transport/stream.ts";
import { backlogHasRoom } from "./ipc-backlog.ts";
import { IpcConnection } from "./ipc-connection.ts";
import {
  Listener,
  type ListenerKind,
  type ListenerStatistics,
  type ServeOptions,
} from "./listener.ts";

const KIND: ListenerKind<IpcConnection> = {
  name: "ipc",
  connection: (loop, flow) => {
    const local = flow as LocalFlow;
    backlogHasRoom(loop, local.path);
    return new IpcConnection(loop, local);
  },
};

/** A listening local socket, got from `ipc.listen` or `ipc.listenerFromFd`. */
export class IpcListener {
  /** @internal */
  readonly core: Listener<IpcConnection>;

  /** @internal Use `ipc.listen`. */
  constructor(loop: Loop) {
    this.core = new Listener(loop, KIND);
  }

  /** Where it listens: a path, or `"@name"` for an abstract name. */
  get path(): string {
    return this.core.place.localEnd.host;
  }

  /** The same: `host` is the path, `port` is 0. */
  get local(): Endpoint {
    return this.core.place.localEnd;
  }

  /** False once it is closed. */
  get isOpen(): boolean {
    return this.core.isOpen;
  }

  /**
   * Takes the connection that has waited longest. It belongs to the calling coroutine.
   *
   * @param deadline - absolute ms on the loop's clock, -1 never, 0 now
   * @returns the connection
   * @throws NetError EBADF, ECANCELED, EMFILE, ENFILE, ENOBUFS, ENOMEM, ETIMEDOUT; none of them
   *   harms the listener, and the connection goes on waiting
   */
  accept(deadline?: number): Wait<IpcConnection> {
    return this.core.accept(deadline);
  }

  /**
   * Accepts for ever, each connection in a coroutine of its own, which owns it: at its end the
   * connection is aborted unless it was closed. An error in one handler aborts that connection
   * alone. When cancelled it closes the listener, lets handlers go on for `graceMs`, then cancels
   * them.
   *
   * @param handler - gets the connection
   * @param options - limits, grace time, what becomes of errors
   * @throws NetError EBADF (the listener was closed), ECANCELED, EINVAL
   */
  serve(
    handler: (connection: IpcConnection) => Operation<unknown>,
    options?: ServeOptions<IpcConnection>,
  ): Operation<never> {
    return this.core.serve(handler, options);
  }

  /**
   * Stops listening, and removes the socket's file if it is still the one that `ipc.listen` made.
   * Connections that nobody has accepted end with ECONNRESET. Never waits; idempotent.
   */
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
   * @returns the counters; `waiting` is 1 if any waits, since the kernel does not tell how many
   */
  statistics(): ListenerStatistics {
    return this.core.statistics();
  }
}
