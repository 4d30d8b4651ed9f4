// SPDX-License-Identifier: MIT
// The servers that `npm run bench -- veth kernel` compares, one per process:
//
//   server.js net HOST PORT
//   server.js kernel HOST PORT BUSY_POLL
//   server.js af_packet|tap ADDRESS/BITS PORT BUSY_POLL INTERFACE [KERNEL_ADDRESS/BITS]
//
// At PORT each echoes until the peer ends, then ends its own side; at PORT + 1 it receives and
// drops; at PORT + 2 it sends 64 KiB after 64 KiB until the peer goes. It says "ready" when it
// listens, and leaves when its standard input ends, so that none survives whoever started it.

import net from "node:net";
import {
  type BusyPoll,
  createContext,
  go,
  type NativeDriver,
  now,
  type Operation,
  openDriver,
  run,
  sleep,
  type TcpConnection,
  tcp,
  useNetwork,
} from "../../src/index.ts";

/** However the bench ends, no server lives longer than this. */
const LIFETIME_MS = 1_800_000;
const BACKLOG = 1_024;
const CHUNK_BYTES = 65_536;

function ready(): void {
  process.stdout.write("ready\n");
}

/** What Node's documentation shows, with the option that a request-response server sets. */
function serveNet(host: string, port: number): void {
  const chunk = new Uint8Array(CHUNK_BYTES);
  const listen = (at: number, serve: (socket: net.Socket) => void, then: () => void): void => {
    const server = net.createServer({ noDelay: true, allowHalfOpen: false }, (socket) => {
      socket.on("error", () => {});
      serve(socket);
    });
    server.listen({ host, port: at, backlog: BACKLOG }, then);
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
  listen(port, echoTo, () =>
    listen(
      port + 1,
      (socket) => socket.resume(),
      () => listen(port + 2, sendTo, ready),
    ),
  );
}

/** What our README shows. */
function* echo(connection: TcpConnection): Operation<void> {
  const buffer = new Uint8Array(4_096);
  let count = yield* connection.recvSome(buffer, now() + 10_000);
  while (count > 0) {
    yield* connection.send(buffer.subarray(0, count), now() + 1_000);
    count = yield* connection.recvSome(buffer, now() + 10_000);
  }
  yield* connection.close(now() + 1_000);
}

function* discard(connection: TcpConnection): Operation<void> {
  const buffer = new Uint8Array(CHUNK_BYTES);
  while ((yield* connection.recvSome(buffer, now() + 10_000)) > 0);
  yield* connection.close(now() + 1_000);
}

function* generate(connection: TcpConnection): Operation<void> {
  const chunk = new Uint8Array(CHUNK_BYTES);
  for (;;) yield* connection.send(chunk, now() + 10_000);
}

/** Serves on the network in scope. */
function* serveAll(host: string | null, port: number): Operation<void> {
  const serve = function* (offset: number, handler: typeof echo): Operation<void> {
    const place = { port: port + offset, backlog: BACKLOG };
    const listener = yield* tcp.listen(host === null ? place : { ...place, host });
    if (offset === 0) ready();
    yield* listener.serve(handler, { onError: () => {} });
  };
  yield* go(() => serve(1, discard));
  yield* go(() => serve(2, generate));
  yield* sleep(now());
  yield* serve(0, echo);
}

async function serveKernel(host: string, port: number, busyPoll: BusyPoll): Promise<void> {
  await run(() => serveAll(host, port), { busyPoll });
}

async function serveStack(
  driver: NativeDriver,
  address: string,
  port: number,
  busyPoll: BusyPoll,
): Promise<void> {
  const serve = function* (): Operation<void> {
    yield* useNetwork(createContext({ driver, address }));
    yield* serveAll(null, port);
  };
  await run(serve, { busyPoll });
}

const [kind, address = "", portText = "", busyText, interfaceName = "", kernelAddress] =
  process.argv.slice(2);
const port = Number(portText);
const busyPoll = (busyText ?? "adaptive") as BusyPoll;
setTimeout(() => process.exit(0), LIFETIME_MS);
process.stdin.on("end", () => process.exit(0)).resume();
process.on("SIGTERM", () => process.exit(0));
if (kind === "net") {
  serveNet(address, port);
} else if (kind === "kernel") {
  await serveKernel(address, port, busyPoll);
} else if (kind === "af_packet") {
  const driver = openDriver({ driver: kind, interface: interfaceName });
  await serveStack(driver, address, port, busyPoll);
} else if (kind === "tap" && kernelAddress !== undefined) {
  const driver = openDriver({ driver: kind, interface: interfaceName, kernelAddress });
  await serveStack(driver, address, port, busyPoll);
} else {
  process.stderr.write("server: net|kernel|af_packet|tap ADDRESS PORT ...\n");
  process.exitCode = 2;
}
