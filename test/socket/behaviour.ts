// SPDX-License-Identifier: MIT
// How sockets behave, as one suite for every driver: the simulated one on virtual time, and real
// ones. Nothing here asserts how long anything takes; deadlines that must not pass are generous,
// deadlines that must pass are short.

import { describe, expect, it } from "vitest";
import {
  bundle,
  type Context,
  choose,
  go,
  now,
  type Operation,
  sleep,
  tcp,
  withContext,
  withDeadline,
} from "../../src/index.ts";
import { describeClosing } from "./behaviour-closing.ts";
import { describeServing } from "./behaviour-serving.ts";
import {
  codeOf,
  connected,
  echo,
  expectSame,
  fails,
  failure,
  pattern,
  readAll,
  settled,
  soon,
  type TwoEnds,
} from "./support/helpers.ts";

/** What the suite runs over. */
export interface SocketNetwork {
  /**
   * Makes two contexts that can reach each other, runs `op` on a loop, closes everything.
   *
   * @param op - gets the contexts; none of them is in scope
   */
  run(op: (net: { server: Context; client: Context }) => Operation<void>): Promise<void>;
}

/** Registers one test that ends with nothing left in either context. */
export type Test = (name: string, op: (net: TwoEnds) => Operation<void>) => void;

/**
 * Registers the suite.
 *
 * @param name - of the driver, for the titles
 * @param network - how to get two ends
 */
export function describeSocketBehaviour(name: string, network: SocketNetwork): void {
  const test: Test = (title, op) => {
    it(title, async () => {
      await network.run(function* (net) {
        // A coroutine of its own: its end aborts what the test has not closed.
        const body = yield* go(() => op(net), { name: title });
        yield* body.join(-1);
        yield* settled(net);
      });
    });
  };
  describe(`sockets over ${name}`, () => {
    describe("send and receive", () => describeStream(test));
    describe("receive", () => describeReceive(test));
    describe("connect and accept", () => describeOpening(test));
    describe("deadlines", () => describeDeadlines(test));
    describe("cancellation", () => describeCancellation(test));
    describe("ownership", () => describeOwnership(test));
    describe("the end of a connection", () => describeClosing(test));
    describe("serve", () => describeServing(test));
  });
}

const SIZES = [
  0, 1, 2, 3, 7, 535, 536, 1_447, 1_448, 1_449, 1_460, 1_461, 2_896, 65_535, 65_536, 65_537,
  262_143, 262_144, 262_145, 700_001,
];

function describeStream(test: Test): void {
  test("echoes, message after message", function* (net) {
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
  });

  for (const size of SIZES) {
    test(`carries ${size} bytes each way at once, byte for byte`, function* (net) {
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
    });
  }

  test("keeps the order of many small sends", function* (net) {
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
  });

  test("sends nothing at once, and receives nothing at once", function* (net) {
    const { client } = yield* connected(net);
    yield* client.send(new Uint8Array(0), 0);
    yield* client.recv(new Uint8Array(0), 0);
  });

  test("takes the bytes before send returns: the array may change then", function* (net) {
    const { client, server } = yield* connected(net);
    const bytes = Uint8Array.of(1, 2, 3);
    yield* client.send(bytes, soon());
    bytes.fill(9);
    const got = new Uint8Array(3);
    yield* server.recv(got, soon());
    expect(got).toEqual(Uint8Array.of(1, 2, 3));
  });

  test("waits in send while the peer does not read, and goes on when it does", function* (net) {
    const { client, server } = yield* connected(net);
    const bytes = pattern(3_000_000);
    const sending = yield* go(() => client.send(bytes, soon()));
    yield* sleep(now() + 30);
    expect(sending.isEnded).toBe(false);
    const got = new Uint8Array(bytes.length);
    yield* server.recv(got, soon());
    yield* sending.join(soon());
    expectSame(got, bytes);
  });

  test("refuses a second sender: EBUSY, and the first is not disturbed", function* (net) {
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
  });

  test("lets one coroutine send while another receives", function* (net) {
    const { client, server } = yield* connected(net);
    const receiving = yield* go(() => client.recv(new Uint8Array(1), soon()));
    yield* sleep(now() + 5);
    yield* client.send(Uint8Array.of(1), soon());
    yield* server.send(Uint8Array.of(2), soon());
    yield* receiving.join(soon());
  });
}

function describeReceive(test: Test): void {
  test("recv fills its buffer exactly, recvSome takes what is there", function* (net) {
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
  });

  test("recv waits for all of it across segments", function* (net) {
    const { client, server } = yield* connected(net);
    const got = new Uint8Array(6);
    const receiving = yield* go(() => server.recv(got, soon()));
    for (const byte of [1, 2, 3, 4, 5, 6]) {
      yield* client.send(Uint8Array.of(byte), soon());
      yield* sleep(now() + 2);
    }
    yield* receiving.join(soon());
    expect(got).toEqual(Uint8Array.of(1, 2, 3, 4, 5, 6));
  });

  test("recvSome returns 0 at the end of the stream, again and again", function* (net) {
    const { client, server } = yield* connected(net);
    client.done();
    const buf = new Uint8Array(4);
    for (let i = 0; i < 3; i++) expect(yield* server.recvSome(buf, soon())).toBe(0);
    expect(yield* server.recvSome(buf, 0)).toBe(0);
  });

  test("recv says EPIPE at the end of the stream, with what came before", function* (net) {
    const { client, server } = yield* connected(net);
    yield* client.send(Uint8Array.of(1, 2, 3), soon());
    client.done();
    const buf = new Uint8Array(10);
    const error = yield* fails("EPIPE", () => server.recv(buf, soon()));
    expect(error.bytesReceived).toBe(3);
    expect(buf.subarray(0, 3)).toEqual(Uint8Array.of(1, 2, 3));
    expect((yield* fails("EPIPE", () => server.recv(buf, soon()))).bytesReceived).toBe(0);
  });

  test("refuses a second receiver: EBUSY, and the first is not disturbed", function* (net) {
    const { client, server } = yield* connected(net);
    const buf = new Uint8Array(1);
    const receiving = yield* go(() => server.recv(buf, soon()));
    yield* sleep(now() + 5);
    const error = yield* fails("EBUSY", () => server.recvSome(new Uint8Array(1), soon()));
    expect(error.bytesReceived).toBe(0);
    yield* client.send(Uint8Array.of(7), soon());
    yield* receiving.join(soon());
    expect(buf[0]).toBe(7);
  });

  test("choose takes the connection that has data", function* (net) {
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
  });
}

function describeOpening(test: Test): void {
  test("both ends know each other's addresses", function* (net) {
    const { client, server, listener } = yield* connected(net);
    expect(client.local).toEqual(server.remote);
    expect(client.remote).toEqual(server.local);
    expect(client.remote).toEqual(listener.local);
    expect(client.local.host).toBe(net.client.address);
    expect(client.info().state).toBe("ESTABLISHED");
  });

  test("connect returns when ESTABLISHED, before anybody accepts", function* (net) {
    const listener = yield* tcp.listen({ port: 0, context: net.server });
    const client = yield* tcp.connect({ ...listener.local, context: net.client }, soon());
    yield* client.send(Uint8Array.of(1), soon());
    const server = yield* listener.accept(soon());
    yield* server.recv(new Uint8Array(1), soon());
  });

  test("connect uses the local port it is given", function* (net) {
    const listener = yield* tcp.listen({ port: 0, context: net.server });
    const options = { ...listener.local, context: net.client, localPort: 40_001 };
    const client = yield* tcp.connect(options, soon());
    expect(client.local.port).toBe(40_001);
    yield* fails("EADDRINUSE", () => tcp.connect(options, soon()));
  });

  test("connect to a port where nobody listens: ECONNREFUSED", function* (net) {
    const host = net.server.address;
    const error = yield* fails("ECONNREFUSED", () =>
      tcp.connect({ host, port: 9, context: net.client }, soon()),
    );
    expect([error.address, error.port, error.syscall]).toEqual([host, 9, "tcp.connect"]);
  });

  test("accept takes connections in the order in which they came", function* (net) {
    const listener = yield* tcp.listen({ port: 0, context: net.server });
    const ports: number[] = [];
    for (let i = 0; i < 5; i++) {
      const client = yield* tcp.connect({ ...listener.local, context: net.client }, soon());
      ports.push(client.local.port);
    }
    for (const port of ports) expect((yield* listener.accept(soon())).remote.port).toBe(port);
    expect(listener.statistics()).toMatchObject({ accepted: 5, waiting: 0, halfOpen: 0 });
  });

  test("several coroutines may wait in accept", function* (net) {
    const listener = yield* tcp.listen({ port: 0, context: net.server });
    const accepted: number[] = [];
    for (let i = 0; i < 3; i++) {
      yield* go(function* () {
        accepted.push((yield* listener.accept(soon())).remote.port);
        yield* sleep(now() + 20);
      });
    }
    const ports: number[] = [];
    for (let i = 0; i < 3; i++) {
      const client = yield* tcp.connect({ ...listener.local, context: net.client }, soon());
      ports.push(client.local.port);
    }
    while (accepted.length < 3) yield* sleep(now() + 2);
    expect([...accepted].sort()).toEqual([...ports].sort());
  });

  test("accept that times out leaves the listener as it was", function* (net) {
    const listener = yield* tcp.listen({ port: 0, context: net.server });
    yield* fails("ETIMEDOUT", () => listener.accept(now() + 10));
    yield* fails("ETIMEDOUT", () => listener.accept(0));
    yield* tcp.connect({ ...listener.local, context: net.client }, soon());
    yield* listener.accept(soon());
  });

  test("closing the listener ends accept with EBADF", function* (net) {
    const listener = yield* tcp.listen({ port: 0, context: net.server });
    let code = "";
    const accepting = yield* go(function* () {
      code = (yield* failure(() => listener.accept(soon()))).code;
    });
    yield* sleep(now() + 5);
    listener.close();
    listener.close();
    yield* accepting.join(soon());
    expect([code, listener.isOpen]).toEqual(["EBADF", false]);
    yield* fails("EBADF", () => listener.accept(soon()));
  });

  test("closing the listener resets who waits there, and refuses who comes", function* (net) {
    const listener = yield* tcp.listen({ port: 0, context: net.server });
    const target = { ...listener.local, context: net.client };
    const waiting = yield* tcp.connect(target, soon());
    yield* sleep(now() + 5);
    listener.close();
    yield* fails("ECONNRESET", () => waiting.recv(new Uint8Array(1), soon()));
    yield* fails("ECONNREFUSED", () => tcp.connect(target, soon()));
  });

  test("a full backlog drops SYNs, and lets them in when there is room", function* (net) {
    const listener = yield* tcp.listen({ port: 0, backlog: 2, context: net.server });
    const target = { ...listener.local, context: net.client };
    yield* tcp.connect(target, soon());
    yield* tcp.connect(target, soon());
    yield* sleep(now() + 20);
    yield* fails("ETIMEDOUT", () => tcp.connect(target, now() + 100));
    expect(net.server.statistics().events["tcp.backlogFull"]).toBeGreaterThan(0);
    yield* listener.accept(soon());
    yield* tcp.connect(target, soon());
  });

  test("a port can be listened on once, and again after closing", function* (net) {
    const listener = yield* tcp.listen({ port: 4_000, context: net.server });
    yield* fails("EADDRINUSE", () => tcp.listen({ port: 4_000, context: net.server }));
    yield* fails("EADDRNOTAVAIL", () =>
      tcp.listen({ port: 4_001, host: "192.0.2.1", context: net.server }),
    );
    listener.close();
    const again = yield* tcp.listen({ port: 4_000, context: net.server });
    expect(again.local.port).toBe(4_000);
  });

  test("carries a hundred connections at once", function* (net) {
    const listener = yield* tcp.listen({ port: 0, context: net.server });
    const serving = yield* go(() => listener.serve(echo));
    const group = yield* bundle();
    let done = 0;
    for (let i = 0; i < 100; i++) {
      yield* group.go(function* () {
        const conn = yield* tcp.connect({ ...listener.local, context: net.client }, soon());
        const message = pattern(1_000 + i, i);
        const back = new Uint8Array(message.length);
        yield* conn.send(message, soon());
        yield* conn.recv(back, soon());
        expectSame(back, message);
        yield* conn.close(soon());
        done++;
      });
    }
    yield* group.wait(soon());
    expect(done).toBe(100);
    yield* sleep(now() + 50);
    serving.cancel();
  });
}

function describeDeadlines(test: Test): void {
  test("0 and the past mean: only if it need not wait", function* (net) {
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
  });

  test("data that is there wins over a deadline that has passed", function* (net) {
    const { client, server } = yield* connected(net);
    yield* client.send(Uint8Array.of(1, 2, 3), soon());
    yield* server.recv(new Uint8Array(1), soon());
    const buf = new Uint8Array(1);
    expect(yield* server.recvSome(buf, now() - 100)).toBe(1);
    yield* server.recv(buf, 0);
    expect(buf[0]).toBe(3);
  });

  test("-1 means never", function* (net) {
    const { client, server } = yield* connected(net);
    const receiving = yield* go(() => server.recvSome(new Uint8Array(1), -1));
    yield* sleep(now() + 20);
    expect(receiving.isEnded).toBe(false);
    yield* client.send(Uint8Array.of(1), -1);
    expect(yield* receiving.join(soon())).toBe(1);
  });

  test("withDeadline holds for calls that give none, and cuts longer ones", function* (net) {
    const { server } = yield* connected(net);
    const buf = new Uint8Array(1);
    yield* fails("ETIMEDOUT", () => withDeadline(now() + 10, () => server.recvSome(buf)));
    yield* fails("ETIMEDOUT", () => withDeadline(now() + 10, () => server.recvSome(buf, soon())));
    yield* fails("ETIMEDOUT", () => withDeadline(now() + 10, () => server.recvSome(buf, -1)));
  });

  test("a recv that timed out tells what it got, and the rest can be had later", function* (net) {
    const { client, server } = yield* connected(net);
    const buf = new Uint8Array(6);
    yield* client.send(Uint8Array.of(1, 2, 3), soon());
    yield* server.recv(buf.subarray(0, 1), soon());
    const error = yield* fails("ETIMEDOUT", () => server.recv(buf.subarray(1), now() + 30));
    expect(error.bytesReceived).toBe(2);
    yield* client.send(Uint8Array.of(4, 5, 6), soon());
    yield* server.recv(buf.subarray(3), soon());
    expect(buf).toEqual(Uint8Array.of(1, 2, 3, 4, 5, 6));
  });

  test("a send that timed out tells what was taken, and the stream is sound", function* (net) {
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
  });
}

function describeCancellation(test: Test): void {
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

  test("recv, recvSome: the stream is sound afterwards", function* (net) {
    const { client, server } = yield* connected(net);
    yield* cancelBlocked(() => server.recvSome(new Uint8Array(1)));
    yield* client.send(Uint8Array.of(1, 2, 3), soon());
    const buf = new Uint8Array(3);
    yield* server.recv(buf, soon());
    expect(buf).toEqual(Uint8Array.of(1, 2, 3));
  });

  test("recv: what it had taken is told", function* (net) {
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
  });

  test("send: what was taken arrives, and the stream is sound afterwards", function* (net) {
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
  });

  test("accept: the next one gets the connection", function* (net) {
    const listener = yield* tcp.listen({ port: 0, context: net.server });
    yield* cancelBlocked(() => listener.accept());
    yield* tcp.connect({ ...listener.local, context: net.client }, soon());
    yield* listener.accept(soon());
  });

  test("connect: nothing is left", function* (net) {
    const nobody = net.server.address.replace(/\d+$/, "250");
    yield* cancelBlocked(() => tcp.connect({ host: nobody, port: 1, context: net.client }));
    expect(net.client.leftovers().sockets).toBe(0);
  });

  test("connect: after cancellation it cannot even begin", function* (net) {
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
  });

  test("calls that never wait work in a cancelled coroutine", function* (net) {
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
  });
}

function describeOwnership(test: Test): void {
  test("the end of the coroutine that opened a connection resets it", function* (net) {
    const listener = yield* tcp.listen({ port: 0, context: net.server });
    const target = { ...listener.local, context: net.client };
    const opener = yield* go(function* () {
      const conn = yield* tcp.connect(target, soon());
      yield* sleep(now() + 20);
      return conn;
    });
    const server = yield* listener.accept(soon());
    const conn = yield* opener.join(soon());
    expect(conn.isOpen).toBe(false);
    yield* fails("ECONNRESET", () => server.recv(new Uint8Array(1), soon()));
  });

  test("moveTo hands a connection on; the end of its owner resets it", function* (net) {
    const listener = yield* tcp.listen({ port: 0, context: net.server });
    const target = { ...listener.local, context: net.client };
    const owner = yield* bundle();
    const opener = yield* go(function* () {
      const conn = yield* tcp.connect(target, soon());
      conn.moveTo(owner);
      return conn;
    });
    const conn = yield* opener.join(soon());
    const server = yield* listener.accept(soon());
    expect(conn.isOpen).toBe(true);
    yield* conn.send(Uint8Array.of(1), soon());
    yield* server.recv(new Uint8Array(1), soon());
    yield* owner.close();
    expect(conn.isOpen).toBe(false);
    yield* fails("ECONNRESET", () => server.recv(new Uint8Array(1), soon()));
  });

  test("moveTo a bundle that is closed resets the connection: EBADF", function* (net) {
    const { client, server } = yield* connected(net);
    const owner = yield* bundle();
    yield* owner.close();
    expect(codeOf(() => client.moveTo(owner))).toBe("EBADF");
    expect(client.isOpen).toBe(false);
    yield* fails("ECONNRESET", () => server.recv(new Uint8Array(1), soon()));
    expect(codeOf(() => client.moveTo(owner))).toBe("EBADF");
  });

  test("the end of a listener's owner closes it, and resets who waits there", function* (net) {
    const home = yield* bundle();
    const opener = yield* go(function* () {
      const listener = yield* tcp.listen({ port: 0, context: net.server });
      const conn = yield* tcp.connect({ ...listener.local, context: net.client }, soon());
      conn.moveTo(home);
      return { conn, local: listener.local };
    });
    const { conn, local } = yield* opener.join(soon());
    yield* fails("ECONNRESET", () => conn.recv(new Uint8Array(1), soon()));
    yield* fails("ECONNREFUSED", () => tcp.connect({ ...local, context: net.client }, soon()));
  });

  test("a listener can be moved too", function* (net) {
    const home = yield* bundle();
    const opener = yield* go(function* () {
      const listener = yield* tcp.listen({ port: 0, context: net.server });
      listener.moveTo(home);
      return listener;
    });
    const listener = yield* opener.join(soon());
    expect(listener.isOpen).toBe(true);
    yield* withContext(net.client, () => tcp.connect(listener.local, soon()));
    yield* home.close();
    expect(listener.isOpen).toBe(false);
    expect(codeOf(() => listener.moveTo(home))).toBe("EBADF");
  });
}
