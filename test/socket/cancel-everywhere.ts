// SPDX-License-Identifier: MIT
// Each blocking call of TCP and UDP sockets, cancelled at each of its waits and ended by a deadline
// at each moment something happens. After each nothing may be left: no socket, no buffer, no timer,
// no waiter; the handles must be closed without anybody's help, and a peer that knew of the
// connection has seen every byte and FIN, or RST. Runs over any network.

import { expect } from "vitest";
import {
  bundle,
  go,
  isNetError,
  now,
  type Operation,
  sleep,
  type TcpConnection,
  type TcpListener,
  tcp,
  udp,
} from "../../src/index.ts";
import {
  connected,
  expectSame,
  fails,
  pattern,
  readAll,
  soon,
  type TwoEnds,
} from "./support/helpers.ts";

/** One blocking call, in a life that makes it wait and then lets it succeed. */
export interface BlockingCall {
  readonly title: string;
  /**
   * Sets the scene in coroutines of its own.
   *
   * @returns the life whose waits are counted, and a check that the other side has seen its end
   */
  readonly stage: (net: TwoEnds) => Operation<{
    readonly life: () => Operation<unknown>;
    readonly seen: () => Operation<void>;
  }>;
}

const LARGE = pattern(700_000);

/** What a peer has seen of a connection. */
interface Sight {
  bytes: Uint8Array;
  end: "none" | "FIN" | "ECONNRESET";
}

/** Reads a connection to its end, after `act`; what else than an end befalls it is thrown. */
function* watched(
  conn: TcpConnection,
  sight: Sight,
  act: (conn: TcpConnection) => Operation<unknown>,
): Operation<void> {
  try {
    yield* act(conn);
    sight.bytes = yield* readAll(conn);
    sight.end = "FIN";
    yield* conn.close(soon());
  } catch (error) {
    if (!isNetError(error, "ECONNRESET")) throw error;
    if (sight.end === "none") sight.end = "ECONNRESET";
  }
  conn.abort();
}

/** Who has sent FIN has sent every byte before it; who did not come to it has reset. */
function expectEnd(sight: Sight, sent: Uint8Array, ends: readonly Sight["end"][]): void {
  expect(ends).toContain(sight.end);
  if (sight.end === "FIN") expectSame(sight.bytes, sent);
}

/** Waits until no socket of either side is left; the listeners may be, and TIME-WAIT. */
function* emptied({ server, client }: TwoEnds): Operation<void> {
  const endMs = soon();
  const left = (): number => server.leftovers().sockets + client.leftovers().sockets;
  while (left() > 0 && now() < endMs) yield* sleep(now() + 1);
  for (const context of [server, client]) {
    expect(context.leftovers()).toMatchObject({ sockets: 0, bufferedBytes: 0 });
  }
}

/** A call on a connected client, and what its peer does before it reads to the end. */
interface ConnectionCall {
  readonly title: string;
  readonly life: (client: TcpConnection) => Operation<unknown>;
  readonly peer?: (server: TcpConnection) => Operation<unknown>;
  /**
   * The life closes after these bytes, a connection that it does not own: nothing but the close can
   * have ended it. Without them the life owns the connection and leaves it open: RST.
   */
  readonly sent?: Uint8Array;
}

function onConnection({ title, life, peer, sent }: ConnectionCall): BlockingCall {
  return {
    title,
    *stage(net) {
      const { client, server } = yield* connected(net);
      const sight: Sight = { bytes: new Uint8Array(0), end: "none" };
      const watching = yield* go(function* () {
        server.moveTo(yield* bundle());
        yield* sleep(now() + 3);
        yield* watched(server, sight, peer ?? (() => sleep(0)));
      });
      if (sent !== undefined) yield* client.send(sent, soon());
      let isComplete = false;
      return {
        *life() {
          // Before anything waits: the end of the life is the end of the connection.
          if (sent === undefined) client.moveTo(yield* bundle());
          yield* life(client);
          isComplete = true;
        },
        *seen() {
          expect(client.isOpen).toBe(false);
          // At once: a peer that never ends its stream would keep a close that only goes on.
          if (!isComplete) expect(net.client.leftovers().sockets).toBe(0);
          yield* watching.join(soon());
          if (sent === undefined) expectEnd(sight, LARGE, ["ECONNRESET"]);
          else expectEnd(sight, sent, isComplete ? ["FIN"] : ["FIN", "ECONNRESET"]);
          yield* emptied(net);
        },
      };
    },
  };
}

/** Accepts whatever comes until the listener is closed. @returns what was seen of each */
function* acceptAll(listener: TcpListener): Operation<readonly Sight[]> {
  const sights: Sight[] = [];
  yield* go(function* () {
    for (;;) {
      const conn = yield* listener.accept();
      const sight: Sight = { bytes: new Uint8Array(0), end: "none" };
      sights.push(sight);
      yield* watched(conn, sight, () => sleep(0));
    }
  });
  return sights;
}

/** Long enough for what a client has sent to arrive. */
const ARRIVAL_MS = 50;

/** A life that opens its connection itself. */
export function connecting(
  title: string,
  connect: (net: TwoEnds, port: number) => Operation<TcpConnection>,
  sent: Uint8Array,
): BlockingCall {
  return {
    title,
    *stage(net) {
      const home = yield* bundle();
      const listener = yield* tcp.listen({ port: 0, context: net.server });
      const { port } = listener.local;
      let sights: readonly Sight[] = [];
      yield* home.go(function* () {
        sights = yield* acceptAll(listener);
        yield* sleep(-1);
      });
      let conn: TcpConnection | null = null;
      let isComplete = false;
      return {
        *life() {
          conn = yield* connect(net, port);
          yield* conn.send(sent, soon());
          conn.done();
          expect(yield* conn.recvSome(new Uint8Array(1), soon())).toBe(0);
          yield* conn.close(soon());
          isComplete = true;
        },
        *seen() {
          expect(conn?.isOpen ?? false).toBe(false);
          if (!isComplete) expect(net.client.leftovers().sockets).toBe(0);
          yield* sleep(now() + ARRIVAL_MS);
          yield* emptied(net);
          expect(sights.length).toBeLessThan(2);
          if (isComplete) expect(sights).toHaveLength(1);
          const ends = isComplete ? (["FIN"] as const) : (["FIN", "ECONNRESET"] as const);
          for (const sight of sights) expectEnd(sight, sent, ends);
          yield* home.close();
        },
      };
    },
  };
}

/** Every blocking call of TCP and UDP. */
export const BLOCKING_CALLS: readonly BlockingCall[] = [
  connecting(
    "tcp.connect, tcp.send, tcp.recv, tcp.close in a row",
    ({ server, client }, port) =>
      tcp.connect({ host: server.address, port, context: client }, soon()),
    LARGE,
  ),
  onConnection({
    title: "tcp.recvSome",
    life: (client) => client.recvSome(new Uint8Array(10), soon()),
    peer: (server) => server.send(pattern(5), soon()),
  }),
  onConnection({
    title: "tcp.recv of more than a buffer holds",
    life: (client) => client.recv(new Uint8Array(LARGE.length), soon()),
    peer: (server) => server.send(LARGE, soon()),
  }),
  onConnection({
    title: "tcp.send of more than a buffer holds",
    life: (client) => client.send(LARGE, soon()),
  }),
  onConnection({
    title: "tcp.readable",
    life: (client) => client.readable(soon()),
    peer: (server) => server.send(pattern(5), soon()),
  }),
  onConnection({
    title: "tcp.reserve of more than a buffer holds",
    *life(client) {
      for (let at = 0; at < LARGE.length; at += 50_000) {
        const piece = LARGE.subarray(at, at + 50_000);
        (yield* client.reserve(piece.length, soon())).set(piece);
        client.commit(piece.length);
      }
    },
  }),
  onConnection({
    title: "tcp.close",
    sent: pattern(50_000),
    life: (client) => client.close(soon()),
  }),
  onConnection({
    title: "tcp.linger",
    sent: pattern(50_000),
    life: (client) => client.linger(soon()),
  }),
  {
    title: "listener.accept",
    *stage(net) {
      const listener = yield* tcp.listen({ port: 0, context: net.server });
      const target = { ...listener.local, context: net.client };
      const client = yield* go(function* () {
        yield* sleep(now() + 3);
        // It may be reset before the kernel's connect has told that it is there.
        yield* fails("ECONNRESET", function* () {
          const conn = yield* tcp.connect(target, soon());
          yield* conn.recv(new Uint8Array(1), soon());
        });
      });
      let accepted: TcpConnection | null = null;
      return {
        *life() {
          accepted = yield* listener.accept(soon());
        },
        *seen() {
          // One that the life did not get is still to be had: nobody else has ended it.
          if (accepted === null) (yield* listener.accept(soon())).abort();
          else expect(accepted.isOpen).toBe(false);
          yield* client.join(soon());
          yield* emptied(net);
        },
      };
    },
  },
  {
    title: "listener.serve",
    *stage(net) {
      const listener = yield* tcp.listen({ port: 0, context: net.server });
      const target = { ...listener.local, context: net.client };
      const client = yield* go(function* () {
        yield* sleep(now() + 3);
        for (let i = 0; i < 3; i++) {
          try {
            const conn = yield* tcp.connect(target, soon());
            yield* conn.send(Uint8Array.of(1), soon());
            yield* conn.recv(new Uint8Array(1), soon());
            yield* conn.close(soon());
          } catch (error) {
            expect((error as { code?: string }).code).toMatch(/^(ECONNRESET|ECONNREFUSED)$/);
          }
        }
        listener.close();
      });
      const served: TcpConnection[] = [];
      const errors: unknown[] = [];
      return {
        *life() {
          const serving = listener.serve(
            function* (conn) {
              served.push(conn);
              const byte = new Uint8Array(1);
              yield* conn.recv(byte, soon());
              yield* conn.send(byte, soon());
              yield* conn.close(soon());
            },
            { maxConnections: 1, onError: (error) => void errors.push(error) },
          );
          try {
            yield* serving;
          } catch (error) {
            // The client has closed the listener: all is done.
            if (!isNetError(error, "EBADF")) throw error;
            expect(served).toHaveLength(3);
          }
        },
        *seen() {
          for (const conn of served) expect(conn.isOpen).toBe(false);
          // What a deadline ends, which the handlers have from the life.
          for (const error of errors) expect(isNetError(error, "ETIMEDOUT")).toBe(true);
          yield* fails("EBADF", () => listener.accept(0));
          yield* client.join(soon());
          yield* emptied(net);
        },
      };
    },
  },
  {
    title: "udp.recv and udp.send",
    *stage(net) {
      const server = yield* udp.open({ context: net.server });
      const client = yield* udp.open({ context: net.client });
      const to = { host: net.server.address, port: server.local.port };
      const asking = yield* go(function* () {
        for (let i = 0; i < 5; i++) {
          yield* sleep(now() + 3);
          yield* client.send(pattern(100, i), to, soon());
        }
      });
      return {
        *life() {
          server.moveTo(yield* bundle());
          for (let i = 0; i < 3; i++) {
            const { host, port } = yield* server.recv(new Uint8Array(200), soon());
            yield* server.send(pattern(10), { host, port }, soon());
          }
        },
        *seen() {
          expect(server.isOpen).toBe(false);
          yield* asking.join(soon());
          client.close();
          yield* emptied(net);
          // Its port is free.
          (yield* udp.open({ port: to.port, context: net.server })).close();
        },
      };
    },
  },
];
