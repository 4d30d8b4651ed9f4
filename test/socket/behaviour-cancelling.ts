// SPDX-License-Identifier: MIT
// Cancellation of each call that blocks. Part of the suite in behaviour.ts.

import { expect } from "vitest";
import { go, now, type Operation, sleep, tcp } from "../../src/index.ts";
import {
  codeOf,
  connected,
  expectSame,
  fails,
  pattern,
  readAll,
  type Scenario,
  scenario,
  soon,
} from "./support/helpers.ts";

/** Cancels `op` while it is blocked; it must end with ECANCELED, and so must all later calls. */
function* cancelBlocked(op: () => Operation<unknown>): Operation<void> {
  const codes: string[] = [];
  const blocked = yield* go(function* () {
    for (let i = 0; i < 2; i++) {
      try {
        yield* op();
        codes.push("none");
      } catch (error) {
        codes.push((error as { code: string }).code);
      }
    }
  });
  yield* sleep(now() + 20);
  expect(codes).toEqual([]);
  blocked.cancel();
  try {
    yield* blocked.join(soon());
  } catch {
    // It was cancelled; what it saw is in `codes`.
  }
  expect(codes).toEqual(["ECANCELED", "ECANCELED"]);
}

/** Cancellation. */
export const CANCELLATION: readonly Scenario[] = [
  scenario("recv, recvSome: the stream is sound afterwards", function* (net) {
    const { client, server } = yield* connected(net);
    yield* cancelBlocked(() => server.recvSome(new Uint8Array(1)));
    yield* client.send(Uint8Array.of(1, 2, 3), soon());
    const buf = new Uint8Array(3);
    yield* server.recv(buf, soon());
    expect(buf).toEqual(Uint8Array.of(1, 2, 3));
  }),

  scenario("recv: what it had taken is told", function* (net) {
    const { client, server } = yield* connected(net);
    yield* client.send(Uint8Array.of(1, 2), soon());
    let taken = -1;
    const receiving = yield* go(function* () {
      const error = yield* fails("ECANCELED", () => server.recv(new Uint8Array(3)));
      taken = error.bytesReceived as number;
    });
    yield* sleep(now() + 30);
    receiving.cancel();
    yield* sleep(now() + 10);
    expect(taken).toBe(2);
    yield* client.send(Uint8Array.of(3), soon());
    expect(yield* server.recvSome(new Uint8Array(9), soon())).toBe(1);
  }),

  scenario("send: what was taken arrives, and the stream is sound afterwards", function* (net) {
    const { client, server } = yield* connected(net);
    const bytes = pattern(3_000_000);
    let sent = 0;
    const sending = yield* go(function* () {
      const error = yield* fails("ECANCELED", () => client.send(bytes));
      sent = error.bytesSent as number;
    });
    yield* sleep(now() + 30);
    sending.cancel();
    yield* sleep(now() + 10);
    expect(sent).toBeGreaterThan(0);
    const reading = yield* go(() => readAll(server));
    yield* client.send(bytes.subarray(sent), soon());
    client.done();
    expectSame(yield* reading.join(soon()), bytes);
  }),

  scenario("accept: the next one gets the connection", function* (net) {
    const listener = yield* tcp.listen({ port: 0, context: net.server });
    yield* cancelBlocked(() => listener.accept());
    yield* tcp.connect({ ...listener.local, context: net.client }, soon());
    yield* listener.accept(soon());
  }),

  scenario("connect: nothing is left", function* (net) {
    const listener = yield* tcp.listen({ port: 0, backlog: 1, context: net.server });
    const target = { ...listener.local, context: net.client };
    yield* tcp.connect(target, soon());
    yield* sleep(now() + 10);
    // The backlog is full: nobody answers.
    yield* cancelBlocked(() => tcp.connect(target));
    expect(net.client.leftovers().sockets).toBe(1);
  }),

  scenario("connect: after cancellation it cannot even begin", function* (net) {
    const listener = yield* tcp.listen({ port: 0, context: net.server });
    const target = { ...listener.local, context: net.client };
    let code = "";
    const late = yield* go(function* () {
      try {
        yield* sleep(-1);
      } catch {
        code = (yield* fails("ECANCELED", () => tcp.connect(target, soon()))).code;
      }
    });
    yield* sleep(now() + 5);
    late.cancel();
    yield* sleep(now() + 5);
    expect(code).toBe("ECANCELED");
    expect(net.client.leftovers().sockets).toBe(0);
  }),

  scenario("calls that never wait work in a cancelled coroutine", function* (net) {
    const { client, server } = yield* connected(net);
    const codes: string[] = [];
    const worker = yield* go(function* () {
      try {
        yield* sleep(-1);
      } finally {
        codes.push(codeOf(() => client.done()));
        codes.push(codeOf(() => client.info()));
      }
    });
    yield* sleep(now() + 5);
    worker.cancel();
    expect(yield* readAll(server)).toHaveLength(0);
    expect(codes).toEqual(["none", "none"]);
  }),
];
