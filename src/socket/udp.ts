// SPDX-License-Identifier: MIT
// The module `udp`: `udp.open`.

import { PENDING, READY, Wait, type WaitQueue } from "../../scheduler/internal.ts";
import type { IpAddress } from "../ip/address.ts";
import type { DatagramEnd } from "../transport/datagram.ts";
import type { Endpoint } from "../transport/stream.ts";
import { checkLiteral, checkOptions, checkPort, placeOf } from "./arguments.ts";
import { type Context, checkContext } from "./context.ts";
import {
  EAFNOSUPPORT,
  ECANCELED,
  ENOENT,
  endpointError,
  errnoError,
  openDetail,
} from "./errors.ts";
import { HostLookup } from "./host-lookup.ts";
import { contextFor } from "./network.ts";
import { UdpSocket } from "./udp-socket.ts";
import { checkTarget, NamedEnd, type Target } from "./udp-target.ts";

const SYSCALL = "udp.open";

/** Where to open a UDP socket, and for whom. */
export interface UdpOptions {
  /** 1 to 65535; default 0: any free one. */
  readonly port?: number;
  /** The address to receive at and to send from; default: every address of the network. */
  readonly host?: string;
  /**
   * The only peer, `"10.0.0.1:53"` or an address and a port: `send` goes there, and nobody else's
   * datagrams are received. Default: anybody. Over the kernel it may have a name, which is looked
   * up once: the first of its addresses that is of the family of `host` is the peer. Over our own
   * stack, not over the kernel, several sockets may have one port if each has another peer.
   */
  readonly remote?: Endpoint | string;
  /** Default: the network in scope, else the kernel. */
  readonly context?: Context;
}

/** What to open, checked. */
interface OpenRequest {
  readonly host: IpAddress | null;
  readonly port: number;
  readonly remote: Target | null;
  readonly context: Context | undefined;
}

/** Opens; waits only while the name of the peer is looked up. */
class OpenWait extends Wait<UdpSocket> {
  readonly #request: OpenRequest;
  /** Null if no name is to be looked up. */
  readonly #lookup: HostLookup | null;
  #context: Context | null = null;
  #socket: UdpSocket | null = null;
  /** The error, if there is one, is about the place where it was to be. */
  #isPlaceRefused = false;

  constructor(request: OpenRequest, deadline?: number) {
    super(SYSCALL, deadline);
    this.#request = request;
    const { remote } = request;
    this.#lookup = remote instanceof NamedEnd ? new HostLookup("remote.host", remote.host) : null;
  }

  override reset(): void {
    this.#context = null;
    this.#socket = null;
    this.#isPlaceRefused = false;
    this.#lookup?.reset();
  }

  override poll(): number {
    if (this.#context === null) {
      this.#context = contextFor(this.syscall, this.#request.context);
      // Here and not when it is found: only the first poll runs in the coroutine that is to own it.
      this.#socket = new UdpSocket(this.#context);
      this.#lookup?.begin(this.#context);
    }
    const found = this.#lookup === null ? READY : this.#lookup.poll();
    if (found === PENDING) return PENDING;
    const outcome = found === READY ? this.#open() : found;
    if (outcome !== READY) this.#socket?.close();
    return outcome;
  }

  override queue(): WaitQueue | null {
    return this.#lookup?.waiting ?? null;
  }

  override take(): UdpSocket {
    return this.#socket as UdpSocket;
  }

  override withdrawn(): void {
    this.#lookup?.abandon();
    this.#socket?.close();
  }

  override error(errno: number): Error {
    const { host, port, remote } = this.#request;
    if (remote instanceof NamedEnd && !this.#isPlaceRefused) {
      const detail = this.#lookup?.detail ?? openDetail(errno, this.#context, 0);
      return endpointError(errno, this.syscall, remote, detail);
    }
    const detail = openDetail(errno, this.#context, port);
    return errnoError(errno, this.syscall, host?.toString() ?? "*", port, detail);
  }

  #open(): number {
    const { remote } = this.#request;
    if (!(remote instanceof NamedEnd)) return this.#openTo(remote);
    let result = -ENOENT;
    for (const address of this.#lookup?.addresses ?? []) {
      // Names are blocked so in /etc/hosts; as an address it is refused, too.
      if (address.isUnspecified) continue;
      result = this.#openTo({ address, port: remote.port });
      if (result !== -EAFNOSUPPORT) break;
    }
    this.#isPlaceRefused = result !== -ENOENT && result !== -EAFNOSUPPORT;
    return result;
  }

  #openTo(remote: DatagramEnd | null): number {
    const { host, port } = this.#request;
    const socket = this.#socket as UdpSocket;
    // Its owner has ended meanwhile, which a plain Effection task may outlive.
    if (!socket.isOpen) return -ECANCELED;
    const flow = (this.#context as Context).openDatagram({ address: host, port, remote }, socket);
    if (typeof flow === "number") return flow;
    socket.attach(flow, remote === null ? null : endOf(remote));
    return READY;
  }
}

/**
 * Opens a UDP socket. It belongs to the calling coroutine, whose end closes it. Waits only while
 * the name of a peer is looked up.
 *
 * @param where - port, address, peer; or `"10.0.0.1:53"`, `"[::1]:53"`, `":53"`. Default: any port
 * @param deadline - absolute ms on the loop's clock, -1 never, 0 now
 * @returns the socket
 * @throws NetError EACCES (a port below 1024 of the kernel's; a peer that is more than one host),
 *   EADDRINUSE, EADDRNOTAVAIL (not an address of ours, or no port is free), EAFNOSUPPORT, EAGAIN
 *   (the name service has failed for now), ECANCELED, EINVAL, EMFILE, ENETDOWN (its device is
 *   gone), ENETUNREACH (no route to the peer), ENFILE, ENOENT (no such name), ENOMEM, ENOSYS (no
 *   addon), ETIMEDOUT; TypeError
 * @example
 * ```ts
 * const socket = yield* udp.open({ port: 7777 });
 * const buf = new Uint8Array(1500);
 * const { length, host, port } = yield* socket.recv(buf);
 * yield* socket.send(buf.subarray(0, length), { host, port });
 * ```
 */
export function open(where: UdpOptions | string = {}, deadline?: number): Wait<UdpSocket> {
  const call = SYSCALL;
  const options: UdpOptions = placeOf(call, where);
  checkOptions(call, options, ["context", "host", "port", "remote"]);
  const { port = 0, host, remote, context } = options;
  const isAny = host === undefined || (typeof where === "string" && (host === "" || host === "*"));
  checkContext(call, context);
  const request = {
    host: isAny ? null : checkLiteral(call, "host", host),
    port: checkPort(call, "port", port, 0),
    remote: remote === undefined ? null : checkTarget(call, "remote", remote),
    context,
  };
  return new OpenWait(request, deadline);
}

function endOf({ address, port }: DatagramEnd): Endpoint {
  return { host: address.toString(), port };
}
