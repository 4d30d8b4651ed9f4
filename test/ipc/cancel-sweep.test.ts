// SPDX-License-Identifier: MIT
// Each blocking call of local sockets, cancelled at each of its waits, and ended by deadlines that
// fall anywhere in its life. Nothing may be left: `scene` looks for sockets, timers, descriptors.

import { closeSync, openSync } from "node:fs";
import { describe, expect, it } from "vitest";
import {
  bundle,
  go,
  type IpcConnection,
  ipc,
  isNetError,
  now,
  type Operation,
  sleep,
  withDeadline,
} from "../../src/index.ts";
import { describeWithSockets } from "../native-io/socket-poller.ts";
import { failure, pattern, soon } from "../socket/support/helpers.ts";
import { sweepCancellations } from "../support/cancel-watch.ts";
import { type Ends, readAll, type Scene, scene } from "./support/scene.ts";

const LARGE = pattern(700_000);
/** Waits at which each call is cancelled, at most, spread over all it has. */
const SAMPLE = 12;
/** How long a call may go on, ms: before it begins, in its midst, past its end. */
const DEADLINES_MS = [-1, 0, 0.3, 1, 2, 3, 4, 5, 6, 8, 10, 15] as const;

/** Sets the scene; returns the life that is to be ended. */
type Stage = (it: Scene) => Operation<() => Operation<unknown>>;

/** A call on one end of a connection while the other does something, 3 ms later. */
function onConnection(
  life: (conn: IpcConnection) => Operation<unknown>,
  peer: (conn: IpcConnection) => Operation<unknown>,
): Stage {
  return function* () {
    const [here, there] = yield* ipc.pair();
    yield* go(function* () {
      yield* sleep(now() + 3);
      try {
        yield* peer(there);
      } catch (error) {
        if (!isNetError(error)) throw error;
      }
    });
    return function* () {
      const owner = yield* bundle();
      here.moveTo(owner);
      yield* life(here);
      yield* owner.close();
    };
  };
}

/** A listener whose backlog of one is full for some ms. */
function* fullBacklog({ path }: Scene): Operation<Ends["listener"]> {
  const listener = yield* ipc.listen(path, { backlog: 1 });
  const first = yield* ipc.connect(path, soon());
  yield* go(function* () {
    yield* sleep(now() + 8);
    for (;;) {
      const conn = yield* listener.accept();
      yield* go(() => failureOrEnd(conn));
    }
  });
  first.release();
  return listener;
}

function* failureOrEnd(conn: IpcConnection): Operation<void> {
  try {
    yield* readAll(conn);
    yield* conn.close(soon());
  } catch (error) {
    if (!isNetError(error)) throw error;
  }
}

const CALLS: Readonly<Record<string, Stage>> = {
  *"connect to a full backlog, send, close"(it) {
    yield* fullBacklog(it);
    return function* () {
      const conn = yield* ipc.connect(it.path);
      yield* conn.send(LARGE, soon());
      yield* conn.close(soon());
    };
  },
  *accept(it) {
    const listener = yield* ipc.listen(it.path);
    yield* go(function* () {
      for (let i = 0; i < 3; i++) {
        yield* sleep(now() + 3);
        yield* ipc.connect(it.path, soon());
      }
    });
    return function* () {
      for (let i = 0; i < 3; i++) yield* listener.accept(soon());
    };
  },
  *serve(it) {
    const listener = yield* ipc.listen(it.path);
    yield* go(function* () {
      yield* sleep(now() + 3);
      for (let i = 0; i < 3; i++) {
        try {
          const conn = yield* ipc.connect(it.path, soon());
          yield* conn.send(Uint8Array.of(1), soon());
          yield* conn.close(soon());
        } catch (error) {
          if (!isNetError(error)) throw error;
        }
      }
      listener.close();
    });
    return () => failure(() => listener.serve((conn) => failureOrEnd(conn), { maxConnections: 1 }));
  },
  recvSome: onConnection(
    (conn) => conn.recvSome(new Uint8Array(10), soon()),
    (conn) => conn.send(pattern(5), soon()),
  ),
  "recv of much": onConnection(
    (conn) => conn.recv(new Uint8Array(LARGE.length), soon()),
    (conn) => conn.send(LARGE, soon()),
  ),
  "send of much": onConnection(
    (conn) => conn.send(LARGE, soon()),
    (conn) => conn.recv(new Uint8Array(LARGE.length), soon()),
  ),
  sendFd: onConnection(
    function* (conn) {
      const fd = openSync("/dev/null", "r");
      try {
        for (let i = 0; i < 1_000; i++) yield* conn.sendFd(fd, soon());
      } finally {
        closeSync(fd);
      }
    },
    function* (conn) {
      for (let i = 0; i < 1_000; i++) closeSync(yield* conn.recvFd(soon()));
    },
  ),
  recvFd: onConnection(
    function* (conn) {
      for (let i = 0; i < 3; i++) closeSync(yield* conn.recvFd(soon()));
    },
    function* (conn) {
      for (let i = 0; i < 3; i++) {
        yield* conn.sendFd(0, soon());
        yield* sleep(now() + 2);
      }
    },
  ),
  close: onConnection(function* (conn) {
    yield* conn.send(pattern(50_000), soon());
    yield* conn.close(soon());
  }, failureOrEnd),
  linger: onConnection(function* (conn) {
    yield* conn.send(pattern(50_000), soon());
    yield* conn.linger(soon());
  }, failureOrEnd),
};

describeWithSockets("each blocking call of local sockets", () => {
  describe.each(Object.entries(CALLS))("%s", (_name, stage) => {
    it("leaves nothing when it is cancelled at any of its waits", async () => {
      await sweepCancellations(
        (watch) =>
          scene(function* (it) {
            const living = yield* go(yield* stage(it));
            watch.handle = living;
            const endMs = soon();
            while (!living.isEnded && now() < endMs) yield* sleep(now() + 1);
            expect(living.isEnded).toBe(true);
          }),
        SAMPLE,
      );
    });

    it("leaves nothing when a deadline ends it anywhere in its life", async () => {
      for (const ms of DEADLINES_MS) {
        await scene(function* (it) {
          const life = yield* stage(it);
          const living = yield* go(function* () {
            try {
              yield* withDeadline(now() + ms, life);
            } catch (error) {
              if (!isNetError(error, "ETIMEDOUT")) throw error;
            }
          });
          yield* living.join(soon());
        });
      }
    });
  });
});
