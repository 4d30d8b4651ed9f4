// SPDX-License-Identifier: MIT
// A server and its clients in a process that may open few files (`ulimit -n`): what connect and
// accept say when there is none left, and whether the server goes on. Told as JSON.

import { readdirSync } from "node:fs";
import {
  createKernelContext,
  go,
  isNetError,
  now,
  type Operation,
  run,
  sleep,
  type TcpConnection,
  tcp,
} from "../../../src/index.ts";

const PATIENCE_MS = 10_000;

/** Connects until it fails. @returns the connections, and the code of the error */
function* exhaust(port: number): Operation<{ conns: TcpConnection[]; code: string }> {
  const conns: TcpConnection[] = [];
  for (;;) {
    try {
      conns.push(yield* tcp.connect({ host: "127.0.0.1", port }, now() + PATIENCE_MS));
    } catch (error) {
      if (!isNetError(error)) throw error;
      return { conns, code: error.code };
    }
  }
}

/** Sends a byte and waits for its echo. */
function* ping(conn: TcpConnection): Operation<void> {
  yield* conn.send(Uint8Array.of(7), now() + PATIENCE_MS);
  yield* conn.recv(new Uint8Array(1), now() + PATIENCE_MS);
}

function* echo(conn: TcpConnection): Operation<void> {
  const buf = new Uint8Array(64);
  for (let n = 0; (n = yield* conn.recvSome(buf)) > 0; ) yield* conn.send(buf.subarray(0, n));
}

await run(
  function* () {
    const listener = yield* tcp.listen("127.0.0.1:0");
    const { port } = listener.local;
    const other = yield* tcp.listen("127.0.0.1:0");
    const serving = yield* go(() => listener.serve(echo));
    const waiting = yield* tcp.connect({ host: "127.0.0.1", port: other.local.port });
    const { conns, code: connectCode } = yield* exhaust(port);
    yield* sleep(now() + 20);
    // What the server has not taken.
    const rest = yield* exhaust(other.local.port);
    let acceptCode = "";
    try {
      yield* other.accept(now() + PATIENCE_MS);
    } catch (error) {
      acceptCode = isNetError(error) ? error.code : String(error);
    }
    for (const conn of [waiting, ...rest.conns]) conn.abort();
    const open = conns.length;
    // What waits in the backlog is served once there are descriptors again.
    const pinging = yield* go(function* () {
      for (const conn of conns.slice(open / 2)) yield* ping(conn);
    });
    for (const conn of conns.slice(0, open / 2)) conn.abort();
    yield* pinging.join(now() + PATIENCE_MS);
    const { shortages } = listener.statistics();
    const fresh = yield* tcp.connect({ host: "127.0.0.1", port }, now() + PATIENCE_MS);
    yield* ping(fresh);
    serving.cancel();
    let contextCode = "none";
    const held = yield* exhaust(other.local.port);
    try {
      createKernelContext();
    } catch (error) {
      contextCode = isNetError(error) ? error.code : String(error);
    }
    for (const conn of held.conns) conn.abort();
    console.log(
      JSON.stringify({ connectCode, acceptCode, contextCode, open, shortages: shortages > 0 }),
    );
  },
  { onLoop: (loop) => process.on("exit", () => console.log(JSON.stringify(loop.leftovers()))) },
);
console.log(JSON.stringify({ descriptors: readdirSync("/proc/self/fd").length < 40 }));
