// SPDX-License-Identifier: MIT
// Serving local sockets, and whose their handles are.

import { existsSync } from "node:fs";
import { run as runTask, sleep as taskSleep } from "effection";
import { expect, it } from "vitest";
import {
  abortable,
  bundle,
  go,
  type IpcConnection,
  ipc,
  now,
  type Operation,
  sleep,
} from "../../src/index.ts";
import { describeWithSockets } from "../native-io/socket-poller.ts";
import { codeOf, fails, failure, soon } from "../socket/support/helpers.ts";
import { bytesOf, connected, echo, recvText, scene } from "./support/scene.ts";

/** Sends a byte and waits for its echo. */
function* ping(conn: IpcConnection): Operation<void> {
  yield* conn.send(Uint8Array.of(1), soon());
  yield* conn.recv(new Uint8Array(1), soon());
}

describeWithSockets("listener.serve", () => {
  it("serves each connection in a coroutine that owns it", () =>
    scene(function* (it) {
      const listener = yield* ipc.listen(it.path);
      const served: IpcConnection[] = [];
      const serving = yield* go(() =>
        listener.serve(function* (conn) {
          served.push(conn);
          yield* conn.recv(new Uint8Array(1), soon());
          // Not closed: the end of the handler ends it.
        }),
      );
      const [a, b] = [yield* ipc.connect(it.path, soon()), yield* ipc.connect(it.path, soon())];
      yield* a.send(Uint8Array.of(1), soon());
      expect(yield* a.recvSome(new Uint8Array(1), soon())).toBe(0);
      yield* sleep(now() + 5);
      expect(served.map((conn) => conn.isOpen)).toEqual([false, true]);
      b.abort();
      serving.cancel();
    }));

  it("serves at most maxConnections at once, and goes through all", () =>
    scene(function* (it) {
      const listener = yield* ipc.listen(it.path, { backlog: 2 });
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
      for (let i = 0; i < 20; i++) {
        yield* group.go(function* () {
          const conn = yield* ipc.connect(it.path, soon());
          yield* ping(conn);
          yield* sleep(now() + 2);
          yield* conn.close(soon());
        });
      }
      yield* group.wait(soon());
      expect(most).toBe(2);
      expect(listener.statistics().accepted).toBe(20);
      serving.cancel();
    }));

  it("tells what a handler throws, with its connection, and goes on", () =>
    scene(function* (it) {
      const listener = yield* ipc.listen(it.path);
      const seen: unknown[] = [];
      const serving = yield* go(() =>
        listener.serve(
          function* (conn) {
            yield* conn.recv(new Uint8Array(1), soon());
            throw new Error("broken handler");
          },
          { onError: (error, conn) => seen.push((error as Error).message, conn.path) },
        ),
      );
      for (let i = 0; i < 2; i++) {
        const conn = yield* ipc.connect(it.path, soon());
        yield* conn.send(Uint8Array.of(1), soon());
        expect(yield* conn.recvSome(new Uint8Array(1), soon())).toBe(0);
      }
      expect(seen).toEqual(["broken handler", it.path, "broken handler", it.path]);
      expect(listener.statistics()).toMatchObject({ accepted: 2, failed: 2 });
      serving.cancel();
    }));

  it("cancelled: it stops listening, removes its file, lets handlers end within graceMs", () =>
    scene(function* (it) {
      const listener = yield* ipc.listen(it.path);
      const serving = yield* go(() => listener.serve(echo, { graceMs: 5_000 }));
      const conn = yield* ipc.connect(it.path, soon());
      yield* ping(conn);
      serving.cancel();
      yield* sleep(now() + 10);
      expect([listener.isOpen, existsSync(it.path)]).toEqual([false, false]);
      yield* fails("ENOENT", () => ipc.connect(it.path, soon()));
      yield* ping(conn);
      yield* conn.close(soon());
      while (!serving.isEnded) yield* sleep(now() + 1);
    }));

  it("ends with EBADF when the listener is closed, naming its path", () =>
    scene(function* (it) {
      const listener = yield* ipc.listen(it.path);
      const serving = yield* go(() => failure(() => listener.serve(echo)));
      yield* sleep(now() + 5);
      listener.close();
      const error = yield* serving.join(soon());
      expect([error.code, error.address]).toEqual(["EBADF", it.path]);
    }));

  it("refuses what is no handler or no sensible limit", () =>
    scene(function* (it) {
      const listener = yield* ipc.listen(it.path);
      yield* sleep(now());
      const serve = (handler: unknown, options?: object) => {
        const iterator = listener.serve(handler as never, options as never)[Symbol.iterator]();
        return codeOf(() => iterator.next());
      };
      expect(serve("no")).toBe(
        "TypeError: ipc.serve: handler must be a generator function or return an operation",
      );
      expect(serve(echo, { maxConnections: 0 })).toBe("EINVAL");
    }));
});

describeWithSockets("ownership", () => {
  it("the end of the coroutine that opened a connection ends it", () =>
    scene(function* (it) {
      const listener = yield* ipc.listen(it.path);
      const opener = yield* go(function* () {
        const conn = yield* ipc.connect(it.path, soon());
        yield* conn.send(bytesOf("bye"), soon());
        return conn;
      });
      const server = yield* listener.accept(soon());
      expect((yield* opener.join(soon())).isOpen).toBe(false);
      expect(yield* recvText(server, 3)).toBe("bye");
      expect(yield* server.recvSome(new Uint8Array(1), soon())).toBe(0);
    }));

  it("a pair, an accepted connection and an adopted one are the caller's too", () =>
    scene(function* (it) {
      const listener = yield* ipc.listen(it.path);
      yield* ipc.connect(it.path, soon());
      const made = yield* (yield* go(function* () {
        const [here, there] = yield* ipc.pair();
        return [here, there, yield* listener.accept(soon())];
      })).join(soon());
      expect(made.map((conn) => conn.isOpen)).toEqual([false, false, false]);
    }));

  it("moveTo hands on a connection and a listener; the end of the owner ends them", () =>
    scene(function* (it) {
      const owner = yield* bundle();
      const [listener, client] = yield* (yield* go(function* () {
        const ends = yield* connected(it);
        ends.listener.moveTo(owner);
        ends.client.moveTo(owner);
        return [ends.listener, ends.client] as const;
      })).join(soon());
      expect([listener.isOpen, client.isOpen]).toEqual([true, true]);
      yield* ipc.connect(it.path, soon());
      yield* owner.close();
      expect([listener.isOpen, client.isOpen, existsSync(it.path)]).toEqual([false, false, false]);
      expect(codeOf(() => listener.moveTo(owner))).toBe("EBADF");
      expect(codeOf(() => client.moveTo(owner))).toBe("EBADF");
      expect(codeOf(() => client.moveTo({} as never))).toBe("EBADF");
    }));

  it("moveTo a bundle that is closed ends the connection: EBADF", () =>
    scene(function* () {
      const [here, there] = yield* ipc.pair();
      const owner = yield* bundle();
      yield* owner.close();
      expect(() => here.moveTo({} as never)).toThrow(TypeError);
      expect(codeOf(() => here.moveTo(owner))).toBe("EBADF");
      expect(here.isOpen).toBe(false);
      expect(yield* there.recvSome(new Uint8Array(1), soon())).toBe(0);
    }));

  it("in a plain Effection task: handles work, and a halted task leaves no socket behind", () =>
    scene(function* (it) {
      const listener = yield* ipc.listen(it.path);
      const text = yield* abortable(() =>
        runTask(function* () {
          const client = yield* ipc.connect(it.path, -1);
          yield* client.send(bytesOf("task"), -1);
          yield* taskSleep(1);
          client.release();
          return "sent";
        }),
      );
      expect(text).toBe("sent");
      const server = yield* listener.accept(soon());
      expect(yield* recvText(server, 4)).toBe("task");
      yield* server.close(soon());

      const full = yield* ipc.listen(`${it.path}-full`, { backlog: 1 });
      yield* ipc.connect(full.path, soon());
      const waiting = runTask(() => ipc.connect(full.path, -1));
      yield* sleep(now() + 20);
      yield* abortable(async () => {
        await waiting.halt();
      });
      yield* full.accept(soon());
      yield* fails("ETIMEDOUT", () => full.accept(now() + 20));
    }));
});
