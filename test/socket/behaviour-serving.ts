// SPDX-License-Identifier: MIT
// `listener.serve`: limits, errors, cancellation and grace. Part of the suite in behaviour.ts.

import { expect } from "vitest";
import {
  bundle,
  go,
  now,
  type Operation,
  shield,
  sleep,
  type TcpConnection,
  type TcpListener,
  tcp,
} from "../../src/index.ts";
import {
  connected,
  echo,
  fails,
  failure,
  type Scenario,
  scenario,
  soon,
  type TwoEnds,
} from "./support/helpers.ts";

function* connectTo(net: TwoEnds, listener: TcpListener): Operation<TcpConnection> {
  return yield* tcp.connect({ ...listener.local, context: net.client }, soon());
}

/** Sends a byte and waits for its echo. */
function* ping(conn: TcpConnection): Operation<void> {
  yield* conn.send(Uint8Array.of(1), soon());
  yield* conn.recv(new Uint8Array(1), soon());
}

/** `serve`. */
export const SERVING: readonly Scenario[] = [
  scenario("serves each connection in a coroutine that owns it", function* (net) {
    const listener = yield* tcp.listen({ port: 0, context: net.server });
    const served: TcpConnection[] = [];
    const serving = yield* go(() =>
      listener.serve(function* (conn) {
        served.push(conn);
        yield* conn.recv(new Uint8Array(1), soon());
        // Not closed: the end of the handler resets it.
      }),
    );
    const [a, b] = [yield* connectTo(net, listener), yield* connectTo(net, listener)];
    yield* a.send(Uint8Array.of(1), soon());
    yield* fails("ECONNRESET", () => a.recv(new Uint8Array(1), soon()));
    yield* sleep(now() + 5);
    expect(served.map((conn) => conn.isOpen)).toEqual([false, true]);
    b.abort();
    serving.cancel();
  }),

  scenario("serves at most maxConnections at once; the others wait", function* (net) {
    const listener = yield* tcp.listen({ port: 0, context: net.server });
    let active = 0;
    let most = 0;
    const serving = yield* go(() =>
      listener.serve(
        function* (conn) {
          most = Math.max(most, ++active);
          try {
            yield* echo(conn);
          } finally {
            active--;
          }
        },
        { maxConnections: 2 },
      ),
    );
    const group = yield* bundle();
    for (let i = 0; i < 7; i++) {
      yield* group.go(function* () {
        const conn = yield* connectTo(net, listener);
        yield* ping(conn);
        yield* sleep(now() + 10);
        yield* conn.close(soon());
      });
    }
    yield* group.wait(soon());
    expect(most).toBe(2);
    expect(listener.statistics().accepted).toBe(7);
    yield* sleep(now() + 20);
    serving.cancel();
  }),

  scenario("an error in one handler resets that connection only", function* (net) {
    const listener = yield* tcp.listen({ port: 0, context: net.server });
    const seen: unknown[] = [];
    const serving = yield* go(() =>
      listener.serve(
        function* (conn) {
          const buf = new Uint8Array(1);
          yield* conn.recv(buf, soon());
          if (buf[0] === 66) throw new Error("broken handler");
          yield* conn.send(buf, soon());
          yield* echo(conn);
        },
        { onError: (error, conn) => seen.push((error as Error).message, conn.remote.port) },
      ),
    );
    const good = yield* connectTo(net, listener);
    yield* ping(good);
    const bad = yield* connectTo(net, listener);
    yield* bad.send(Uint8Array.of(66), soon());
    yield* fails("ECONNRESET", () => bad.recv(new Uint8Array(1), soon()));
    expect(seen).toEqual(["broken handler", bad.local.port]);
    expect(listener.statistics().failed).toBe(1);
    yield* ping(good);
    yield* good.close(soon());
    yield* sleep(now() + 20);
    serving.cancel();
  }),

  scenario("an onError that throws does not end the server", function* (net) {
    const listener = yield* tcp.listen({ port: 0, context: net.server });
    const onError = (): void => {
      throw new Error("onError is broken too");
    };
    const handler = function* (conn: TcpConnection): Operation<void> {
      yield* conn.recv(new Uint8Array(1), soon());
      throw new Error("broken handler");
    };
    const serving = yield* go(() => listener.serve(handler, { onError }));
    for (let i = 0; i < 2; i++) {
      const bad = yield* connectTo(net, listener);
      yield* bad.send(Uint8Array.of(1), soon());
      yield* fails("ECONNRESET", () => bad.recv(new Uint8Array(1), soon()));
    }
    expect(serving.isEnded).toBe(false);
    serving.cancel();
  }),

  scenario("cancelled: it stops listening and cancels its handlers", function* (net) {
    const listener = yield* tcp.listen({ port: 0, context: net.server });
    const codes: string[] = [];
    const serving = yield* go(() =>
      listener.serve(function* (conn) {
        codes.push((yield* failure(() => conn.recv(new Uint8Array(1)))).code);
      }),
    );
    const conn = yield* connectTo(net, listener);
    yield* sleep(now() + 20);
    serving.cancel();
    yield* fails("ECONNRESET", () => conn.recv(new Uint8Array(1), soon()));
    expect([codes, listener.isOpen]).toEqual([["ECANCELED"], false]);
    yield* fails("ECONNREFUSED", () => connectTo(net, listener));
  }),

  scenario("cancelled with graceMs: handlers may end by themselves", function* (net) {
    const listener = yield* tcp.listen({ port: 0, context: net.server });
    const serving = yield* go(() => listener.serve(echo, { graceMs: 5_000 }));
    const conn = yield* connectTo(net, listener);
    yield* ping(conn);
    serving.cancel();
    yield* sleep(now() + 10);
    expect(listener.isOpen).toBe(false);
    yield* fails("ECONNREFUSED", () => connectTo(net, listener));
    yield* ping(conn);
    expect(serving.isEnded).toBe(false);
    yield* conn.close(soon());
    while (!serving.isEnded) yield* sleep(now() + 1);
  }),

  scenario("cancelled with graceMs: handlers that go on are cancelled then", function* (net) {
    const listener = yield* tcp.listen({ port: 0, context: net.server });
    let code = "";
    const serving = yield* go(() =>
      listener.serve(
        function* (conn) {
          code = (yield* failure(() => conn.recv(new Uint8Array(1)))).code;
        },
        { graceMs: 40 },
      ),
    );
    const conn = yield* connectTo(net, listener);
    yield* sleep(now() + 10);
    serving.cancel();
    yield* sleep(now() + 10);
    expect(code).toBe("");
    yield* fails("ECONNRESET", () => conn.recv(new Uint8Array(1), soon()));
    while (!serving.isEnded) yield* sleep(now() + 1);
    expect(code).toBe("ECANCELED");
  }),

  scenario("handlers may close in order when cancelled, in a shield", function* (net) {
    const listener = yield* tcp.listen({ port: 0, context: net.server });
    const serving = yield* go(() =>
      listener.serve(function* (conn) {
        try {
          yield* conn.recv(new Uint8Array(1));
        } finally {
          yield* shield(soon(), () => conn.close(soon()));
        }
      }),
    );
    const conn = yield* connectTo(net, listener);
    yield* sleep(now() + 10);
    serving.cancel();
    expect(yield* conn.recvSome(new Uint8Array(1), soon())).toBe(0);
    yield* conn.close(soon());
    while (!serving.isEnded) yield* sleep(now() + 1);
  }),

  scenario("closing the listener ends serve with EBADF", function* (net) {
    const listener = yield* tcp.listen({ port: 0, context: net.server });
    let code = "";
    yield* go(function* () {
      code = (yield* failure(() => listener.serve(echo))).code;
    });
    yield* sleep(now() + 5);
    listener.close();
    yield* sleep(now() + 5);
    expect(code).toBe("EBADF");
  }),

  scenario("a handler can keep a connection by moving it", function* (net) {
    const listener = yield* tcp.listen({ port: 0, context: net.server });
    const home = yield* bundle();
    const kept: TcpConnection[] = [];
    const serving = yield* go(() =>
      listener.serve(function* (conn) {
        conn.moveTo(home);
        kept.push(conn);
        yield* sleep(now() + 1);
      }),
    );
    const conn = yield* connectTo(net, listener);
    yield* sleep(now() + 20);
    // The end of the handler resets what it was given, whoever owns it: documented in serve.
    expect(kept[0]?.isOpen).toBe(false);
    yield* fails("ECONNRESET", () => conn.recv(new Uint8Array(1), soon()));
    serving.cancel();
  }),

  scenario("serve twice on one listener shares the connections", function* (net) {
    const { listener, client, server } = yield* connected(net);
    client.abort();
    server.abort();
    const handler = (conn: TcpConnection): Operation<void> => echo(conn);
    const first = yield* go(() => listener.serve(handler, { maxConnections: 1 }));
    const second = yield* go(() => listener.serve(handler, { maxConnections: 1 }));
    const [a, b] = [yield* connectTo(net, listener), yield* connectTo(net, listener)];
    yield* ping(a);
    yield* ping(b);
    yield* a.close(soon());
    yield* b.close(soon());
    yield* sleep(now() + 20);
    first.cancel();
    // The first to end closes the listener.
    yield* go(() => failure(() => second.join(soon())));
    yield* sleep(now() + 20);
    expect(second.isEnded).toBe(true);
  }),
];
