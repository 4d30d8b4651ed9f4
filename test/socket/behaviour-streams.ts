// SPDX-License-Identifier: MIT
// Bytes: send, receive, and deadlines on them. Part of the suite in behaviour.ts.

import { expect } from "vitest";
import { choose, go, now, sleep, tcp, withDeadline } from "../../src/index.ts";
import {
  connected,
  echo,
  expectSame,
  fails,
  pattern,
  readAll,
  type Scenario,
  scenario,
  soon,
} from "./support/helpers.ts";

const SIZES = [
  0, 1, 2, 3, 7, 535, 536, 1_447, 1_448, 1_449, 1_460, 1_461, 2_896, 65_535, 65_536, 65_537,
  262_143, 262_144, 262_145, 700_001,
];

/** Sending. */
export const STREAM: readonly Scenario[] = [
  scenario("echoes, message after message", function* (net) {
    const { client, server } = yield* connected(net);
    const echoing = yield* go(() => echo(server));
    for (let i = 1; i <= 20; i++) {
      const message = pattern(i * 17, i);
      yield* client.send(message, soon());
      const back = new Uint8Array(message.length);
      yield* client.recv(back, soon());
      expectSame(back, message);
    }
    yield* client.close(soon());
    yield* echoing.join(soon());
  }),

  ...SIZES.map((size) =>
    scenario(`carries ${size} bytes each way at once, byte for byte`, function* (net) {
      const { client, server } = yield* connected(net);
      const [up, down] = [pattern(size, 1), pattern(size, 2)];
      yield* go(function* () {
        yield* client.send(up, soon());
        client.done();
      });
      yield* go(function* () {
        yield* server.send(down, soon());
        server.done();
      });
      const atServer = yield* go(() => readAll(server));
      expectSame(yield* readAll(client, 5_000), down);
      expectSame(yield* atServer.join(soon()), up);
      const closing = yield* go(() => server.close(soon()));
      yield* client.close(soon());
      yield* closing.join(soon());
    }),
  ),

  scenario("keeps the order of many small sends", function* (net) {
    const { client, server } = yield* connected(net);
    const all = pattern(20_000);
    const reading = yield* go(() => readAll(server));
    for (let at = 0; at < all.length; ) {
      const end = Math.min(all.length, at + 1 + (at % 97));
      yield* client.send(all.subarray(at, end), soon());
      at = end;
    }
    client.done();
    expectSame(yield* reading.join(soon()), all);
    server.abort();
  }),

  scenario("sends nothing at once, and receives nothing at once", function* (net) {
    const { client } = yield* connected(net);
    yield* client.send(new Uint8Array(0), 0);
    yield* client.recv(new Uint8Array(0), 0);
  }),

  scenario("takes the bytes before send returns: the array may change then", function* (net) {
    const { client, server } = yield* connected(net);
    const bytes = Uint8Array.of(1, 2, 3);
    yield* client.send(bytes, soon());
    bytes.fill(9);
    const got = new Uint8Array(3);
    yield* server.recv(got, soon());
    expect(got).toEqual(Uint8Array.of(1, 2, 3));
  }),

  scenario("waits in send while the peer does not read, and goes on when it does", function* (net) {
    const { client, server } = yield* connected(net);
    const bytes = pattern(3_000_000);
    const sending = yield* go(() => client.send(bytes, soon()));
    yield* sleep(now() + 30);
    expect(sending.isEnded).toBe(false);
    const got = new Uint8Array(bytes.length);
    yield* server.recv(got, soon());
    yield* sending.join(soon());
    expectSame(got, bytes);
  }),

  scenario("refuses a second sender: EBUSY, and the first is not disturbed", function* (net) {
    const { client, server } = yield* connected(net);
    const bytes = pattern(2_000_000);
    const sending = yield* go(() => client.send(bytes, soon()));
    yield* sleep(now() + 10);
    const error = yield* fails("EBUSY", () => client.send(Uint8Array.of(1), soon()));
    expect(error.bytesSent).toBe(0);
    const got = new Uint8Array(bytes.length);
    yield* server.recv(got, soon());
    yield* sending.join(soon());
    expectSame(got, bytes);
  }),

  scenario("lets one coroutine send while another receives", function* (net) {
    const { client, server } = yield* connected(net);
    const receiving = yield* go(() => client.recv(new Uint8Array(1), soon()));
    yield* sleep(now() + 5);
    yield* client.send(Uint8Array.of(1), soon());
    yield* server.send(Uint8Array.of(2), soon());
    yield* receiving.join(soon());
  }),
];

/** Receiving. */
export const RECEIVE: readonly Scenario[] = [
  scenario("recv fills its buffer exactly, recvSome takes what is there", function* (net) {
    const { client, server } = yield* connected(net);
    yield* client.send(Uint8Array.of(1, 2, 3, 4, 5), soon());
    const two = new Uint8Array(2);
    yield* server.recv(two, soon());
    expect(two).toEqual(Uint8Array.of(1, 2));
    const some = new Uint8Array(100);
    let n = yield* server.recvSome(some, soon());
    expect(n).toBeGreaterThan(0);
    while (n < 3) n += yield* server.recvSome(some.subarray(n), soon());
    expect(some.subarray(0, 3)).toEqual(Uint8Array.of(3, 4, 5));
    expect(some[3]).toBe(0);
  }),

  scenario("recv waits for all of it across segments", function* (net) {
    const { client, server } = yield* connected(net);
    const got = new Uint8Array(6);
    const receiving = yield* go(() => server.recv(got, soon()));
    for (const byte of [1, 2, 3, 4, 5, 6]) {
      yield* client.send(Uint8Array.of(byte), soon());
      yield* sleep(now() + 2);
    }
    yield* receiving.join(soon());
    expect(got).toEqual(Uint8Array.of(1, 2, 3, 4, 5, 6));
  }),

  scenario("recvSome returns 0 at the end of the stream, again and again", function* (net) {
    const { client, server } = yield* connected(net);
    client.done();
    const buf = new Uint8Array(4);
    for (let i = 0; i < 3; i++) expect(yield* server.recvSome(buf, soon())).toBe(0);
    expect(yield* server.recvSome(buf, 0)).toBe(0);
  }),

  scenario("recv says EPIPE at the end of the stream, with what came before", function* (net) {
    const { client, server } = yield* connected(net);
    yield* client.send(Uint8Array.of(1, 2, 3), soon());
    client.done();
    const buf = new Uint8Array(10);
    const error = yield* fails("EPIPE", () => server.recv(buf, soon()));
    expect(error.bytesReceived).toBe(3);
    expect(buf.subarray(0, 3)).toEqual(Uint8Array.of(1, 2, 3));
    expect((yield* fails("EPIPE", () => server.recv(buf, soon()))).bytesReceived).toBe(0);
  }),

  scenario("refuses a second receiver: EBUSY, and the first is not disturbed", function* (net) {
    const { client, server } = yield* connected(net);
    const buf = new Uint8Array(1);
    const receiving = yield* go(() => server.recv(buf, soon()));
    yield* sleep(now() + 5);
    const error = yield* fails("EBUSY", () => server.recvSome(new Uint8Array(1), soon()));
    expect(error.bytesReceived).toBe(0);
    yield* client.send(Uint8Array.of(7), soon());
    yield* receiving.join(soon());
    expect(buf[0]).toBe(7);
  }),

  scenario("choose takes the connection that has data", function* (net) {
    const first = yield* connected(net);
    const second = yield* connected(net);
    yield* second.client.send(Uint8Array.of(5), soon());
    const [a, b] = [new Uint8Array(1), new Uint8Array(1)];
    const { index, value } = yield* choose([
      first.server.recvSome(a),
      second.server.recvSome(b),
      sleep(soon()),
    ]);
    expect([index, value, b[0]]).toEqual([1, 1, 5]);
    // The one that was not chosen is free again.
    yield* first.client.send(Uint8Array.of(6), soon());
    expect(yield* first.server.recvSome(a, soon())).toBe(1);
  }),
];

/** Deadlines. */
export const DEADLINES: readonly Scenario[] = [
  scenario("0 and the past mean: only if it need not wait", function* (net) {
    const { client, server } = yield* connected(net);
    const buf = new Uint8Array(1);
    yield* fails("ETIMEDOUT", () => server.recvSome(buf, 0));
    yield* fails("ETIMEDOUT", () => server.recvSome(buf, now() - 1_000));
    yield* fails("ETIMEDOUT", () => server.recv(buf, 0));
    yield* client.send(Uint8Array.of(1), 0);
    yield* client.send(Uint8Array.of(2), now() - 1);
    yield* server.recv(new Uint8Array(2), soon());
    const target = { ...server.local, context: net.client };
    yield* fails("ETIMEDOUT", () => tcp.connect(target, 0));
    yield* fails("ETIMEDOUT", () => tcp.connect(target, now() - 5));
  }),

  scenario("data that is there wins over a deadline that has passed", function* (net) {
    const { client, server } = yield* connected(net);
    yield* client.send(Uint8Array.of(1, 2, 3), soon());
    yield* server.recv(new Uint8Array(1), soon());
    const buf = new Uint8Array(1);
    expect(yield* server.recvSome(buf, now() - 100)).toBe(1);
    yield* server.recv(buf, 0);
    expect(buf[0]).toBe(3);
  }),

  scenario("-1 means never", function* (net) {
    const { client, server } = yield* connected(net);
    const receiving = yield* go(() => server.recvSome(new Uint8Array(1), -1));
    yield* sleep(now() + 20);
    expect(receiving.isEnded).toBe(false);
    yield* client.send(Uint8Array.of(1), -1);
    expect(yield* receiving.join(soon())).toBe(1);
  }),

  scenario("withDeadline holds for calls that give none, and cuts longer ones", function* (net) {
    const { server } = yield* connected(net);
    const buf = new Uint8Array(1);
    yield* fails("ETIMEDOUT", () => withDeadline(now() + 10, () => server.recvSome(buf)));
    yield* fails("ETIMEDOUT", () => withDeadline(now() + 10, () => server.recvSome(buf, soon())));
    yield* fails("ETIMEDOUT", () => withDeadline(now() + 10, () => server.recvSome(buf, -1)));
  }),

  scenario(
    "a recv that timed out tells what it got, and the rest can be had later",
    function* (net) {
      const { client, server } = yield* connected(net);
      const buf = new Uint8Array(6);
      yield* client.send(Uint8Array.of(1, 2, 3), soon());
      yield* server.recv(buf.subarray(0, 1), soon());
      const error = yield* fails("ETIMEDOUT", () => server.recv(buf.subarray(1), now() + 30));
      expect(error.bytesReceived).toBe(2);
      yield* client.send(Uint8Array.of(4, 5, 6), soon());
      yield* server.recv(buf.subarray(3), soon());
      expect(buf).toEqual(Uint8Array.of(1, 2, 3, 4, 5, 6));
    },
  ),

  scenario("a send that timed out tells what was taken, and the stream is sound", function* (net) {
    const { client, server } = yield* connected(net);
    const bytes = pattern(4_000_000);
    const error = yield* fails("ETIMEDOUT", () => client.send(bytes, now() + 40));
    const sent = error.bytesSent as number;
    expect(sent).toBeGreaterThan(0);
    expect(sent).toBeLessThan(bytes.length);
    const reading = yield* go(() => readAll(server));
    yield* client.send(bytes.subarray(sent), soon());
    client.done();
    expectSame(yield* reading.join(soon()), bytes);
  }),
];
