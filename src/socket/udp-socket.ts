// SPDX-License-Identifier: MIT
// A UDP socket as users hold it, whoever carries its datagrams: our own stack or the kernel. What
// blocks lives in datagram-core.ts.

import type { Bundle } from "../../scheduler/index.ts";
import type { Wait } from "../../scheduler/internal.ts";
import type { DatagramEnd, DatagramFlow } from "../transport/datagram.ts";
import type { Endpoint, FlowSink } from "../transport/stream.ts";
import { checkBytes } from "./arguments.ts";
import type { Context } from "./context.ts";
import { DatagramCore, type DatagramKind } from "./datagram-core.ts";
import { RecvWait, SendWait } from "./datagram-waits.ts";
import type { HostLookup } from "./host-lookup.ts";
import { NamedSendWait } from "./udp-send.ts";
import { checkTarget, NamedEnd, type Target } from "./udp-target.ts";

/** What `recv` returns: how long the datagram is, and who sent it. */
export interface Received {
  /** Bytes of the datagram, all of them in the buffer. */
  readonly length: number;
  /** Address of the sender. */
  readonly host: string;
  /** Port of the sender; 0: it wants no answer. */
  readonly port: number;
}

const KIND: DatagramKind<DatagramEnd, Received> = {
  send: "udp.send",
  recv: "udp.recv",
  moveTo: "udp.moveTo",
  endOf: ({ address, port }) => ({ host: address.toString(), port }),
  receivedOf: ({ lengthBytes, from: { host, port } }) => ({ length: lengthBytes, host, port }),
};

/**
 * A UDP socket, got from `udp.open`. What is sent may be lost, doubled or overtaken on the way;
 * what arrives whole is what was sent.
 */
export class UdpSocket implements FlowSink {
  readonly #context: Context;
  /** @internal */
  readonly core: DatagramCore<DatagramEnd, Received>;
  // Whom the last datagram went to: usually the next one goes there too. A name keeps its address.
  #lastText: string | null = null;
  #lastHost = "";
  #lastEnd: Target | null = null;
  /** Those of calls on this socket that are under way; made for the first name. */
  #lookups: Set<HostLookup> | null = null;

  /** @internal Use `udp.open`. */
  constructor(context: Context) {
    this.#context = context;
    this.core = new DatagramCore(context.loop, KIND, this);
  }

  /** @internal Ties it to what carries its datagrams. */
  attach(flow: DatagramFlow, remote: Endpoint | null): void {
    this.core.attach(flow, remote);
  }

  /** Where it is bound; the port is the one chosen if 0 was asked for. */
  get local(): Endpoint {
    return this.core.flow.localEnd;
  }

  /** The only peer, by its address; null: it sends to anybody, and receives from anybody. */
  get remote(): Endpoint | null {
    return this.core.remote;
  }

  /** False once it is closed. */
  get isOpen(): boolean {
    return this.core.isOpen;
  }

  /**
   * Sends one datagram. Waits only while the network takes nothing more, and while a name is
   * looked up; several coroutines may send at once. That it returns does not mean that anybody has
   * received it. If an earlier datagram is known to have been refused, the next call says so, once,
   * and sends nothing: sockets with a `remote` learn of that, others do not.
   *
   * Over the kernel `to` may have a name. It goes to the first of its addresses that the socket can
   * send to, which is kept for as long as each call has the same name and port, and none fails: a
   * name whose addresses may change is looked up anew after a datagram to any other, or on a new
   * socket.
   *
   * @param data - the payload, may be empty; must not change until this returns
   * @param to - an address and a port, or `"10.0.0.1:53"`, `"[::1]:53"`, `"name:53"`; left out if
   *   the socket has a `remote`
   * @param deadline - absolute ms on the loop's clock, -1 never, 0 now
   * @throws NetError EACCES (to more than one host), EAFNOSUPPORT (the socket cannot send to this
   *   family; or to that of no address of the name), EAGAIN (the name service has failed for now),
   *   EBADF, ECANCELED, ECONNREFUSED (nobody has the port), EDESTADDRREQ (no `to`, no `remote`),
   *   EHOSTUNREACH, EINVAL (an argument; or a name over a stack, which has no name service),
   *   EISCONN (a `to` besides the `remote`), EMSGSIZE (too long; the stack does not fragment),
   *   ENETDOWN (its device is gone), ENETUNREACH, ENOBUFS, ENOENT (no such name), ENOMEM, EPERM (a
   *   firewall), ETIMEDOUT; none of them harms the socket; TypeError
   */
  send(data: Uint8Array, to?: Endpoint | string, deadline?: number): Wait<void> {
    checkBytes(KIND.send, "data", data);
    const target = to === undefined ? this.#noTarget() : this.#target(to);
    return target instanceof NamedEnd
      ? new NamedSendWait(this, data, target, deadline)
      : new SendWait(this.core, data, target, deadline);
  }

  /**
   * Receives one datagram. Several coroutines may wait: first come, first served.
   *
   * @param buf - filled from the start; belongs to this call until it returns
   * @param deadline - absolute ms on the loop's clock, -1 never, 0 now
   * @returns its length and its sender
   * @throws NetError EBADF, ECANCELED, ECONNREFUSED (an earlier datagram: nobody has the port),
   *   EHOSTUNREACH (likewise), EMSGSIZE (it was longer than `buf`: `bytesReceived` bytes of it are
   *   there, the rest is lost, `datagramBytes` tells its length, `address` and `port` the sender;
   *   or an earlier datagram was too long for the way, then `bytesReceived` is 0, and there is no
   *   `datagramBytes`), ENETDOWN (its device is gone), ENETUNREACH, ETIMEDOUT; none of them harms
   *   the socket; TypeError
   */
  recv(buf: Uint8Array, deadline?: number): Wait<Received> {
    checkBytes(KIND.recv, "buf", buf);
    return new RecvWait(this.core, buf, deadline);
  }

  /**
   * Closes it: what has arrived and was not received is lost, what was sent goes out. A coroutine
   * that waits in a call on it gets EBADF. What connections of the same context have handed out,
   * by `peek` and `reserve`, stays good. Never waits; idempotent.
   */
  close(): void {
    if (!this.core.close()) return;
    // Who waits for one of them stands in no queue of ours.
    for (const lookup of this.#lookups ?? []) lookup.abandon();
  }

  /** The same, as the end of its owner calls it. */
  abort(): void {
    this.close();
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

  /** @internal From the flow: marks, resumes nobody. */
  flowEvents(events: number): void {
    this.core.flowEvents(events);
  }

  /** @internal Begins a lookup; if the socket closes meanwhile, who waits for it is told. */
  looksUp(lookup: HostLookup): void {
    lookup.begin(this.#context);
    this.#lookups ??= new Set();
    this.#lookups.add(lookup);
  }

  /** @internal Whoever wanted it has ended. */
  hasLookedUp(lookup: HostLookup): void {
    this.#lookups?.delete(lookup);
  }

  #noTarget(): null {
    this.core.checkHasRemote();
    return null;
  }

  #target(to: Endpoint | string): Target {
    this.core.checkHasNoRemote();
    const last = this.#lastEnd;
    if (last !== null) {
      if (typeof to === "string") {
        if (to === this.#lastText) return last;
      } else if (to !== null && to.host === this.#lastHost && to.port === last.port) {
        return last;
      }
    }
    const end = checkTarget(KIND.send, "to", to);
    this.#lastText = typeof to === "string" ? to : null;
    this.#lastHost = typeof to === "string" ? "" : to.host;
    this.#lastEnd = end;
    return end;
  }
}
