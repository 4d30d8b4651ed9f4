// SPDX-License-Identifier: MIT
// Who is at the other end of the cable: the kernel's TCP, used through Node's net, or a second
// stack of ours. The demo sees an address, a client that calls, and an echo server.

import net from "node:net";
import {
  abortable,
  type Context,
  createContext,
  type Driver,
  go,
  now,
  type Operation,
  sleep,
  tcp,
} from "../../src/index.ts";

/** For what goes well, as in the demo itself. */
const PATIENCE_MS = 10_000;

/** The other end. */
export interface Peer {
  readonly name: string;
  readonly address: string;
  /** Connects, sends, half-closes, and receives until the server closes: what it received. */
  call(host: string, port: number, message: Uint8Array): Operation<Uint8Array>;
  /** Starts an echo server, which lives as long as the calling coroutine. */
  serveEcho(port: number): Operation<void>;
}

/** The kernel. */
export class KernelPeer implements Peer {
  readonly name = "the kernel";
  readonly address: string;

  constructor(address: string) {
    this.address = address;
  }

  call(host: string, port: number, message: Uint8Array): Operation<Uint8Array> {
    return abortable(
      (signal) =>
        new Promise((resolve, reject) => {
          const received: Buffer[] = [];
          const socket = net.connect({ host, port });
          signal.addEventListener("abort", () => socket.destroy(signal.reason));
          socket.setNoDelay(true);
          socket.on("data", (chunk) => received.push(chunk));
          socket.on("error", reject);
          socket.on("close", () => resolve(Buffer.concat(received)));
          socket.end(message);
        }),
    );
  }

  *serveEcho(port: number): Operation<void> {
    const sockets = new Set<net.Socket>();
    const server = net.createServer((socket) => {
      sockets.add(socket);
      socket.setNoDelay(true);
      socket.on("close", () => sockets.delete(socket));
      socket.on("error", () => {});
      socket.pipe(socket);
    });
    yield* abortable(
      () =>
        new Promise<void>((resolve, reject) => {
          server.once("error", reject);
          server.listen({ host: this.address, port }, resolve);
        }),
    );
    yield* go(function* () {
      try {
        yield* sleep(-1);
      } finally {
        server.close();
        for (const socket of sockets) socket.destroy();
      }
    });
  }
}

/** A second stack of ours. It belongs to the coroutine that makes it. */
export class StackPeer implements Peer {
  readonly name = "the second stack";
  readonly address: string;
  readonly #context: Context;

  constructor(driver: Driver, address: string, prefixBits: number) {
    this.address = address;
    this.#context = createContext({ driver, address: `${address}/${prefixBits}` });
  }

  *call(host: string, port: number, message: Uint8Array): Operation<Uint8Array> {
    const conn = yield* tcp.connect({ host, port, context: this.#context }, now() + PATIENCE_MS);
    // Beside receiving: an echo server stops reading when nobody takes what it sends.
    yield* go(function* () {
      yield* conn.send(message, now() + PATIENCE_MS);
      conn.done();
    });
    const received: Uint8Array[] = [];
    const buf = new Uint8Array(65_536);
    for (let n: number; (n = yield* conn.recvSome(buf, now() + PATIENCE_MS)) > 0; ) {
      received.push(buf.slice(0, n));
    }
    yield* conn.close(now() + PATIENCE_MS);
    return Buffer.concat(received);
  }

  *serveEcho(port: number): Operation<void> {
    const listener = yield* tcp.listen({ port, context: this.#context });
    yield* go(() =>
      listener.serve(
        function* (conn) {
          const buf = new Uint8Array(65_536);
          for (let n: number; (n = yield* conn.recvSome(buf)) > 0; ) {
            yield* conn.send(buf.subarray(0, n));
          }
          yield* conn.close(now() + PATIENCE_MS);
        },
        { onError: () => {} },
      ),
    );
  }
}
