// SPDX-License-Identifier: MIT
// Each blocking call of TCP and UDP sockets, cancelled at each of its waits and ended by a deadline
// at each moment something happens. After each nothing may be left: no socket, no buffer, no timer,
// no waiter; and a peer that knew of the connection has seen its end. Runs over any network.

import { expect } from "vitest";
import { bundle, go, now, type Operation, sleep, tcp, udp } from "../../src/index.ts";
import {
  connected,
  failure,
  type Pair,
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

/** A call on a connected client whose peer does `peer`; afterwards the peer's stream has ended. */
function onConnection(
  title: string,
  life: (pair: Pair) => Operation<unknown>,
  peer: (pair: Pair) => Operation<unknown>,
): BlockingCall {
  return {
    title,
    *stage(net) {
      const pair = yield* connected(net);
      const { client, server } = pair;
      const home = yield* bundle();
      server.moveTo(home);
      yield* go(function* () {
        yield* sleep(now() + 3);
        try {
          yield* peer(pair);
        } catch {
          // The other side was cancelled: what it has seen is asked below.
        }
      });
      return {
        *life() {
          const owner = yield* bundle();
          client.moveTo(owner);
          yield* life(pair);
          yield* owner.close();
        },
        *seen() {
          // Whoever ends with an open connection resets it; who has closed it has sent FIN.
          client.abort();
          yield* endOf(pair);
        },
      };
    },
  };
}

/** The server's end of the stream: FIN or RST, and no later than soon. */
function* endOf({ server }: Pair): Operation<void> {
  if (!server.isOpen) return;
  try {
    yield* readAll(server);
    yield* server.close(soon());
  } catch (error) {
    expect((error as { code?: string }).code).toMatch(/^(ECONNRESET|EBADF|EBUSY)$/);
  }
  server.abort();
}

/** Every blocking call of TCP and UDP. */
export const BLOCKING_CALLS: readonly BlockingCall[] = [
  {
    title: "tcp.connect, tcp.send, tcp.recv, tcp.close in a row",
    *stage(net) {
      const listener = yield* tcp.listen({ port: 0, context: net.server });
      const target = { ...listener.local, context: net.client };
      let isSeen = true;
      yield* go(function* () {
        const conn = yield* listener.accept();
        isSeen = false;
        try {
          yield* readAll(conn);
          yield* conn.close(soon());
        } catch {
          // Reset.
        }
        isSeen = true;
      });
      return {
        *life() {
          const conn = yield* tcp.connect(target, soon());
          yield* conn.send(LARGE, soon());
          conn.done();
          yield* failure(() => conn.recv(new Uint8Array(1), soon()));
          yield* conn.close(soon());
        },
        *seen() {
          while (!isSeen) yield* sleep(now() + 1);
        },
      };
    },
  },
  onConnection(
    "tcp.recvSome",
    ({ client }) => client.recvSome(new Uint8Array(10), soon()),
    ({ server }) => server.send(pattern(5), soon()),
  ),
  onConnection(
    "tcp.recv of more than a buffer holds",
    ({ client }) => client.recv(new Uint8Array(LARGE.length), soon()),
    ({ server }) => server.send(LARGE, soon()),
  ),
  onConnection(
    "tcp.send of more than a buffer holds",
    ({ client }) => client.send(LARGE, soon()),
    function* ({ server }) {
      yield* server.recv(new Uint8Array(LARGE.length), soon());
    },
  ),
  onConnection(
    "tcp.close",
    function* ({ client }) {
      yield* client.send(pattern(50_000), soon());
      yield* client.close(soon());
    },
    function* ({ server }) {
      yield* readAll(server);
      yield* server.close(soon());
    },
  ),
  onConnection(
    "tcp.linger",
    function* ({ client }) {
      yield* client.send(pattern(50_000), soon());
      yield* client.linger(soon());
    },
    function* ({ server }) {
      yield* readAll(server);
      yield* server.close(soon());
    },
  ),
  {
    title: "listener.accept",
    *stage(net) {
      const listener = yield* tcp.listen({ port: 0, context: net.server });
      const target = { ...listener.local, context: net.client };
      const client = yield* go(function* () {
        yield* sleep(now() + 3);
        const error = yield* failure(function* () {
          const conn = yield* tcp.connect(target, soon());
          yield* conn.recv(new Uint8Array(1), soon());
        });
        expect(error.code).toMatch(/^(ECONNRESET|ECONNREFUSED)$/);
      });
      return {
        life: () => listener.accept(soon()),
        *seen() {
          listener.close();
          while (!client.isEnded) yield* sleep(now() + 1);
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
            expect((error as { code?: string }).code).toMatch(/^(ECONNRESET|ECONNREFUSED|EPIPE)$/);
          }
        }
        listener.close();
      });
      return {
        *life() {
          yield* failure(() =>
            listener.serve(
              function* (conn) {
                const byte = new Uint8Array(1);
                yield* conn.recv(byte, soon());
                yield* conn.send(byte, soon());
                yield* conn.close(soon());
              },
              { maxConnections: 1 },
            ),
          );
        },
        *seen() {
          while (!client.isEnded) yield* sleep(now() + 1);
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
      yield* go(function* () {
        for (let i = 0; i < 5; i++) {
          yield* sleep(now() + 3);
          yield* client.send(pattern(100, i), to, soon());
        }
      });
      return {
        *life() {
          for (let i = 0; i < 3; i++) {
            const { host, port } = yield* server.recv(new Uint8Array(200), soon());
            yield* server.send(pattern(10), { host, port }, soon());
          }
        },
        *seen() {
          server.close();
          client.close();
        },
      };
    },
  },
];
