// SPDX-License-Identifier: MIT
// Taking a connection from a listening socket.

import { PENDING, READY, type WaitQueue } from "../../scheduler/internal.ts";
import type { Listener } from "../socket/listener.ts";
import type { Stream } from "../socket/stream.ts";
import type { StreamFlow } from "../transport/stream.ts";
import { CallWait } from "./call-wait.ts";
import { WSAEINVAL, WSAEMFILE } from "./codes.ts";
import { Descriptor } from "./descriptor.ts";
import { codeOfErrno } from "./last-error.ts";
import { fillSockaddr, type Sockaddr } from "./sockaddr.ts";
import { SocketCore } from "./socket-core.ts";
import { isTableFull } from "./table.ts";

/** The connection that has waited longest. */
export class AcceptCall extends CallWait {
  readonly #name: Sockaddr | null;
  #flow: StreamFlow | null = null;

  constructor(descriptor: Descriptor, name: Sockaddr | null) {
    const { isNonBlocking } = descriptor.core.settings;
    super(descriptor, "winsock.accept", isNonBlocking ? -1 : null);
    this.#name = name;
  }

  override queue(): WaitQueue {
    return this.#listener.acceptors;
  }

  protected override attempt(): number {
    if (this.core.listener === null) return this.refuse(WSAEINVAL);
    if (isTableFull()) return this.refuse(WSAEMFILE);
    const taken = this.#listener.pollAccept();
    if (typeof taken !== "number") {
      this.#flow = taken;
      return READY;
    }
    return taken === PENDING ? PENDING : this.refuse(codeOfErrno(taken));
  }

  protected override result(): number {
    const { core } = this;
    const stream = this.#listener.accepted(this.#flow as StreamFlow);
    this.#flow = null;
    // As the manual says it has the listener's properties; Nagle's algorithm was settled when the
    // peer connected.
    const made = new SocketCore(core.loop, core.family, { ...core.settings, noDelay: null });
    made.context = core.context;
    made.adopt(stream);
    if (this.#name !== null) fillSockaddr(this.#name, stream.flow.remoteEnd);
    return new Descriptor(made).handle;
  }

  protected override ended(): void {
    if (this.code === 0 && this.#flow !== null) return;
    // This call may have used up the wake-up of a connection that it does not take.
    this.core.listener?.wakeNext();
  }

  override withdrawn(errno: number): void {
    if (this.#flow !== null) this.#listener.refuse(this.#flow);
    this.#flow = null;
    super.withdrawn(errno);
  }

  get #listener(): Listener<Stream> {
    return this.core.listener as Listener<Stream>;
  }
}
