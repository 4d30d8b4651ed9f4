// SPDX-License-Identifier: MIT
// The module `ipc`: local sockets, the UNIX-domain sockets of the kernel's (unix(7)).

import type { Operation, Wait } from "../../scheduler/index.ts";
import { checkInteger, checkOptions } from "./arguments.ts";
import { netError } from "./errors.ts";
import { ConnectWait } from "./ipc-connect.ts";
import { IpcConnection } from "./ipc-connection.ts";
import { IpcListener } from "./ipc-listener.ts";
import {
  AdoptListenerWait,
  AdoptWait,
  CloseListenerWait,
  ListenWait,
  PairWait,
} from "./ipc-open.ts";
import { OpenSocketWait } from "./ipc-open-socket.ts";
import { checkDescriptor, checkPath } from "./ipc-path.ts";
import type { IpcSocket } from "./ipc-socket.ts";

/** How to listen. */
export interface IpcListenOptions {
  /** Connections that may wait to be accepted. Default 511, as Node has it. */
  readonly backlog?: number;
  /**
   * True: a socket file whose socket is gone is removed first. Another file never is, nor one whose
   * socket is still there. Two servers that start at the same moment may both find it gone: lock
   * something else if that can be. Default false.
   */
  readonly replaceStale?: boolean;
}

/** Where to open a socket for datagrams, and for whom. */
export interface IpcOptions {
  /**
   * Where to receive, as `listen` takes it. Default: nowhere, so that nobody can answer.
   */
  readonly path?: string;
  /**
   * The only peer, which must be there: `send` goes there, and nobody else's datagrams are received
   * as long as it lives. Default: anybody.
   */
  readonly remote?: string;
  /** As for `listen`. Default false. */
  readonly replaceStale?: boolean;
}

/** As Node's. */
const DEFAULT_BACKLOG = 511;
const MAX_BACKLOG = 65_535;

/**
 * Listens at a path. The listener belongs to the calling coroutine; when it closes, however that
 * comes about, it removes the file that it made, unless another stands there by then.
 *
 * @param path - of up to 107 bytes; `"\0name"` or `"@name"` is a name without a file (abstract),
 *   seen in this network namespace; a file of that name is `"./@name"`
 * @param options - backlog; whether to replace the file of a socket that is gone
 * @returns the listener
 * @throws NetError EACCES (the folder), EADDRINUSE (the message says whether somebody has the
 *   socket that is there), ECANCELED, EINVAL, ELOOP, EMFILE, ENAMETOOLONG, ENETDOWN (on the virtual
 *   clock), ENFILE, ENOENT (no such folder), ENOMEM, ENOSPC, ENOSYS (no addon), ENOTDIR, EPERM (no
 *   sockets on that file system), EROFS; TypeError
 * @example
 * ```ts
 * const listener = yield* ipc.listen("/run/my-server.sock", { replaceStale: true });
 * ```
 */
export function listen(path: string, options: IpcListenOptions = {}): Wait<IpcListener> {
  const call = "ipc.listen";
  const address = checkPath(call, path);
  checkOptions(call, options, ["backlog", "replaceStale"]);
  const { backlog = DEFAULT_BACKLOG, replaceStale = false } = options;
  return new ListenWait({
    address,
    backlog: checkInteger(call, "backlog", backlog, 1, MAX_BACKLOG),
    replacesStale: checkReplaceStale(call, replaceStale),
  });
}

/**
 * Opens a socket for datagrams. It belongs to the calling coroutine, whose end closes it; when it
 * closes, it removes the file that it made, unless another stands there by then.
 *
 * @param options - where to receive, and the only peer; default: nowhere, anybody
 * @returns the socket
 * @throws NetError EACCES (the folder, or the peer's file), EADDRINUSE (the message says whether
 *   somebody has the socket that is there), ECANCELED, ECONNREFUSED (nobody has the peer's socket),
 *   EINVAL, ELOOP, EMFILE, ENAMETOOLONG, ENETDOWN (on the virtual clock), ENFILE, ENOENT (no such
 *   folder, or no such peer), ENOMEM, ENOSPC, ENOSYS (no addon), ENOTDIR, EPERM (the peer has
 *   another `remote`; or no sockets on that file system), EPROTOTYPE (the peer is for streams),
 *   EROFS; TypeError
 * @example
 * ```ts
 * const socket = yield* ipc.open({ path: "/run/my-service.sock", replaceStale: true });
 * const buf = new Uint8Array(65_535);
 * const { length, path } = yield* socket.recv(buf);
 * if (path !== "") yield* socket.send(buf.subarray(0, length), path, now() + 1_000);
 * ```
 */
export function open(options: IpcOptions = {}): Wait<IpcSocket> {
  const call = "ipc.open";
  checkOptions(call, options, ["path", "remote", "replaceStale"]);
  const { path, remote, replaceStale = false } = options;
  return new OpenSocketWait({
    address: path === undefined ? null : checkPath(call, path),
    replacesStale: checkReplaceStale(call, replaceStale),
    remote: remote === undefined ? null : checkPath(call, remote, "remote"),
  });
}

/**
 * Connects to whoever listens at a path. A full backlog is waited for. The connection belongs to
 * the calling coroutine.
 *
 * @param path - as `listen` takes it
 * @param deadline - absolute ms on the loop's clock, -1 never, 0 now
 * @returns the connection
 * @throws NetError EACCES (the folder, or the socket's file), ECANCELED, ECONNREFUSED (nobody
 *   listens there), EINVAL, ELOOP, EMFILE, ENAMETOOLONG, ENETDOWN (on the virtual clock), ENFILE,
 *   ENOENT, ENOMEM, ENOSYS (no addon), ENOTDIR, EPROTOTYPE (a socket for datagrams), ETIMEDOUT;
 *   TypeError
 * @example
 * ```ts
 * const conn = yield* ipc.connect("/run/my-server.sock", now() + 1_000);
 * ```
 */
export function connect(path: string, deadline?: number): Wait<IpcConnection> {
  return new ConnectWait(checkPath("ipc.connect", path), deadline);
}

/**
 * Makes two connections to each other, without a path. Both belong to the calling coroutine.
 *
 * @returns the two ends
 * @throws NetError ECANCELED, EMFILE, ENETDOWN (on the virtual clock), ENFILE, ENOMEM, ENOSYS (no
 *   addon)
 * @example
 * ```ts
 * const [here, there] = yield* ipc.pair();
 * yield* here.send(Uint8Array.of(1));
 * ```
 */
export function pair(): Wait<readonly [IpcConnection, IpcConnection]> {
  return new PairWait();
}

/**
 * Takes over a connected local stream that came from elsewhere: inherited, or by `recvFd`. It is
 * made non-blocking, and belongs to the calling coroutine.
 *
 * @param fd - no longer the caller's to use or to close, unless this fails
 * @returns the connection
 * @throws NetError EBADF (not open), ECANCELED, EEXIST (a socket of this library), EINVAL (another
 *   kind of socket), ENETDOWN (on the virtual clock), ENFILE, ENOSYS (no addon), ENOTCONN,
 *   ENOTSOCK; TypeError
 * @example
 * ```ts
 * const parent = yield* ipc.fromFd(3);
 * ```
 */
export function fromFd(fd: number): Wait<IpcConnection> {
  return new AdoptWait(checkDescriptor("ipc.fromFd", fd));
}

/**
 * Takes over a listening local stream that came from elsewhere, such as from systemd. Its file
 * stays when it closes.
 *
 * @param fd - no longer the caller's to use or to close, unless this fails
 * @returns the listener
 * @throws NetError EBADF (not open), ECANCELED, EEXIST (a socket of this library), EINVAL (another
 *   kind of socket, or it does not listen), ENETDOWN (on the virtual clock), ENFILE, ENOSYS (no
 *   addon), ENOTSOCK; TypeError
 * @example
 * ```ts
 * const FIRST_OF_SYSTEMD = 3;
 * const listener = yield* ipc.listenerFromFd(FIRST_OF_SYSTEMD);
 * ```
 */
export function listenerFromFd(fd: number): Wait<IpcListener> {
  return new AdoptListenerWait(checkDescriptor("ipc.listenerFromFd", fd));
}

/**
 * Closes a connection as its own `close` does, or a listener. The handle is gone even on an error.
 *
 * @param handle - a connection or a listener of this module
 * @param deadline - absolute ms on the loop's clock, -1 never, 0 now
 * @throws NetError EBADF (closed already), ECANCELED, ECONNRESET (the peer is gone and has not read
 *   all), EOPNOTSUPP (a handle of another kind, which stays as it is), ETIMEDOUT; TypeError
 * @example
 * ```ts
 * const [here, there] = yield* ipc.pair();
 * yield* go(() => ipc.close(there));
 * yield* ipc.close(here, now() + 1_000);
 * ```
 */
export function close(handle: IpcConnection | IpcListener, deadline?: number): Operation<void> {
  const call = "ipc.close";
  if (handle instanceof IpcConnection) return handle.close(deadline);
  if (handle instanceof IpcListener) return new CloseListenerWait(handle, deadline);
  if (isClosable(handle)) throw netError("EOPNOTSUPP", call, "handle is of another kind");
  throw new TypeError(`${call}: handle must be a connection or a listener, got ${String(handle)}`);
}

function checkReplaceStale(syscall: string, value: unknown): boolean {
  if (typeof value === "boolean") return value;
  throw new TypeError(`${syscall}: replaceStale must be a boolean, got ${typeof value}`);
}

function isClosable(value: unknown): boolean {
  return typeof (value as { readonly close?: unknown } | null | undefined)?.close === "function";
}
