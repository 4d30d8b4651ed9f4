// SPDX-License-Identifier: MIT
// Connecting and accepting: order, a full backlog, deadlines, cancellation.

import { existsSync } from "node:fs";
import { describe, expect, it } from "vitest";
import {
  choose,
  go,
  type Handle,
  type IpcConnection,
  type IpcListener,
  ipc,
  now,
  type Operation,
  sleep,
  withDeadline,
  yieldNow,
} from "../../src/index.ts";
import { describeWithSockets } from "../native-io/socket-poller.ts";
import { fails, soon } from "../socket/support/helpers.ts";
import { goFailing } from "./support/codes.ts";
import { bytesOf, connected, recvText, type Scene, scene } from "./support/scene.ts";

/** A listener whose backlog of one is full. */
function* full({ path }: Scene): Operation<{ listener: IpcListener; first: IpcConnection }> {
  const listener = yield* ipc.listen(path, { backlog: 1 });
  const first = yield* ipc.connect(path, soon());
  return { listener, first };
}

/** Starts a connect that waits because the backlog is full. */
function* waiting({ path }: Scene): Operation<Handle<IpcConnection>> {
  const connecting = yield* go(function* () {
    const conn = yield* ipc.connect(path, soon());
    yield* conn.send(Uint8Array.of(1), soon());
    conn.release();
    return conn;
  });
  yield* sleep(now() + 30);
  expect(connecting.isEnded).toBe(false);
  return connecting;
}

describeWithSockets("connect and accept", () => {
  it("connect returns before anybody accepts, and what it sent is there then", () =>
    scene(function* (it) {
      const listener = yield* ipc.listen(it.path);
      const client = yield* ipc.connect(it.path, 0);
      yield* client.send(bytesOf("early"), 0);
      const server = yield* listener.accept(soon());
      expect(yield* recvText(server, 5)).toBe("early");
    }));

  it("accept gives also whom the client has left already, with what it sent", () =>
    scene(function* (it) {
      const listener = yield* ipc.listen(it.path);
      const client = yield* ipc.connect(it.path, soon());
      yield* client.send(bytesOf("bye"), soon());
      client.abort();
      const server = yield* listener.accept(soon());
      expect(yield* recvText(server, 3)).toBe("bye");
      expect(yield* server.recvSome(new Uint8Array(1), soon())).toBe(0);
    }));

  it("accept takes connections in the order in which they came", () =>
    scene(function* (it) {
      const listener = yield* ipc.listen(it.path);
      for (let i = 0; i < 10; i++) {
        const client = yield* ipc.connect(it.path, soon());
        yield* client.send(Uint8Array.of(i), soon());
      }
      const byte = new Uint8Array(1);
      for (let i = 0; i < 10; i++) {
        const server = yield* listener.accept(soon());
        yield* server.recv(byte, soon());
        expect(byte[0]).toBe(i);
      }
      expect(listener.statistics()).toMatchObject({ accepted: 10, waiting: 0, halfOpen: 0 });
    }));

  it("several coroutines may wait in accept, and each gets one", () =>
    scene(function* (it) {
      const listener = yield* ipc.listen(it.path);
      const accepting: Handle<IpcConnection>[] = [];
      for (let i = 0; i < 3; i++) {
        accepting.push(
          yield* go(function* () {
            const conn = yield* listener.accept(soon());
            conn.release();
            return conn;
          }),
        );
      }
      yield* sleep(now() + 5);
      for (let i = 0; i < 3; i++) yield* ipc.connect(it.path, soon());
      for (const each of accepting) yield* each.join(soon());
      expect(listener.statistics().accepted).toBe(3);
    }));

  it("accept that times out or is cancelled leaves the listener as it was", () =>
    scene(function* (it) {
      const listener = yield* ipc.listen(it.path);
      yield* fails("ETIMEDOUT", () => listener.accept(0));
      yield* fails("ETIMEDOUT", () => listener.accept(now() + 10));
      const accepting = yield* goFailing(() => listener.accept());
      yield* sleep(now() + 5);
      accepting.cancel();
      yield* ipc.connect(it.path, soon());
      yield* listener.accept(soon());
    }));

  it("statistics tell whether anybody waits, without taking anybody", () =>
    scene(function* (it) {
      const listener = yield* ipc.listen(it.path);
      expect(listener.statistics().waiting).toBe(0);
      yield* ipc.connect(it.path, soon());
      yield* ipc.connect(it.path, soon());
      expect([listener.statistics().waiting, listener.statistics().waiting]).toEqual([1, 1]);
      yield* listener.accept(soon());
      yield* listener.accept(soon());
      expect(listener.statistics().waiting).toBe(0);
      listener.close();
      expect(listener.statistics().waiting).toBe(0);
    }));

  it("closing the listener ends accept with EBADF, and those in its backlog", () =>
    scene(function* (it) {
      const listener = yield* ipc.listen(it.path);
      const accepting = yield* goFailing(() => listener.accept(soon()));
      yield* sleep(now() + 5);
      listener.close();
      listener.close();
      expect(yield* accepting.join(soon())).toBe("EBADF");
      const error = yield* fails("EBADF", () => listener.accept(soon()));
      expect([error.syscall, error.address]).toEqual(["ipc.accept", it.path]);

      const second = yield* ipc.listen(it.path);
      const client = yield* ipc.connect(it.path, soon());
      yield* client.send(Uint8Array.of(1), soon());
      second.close();
      yield* fails("ECONNRESET", () => client.recv(new Uint8Array(1), soon()));
      yield* fails("ECONNRESET", () => client.close(soon()));
    }));

  it("connects 200 at once through a backlog of 8", () =>
    scene(function* (it) {
      const listener = yield* ipc.listen(it.path, { backlog: 8 });
      const clients: Handle<number>[] = [];
      for (let i = 0; i < 200; i++) {
        clients.push(
          yield* go(function* () {
            const conn = yield* ipc.connect(it.path, soon());
            yield* conn.send(Uint8Array.of(i), soon());
            const back = new Uint8Array(1);
            yield* conn.recv(back, soon());
            yield* conn.close(soon());
            return back[0] as number;
          }),
        );
      }
      const serving = yield* go(() =>
        listener.serve(function* (conn) {
          const byte = new Uint8Array(1);
          yield* conn.recv(byte, soon());
          yield* conn.send(byte, soon());
          yield* conn.close(soon());
        }),
      );
      for (const [i, client] of clients.entries()) expect(yield* client.join(soon())).toBe(i);
      serving.cancel();
    }));
});

describeWithSockets("connect to a full backlog", () => {
  it("waits, and goes on once somebody accepts", () =>
    scene(function* (it) {
      const { listener } = yield* full(it);
      const connecting = yield* waiting(it);
      yield* listener.accept(soon());
      yield* connecting.join(soon());
      const server = yield* listener.accept(soon());
      yield* server.recv(new Uint8Array(1), soon());
    }));

  it("is woken by an accept of this program, not by its timer", () =>
    scene(function* (it) {
      const { listener } = yield* full(it);
      const connecting = yield* waiting(it);
      // By now it would sleep for 50 ms; the wake comes in the same round.
      yield* listener.accept(soon());
      for (let turns = 0; turns < 3; turns++) yield* sleep(now());
      yield* listener.accept(now() + 1);
      yield* connecting.join(soon());
    }));

  it("lets all of them in, one by one", () =>
    scene(function* (it) {
      const { listener } = yield* full(it);
      const order: number[] = [];
      for (let i = 0; i < 5; i++) {
        yield* go(function* () {
          const conn = yield* ipc.connect(it.path, soon());
          yield* conn.send(Uint8Array.of(i), soon());
          conn.release();
        });
        yield* sleep(now() + 1);
      }
      yield* listener.accept(soon());
      const byte = new Uint8Array(1);
      while (order.length < 5) {
        const server = yield* listener.accept(soon());
        yield* server.recv(byte, soon());
        order.push(byte[0] as number);
      }
      expect([...order].sort()).toEqual([0, 1, 2, 3, 4]);
    }));

  it("ends at the deadline: ETIMEDOUT, and nothing is left", () =>
    scene(function* (it) {
      const { listener } = yield* full(it);
      const before = it.kernel.leftovers();
      const error = yield* fails("ETIMEDOUT", () => ipc.connect(it.path, now() + 30));
      expect([error.syscall, error.address]).toEqual(["ipc.connect", it.path]);
      yield* fails("ETIMEDOUT", () => ipc.connect(it.path, 0));
      yield* fails("ETIMEDOUT", () => withDeadline(now() + 10, () => ipc.connect(it.path)));
      expect(it.kernel.leftovers()).toEqual(before);
      yield* listener.accept(soon());
      yield* fails("ETIMEDOUT", () => listener.accept(now() + 10));
    }));

  it("can be cancelled: ECANCELED, and nothing is left", () =>
    scene(function* (it) {
      const { listener } = yield* full(it);
      const before = it.kernel.leftovers();
      const connecting = yield* goFailing(() => ipc.connect(it.path));
      yield* sleep(now() + 20);
      connecting.cancel();
      yield* sleep(now() + 2);
      expect(connecting.isEnded).toBe(true);
      expect(it.kernel.leftovers()).toEqual(before);
      yield* listener.accept(soon());
      yield* fails("ETIMEDOUT", () => listener.accept(now() + 10));
    }));

  it("hears at once that the listener closes", () =>
    scene(function* (it) {
      const { listener } = yield* full(it);
      const codes = [
        yield* goFailing(() => ipc.connect(it.path, soon())),
        yield* goFailing(() => ipc.connect(it.path, soon())),
      ];
      yield* sleep(now() + 10);
      listener.close();
      expect(existsSync(it.path)).toBe(false);
      // Marked by the close, not by their timers.
      yield* yieldNow();
      expect(codes.map((code) => code.isEnded)).toEqual([true, true]);
      for (const code of codes) expect(yield* code.join(soon())).toBe("ENOENT");
    }));

  describe("as a clause of choose", () => {
    it("connects when there is room", () =>
      scene(function* (it) {
        const { listener } = yield* full(it);
        yield* go(function* () {
          yield* sleep(now() + 20);
          yield* listener.accept(soon());
          yield* sleep(now() + 50);
        });
        const choice = yield* choose([ipc.connect(it.path), sleep(soon())]);
        expect(choice.index).toBe(0);
        expect((choice.value as IpcConnection).path).toBe(it.path);
      }));

    it("leaves nothing when another clause comes first", () =>
      scene(function* (it) {
        yield* full(it);
        const before = it.kernel.leftovers();
        const { index } = yield* choose([ipc.connect(it.path), sleep(now() + 20)]);
        expect(index).toBe(1);
        expect(it.kernel.leftovers()).toEqual(before);
      }));
  });

  it("does not disturb a connection that is there", () =>
    scene(function* (it) {
      const { client, server } = yield* connected(it);
      yield* go(function* () {
        for (let i = 0; i < 3; i++) yield* ipc.connect(it.path, soon());
      });
      yield* client.send(bytesOf("still"), soon());
      expect(yield* recvText(server, 5)).toBe("still");
    }));
});
