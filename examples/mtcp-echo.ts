// SPDX-License-Identifier: MIT
// An echo server in the vocabulary of mTCP: one context, one epoll instance, descriptors and errno.
// The event loop is a coroutine that waits in `blocking.epollWait`.

import { now, type Operation, tcp } from "../src/index.ts";
import * as mtcp from "../src/mtcp/index.ts";
import { commandLine } from "./support/command-line.ts";
import { hostOf, launch, NETWORK_OPTIONS } from "./support/launch.ts";

const settings = commandLine(
  {
    name: "mtcp-echo",
    text: "Sends back what it receives, by epoll. With --driver sim a simulated client talks to it.",
    examples: [
      "npx tsx examples/mtcp-echo.ts                # then: nc 127.0.0.1 7777",
      "npx tsx examples/mtcp-echo.ts --driver sim",
    ],
  },
  {
    ...NETWORK_OPTIONS,
    port: { help: "Where to listen.", default: 7777, range: [1, 65_535] },
  },
);

const { port } = settings;
const { EPOLLIN, EPOLLOUT, EPOLL_CTL_ADD, EPOLL_CTL_MOD } = mtcp;
const BACKLOG = 128;
const MAX_EVENTS = 64;

/** What is to be sent back to one client. */
class Session {
  readonly sockid: number;
  readonly buf: Uint8Array = new Uint8Array(65_536);
  length = 0;
  sent = 0;

  constructor(sockid: number) {
    this.sockid = sockid;
  }

  get hasRest(): boolean {
    return this.sent < this.length;
  }
}

/** The listener is told as null. */
type Event = mtcp.EpollEvent<Session | null>;

function* server(): Operation<void> {
  // Without `network` it runs over the network in scope.
  check("init", mtcp.init({ maxConcurrency: 1_000 }));
  const mctx = mtcp.createContext(0);
  if (mctx === null) throw new Error(`createContext: errno ${mtcp.errno()}`);
  const listener = openListener(mctx);
  const epid = check("epoll_create", mtcp.epollCreate(mctx, MAX_EVENTS));
  watch(mctx, epid, EPOLL_CTL_ADD, listener, { events: EPOLLIN, data: null });
  console.log(`listening on port ${port}`);
  let served = 0;
  const events: Event[] = [];
  for (;;) {
    const count = yield* mtcp.blocking.epollWait(mctx, epid, events, MAX_EVENTS);
    if (count < 0) break; // ECANCELED: Ctrl-C
    for (const { data: session } of events.slice(0, count)) {
      if (session === null) acceptAll(mctx, epid, listener);
      else if (!echo(mctx, epid, session)) {
        mtcp.close(mctx, session.sockid);
        served++;
      }
    }
  }
  console.log(`connections served: ${served}`);
  // The end of the coroutine destroys the context, which resets what is still open.
}

function openListener(mctx: mtcp.Mctx): number {
  const sockid = check("socket", mtcp.socket(mctx, mtcp.AF_INET, mtcp.SOCK_STREAM, 0));
  const address = mtcp.sockaddrIn(mtcp.INADDR_ANY, port);
  check("bind", mtcp.bind(mctx, sockid, address, mtcp.SOCKADDR_IN_BYTES));
  check("listen", mtcp.listen(mctx, sockid, BACKLOG));
  return sockid;
}

function acceptAll(mctx: mtcp.Mctx, epid: number, listener: number): void {
  for (let sockid = 0; (sockid = mtcp.accept(mctx, listener, null, null)) >= 0; ) {
    const event = { events: EPOLLIN, data: new Session(sockid) };
    watch(mctx, epid, EPOLL_CTL_ADD, sockid, event);
  }
}

/** Reads when nothing is left to be written, else writes. @returns false: it is over */
function echo(mctx: mtcp.Mctx, epid: number, session: Session): boolean {
  const { sockid, buf } = session;
  if (!session.hasRest) {
    const n = mtcp.read(mctx, sockid, buf, buf.length);
    if (n <= 0) return n < 0 && mctx.errno === mtcp.EAGAIN;
    session.length = n;
    session.sent = 0;
  }
  const rest = buf.subarray(session.sent, session.length);
  const n = mtcp.write(mctx, sockid, rest, rest.length);
  if (n < 0 && mctx.errno !== mtcp.EAGAIN) return false;
  session.sent += Math.max(0, n);
  // A client that does not read is not read from either.
  const wanted = session.hasRest ? EPOLLOUT : EPOLLIN;
  watch(mctx, epid, EPOLL_CTL_MOD, sockid, { events: wanted, data: session });
  return true;
}

function watch(mctx: mtcp.Mctx, epid: number, op: number, sockid: number, event: Event): void {
  check("epoll_ctl", mtcp.epollCtl(mctx, epid, op, sockid, event));
}

function check(call: string, result: number): number {
  if (result < 0) throw new Error(`${call}: errno ${mtcp.errno()}`);
  return result;
}

/** What talks to the server on a simulated network. */
function* client(): Operation<void> {
  const conn = yield* tcp.connect({ host: hostOf(settings), port }, now() + 1_000);
  for (const text of ["hello", "and good-bye"]) {
    const bytes = new TextEncoder().encode(text);
    yield* conn.send(bytes, now() + 1_000);
    yield* conn.recv(bytes, now() + 1_000);
    console.log(`the client got "${new TextDecoder().decode(bytes)}" back`);
  }
  yield* conn.close(now() + 1_000);
}

await launch(settings, {
  name: "mtcp-echo",
  run: server,
  peer: { address: "10.77.0.1/24", run: client },
});
