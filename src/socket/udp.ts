// SPDX-License-Identifier: MIT
// The module `udp`: `udp.open`.

import { READY, Wait } from "../../scheduler/internal.ts";
import type { IpAddress } from "../ip/address.ts";
import type { DatagramEnd } from "../transport/datagram.ts";
import type { Endpoint } from "../transport/stream.ts";
import { checkLiteral, checkOptions, checkPort, endpointOf } from "./arguments.ts";
import { type Context, checkContext } from "./context.ts";
import { errnoError } from "./errors.ts";
import { contextFor } from "./network.ts";
import { checkTarget, UdpSocket } from "./udp-socket.ts";

/** Where to open a UDP socket, and for whom. */
export interface UdpOptions {
  /** 1 to 65535; default 0: any free one. */
  readonly port?: number;
  /** The address to receive at and to send from; default: every address of the network. */
  readonly host?: string;
  /**
   * The only peer, `"10.0.0.1:53"` or an address and a port: `send` goes there, and nobody else's
   * datagrams are received. Default: anybody. Over our own stack, not over the kernel, several
   * sockets may have one port if each has another peer.
   */
  readonly remote?: Endpoint | string;
  /** Default: the network in scope, else the kernel. */
  readonly context?: Context;
}

/** What to open, checked. */
interface OpenRequest {
  readonly host: IpAddress | null;
  readonly port: number;
  readonly remote: DatagramEnd | null;
  readonly context: Context | undefined;
}

/** Opens: never waits, but is an operation like any other (cancellation, ownership). */
class OpenWait extends Wait<UdpSocket> {
  readonly #request: OpenRequest;
  #socket: UdpSocket | null = null;

  constructor(request: OpenRequest) {
    super("udp.open");
    this.#request = request;
  }

  override poll(): number {
    const { host, port, remote, context: given } = this.#request;
    const context = contextFor(this.syscall, given);
    const socket = new UdpSocket(context.loop, remote === null ? null : endOf(remote));
    const flow = context.openDatagram({ address: host, port, remote }, socket);
    if (typeof flow === "number") {
      socket.close();
      return flow;
    }
    socket.attach(flow);
    this.#socket = socket;
    return READY;
  }

  override queue(): null {
    return null;
  }

  override take(): UdpSocket {
    return this.#socket as UdpSocket;
  }

  override error(errno: number): Error {
    const { host, port } = this.#request;
    return errnoError(errno, this.syscall, host?.toString() ?? "*", port);
  }
}

/**
 * Opens a UDP socket. It belongs to the calling coroutine, whose end closes it.
 *
 * @param where - port, address, peer; or `"10.0.0.1:53"`, `"[::1]:53"`, `":53"`. Default: any port
 * @returns the socket
 * @throws NetError EACCES (a port below 1024 of the kernel's; a peer that is more than one host),
 *   EADDRINUSE, EADDRNOTAVAIL (not an address of ours, or no port is free), EAFNOSUPPORT,
 *   ECANCELED, EINVAL, EMFILE, ENETDOWN (its device is gone), ENETUNREACH (no route to the peer),
 *   ENFILE, ENOMEM, ENOSYS (no addon); TypeError
 * @example
 * ```ts
 * const socket = yield* udp.open({ port: 7777 });
 * const buf = new Uint8Array(1500);
 * const { length, host, port } = yield* socket.recv(buf);
 * yield* socket.send(buf.subarray(0, length), { host, port });
 * ```
 */
export function open(where: UdpOptions | string = {}): Wait<UdpSocket> {
  const call = "udp.open";
  const options: UdpOptions = endpointOf(call, "options", where);
  checkOptions(call, options);
  const { port = 0, host, remote, context } = options;
  const isAny = host === undefined || (typeof where === "string" && (host === "" || host === "*"));
  checkContext(call, context);
  return new OpenWait({
    host: isAny ? null : checkLiteral(call, "host", host),
    port: checkPort(call, "port", port, 0),
    remote: remote === undefined ? null : checkTarget(call, "remote", remote),
    context,
  });
}

function endOf({ address, port }: DatagramEnd): Endpoint {
  return { host: address.toString(), port };
}
