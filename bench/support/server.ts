// SPDX-License-Identifier: MIT
// The servers that `npm run bench -- veth` compares, one per process:
//
//   server.js net HOST PORT
//   server.js af_packet|tap ADDRESS/BITS PORT BUSY_POLL INTERFACE [KERNEL_ADDRESS/BITS]
//
// Each echoes until the peer ends, then ends its own side. It says "ready" when it listens, and
// leaves when its standard input ends, so that none survives whoever started it.

import net from "node:net";
import {
  type BusyPoll,
  createContext,
  type NativeDriver,
  now,
  type Operation,
  openDriver,
  run,
  type TcpConnection,
  tcp,
  useNetwork,
} from "../../src/index.ts";

/** However the bench ends, no server lives longer than this. */
const LIFETIME_MS = 300_000;

function ready(): void {
  process.stdout.write("ready\n");
}

/** What Node's documentation shows, with the option that a request-response server sets. */
function serveNet(host: string, port: number): void {
  const server = net.createServer({ noDelay: true, allowHalfOpen: false }, (socket) => {
    socket.on("data", (data) => socket.write(data));
    socket.on("error", () => {});
  });
  server.listen({ host, port, backlog: 1_024 }, ready);
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

async function serveOurs(driver: NativeDriver, address: string, port: number): Promise<void> {
  const busyPoll = (process.argv[5] ?? "adaptive") as BusyPoll;
  const serve = function* (): Operation<void> {
    yield* useNetwork(createContext({ driver, address }));
    const listener = yield* tcp.listen({ port, backlog: 1_024 });
    ready();
    yield* listener.serve(echo, { onError: () => {} });
  };
  await run(serve, { busyPoll });
}

const [kind, address = "", portText = "", , interfaceName = "", kernelAddress] =
  process.argv.slice(2);
const port = Number(portText);
setTimeout(() => process.exit(0), LIFETIME_MS);
process.stdin.on("end", () => process.exit(0)).resume();
process.on("SIGTERM", () => process.exit(0));
if (kind === "net") {
  serveNet(address, port);
} else if (kind === "af_packet") {
  const driver = openDriver({ driver: kind, interface: interfaceName });
  await serveOurs(driver, address, port);
} else if (kind === "tap" && kernelAddress !== undefined) {
  const driver = openDriver({ driver: kind, interface: interfaceName, kernelAddress });
  await serveOurs(driver, address, port);
} else {
  process.stderr.write("server: net|af_packet|tap ADDRESS PORT ...\n");
  process.exitCode = 2;
}
