// SPDX-License-Identifier: MIT
// `tcp.listen` and `tcp.connect`.

import { PENDING, READY, Wait, WaitQueue } from "../../scheduler/internal.ts";
import type { IpAddress } from "../ip/address.ts";
import { type TcpConfig, tcpConfig } from "../mctx/create.ts";
import type { Flow, FlowSink } from "../mctx/flow.ts";
import { checkAddress, checkInteger, checkOptions, checkPort } from "./arguments.ts";
import { type Context, checkContext, contextFor } from "./context.ts";
import { errnoError } from "./errors.ts";
import { TcpConnection } from "./tcp-connection.ts";
import { TcpListener } from "./tcp-listener.ts";

/** Where and how to listen. */
export interface ListenOptions {
  /** 1 to 65535, or 0 for any free one. */
  readonly port: number;
  /** The address to listen on; default: every address of the context. */
  readonly host?: string;
  /** Connections that may wait to be accepted. Default 128. */
  readonly backlog?: number;
  /** Default: the context in scope. */
  readonly context?: Context;
}

/** Whom and how to connect to. */
export interface ConnectOptions {
  /** An IP address. */
  readonly host: string;
  /** 1 to 65535. */
  readonly port: number;
  /** Our port; default 0: an ephemeral one. */
  readonly localPort?: number;
  /** False turns Nagle's algorithm on. Default: as the context says (true). */
  readonly noDelay?: boolean;
  /** Default: the context in scope. */
  readonly context?: Context;
}

const DEFAULT_BACKLOG = 128;
const MAX_BACKLOG = 65_535;

/** The connection being opened, until it is a `TcpConnection`. */
class ConnectWait extends Wait<TcpConnection> implements FlowSink {
  readonly #remote: IpAddress;
  readonly #options: ConnectOptions;
  readonly #waiting: WaitQueue = new WaitQueue();
  #context: Context | null = null;
  #flow: Flow | null = null;

  constructor(options: ConnectOptions, remote: IpAddress, deadline?: number) {
    super("tcp.connect", deadline);
    this.#options = options;
    this.#remote = remote;
  }

  override reset(): void {
    this.#flow = null;
    this.#context = null;
  }

  override poll(nowMs: number): number {
    if (this.#flow === null) {
      const { port, localPort = 0, context } = this.#options;
      this.#context = contextFor(this.syscall, context);
      const { stack } = this.#context;
      const config = this.#config(stack.tcpConfig);
      const opened = stack.connect(this.#remote, port, localPort, config, this, nowMs);
      if (typeof opened === "number") return opened;
      this.#flow = opened;
      return PENDING;
    }
    if (this.#flow.openFailure !== 0) return this.#flow.openFailure;
    return this.#flow.isEstablished ? READY : PENDING;
  }

  override queue(): WaitQueue {
    return this.#waiting;
  }

  override take(): TcpConnection {
    return new TcpConnection(this.#context as Context, this.#flow as Flow);
  }

  override withdrawn(): void {
    if (this.#flow !== null) this.#context?.abortFlow(this.#flow);
  }

  override error(errno: number): Error {
    return errnoError(errno, this.syscall, this.#options.host, this.#options.port);
  }

  flowEvents(): void {
    this.#waiting.wakeAll();
  }

  #config(shared: TcpConfig): TcpConfig {
    const { noDelay = shared.noDelay } = this.#options;
    return noDelay === shared.noDelay ? shared : tcpConfig({ ...shared, noDelay });
  }
}

/** Starts listening: never waits, but is an operation like any other (cancellation, ownership). */
class ListenWait extends Wait<TcpListener> {
  readonly #options: ListenOptions;
  readonly #address: IpAddress | null;
  #listener: TcpListener | null = null;

  constructor(options: ListenOptions, address: IpAddress | null) {
    super("tcp.listen");
    this.#options = options;
    this.#address = address;
  }

  override poll(): number {
    const { port, backlog = DEFAULT_BACKLOG, context: given } = this.#options;
    const context = contextFor(this.syscall, given);
    const listener = new TcpListener(context);
    const record = context.stack.listen(this.#address, port, backlog, listener);
    if (typeof record === "number") {
      listener.close();
      return record;
    }
    listener.attach(record);
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
    const { host = "*", port } = this.#options;
    return errnoError(errno, this.syscall, host, port);
  }
}

/**
 * Listens on a port. The listener belongs to the calling coroutine.
 *
 * @param options - port, address, backlog
 * @returns the listener
 * @throws NetError EADDRINUSE, EADDRNOTAVAIL (not an address of ours, or no port is free),
 *   ECANCELED, EINVAL, ENETDOWN (no context, or its device is gone), ENFILE; TypeError
 */
function listen(options: ListenOptions): Wait<TcpListener> {
  const call = "tcp.listen";
  checkOptions(call, options);
  const { port, host, backlog = DEFAULT_BACKLOG, context } = options;
  checkPort(call, "port", port, 0);
  checkInteger(call, "backlog", backlog, 1, MAX_BACKLOG);
  checkContext(call, context);
  const address = host === undefined ? null : checkAddress(call, "host", host);
  return new ListenWait(options, address?.isUnspecified === true ? null : address);
}

/**
 * Opens a connection: returns once it is ESTABLISHED. After any error no state remains, and a late
 * SYN-ACK meets a RST. The connection belongs to the calling coroutine.
 *
 * @param options - address, port
 * @param deadline - absolute ms on the loop's clock, -1 never, 0 now
 * @returns the connection
 * @throws NetError EADDRINUSE, EADDRNOTAVAIL (no ephemeral port is free), ECANCELED, ECONNREFUSED,
 *   EHOSTUNREACH, EINVAL, ENETDOWN (no context, or its device is gone), ENETUNREACH, ENFILE,
 *   ETIMEDOUT; TypeError
 */
function connect(options: ConnectOptions, deadline?: number): Wait<TcpConnection> {
  const call = "tcp.connect";
  checkOptions(call, options);
  const { host, port, localPort = 0, noDelay, context } = options;
  const remote = checkAddress(call, "host", host);
  checkPort(call, "port", port, 1);
  checkPort(call, "localPort", localPort, 0);
  if (noDelay !== undefined && typeof noDelay !== "boolean") {
    throw new TypeError(`${call}: noDelay must be a boolean, got ${typeof noDelay}`);
  }
  checkContext(call, context);
  return new ConnectWait(options, remote, deadline);
}

/** TCP over the context in scope. */
export const tcp: {
  readonly listen: typeof listen;
  readonly connect: typeof connect;
} = Object.freeze({ listen, connect });
