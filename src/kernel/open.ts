// SPDX-License-Identifier: MIT
// Opens sockets of the kernel's: which options, in which order. Nothing waits; results are flows or
// -errno.

import type { IpAddress } from "../ip/address.ts";
import type { DatagramEnd, DatagramPlace } from "../transport/datagram.ts";
import type {
  FlowSink,
  ListenerSink,
  StreamFlow,
  StreamPlace,
  StreamTarget,
} from "../transport/stream.ts";
import {
  IP_BIND_ADDRESS_NO_PORT,
  IPV6_V6ONLY,
  SO_BROADCAST,
  SO_RCVBUF,
  SO_REUSEADDR,
  SO_SNDBUF,
  SOL_IP,
  SOL_IPV6,
  SOL_SOCKET,
  SOL_TCP,
  TCP_NODELAY,
} from "./constants.ts";
import { EADDRINUSE, EADDRNOTAVAIL, EAFNOSUPPORT, EINPROGRESS } from "./errno.ts";
import { KernelDatagram } from "./kernel-datagram.ts";
import { type FlowSettings, KernelFlow } from "./kernel-flow.ts";
import { KernelListener } from "./kernel-listener.ts";
import type { KernelSockets } from "./kernel-sockets.ts";
import { AF_INET, AF_INET6, SOCK_DGRAM, SOCK_STREAM } from "./native-sockets.ts";
import { inetSockaddr } from "./sockaddr.ts";
import { ANY_V4, ANY_V6 } from "./wildcards.ts";

/** What holds for all sockets of a context. */
export interface KernelSettings {
  /** Network namespace: "" is that of the process, else a name or a path. */
  readonly netns: string;
  /** Our address where none is asked for; null: as the routes say. */
  readonly address: IpAddress | null;
  /** Of the kernel's buffers; 0: as the system has them, which grow with need. */
  readonly kernelSendBytes: number;
  readonly kernelReceiveBytes: number;
  readonly flow: FlowSettings;
}

/** Begins to connect. @returns the flow, or -errno */
export function openStream(
  sockets: KernelSockets,
  settings: KernelSettings,
  target: StreamTarget,
  sink: FlowSink,
): StreamFlow | number {
  const { native } = sockets;
  const { remote, remotePort, localPort } = target;
  const family = remote.family === 4 ? AF_INET : AF_INET6;
  const id = native.open(family, SOCK_STREAM, settings.netns);
  if (id < 0) return id;
  prepare(sockets, settings, id, target.noDelay ?? true);
  const local =
    target.local ?? (settings.address?.family === remote.family ? settings.address : null);
  const bound = bindLocal(sockets, id, family, local, localPort);
  if (bound < 0) return giveUp(sockets, id, bound);
  const result = native.connect(id, inetSockaddr(family, remote, remotePort));
  if (result < 0 && result !== EINPROGRESS) {
    // The 4-tuple is taken: connect(2) has another word for it.
    const isTaken = result === EADDRNOTAVAIL && localPort !== 0;
    return giveUp(sockets, id, isTaken ? EADDRINUSE : result);
  }
  const end = { host: remote.toString(), port: remotePort };
  const flow = new KernelFlow(sockets, id, settings.flow, result === 0, end);
  flow.sink = sink;
  return flow;
}

/** Starts listening. @returns the listener, or -errno */
export function listenStream(
  sockets: KernelSockets,
  settings: KernelSettings,
  place: StreamPlace,
  sink: ListenerSink,
  onClose: (listener: KernelListener) => void,
): KernelListener | number {
  const { native } = sockets;
  const address = place.address ?? settings.address ?? ANY_V6;
  const family = address.family === 4 ? AF_INET : AF_INET6;
  const id = native.open(family, SOCK_STREAM, settings.netns);
  if (id === EAFNOSUPPORT && address === ANY_V6) {
    return listenStream(sockets, settings, { ...place, address: ANY_V4 }, sink, onClose);
  }
  if (id < 0) return id;
  native.option(id, SOL_SOCKET, SO_REUSEADDR, 1);
  // What is accepted has it from the listener.
  native.option(id, SOL_TCP, TCP_NODELAY, 1);
  if (family === AF_INET6) native.option(id, SOL_IPV6, IPV6_V6ONLY, place.address === null ? 0 : 1);
  setBuffers(sockets, settings, id);
  const bound = native.bind(id, inetSockaddr(family, address, place.port));
  if (bound < 0) {
    if (bound === EADDRNOTAVAIL && address === ANY_V6) {
      giveUp(sockets, id, bound);
      return listenStream(sockets, settings, { ...place, address: ANY_V4 }, sink, onClose);
    }
    return giveUp(sockets, id, bound);
  }
  // The kernel's queue holds one more than it is told.
  const listening = native.listen(id, place.backlog - 1);
  if (listening < 0) return giveUp(sockets, id, listening);
  return new KernelListener(sockets, id, settings.flow, sink, onClose);
}

/** Opens a place for datagrams. @returns it, or -errno */
export function openDatagram(
  sockets: KernelSockets,
  settings: KernelSettings,
  place: DatagramPlace,
  sink: FlowSink,
): KernelDatagram | number {
  const { native } = sockets;
  const { remote, port } = place;
  const wanted = place.address ?? settings.address;
  const address = wanted ?? (remote?.address.family === 4 ? ANY_V4 : ANY_V6);
  if (remote !== null && remote.address.family !== address.family) return EAFNOSUPPORT;
  const family = address.family === 4 ? AF_INET : AF_INET6;
  const id = native.open(family, SOCK_DGRAM, settings.netns);
  if (id === EAFNOSUPPORT && wanted === null && family === AF_INET6) {
    return openDatagram(sockets, settings, { ...place, address: ANY_V4 }, sink);
  }
  if (id < 0) return id;
  if (family === AF_INET6) native.option(id, SOL_IPV6, IPV6_V6ONLY, wanted === null ? 0 : 1);
  native.option(id, SOL_SOCKET, SO_BROADCAST, 1);
  setBuffers(sockets, settings, id);
  const bound = native.bind(id, inetSockaddr(family, address, port));
  if (bound < 0) return giveUp(sockets, id, bound);
  if (remote !== null) {
    const connected = native.connect(id, inetSockaddr(family, remote.address, remote.port));
    if (connected < 0) return giveUp(sockets, id, connected);
  }
  const isV6Only = family === AF_INET6 && wanted !== null;
  const toSockaddr = (to: DatagramEnd): Uint8Array | number => {
    const isForeign =
      family === AF_INET ? to.address.family !== 4 : isV6Only && to.address.family === 4;
    return isForeign ? EAFNOSUPPORT : inetSockaddr(family, to.address, to.port);
  };
  return new KernelDatagram(sockets, id, sink, toSockaddr);
}

function prepare(
  sockets: KernelSockets,
  settings: KernelSettings,
  id: number,
  noDelay: boolean,
): void {
  if (noDelay) sockets.native.option(id, SOL_TCP, TCP_NODELAY, 1);
  setBuffers(sockets, settings, id);
}

function setBuffers(sockets: KernelSockets, settings: KernelSettings, id: number): void {
  const { native } = sockets;
  const { kernelSendBytes, kernelReceiveBytes } = settings;
  if (kernelSendBytes > 0) native.option(id, SOL_SOCKET, SO_SNDBUF, kernelSendBytes);
  if (kernelReceiveBytes > 0) native.option(id, SOL_SOCKET, SO_RCVBUF, kernelReceiveBytes);
}

function bindLocal(
  sockets: KernelSockets,
  id: number,
  family: number,
  local: IpAddress | null,
  port: number,
): number {
  if (local === null && port === 0) return 0;
  const { native } = sockets;
  const address = local ?? (family === AF_INET ? ANY_V4 : ANY_V6);
  if ((address.family === 4) !== (family === AF_INET)) return EAFNOSUPPORT;
  if (port === 0) native.option(id, SOL_IP, IP_BIND_ADDRESS_NO_PORT, 1);
  else native.option(id, SOL_SOCKET, SO_REUSEADDR, 1);
  return native.bind(id, inetSockaddr(family, address, port));
}

function giveUp(sockets: KernelSockets, id: number, errno: number): number {
  sockets.native.close(id, false);
  return errno;
}
