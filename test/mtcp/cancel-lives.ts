// SPDX-License-Identifier: MIT
// A client and a server in which every call of mtcp.blocking waits, and what must hold once they
// have ended: for sweeps of cancellations and deadlines over any network.

import { expect } from "vitest";
import { go, now, type Operation, sleep } from "../../src/index.ts";
import * as mtcp from "../../src/mtcp/index.ts";
import { pattern } from "../socket/support/helpers.ts";
import { listening, nameOf, type Scene, SOCKADDR_IN_BYTES, soon } from "./support/scene.ts";

const BYTES = 60_000;
/** How long the calls of the program wait that is not disturbed. */
const PATIENCE_MS = 1_000;
const { blocking, EPOLLIN, EPOLLOUT } = mtcp;

/** So small that writing takes many waits. */
export const SMALL_BUFFERS = { sndbuf: 6_000 } as const;

// Everything a program opens is closed by it, whatever its calls say.

/** Connects, writes, reads, closes. */
export function* client(
  { client: mctx, host }: Scene,
  port: number,
  deadline: () => number,
): Operation<void> {
  const sockid = mtcp.socket(mctx, mtcp.AF_INET, mtcp.SOCK_STREAM, 0);
  const ends: number[] = [];
  mtcp.pipe(mctx, ends);
  const [reader = -1, writer = -1] = ends;
  const peer = mtcp.sockaddrIn(host, port);
  yield* blocking.connect(mctx, sockid, peer, SOCKADDR_IN_BYTES, deadline());
  const bytes = pattern(BYTES);
  yield* blocking.writev(
    mctx,
    sockid,
    [bytes.subarray(0, 100), bytes.subarray(100)],
    2,
    deadline(),
  );
  mtcp.shutdown(mctx, sockid, mtcp.SHUT_WR);
  yield* blocking.write(mctx, writer, bytes, 9_000, deadline());
  const buf = new Uint8Array(10_000);
  yield* blocking.readv(mctx, reader, [buf], 1, deadline());
  yield* blocking.recv(mctx, sockid, buf, 10, mtcp.MSG_PEEK, deadline());
  // The rest is for the close to drop.
  for (let n = 1, got = 0; n > 0 && got < BYTES / 2; got += n) {
    n = yield* blocking.read(mctx, sockid, buf, buf.length, deadline());
  }
  for (const end of ends) yield* blocking.close(mctx, end, deadline());
  yield* blocking.close(mctx, sockid, deadline());
}

/** Accepts one connection and echoes. @returns whether there was one */
export function* server(
  { server: mctx }: Scene,
  port: number,
  deadline: () => number,
): Operation<boolean> {
  const listener = mtcp.socket(mctx, mtcp.AF_INET, mtcp.SOCK_STREAM, 0);
  const addr = mtcp.sockaddrIn(mtcp.INADDR_ANY, port);
  mtcp.bind(mctx, listener, addr, SOCKADDR_IN_BYTES);
  mtcp.listen(mctx, listener, 4);
  const epid = mtcp.epollCreate(mctx, 1);
  const sockid = yield* blocking.accept(mctx, listener, null, null, deadline());
  if (sockid >= 0) yield* echo(mctx, epid, sockid, deadline);
  mtcp.close(mctx, epid);
  mtcp.close(mctx, listener);
  return sockid >= 0;
}

/** @returns a port of the server that nobody listens on */
function freePort({ server: mctx }: Scene): number {
  const listener = listening(mctx);
  const { port } = nameOf(mctx, listener);
  mtcp.close(mctx, listener);
  return port;
}

/** The two programs. */
export type Side = "client" | "server";

/**
 * Runs both programs, one of them by `play`; the other must hear of its end.
 *
 * @param play - runs the program to its end; its argument says by when each call must have ended
 */
export function* played(
  it: Scene,
  side: Side,
  play: (life: (deadline: () => number) => Operation<unknown>) => Operation<void>,
): Operation<void> {
  const inTime = (): number => now() + PATIENCE_MS;
  const port = freePort(it);
  let wasAccepted = false;
  function* serve(deadline: () => number): Operation<void> {
    wasAccepted = yield* server(it, port, deadline);
  }
  const dial = (deadline: () => number): Operation<void> => client(it, port, deadline);
  function* playing(life: (deadline: () => number) => Operation<unknown>): Operation<void> {
    yield* play(life);
    // At once: a close that only goes on would have left the connection.
    const wasEnded = [mtcp.ECANCELED, mtcp.ETIMEDOUT].includes(it[side].errno);
    if (wasEnded) expect(it.networks[side].leftovers().sockets).toBe(0);
  }
  const other = yield* go(() => (side === "client" ? serve(inTime) : playing(serve)));
  // The listener comes first: a kernel refuses at once.
  yield* sleep(now() + 1);
  yield* side === "client" ? playing(dial) : dial(inTime);
  yield* other.join(soon());
  // Who waits for a connection that nobody opens any more waits until its deadline.
  const hasHeard = side === "server" || wasAccepted;
  if (hasHeard) expect((side === "server" ? it.client : it.server).errno).not.toBe(mtcp.ETIMEDOUT);
  yield* emptied(it);
}

/** Sends back what comes, by epoll, then closes. */
function* echo(
  mctx: mtcp.Mctx,
  epid: number,
  sockid: number,
  deadline: () => number,
): Operation<void> {
  const event = { events: EPOLLIN, data: sockid };
  mtcp.epollCtl(mctx, epid, mtcp.EPOLL_CTL_ADD, sockid, event);
  const buf = new Uint8Array(7_000);
  const events: mtcp.EpollEvent[] = [];
  for (;;) {
    if ((yield* blocking.epollWait(mctx, epid, events, 8, deadline())) < 0) break;
    const n = mtcp.read(mctx, sockid, buf, buf.length);
    if (n <= 0) break;
    event.events = EPOLLOUT;
    mtcp.epollCtl(mctx, epid, mtcp.EPOLL_CTL_MOD, sockid, event);
    if ((yield* blocking.epollWait(mctx, epid, events, 8, deadline())) < 0) break;
    if ((yield* blocking.write(mctx, sockid, buf, n, deadline())) < n) break;
    event.events = EPOLLIN;
    mtcp.epollCtl(mctx, epid, mtcp.EPOLL_CTL_MOD, sockid, event);
  }
  yield* blocking.close(mctx, sockid, deadline());
}

/** Waits until nothing of either program is left: no descriptor, no buffer, no connection. */
export function* emptied({ server: a, client: b, networks }: Scene): Operation<void> {
  const endMs = soon();
  const { server, client } = networks;
  const left = (): number =>
    a.closing.size + b.closing.size + server.leftovers().sockets + client.leftovers().sockets;
  while (left() > 0 && now() < endMs) yield* sleep(now() + 1);
  expect([a.descriptorCount, a.bufferCount, a.closing.size]).toEqual([0, 0, 0]);
  expect([b.descriptorCount, b.bufferCount, b.closing.size]).toEqual([0, 0, 0]);
  for (const network of [server, client]) {
    expect(network.leftovers()).toMatchObject({ sockets: 0, listeners: 0, bufferedBytes: 0 });
  }
}
