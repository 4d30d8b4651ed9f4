// SPDX-License-Identifier: MIT
// An echo server at a path, and its client, in one process or in two. The client also hands over a
// descriptor: the server says hello on the client's own standard output.

import { closeSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  go,
  type IpcConnection,
  type IpcListener,
  ipc,
  now,
  type Operation,
} from "../src/index.ts";
import { commandLine } from "./support/command-line.ts";
import { launchLocal } from "./support/launch.ts";

const settings = commandLine(
  {
    name: "ipc-echo",
    text: "Sends messages back over a local socket: server and client, or one of them.",
    examples: [
      "npx tsx examples/ipc-echo.ts",
      "npx tsx examples/ipc-echo.ts --role server --path /tmp/echo   # in one terminal",
      "npx tsx examples/ipc-echo.ts --role client --path /tmp/echo   # in another",
    ],
  },
  {
    role: { help: "What to be.", default: "both", choices: ["both", "server", "client"] },
    path: {
      help: "Where to listen; @name for a name without a file.",
      default: join(tmpdir(), `caraway-echo-${process.pid}`),
    },
    message: { help: "What to send.", default: "hello" },
    count: { help: "How often.", default: 3, range: [1, 1_000_000] },
    "timeout-ms": { help: "For connecting, for each message, and for closing.", default: 2_000 },
  },
);

const { role, path, message, count } = settings;
const timeoutMs = settings["timeout-ms"];
const STANDARD_OUTPUT = 1;

function* listen(): Operation<IpcListener> {
  // A server that was killed leaves its file behind: the next one may have its place.
  const listener = yield* ipc.listen(path, { replaceStale: true });
  console.log(`listening at ${listener.path}`);
  return listener;
}

function* serve(listener: IpcListener): Operation<void> {
  try {
    yield* listener.serve(echo, { graceMs: 1_000 });
  } finally {
    console.log(`connections served: ${listener.statistics().accepted}`);
  }
}

function* echo(conn: IpcConnection): Operation<void> {
  // A copy of the client's standard output, and ours to close.
  const output = yield* conn.recvFd(now() + timeoutMs);
  writeSync(output, `the server says hello from process ${process.pid}\n`);
  closeSync(output);
  const buf = new Uint8Array(65_536);
  for (let n: number; (n = yield* conn.recvSome(buf)) > 0; ) {
    yield* conn.send(buf.subarray(0, n), now() + timeoutMs);
  }
  yield* conn.close(now() + timeoutMs);
}

function* client(): Operation<void> {
  const conn = yield* ipc.connect(path, now() + timeoutMs);
  yield* conn.sendFd(STANDARD_OUTPUT, now() + timeoutMs);
  const bytes = new TextEncoder().encode(message);
  const answer = new Uint8Array(bytes.length);
  for (let i = 1; i <= count; i++) {
    yield* conn.send(bytes, now() + timeoutMs);
    yield* conn.recv(answer, now() + timeoutMs);
    console.log(`${i}: "${new TextDecoder().decode(answer)}" came back`);
  }
  yield* conn.close(now() + timeoutMs);
  console.log("closed: the server has read everything, and has nothing to add");
}

await launchLocal("ipc-echo", function* () {
  if (role === "client") return yield* client();
  const listener = yield* listen();
  if (role === "server") return yield* serve(listener);
  const serving = yield* go(() => serve(listener));
  yield* client();
  serving.cancel();
});
