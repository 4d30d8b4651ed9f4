// SPDX-License-Identifier: MIT
// A thread with kernel sockets of its own: so many echoes over loopback, or for ever.

import { parentPort, workerData } from "node:worker_threads";
import { go, run, tcp } from "../../../src/index.ts";

await run(function* () {
  const listener = yield* tcp.listen("127.0.0.1:0");
  const serving = yield* go(() =>
    listener.serve(function* (conn) {
      const buf = new Uint8Array(1_024);
      for (let n: number; (n = yield* conn.recvSome(buf)) > 0; ) {
        yield* conn.send(buf.subarray(0, n));
      }
    }),
  );
  const conn = yield* tcp.connect(`127.0.0.1:${listener.local.port}`);
  const buf = new Uint8Array(512);
  for (let i = 0; i < (workerData.rounds as number); i++) {
    buf.fill(i);
    yield* conn.send(buf);
    yield* conn.recv(buf);
    if (!buf.every((byte) => byte === (i & 255))) throw new Error("wrong bytes");
    if (i === 20) parentPort?.postMessage("busy");
  }
  serving.cancel();
});
parentPort?.postMessage("done");
