// SPDX-License-Identifier: MIT
// How local streams end. Close means that the peer's program has read every byte and ended its own
// side (ipc_close of libdill); there is no reset, so this also says what a peer sees that was left.

import { describe, expect, it } from "vitest";
import {
  bundle,
  channel,
  go,
  type IpcConnection,
  ipc,
  now,
  type Operation,
  shield,
  sleep,
  tcp,
} from "../../src/index.ts";
import { describeWithSockets } from "../native-io/socket-poller.ts";
import { codeOf, expectSame, fails, failure, pattern, soon } from "../socket/support/helpers.ts";
import { codeWhenCancelled, goFailing } from "./support/codes.ts";
import { bytesOf, connected, readAll, recvText, type Scene, scene } from "./support/scene.ts";

/** More than fits into the kernel's queue. */
const FLOOD = pattern(2_000_000);

/** Every call on a handle that is gone. */
function* expectGone(conn: IpcConnection): Operation<void> {
  const owner = yield* bundle();
  expect(conn.isOpen).toBe(false);
  const waits = [
    () => conn.send(Uint8Array.of(1), soon()),
    () => conn.recv(new Uint8Array(1), soon()),
    () => conn.recvSome(new Uint8Array(1), soon()),
    () => conn.sendFd(0, soon()),
    () => conn.recvFd(soon()),
    () => conn.close(soon()),
    () => ipc.close(conn, soon()),
    () => conn.linger(soon()),
  ];
  for (const wait of waits) yield* fails("EBADF", wait);
  expect(codeOf(() => conn.done())).toBe("EBADF");
  expect(codeOf(() => conn.moveTo(owner))).toBe("EBADF");
  conn.release();
  conn.abort();
  yield* owner.close();
}

/** Fills the queue of the peer. @returns bytes that are in it */
function* fill(conn: IpcConnection): Operation<number> {
  return (yield* fails("ETIMEDOUT", () => conn.send(FLOOD, now() + 20))).bytesSent as number;
}

describeWithSockets("close", () => {
  it("returns once the peer has read every byte and has ended its side", () =>
    scene(function* (it) {
      const { client, server } = yield* connected(it);
      yield* client.send(bytesOf("hello"), soon());
      const closing = yield* go(() => client.close(soon()));
      yield* sleep(now() + 10);
      expect(closing.isEnded).toBe(false);
      // Ended, but not all is read.
      server.done();
      yield* sleep(now() + 10);
      expect(closing.isEnded).toBe(false);
      expect(yield* recvText(server, 4)).toBe("hell");
      yield* sleep(now() + 10);
      expect(closing.isEnded).toBe(false);
      expect(yield* recvText(server, 1)).toBe("o");
      yield* closing.join(soon());
      yield* expectGone(client);
    }));

  it("waits for the peer's end also when all is read", () =>
    scene(function* (it) {
      const { client, server } = yield* connected(it);
      yield* client.send(bytesOf("hello"), soon());
      const closing = yield* go(() => client.close(soon()));
      expect(yield* recvText(server, 5)).toBe("hello");
      expect(yield* server.recvSome(new Uint8Array(1), soon())).toBe(0);
      yield* sleep(now() + 10);
      expect(closing.isEnded).toBe(false);
      yield* server.close(soon());
      yield* closing.join(soon());
    }));

  it("with deadline 0 succeeds if nothing is left to wait for", () =>
    scene(function* (it) {
      const { client, server } = yield* connected(it);
      yield* client.send(bytesOf("hello"), soon());
      expect(yield* recvText(server, 5)).toBe("hello");
      yield* server.send(bytesOf("unread"), soon());
      server.done();
      yield* client.close(0);
      yield* server.close(0);
    }));

  const LEAVING: Readonly<Record<string, (server: IpcConnection) => Operation<void>>> = {
    *"ends without reading"(server) {
      server.abort();
    },
    *"has read a part"(server) {
      yield* recvText(server, 3);
      server.abort();
    },
    *"half-closes, and then ends without reading"(server) {
      server.done();
      yield* sleep(now() + 10);
      server.abort();
    },
  };
  it.each(Object.entries(LEAVING))(
    "of whom the peer %s is ECONNRESET, never success",
    (_what, leave) =>
      scene(function* (it) {
        for (const waitMs of [0, 5]) {
          const { client, server } = yield* connected({ ...it, path: `${it.path}-${waitMs}` });
          yield* client.send(bytesOf("hello"), soon());
          // Long enough to be read by a library that reads ahead.
          yield* sleep(now() + waitMs);
          const closing = yield* goFailing(() => client.close(soon()));
          yield* sleep(now() + waitMs);
          yield* leave(server);
          expect(yield* closing.join(soon())).toBe("ECONNRESET");
          yield* expectGone(client);
        }
      }),
  );

  it("after the peer has gone without reading is ECONNRESET, whatever was received since", () =>
    scene(function* (it) {
      const { client, server } = yield* connected(it);
      yield* client.send(bytesOf("hello"), soon());
      yield* server.send(bytesOf("answer"), soon());
      server.abort();
      yield* sleep(now() + 5);
      expect(yield* recvText(client, 6)).toBe("answer");
      const error = yield* fails("ECONNRESET", () => client.close(soon()));
      expect([error.syscall, error.address, error.port]).toEqual(["ipc.close", it.path, undefined]);
    }));

  it("at its deadline is ETIMEDOUT, and the handle is gone", () =>
    scene(function* (it) {
      const { client, server } = yield* connected(it);
      yield* client.send(bytesOf("hello"), soon());
      const error = yield* fails("ETIMEDOUT", () => client.close(now() + 20));
      expect(error.syscall).toBe("ipc.close");
      yield* expectGone(client);
      // The peer has all that was sent.
      expect(yield* recvText(server, 5)).toBe("hello");
      expect(yield* server.recvSome(new Uint8Array(1), soon())).toBe(0);
      yield* fails("ECONNRESET", () => server.send(bytesOf("x"), soon()));
    }));

  it("at deadline 0 is ETIMEDOUT when the peer is not done", () =>
    scene(function* (it) {
      const { client, server } = yield* connected(it);
      yield* fails("ETIMEDOUT", () => client.close(0));
      yield* expectGone(client);
      expect(yield* server.recvSome(new Uint8Array(1), soon())).toBe(0);
    }));

  it("that is cancelled is ECANCELED, and the handle is gone", () =>
    scene(function* (it) {
      const { client, server } = yield* connected(it);
      const closing = yield* goFailing(() => client.close());
      expect(yield* server.recvSome(new Uint8Array(1), soon())).toBe(0);
      closing.cancel();
      while (!closing.isEnded) yield* sleep(now() + 1);
      yield* expectGone(client);
      yield* fails("ECONNRESET", () => server.send(Uint8Array.of(1), soon()));
    }));

  it("in a coroutine that is cancelled already is ECANCELED, and the handle is gone", () =>
    scene(function* (it) {
      const { client, server } = yield* connected(it);
      expect(yield* codeWhenCancelled(() => client.close(soon()))).toBe("ECANCELED");
      yield* expectGone(client);
      expect(yield* server.recvSome(new Uint8Array(1), soon())).toBe(0);
    }));

  it("a second time is EBADF", () =>
    scene(function* (it) {
      const { client, server } = yield* connected(it);
      const closing = yield* go(() => client.close(soon()));
      yield* sleep(now() + 5);
      yield* fails("EBADF", () => client.close(0));
      yield* server.close(soon());
      yield* closing.join(soon());
      yield* fails("EBADF", () => client.close(soon()));
    }));

  it("drops what is unread, and what comes later, descriptors too", () =>
    scene(function* (it) {
      const { client, server } = yield* connected(it);
      yield* server.send(pattern(100_000), soon());
      yield* server.sendFd(1, soon());
      const closing = yield* go(() => client.close(soon()));
      for (let i = 0; i < 20; i++) {
        yield* server.send(pattern(50_000), soon());
        yield* server.sendFd(1, soon());
      }
      yield* server.close(soon());
      yield* closing.join(soon());
    }));
});

describeWithSockets("ipc.close", () => {
  it("closes a connection, and tells what its own close tells", () =>
    scene(function* (it) {
      const { client, server } = yield* connected(it);
      const closing = yield* go(() => ipc.close(client, soon()));
      yield* sleep(now() + 5);
      yield* ipc.close(server, soon());
      yield* closing.join(soon());
      yield* fails("EBADF", () => ipc.close(client, soon()));
      const [here, there] = yield* ipc.pair();
      yield* fails("ETIMEDOUT", () => ipc.close(here, now() + 5));
      yield* there.recvSome(new Uint8Array(1), soon());
      yield* fails("ECONNRESET", () => there.send(Uint8Array.of(1), soon()));
      yield* fails("ECONNRESET", () => ipc.close(there, soon()));
    }));

  it("closes a listener at once, even in a cancelled coroutine", () =>
    scene(function* (it) {
      const first = yield* ipc.listen(it.path);
      yield* ipc.close(first, 0);
      expect(first.isOpen).toBe(false);
      const error = yield* fails("EBADF", () => ipc.close(first));
      expect([error.syscall, error.address]).toEqual(["ipc.close", it.path]);
      const second = yield* ipc.listen(it.path);
      expect(yield* codeWhenCancelled(() => ipc.close(second))).toBe("ECANCELED");
      expect(second.isOpen).toBe(false);
    }));

  it("is EOPNOTSUPP for handles of another kind, which stay as they are", () =>
    scene(function* () {
      const listener = yield* tcp.listen("127.0.0.1:0");
      const others = [listener, channel<number>(), yield* bundle()];
      for (const other of others) {
        const error = yield* fails("EOPNOTSUPP", function* () {
          yield* ipc.close(other as never, soon());
        });
        expect(error.message).toBe("EOPNOTSUPP: handle is of another kind, ipc.close");
      }
      expect(listener.isOpen).toBe(true);
      for (const wrong of [undefined, null, 3, "handle", {}]) {
        expect(() => ipc.close(wrong as never)).toThrow(TypeError);
      }
    }));
});

describeWithSockets("a peer that aborts", () => {
  it("has ended its stream: what it sent can be read, sending is ECONNRESET", () =>
    scene(function* (it) {
      const { client, server } = yield* connected(it);
      yield* server.send(bytesOf("last words"), soon());
      server.abort();
      yield* fails("ECONNRESET", () => client.send(Uint8Array.of(1), soon()));
      expect(yield* recvText(client, 10)).toBe("last words");
      expect(yield* client.recvSome(new Uint8Array(1), soon())).toBe(0);
      expect(codeOf(() => client.done())).toBe("ECONNRESET");
      yield* fails("ECONNRESET", () => client.sendFd(0, soon()));
      yield* fails("ECONNRESET", () => client.close(soon()));
    }));

  it("just now: a send hears of it first, and what the peer sent can still be read", () =>
    scene(function* () {
      const [here, there] = yield* ipc.pair();
      yield* there.send(bytesOf("one"), soon());
      expect(yield* recvText(here, 3)).toBe("one");
      yield* fails("ETIMEDOUT", () => here.recv(new Uint8Array(1), 0));
      yield* there.send(bytesOf("two"), soon());
      there.abort();
      // In the same round: nobody has told of those bytes.
      yield* fails("ECONNRESET", () => here.send(Uint8Array.of(1), 0));
      const buf = new Uint8Array(3);
      yield* here.recv(buf, 0);
      expect(new TextDecoder().decode(buf)).toBe("two");
    }));

  it("with bytes of ours unread is ECONNRESET behind what it sent", () =>
    scene(function* (it) {
      const { client, server } = yield* connected(it);
      yield* client.send(bytesOf("unread"), soon());
      yield* server.send(bytesOf("answer"), soon());
      yield* sleep(now() + 5);
      server.abort();
      const buf = new Uint8Array(20);
      const error = yield* fails("ECONNRESET", () => client.recv(buf, soon()));
      expect(error.bytesReceived).toBe(6);
      yield* fails("ECONNRESET", () => client.recvSome(buf, soon()));
      yield* fails("ECONNRESET", () => client.recvFd(soon()));
      yield* fails("ECONNRESET", () => client.send(buf, soon()));
    }));

  it("ends those who wait: the reader, and the sender for whom there was no room", () =>
    scene(function* (it) {
      const { client, server } = yield* connected(it);
      yield* fill(client);
      const reading = yield* goFailing(() => client.recv(new Uint8Array(1), soon()));
      const sending = yield* goFailing(() => client.send(FLOOD, soon()));
      yield* sleep(now() + 10);
      server.abort();
      expect(yield* reading.join(soon())).toBe("ECONNRESET");
      expect(yield* sending.join(soon())).toBe("ECONNRESET");
    }));

  it("in the middle of a send: told with the bytes that were taken", () =>
    scene(function* (it) {
      const { client, server } = yield* connected(it);
      const sending = yield* go(() => failure(() => client.send(FLOOD, soon())));
      yield* sleep(now() + 5);
      yield* server.recv(new Uint8Array(300_000), soon());
      server.abort();
      const { code, bytesSent } = yield* sending.join(soon());
      expect(code).toBe("ECONNRESET");
      expect(bytesSent).toBeGreaterThanOrEqual(300_000);
      expect(bytesSent).toBeLessThan(FLOOD.length);
    }));

  it("while we close, having read all: that is an end as any", () =>
    scene(function* (it) {
      const { client, server } = yield* connected(it);
      yield* client.send(bytesOf("hello"), soon());
      const closing = yield* go(() => client.close(soon()));
      expect(yield* recvText(server, 5)).toBe("hello");
      server.abort();
      yield* closing.join(soon());
    }));
});

describeWithSockets("what send has taken", () => {
  const LEAVE: Readonly<Record<string, (conn: IpcConnection) => Operation<unknown>>> = {
    *abort(conn) {
      conn.abort();
    },
    *release(conn) {
      conn.release();
    },
    "a close that times out": (conn) => failure(() => conn.close(0)),
    "a linger that times out": (conn) => failure(() => conn.linger(0)),
  };
  it.each(Object.entries(LEAVE))("reaches the peer whatever follows: %s", (_name, leave) =>
    scene(function* (it: Scene) {
      const { client, server } = yield* connected(it);
      const taken = yield* fill(client);
      expect(taken).toBeGreaterThan(100_000);
      yield* leave(client);
      yield* expectGone(client);
      expectSame(yield* readAll(server), FLOOD.subarray(0, taken));
    }),
  );

  it("reaches the peer when its owner ends at once", () =>
    scene(function* (it) {
      const listener = yield* ipc.listen(it.path);
      yield* (yield* go(function* () {
        const conn = yield* ipc.connect(it.path, soon());
        yield* conn.send(bytesOf("hello"), soon());
      })).join(soon());
      const server = yield* listener.accept(soon());
      expect(yield* recvText(server, 5)).toBe("hello");
      yield* fails("EPIPE", () => server.recv(new Uint8Array(1), soon()));
    }));
});

describeWithSockets("linger and release", () => {
  it("linger returns once every byte is read, and does not wait for the peer's end", () =>
    scene(function* (it) {
      const { client, server } = yield* connected(it);
      yield* client.send(bytesOf("hello"), soon());
      const lingering = yield* go(() => client.linger(soon()));
      yield* sleep(now() + 10);
      expect(lingering.isEnded).toBe(false);
      expect(yield* recvText(server, 5)).toBe("hello");
      yield* lingering.join(soon());
      yield* expectGone(client);
      // What the peer sends now is dropped, and harms nobody.
      yield* server.send(pattern(10_000), soon());
      yield* server.close(soon());
    }));

  it("linger ends as close does: ETIMEDOUT, ECANCELED, ECONNRESET, EBADF", () =>
    scene(function* (it) {
      const ends = function* (): Operation<readonly [IpcConnection, IpcConnection]> {
        const pair = yield* ipc.pair();
        yield* pair[0].send(bytesOf("hello"), soon());
        return pair;
      };
      const [timed] = yield* ends();
      const error = yield* fails("ETIMEDOUT", () => timed.linger(now() + 10));
      expect(error.message).toBe("ETIMEDOUT: connection timed out, ipc.linger");
      yield* fails("EBADF", () => timed.linger(soon()));
      const [cancelled] = yield* ends();
      const lingering = yield* goFailing(() => cancelled.linger());
      yield* sleep(now() + 5);
      lingering.cancel();
      const [left, leaver] = yield* ends();
      const leaving = yield* goFailing(() => left.linger(soon()));
      yield* sleep(now() + 5);
      leaver.abort();
      expect(yield* leaving.join(soon())).toBe("ECONNRESET");
      const [overtaken] = yield* ends();
      const overtaking = yield* goFailing(() => overtaken.linger(soon()));
      yield* sleep(now() + 5);
      overtaken.abort();
      expect(yield* overtaking.join(soon())).toBe("EBADF");
      for (const conn of [timed, cancelled, left, overtaken]) yield* expectGone(conn);
      expect(it.kernel.leftovers().timers).toBe(0);
    }));

  it("release outlives its owner, until the peer has ended too", () =>
    scene(function* (it) {
      const listener = yield* ipc.listen(it.path);
      yield* (yield* go(function* () {
        const conn = yield* ipc.connect(it.path, soon());
        yield* conn.send(bytesOf("hello"), soon());
        conn.release();
      })).join(soon());
      const server = yield* listener.accept(soon());
      yield* server.send(pattern(100_000), soon());
      expect(yield* recvText(server, 5)).toBe("hello");
      yield* server.close(soon());
    }));

  it("release in a cancelled coroutine works, and close in a shield", () =>
    scene(function* (it) {
      const { client, server } = yield* connected(it);
      const worker = yield* go(function* () {
        try {
          yield* sleep(-1);
        } finally {
          yield* shield(soon(), () => client.close(soon()));
        }
      });
      yield* sleep(now() + 5);
      worker.cancel();
      expect(yield* readAll(server)).toHaveLength(0);
      yield* server.close(soon());
      while (!worker.isEnded) yield* sleep(now() + 1);
      const [here, there] = yield* ipc.pair();
      const releasing = yield* go(function* () {
        try {
          yield* sleep(-1);
        } finally {
          here.release();
        }
      });
      yield* sleep(now() + 5);
      releasing.cancel();
      expect(yield* readAll(there)).toHaveLength(0);
    }));

  it("release and abort leave no timer behind", () =>
    scene(function* (it) {
      for (let i = 0; i < 10; i++) {
        const [here, there] = yield* ipc.pair();
        here.release();
        expect(it.kernel.leftovers().timers).toBe(1);
        there.abort();
        while (it.kernel.leftovers().sockets > 0) yield* sleep(now() + 1);
        expect(it.kernel.leftovers().timers).toBe(0);
      }
    }));
});

describe("errors", () => {
  it("name a pair by nothing at all", () =>
    scene(function* () {
      const [here, there] = yield* ipc.pair();
      const error = yield* fails("ETIMEDOUT", () => here.recv(new Uint8Array(1), 0));
      expect(error.message).toBe("ETIMEDOUT: connection timed out, ipc.recv");
      expect("address" in error).toBe(false);
      there.abort();
    }));
});
