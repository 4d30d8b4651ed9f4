// SPDX-License-Identifier: MIT
// The servers of the comparisons that are written in TypeScript, one per process,
// and what each is told on its command line:
//
//   {"kind":"net","host":"10.77.0.3"}                 Node's `net`; the host may be unix:PATH
//   {"kind":"kernel","host":"10.77.0.3"}              ours on the kernel's sockets
//   {"kind":"stack","driver":{...},"address":"..."}   ours on our own stack
//
// At PORT each echoes until the peer ends, then ends its own side; at PORT + 1 it receives and
// drops; at PORT + 2 it sends 64 KiB after 64 KiB until the peer goes. It says "ready" when it
// listens, and leaves when its standard input ends, so that none survives whoever started it.

import net from "node:net";
import {
  type BusyPoll,
  createContext,
  go,
  now,
  type Operation,
  openDriver,
  run,
  sleep,
  type TcpConnection,
  tcp,
  useNetwork,
} from "../../src/index.ts";
import { PORT } from "./contestants.ts";
import { leaveWithInput, type StackPlace } from "./place.ts";

/** What a server is told, as JSON on its command line. */
export type ServerOptions =
  | { readonly kind: "net"; readonly host: string }
  | { readonly kind: "kernel"; readonly host: string; readonly busyPoll?: BusyPoll }
  | ({ readonly kind: "stack"; readonly busyPoll?: BusyPoll } & StackPlace);

/** Idle connections of the suite `scale` are not to be given up meanwhile. */
const IDLE_MS = 60_000;
const BACKLOG = 1_024;
const MAX_CONNECTIONS = 1_000_000;
const CHUNK_BYTES = 65_536;

function ready(): void {
  process.stdout.write("ready\n");
}

/** What Node's documentation shows, with the option that a request-response server sets. */
function serveNet(host: string): void {
  const chunk = new Uint8Array(CHUNK_BYTES);
  const listen = (at: number, serve: (socket: net.Socket) => void, then: () => void): void => {
    const server = net.createServer({ noDelay: true, allowHalfOpen: false }, (socket) => {
      socket.on("error", () => {});
      serve(socket);
    });
    const place = host.startsWith("unix:")
      ? { path: `${host.slice("unix:".length)}.${at}` }
      : { host, port: at };
    server.listen({ ...place, backlog: BACKLOG }, then);
  };
  const echoTo = (socket: net.Socket): void => {
    socket.on("data", (data) => socket.write(data));
  };
  const sendTo = (socket: net.Socket): void => {
    const more = (): void => {
      while (!socket.destroyed && socket.write(chunk));
    };
    socket.on("drain", more);
    more();
  };
  listen(PORT, echoTo, () =>
    listen(
      PORT + 1,
      (socket) => socket.resume(),
      () => listen(PORT + 2, sendTo, ready),
    ),
  );
}

/** What our README shows. */
function* echo(connection: TcpConnection): Operation<void> {
  const buffer = new Uint8Array(4_096);
  let count = yield* connection.recvSome(buffer, now() + IDLE_MS);
  while (count > 0) {
    yield* connection.send(buffer.subarray(0, count), now() + 1_000);
    count = yield* connection.recvSome(buffer, now() + IDLE_MS);
  }
  yield* connection.close(now() + 1_000);
}

function* discard(connection: TcpConnection): Operation<void> {
  const buffer = new Uint8Array(CHUNK_BYTES);
  while ((yield* connection.recvSome(buffer, now() + IDLE_MS)) > 0);
  yield* connection.close(now() + 1_000);
}

function* generate(connection: TcpConnection): Operation<void> {
  const chunk = new Uint8Array(CHUNK_BYTES);
  for (;;) yield* connection.send(chunk, now() + IDLE_MS);
}

/** Serves on the network in scope. */
function* serveAll(host: string | null): Operation<void> {
  const serve = function* (offset: number, handler: typeof echo): Operation<void> {
    const place = { port: PORT + offset, backlog: BACKLOG };
    const listener = yield* tcp.listen(host === null ? place : { ...place, host });
    if (offset === 0) ready();
    yield* listener.serve(handler, { onError: () => {}, maxConnections: MAX_CONNECTIONS });
  };
  yield* go(() => serve(1, discard));
  yield* go(() => serve(2, generate));
  yield* sleep(now());
  yield* serve(0, echo);
}

function* serveStack({ driver, address }: StackPlace): Operation<void> {
  yield* useNetwork(createContext({ driver: openDriver(driver), address }));
  yield* serveAll(null);
}

leaveWithInput();
const options = JSON.parse(process.argv[2] ?? "{}") as ServerOptions;
if (options.kind === "net") {
  serveNet(options.host);
} else {
  const { busyPoll = "adaptive" } = options;
  await run(() => (options.kind === "kernel" ? serveAll(options.host) : serveStack(options)), {
    busyPoll,
  });
}
