// SPDX-License-Identifier: MIT
// Cancels a program of twins at its first wait, at its second, and so on to its last; and lets a
// deadline end it just before, at, and just after each frame. Every time both networks must be
// empty soon after, every descriptor free, and no call may have thrown.

import { describe, expect, it } from "vitest";
import { Timer, Wait, type WaitOwner } from "../../scheduler/internal.ts";
import { currentLoop, go, type Handle, now, type Operation, sleep } from "../../src/index.ts";
import * as mtcp from "../../src/mtcp/index.ts";
import { pattern } from "../socket/support/helpers.ts";
import { type SimScene, SOCKADDR_IN_BYTES, simScene, soon } from "./support/scene.ts";

const PORT = 80;
const BYTES = 60_000;
/** Waits that no program here comes near: the sweep must end by itself. */
const MOST_WAITS = 500;
/** Long enough for what is under way, much shorter than any timeout of TCP but the RTO. */
const SETTLE_MS = 2_000;
const { blocking, EPOLLIN, EPOLLOUT } = mtcp;

// Everything a program opens is closed by it, whatever its calls say.

function* client({ client: mctx, host }: SimScene, deadline: () => number): Operation<void> {
  const sockid = mtcp.socket(mctx, mtcp.AF_INET, mtcp.SOCK_STREAM, 0);
  const ends: number[] = [];
  mtcp.pipe(mctx, ends);
  const [reader = -1, writer = -1] = ends;
  const peer = mtcp.sockaddrIn(host, PORT);
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

function* server({ server: mctx }: SimScene, deadline: () => number): Operation<void> {
  const listener = mtcp.socket(mctx, mtcp.AF_INET, mtcp.SOCK_STREAM, 0);
  const addr = mtcp.sockaddrIn(mtcp.INADDR_ANY, PORT);
  mtcp.bind(mctx, listener, addr, SOCKADDR_IN_BYTES);
  mtcp.listen(mctx, listener, 4);
  const epid = mtcp.epollCreate(mctx, 1);
  const sockid = yield* blocking.accept(mctx, listener, null, null, deadline());
  if (sockid >= 0) yield* echo(mctx, epid, sockid, deadline);
  mtcp.close(mctx, epid);
  mtcp.close(mctx, listener);
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

/** Fires in the next round, at the same time: cancels. */
class Canceller extends Timer {
  handle: Handle<unknown> | null = null;

  override fire(): void {
    this.handle?.cancel();
  }
}

/** Counts the waits of one coroutine, and cancels it at the k-th. */
class Watch {
  seen = 0;
  readonly #at: number;
  readonly #timer: Canceller = new Canceller();
  readonly #park: (owner: WaitOwner) => void;

  constructor(at: number) {
    this.#at = at;
    this.#park = Wait.prototype.park;
    const watch = this;
    const { park } = Wait.prototype;
    Wait.prototype.park = function (this: Wait<unknown>, owner: WaitOwner): void {
      park.call(this, owner);
      watch.parked(owner);
    };
  }

  set handle(handle: Handle<unknown>) {
    this.#timer.handle = handle;
  }

  parked(owner: WaitOwner): void {
    if (this.#timer.handle?.coroutine !== owner) return;
    if (++this.seen === this.#at) currentLoop().timers.arm(this.#timer, currentLoop().nowMs);
  }

  end(): void {
    Wait.prototype.park = this.#park;
  }
}

/** Nothing of either program is left: no descriptor, no buffer, no connection. */
function expectEmpty({ server: a, client: b, serverStack, clientStack }: SimScene): void {
  expect([a.descriptorCount, a.bufferCount, a.closing.size]).toEqual([0, 0, 0]);
  expect([b.descriptorCount, b.bufferCount, b.closing.size]).toEqual([0, 0, 0]);
  for (const stack of [serverStack, clientStack]) {
    expect(stack.leftovers()).toMatchObject({ sockets: 0, listeners: 0, bufferedBytes: 0 });
  }
}

/** Where there was a connection, one side has seen a RST, or both a FIN. */
function expectSeen(trace: readonly string[]): void {
  const of = (name: string): string[] => trace.filter((line) => line.includes(`${name} > `));
  const has = (lines: readonly string[], flag: string): boolean =>
    lines.some((line) => new RegExp(`\\[[A-Z,]*${flag}`).test(line));
  if (!has(of("server"), "SYN,ACK")) return;
  const isOrderly = has(of("client"), "FIN") && has(of("server"), "FIN");
  expect(isOrderly || has(trace, "RST")).toBe(true);
}

/** So small that writing takes many waits. */
const SMALL = { conf: { sndbuf: 6_000 } } as const;

/** Runs both, cancels one at its k-th wait. @returns the waits it had */
async function cancelAt(side: "client" | "server", k: number): Promise<number> {
  const watch = new Watch(k);
  try {
    const { trace } = await simScene(function* (it) {
      const deadline = (): number => now() + SETTLE_MS / 2;
      const serving = yield* go(() => server(it, deadline));
      const living = yield* go(() => client(it, deadline));
      const watched = side === "client" ? living : serving;
      watch.handle = watched;
      for (const each of [living, serving]) yield* each.join(soon());
      if (k <= watch.seen) {
        const mctx = side === "client" ? it.client : it.server;
        expect(mctx.errno).toBe(mtcp.ECANCELED);
      }
      yield* sleep(now() + SETTLE_MS);
      expectEmpty(it);
    }, SMALL);
    expectSeen(trace);
  } finally {
    watch.end();
  }
  return watch.seen;
}

describe("a program of twins cancelled at any of its waits leaves nothing", () => {
  for (const side of ["client", "server"] as const) {
    it(`the ${side}`, async () => {
      const waits = await cancelAt(side, MOST_WAITS);
      expect(waits).toBeGreaterThan(10);
      expect(waits).toBeLessThan(MOST_WAITS);
      for (let k = 1; k <= waits; k++) {
        expect(await cancelAt(side, k), `cancelled at wait ${k}`).toBeGreaterThanOrEqual(k);
      }
    });
  }
});

describe("a program of twins ended by a deadline at any frame leaves nothing", () => {
  it("just before, at, and just after each frame's arrival", async () => {
    const whole = await endedAt(Number.MAX_SAFE_INTEGER);
    const times = new Set(whole.map((line) => Number.parseFloat(line)));
    expect(times.size).toBeGreaterThan(8);
    for (const time of times) {
      for (const edge of [-0.001, 0, 0.001]) {
        // A link takes 5 ms more to arrive.
        expectSeen(await endedAt(time + edge));
        expectSeen(await endedAt(time + 5 + edge));
      }
    }
  });

  async function endedAt(timeMs: number): Promise<readonly string[]> {
    const { trace } = await simScene(function* (it) {
      const serving = yield* go(() => server(it, () => now() + SETTLE_MS));
      const living = yield* go(() => client(it, () => timeMs));
      for (const each of [living, serving]) yield* each.join(soon());
      const { errno } = it.client;
      expect([0, mtcp.EINPROGRESS, mtcp.ETIMEDOUT, mtcp.ENOTCONN]).toContain(errno);
      yield* sleep(now() + SETTLE_MS);
      expectEmpty(it);
    }, SMALL);
    return trace;
  }
});

describe("a program that goes on after its cancellation", () => {
  it("hears of it from every twin, and is ended by force", async () => {
    await simScene(function* (it) {
      let count = 0;
      const stubborn = yield* go(function* () {
        const epid = mtcp.epollCreate(it.client, 1);
        for (;;) {
          const result = yield* blocking.epollWait(it.client, epid, [], 1, -1);
          expect([result, it.client.errno]).toEqual([-1, mtcp.ECANCELED]);
          count++;
        }
      });
      yield* sleep(now() + 1);
      stubborn.cancel();
      const endMs = soon();
      while (!stubborn.isEnded && now() < endMs) yield* sleep(now() + 1);
      expect(stubborn.isEnded).toBe(true);
      expect(count).toBeGreaterThan(100);
    });
  });

  it("closes its descriptor by blocking.close, with a reset", async () => {
    const { trace } = await simScene(function* (it) {
      const serving = yield* go(() => server(it, soon));
      const living = yield* go(function* () {
        const sockid = mtcp.socket(it.client, mtcp.AF_INET, mtcp.SOCK_STREAM, 0);
        const peer = mtcp.sockaddrIn(it.host, PORT);
        yield* blocking.connect(it.client, sockid, peer, SOCKADDR_IN_BYTES, soon());
        yield* blocking.read(it.client, sockid, new Uint8Array(1), 1, -1);
        expect(it.client.errno).toBe(mtcp.ECANCELED);
        expect(yield* blocking.close(it.client, sockid, -1)).toBe(-1);
        expect(mtcp.close(it.client, sockid)).toBe(-1);
        expect(it.client.errno).toBe(mtcp.EBADF);
      });
      yield* sleep(now() + 100);
      living.cancel();
      yield* serving.join(soon());
      expectEmpty(it);
    });
    expect(trace.some((line) => /client > .*RST/.test(line))).toBe(true);
  });
});
