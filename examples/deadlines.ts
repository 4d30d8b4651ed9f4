// SPDX-License-Identifier: MIT
// A tour of deadlines and cancellation: what each call does when time is up or the coroutine is
// cancelled, and that nothing stays behind. It runs on a simulated network under a virtual clock,
// so the waits of several minutes take no time, and the times printed are exact.

import {
  bundle,
  channel,
  choose,
  go,
  isNetError,
  now,
  type Operation,
  type OperationLike,
  shield,
  sleep,
  type TcpConnection,
  tcp,
  withDeadline,
} from "../src/index.ts";
import { simulate } from "../src/testing.ts";
import { commandLine } from "./support/command-line.ts";

const SERVER = "10.0.0.1";
const SILENT = "10.0.0.9";
const PORT = 80;

const { seed } = commandLine(
  {
    name: "deadlines",
    text: "A tour of deadlines and cancellation on a simulated network.",
    examples: ["npx tsx examples/deadlines.ts"],
  },
  { seed: { help: "The same seed, the same run.", default: 1, value: "<integer>" } },
);

/** Runs an operation and prints how it ended and when. */
function* show<T>(what: string, op: OperationLike<T>): Operation<void> {
  const startMs = now();
  let end: string;
  try {
    const value = yield* typeof op === "function" ? op() : op;
    end = value === undefined ? "ok" : String(value);
  } catch (error) {
    if (!isNetError(error)) throw error;
    end = error.message;
  }
  console.log(`${what}\n    after ${(now() - startMs).toFixed(0)} ms: ${end}`);
}

const connect = (deadline: number) => tcp.connect({ host: SERVER, port: PORT }, deadline);

/** 1. A deadline is a point in time. Connecting ends by it, and leaves nothing. */
function* connecting(): Operation<void> {
  yield* show("connect to a host that never answers, with 2 minutes", function* () {
    yield* tcp.connect({ host: SILENT, port: PORT }, now() + 120_000);
  });
  yield* show("connect to a port where nobody listens", function* () {
    yield* tcp.connect({ host: SERVER, port: PORT + 1 }, now() + 120_000);
  });
}

/** 2. A receive that times out does not spoil the stream: the rest can be had later. */
function* receiving(): Operation<void> {
  const conn = yield* connect(now() + 1_000);
  const buf = new Uint8Array(10);
  yield* conn.send(Buffer.from("four"), now() + 1_000);
  yield* show("receive 10 bytes when 4 are there", function* () {
    try {
      yield* conn.recv(buf, now() + 500);
    } catch (error) {
      if (isNetError(error, "ETIMEDOUT")) error.message += `, ${error.bytesReceived} bytes came`;
      throw error;
    }
  });
  yield* conn.send(Buffer.from("+ six!"), now() + 1_000);
  yield* show("receive the other 6", function* () {
    yield* conn.recv(buf.subarray(4), now() + 500);
    return Buffer.from(buf).toString();
  });
  yield* show("close: both FINs, both ACKs", conn.close(now() + 1_000));
}

/** 3. One deadline around many calls, and a choice between an event and a time. */
function* combining(): Operation<void> {
  const conn = yield* connect(now() + 1_000);
  yield* show("withDeadline of 300 ms around an endless exchange", () =>
    withDeadline(now() + 300, function* () {
      const buf = new Uint8Array(4);
      for (;;) {
        yield* conn.send(Buffer.from("ping"));
        yield* conn.recv(buf);
      }
    }),
  );
  yield* show("choose between a message and 50 ms", function* () {
    const messages = channel<string>();
    const { index } = yield* choose([messages.recv(), sleep(now() + 50)]);
    return index === 0 ? "a message" : "50 ms are over";
  });
  conn.abort();
}

/** 4. Cancelling reaches into every wait; what must still be said goes into a shield. */
function* cancelling(): Operation<void> {
  yield* show("cancel a coroutine that waits for data", function* () {
    const reader = yield* go(function* () {
      const conn = yield* connect(now() + 1_000);
      try {
        yield* conn.recvSome(new Uint8Array(1));
      } finally {
        yield* shield(now() + 1_000, () => sayGoodBye(conn));
      }
    });
    yield* sleep(now() + 100);
    reader.cancel();
    yield* reader.join();
  });
  yield* show("close a bundle of 1,000 coroutines, each with a connection", function* () {
    const group = yield* bundle();
    for (let i = 0; i < 1_000; i++) {
      yield* group.go(function* () {
        const conn = yield* connect(now() + 60_000);
        yield* conn.recvSome(new Uint8Array(1));
      });
    }
    yield* sleep(now() + 100);
    yield* group.close();
    return "all are cancelled and their connections reset";
  });
}

function* sayGoodBye(conn: TcpConnection): Operation<void> {
  yield* conn.send(Buffer.from("good-bye"));
  yield* conn.close();
}

/** 5. Close keeps its deadline against a peer that does not close, and leaves nothing. */
function* closing(): Operation<void> {
  const conn = yield* tcp.connect({ host: SERVER, port: PORT + 2 }, now() + 1_000);
  yield* show("close when the peer never does", conn.close(now() + 3_000));
  yield* show("use the connection afterwards", conn.send(Buffer.from("x"), now() + 3_000));
}

function* server(): Operation<void> {
  const stubborn = yield* tcp.listen({ port: PORT + 2 });
  yield* go(() => stubborn.serve(() => sleep(-1)));
  const listener = yield* tcp.listen({ port: PORT, backlog: 1_000 });
  yield* listener.serve(echo, { onError: () => {} });
}

function* echo(conn: TcpConnection): Operation<void> {
  const buf = new Uint8Array(1_024);
  for (let n: number; (n = yield* conn.recvSome(buf)) > 0; ) yield* conn.send(buf.subarray(0, n));
  yield* conn.close(now() + 1_000);
}

const { virtualMs } = await simulate(seed, function* (net) {
  const link = { delayMs: 5 };
  const serverHost = net.host("server", { address: SERVER, link });
  const clientHost = net.host("client", { address: "10.0.0.2", link });
  net.silentHost("silent", { address: SILENT, link });
  yield* serverHost.go(server);
  yield* clientHost.run(function* () {
    yield* connecting();
    yield* receiving();
    yield* combining();
    yield* cancelling();
    yield* closing();
  });
});
const seconds = (virtualMs / 1_000).toFixed(1);
console.log(`${seconds} s of virtual time; no socket, timer, buffer or coroutine is left`);
