// SPDX-License-Identifier: MIT
// Opening local sockets, but for connecting, as Waits: these never wait.

import { type Loop, READY, Wait } from "../../scheduler/internal.ts";
import type { LocalFlow } from "../kernel/local-flow.ts";
import {
  adoptListener,
  adoptStream,
  type LocalPlace,
  listenLocal,
  type Occupant,
  occupantOf,
  openPair,
} from "../kernel/local-open.ts";
import type { StreamListener } from "../transport/stream.ts";
import { EADDRINUSE, EBADF, EEXIST, EINVAL, ENOTCONN, ENOTSOCK } from "./errors.ts";
import { backlogCloses } from "./ipc-backlog.ts";
import { IpcConnection } from "./ipc-connection.ts";
import { kernelFor, openError } from "./ipc-kernel.ts";
import { IpcListener } from "./ipc-listener.ts";

const IN_USE: Readonly<Record<Occupant, string | undefined>> = {
  nobody: undefined,
  socket: undefined,
  stale:
    "a socket file is there and nobody has its socket any more: remove it, or listen with " +
    "replaceStale: true",
  file: "there is a file that is no socket, or that cannot be seen",
};

/** Why a descriptor is not taken over. */
const NOT_ADOPTED: Readonly<Record<number, string>> = {
  [EBADF]: "is not open",
  [EEXIST]: "is a socket of this library already",
  [ENOTCONN]: "is not connected",
  [ENOTSOCK]: "is no socket",
};

/** What never waits, but is an operation like any other: cancellation, ownership. */
abstract class OpenWait<T> extends Wait<T> {
  override queue(): null {
    return null;
  }
}

/** Starts listening. */
export class ListenWait extends OpenWait<IpcListener> {
  readonly #place: LocalPlace;
  #listener: IpcListener | null = null;
  #occupant: Occupant = "nobody";

  constructor(place: LocalPlace) {
    super("ipc.listen");
    this.#place = place;
  }

  override poll(): number {
    const { sockets, loop } = kernelFor(this.syscall);
    const { address } = this.#place;
    const listener = new IpcListener(loop);
    const onClosing = (): void => backlogCloses(loop, address.name);
    const place = listenLocal(sockets, this.#place, listener.core, onClosing);
    if (place === -EADDRINUSE) this.#occupant = occupantOf(sockets, address);
    this.#listener = listener;
    return attach(listener, place);
  }

  override take(): IpcListener {
    return this.#listener as IpcListener;
  }

  override error(errno: number): Error {
    const message = errno === -EADDRINUSE ? IN_USE[this.#occupant] : undefined;
    return openError(errno, this.syscall, this.#place.address.name, message);
  }
}

/** Takes over a listening descriptor. */
export class AdoptListenerWait extends OpenWait<IpcListener> {
  readonly #fd: number;
  #listener: IpcListener | null = null;

  constructor(fd: number) {
    super("ipc.listenerFromFd");
    this.#fd = fd;
  }

  override poll(): number {
    const { sockets, loop } = kernelFor(this.syscall);
    const listener = new IpcListener(loop);
    this.#listener = listener;
    const onClosing = (name: string): void => backlogCloses(loop, name);
    return attach(listener, adoptListener(sockets, this.#fd, listener.core, onClosing));
  }

  override take(): IpcListener {
    return this.#listener as IpcListener;
  }

  override error(errno: number): Error {
    return openError(
      errno,
      this.syscall,
      "",
      whyNotAdopted(errno, this.#fd, "a local stream that listens"),
    );
  }
}

/** Takes over a connected descriptor. */
export class AdoptWait extends OpenWait<IpcConnection> {
  readonly #fd: number;
  #loop: Loop | null = null;
  #flow: LocalFlow | null = null;

  constructor(fd: number) {
    super("ipc.fromFd");
    this.#fd = fd;
  }

  override poll(): number {
    const { sockets, loop } = kernelFor(this.syscall);
    const flow = adoptStream(sockets, this.#fd);
    if (typeof flow === "number") return flow;
    this.#loop = loop;
    this.#flow = flow;
    return READY;
  }

  override take(): IpcConnection {
    return new IpcConnection(this.#loop as Loop, this.#flow as LocalFlow);
  }

  override error(errno: number): Error {
    return openError(
      errno,
      this.syscall,
      "",
      whyNotAdopted(errno, this.#fd, "a connected local stream"),
    );
  }
}

/** Makes two connections to each other. */
export class PairWait extends OpenWait<readonly [IpcConnection, IpcConnection]> {
  #loop: Loop | null = null;
  #flows: readonly [LocalFlow, LocalFlow] | null = null;

  constructor() {
    super("ipc.pair");
  }

  override poll(): number {
    const { sockets, loop } = kernelFor(this.syscall);
    const flows = openPair(sockets);
    if (typeof flows === "number") return flows;
    this.#loop = loop;
    this.#flows = flows;
    return READY;
  }

  override take(): readonly [IpcConnection, IpcConnection] {
    const loop = this.#loop as Loop;
    const [one, other] = this.#flows as readonly [LocalFlow, LocalFlow];
    return [new IpcConnection(loop, one), new IpcConnection(loop, other)];
  }
}

/** Closes a listener, even in a cancelled coroutine. */
export class CloseListenerWait extends OpenWait<void> {
  readonly #listener: IpcListener;

  constructor(listener: IpcListener, deadline?: number) {
    super("ipc.close", deadline);
    this.#listener = listener;
  }

  override poll(): number {
    return this.#listener.isOpen ? READY : -EBADF;
  }

  override take(): void {
    this.#listener.close();
  }

  override withdrawn(errno: number): void {
    if (errno !== 0) this.#listener.close();
  }

  override error(errno: number): Error {
    return openError(errno, this.syscall, this.#listener.path);
  }
}

/** Gives a listener what it listens with. @returns as `Wait.poll` */
function attach(listener: IpcListener, place: StreamListener | number): number {
  if (typeof place === "number") {
    listener.close();
    return place;
  }
  listener.core.attach(place);
  return READY;
}

/** @returns what to say of a descriptor that is not taken over; undefined: the code says it */
function whyNotAdopted(errno: number, fd: number, wanted: string): string | undefined {
  const why = errno === -EINVAL ? `is not ${wanted}` : NOT_ADOPTED[-errno];
  return why === undefined ? undefined : `fd ${fd} ${why}`;
}
