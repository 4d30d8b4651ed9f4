// SPDX-License-Identifier: MIT
// Opening TCP: the connection attempt and the start of listening, as Waits. The network is the one
// in scope when they run.

import { PENDING, READY, Wait, WaitQueue } from "../../scheduler/internal.ts";
import { IpAddress } from "../ip/address.ts";
import type { FlowSink, StreamFlow } from "../transport/stream.ts";
import type { Context, Lookup } from "./context.ts";
import { errnoError, invalid } from "./errors.ts";
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
  #lookup: Lookup | null = null;
  /** Where to try, one after the other. */
  #addresses: readonly IpAddress[] = [];
  #tried = 0;
  /** Why the last one failed that answered, or did not; and the last that could not be tried. */
  #failure = 0;
  #hindrance = 0;
  #flow: StreamFlow | null = null;

  constructor(request: ConnectRequest, deadline?: number) {
    super("tcp.connect", deadline);
    this.#request = request;
  }

  override reset(): void {
    this.#flow = null;
    this.#context = null;
    this.#lookup = null;
    this.#addresses = [];
    this.#tried = 0;
    this.#failure = 0;
    this.#hindrance = 0;
  }

  override poll(nowMs: number): number {
    if (this.#context === null) this.#begin();
    if (this.#lookup !== null) {
      const { addresses, errno } = this.#lookup;
      if (addresses === null) return PENDING;
      this.#lookup = null;
      if (errno !== 0) return errno;
      this.#addresses = addresses;
    }
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
    return this.#lookup?.waiting ?? this.#waiting;
  }

  override take(): TcpConnection {
    return new TcpConnection((this.#context as Context).loop, this.#flow as StreamFlow);
  }

  override withdrawn(): void {
    this.#lookup?.abandon();
    this.#dropFlow();
  }

  override error(errno: number): Error {
    return errnoError(errno, this.syscall, this.#request.host.toString(), this.#request.port);
  }

  flowEvents(): void {
    this.#waiting.wakeAll();
  }

  #begin(): void {
    const { host, context } = this.#request;
    this.#context = contextFor(this.syscall, context);
    if (host instanceof IpAddress) {
      this.#addresses = [host];
      return;
    }
    this.#lookup = this.#context.lookup(host);
    if (this.#lookup === null) {
      const rule = 'host must be an IP address such as "10.0.0.1"';
      invalid(this.syscall, `${rule}, got "${host}": ${this.#context.name} has no name service`);
    }
  }

  /** Tries the next address. The error that counts is the last of one that could be tried. */
  #next(nowMs: number): number {
    const context = this.#context as Context;
    const { port, localHost, localPort, noDelay } = this.#request;
    while (this.#tried < this.#addresses.length) {
      const remote = this.#addresses[this.#tried++] as IpAddress;
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
  #listener: TcpListener | null = null;

  constructor(request: ListenRequest) {
    super("tcp.listen");
    this.#request = request;
  }

  override poll(): number {
    const { host, port, backlog, context: given } = this.#request;
    const context = contextFor(this.syscall, given);
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
    return errnoError(errno, this.syscall, host?.toString() ?? "*", port);
  }
}
