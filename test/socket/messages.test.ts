// SPDX-License-Identifier: MIT
// What errors say beyond their code, where the code alone leaves a user guessing; and the default
// backlog, which nobody should have to know.

import { describe, expect, it } from "vitest";
import { currentLoop } from "../../scheduler/internal.ts";
import { bundle, type Context, go, now, type Operation, sleep, tcp, udp } from "../../src/index.ts";
import { NameLookup } from "../../src/kernel/lookup.ts";
import { connected, fails, soon } from "./support/helpers.ts";
import { scene } from "./support/sim.ts";

const OWNER_ENDED = /^EBADF: handle is closed: its owner has ended; moveTo hands it on before that/;

describe("EBADF", () => {
  it("of a handle whose owner has ended says so", async () => {
    await scene(function* ({ server, client }) {
      const opening = yield* go(function* () {
        return yield* connected({ server, client });
      });
      const { client: conn, listener } = yield* opening.join(soon());
      const owner = yield* bundle();
      const calls: Record<string, () => Operation<unknown>> = {
        send: () => conn.send(new Uint8Array(1)),
        recvSome: () => conn.recvSome(new Uint8Array(1)),
        close: () => conn.close(),
        *done() {
          conn.done();
        },
        *moveTo() {
          conn.moveTo(owner);
        },
        accept: () => listener.accept(),
      };
      for (const [name, call] of Object.entries(calls)) {
        expect((yield* fails("EBADF", call)).message, name).toMatch(OWNER_ENDED);
      }
    });
  });

  it("of a handle that was closed does not", async () => {
    await scene(function* (net) {
      const { client: conn, listener } = yield* connected(net);
      conn.abort();
      listener.close();
      for (const call of [() => conn.send(new Uint8Array(1)), () => listener.accept()]) {
        expect((yield* fails("EBADF", call)).message).toMatch(/^EBADF: handle is closed, tcp/);
      }
    });
  });
});

it("ENETDOWN of a context that was closed says so", async () => {
  await scene(function* ({ client: context }) {
    context.close();
    const to = { host: "10.0.0.1", port: 80, context };
    for (const call of [
      () => tcp.connect(to),
      () => tcp.listen({ port: 80, context }),
      () => udp.open({ context }),
    ] as const) {
      const { message } = yield* fails("ENETDOWN", call);
      expect(message).toMatch(/^ENETDOWN: the context is closed, or its device is gone, /);
    }
  });
});

it("ENOENT of a name speaks of a name", async () => {
  await scene(function* ({ client }) {
    const context: Context = client;
    context.lookup = () => {
      const error = Object.assign(new Error("ENOTFOUND"), { code: "ENOTFOUND", errno: -3_008 });
      return new NameLookup("a.b", currentLoop(), (_host, done) => done(error, []));
    };
    const { message } = yield* fails("ENOENT", () =>
      tcp.connect({ host: "a.b", port: 80, context }),
    );
    expect(message).toBe("ENOENT: no such host name, tcp.connect a.b:80");
  });
});

it("a span of time as the deadline of tcp.connect is told from a slow network", async () => {
  await scene(function* ({ client: context }) {
    const to = { host: "10.0.0.1", port: 80, context };
    const { message } = yield* fails("ETIMEDOUT", () => tcp.connect(to, 500));
    expect(message).toMatch(/^ETIMEDOUT: the deadline had passed \d+ ms before the call; .*:80$/);
  });
});

it("the error of a handler that is an async function names the handler", async () => {
  await scene(function* ({ server, client }) {
    const listener = yield* tcp.listen({ port: 80, context: server });
    const errors: unknown[] = [];
    const serving = yield* go(() =>
      listener.serve((async () => {}) as never, { onError: (error) => errors.push(error) }),
    );
    yield* tcp.connect({ host: "10.0.0.1", port: 80, context: client }, soon());
    yield* sleep(now() + 100);
    serving.cancel();
    const text = "tcp.serve: handler must be a generator function or return an operation";
    expect(errors).toEqual([new TypeError(text)]);
  });
});

it("511 connections wait in the default backlog", async () => {
  await scene(function* ({ server, client }) {
    const listener = yield* tcp.listen({ port: 80, context: server });
    const to = { host: "10.0.0.1", port: 80, context: client };
    const group = yield* bundle({ onError: () => {} });
    // Held by the group until its coroutines end, and they do not.
    const attempt = function* (): Operation<void> {
      yield* tcp.connect(to, soon());
      yield* sleep(-1);
    };
    for (let i = 1; i <= 513; i++) {
      yield* group.go(attempt);
      // Rings and queues hold some 256 frames, and a lost SYN would come again after 1 s. Those
      // that are half open when the backlog is full come into it all the same.
      if (i % 100 === 0 || i === 511) yield* sleep(now() + 50);
    }
    yield* sleep(now() + 400);
    expect(listener.statistics().waiting).toBe(511);
  });
});
