// SPDX-License-Identifier: MIT
// What mTCP itself gets wrong, as its source has it, each as a test that we pass. The name of a
// test says the mistake.

import { describe, expect, it } from "vitest";
import { currentLoop, now, type Operation } from "../../src/index.ts";
import { IpAddress } from "../../src/ip/address.ts";
import * as mtcp from "../../src/mtcp/index.ts";
import { drop } from "../../src/testing.ts";
import { flagsBy } from "../socket/support/sim.ts";
import {
  bad,
  bindTo,
  bytesOf,
  type Conf,
  connected,
  dial,
  dialing,
  epoll,
  good,
  hear,
  INT_BYTES,
  listening,
  nameOf,
  quiet,
  ready,
  readyNow,
  type SimScene,
  say,
  simScene,
  soError,
  soon,
  stream,
  watch,
} from "./support/scene.ts";

const { EPOLLIN, EPOLLOUT, EPOLLET, EPOLLONESHOT, SOL_SOCKET } = mtcp;
const HOUR_MS = 3_600_000;

type Body = (it: SimScene) => Operation<void>;

function wrong(title: string, op: Body): void {
  wrongWith({}, title, op);
}

function wrongWith(conf: Conf, title: string, op: Body): void {
  it(title, async () => {
    await simScene(op, { conf });
  });
}

function read(mctx: mtcp.Mctx, sockid: number): number {
  return mtcp.read(mctx, sockid, new Uint8Array(100), 100);
}

function write(mctx: mtcp.Mctx, sockid: number, text: string): number {
  return mtcp.write(mctx, sockid, bytesOf(text), text.length);
}

describe("what a reset looks like", () => {
  wrong("a reset looks like the end of the stream", function* (it) {
    const { server, client } = it;
    const { served, dialed } = yield* connected(it);
    good(client, mtcp.abort(client, dialed));
    yield* quiet();
    for (let i = 0; i < 3; i++) bad(server, read(server, served), mtcp.ECONNRESET);
  });

  wrong("a reset after the peer's end of stream looks like an orderly end", function* (it) {
    const { server, client } = it;
    const { served, dialed } = yield* connected(it);
    good(client, mtcp.shutdown(client, dialed, mtcp.SHUT_WR));
    yield* quiet();
    good(client, mtcp.abort(client, dialed));
    yield* quiet();
    bad(server, read(server, served), mtcp.ECONNRESET);
  });

  wrong("refused looks like reset", function* ({ client, host }) {
    const sockid = stream(client);
    bad(client, dial(client, sockid, host, 9), mtcp.EINPROGRESS);
    yield* quiet();
    expect(soError(client, sockid)).toBe(mtcp.ECONNREFUSED);
    bad(client, yield* dialing(client, stream(client), host, 9), mtcp.ECONNREFUSED);
  });

  wrong("write succeeds after a reset", function* (it) {
    const { server, client } = it;
    const { served, dialed } = yield* connected(it);
    good(client, mtcp.abort(client, dialed));
    yield* quiet();
    for (let i = 0; i < 3; i++) bad(server, write(server, served, "x"), mtcp.ECONNRESET);
  });

  wrong("SO_ERROR fails for some reasons, and is not cleared by being read", function* (it) {
    const { server, client } = it;
    const { served, dialed } = yield* connected(it);
    expect(soError(server, served)).toBe(0);
    good(client, mtcp.abort(client, dialed));
    yield* quiet();
    expect(soError(server, served)).toBe(mtcp.ECONNRESET);
    expect(soError(server, served)).toBe(0);
    expect(soError(client, stream(client))).toBe(0);
  });
});

describe("connect", () => {
  wrong("SO_ERROR fails while the attempt goes on", function* ({ server, client, host }) {
    const { port } = nameOf(server, listening(server));
    const sockid = stream(client);
    bad(client, dial(client, sockid, host, port), mtcp.EINPROGRESS);
    expect(soError(client, sockid)).toBe(0);
    yield* quiet(1);
    expect(soError(client, sockid)).toBe(0);
  });

  wrong("a socket bound to a port alone connects from another", function* (it) {
    const { server, client, host } = it;
    const { port } = nameOf(server, listening(server));
    const sockid = stream(client);
    good(client, bindTo(client, sockid, mtcp.INADDR_ANY, 33_333));
    bad(client, dial(client, sockid, host, port), mtcp.EINPROGRESS);
    expect(nameOf(client, sockid).port).toBe(33_333);
    yield* quiet();
    expect(nameOf(client, sockid).port).toBe(33_333);
  });

  wrong("a blocking connect spins, and can spin for ever", function* ({ client, net }) {
    const silent = net.silentHost("silent");
    const sockid = stream(client);
    const before = currentLoop().statistics().switches;
    const startMs = now();
    const deadline = now() + 20_000;
    const result = yield* dialing(client, sockid, silent.address, 80, deadline);
    bad(client, result, mtcp.ETIMEDOUT);
    expect(now() - startMs).toBe(20_000);
    expect(currentLoop().statistics().switches - before).toBeLessThan(5);
  });

  wrong("nobody answers: the attempt never ends", function* ({ client, net }) {
    const silent = net.silentHost("silent");
    const result = yield* dialing(client, stream(client), silent.address, 80, now() + HOUR_MS);
    bad(client, result, mtcp.ETIMEDOUT);
    const sockid = stream(client);
    bad(client, dial(client, sockid, silent.address, 80), mtcp.EINPROGRESS);
    const epid = epoll(client);
    watch(client, epid, sockid, EPOLLOUT);
    yield* mtcp.blocking.epollWait(client, epid, [], 1, now() + HOUR_MS);
    expect(soError(client, sockid)).toBe(mtcp.ETIMEDOUT);
  });

  wrongWith(
    { maxNumBuffers: 1 },
    "a connect that fails for want of memory keeps its port",
    function* ({ server, client, host }) {
      const { port } = nameOf(server, listening(server));
      const [one, two] = [stream(client), stream(client)];
      good(client, yield* dialing(client, one, host, port));
      good(client, bindTo(client, two, mtcp.INADDR_ANY, 33_333));
      bad(client, dial(client, two, host, port), mtcp.ENOMEM);
      good(client, mtcp.abort(client, one));
      good(client, yield* dialing(client, two, host, port));
      expect(nameOf(client, two).port).toBe(33_333);
    },
  );

  wrong("a port serves one destination alone", function* ({ server, client, host }) {
    // Two ports of one hash, so that their pools are the same.
    const ports = [0x1234, 0x1335];
    for (const port of ports) listening(server, port);
    for (const port of ports) good(client, mtcp.initRss(client, mtcp.INADDR_ANY, 1, host, port));
    const used = [];
    for (const port of ports) {
      const sockid = stream(client);
      good(client, yield* dialing(client, sockid, host, port));
      used.push(nameOf(client, sockid).port);
    }
    expect(used[0]).toBe(used[1]);
  });
});

describe("close", () => {
  wrong("close returns -1 without errno", function* ({ server, client, host }) {
    const { port } = nameOf(server, listening(server));
    const inProgress = stream(client);
    bad(client, dial(client, inProgress, host, port), mtcp.EINPROGRESS);
    const closed: number[] = [stream(client), inProgress, epoll(client)];
    for (const sockid of closed) expect(mtcp.close(client, sockid)).toBe(0);
    const refused = stream(client);
    bad(client, yield* dialing(client, refused, host, 9), mtcp.ECONNREFUSED);
    bad(client, mtcp.close(client, refused), mtcp.ENOTCONN);
    bad(client, mtcp.close(client, refused), mtcp.EBADF);
  });

  wrong("close of a connection attempt leaves its state behind", function* (it) {
    const { server, client, host, clientStack } = it;
    const { port } = nameOf(server, listening(server));
    const sockid = stream(client);
    bad(client, dial(client, sockid, host, port), mtcp.EINPROGRESS);
    expect(clientStack.leftovers().sockets).toBe(1);
    expect(mtcp.close(client, sockid)).toBe(0);
    expect(clientStack.leftovers().sockets).toBe(0);
    yield* quiet();
    expect(clientStack.leftovers().sockets).toBe(0);
  });

  wrong("FIN-WAIT-2 never expires", function* (it) {
    const { client, clientStack } = it;
    const { dialed } = yield* connected(it);
    // The server never closes.
    expect(mtcp.close(client, dialed)).toBe(0);
    yield* quiet(10_000);
    expect(clientStack.leftovers().sockets).toBe(1);
    yield* quiet(120_000);
    expect(clientStack.leftovers().sockets).toBe(0);
  });

  wrong("close of a listener leaves it in the table", function* ({ server, client, host }) {
    const listener = listening(server);
    const { port } = nameOf(server, listener);
    expect(mtcp.close(server, listener)).toBe(0);
    bad(client, yield* dialing(client, stream(client), host, port), mtcp.ECONNREFUSED);
    const again = listening(server, port);
    good(client, yield* dialing(client, stream(client), host, port));
    good(server, yield* mtcp.blocking.accept(server, again, null, null, soon()));
  });

  it("abort sends no RST once both ends have finished sending", async () => {
    const { trace } = await simScene(function* (it) {
      const { server, client, net, serverHost, clientHost } = it;
      const { served, dialed } = yield* connected(it);
      good(server, mtcp.shutdown(server, served, mtcp.SHUT_WR));
      yield* quiet();
      // Our FIN is lost: LAST-ACK until the abort.
      net.partition([clientHost], [serverHost]);
      good(client, mtcp.shutdown(client, dialed, mtcp.SHUT_WR));
      yield* quiet();
      net.repair([clientHost], [serverHost]);
      good(client, mtcp.abort(client, dialed));
      yield* quiet();
    });
    expect(flagsBy(trace, "client")).toContain("RST,ACK");
  });
});

describe("descriptors", () => {
  wrongWith(
    { maxConcurrency: 3 },
    "a stale number is somebody else's socket",
    function* ({ client }) {
      const sockid = stream(client);
      good(client, mtcp.close(client, sockid));
      const others = [stream(client), stream(client), stream(client)];
      bad(client, mtcp.close(client, sockid), mtcp.EBADF);
      for (const other of others) good(client, mtcp.close(client, other));
      bad(client, mtcp.setNonblock(client, sockid), mtcp.EBADF);
    },
  );

  wrong("a number of another context is taken for one of ours", function* ({ server, client }) {
    const sockid = stream(server);
    const own = stream(client);
    expect(own).not.toBe(sockid);
    bad(client, mtcp.close(client, sockid), mtcp.EBADF);
    bad(server, mtcp.close(server, own), mtcp.EBADF);
  });

  wrongWith(
    { maxConcurrency: 2 },
    "accept without a free descriptor loses the connection",
    function* (it) {
      const { server, client, host } = it;
      const listener = listening(server, 0, 1);
      const spare = stream(server);
      const sockid = stream(client);
      good(client, yield* dialing(client, sockid, host, nameOf(server, listener).port));
      yield* say(client, sockid, "patience");
      yield* quiet();
      const accept = (): number => mtcp.accept(server, listener, null, null);
      bad(server, accept(), mtcp.ENFILE);
      bad(server, accept(), mtcp.ENFILE);
      good(server, mtcp.close(server, spare));
      expect(yield* hear(server, good(server, accept()))).toBe("patience");
    },
  );

  wrong("accepted sockets are blocking", function* (it) {
    const { server } = it;
    const { served } = yield* connected(it);
    bad(server, read(server, served), mtcp.EAGAIN);
    good(server, mtcp.ioctl(server, served, mtcp.FIONBIO, { value: 1 }));
  });

  wrong("two sockets are bound to one port", function* ({ client }) {
    good(client, bindTo(client, stream(client), mtcp.INADDR_ANY, 33_333));
    bad(client, bindTo(client, stream(client), mtcp.INADDR_ANY, 33_333), mtcp.EADDRINUSE);
  });

  wrong("getsockname of an accepted socket is the peer's name", function* (it) {
    const { server, client, host } = it;
    const { served, dialed, port } = yield* connected(it);
    expect(nameOf(server, served)).toEqual(mtcp.sockaddrIn(host, port));
    expect(nameOf(server, served)).not.toEqual(nameOf(client, dialed));
  });

  wrong("a full backlog resets whoever comes", function* ({ server, client, host }) {
    const listener = listening(server, 0, 1);
    const { port } = nameOf(server, listener);
    const [one, two] = [stream(client), stream(client)];
    good(client, yield* dialing(client, one, host, port));
    bad(client, dial(client, two, host, port), mtcp.EINPROGRESS);
    yield* quiet(500);
    expect(soError(client, two)).toBe(0);
    good(server, mtcp.accept(server, listener, null, null));
    yield* quiet(5_000);
    good(server, mtcp.accept(server, listener, null, null));
    expect(write(client, two, "in")).toBe(2);
  });
});

describe("epoll", () => {
  wrong("a second instance takes the place of the first", function* (it) {
    const { server, client } = it;
    const { served, dialed } = yield* connected(it);
    const [one, two] = [epoll(server), epoll(server)];
    watch(server, one, served, EPOLLIN);
    watch(server, two, served, EPOLLIN);
    yield* say(client, dialed, "x");
    expect(yield* ready(server, one)).toEqual([[served, EPOLLIN]]);
    expect(yield* ready(server, two)).toEqual([[served, EPOLLIN]]);
  });

  wrong("one entry for each kind of event", function* (it) {
    const { server, client } = it;
    const { served, dialed } = yield* connected(it);
    const epid = epoll(server);
    watch(server, epid, served, EPOLLIN | EPOLLOUT | mtcp.EPOLLRDHUP);
    yield* say(client, dialed, "x");
    good(client, mtcp.shutdown(client, dialed, mtcp.SHUT_WR));
    yield* quiet();
    const all = EPOLLIN | EPOLLOUT | mtcp.EPOLLRDHUP;
    expect(readyNow(server, epid)).toEqual([[served, all]]);
  });

  wrongWith(
    { maxConcurrency: 2_001 },
    "events beyond the size of a queue are dropped",
    function* ({ client }) {
      const epid = good(client, mtcp.epollCreate(client, 1));
      const readers = new Set<number>();
      for (let i = 0; i < 1_000; i++) {
        const ends: number[] = [];
        good(client, mtcp.pipe(client, ends));
        const [reader = -1, writer = -1] = ends;
        readers.add(reader);
        watch(client, epid, reader, EPOLLIN | EPOLLET);
        for (let j = 0; j < 10; j++) expect(write(client, writer, "x")).toBe(1);
      }
      const told = new Set<number>();
      for (let some = readyNow(client, epid, 7); some.length > 0; ) {
        for (const [sockid] of some) told.add(sockid);
        some = readyNow(client, epid, 7);
      }
      expect(told).toEqual(readers);
    },
  );

  wrong("level events are forgotten", function* (it) {
    const { server, client } = it;
    const { served, dialed } = yield* connected(it);
    const epid = epoll(server);
    watch(server, epid, served, EPOLLIN);
    yield* say(client, dialed, "0123456789");
    yield* quiet();
    // Read byte by byte, asked more often than need be, with more arriving in between.
    for (let i = 0; i < 20; i++) {
      expect(readyNow(server, epid)).toEqual([[served, EPOLLIN]]);
      expect(readyNow(server, epid)).toEqual([[served, EPOLLIN]]);
      expect(mtcp.read(server, served, new Uint8Array(1), 1)).toBe(1);
      if (i === 9) bad(server, read(server, served), mtcp.EAGAIN);
      if (i !== 9) continue;
      expect(readyNow(server, epid)).toEqual([]);
      yield* say(client, dialed, "abcdefghij");
      yield* quiet();
    }
    expect(readyNow(server, epid)).toEqual([]);
  });

  wrong("EPOLLIN, then read says EAGAIN: data was out of order", function* (it) {
    const { server, client, clientHost } = it;
    const { served, dialed } = yield* connected(it);
    let lost = 0;
    clientHost.link.rule((frame, { from }) => {
      if (from !== "client" || frame.payload.length === 0 || lost > 0) return undefined;
      lost++;
      return drop;
    });
    const epid = epoll(server);
    watch(server, epid, served, EPOLLIN | EPOLLET);
    yield* say(client, dialed, "first ");
    yield* quiet(1);
    yield* say(client, dialed, "second");
    yield* quiet(50);
    // The second segment is there, the first is not.
    expect([lost, readyNow(server, epid)]).toEqual([1, []]);
    yield* ready(server, epid);
    expect(yield* hear(server, served)).toBe("first second");
  });

  wrong("one-shot is not implemented", function* (it) {
    const { server, client } = it;
    const { served, dialed } = yield* connected(it);
    const epid = epoll(server);
    watch(server, epid, served, EPOLLIN | EPOLLONESHOT);
    yield* say(client, dialed, "x");
    expect(yield* ready(server, epid)).toEqual([[served, EPOLLIN]]);
    yield* say(client, dialed, "y");
    yield* quiet();
    expect(readyNow(server, epid)).toEqual([]);
  });

  wrong("the time-out of a wait is on the wall clock", function* ({ server }) {
    const epid = epoll(server);
    const startMs = now();
    const waiting = mtcp.blocking.epollWait(server, epid, [], 1, now() + HOUR_MS);
    bad(server, yield* waiting, mtcp.ETIMEDOUT);
    expect(now() - startMs).toBe(HOUR_MS);
  });
});

describe("reading and writing", () => {
  wrong("readv returns 0 although nothing has ended, and knows no pipes", function* (it) {
    const { server } = it;
    const { served } = yield* connected(it);
    bad(server, mtcp.readv(server, served, [new Uint8Array(4)], 1), mtcp.EAGAIN);
    const ends: number[] = [];
    good(server, mtcp.pipe(server, ends));
    const [reader = -1, writer = -1] = ends;
    bad(server, mtcp.readv(server, reader, [new Uint8Array(4)], 1), mtcp.EAGAIN);
    expect(mtcp.writev(server, writer, [bytesOf("ab"), bytesOf("cd")], 2)).toBe(4);
    expect(mtcp.readv(server, reader, [new Uint8Array(3), new Uint8Array(3)], 2)).toBe(4);
  });

  wrong("a quiet connection is ended by the idle time-out", function* (it) {
    const { server, client } = it;
    const { served, dialed } = yield* connected(it);
    yield* quiet(2 * HOUR_MS);
    yield* say(client, dialed, "good morning");
    expect(yield* hear(server, served)).toBe("good morning");
    expect(soError(server, served)).toBe(0);
  });
});

describe("options and configuration", () => {
  wrong("setsockopt does nothing and says 0", function* ({ server, client, host }) {
    const { port } = nameOf(server, listening(server));
    const sockid = stream(client);
    const set = (level: number, name: number): number =>
      mtcp.setsockopt(client, sockid, level, name, 1, INT_BYTES);
    const SO_KEEPALIVE = 9;
    const SO_BROADCAST = 6;
    const TCP_CORK = 3;
    for (const name of [SO_KEEPALIVE, SO_BROADCAST, mtcp.SO_RCVBUF, mtcp.SO_ERROR, mtcp.SO_TYPE]) {
      bad(client, set(SOL_SOCKET, name), mtcp.ENOPROTOOPT);
    }
    bad(client, set(mtcp.IPPROTO_TCP, TCP_CORK), mtcp.ENOPROTOOPT);
    bad(client, set(17, 1), mtcp.ENOPROTOOPT);
    good(client, set(SOL_SOCKET, mtcp.SO_SNDBUF));
    good(client, yield* dialing(client, sockid, host, port));
    expect(write(client, sockid, "xyz")).toBe(1);
    bad(client, write(client, sockid, "yz"), mtcp.EAGAIN);
  });

  wrong("setconf ignores 0 and -1", function* () {
    expect(mtcp.setconf({ tcpTimewait: 0, tcpTimeout: -1 })).toBe(0);
    const conf: Partial<mtcp.MtcpConf> = {};
    expect(mtcp.getconf(conf)).toBe(0);
    expect([conf.tcpTimewait, conf.tcpTimeout]).toEqual([0, -1]);
    yield* quiet(0);
  });

  wrong("a second initRss takes the place of the first", function* ({ client, host }) {
    for (const port of [80, 81]) {
      good(client, mtcp.initRss(client, mtcp.INADDR_ANY, 1, host, port));
    }
    const address = IpAddress.parse(host) as IpAddress;
    for (const port of [80, 81]) expect(client.rss.find(address, port)?.size).toBeGreaterThan(0);
    yield* quiet(0);
  });
});
