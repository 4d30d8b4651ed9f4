// SPDX-License-Identifier: MIT
// How connections and descriptors end. Part of the suite in behaviour.ts.

import { expect } from "vitest";
import { go } from "../../src/index.ts";
import * as mtcp from "../../src/mtcp/index.ts";
import { expectSame, pattern } from "../socket/support/helpers.ts";
import {
  bad,
  bindTo,
  bytesOf,
  connected,
  dial,
  dialing,
  good,
  hear,
  listening,
  nameOf,
  quiet,
  type Scenario,
  say,
  scenario,
  soError,
  soon,
  stream,
} from "./support/scene.ts";

const { SOL_SOCKET, SO_LINGER, LINGER_BYTES } = mtcp;

function linger(mctx: mtcp.Mctx, sockid: number, seconds: number): void {
  const value = { onoff: 1, linger: seconds };
  good(mctx, mtcp.setsockopt(mctx, sockid, SOL_SOCKET, SO_LINGER, value, LINGER_BYTES));
}

/** The end of sockets. */
export const CLOSING: readonly Scenario[] = [
  scenario("close sends what was written, then the end, in the background", function* (it) {
    const { server, client } = it;
    const { served, dialed } = yield* connected(it);
    const bytes = pattern(100_000);
    expect(mtcp.write(client, dialed, bytes, bytes.length)).toBe(bytes.length);
    expect(mtcp.close(client, dialed)).toBe(0);
    const got = new Uint8Array(bytes.length);
    for (let at = 0; at < got.length; ) {
      const part = got.subarray(at);
      const reading = mtcp.blocking.read(server, served, part, part.length, soon());
      at += good(server, yield* reading);
    }
    expectSame(got, bytes);
    expect(yield* hear(server, served)).toBe("");
    expect(mtcp.close(server, served)).toBe(0);
  }),

  scenario("a closed descriptor is EBADF in every call, and never somebody else", function* (it) {
    const { client } = it;
    const { dialed } = yield* connected(it);
    expect(mtcp.close(client, dialed)).toBe(0);
    stream(client);
    bad(client, mtcp.close(client, dialed), mtcp.EBADF);
    bad(client, mtcp.read(client, dialed, new Uint8Array(1), 1), mtcp.EBADF);
    bad(client, mtcp.write(client, dialed, new Uint8Array(1), 1), mtcp.EBADF);
    bad(client, yield* mtcp.blocking.close(client, dialed, soon()), mtcp.EBADF);
    bad(client, yield* mtcp.blocking.read(client, dialed, bytesOf("x"), 1, soon()), mtcp.EBADF);
  }),

  scenario("blocking.close waits until both ends have finished", function* (it) {
    const { server, client } = it;
    const { served, dialed } = yield* connected(it);
    let isClosed = false;
    const closing = yield* go(function* () {
      const result = yield* mtcp.blocking.close(client, dialed, soon());
      isClosed = true;
      return result;
    });
    expect(yield* hear(server, served)).toBe("");
    yield* quiet(50);
    expect(isClosed).toBe(false);
    expect(mtcp.close(server, served)).toBe(0);
    expect(yield* closing.join(soon())).toBe(0);
  }),

  scenario("blocking.close drops what still arrives, however much that is", function* (it) {
    const { server, client } = it;
    const { served, dialed } = yield* connected(it);
    const bytes = new Uint8Array(2_000_000);
    const writing = yield* go(() =>
      mtcp.blocking.write(server, served, bytes, bytes.length, soon()),
    );
    yield* quiet(20);
    const closing = yield* go(() => mtcp.blocking.close(client, dialed, soon()));
    expect(yield* writing.join(soon())).toBe(bytes.length);
    expect(mtcp.close(server, served)).toBe(0);
    expect(yield* closing.join(soon())).toBe(0);
  }),

  scenario("blocking.close after shutdown, and after the peer's end", function* (it) {
    const { server, client } = it;
    const { served, dialed } = yield* connected(it);
    good(client, mtcp.shutdown(client, dialed, mtcp.SHUT_RDWR));
    expect(yield* hear(server, served)).toBe("");
    const closing = yield* go(() => mtcp.blocking.close(client, dialed, soon()));
    expect(yield* mtcp.blocking.close(server, served, soon())).toBe(0);
    expect(yield* closing.join(soon())).toBe(0);
  }),

  scenario("blocking.close that is late resets the connection: ETIMEDOUT", function* (it) {
    const { server, client } = it;
    const { served, dialed } = yield* connected(it);
    bad(client, yield* mtcp.blocking.close(client, dialed, 0), mtcp.ETIMEDOUT);
    bad(client, mtcp.close(client, dialed), mtcp.EBADF);
    const reading = mtcp.blocking.read(server, served, new Uint8Array(1), 1, soon());
    bad(server, yield* reading, mtcp.ECONNRESET);
  }),

  scenario("close while others wait on the descriptor: they get EBADF", function* (it) {
    const { server } = it;
    const { served, listener } = yield* connected(it);
    const { blocking } = mtcp;
    const reading = yield* go(() => blocking.read(server, served, new Uint8Array(1), 1, soon()));
    const accepting = yield* go(() => blocking.accept(server, listener, null, null, soon()));
    yield* quiet(5);
    expect(mtcp.close(server, served)).toBe(0);
    expect(mtcp.close(server, listener)).toBe(0);
    bad(server, yield* reading.join(soon()), mtcp.EBADF);
    bad(server, yield* accepting.join(soon()), mtcp.EBADF);
  }),

  scenario("close of a connection attempt drops it: 0", function* (it) {
    const { server, client, host } = it;
    const { port } = nameOf(server, listening(server));
    const sockid = stream(client);
    bad(client, dial(client, sockid, host, port), mtcp.EINPROGRESS);
    expect(mtcp.close(client, sockid)).toBe(0);
    const waited = stream(client);
    const connecting = yield* go(() => dialing(client, waited, host, port));
    yield* quiet(0);
    expect(mtcp.close(client, waited)).toBe(0);
    bad(client, yield* connecting.join(soon()), mtcp.EBADF);
    expect(client.bufferCount).toBe(0);
  }),

  scenario("close of a socket that was never connected: 0", function* (it) {
    const { client } = it;
    const sockid = stream(client);
    good(client, bindTo(client, sockid, mtcp.INADDR_ANY, 40_011));
    expect(mtcp.close(client, sockid)).toBe(0);
    const again = stream(client);
    good(client, bindTo(client, again, mtcp.INADDR_ANY, 40_011));
  }),

  scenario("close after a reset: ENOTCONN, and the descriptor is gone", function* (it) {
    const { server, client } = it;
    const { served, dialed } = yield* connected(it);
    good(client, mtcp.abort(client, dialed));
    const reading = mtcp.blocking.read(server, served, new Uint8Array(1), 1, soon());
    bad(server, yield* reading, mtcp.ECONNRESET);
    bad(server, mtcp.close(server, served), mtcp.ENOTCONN);
    bad(server, mtcp.close(server, served), mtcp.EBADF);
  }),

  scenario("close of a listener frees its port, and resets who waits", function* (it) {
    const { server, client, host } = it;
    const listener = listening(server);
    const { port } = nameOf(server, listener);
    const sockid = stream(client);
    good(client, yield* dialing(client, sockid, host, port));
    yield* quiet(20);
    expect(mtcp.close(server, listener)).toBe(0);
    const reading = mtcp.blocking.read(client, sockid, new Uint8Array(1), 1, soon());
    bad(client, yield* reading, mtcp.ECONNRESET);
    const again = listening(server, port);
    const other = stream(client);
    good(client, yield* dialing(client, other, host, port));
    good(server, yield* mtcp.blocking.accept(server, again, null, null, soon()));
  }),

  scenario("SO_LINGER with 0: close resets", function* (it) {
    const { server, client } = it;
    const { served, dialed } = yield* connected(it);
    linger(client, dialed, 0);
    expect(mtcp.close(client, dialed)).toBe(0);
    const reading = mtcp.blocking.read(server, served, new Uint8Array(1), 1, soon());
    bad(server, yield* reading, mtcp.ECONNRESET);
    expect(soError(server, served)).toBe(0);
  }),

  scenario("SO_LINGER with a time: close says EAGAIN, and ends it in order", function* (it) {
    const { server, client } = it;
    const { served, dialed } = yield* connected(it);
    linger(client, dialed, 5);
    yield* say(client, dialed, "bye");
    bad(client, mtcp.close(client, dialed), mtcp.EAGAIN);
    bad(client, mtcp.close(client, dialed), mtcp.EBADF);
    expect(yield* hear(server, served)).toBe("bye");
    expect(yield* hear(server, served)).toBe("");
  }),

  scenario("SO_LINGER with a time: blocking.close wants the acknowledgement alone", function* (it) {
    const { client } = it;
    const { dialed } = yield* connected(it);
    linger(client, dialed, 5);
    yield* say(client, dialed, "bye");
    // The server neither reads nor closes.
    expect(yield* mtcp.blocking.close(client, dialed, soon())).toBe(0);
  }),

  scenario("abort resets at once, and reports what there was", function* (it) {
    const { server, client } = it;
    const { served, dialed, listener } = yield* connected(it);
    expect(mtcp.abort(client, dialed)).toBe(0);
    const reading = mtcp.blocking.read(server, served, new Uint8Array(1), 1, soon());
    bad(server, yield* reading, mtcp.ECONNRESET);
    bad(server, mtcp.abort(server, served), mtcp.ENOTCONN);
    bad(server, mtcp.abort(server, served), mtcp.EBADF);
    bad(client, mtcp.abort(client, stream(client)), mtcp.ENOTCONN);
    bad(server, mtcp.abort(server, listener), mtcp.ENOTSOCK);
  }),

  scenario("destroyContext resets all, and ends every wait with EACCES", function* (it) {
    const { server, client } = it;
    const { served, dialed, listener } = yield* connected(it);
    const { blocking } = mtcp;
    const waiting = [
      yield* go(() => blocking.read(client, dialed, new Uint8Array(1), 1, soon())),
      yield* go(() => blocking.epollWait(client, mtcp.epollCreate(client, 1), [], 1, soon())),
    ];
    yield* quiet(5);
    expect(mtcp.destroyContext(client)).toBe(0);
    for (const each of waiting) bad(client, yield* each.join(soon()), mtcp.EACCES);
    bad(client, mtcp.close(client, dialed), mtcp.EACCES);
    const reading = blocking.read(server, served, new Uint8Array(1), 1, soon());
    bad(server, yield* reading, mtcp.ECONNRESET);
    good(server, mtcp.close(server, listener));
  }),

  scenario("destroyContext ends a close that goes on", function* (it) {
    const { server, client } = it;
    const { served, dialed } = yield* connected(it);
    const closing = yield* go(() => mtcp.blocking.close(client, dialed, soon()));
    expect(yield* hear(server, served)).toBe("");
    expect(mtcp.destroyContext(client)).toBe(0);
    bad(client, yield* closing.join(soon()), mtcp.EACCES);
  }),
];
