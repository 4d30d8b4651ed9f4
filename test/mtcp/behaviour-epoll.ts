// SPDX-License-Identifier: MIT
// epoll over sockets. Part of the suite in behaviour.ts.

import { expect } from "vitest";
import { go, now } from "../../src/index.ts";
import * as mtcp from "../../src/mtcp/index.ts";
import {
  bad,
  connected,
  dial,
  dialing,
  epoll,
  good,
  hear,
  listening,
  nameOf,
  quiet,
  ready,
  readyNow,
  type Scenario,
  say,
  scenario,
  soon,
  stream,
  watch,
} from "./support/scene.ts";

const { EPOLLIN, EPOLLOUT, EPOLLRDHUP, EPOLLHUP, EPOLLERR, EPOLLET, EPOLLONESHOT } = mtcp;

/** Which sockets are ready. */
export const EPOLL: readonly Scenario[] = [
  scenario("level: told as long as it is true, or-ed into one entry", function* (it) {
    const { server, client } = it;
    const { served, dialed } = yield* connected(it);
    const epid = epoll(server);
    watch(server, epid, served, EPOLLIN | EPOLLOUT);
    expect(readyNow(server, epid)).toEqual([[served, EPOLLOUT]]);
    yield* say(client, dialed, "xy");
    yield* quiet();
    for (let i = 0; i < 3; i++) {
      expect(readyNow(server, epid)).toEqual([[served, EPOLLIN | EPOLLOUT]]);
    }
    expect(yield* hear(server, served, 1)).toBe("x");
    expect(readyNow(server, epid)).toEqual([[served, EPOLLIN | EPOLLOUT]]);
    expect(yield* hear(server, served, 1)).toBe("y");
    expect(readyNow(server, epid)).toEqual([[served, EPOLLOUT]]);
  }),

  scenario("edge: told once for each arrival", function* (it) {
    const { server, client } = it;
    const { served, dialed } = yield* connected(it);
    const epid = epoll(server);
    watch(server, epid, served, EPOLLIN | EPOLLET);
    expect(readyNow(server, epid)).toEqual([]);
    yield* say(client, dialed, "one");
    expect(yield* ready(server, epid)).toEqual([[served, EPOLLIN]]);
    expect(readyNow(server, epid)).toEqual([]);
    yield* quiet();
    expect(readyNow(server, epid)).toEqual([]);
    yield* say(client, dialed, "two");
    expect(yield* ready(server, epid)).toEqual([[served, EPOLLIN]]);
    yield* quiet();
    expect(yield* hear(server, served)).toBe("onetwo");
  }),

  scenario("edge: what was ready before it was registered is an event", function* (it) {
    const { server, client } = it;
    const { served, dialed } = yield* connected(it);
    yield* say(client, dialed, "before");
    yield* quiet();
    const epid = epoll(server);
    watch(server, epid, served, EPOLLIN | EPOLLET);
    expect(readyNow(server, epid)).toEqual([[served, EPOLLIN]]);
    const event = { events: EPOLLIN | EPOLLET, data: 77 };
    good(server, mtcp.epollCtl(server, epid, mtcp.EPOLL_CTL_MOD, served, event));
    expect(readyNow(server, epid)).toEqual([[77, EPOLLIN]]);
    expect(readyNow(server, epid)).toEqual([]);
  }),

  scenario("one-shot: told once, and again only after EPOLL_CTL_MOD", function* (it) {
    const { server, client } = it;
    const { served, dialed } = yield* connected(it);
    const epid = epoll(server);
    const event = { events: EPOLLIN | EPOLLONESHOT, data: served };
    watch(server, epid, served, event.events);
    yield* say(client, dialed, "one");
    expect(yield* ready(server, epid)).toEqual([[served, EPOLLIN]]);
    yield* say(client, dialed, "two");
    yield* quiet();
    expect(readyNow(server, epid)).toEqual([]);
    good(server, mtcp.epollCtl(server, epid, mtcp.EPOLL_CTL_MOD, served, event));
    expect(readyNow(server, epid)).toEqual([[served, EPOLLIN]]);
    expect(readyNow(server, epid)).toEqual([]);
  }),

  scenario("the end of the stream: EPOLLIN and EPOLLRDHUP; of both: EPOLLHUP", function* (it) {
    const { server, client } = it;
    const { served, dialed } = yield* connected(it);
    const epid = epoll(server);
    watch(server, epid, served, EPOLLIN | EPOLLRDHUP);
    good(client, mtcp.shutdown(client, dialed, mtcp.SHUT_WR));
    expect(yield* ready(server, epid)).toEqual([[served, EPOLLIN | EPOLLRDHUP]]);
    good(server, mtcp.shutdown(server, served, mtcp.SHUT_WR));
    expect(yield* ready(server, epid)).toEqual([[served, EPOLLIN | EPOLLRDHUP | EPOLLHUP]]);
  }),

  scenario("a reset is an error, whether it was asked for or not", function* (it) {
    const { server, client } = it;
    const { served, dialed } = yield* connected(it);
    const epid = epoll(server);
    watch(server, epid, served, 0);
    good(client, mtcp.abort(client, dialed));
    expect(yield* ready(server, epid)).toEqual([[served, EPOLLERR | EPOLLHUP]]);
    bad(server, mtcp.read(server, served, new Uint8Array(1), 1), mtcp.ECONNRESET);
    expect(readyNow(server, epid)).toEqual([[served, EPOLLHUP]]);
  }),

  scenario("a listener is readable while connections wait", function* (it) {
    const { server, client, host } = it;
    const listener = listening(server);
    const { port } = nameOf(server, listener);
    const epid = epoll(server);
    watch(server, epid, listener, EPOLLIN);
    expect(readyNow(server, epid)).toEqual([]);
    for (let i = 0; i < 2; i++) {
      good(client, yield* dialing(client, stream(client), host, port));
    }
    yield* quiet();
    for (let i = 0; i < 2; i++) {
      expect(readyNow(server, epid)).toEqual([[listener, EPOLLIN]]);
      good(server, mtcp.accept(server, listener, null, null));
    }
    expect(readyNow(server, epid)).toEqual([]);
  }),

  scenario("edge: room to write is told again after it was used up", function* (it) {
    const { server, client } = it;
    const { served, dialed } = yield* connected(it);
    const epid = epoll(client);
    watch(client, epid, dialed, EPOLLOUT | EPOLLET);
    expect(readyNow(client, epid)).toEqual([[dialed, EPOLLOUT]]);
    const chunk = new Uint8Array(65_536);
    let total = 0;
    for (let n = 0; (n = mtcp.write(client, dialed, chunk, chunk.length)) > 0; ) total += n;
    expect(client.errno).toBe(mtcp.EAGAIN);
    expect(readyNow(client, epid)).toEqual([]);
    const reading = yield* go(function* () {
      for (let left = total; left > 0; ) {
        left -= yield* mtcp.blocking.read(server, served, chunk, chunk.length, soon());
      }
    });
    expect(yield* ready(client, epid)).toEqual([[dialed, EPOLLOUT]]);
    expect(mtcp.write(client, dialed, chunk, 1)).toBe(1);
    yield* reading.join(soon());
    expect(readyNow(client, epid)).toEqual([]);
  }),

  scenario("level: a full buffer is not ready until there is room", function* (it) {
    const { server, client } = it;
    const { served, dialed } = yield* connected(it);
    const epid = epoll(client);
    watch(client, epid, dialed, EPOLLOUT);
    const chunk = new Uint8Array(65_536);
    let total = 0;
    do {
      for (let n = 0; (n = mtcp.write(client, dialed, chunk, chunk.length)) > 0; ) total += n;
      expect(readyNow(client, epid)).toEqual([]);
      yield* quiet(200);
    } while (readyNow(client, epid).length > 0);
    const reading = yield* go(function* () {
      for (let left = total; left > 0; ) {
        left -= yield* mtcp.blocking.read(server, served, chunk, chunk.length, soon());
      }
    });
    expect(yield* ready(client, epid)).toEqual([[dialed, EPOLLOUT]]);
    yield* reading.join(soon());
  }),

  scenario("several instances watch one socket, each with its own data", function* (it) {
    const { server, client } = it;
    const { served, dialed } = yield* connected(it);
    const [one, two] = [epoll(server), epoll(server)];
    const { EPOLL_CTL_ADD } = mtcp;
    const thing = { name: "an object of the user's" };
    const own = { events: EPOLLIN, data: thing };
    good(server, mtcp.epollCtl(server, one, EPOLL_CTL_ADD, served, own));
    watch(server, two, served, EPOLLIN | EPOLLET);
    yield* say(client, dialed, "both");
    const events: mtcp.EpollEvent<{ name: string }>[] = [];
    expect(yield* mtcp.blocking.epollWait(server, one, events, 8, soon())).toBe(1);
    expect(events[0]?.data).toBe(thing);
    expect(readyNow(server, two)).toEqual([[served, EPOLLIN]]);
  }),

  scenario("what is closed vanishes from every instance", function* (it) {
    const { server, client } = it;
    const { served, dialed } = yield* connected(it);
    const [one, two] = [epoll(server), epoll(server)];
    for (const epid of [one, two]) watch(server, epid, served, EPOLLIN);
    yield* say(client, dialed, "too late");
    yield* quiet();
    good(server, mtcp.close(server, served));
    expect(readyNow(server, one)).toEqual([]);
    expect(readyNow(server, two)).toEqual([]);
    const { EPOLL_CTL_DEL } = mtcp;
    bad(server, mtcp.epollCtl(server, one, EPOLL_CTL_DEL, served, null), mtcp.EBADF);
  }),

  scenario("blocking.epollWait ends with the deadline, or when it is closed", function* (it) {
    const { server } = it;
    const { served } = yield* connected(it);
    const epid = epoll(server);
    watch(server, epid, served, EPOLLIN);
    const { blocking } = mtcp;
    bad(server, yield* blocking.epollWait(server, epid, [], 8, now() + 20), mtcp.ETIMEDOUT);
    bad(server, yield* blocking.epollWait(server, epid, [], 8, 0), mtcp.ETIMEDOUT);
    const waiting = yield* go(() => blocking.epollWait(server, epid, [], 8, soon()));
    yield* quiet(5);
    good(server, mtcp.close(server, epid));
    bad(server, yield* waiting.join(soon()), mtcp.EBADF);
  }),

  scenario("a server in one coroutine: accept, read and write by epoll alone", function* (it) {
    const { server, client, host } = it;
    const listener = listening(server);
    const { port } = nameOf(server, listener);
    const serving = yield* go(function* () {
      const epid = epoll(server);
      watch(server, epid, listener, EPOLLIN);
      const buf = new Uint8Array(1_024);
      for (let closed = 0; closed < 5; ) {
        for (const [sockid] of yield* ready(server, epid, 2)) {
          if (sockid === listener) {
            watch(server, epid, mtcp.accept(server, listener, null, null), EPOLLIN);
            continue;
          }
          const n = mtcp.read(server, sockid, buf, buf.length);
          if (n > 0) expect(mtcp.write(server, sockid, buf, n)).toBe(n);
          else {
            expect([n, mtcp.close(server, sockid)]).toEqual([0, 0]);
            closed++;
          }
        }
      }
    });
    const clients = [];
    for (let i = 0; i < 5; i++) {
      clients.push(
        yield* go(function* () {
          const sockid = stream(client);
          good(client, yield* dialing(client, sockid, host, port));
          for (const text of ["a", "bc", "def"]) {
            yield* say(client, sockid, text);
            expect(yield* hear(client, sockid)).toBe(text);
          }
          good(client, yield* mtcp.blocking.close(client, sockid, soon()));
        }),
      );
    }
    for (const each of clients) yield* each.join(soon());
    yield* serving.join(soon());
  }),

  scenario("a socket registered before connect tells of its end", function* (it) {
    const { server, client, host } = it;
    const { port } = nameOf(server, listening(server));
    const epid = epoll(client);
    const sockid = stream(client);
    watch(client, epid, sockid, EPOLLIN | EPOLLOUT | EPOLLET);
    expect(readyNow(client, epid)).toEqual([]);
    bad(client, dial(client, sockid, host, port), mtcp.EINPROGRESS);
    expect(readyNow(client, epid)).toEqual([]);
    expect(yield* ready(client, epid)).toEqual([[sockid, EPOLLOUT]]);
  }),
];
