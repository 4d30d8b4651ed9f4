// SPDX-License-Identifier: MIT
// Options: what is set has its effect, what would have none is refused.

import { describe, expect, it } from "vitest";
import { go, now, type Operation } from "../../src/index.ts";
import * as mtcp from "../../src/mtcp/index.ts";
import {
  bad,
  type Conf,
  connected,
  dialing,
  epoll,
  good,
  hear,
  INT_BYTES,
  listening,
  nameOf,
  option,
  quiet,
  readyNow,
  type SimScene,
  SOCKADDR_IN_BYTES,
  say,
  simScene,
  soon,
  stream,
  watch,
} from "./support/scene.ts";

const { SOL_SOCKET, IPPROTO_TCP, SO_LINGER, LINGER_BYTES, SO_SNDBUF, SO_REUSEADDR } = mtcp;

function inScene(op: (it: SimScene) => Operation<void>, conf: Conf = {}): Promise<unknown> {
  return simScene(op, { conf });
}

function set(
  mctx: mtcp.Mctx,
  sockid: number,
  name: number,
  value: number | mtcp.Linger | null,
  length: number = INT_BYTES,
  level: number = SOL_SOCKET,
): number {
  return mtcp.setsockopt(mctx, sockid, level, name, value, length);
}

function lingerOf(mctx: mtcp.Mctx, sockid: number): mtcp.Linger {
  const value = { onoff: -1, linger: -1 };
  const length = { value: 100 };
  good(mctx, mtcp.getsockopt(mctx, sockid, SOL_SOCKET, SO_LINGER, value, length));
  expect(length.value).toBe(LINGER_BYTES);
  return value;
}

describe("options that can be asked for", () => {
  it("tell what a socket is", () =>
    inScene(function* (it) {
      const { server, client } = it;
      const { listener, served } = yield* connected(it);
      for (const sockid of [listener, served]) {
        expect(option(server, sockid, mtcp.SO_TYPE)).toBe(mtcp.SOCK_STREAM);
        expect(option(server, sockid, mtcp.SO_DOMAIN)).toBe(mtcp.AF_INET);
        expect(option(server, sockid, mtcp.SO_PROTOCOL)).toBe(IPPROTO_TCP);
        expect(option(server, sockid, mtcp.SO_ACCEPTCONN)).toBe(sockid === listener ? 1 : 0);
      }
      expect(option(server, served, mtcp.SO_RCVBUF)).toBe(262_144);
      const ref = { value: 0 };
      const length = { value: INT_BYTES };
      const get = (name: number): number =>
        mtcp.getsockopt(client, stream(client), SOL_SOCKET, name, ref, length);
      bad(client, get(mtcp.SO_RCVBUF), mtcp.ENOTCONN);
      bad(client, get(9), mtcp.ENOPROTOOPT);
    }));

  it("want room for the answer", () =>
    inScene(function* ({ client }) {
      const sockid = stream(client);
      const get = (value: mtcp.IntRef | mtcp.Linger | null, length: mtcp.IntRef | null): number =>
        mtcp.getsockopt(client, sockid, SOL_SOCKET, mtcp.SO_TYPE, value, length);
      bad(client, get(null, { value: 4 }), mtcp.EFAULT);
      bad(client, get({ value: 0 }, null), mtcp.EFAULT);
      bad(client, get({ value: 0 }, { value: 3 }), mtcp.EINVAL);
      bad(client, get({ onoff: 0, linger: 0 }, { value: 8 }), mtcp.EINVAL);
      const length = { value: 100 };
      good(client, get({ value: 0 }, length));
      expect(length.value).toBe(INT_BYTES);
      const ref = { value: 0 };
      const wrong = mtcp.getsockopt(client, sockid, SOL_SOCKET, SO_LINGER, ref, { value: 8 });
      bad(client, wrong, mtcp.EINVAL);
      const level = mtcp.getsockopt(client, sockid, 17, 1, ref, { value: 4 });
      bad(client, level, mtcp.ENOPROTOOPT);
      const none = mtcp.getsockopt(client, epoll(client), 1, mtcp.SO_TYPE, ref, { value: 4 });
      bad(client, none, mtcp.ENOTSOCK);
      yield* quiet(0);
    }));

  it("names want room too", () =>
    inScene(function* (it) {
      const { client } = it;
      const { dialed } = yield* connected(it);
      const addr = mtcp.sockaddrIn();
      for (const call of [mtcp.getsockname, mtcp.getpeername]) {
        bad(client, call(client, dialed, null, { value: SOCKADDR_IN_BYTES }), mtcp.EFAULT);
        bad(client, call(client, dialed, addr, null), mtcp.EFAULT);
        bad(client, call(client, dialed, addr, { value: 15 }), mtcp.EINVAL);
        bad(client, call(client, dialed, addr, { value: 0 }), mtcp.EINVAL);
        bad(client, call(client, epoll(client), addr, { value: 16 }), mtcp.ENOTSOCK);
      }
      expect(nameOf(client, stream(client))).toEqual(mtcp.sockaddrIn("0.0.0.0", 0));
    }));
});

describe("values that make no sense", () => {
  it("are EFAULT or EINVAL", () =>
    inScene(function* ({ client }) {
      const sockid = stream(client);
      bad(client, set(client, sockid, SO_REUSEADDR, null), mtcp.EFAULT);
      bad(client, set(client, sockid, SO_REUSEADDR, 1, 3), mtcp.EINVAL);
      bad(client, set(client, sockid, SO_REUSEADDR, 0.5), mtcp.EINVAL);
      bad(client, set(client, sockid, SO_REUSEADDR, { onoff: 1, linger: 1 }, 8), mtcp.EINVAL);
      bad(client, set(client, sockid, SO_LINGER, 1, 8), mtcp.EINVAL);
      bad(client, set(client, sockid, SO_LINGER, { onoff: 1, linger: 1 }, 4), mtcp.EINVAL);
      for (const linger of [-1, 0.5, 65_536, Number.NaN]) {
        bad(client, set(client, sockid, SO_LINGER, { onoff: 1, linger }, 8), mtcp.EINVAL);
      }
      for (const bytes of [0, -1, 2 ** 31]) {
        bad(client, set(client, sockid, SO_SNDBUF, bytes), mtcp.EINVAL);
      }
      bad(client, set(client, epoll(client), SO_REUSEADDR, 1), mtcp.ENOTSOCK);
      yield* quiet(0);
    }));
});

describe("SO_SNDBUF", () => {
  it("bounds what waits to be sent", () =>
    inScene(function* (it) {
      const { server, client } = it;
      const { served, dialed } = yield* connected(it);
      good(client, set(client, dialed, SO_SNDBUF, 5));
      expect(option(client, dialed, SO_SNDBUF)).toBe(5);
      const bytes = new TextEncoder().encode("0123456789");
      expect(mtcp.write(client, dialed, bytes, 10)).toBe(5);
      bad(client, mtcp.write(client, dialed, bytes, 10), mtcp.EAGAIN);
      expect(yield* hear(server, served)).toBe("01234");
      yield* quiet();
      expect(mtcp.write(client, dialed, bytes, 10)).toBe(5);
      bad(client, set(client, dialed, SO_SNDBUF, 262_145), mtcp.EINVAL);
    }));

  it("that grows makes room at once, and wakes who waits for it", () =>
    inScene(function* (it) {
      const { client } = it;
      const { dialed } = yield* connected(it);
      const epid = epoll(client);
      good(client, set(client, dialed, SO_SNDBUF, 5));
      watch(client, epid, dialed, mtcp.EPOLLOUT);
      const bytes = new Uint8Array(8);
      const writing = yield* go(() => mtcp.blocking.write(client, dialed, bytes, 8, soon()));
      yield* quiet(1);
      expect(readyNow(client, epid)).toEqual([]);
      good(client, set(client, dialed, SO_SNDBUF, 100));
      expect(readyNow(client, epid)).toEqual([[dialed, mtcp.EPOLLOUT]]);
      const beforeMs = now();
      expect(yield* writing.join(soon())).toBe(8);
      expect(now()).toBe(beforeMs);
    }));

  it("is that of the configuration at first, and an accepted socket has its listener's", () =>
    inScene(
      function* ({ server, client, host }) {
        const listener = listening(server);
        good(server, set(server, listener, SO_SNDBUF, 7));
        good(server, set(server, listener, SO_LINGER, { onoff: 1, linger: 3 }, 8));
        const sockid = stream(client);
        expect(option(client, sockid, SO_SNDBUF)).toBe(64);
        good(client, yield* dialing(client, sockid, host, nameOf(server, listener).port));
        const accepting = mtcp.blocking.accept(server, listener, null, null, soon());
        const served = good(server, yield* accepting);
        expect(mtcp.write(server, served, new Uint8Array(10), 10)).toBe(7);
        expect(lingerOf(server, served)).toEqual({ onoff: 1, linger: 3 });
      },
      { sndbuf: 64 },
    ));
});

describe("SO_LINGER", () => {
  it("is off at first, and tells what was set", () =>
    inScene(function* ({ client }) {
      const sockid = stream(client);
      expect(lingerOf(client, sockid)).toEqual({ onoff: 0, linger: 0 });
      good(client, set(client, sockid, SO_LINGER, { onoff: 1, linger: 9 }, 8));
      expect(lingerOf(client, sockid)).toEqual({ onoff: 1, linger: 9 });
      good(client, set(client, sockid, SO_LINGER, { onoff: 0, linger: 9 }, 8));
      expect(lingerOf(client, sockid)).toEqual({ onoff: 0, linger: 0 });
      yield* quiet(0);
    }));

  it("bounds blocking.close: ETIMEDOUT after its time, and a reset", () =>
    inScene(function* (it) {
      const { server, client, net, clientHost, serverHost } = it;
      const { served, dialed } = yield* connected(it);
      good(client, set(client, dialed, SO_LINGER, { onoff: 1, linger: 3 }, 8));
      net.partition([clientHost], [serverHost]);
      yield* say(client, dialed, "never seen");
      const startMs = now();
      bad(client, yield* mtcp.blocking.close(client, dialed, -1), mtcp.ETIMEDOUT);
      expect(now() - startMs).toBe(3_000);
      expect(client.bufferCount).toBe(0);
      net.repair([clientHost], [serverHost]);
      good(server, mtcp.close(server, served));
    }));

  it("does not keep blocking.close beyond its deadline", () =>
    inScene(function* (it) {
      const { client, net, clientHost, serverHost } = it;
      const { dialed } = yield* connected(it);
      good(client, set(client, dialed, SO_LINGER, { onoff: 1, linger: 30 }, 8));
      net.partition([clientHost], [serverHost]);
      const startMs = now();
      bad(client, yield* mtcp.blocking.close(client, dialed, now() + 50), mtcp.ETIMEDOUT);
      expect(now() - startMs).toBe(50);
      net.repair([clientHost], [serverHost]);
    }));

  it("returns with the acknowledgement, which the peer need not answer by its own end", () =>
    inScene(function* (it) {
      const { client } = it;
      const { dialed } = yield* connected(it);
      good(client, set(client, dialed, SO_LINGER, { onoff: 1, linger: 30 }, 8));
      const startMs = now();
      expect(yield* mtcp.blocking.close(client, dialed, -1)).toBe(0);
      // There and back, and no delayed ACK.
      expect(now() - startMs).toBe(20);
    }));
});

describe("TCP_NODELAY", () => {
  /** Segments with payload of three small writes, one right after the other's round. */
  async function segments(noDelay: number): Promise<number> {
    const { trace } = await simScene(function* (it) {
      const { server, client, host } = it;
      const listener = listening(server);
      const sockid = stream(client);
      good(client, set(client, sockid, mtcp.TCP_NODELAY, noDelay, INT_BYTES, IPPROTO_TCP));
      good(client, yield* dialing(client, sockid, host, nameOf(server, listener).port));
      for (let i = 0; i < 3; i++) {
        yield* say(client, sockid, "tiny");
        yield* quiet(1);
      }
      yield* quiet();
    });
    return trace.filter((line) => /client > .* len \d|client > .*\(\d+\)|PSH/.test(line)).length;
  }

  it("on: each write is a segment; off: the small ones wait for the first's ACK", async () => {
    expect(await segments(1)).toBe(3);
    expect(await segments(0)).toBe(2);
  });
});
