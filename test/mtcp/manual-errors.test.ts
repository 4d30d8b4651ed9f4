// SPDX-License-Identifier: MIT
// The errors of mtcp_socket(3), mtcp_connect(3) and mtcp_close(3), each brought about; and those
// that POSIX adds.

import { describe, expect, it } from "vitest";
import { go, now, type Operation, yieldNow } from "../../src/index.ts";
import * as mtcp from "../../src/mtcp/index.ts";
import {
  bad,
  bindTo,
  type Conf,
  connected,
  dial,
  dialing,
  epoll,
  good,
  listening,
  nameOf,
  quiet,
  type SimScene,
  SOCKADDR_IN_BYTES,
  simScene,
  soError,
  soon,
  stream,
} from "./support/scene.ts";

const { AF_INET, SOCK_STREAM } = mtcp;

type Body = (it: SimScene) => Operation<void>;

function error(code: string, when: string, op: Body, conf: Conf = {}): void {
  it(`${code}: ${when}`, async () => {
    await simScene(op, { conf });
  });
}

/** A pipe's reader. */
function pipeEnd(mctx: mtcp.Mctx): number {
  const ends: number[] = [];
  good(mctx, mtcp.pipe(mctx, ends));
  return ends[0] as number;
}

describe("socket", () => {
  error("EACCES", "no valid context", function* ({ client }) {
    mtcp.destroyContext(client);
    bad(client, mtcp.socket(client, AF_INET, SOCK_STREAM, 0), mtcp.EACCES);
    yield* quiet(0);
  });

  error("EAFNOSUPPORT", "another address family", function* ({ client }) {
    const AF_INET6 = 10;
    bad(client, mtcp.socket(client, AF_INET6, SOCK_STREAM, 0), mtcp.EAFNOSUPPORT);
    yield* quiet(0);
  });

  error("EINVAL", "another type, monitoring sockets included", function* ({ client }) {
    const SOCK_DGRAM = 2;
    const types = [SOCK_DGRAM, 0, -1, mtcp.MOS_SOCK_MONITOR_STREAM, mtcp.MOS_SOCK_MONITOR_RAW];
    for (const type of types) {
      bad(client, mtcp.socket(client, AF_INET, type, 0), mtcp.EINVAL);
    }
    bad(client, mtcp.socket(client, AF_INET, SOCK_STREAM, 17), mtcp.EINVAL);
    good(client, mtcp.socket(client, AF_INET, mtcp.MOS_SOCK_STREAM, mtcp.IPPROTO_TCP));
    yield* quiet(0);
  });

  const few = { maxConcurrency: 3 };
  error("ENFILE", "no descriptor is left, whatever has taken them", pool, few);
  function* pool({ client }: SimScene): Operation<void> {
    const first = stream(client);
    epoll(client);
    good(client, mtcp.epollCreate1(client, 0));
    bad(client, mtcp.socket(client, AF_INET, SOCK_STREAM, 0), mtcp.ENFILE);
    bad(client, mtcp.epollCreate(client, 1), mtcp.ENFILE);
    good(client, mtcp.close(client, first));
    stream(client);
    yield* quiet(0);
  }
});

describe("connect", () => {
  error("EAFNOSUPPORT", "addrlen is invalid, or the family", function* ({ client, host }) {
    const sockid = stream(client);
    const addr = mtcp.sockaddrIn(host, 80);
    for (const length of [0, SOCKADDR_IN_BYTES - 1, -1, Number.NaN]) {
      bad(client, mtcp.connect(client, sockid, addr, length), mtcp.EAFNOSUPPORT);
    }
    const v6 = { ...addr, family: 10 };
    bad(client, mtcp.connect(client, sockid, v6, SOCKADDR_IN_BYTES), mtcp.EAFNOSUPPORT);
    bad(client, dial(client, sockid, "::1", 80), mtcp.EAFNOSUPPORT);
    yield* quiet(0);
  });

  error("EALREADY", "connecting already", function* ({ client, host }) {
    const sockid = stream(client);
    bad(client, dial(client, sockid, host, 80), mtcp.EINPROGRESS);
    bad(client, dial(client, sockid, host, 80), mtcp.EALREADY);
    yield* quiet(0);
  });

  it("EALREADY: another was told of the failure, and connects again", async () => {
    const link = { delayMs: 0 };
    const op: Body = function* ({ server, client, host }) {
      const { port } = nameOf(server, listening(server));
      const sockid = stream(client);
      const waiting = yield* go(() => dialing(client, sockid, host, 9));
      yield* yieldNow();
      // Always ready, so that it is there before who waits.
      while (soError(client, sockid) === 0) yield* yieldNow();
      bad(client, dial(client, sockid, host, port), mtcp.EINPROGRESS);
      bad(client, yield* waiting.join(soon()), mtcp.EALREADY);
      expect(mtcp.close(client, sockid)).toBe(0);
    };
    await simScene(op, { server: { link }, client: { link } });
  });

  error("EBADF", "not a valid descriptor", function* ({ client, host }) {
    for (const sockid of [-1, 0, 12_345, 0.5, Number.NaN]) {
      bad(client, dial(client, sockid, host, 80), mtcp.EBADF);
    }
    yield* quiet(0);
  });

  error("EFAULT", "addr is null", function* ({ client }) {
    const sockid = stream(client);
    bad(client, mtcp.connect(client, sockid, null, SOCKADDR_IN_BYTES), mtcp.EFAULT);
    const twin = mtcp.blocking.connect(client, sockid, null, SOCKADDR_IN_BYTES, soon());
    bad(client, yield* twin, mtcp.EFAULT);
  });

  error("EINVAL", "an address of nobody or of many, no port", function* ({ client, host }) {
    const sockid = stream(client);
    const many = ["0.0.0.0", "224.0.0.1", "255.255.255.255", "10.0.0.255"];
    for (const address of many) bad(client, dial(client, sockid, address, 80), mtcp.EINVAL);
    for (const port of [0, -1, 65_536, 1.5]) {
      bad(client, dial(client, sockid, host, port), mtcp.EINVAL);
    }
    bad(client, dial(client, sockid, "not an address", 80), mtcp.EINVAL);
    yield* quiet(0);
  });

  error("EISCONN", "connected already", function* (it) {
    const { client, host } = it;
    const { dialed, port } = yield* connected(it);
    bad(client, dial(client, dialed, host, port), mtcp.EISCONN);
    bad(client, yield* dialing(client, dialed, host, port), mtcp.EISCONN);
  });

  error(
    "ENOMEM",
    "no buffer is left",
    function* (it) {
      const { client, host } = it;
      const { dialed, port } = yield* connected(it);
      const sockid = stream(client);
      bad(client, dial(client, sockid, host, port), mtcp.ENOMEM);
      bad(client, yield* dialing(client, sockid, host, port), mtcp.ENOMEM);
      good(client, mtcp.close(client, dialed));
      good(client, yield* dialing(client, sockid, host, port));
    },
    { maxNumBuffers: 1 },
  );

  error("ENOTSOCK", "not a stream socket", function* ({ client, host }) {
    for (const sockid of [epoll(client), pipeEnd(client), listening(client)]) {
      bad(client, dial(client, sockid, host, 80), mtcp.ENOTSOCK);
    }
    yield* quiet(0);
  });

  error("ETIMEDOUT", "nobody answers", function* ({ client, net }) {
    const { address } = net.silentHost("silent");
    const sockid = stream(client);
    bad(client, dial(client, sockid, address, 80), mtcp.EINPROGRESS);
    yield* quiet(600_000);
    expect(soError(client, sockid)).toBe(mtcp.ETIMEDOUT);
    bad(client, yield* dialing(client, sockid, address, 80, now() + 100), mtcp.ETIMEDOUT);
  });

  error("EHOSTUNREACH", "nobody has the address", function* ({ client }) {
    bad(client, yield* dialing(client, stream(client), "10.0.0.99", 80), mtcp.EHOSTUNREACH);
  });

  error("ENETUNREACH", "no route", function* ({ client }) {
    bad(client, dial(client, stream(client), "192.0.2.1", 80), mtcp.ENETUNREACH);
    yield* quiet(0);
  });

  error("ENETDOWN", "the network is closed", function* ({ client, server, clientStack, host }) {
    const listener = listening(client);
    clientStack.close();
    bad(client, dial(client, stream(client), host, 80), mtcp.ENETDOWN);
    bad(client, mtcp.listen(client, stream(client), 1), mtcp.ENETDOWN);
    bad(client, mtcp.accept(client, listener, null, null), mtcp.ENETDOWN);
    good(server, mtcp.close(server, listening(server)));
    yield* quiet(0);
  });
});

describe("close", () => {
  error("EACCES", "the context is not valid", function* ({ client }) {
    const sockid = stream(client);
    mtcp.destroyContext(client);
    bad(client, mtcp.close(client, sockid), mtcp.EACCES);
    yield* quiet(0);
  });

  error("EAGAIN", "SO_LINGER asks to wait: refused, and closed", function* (it) {
    const { client } = it;
    const { dialed } = yield* connected(it);
    const { SOL_SOCKET, SO_LINGER, LINGER_BYTES } = mtcp;
    const value = { onoff: 1, linger: 1 };
    good(client, mtcp.setsockopt(client, dialed, SOL_SOCKET, SO_LINGER, value, LINGER_BYTES));
    bad(client, mtcp.close(client, dialed), mtcp.EAGAIN);
    bad(client, mtcp.close(client, dialed), mtcp.EBADF);
  });

  error("EBADF", "not a valid descriptor", function* ({ client, server }) {
    for (const sockid of [-1, 0, stream(server), Number.NaN]) {
      bad(client, mtcp.close(client, sockid), mtcp.EBADF);
    }
    yield* quiet(0);
  });

  error("ENOTCONN", "the connection has ended already", function* (it) {
    const { server, client } = it;
    const { served, dialed } = yield* connected(it);
    good(server, mtcp.abort(server, served));
    yield* quiet();
    bad(client, mtcp.close(client, dialed), mtcp.ENOTCONN);
  });

  error("ENOTSOCK", "abort of what is not a connection", function* ({ client }) {
    for (const sockid of [epoll(client), pipeEnd(client), listening(client)]) {
      bad(client, mtcp.abort(client, sockid), mtcp.ENOTSOCK);
      expect(mtcp.close(client, sockid)).toBe(0);
    }
    yield* quiet(0);
  });
});

describe("bind", () => {
  error("EADDRINUSE", "bound, or listened on, unless both agree", function* ({ client }) {
    const reuse = (sockid: number): number =>
      mtcp.setsockopt(client, sockid, mtcp.SOL_SOCKET, mtcp.SO_REUSEADDR, 1, mtcp.INT_BYTES);
    const [one, two, three] = [stream(client), stream(client), stream(client)];
    good(client, bindTo(client, one, mtcp.INADDR_ANY, 7_000));
    good(client, reuse(two));
    bad(client, bindTo(client, two, mtcp.INADDR_ANY, 7_000), mtcp.EADDRINUSE);
    bad(client, bindTo(client, two, "10.0.0.2", 7_000), mtcp.EADDRINUSE);
    good(client, reuse(one));
    good(client, bindTo(client, two, mtcp.INADDR_ANY, 7_000));
    good(client, mtcp.listen(client, one, 1));
    good(client, reuse(three));
    bad(client, bindTo(client, three, mtcp.INADDR_ANY, 7_000), mtcp.EADDRINUSE);
    for (const sockid of [one, two]) good(client, mtcp.close(client, sockid));
    good(client, bindTo(client, three, mtcp.INADDR_ANY, 7_000));
    yield* quiet(0);
  });

  error("EADDRNOTAVAIL", "not our address", function* ({ client, host }) {
    bad(client, bindTo(client, stream(client), host, 80), mtcp.EADDRNOTAVAIL);
    yield* quiet(0);
  });

  error("EFAULT, EINVAL, EAFNOSUPPORT", "no, or the wrong, address", function* ({ client }) {
    const sockid = stream(client);
    bad(client, mtcp.bind(client, sockid, null, SOCKADDR_IN_BYTES), mtcp.EFAULT);
    bad(client, mtcp.bind(client, sockid, mtcp.sockaddrIn(), 8), mtcp.EINVAL);
    bad(client, bindTo(client, sockid, "::1", 80), mtcp.EAFNOSUPPORT);
    bad(client, bindTo(client, sockid, mtcp.INADDR_ANY, 70_000), mtcp.EINVAL);
    good(client, bindTo(client, sockid, mtcp.INADDR_ANY, 0));
    bad(client, bindTo(client, sockid, mtcp.INADDR_ANY, 0), mtcp.EINVAL);
    bad(client, bindTo(client, listening(client), mtcp.INADDR_ANY, 0), mtcp.EINVAL);
    bad(client, bindTo(client, epoll(client), mtcp.INADDR_ANY, 0), mtcp.ENOTSOCK);
    yield* quiet(0);
  });
});

describe("listen and accept", () => {
  error("EINVAL", "backlog, or not the state for it", function* (it) {
    const { server } = it;
    const { listener, served } = yield* connected(it);
    const sockid = stream(server);
    const { maxConcurrency } = server.conf;
    for (const backlog of [0, -1, maxConcurrency + 1, 1.5, Number.NaN]) {
      bad(server, mtcp.listen(server, sockid, backlog), mtcp.EINVAL);
    }
    for (const wrong of [listener, served]) bad(server, mtcp.listen(server, wrong, 1), mtcp.EINVAL);
    for (const wrong of [sockid, served]) {
      bad(server, mtcp.accept(server, wrong, null, null), mtcp.EINVAL);
    }
    bad(server, mtcp.listen(server, epoll(server), 1), mtcp.ENOTSOCK);
    bad(server, mtcp.accept(server, pipeEnd(server), null, null), mtcp.ENOTSOCK);
  });

  error("EFAULT, EINVAL", "no room for the peer's address", function* ({ server }) {
    const listener = listening(server);
    const addr = mtcp.sockaddrIn();
    bad(server, mtcp.accept(server, listener, addr, null), mtcp.EFAULT);
    bad(server, mtcp.accept(server, listener, addr, { value: 8 }), mtcp.EINVAL);
    yield* quiet(0);
  });

  error(
    "ENFILE",
    "blocking.accept says so too, and only once somebody comes",
    function* ({ server, client, host }) {
      const listener = listening(server, 0, 1);
      const accepting = (deadline: number) =>
        mtcp.blocking.accept(server, listener, null, null, deadline);
      bad(server, yield* accepting(now() + 10), mtcp.ETIMEDOUT);
      bad(client, dial(client, stream(client), host, nameOf(server, listener).port), 115);
      bad(server, yield* accepting(soon()), mtcp.ENFILE);
    },
    { maxConcurrency: 1 },
  );
});

describe("reading, writing and the rest", () => {
  error("ENOTCONN", "neither connected nor was it", function* ({ client, host }) {
    const buf = new Uint8Array(4);
    const sockid = stream(client);
    const check = (): void => {
      bad(client, mtcp.read(client, sockid, buf, 4), mtcp.ENOTCONN);
      bad(client, mtcp.write(client, sockid, buf, 4), mtcp.ENOTCONN);
      bad(client, mtcp.shutdown(client, sockid, mtcp.SHUT_WR), mtcp.ENOTCONN);
      const length = { value: SOCKADDR_IN_BYTES };
      const named = mtcp.getpeername(client, sockid, mtcp.sockaddrIn(), length);
      bad(client, named, mtcp.ENOTCONN);
    };
    check();
    bad(client, dial(client, sockid, host, 80), mtcp.EINPROGRESS);
    check();
    yield* quiet();
    bad(client, mtcp.read(client, sockid, buf, 4), mtcp.ECONNREFUSED);
    check();
  });

  error("EFAULT, EINVAL", "buffers that are not there", function* (it) {
    const { client } = it;
    const { dialed } = yield* connected(it);
    const buf = new Uint8Array(4);
    const { blocking } = mtcp;
    for (const [len, errno] of [
      [5, mtcp.EFAULT],
      [-1, mtcp.EINVAL],
      [0.5, mtcp.EINVAL],
    ] as const) {
      bad(client, mtcp.read(client, dialed, buf, len), errno);
      bad(client, mtcp.write(client, dialed, buf, len), errno);
      bad(client, yield* blocking.read(client, dialed, buf, len, soon()), errno);
      bad(client, yield* blocking.write(client, dialed, buf, len, soon()), errno);
    }
    bad(client, mtcp.read(client, dialed, null, 4), mtcp.EFAULT);
    bad(client, mtcp.write(client, dialed, null, 4), mtcp.EFAULT);
    bad(client, yield* blocking.write(client, dialed, null, 4, soon()), mtcp.EFAULT);
    for (const call of [mtcp.readv, mtcp.writev]) {
      bad(client, call(client, dialed, null, 1), mtcp.EFAULT);
      bad(client, call(client, dialed, [buf], 2), mtcp.EFAULT);
      bad(client, call(client, dialed, [buf], -1), mtcp.EINVAL);
    }
    const MSG_OOB = 1;
    bad(client, mtcp.recv(client, dialed, buf, 4, MSG_OOB), mtcp.EINVAL);
  });

  error("EINVAL, EFAULT", "ioctl of another kind", function* ({ client }) {
    const sockid = stream(client);
    bad(client, mtcp.ioctl(client, sockid, mtcp.FIONREAD, null), mtcp.EFAULT);
    bad(client, mtcp.ioctl(client, sockid, 1, { value: 0 }), mtcp.EINVAL);
    bad(client, mtcp.ioctl(client, sockid, mtcp.FIONBIO, { value: 0 }), mtcp.EINVAL);
    const listener = listening(client);
    bad(client, mtcp.ioctl(client, listener, mtcp.FIONREAD, { value: 0 }), mtcp.EINVAL);
    bad(client, mtcp.ioctl(client, epoll(client), mtcp.FIONREAD, { value: 0 }), mtcp.ENOTSOCK);
    yield* quiet(0);
  });

  error("EINVAL", "shutdown of no direction", function* (it) {
    const { client } = it;
    const { dialed } = yield* connected(it);
    for (const how of [-1, 3, 0.5]) bad(client, mtcp.shutdown(client, dialed, how), mtcp.EINVAL);
  });

  error("ETIMEDOUT", "a peer that has gone silent", function* (it) {
    const { client, net, clientHost, serverHost } = it;
    const { dialed } = yield* connected(it);
    net.partition([clientHost], [serverHost]);
    expect(mtcp.write(client, dialed, new Uint8Array(4), 4)).toBe(4);
    const buf = new Uint8Array(4);
    const reading = mtcp.blocking.read(client, dialed, buf, 4, now() + 600_000);
    bad(client, yield* reading, mtcp.ETIMEDOUT);
    bad(client, mtcp.write(client, dialed, buf, 4), mtcp.ETIMEDOUT);
    net.repair([clientHost], [serverHost]);
  });
});
