// SPDX-License-Identifier: MIT
// The module `tcp`: `tcp.listen` and `tcp.connect`.

import type { Wait } from "../../scheduler/index.ts";
import {
  checkHost,
  checkInteger,
  checkLiteral,
  checkOptions,
  checkPort,
  peerOf,
  placeOf,
} from "./arguments.ts";
import { type Context, checkContext } from "./context.ts";
import type { TcpConnection } from "./tcp-connection.ts";
import type { TcpListener } from "./tcp-listener.ts";
import { ConnectWait, ListenWait } from "./tcp-open.ts";

/** Where and how to listen. */
export interface ListenOptions {
  /** 1 to 65535, or 0 for any free one. */
  readonly port: number;
  /** The address to listen on; default: every address of the network. */
  readonly host?: string;
  /** Connections that may wait to be accepted. Default 511, as Node has it. */
  readonly backlog?: number;
  /** Default: the network in scope, else the kernel. */
  readonly context?: Context;
}

/** Whom and how to connect to. */
export interface ConnectOptions {
  /** An IP address; over the kernel also a name. */
  readonly host: string;
  /** 1 to 65535. */
  readonly port: number;
  /** Our address; default: as the routes say. */
  readonly localHost?: string;
  /** Our port; default 0: an ephemeral one. */
  readonly localPort?: number;
  /** False turns Nagle's algorithm on. Default: as the context says (true). */
  readonly noDelay?: boolean;
  /** Default: the network in scope, else the kernel. */
  readonly context?: Context;
}

/** As Node's; with fewer, clients that come all at once lose SYNs, and wait a second each. */
const DEFAULT_BACKLOG = 511;
const MAX_BACKLOG = 65_535;

/**
 * Listens on a port. The listener belongs to the calling coroutine.
 *
 * @param where - port, address, backlog; or `"10.0.0.1:80"`, `"[::1]:80"`, `":80"`
 * @returns the listener
 * @throws NetError EACCES (a port below 1024 of the kernel's), EADDRINUSE, EADDRNOTAVAIL (not an
 *   address of ours, or no port is free), EAFNOSUPPORT, ECANCELED, EINVAL, EMFILE, ENETDOWN (its
 *   device is gone), ENFILE, ENOMEM, ENOSYS (no addon); TypeError
 * @example
 * ```ts
 * const listener = yield* tcp.listen({ port: 7777 });
 * ```
 */
export function listen(where: ListenOptions | string): Wait<TcpListener> {
  const call = "tcp.listen";
  const options: Partial<ListenOptions> = placeOf(call, where);
  checkOptions(call, options, ["backlog", "context", "host", "port"]);
  const { port, host, backlog = DEFAULT_BACKLOG, context } = options;
  const isAny = host === undefined || (typeof where === "string" && (host === "" || host === "*"));
  checkContext(call, context);
  return new ListenWait({
    host: isAny ? null : checkLiteral(call, "host", host),
    port: checkPort(call, "port", port, 0),
    backlog: checkInteger(call, "backlog", backlog, 1, MAX_BACKLOG),
    context,
  });
}

/**
 * Opens a connection: returns once it is ESTABLISHED. After any error no state remains, and a late
 * SYN-ACK meets a RST. The connection belongs to the calling coroutine. A name is looked up first,
 * and its addresses are tried one after the other.
 *
 * @param to - address, port; or `"10.0.0.1:80"`, `"[::1]:80"`, `"name:80"`
 * @param deadline - absolute ms on the loop's clock, -1 never, 0 now
 * @returns the connection
 * @throws NetError EACCES (a firewall), EADDRINUSE, EADDRNOTAVAIL (no ephemeral port is free, not
 *   an address of ours), EAFNOSUPPORT, EAGAIN (the name service has failed for now), ECANCELED,
 *   ECONNREFUSED, EHOSTUNREACH, EINVAL, EMFILE, ENETDOWN (its device is gone), ENETUNREACH, ENFILE,
 *   ENOENT (no such name), ENOMEM, ENOSYS (no addon), ETIMEDOUT; TypeError
 * @example
 * ```ts
 * const conn = yield* tcp.connect("127.0.0.1:7777", now() + 1_000);
 * ```
 */
export function connect(to: ConnectOptions | string, deadline?: number): Wait<TcpConnection> {
  const call = "tcp.connect";
  const options: Partial<ConnectOptions> = peerOf(call, "options", to);
  checkOptions(call, options, ["context", "host", "localHost", "localPort", "noDelay", "port"]);
  const { host, port, localHost, localPort = 0, noDelay, context } = options;
  const request = {
    host: checkHost(call, "host", host),
    port: checkPort(call, "port", port, 1),
    localHost: localHost === undefined ? null : checkLiteral(call, "localHost", localHost),
    localPort: checkPort(call, "localPort", localPort, 0),
    noDelay: noDelay ?? null,
    context,
  };
  if (noDelay !== undefined && typeof noDelay !== "boolean") {
    throw new TypeError(`${call}: noDelay must be a boolean, got ${typeof noDelay}`);
  }
  checkContext(call, context);
  return new ConnectWait(request, deadline);
}
