// SPDX-License-Identifier: MIT
// UDP sockets and TCP connections of one context leave each other alone. Part of the suite in
// udp-behaviour.ts.

import { go, udp } from "../../src/index.ts";
import {
  connected,
  expectSame,
  pattern,
  readAll,
  type Scenario,
  scenario,
  soon,
} from "./support/helpers.ts";

/** Beside TCP. */
export const BESIDE_TCP: readonly Scenario[] = [
  scenario("close leaves what a connection has peeked at, and reserved", function* (net) {
    const server = yield* udp.open({ context: net.server });
    const client = yield* udp.open({ context: net.client });
    const { client: sender, server: conn } = yield* connected(net);
    const sent = pattern(200_000);
    yield* go(function* () {
      yield* sender.send(sent, soon());
      expectSame(yield* readAll(sender), Uint8Array.of(1, 2, 3));
    });
    yield* conn.readable(soon());
    const room = yield* conn.reserve(3, soon());
    const bytes = conn.peek();
    const copy = bytes.slice();
    yield* server.send(pattern(60), { host: net.client.address, port: client.local.port }, soon());
    server.close();
    expectSame(bytes, copy);
    expectSame(copy, sent.subarray(0, copy.length));
    room.set([1, 2, 3]);
    conn.commit(3);
    conn.done();
    conn.consume(copy.length);
    const rest = new Uint8Array(sent.length - copy.length);
    yield* conn.recv(rest, soon());
    expectSame(rest, sent.subarray(copy.length));
    const datagram = new Uint8Array(60);
    yield* client.recv(datagram, soon());
    expectSame(datagram, pattern(60));
    sender.done();
    yield* conn.close(soon());
  }),
];
