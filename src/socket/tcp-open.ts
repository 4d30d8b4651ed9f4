// SPDX-License-Identifier: MIT
// Opening TCP: the connection attempt and the start of listening, as Waits. The network is the one
// in scope when they run.

import { PENDING, READY, Wait, WaitQueue } from "../../scheduler/internal.ts";
import type { IpAddress } from "../ip/address.ts";
import type { FlowSink, StreamFlow } from "../transport/stream.ts";
import type { Context } from "./context.ts";
import { endpointError, errnoError, openDetail } from "./errors.ts";
import { HostLookup } from "./host-lookup.ts";
import { contextFor } from "./network.ts";
import { TcpConnection } from "./tcp-connection.ts";
import { TcpListener } from "./tcp-listener.ts";

/** Whom to connect to, checked. */
export interface ConnectRequest {
  readonly host: IpAddress | string;
  readonly port: number;
  readonly localHost: IpAddress | null;
  readonly localPort: number;
  readonly noDelay: boolean | null;
  readonly context: Context | undefined;
}

/** Where to listen, checked. */
export interface ListenRequest {
  readonly host: IpAddress | null;
  readonly port: number;
  readonly backlog: number;
  readonly context: Context | undefined;
}

/** The connection being opened, until it is a `TcpConnection`. */
export class ConnectWait extends Wait<TcpConnection> implements FlowSink {
  readonly #request: ConnectRequest;
  readonly #waiting: WaitQueue = new WaitQueue();
  #context: Context | null = null;
  /** Whose addresses are tried one after the other. */
  readonly #lookup: HostLookup;
  #tried = 0;
  /** Why the last one failed that answered, or did not; and the last that could not be tried. */
  #failure = 0;
  #hindrance = 0;
  #flow: StreamFlow | null = null;

  constructor(request: ConnectRequest, deadline?: number) {
    super("tcp.connect", deadline);
    this.#request = request;
    this.#lookup = new HostLookup("host", request.host);
  }

  override reset(): void {
    this.#flow = null;
    this.#context = null;
    this.#lookup.reset();
    this.#tried = 0;
    this.#failure = 0;
    this.#hindrance = 0;
  }

  override poll(nowMs: number): number {
    if (this.#context === null) {
      this.#context = contextFor(this.syscall, this.#request.context);
      this.#lookup.begin(this.#context);
    }
    const found = this.#lookup.poll();
    if (found !== READY) return found;
    if (this.#flow === null) return this.#next(nowMs);
    const failure = this.#flow.openFailure;
    if (failure !== 0) {
      this.#failure = failure;
      this.#dropFlow();
      return this.#next(nowMs);
    }
    return this.#flow.isEstablished ? READY : PENDING;
  }

  override queue(): WaitQueue {
    return this.#lookup.waiting ?? this.#waiting;
  }

  override take(): TcpConnection {
    return new TcpConnection((this.#context as Context).loop, this.#flow as StreamFlow);
  }

  override withdrawn(): void {
    this.#lookup.abandon();
    this.#dropFlow();
  }

  override error(errno: number): Error {
    const { host, port, localPort } = this.#request;
    const where = { host: host.toString(), port };
    const detail = this.#lookup.detail ?? openDetail(errno, this.#context, localPort);
    return endpointError(errno, this.syscall, where, detail);
  }

  flowEvents(): void {
    this.#waiting.wakeAll();
  }

  /** Tries the next address. The error that counts is the last of one that could be tried. */
  #next(nowMs: number): number {
    const context = this.#context as Context;
    const { port, localHost, localPort, noDelay } = this.#request;
    const { addresses } = this.#lookup;
    while (this.#tried < addresses.length) {
      const remote = addresses[this.#tried++] as IpAddress;
      const target = { remote, remotePort: port, local: localHost, localPort, noDelay };
      const opened = context.openStream(target, this, nowMs);
      if (typeof opened !== "number") {
        this.#flow = opened;
        return opened.isEstablished ? READY : PENDING;
      }
      this.#hindrance = opened;
    }
    return this.#failure || this.#hindrance;
  }

  #dropFlow(): void {
    const flow = this.#flow;
    this.#flow = null;
    if (flow === null) return;
    flow.sink = null;
    flow.abort((this.#context as Context).loop.now());
  }
}

/** Starts listening: never waits, but is an operation like any other (cancellation, ownership). */
export class ListenWait extends Wait<TcpListener> {
  readonly #request: ListenRequest;
  #context: Context | null = null;
  #listener: TcpListener | null = null;

  constructor(request: ListenRequest) {
    super("tcp.listen");
    this.#request = request;
  }

  override poll(): number {
    const { host, port, backlog, context: given } = this.#request;
    const context = contextFor(this.syscall, given);
    this.#context = context;
    const listener = new TcpListener(context.loop);
    const place = context.listenStream({ address: host, port, backlog }, listener.core);
    if (typeof place === "number") {
      listener.close();
      return place;
    }
    listener.core.attach(place);
    this.#listener = listener;
    return READY;
  }

  override queue(): null {
    return null;
  }

  override take(): TcpListener {
    return this.#listener as TcpListener;
  }

  override error(errno: number): Error {
    const { host, port } = this.#request;
    const detail = openDetail(errno, this.#context, port);
    return errnoError(errno, this.syscall, host?.toString() ?? "*", port, detail);
  }
}
