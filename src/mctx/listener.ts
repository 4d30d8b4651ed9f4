// SPDX-License-Identifier: MIT
// A listening port: its half-open connections and those that wait to be accepted.

import type { IpAddress } from "../ip/address.ts";
import type { ListenerSink } from "../transport/stream.ts";
import { type Flow, FlowList } from "./flow.ts";

/** One listening port of a context. */
export class ListenerRecord {
  /** Null: any address of the context. */
  readonly address: IpAddress | null;
  readonly port: number;
  /** Connections that may wait to be accepted; a SYN beyond it is dropped and counted. */
  readonly backlog: number;
  readonly sink: ListenerSink;
  /** In SYN-RECEIVED, oldest first. */
  readonly halfOpen: FlowList;
  /** ESTABLISHED and not yet accepted, oldest first. Bounded by backlog + maxHalfOpen. */
  readonly ready: FlowList;
  /** 0, or -errno once the context can no longer serve it. */
  error: number;

  constructor(address: IpAddress | null, port: number, backlog: number, sink: ListenerSink) {
    this.address = address;
    this.port = port;
    this.backlog = backlog;
    this.sink = sink;
    this.halfOpen = new FlowList();
    this.ready = new FlowList();
    this.error = 0;
  }

  /** The handshake of `flow` is done: `accept` may take it. */
  offer(flow: Flow): void {
    if (flow.isOffered) return;
    flow.isOffered = true;
    this.halfOpen.remove(flow);
    this.ready.push(flow);
    this.sink.listenerReady();
  }

  /** `flow` has ended, or nobody is to accept it. */
  leave(flow: Flow): void {
    (flow.isOffered ? this.ready : this.halfOpen).remove(flow);
    flow.listener = null;
  }

  /** Takes the connection that has waited longest, null if none waits. */
  take(): Flow | null {
    const flow = this.ready.oldest;
    if (flow !== null) {
      this.ready.remove(flow);
      flow.listener = null;
    }
    return flow;
  }
}
