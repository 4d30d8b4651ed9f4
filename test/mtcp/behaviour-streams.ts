// SPDX-License-Identifier: MIT
// Bytes in and out. Part of the suite in behaviour.ts.

import { expect } from "vitest";
import { choose, go, now, type Operation, sleep } from "../../src/index.ts";
import * as mtcp from "../../src/mtcp/index.ts";
import { expectSame, pattern } from "../socket/support/helpers.ts";
import {
  bad,
  bytesOf,
  connected,
  epoll,
  good,
  hear,
  readyNow,
  type Scenario,
  say,
  scenario,
  soon,
  watch,
} from "./support/scene.ts";

const TOO_MUCH = 20_000_000;

/** Reads `length` bytes. */
function* readAll(mctx: mtcp.Mctx, sockid: number, length: number): Operation<Uint8Array> {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; ) {
    const part = bytes.subarray(at);
    const n = good(mctx, yield* mtcp.blocking.read(mctx, sockid, part, part.length, soon()));
    if (n === 0) expect.fail(`the stream ended after ${at} bytes`);
    at += n;
  }
  return bytes;
}

/** Fills the connection until a write says EAGAIN. @returns bytes written */
function* fill(mctx: mtcp.Mctx, sockid: number): Operation<number> {
  const chunk = new Uint8Array(65_536);
  for (let total = 0; ; ) {
    const n = mtcp.write(mctx, sockid, chunk, chunk.length);
    if (n > 0) total += n;
    else {
      bad(mctx, n, mtcp.EAGAIN);
      // What is on its way makes room; full is what stays full.
      yield* sleep(now() + 100);
      const again = mtcp.write(mctx, sockid, chunk, chunk.length);
      if (again < 0) return total;
      total += again;
    }
    expect(total).toBeLessThan(TOO_MUCH);
  }
}

/** What goes through a connection. */
export const STREAMS: readonly Scenario[] = [
  scenario("what is written is read, in both directions", function* (it) {
    const { server, client } = it;
    const { served, dialed } = yield* connected(it);
    yield* say(client, dialed, "question");
    expect(yield* hear(server, served)).toBe("question");
    yield* say(server, served, "answer");
    expect(yield* hear(client, dialed)).toBe("answer");
  }),

  scenario("nothing there: EAGAIN; no bytes asked for: 0", function* (it) {
    const { client } = it;
    const { dialed } = yield* connected(it);
    bad(client, mtcp.read(client, dialed, new Uint8Array(8), 8), mtcp.EAGAIN);
    expect(mtcp.read(client, dialed, new Uint8Array(8), 0)).toBe(0);
    expect(mtcp.write(client, dialed, new Uint8Array(8), 0)).toBe(0);
  }),

  scenario("a success does not touch errno", function* (it) {
    const { client } = it;
    expect(client.errno).toBe(0);
    const { dialed } = yield* connected(it);
    bad(client, mtcp.read(client, dialed, new Uint8Array(8), 8), mtcp.EAGAIN);
    expect(mtcp.write(client, dialed, bytesOf("x"), 1)).toBe(1);
    expect(client.errno).toBe(mtcp.EAGAIN);
    expect(mtcp.errno()).toBe(mtcp.EAGAIN);
  }),

  scenario("a million bytes by blocking.write and blocking.read", function* (it) {
    const { server, client } = it;
    const { served, dialed } = yield* connected(it);
    const bytes = pattern(1_000_000);
    const writing = yield* go(() =>
      mtcp.blocking.write(client, dialed, bytes, bytes.length, soon()),
    );
    expectSame(yield* readAll(server, served, bytes.length), bytes);
    expect(yield* writing.join(soon())).toBe(bytes.length);
  }),

  scenario("a peer that does not read: EAGAIN, then room again", function* (it) {
    const { server, client } = it;
    const { served, dialed } = yield* connected(it);
    const total = yield* fill(client, dialed);
    const one = bytesOf("!");
    const waiting = yield* go(() => mtcp.blocking.write(client, dialed, one, 1, soon()));
    yield* readAll(server, served, total);
    expect(yield* waiting.join(soon())).toBe(1);
    expect(yield* hear(server, served)).toBe("!");
  }),

  scenario("blocking.write that is late tells how much it wrote, then why", function* (it) {
    const { server, client } = it;
    const { served, dialed } = yield* connected(it);
    const bytes = pattern(TOO_MUCH);
    const writing = mtcp.blocking.write(client, dialed, bytes, bytes.length, now() + 100);
    const written = good(client, yield* writing);
    expect(written).toBeGreaterThan(0);
    expect(written).toBeLessThan(TOO_MUCH);
    bad(client, yield* mtcp.blocking.write(client, dialed, bytes, 8, 0), mtcp.ETIMEDOUT);
    expectSame(yield* readAll(server, served, written), bytes.subarray(0, written));
  }),

  scenario("MSG_PEEK leaves the bytes there", function* (it) {
    const { server, client } = it;
    const { served, dialed } = yield* connected(it);
    yield* say(client, dialed, "peekaboo");
    const buf = new Uint8Array(4);
    const { blocking, MSG_PEEK } = mtcp;
    expect(yield* blocking.recv(server, served, buf, 4, MSG_PEEK, soon())).toBe(4);
    expect(mtcp.recv(server, served, buf, 4, MSG_PEEK)).toBe(4);
    expect(new TextDecoder().decode(buf)).toBe("peek");
    expect(yield* hear(server, served)).toBe("peekaboo");
    bad(server, mtcp.recv(server, served, buf, 4, MSG_PEEK), mtcp.EAGAIN);
  }),

  scenario("FIONREAD counts what can be read", function* (it) {
    const { server, client } = it;
    const { served, dialed } = yield* connected(it);
    const count = { value: -1 };
    good(server, mtcp.ioctl(server, served, mtcp.FIONREAD, count));
    expect(count.value).toBe(0);
    yield* say(client, dialed, "seven77");
    const first = new Uint8Array(1);
    good(server, yield* mtcp.blocking.read(server, served, first, 1, soon()));
    good(server, mtcp.ioctl(server, served, mtcp.FIONREAD, count));
    expect(count.value).toBe(6);
  }),

  scenario("writev and readv keep the order of their buffers", function* (it) {
    const { server, client } = it;
    const { served, dialed } = yield* connected(it);
    const parts = [bytesOf("one "), bytesOf(""), bytesOf("two "), bytesOf("three")];
    expect(mtcp.writev(client, dialed, parts, 4)).toBe(13);
    yield* mtcp.blocking.recv(server, served, new Uint8Array(1), 1, mtcp.MSG_PEEK, soon());
    const into = [new Uint8Array(6), new Uint8Array(0), new Uint8Array(100)];
    expect(mtcp.readv(server, served, into, 3)).toBe(13);
    expect(Buffer.concat(into).subarray(0, 13).toString()).toBe("one two three");
    bad(server, mtcp.readv(server, served, into, 3), mtcp.EAGAIN);
    const none = [new Uint8Array(0)];
    expect(mtcp.readv(server, served, none, 1)).toBe(0);
    expect(mtcp.writev(client, dialed, none, 1)).toBe(0);
    expect(mtcp.writev(client, dialed, parts, 1)).toBe(4);
    expect(yield* mtcp.blocking.readv(server, served, into, 1, soon())).toBe(4);
  }),

  scenario("blocking.writev writes all of all buffers", function* (it) {
    const { server, client } = it;
    const { served, dialed } = yield* connected(it);
    const parts = [pattern(300_000, 1), pattern(7, 2), pattern(400_000, 3)];
    const writing = yield* go(() => mtcp.blocking.writev(client, dialed, parts, 3, soon()));
    const all = yield* readAll(server, served, 700_007);
    expectSame(all, new Uint8Array(Buffer.concat(parts)));
    expect(yield* writing.join(soon())).toBe(700_007);
  }),

  scenario("shutdown ends our direction, and the peer's goes on", function* (it) {
    const { server, client } = it;
    const { served, dialed } = yield* connected(it);
    yield* say(client, dialed, "last words");
    good(client, mtcp.shutdown(client, dialed, mtcp.SHUT_WR));
    good(client, mtcp.shutdown(client, dialed, mtcp.SHUT_WR));
    bad(client, mtcp.write(client, dialed, bytesOf("x"), 1), mtcp.EPIPE);
    expect(yield* hear(server, served)).toBe("last words");
    expect(yield* hear(server, served)).toBe("");
    expect(yield* hear(server, served)).toBe("");
    yield* say(server, served, "still here");
    expect(yield* hear(client, dialed)).toBe("still here");
  }),

  scenario("after SHUT_RD nothing is read, and the peer can still write", function* (it) {
    const { server, client } = it;
    const { served, dialed } = yield* connected(it);
    const { blocking, EPOLLIN, EPOLLRDHUP, EPOLLET } = mtcp;
    const epid = epoll(server);
    watch(server, epid, served, EPOLLIN | EPOLLRDHUP | EPOLLET);
    const reading = yield* go(() => blocking.read(server, served, new Uint8Array(1), 1, soon()));
    yield* sleep(now() + 5);
    good(server, mtcp.shutdown(server, served, mtcp.SHUT_RD));
    expect(readyNow(server, epid)).toEqual([[served, EPOLLIN | EPOLLRDHUP]]);
    expect(yield* reading.join(soon())).toBe(0);
    const bytes = pattern(1_000_000);
    expect(yield* mtcp.blocking.write(client, dialed, bytes, bytes.length, soon())).toBe(1_000_000);
    expect(mtcp.read(server, served, new Uint8Array(8), 8)).toBe(0);
    yield* say(server, served, "deaf, not dumb");
    expect(yield* hear(client, dialed)).toBe("deaf, not dumb");
  }),

  scenario("shutdown ends what others wait for on the same socket", function* (it) {
    const { client } = it;
    const { dialed } = yield* connected(it);
    const { blocking, EPOLLIN, EPOLLOUT, EPOLLRDHUP, EPOLLHUP, EPOLLET } = mtcp;
    const epid = epoll(client);
    watch(client, epid, dialed, EPOLLIN | EPOLLRDHUP | EPOLLET);
    expect(readyNow(client, epid)).toEqual([]);
    const reading = yield* go(() => blocking.read(client, dialed, new Uint8Array(1), 1, soon()));
    const chunk = new Uint8Array(TOO_MUCH);
    const writing = yield* go(() => blocking.write(client, dialed, chunk, TOO_MUCH, soon()));
    yield* sleep(now() + 50);
    good(client, mtcp.shutdown(client, dialed, mtcp.SHUT_RDWR));
    expect(readyNow(client, epid)).toEqual([[dialed, EPOLLIN | EPOLLRDHUP | EPOLLHUP]]);
    expect(yield* reading.join(soon())).toBe(0);
    expect(yield* writing.join(soon())).toBeLessThan(TOO_MUCH);
    bad(client, yield* blocking.write(client, dialed, chunk, 1, soon()), mtcp.EPIPE);
    const event = { events: EPOLLOUT, data: dialed };
    good(client, mtcp.epollCtl(client, epid, mtcp.EPOLL_CTL_MOD, dialed, event));
    expect(readyNow(client, epid)).toEqual([[dialed, EPOLLOUT | EPOLLHUP]]);
  }),

  scenario("the twins end with the deadline: ETIMEDOUT, and nothing is lost", function* (it) {
    const { server, client } = it;
    const { served, dialed, listener } = yield* connected(it);
    const buf = new Uint8Array(10);
    const { blocking, ETIMEDOUT } = mtcp;
    bad(server, yield* blocking.read(server, served, buf, 10, 0), ETIMEDOUT);
    bad(server, yield* blocking.read(server, served, buf, 10, now() + 20), ETIMEDOUT);
    bad(server, yield* blocking.readv(server, served, [buf], 1, now() + 5), ETIMEDOUT);
    bad(server, yield* blocking.accept(server, listener, null, null, now() + 5), ETIMEDOUT);
    yield* say(client, dialed, "late");
    expect(yield* hear(server, served)).toBe("late");
  }),

  scenario("a twin is a clause of choose; one that loses has taken nothing", function* (it) {
    const { server, client } = it;
    const { served, dialed } = yield* connected(it);
    const { blocking } = mtcp;
    const buf = new Uint8Array(10);
    const early = yield* choose([blocking.read(server, served, buf, 10), sleep(now() + 20)]);
    expect(early.index).toBe(1);
    yield* say(client, dialed, "chosen");
    const late = yield* choose([blocking.read(server, served, buf, 10), sleep(soon())]);
    expect(late).toEqual({ index: 0, value: 6 });
    const huge = new Uint8Array(TOO_MUCH);
    const clause = blocking.write(client, dialed, huge, huge.length);
    const refused = yield* choose([clause, sleep(soon())]);
    expect(refused).toEqual({ index: 0, value: -1 });
    expect(client.errno).toBe(mtcp.EINVAL);
    yield* fill(client, dialed);
    const lost = blocking.write(client, dialed, huge, 100_000);
    expect((yield* choose([lost, sleep(now() + 20)])).index).toBe(1);
    bad(client, mtcp.read(client, dialed, buf, 10), mtcp.EAGAIN);
  }),
];
