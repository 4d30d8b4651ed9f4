// SPDX-License-Identifier: MIT
// A process of ours that may open few files: prints what calls say at the limit, and that they work
// afterwards. Run under `ulimit -n`.

import { closeSync, openSync } from "node:fs";
import {
  go,
  type IpcConnection,
  ipc,
  isNetError,
  main,
  now,
  type Operation,
  sleep,
} from "../../../src/index.ts";

const path = process.argv[2] as string;

/** Opens files until there is room for no more. */
function fill(): number[] {
  const fds: number[] = [];
  for (;;) {
    try {
      fds.push(openSync("/dev/null", "r"));
    } catch {
      return fds;
    }
  }
}

function* say(what: string, op: () => Operation<unknown>): Operation<void> {
  let end = "works";
  try {
    yield* op();
  } catch (error) {
    if (!isNetError(error)) throw error;
    end = error.code;
  }
  console.log(`${what}: ${end}`);
}

/** More descriptors are on their way than the limit allows. */
function* tooMany(here: IpcConnection): Operation<void> {
  // Root may.
  if (process.geteuid?.() === 0) process.seteuid?.(65_534);
  yield* say("sendFd of many", function* () {
    for (;;) yield* here.sendFd(0, 0);
  });
}

await main(function* () {
  const listener = yield* ipc.listen(path);
  const [here, there] = yield* ipc.pair();
  yield* here.sendFd(0);
  yield* here.send(Uint8Array.of(7));
  const client = yield* ipc.connect(path);
  const fds = fill();
  yield* say("recvFd", () => there.recvFd(now() + 1_000));
  yield* say("recv behind it", () => there.recv(new Uint8Array(1), now() + 1_000));
  yield* say("pair", () => ipc.pair());
  yield* say("connect", () => ipc.connect(path, now() + 1_000));
  yield* say("listen", () => ipc.listen(`${path}-2`));
  yield* say("accept", () => listener.accept(now() + 1_000));
  const serving = yield* go(() =>
    listener.serve(function* (conn) {
      yield* conn.close(now() + 1_000);
    }),
  );
  yield* sleep(now() + 10);
  for (const fd of fds) closeSync(fd);
  yield* say("close of who waited", () => client.close(now() + 5_000));
  serving.cancel();
  yield* say("pair", () => ipc.pair());
  yield* tooMany(here);
  yield* say("recvFd of many", function* () {
    for (let i = 0; i < 20; i++) closeSync(yield* there.recvFd(now() + 1_000));
  });
});
