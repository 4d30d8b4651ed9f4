// SPDX-License-Identifier: MIT
// An echo client: connects within a deadline, sends messages, checks what comes back, closes.

import { now, type Operation, tcp } from "../src/index.ts";
import { commandLine } from "./support/command-line.ts";
import { launch, NETWORK_OPTIONS } from "./support/launch.ts";

const settings = commandLine(
  {
    name: "echo-client",
    text: "Sends messages to an echo server and measures the time until they are back.",
    examples: [
      "npx tsx examples/echo-client.ts --host localhost --port 7777",
      "npx tsx examples/echo-client.ts --driver tap --host 10.77.0.1   # a server on this host",
      "npx tsx examples/echo-client.ts --driver sim --count 5",
    ],
  },
  {
    ...NETWORK_OPTIONS,
    host: {
      help: "The server's address, or its name; default 127.0.0.1, on a device 10.77.0.1.",
      default: "",
      value: "<host>",
    },
    port: { help: "The server's port.", default: 7777, range: [1, 65_535] },
    message: { help: "What to send.", default: "hello" },
    count: { help: "How often.", default: 3, range: [1, 1_000_000] },
    "timeout-ms": { help: "For connecting, for each message, and for closing.", default: 2_000 },
  },
);

const { driver, port, count } = settings;
const usualHost = driver === "kernel" ? "127.0.0.1" : "10.77.0.1";
const host = settings.host === "" ? usualHost : settings.host;
const timeoutMs = settings["timeout-ms"];

function* client(): Operation<void> {
  const startMs = now();
  const conn = yield* tcp.connect({ host, port }, startMs + timeoutMs);
  console.log(`connected to ${host}:${port} in ${(now() - startMs).toFixed(2)} ms`);

  const message = new TextEncoder().encode(settings.message);
  const answer = new Uint8Array(message.length);
  for (let i = 1; i <= count; i++) {
    const sentMs = now();
    yield* conn.send(message, sentMs + timeoutMs);
    yield* conn.recv(answer, sentMs + timeoutMs);
    const text = new TextDecoder().decode(answer);
    if (text !== settings.message) throw new Error(`sent "${settings.message}", got "${text}"`);
    console.log(`${i}: "${text}" came back in ${(now() - sentMs).toFixed(2)} ms`);
  }

  yield* conn.close(now() + timeoutMs);
  console.log("closed: the server has acknowledged everything and closed, too");
}

/** What the client talks to on a simulated network. */
function* server(): Operation<void> {
  const listener = yield* tcp.listen({ port });
  yield* listener.serve(function* (conn) {
    const buf = new Uint8Array(65_536);
    for (let n: number; (n = yield* conn.recvSome(buf)) > 0; ) yield* conn.send(buf.subarray(0, n));
    yield* conn.close(now() + timeoutMs);
  });
}

await launch(settings, {
  name: "echo-client",
  run: client,
  peer: { address: `${host}/24`, run: server },
});
