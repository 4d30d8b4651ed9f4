// SPDX-License-Identifier: MIT
// A context as the socket layer knows it: whoever carries the bytes of sockets. `StackContext` is
// our own TCP/IP stack over a driver, `KernelContext` the kernel's sockets.

import type { Resource } from "../../scheduler/index.ts";
import type { Loop, WaitQueue } from "../../scheduler/internal.ts";
import type { IpAddress } from "../ip/address.ts";
import type { DatagramFlow, DatagramPlace } from "../transport/datagram.ts";
import type {
  FlowSink,
  ListenerSink,
  StreamFlow,
  StreamListener,
  StreamPlace,
  StreamTarget,
} from "../transport/stream.ts";

/** Counters that every context has. */
export interface ContextStatistics {
  /** Drops and other events by name, such as `"tcp.backlogFull"`. */
  readonly events: Record<string, number>;
  /** Connections, half-open connections and datagram sockets. */
  readonly sockets: number;
  /** Connections in TIME-WAIT; 0 over the kernel, which keeps them to itself. */
  readonly timeWait: number;
}

/** What is alive in a context, for tests. */
export interface ContextLeftovers {
  /** Connections and datagram sockets, those included that end in the background. */
  readonly sockets: number;
  readonly timeWait: number;
  readonly listeners: number;
  /** Bytes that wait in buffers of ours. */
  readonly bufferedBytes: number;
  readonly timers: number;
}

/** A name being looked up. */
export interface Lookup {
  /** Null while it goes on; else the addresses, or none and `errno`. */
  readonly addresses: readonly IpAddress[] | null;
  /** 0, or -errno. */
  readonly errno: number;
  /** Who waits for it. */
  readonly waiting: WaitQueue;
  /** Nobody wants the result any more. */
  abandon(): void;
}

/** What carries the bytes of sockets: our own TCP/IP stack over a driver, or the kernel. */
export interface Context extends Resource {
  /** For messages. */
  readonly name: string;
  /** Our address, `"0.0.0.0"` or `"::"` if there are several. */
  readonly address: string;
  /** False once it is closed, or its device is gone: every call fails with ENETDOWN. */
  readonly isOpen: boolean;
  /** @internal */
  readonly loop: Loop;
  /** Resets every connection and frees everything. Idempotent. */
  close(): void;
  /**
   * Counts what has happened so far.
   *
   * @returns the counters
   */
  statistics(): ContextStatistics;
  /**
   * Counts what is alive in it, for tests.
   *
   * @returns all zero, but for TIME-WAIT, when nothing was left behind
   */
  leftovers(): ContextLeftovers;
  /** @internal Opens a connection. @returns the flow, not yet established, or -errno */
  openStream(target: StreamTarget, sink: FlowSink, nowMs: number): StreamFlow | number;
  /** @internal Starts listening. @returns the listener, or -errno */
  listenStream(place: StreamPlace, sink: ListenerSink): StreamListener | number;
  /** @internal Opens a place for datagrams. @returns it, or -errno */
  openDatagram(place: DatagramPlace, sink: FlowSink): DatagramFlow | number;
  /** @internal Looks a name up. @returns null: it has no name service */
  lookup(host: string): Lookup | null;
}

const contexts = new WeakSet<object>();

/** Makes `context` one that calls take. */
export function registerContext(context: Context): void {
  contexts.add(context);
}

/** True for what is a context. */
export function isContext(value: unknown): value is Context {
  return typeof value === "object" && value !== null && contexts.has(value);
}

/** Refuses what is given as a context and is none. */
export function checkContext(syscall: string, given: unknown): void {
  if (given !== undefined && !isContext(given)) {
    throw new TypeError(`${syscall}: context must come from createContext or createKernelContext`);
  }
}
