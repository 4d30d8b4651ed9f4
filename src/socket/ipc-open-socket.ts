// SPDX-License-Identifier: MIT
// Opening a local socket for datagrams, as a Wait that never waits.

import { READY, Wait } from "../../scheduler/internal.ts";
import {
  type LocalDatagramPlace,
  type Occupant,
  occupantOf,
  openLocalDatagram,
} from "../kernel/local-open.ts";
import { EADDRINUSE } from "./errors.ts";
import { kernelFor, openError } from "./ipc-kernel.ts";
import { IpcSocket } from "./ipc-socket.ts";

const IN_USE: Readonly<Record<Occupant, string | undefined>> = {
  nobody: undefined,
  socket: undefined,
  stale:
    "a socket file is there and nobody has its socket any more: remove it, or open with " +
    "replaceStale: true",
  file: "there is a file that is no socket, or that cannot be seen",
};

/** Opens. */
export class OpenSocketWait extends Wait<IpcSocket> {
  readonly #place: LocalDatagramPlace;
  #socket: IpcSocket | null = null;
  #occupant: Occupant = "nobody";
  /** The error, if there is one, is about the peer. */
  #isAboutRemote = false;

  constructor(place: LocalDatagramPlace) {
    super("ipc.open");
    this.#place = place;
  }

  override reset(): void {
    this.#socket = null;
    this.#occupant = "nobody";
    this.#isAboutRemote = false;
  }

  override poll(): number {
    const { sockets, loop } = kernelFor(this.syscall);
    const { address, remote } = this.#place;
    const socket = new IpcSocket(loop);
    const flow = openLocalDatagram(sockets, this.#place, socket.core);
    if ("errno" in flow) {
      socket.close();
      this.#isAboutRemote = flow.isAboutRemote;
      const isTaken = flow.errno === -EADDRINUSE && address !== null;
      if (isTaken) this.#occupant = occupantOf(sockets, address);
      return flow.errno;
    }
    socket.core.attach(flow, remote === null ? null : { host: remote.name, port: 0 });
    this.#socket = socket;
    return READY;
  }

  override queue(): null {
    return null;
  }

  override take(): IpcSocket {
    return this.#socket as IpcSocket;
  }

  override withdrawn(): void {
    this.#socket?.close();
  }

  override error(errno: number): Error {
    const { address, remote } = this.#place;
    const about = this.#isAboutRemote ? remote : (address ?? remote);
    const message = errno === -EADDRINUSE ? IN_USE[this.#occupant] : undefined;
    return openError(errno, this.syscall, about?.name ?? "", message);
  }
}
