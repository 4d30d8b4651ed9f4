// SPDX-License-Identifier: MIT
// Opening local sockets: connecting, listening, datagrams, pairs, descriptors from elsewhere. Each
// answers at once; the kernel never keeps a local connection waiting.

import type { FlowSink, ListenerSink } from "../transport/stream.ts";
import { EADDRINUSE, ECONNREFUSED } from "./errno.ts";
import { KernelDatagram } from "./kernel-datagram.ts";
import type { KernelSockets } from "./kernel-sockets.ts";
import { LocalFlow } from "./local-flow.ts";
import { LocalListener } from "./local-listener.ts";
import { AF_UNIX, SOCK_DGRAM, SOCK_STREAM } from "./native-sockets.ts";
import { unixSockaddr } from "./sockaddr.ts";
import { fileKind, removeFile, SocketFile } from "./socket-file.ts";

/** Where a local socket is, checked. */
export interface LocalAddress {
  /** A path; or `"@"` and an abstract name. */
  readonly name: string;
  readonly isAbstract: boolean;
}

/** Where and how to listen. */
export interface LocalPlace {
  readonly address: LocalAddress;
  readonly backlog: number;
  /** Removes the file of a socket that is gone. */
  readonly replacesStale: boolean;
}

/** Where datagrams are received, and the only peer of who receives them. */
export interface LocalDatagramPlace {
  /** Null: nowhere. */
  readonly address: LocalAddress | null;
  /** Removes the file of a socket that is gone. */
  readonly replacesStale: boolean;
  /** Null: anybody. */
  readonly remote: LocalAddress | null;
}

/** Why a socket cannot be opened. */
export interface LocalFailure {
  /** Negative. */
  readonly errno: number;
  /** It is about the peer; else about the place to receive at. */
  readonly isAboutRemote: boolean;
}

/** Who stands where we want to listen. */
export type Occupant = "nobody" | "socket" | "stale" | "file";

/** Makes a socket for `tryConnect`. @returns its id, or -errno */
export function openLocal({ native }: KernelSockets): number {
  return native.open(AF_UNIX, SOCK_STREAM, "");
}

/**
 * Connects a socket from `openLocal`, which stays open when it cannot.
 *
 * @returns the connection; EAGAIN: the backlog is full, and nothing tells when it is not; or -errno
 */
export function tryConnect(
  sockets: KernelSockets,
  id: number,
  { name }: LocalAddress,
): LocalFlow | number {
  const result = sockets.native.connect(id, unixSockaddr(name));
  if (result < 0) return result;
  return new LocalFlow(sockets, id, { path: name, local: "", remote: name });
}

/** Starts listening. @returns the listener, or -errno */
export function listenLocal(
  sockets: KernelSockets,
  place: LocalPlace,
  sink: ListenerSink,
  onClosing: () => void,
): LocalListener | number {
  const { native } = sockets;
  const { name, isAbstract } = place.address;
  const id = openLocal(sockets);
  if (id < 0) return id;
  const bound = bindLocal(sockets, id, place.address, place.replacesStale);
  const file = bound < 0 || isAbstract ? null : SocketFile.at(name);
  // The kernel's queue holds one more than it is told.
  const result = bound < 0 ? bound : native.listen(id, place.backlog - 1);
  if (result < 0) {
    file?.remove();
    native.close(id, false);
    return result;
  }
  return new LocalListener(sockets, id, name, sink, () => {
    // Before the socket goes, so that nobody finds a file without one.
    file?.remove();
    onClosing();
  });
}

/** Opens a socket for datagrams. @returns it, or -errno */
export function openLocalDatagram(
  sockets: KernelSockets,
  { address, replacesStale, remote }: LocalDatagramPlace,
  sink: FlowSink,
): KernelDatagram<string> | LocalFailure {
  const { native } = sockets;
  const id = native.open(AF_UNIX, SOCK_DGRAM, "");
  if (id < 0) return { errno: id, isAboutRemote: false };
  const peer = remote === null ? null : unixSockaddr(remote.name);
  // First, so that nobody else's come in before, and that no file is made in vain.
  const connected = peer === null ? 0 : native.connect(id, peer);
  const bound =
    connected < 0 || address === null ? 0 : bindLocal(sockets, id, address, replacesStale);
  if (connected < 0 || bound < 0) {
    native.close(id, false);
    return { errno: connected || bound, isAboutRemote: connected < 0 };
  }
  const file = address === null || address.isAbstract ? null : SocketFile.at(address.name);
  const onClosing = (): void => file?.remove();
  return new KernelDatagram(sockets, id, sink, unixSockaddr, { remote: peer, onClosing });
}

/** @returns who keeps us from listening there */
export function occupantOf(sockets: KernelSockets, address: LocalAddress): Occupant {
  if (address.isAbstract) return "socket";
  const kind = fileKind(address.name);
  if (kind === "none") return "nobody";
  if (kind === "other") return "file";
  return isStale(sockets, address) ? "stale" : "socket";
}

/** Two connections to each other. @returns them, or -errno */
export function openPair(sockets: KernelSockets): readonly [LocalFlow, LocalFlow] | number {
  const ids = sockets.native.pair();
  if (typeof ids === "number") return ids;
  const ends = { path: "", local: "", remote: "" };
  return [new LocalFlow(sockets, ids[0], ends), new LocalFlow(sockets, ids[1], ends)];
}

/** Takes over a connected stream. @returns it, or -errno: the descriptor is still the caller's */
export function adoptStream(sockets: KernelSockets, fd: number): LocalFlow | number {
  const { native } = sockets;
  const id = native.adopt(fd, AF_UNIX, false);
  if (id < 0) return id;
  const [local, remote] = [native.name(id, false).host, native.name(id, true).host];
  // Who connects has a name but rarely.
  return new LocalFlow(sockets, id, { path: remote || local, local, remote });
}

/** Takes over a listening socket. @returns it, or -errno: the descriptor is still the caller's */
export function adoptListener(
  sockets: KernelSockets,
  fd: number,
  sink: ListenerSink,
  onClosing: (name: string) => void,
): LocalListener | number {
  const { native } = sockets;
  const id = native.adopt(fd, AF_UNIX, true);
  if (id < 0) return id;
  const name = native.name(id, false).host;
  return new LocalListener(sockets, id, name, sink, () => onClosing(name));
}

/**
 * Whether nobody has the socket at a path. Asked with a datagram socket, which a stream socket
 * refuses (EPROTOTYPE) without noticing: a listener must not get a connection from it.
 */
function isStale({ native }: KernelSockets, { name }: LocalAddress): boolean {
  const id = native.open(AF_UNIX, SOCK_DGRAM, "");
  if (id < 0) return false;
  const result = native.connect(id, unixSockaddr(name));
  native.close(id, false);
  return result === ECONNREFUSED;
}

/** @returns 0 or -errno */
function bindLocal(
  sockets: KernelSockets,
  id: number,
  address: LocalAddress,
  replacesStale: boolean,
): number {
  const { native } = sockets;
  const sockaddr = unixSockaddr(address.name);
  const bound = native.bind(id, sockaddr);
  if (bound !== EADDRINUSE || !replacesStale || !removeStale(sockets, address)) return bound;
  return native.bind(id, sockaddr);
}

/** Between the last look and the removal nothing else happens here, but it can elsewhere. */
function removeStale(sockets: KernelSockets, address: LocalAddress): boolean {
  return occupantOf(sockets, address) === "stale" && removeFile(address.name);
}
