// SPDX-License-Identifier: MIT
// Pipes: two ends, one ring.

import { describe, expect, it } from "vitest";
import { choose, go, now, type Operation, sleep } from "../../src/index.ts";
import * as mtcp from "../../src/mtcp/index.ts";
import { expectSame, pattern } from "../socket/support/helpers.ts";
import {
  bad,
  bytesOf,
  epoll,
  good,
  hear,
  ready,
  readyNow,
  type Scene,
  say,
  simScene,
  soon,
  watch,
} from "./support/scene.ts";

const RING_BYTES = 10_240;
const ATOMIC_BYTES = 4_096;
const { EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP, EPOLLET } = mtcp;

function newPipe(mctx: mtcp.Mctx): [number, number] {
  const ends: number[] = [];
  good(mctx, mtcp.pipe(mctx, ends));
  return ends as [number, number];
}

/** Runs a test with one pipe. */
function withPipe(
  op: (mctx: mtcp.Mctx, reader: number, writer: number, it: Scene) => Operation<void>,
): Promise<unknown> {
  return simScene(function* (it) {
    const [reader, writer] = newPipe(it.client);
    yield* op(it.client, reader, writer, it);
  });
}

function write(mctx: mtcp.Mctx, sockid: number, bytes: Uint8Array): number {
  return mtcp.write(mctx, sockid, bytes, bytes.length);
}

describe("a pipe", () => {
  it("gives what was written, then EAGAIN, and 0 once the writer is closed", () =>
    withPipe(function* (mctx, reader, writer) {
      bad(mctx, mtcp.read(mctx, reader, new Uint8Array(9), 9), mtcp.EAGAIN);
      expect(write(mctx, writer, bytesOf("hello"))).toBe(5);
      expect(yield* hear(mctx, reader, 3)).toBe("hel");
      bad(mctx, mtcp.read(mctx, writer, new Uint8Array(9), 9), mtcp.EBADF);
      good(mctx, mtcp.close(mctx, writer));
      expect(yield* hear(mctx, reader)).toBe("lo");
      expect(yield* hear(mctx, reader)).toBe("");
      good(mctx, mtcp.close(mctx, reader));
    }));

  it("nobody reads: EPIPE; the end that reads is not written: EBADF", () =>
    withPipe(function* (mctx, reader, writer) {
      bad(mctx, write(mctx, reader, bytesOf("x")), mtcp.EBADF);
      good(mctx, mtcp.close(mctx, reader));
      bad(mctx, write(mctx, writer, bytesOf("x")), mtcp.EPIPE);
      bad(mctx, yield* mtcp.blocking.write(mctx, writer, bytesOf("x"), 1, soon()), mtcp.EPIPE);
    }));

  it("keeps every byte in order around the ring", () =>
    withPipe(function* (mctx, reader, writer) {
      const bytes = pattern(100_000);
      const writing = yield* go(() =>
        mtcp.blocking.write(mctx, writer, bytes, bytes.length, soon()),
      );
      const got = new Uint8Array(bytes.length);
      for (let at = 0, size = 1; at < got.length; size = (size * 7) % 9_973) {
        const part = got.subarray(at, at + size);
        at += good(mctx, yield* mtcp.blocking.read(mctx, reader, part, part.length, soon()));
      }
      expectSame(got, bytes);
      expect(yield* writing.join(soon())).toBe(bytes.length);
    }));

  it("takes a small write whole or not at all, a large one in part", () =>
    withPipe(function* (mctx, reader, writer) {
      const room = 100;
      expect(write(mctx, writer, pattern(RING_BYTES - room))).toBe(RING_BYTES - room);
      bad(mctx, write(mctx, writer, pattern(room + 1)), mtcp.EAGAIN);
      bad(mctx, mtcp.writev(mctx, writer, [pattern(60), pattern(41)], 2), mtcp.EAGAIN);
      expect(write(mctx, writer, pattern(ATOMIC_BYTES + 1))).toBe(room);
      bad(mctx, write(mctx, writer, pattern(ATOMIC_BYTES + 1)), mtcp.EAGAIN);
      const count = { value: 0 };
      good(mctx, mtcp.ioctl(mctx, reader, mtcp.FIONREAD, count));
      expect(count.value).toBe(RING_BYTES);
      const waiting = yield* go(() =>
        mtcp.blocking.write(mctx, writer, pattern(room), room, soon()),
      );
      yield* hear(mctx, reader, room - 1);
      expect(waiting.isEnded).toBe(false);
      yield* hear(mctx, reader, 1);
      expect(yield* waiting.join(soon())).toBe(room);
    }));

  it("works with epoll at both ends", () =>
    withPipe(function* (mctx, reader, writer) {
      const epid = epoll(mctx);
      watch(mctx, epid, reader, EPOLLIN);
      watch(mctx, epid, writer, EPOLLOUT | EPOLLET);
      expect(readyNow(mctx, epid)).toEqual([[writer, EPOLLOUT]]);
      write(mctx, writer, pattern(RING_BYTES - ATOMIC_BYTES + 1));
      expect(readyNow(mctx, epid)).toEqual([[reader, EPOLLIN]]);
      yield* hear(mctx, reader, 1);
      expect(readyNow(mctx, epid)).toEqual([
        [reader, EPOLLIN],
        [writer, EPOLLOUT],
      ]);
      good(mctx, mtcp.close(mctx, reader));
      expect(readyNow(mctx, epid)).toEqual([[writer, EPOLLOUT | EPOLLERR]]);
    }));

  it("the end of the writer is EPOLLHUP for the reader", () =>
    withPipe(function* (mctx, reader, writer) {
      const epid = epoll(mctx);
      watch(mctx, epid, reader, EPOLLIN);
      const waiting = yield* go(() => ready(mctx, epid));
      yield* say(mctx, writer, "end");
      good(mctx, mtcp.close(mctx, writer));
      expect(yield* waiting.join(soon())).toEqual([[reader, EPOLLIN | EPOLLHUP]]);
      yield* hear(mctx, reader);
      expect(readyNow(mctx, epid)).toEqual([[reader, EPOLLHUP]]);
    }));

  it("wakes a coroutine that waits for it along with sockets", () =>
    withPipe(function* (mctx, reader, writer) {
      const epid = epoll(mctx);
      watch(mctx, epid, reader, EPOLLIN);
      yield* go(function* () {
        yield* sleep(now() + 1_000);
        yield* say(mctx, writer, "!");
      });
      const startMs = now();
      yield* ready(mctx, epid);
      expect(now() - startMs).toBe(1_000);
    }));

  it("is a clause of choose: all of a write or nothing", () =>
    withPipe(function* (mctx, reader, writer) {
      const { blocking } = mtcp;
      const large = pattern(RING_BYTES);
      expect(write(mctx, writer, bytesOf("x"))).toBe(1);
      const lost = [blocking.write(mctx, writer, large, large.length), sleep(now() + 1)] as const;
      expect((yield* choose(lost)).index).toBe(1);
      expect(yield* hear(mctx, reader)).toBe("x");
      const won = [blocking.write(mctx, writer, large, large.length), sleep(now() + 1)] as const;
      expect(yield* choose(won)).toEqual({ index: 0, value: RING_BYTES });
      const never = pattern(RING_BYTES + 1);
      const wrong = [blocking.write(mctx, writer, never, never.length), sleep(soon())] as const;
      expect(yield* choose(wrong)).toEqual({ index: 0, value: -1 });
      expect(mctx.errno).toBe(mtcp.EINVAL);
    }));

  it("takes two descriptors and one buffer: ENFILE, ENOMEM", () =>
    simScene(
      function* ({ client }) {
        const [reader, writer] = newPipe(client);
        bad(client, mtcp.pipe(client, []), mtcp.ENOMEM);
        good(client, mtcp.close(client, reader));
        bad(client, mtcp.pipe(client, []), mtcp.ENOMEM);
        good(client, mtcp.close(client, writer));
        expect(client.bufferCount).toBe(0);
        for (let i = 0; i < 3; i++) epoll(client);
        bad(client, mtcp.pipe(client, []), mtcp.ENFILE);
        bad(client, mtcp.pipe(client, null), mtcp.EFAULT);
        expect(client.descriptorCount).toBe(3);
      },
      { conf: { maxConcurrency: 4, maxNumBuffers: 1 } },
    ));
});
