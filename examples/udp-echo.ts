// SPDX-License-Identifier: MIT
// An echo server over UDP: one socket, one coroutine, whoever asks is answered. Its client shows
// what UDP leaves to its users: to ask again when no answer comes.

import { isNetError, now, type Operation, type UdpSocket, udp } from "../src/index.ts";
import { commandLine } from "./support/command-line.ts";
import { endpointText, hostOf, launch, NETWORK_OPTIONS } from "./support/launch.ts";

const settings = commandLine(
  {
    name: "udp-echo",
    text: "Sends back each datagram. With --driver sim a simulated client talks to it.",
    examples: [
      "npx tsx examples/udp-echo.ts                # then: nc -u 127.0.0.1 7777",
      "npx tsx examples/udp-echo.ts --driver tap   # as root; then: nc -u 10.77.0.2 7777",
      "npx tsx examples/udp-echo.ts --driver sim",
    ],
  },
  {
    ...NETWORK_OPTIONS,
    port: { help: "Where to receive.", default: 7777, range: [1, 65_535] },
    "answer-ms": { help: "sim: how long the client waits before it asks again.", default: 200 },
  },
);

const { port } = settings;
/** The largest payload there is: nothing that comes is too long. */
const LARGEST_BYTES = 65_507;
const MOST_ATTEMPTS = 5;

function* server(): Operation<void> {
  const socket = yield* udp.open({ port });
  console.log(`receiving at ${endpointText(socket.local)}`);
  const buf = new Uint8Array(LARGEST_BYTES);
  let echoed = 0;
  let failed = 0;
  try {
    for (;;) {
      try {
        const { length, ...from } = yield* socket.recv(buf);
        yield* socket.send(buf.subarray(0, length), from, now() + 1_000);
        echoed++;
      } catch (error) {
        // Who cannot be answered must not end the service for all others.
        if (!isNetError(error) || ["ECANCELED", "ENETDOWN"].includes(error.code)) throw error;
        failed++;
      }
    }
  } finally {
    console.log(`datagrams echoed: ${echoed}, not to be answered: ${failed}`);
  }
}

/** What talks to the server on a simulated network. */
function* client(): Operation<void> {
  const socket = yield* udp.open({ remote: { host: hostOf(settings), port } });
  for (const text of ["hello", "and good-bye"]) {
    console.log(`the client got "${yield* ask(socket, text)}" back`);
  }
}

/** Asks until an answer comes: question and answer may both get lost. */
function* ask(socket: UdpSocket, text: string): Operation<string> {
  const buf = new Uint8Array(1_500);
  for (let attempt = 1; ; attempt++) {
    yield* socket.send(new TextEncoder().encode(text));
    try {
      const { length } = yield* socket.recv(buf, now() + settings["answer-ms"]);
      return new TextDecoder().decode(buf.subarray(0, length));
    } catch (error) {
      if (!isNetError(error, "ETIMEDOUT") || attempt === MOST_ATTEMPTS) throw error;
    }
  }
}

await launch(settings, {
  name: "udp-echo",
  run: server,
  peer: { address: "10.77.0.1/24", run: client },
});
