// SPDX-License-Identifier: MIT
// Local streams in a choose: all or nothing, although the kernel takes and gives in parts; and the
// deadlines of calls that need not wait.

import { closeSync } from "node:fs";
import { expect, it } from "vitest";
import {
  choose,
  go,
  type IpcConnection,
  ipc,
  now,
  type Operation,
  sleep,
} from "../../src/index.ts";
import { describeWithSockets } from "../native-io/socket-poller.ts";
import { expectSame, fails, failure, pattern, soon } from "../socket/support/helpers.ts";
import { bytesOf, readAll, recvText, type Scene, scene } from "./support/scene.ts";

/** Most that a choose may send. */
const WHOLE_BYTES = 65_536;
/** Most that a choose may receive. */
const GATHER_BYTES = 262_144;

/** How many sends of one byte the queue of a peer holds. */
function* capacity(): Operation<number> {
  const [here] = yield* ipc.pair();
  for (let count = 0; ; count++) {
    try {
      yield* here.send(Uint8Array.of(1), 0);
    } catch {
      return count;
    }
  }
}

/** A pair in which the next 64 KB fit but in part. */
function* nearlyFull(): Operation<{
  here: IpcConnection;
  there: IpcConnection;
  sent: Uint8Array;
}> {
  const sent = pattern((yield* capacity()) - 1);
  const [here, there] = yield* ipc.pair();
  for (const byte of sent) yield* here.send(Uint8Array.of(byte), 0);
  return { here, there, sent };
}

/** Sends 64 KB of which the kernel takes only a part. @returns all bytes sent so far */
function* sendWhole(its: Scene, here: IpcConnection, sent: Uint8Array): Operation<Uint8Array> {
  const bytes = pattern(WHOLE_BYTES, 2);
  const { index } = yield* choose([here.send(bytes), sleep(soon())]);
  expect(index).toBe(0);
  // Otherwise this tests nothing.
  expect(its.kernel.leftovers().bufferedBytes).toBeGreaterThan(0);
  return new Uint8Array(Buffer.concat([sent, bytes]));
}

describeWithSockets("send in a choose", () => {
  it("takes all, also what the kernel has no room for yet", () =>
    scene(function* (its) {
      const { here, there, sent } = yield* nearlyFull();
      const all = yield* sendWhole(its, here, sent);
      here.done();
      expectSame(yield* readAll(there, 1_000), all);
      expect(its.kernel.leftovers().bufferedBytes).toBe(0);
      yield* there.close(soon());
      yield* here.close(soon());
    }));

  it("keeps the order with what is sent later, descriptors too", () =>
    scene(function* (its) {
      const { here, there, sent } = yield* nearlyFull();
      const all = yield* sendWhole(its, here, sent);
      yield* go(function* () {
        yield* here.sendFd(1, soon());
        yield* here.send(bytesOf("then"), soon());
        yield* here.close(soon());
      });
      const got = new Uint8Array(all.length);
      yield* there.recv(got, soon());
      expectSame(got, all);
      closeSync(yield* there.recvFd(soon()));
      expect(yield* recvText(there, 4)).toBe("then");
      yield* there.close(soon());
    }));

  it("is as good as sent for release", () =>
    scene(function* (its) {
      const { here, there, sent } = yield* nearlyFull();
      const all = yield* sendWhole(its, here, sent);
      here.release();
      expectSame(yield* readAll(there), all);
      yield* there.close(soon());
    }));

  it("is not ready while there is no room, and then it is", () =>
    scene(function* () {
      const [here, there] = yield* ipc.pair();
      const { bytesSent } = yield* failure(() => here.send(pattern(2_000_000), 0));
      const late = yield* choose([here.send(bytesOf("late")), sleep(now() + 10)]);
      expect(late.index).toBe(1);
      yield* go(function* () {
        yield* sleep(now() + 5);
        yield* there.recv(new Uint8Array(bytesSent as number), soon());
      });
      const sent = yield* choose([here.send(bytesOf("late")), sleep(soon())]);
      expect(sent.index).toBe(0);
      yield* sleep(now() + 5);
      expect(yield* recvText(there, 4)).toBe("late");
    }));

  it("of more than 64 KB is EINVAL", () =>
    scene(function* () {
      const [here] = yield* ipc.pair();
      const bytes = new Uint8Array(WHOLE_BYTES + 1);
      yield* fails("EINVAL", () => choose([here.send(bytes), sleep(soon())]));
    }));

  it("of which the peer is gone is ECONNRESET, now and later", () =>
    scene(function* (its) {
      const { here, there, sent } = yield* nearlyFull();
      yield* sendWhole(its, here, sent);
      there.abort();
      yield* fails("ECONNRESET", () => here.send(bytesOf("x"), soon()));
      yield* fails("ECONNRESET", () => here.close(soon()));
    }));
});

describeWithSockets("recv in a choose", () => {
  it("gathers more than the kernel can hold in small pieces", () =>
    scene(function* () {
      const [here, there] = yield* ipc.pair();
      const bytes = pattern((yield* capacity()) * 4);
      yield* go(function* () {
        for (const byte of bytes) yield* here.send(Uint8Array.of(byte), soon());
      });
      const got = new Uint8Array(bytes.length);
      expect((yield* choose([there.recv(got), sleep(soon())])).index).toBe(0);
      expectSame(got, bytes);
    }));

  it("that loses has lost no bytes", () =>
    scene(function* () {
      const [here, there] = yield* ipc.pair();
      yield* here.send(bytesOf("abc"), soon());
      const lost = yield* choose([there.recv(new Uint8Array(4)), sleep(now() + 10)]);
      expect(lost.index).toBe(1);
      expect(yield* recvText(there, 2)).toBe("ab");
      yield* here.send(bytesOf("de"), soon());
      expect(yield* recvText(there, 3)).toBe("cde");
    }));

  it("takes the bytes that came before the end, and then says EPIPE", () =>
    scene(function* () {
      const [here, there] = yield* ipc.pair();
      yield* here.send(bytesOf("abc"), soon());
      here.done();
      const buf = new Uint8Array(4);
      const error = yield* fails("EPIPE", () => choose([there.recv(buf), sleep(soon())]));
      expect(error.bytesReceived).toBe(3);
    }));

  it("of more than 256 KB is EINVAL", () =>
    scene(function* () {
      const [, there] = yield* ipc.pair();
      const buf = new Uint8Array(GATHER_BYTES + 1);
      yield* fails("EINVAL", () => choose([there.recv(buf), sleep(soon())]));
    }));

  it("and close leave nothing of what was gathered", () =>
    scene(function* (its) {
      const [here, there] = yield* ipc.pair();
      yield* here.send(pattern(10_000), soon());
      yield* choose([there.recv(new Uint8Array(20_000)), sleep(now() + 10)]);
      expect(its.kernel.leftovers().bufferedBytes).toBe(10_000);
      const closing = yield* go(() => there.close(soon()));
      yield* here.close(soon());
      yield* closing.join(soon());
      expect(its.kernel.leftovers().bufferedBytes).toBe(0);
    }));
});

describeWithSockets("deadline 0", () => {
  it("is enough for what is there", () =>
    scene(function* (its) {
      const listener = yield* ipc.listen(its.path);
      const client = yield* ipc.connect(its.path, 0);
      yield* client.send(bytesOf("hello"), 0);
      const server = yield* listener.accept(soon());
      const buf = new Uint8Array(5);
      yield* server.recv(buf, 0);
      yield* fails("ETIMEDOUT", () => server.recvSome(buf, 0));
      yield* client.sendFd(1, 0);
      yield* sleep(now() + 5);
      closeSync(yield* server.recvFd(0));
      yield* fails("ETIMEDOUT", () => server.recvFd(0));
    }));
});
