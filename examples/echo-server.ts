// SPDX-License-Identifier: MIT
// An echo server: one coroutine per connection, each wait with a deadline, an orderly close.

import { now, type Operation, type TcpConnection, tcp } from "../src/index.ts";
import { commandLine } from "./support/command-line.ts";
import { endpointText, hostOf, launch, NETWORK_OPTIONS } from "./support/launch.ts";

const settings = commandLine(
  {
    name: "echo-server",
    text: "Sends back what it receives. With --driver sim a simulated client talks to it.",
    examples: [
      "npx tsx examples/echo-server.ts                # then: nc 127.0.0.1 7777",
      "npx tsx examples/echo-server.ts --driver tap   # as root; then: nc 10.77.0.2 7777",
      "npx tsx examples/echo-server.ts --driver sim",
    ],
  },
  {
    ...NETWORK_OPTIONS,
    port: { help: "Where to listen.", default: 7777, range: [1, 65_535] },
    "idle-ms": { help: "Close a connection that says nothing for so long.", default: 60_000 },
    "max-connections": {
      help: "Served at once; more wait.",
      default: 10_000,
      range: [1, 1_000_000],
    },
    "in-place": {
      help: "No buffer of its own: copies once, from where bytes came to where they go.",
    },
  },
);

const { port } = settings;

function* server(): Operation<void> {
  const listener = yield* tcp.listen({ port });
  console.log(`listening on ${endpointText(listener.local)}`);
  try {
    // On Ctrl-C it accepts no more, and connections get a second to finish.
    const handler = settings["in-place"] ? echoInPlace : echo;
    yield* listener.serve(handler, { maxConnections: settings["max-connections"], graceMs: 1_000 });
  } finally {
    console.log(`connections served: ${listener.statistics().accepted}`);
  }
}

function* echo(conn: TcpConnection): Operation<void> {
  const buf = new Uint8Array(65_536);
  for (let n: number; (n = yield* conn.recvSome(buf, now() + settings["idle-ms"])) > 0; ) {
    yield* conn.send(buf.subarray(0, n), now() + 10_000);
  }
  yield* conn.close(now() + 5_000);
}

/** The same without a buffer: what peek and reserve show is memory of the connection. */
function* echoInPlace(conn: TcpConnection): Operation<void> {
  for (let n: number; (n = yield* conn.readable(now() + settings["idle-ms"])) > 0; ) {
    const room = yield* conn.reserve(Math.min(n, 65_536), now() + 10_000);
    // From here to the next yield* both stay where they are.
    room.set(conn.peek().subarray(0, room.length));
    conn.commit(room.length);
    conn.consume(room.length);
  }
  yield* conn.close(now() + 5_000);
}

/** What talks to the server on a simulated network. */
function* client(): Operation<void> {
  const conn = yield* tcp.connect({ host: hostOf(settings), port }, now() + 1_000);
  for (const text of ["hello", "and good-bye"]) {
    const bytes = new TextEncoder().encode(text);
    yield* conn.send(bytes, now() + 1_000);
    yield* conn.recv(bytes, now() + 1_000);
    console.log(`the client got "${new TextDecoder().decode(bytes)}" back`);
  }
  yield* conn.close(now() + 1_000);
}

await launch(settings, {
  name: "echo-server",
  run: server,
  peer: { address: "10.77.0.1/24", run: client },
});
