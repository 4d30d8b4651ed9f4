// SPDX-License-Identifier: MIT
// Opening local sockets: connecting, listening, pairs, descriptors from elsewhere. Each answers at
// once; the kernel never keeps a local connection waiting.

import type { ListenerSink } from "../transport/stream.ts";
import { EADDRINUSE, ECONNREFUSED } from "./errno.ts";
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
  const sockaddr = unixSockaddr(name);
  let bound = native.bind(id, sockaddr);
  if (bound === EADDRINUSE && place.replacesStale && removeStale(sockets, place.address)) {
    bound = native.bind(id, sockaddr);
  }
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

/** Between the last look and the removal nothing else happens here, but it can elsewhere. */
function removeStale(sockets: KernelSockets, address: LocalAddress): boolean {
  return occupantOf(sockets, address) === "stale" && removeFile(address.name);
}
