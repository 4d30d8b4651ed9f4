// The kernel's UDP for the process of kernel-peer-main.ts: sockets of node:dgram, what they have
// received, and the errors that the kernel has told them.

import dgram from "node:dgram";
import { patternAt, patternMismatch } from "./byte-pattern.ts";

/** A datagram as it arrived. */
export interface Arrived {
  readonly bytes: number;
  readonly host: string;
  readonly port: number;
  /** Where it differs from the pattern, -1 for nowhere. */
  readonly wrongAt: number;
}

interface Entry {
  readonly socket: dgram.Socket;
  readonly arrived: Arrived[];
  readonly errors: string[];
  readonly wakers: (() => void)[];
}

const entries = new Map<number, Entry>();
let lastId = 0;

function entryOf(id: number): Entry {
  const entry = entries.get(id);
  if (entry === undefined) throw new Error(`no UDP socket ${id}`);
  return entry;
}

async function next<T>(id: number, queue: (entry: Entry) => T[]): Promise<T> {
  const entry = entryOf(id);
  while (queue(entry).length === 0) {
    await new Promise<void>((resolve) => entry.wakers.push(resolve));
  }
  return queue(entry).shift() as T;
}

/** What a test may ask for. */
export const udpCalls = {
  /** Binds and returns a socket; `isEcho`: sends back what comes. */
  async udpOpen(host: string, port: number, isEcho: boolean): Promise<number> {
    const socket = dgram.createSocket({ type: "udp4", recvBufferSize: 1_000_000 });
    const entry: Entry = { socket, arrived: [], errors: [], wakers: [] };
    const wake = (): void => {
      for (const waker of entry.wakers.splice(0)) waker();
    };
    socket.on("message", (message, { address, port: from }) => {
      if (isEcho) {
        socket.send(message, from, address);
        return;
      }
      const wrongAt = patternMismatch(message, 0);
      entry.arrived.push({ bytes: message.length, host: address, port: from, wrongAt });
      wake();
    });
    socket.on("error", ({ code = "" }: NodeJS.ErrnoException) => {
      entry.errors.push(code);
      wake();
    });
    await new Promise<void>((resolve) => socket.bind(port, host, resolve));
    entries.set(++lastId, entry);
    return lastId;
  },

  /** Gives a socket its only peer. */
  async udpConnect(id: number, host: string, port: number): Promise<void> {
    await new Promise<void>((resolve) => entryOf(id).socket.connect(port, host, () => resolve()));
  },

  /** Sends so many bytes of the pattern; without an address to the peer. */
  async udpSend(id: number, bytes: number, host?: string, port?: number): Promise<void> {
    const { socket } = entryOf(id);
    const message = patternAt(0, bytes);
    await new Promise<void>((resolve, reject) => {
      const done = (error: Error | null): void => (error === null ? resolve() : reject(error));
      if (host === undefined || port === undefined) socket.send(message, done);
      else socket.send(message, port, host, done);
    });
  },

  /** Waits for a datagram. */
  udpReceive(id: number): Promise<Arrived> {
    return next(id, ({ arrived }) => arrived);
  },

  /** Waits for an error that nobody asked about. Returns its code. */
  udpError(id: number): Promise<string> {
    return next(id, ({ errors }) => errors);
  },

  async udpClose(id: number): Promise<void> {
    entryOf(id).socket.close();
    entries.delete(id);
  },
};
