// SPDX-License-Identifier: MIT
// How connections begin. Part of the suite in behaviour.ts.

import { expect } from "vitest";
import { go } from "../../src/index.ts";
import * as mtcp from "../../src/mtcp/index.ts";
import {
  bad,
  bindTo,
  connected,
  dial,
  dialing,
  epoll,
  good,
  hear,
  listening,
  nameOf,
  option,
  ready,
  type Scenario,
  SOCKADDR_IN_BYTES,
  say,
  scenario,
  soError,
  soon,
  stream,
  watch,
} from "./support/scene.ts";

/** From `socket` to a connection. */
export const OPENING: readonly Scenario[] = [
  scenario("connect begins, EPOLLOUT tells the end, SO_ERROR says success", function* (it) {
    const { server, client, host } = it;
    const listener = listening(server);
    const { port } = nameOf(server, listener);
    const sockid = stream(client);
    bad(client, dial(client, sockid, host, port), mtcp.EINPROGRESS);
    expect(soError(client, sockid)).toBe(0);
    const epid = epoll(client);
    watch(client, epid, sockid, mtcp.EPOLLOUT);
    expect(yield* ready(client, epid)).toEqual([[sockid, mtcp.EPOLLOUT]]);
    expect(soError(client, sockid)).toBe(0);
    bad(client, dial(client, sockid, host, port), mtcp.EISCONN);
  }),

  scenario("a second connect while the first goes on: EALREADY", function* (it) {
    const { server, client, host } = it;
    const { port } = nameOf(server, listening(server));
    const sockid = stream(client);
    bad(client, dial(client, sockid, host, port), mtcp.EINPROGRESS);
    bad(client, dial(client, sockid, host, port), mtcp.EALREADY);
    bad(client, yield* dialing(client, sockid, host, port), mtcp.EALREADY);
  }),

  scenario("nobody listens: ECONNREFUSED, by SO_ERROR, once", function* (it) {
    const { client, host } = it;
    const sockid = stream(client);
    const epid = epoll(client);
    watch(client, epid, sockid, mtcp.EPOLLOUT);
    bad(client, dial(client, sockid, host, 9), mtcp.EINPROGRESS);
    const [[data, events] = [0, 0]] = yield* ready(client, epid);
    expect(data).toBe(sockid);
    expect(events).toBe(mtcp.EPOLLOUT | mtcp.EPOLLERR | mtcp.EPOLLHUP);
    expect(soError(client, sockid)).toBe(mtcp.ECONNREFUSED);
    expect(soError(client, sockid)).toBe(0);
  }),

  scenario("after a failure that was told the socket can be connected again", function* (it) {
    const { server, client, host } = it;
    const { port } = nameOf(server, listening(server));
    const sockid = stream(client);
    bad(client, yield* dialing(client, sockid, host, 9), mtcp.ECONNREFUSED);
    expect(good(client, yield* dialing(client, sockid, host, port))).toBe(0);
  }),

  scenario("a failure that nobody asked for is told by the next connect", function* (it) {
    const { client, host } = it;
    const sockid = stream(client);
    const epid = epoll(client);
    bad(client, dial(client, sockid, host, 9), mtcp.EINPROGRESS);
    watch(client, epid, sockid, mtcp.EPOLLIN);
    yield* ready(client, epid);
    bad(client, dial(client, sockid, host, 9), mtcp.ECONNREFUSED);
    bad(client, dial(client, sockid, host, 9), mtcp.EINPROGRESS);
  }),

  scenario("both ends know their names", function* (it) {
    const { server, client, host } = it;
    const { served, dialed, port } = yield* connected(it);
    const ours = nameOf(client, dialed);
    const peer = mtcp.sockaddrIn();
    const length = { value: SOCKADDR_IN_BYTES };
    good(client, mtcp.getpeername(client, dialed, peer, length));
    expect(peer).toEqual(mtcp.sockaddrIn(host, port));
    expect(nameOf(server, served)).toEqual(peer);
    good(server, mtcp.getpeername(server, served, peer, length));
    expect(peer).toEqual(ours);
    expect(length.value).toBe(SOCKADDR_IN_BYTES);
  }),

  scenario("accept tells the peer's address, and EAGAIN when nobody waits", function* (it) {
    const { server, client, host } = it;
    const listener = listening(server);
    bad(server, mtcp.accept(server, listener, null, null), mtcp.EAGAIN);
    const sockid = stream(client);
    good(client, yield* dialing(client, sockid, host, nameOf(server, listener).port));
    const peer = mtcp.sockaddrIn();
    const length = { value: SOCKADDR_IN_BYTES };
    good(server, yield* mtcp.blocking.accept(server, listener, peer, length, soon()));
    expect(peer).toEqual(nameOf(client, sockid));
    bad(server, mtcp.accept(server, listener, null, null), mtcp.EAGAIN);
  }),

  scenario("several coroutines may wait in accept", function* (it) {
    const { server, client, host } = it;
    const listener = listening(server);
    const { port } = nameOf(server, listener);
    const accepted: number[] = [];
    const waiting = [];
    for (let i = 0; i < 3; i++) {
      waiting.push(
        yield* go(function* () {
          accepted.push(yield* mtcp.blocking.accept(server, listener, null, null, soon()));
        }),
      );
    }
    for (let i = 0; i < 3; i++) {
      good(client, yield* dialing(client, stream(client), host, port));
    }
    for (const each of waiting) yield* each.join(soon());
    expect(new Set(accepted).size).toBe(3);
    expect(Math.min(...accepted)).toBeGreaterThan(0);
  }),

  scenario("a socket is bound to a port alone, and connects from there", function* (it) {
    const { server, client, host } = it;
    const { port } = nameOf(server, listening(server));
    const sockid = stream(client);
    good(client, bindTo(client, sockid, mtcp.INADDR_ANY, 40_007));
    expect(nameOf(client, sockid)).toEqual(mtcp.sockaddrIn(mtcp.INADDR_ANY, 40_007));
    good(client, yield* dialing(client, sockid, host, port));
    expect(nameOf(client, sockid).port).toBe(40_007);
  }),

  scenario("a socket is bound to an address alone, and connects from there", function* (it) {
    const { server, client, host, networks } = it;
    const { port } = nameOf(server, listening(server));
    const sockid = stream(client);
    good(client, bindTo(client, sockid, networks.client.address, 0));
    good(client, yield* dialing(client, sockid, host, port));
    expect(nameOf(client, sockid).address).toBe(networks.client.address);
    expect(nameOf(client, sockid).port).toBeGreaterThan(0);
  }),

  scenario("the 4-tuple of a connection cannot be connected again: EADDRINUSE", function* (it) {
    const { server, client, host } = it;
    const { port } = nameOf(server, listening(server));
    const [one, two] = [stream(client), stream(client)];
    for (const sockid of [one, two]) {
      const { SOL_SOCKET, SO_REUSEADDR, INT_BYTES } = mtcp;
      good(client, mtcp.setsockopt(client, sockid, SOL_SOCKET, SO_REUSEADDR, 1, INT_BYTES));
      good(client, bindTo(client, sockid, mtcp.INADDR_ANY, 40_009));
    }
    good(client, yield* dialing(client, one, host, port));
    bad(client, dial(client, two, host, port), mtcp.EADDRINUSE);
  }),

  scenario("a port that is listened on cannot be listened on again", function* (it) {
    const { server } = it;
    const listener = listening(server);
    const { port } = nameOf(server, listener);
    const other = stream(server);
    good(server, bindTo(server, other, mtcp.INADDR_ANY, port));
    bad(server, mtcp.listen(server, other, 1), mtcp.EADDRINUSE);
    expect(option(server, listener, mtcp.SO_ACCEPTCONN)).toBe(1);
    expect(option(server, other, mtcp.SO_ACCEPTCONN)).toBe(0);
  }),

  scenario(
    "blocking.connect ends with the deadline and leaves the socket as it was",
    function* (it) {
      const { server, client, host } = it;
      const { port } = nameOf(server, listening(server));
      const sockid = stream(client);
      bad(client, yield* dialing(client, sockid, host, port, 0), mtcp.ETIMEDOUT);
      good(client, yield* dialing(client, sockid, host, port));
    },
  ),

  scenario("TCP_NODELAY is for sockets that are not connected yet", function* (it) {
    const { server, client, host } = it;
    const listener = listening(server);
    const { port } = nameOf(server, listener);
    const { IPPROTO_TCP, TCP_NODELAY, INT_BYTES } = mtcp;
    const sockid = stream(client);
    expect(option(client, sockid, TCP_NODELAY, IPPROTO_TCP)).toBe(1);
    good(client, mtcp.setsockopt(client, sockid, IPPROTO_TCP, TCP_NODELAY, 0, INT_BYTES));
    good(client, yield* dialing(client, sockid, host, port));
    expect(option(client, sockid, TCP_NODELAY, IPPROTO_TCP)).toBe(0);
    const late = mtcp.setsockopt(client, sockid, IPPROTO_TCP, TCP_NODELAY, 1, INT_BYTES);
    bad(client, late, mtcp.EISCONN);
    const accepting = mtcp.blocking.accept(server, listener, null, null, soon());
    const served = good(server, yield* accepting);
    const ref = { value: 0 };
    const length = { value: INT_BYTES };
    const asked = mtcp.getsockopt(server, served, IPPROTO_TCP, TCP_NODELAY, ref, length);
    bad(server, asked, mtcp.ENOPROTOOPT);
  }),

  scenario("an accepted connection is sound at once, and non-blocking", function* (it) {
    const { server, client, host } = it;
    const listener = listening(server);
    const sockid = stream(client);
    good(client, yield* dialing(client, sockid, host, nameOf(server, listener).port));
    yield* say(client, sockid, "early");
    const accepting = mtcp.blocking.accept(server, listener, null, null, soon());
    const served = good(server, yield* accepting);
    expect(yield* hear(server, served)).toBe("early");
    bad(server, mtcp.read(server, served, new Uint8Array(1), 1), mtcp.EAGAIN);
  }),
];
