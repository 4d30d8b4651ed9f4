// SPDX-License-Identifier: MIT
// A plain Effection task calls while the loop sleeps: what the call has begun goes out all the
// same, though the task waits for nothing of ours afterwards.
//
// R1: real time, since on the virtual clock no loop sleeps; only that something happens is asked.

import { run, sleep } from "effection";
import { expect, it } from "vitest";
import { createContext, type Operation, type TcpConnection, tcp } from "../../src/index.ts";
import { createCable } from "../../src/testing.ts";

/** Turns of 5 ms that a condition may take. */
const TURNS = 400;

function connectedTask(
  op: (client: TcpConnection, server: TcpConnection) => Operation<void>,
): Promise<void> {
  return run(function* () {
    const [near, far] = createCable();
    const client = createContext({ driver: near, address: "10.0.0.1/24" });
    const server = createContext({ driver: far, address: "10.0.0.2/24" });
    try {
      const listener = yield* tcp.listen({ port: 80, context: server });
      const conn = yield* tcp.connect({ host: "10.0.0.2", port: 80, context: client });
      const peer = yield* listener.accept();
      // Long enough for the loop to fall asleep.
      yield* sleep(20);
      yield* op(conn, peer);
    } finally {
      client.close();
      server.close();
    }
  });
}

function* until(isSo: () => boolean): Operation<void> {
  for (let i = 0; i < TURNS && !isSo(); i++) yield* sleep(5);
  expect(isSo()).toBe(true);
}

it("send", async () => {
  await connectedTask(function* (conn, peer) {
    yield* conn.send(Uint8Array.of(1, 2, 3));
    yield* until(() => peer.info().bytesReadable === 3);
  });
});

it("done", async () => {
  await connectedTask(function* (conn, peer) {
    conn.done();
    yield* until(() => peer.info().state === "CLOSE-WAIT");
  });
});

it("abort and release", async () => {
  await connectedTask(function* (conn, peer) {
    conn.release();
    yield* until(() => peer.info().state === "CLOSE-WAIT");
    peer.abort();
    yield* until(() => peer.info().state === "CLOSED");
  });
});
