// SPDX-License-Identifier: MIT
// epoll beyond what every network shows: errors, fairness, cost, and what it owes to pipes.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { choose, go, now, type Operation, sleep } from "../../src/index.ts";
import * as mtcp from "../../src/mtcp/index.ts";
import {
  bad,
  type Conf,
  connected,
  epoll,
  good,
  quiet,
  readyNow,
  type SimScene,
  say,
  simScene,
  soon,
  stream,
  watch,
} from "./support/scene.ts";

const { EPOLLIN, EPOLLOUT, EPOLLET, EPOLLONESHOT, EPOLLHUP } = mtcp;
const { EPOLL_CTL_ADD, EPOLL_CTL_MOD, EPOLL_CTL_DEL } = mtcp;

function inScene(op: (it: SimScene) => Operation<void>, conf: Conf = {}): Promise<unknown> {
  return simScene(op, { conf });
}

/** A pipe. */
interface Ends {
  readonly reader: number;
  readonly writer: number;
}

function pipe(mctx: mtcp.Mctx): Ends {
  const ends: number[] = [];
  good(mctx, mtcp.pipe(mctx, ends));
  return { reader: ends[0] as number, writer: ends[1] as number };
}

function write(mctx: mtcp.Mctx, sockid: number): void {
  expect(mtcp.write(mctx, sockid, new Uint8Array(1), 1)).toBe(1);
}

function readAll(mctx: mtcp.Mctx, sockid: number): void {
  expect(mtcp.read(mctx, sockid, new Uint8Array(100), 100)).toBeGreaterThan(0);
}

describe("errors", () => {
  it("of epollCreate and epollCreate1", () =>
    inScene(function* ({ client }) {
      for (const size of [0, -1, Number.NaN]) {
        bad(client, mtcp.epollCreate(client, size), mtcp.EINVAL);
      }
      bad(client, mtcp.epollCreate1(client, 1), mtcp.EINVAL);
      good(client, mtcp.epollCreate1(client, mtcp.EPOLL_CLOEXEC));
      yield* quiet(0);
    }));

  it("of epollCtl", () =>
    inScene(function* ({ server, client }) {
      const epid = epoll(client);
      const sockid = stream(client);
      const event = { events: EPOLLIN, data: 1 };
      const control = (ep: number, op: number, of: number, ev: typeof event | null): number =>
        mtcp.epollCtl(client, ep, op, of, ev);
      bad(client, control(-1, EPOLL_CTL_ADD, sockid, event), mtcp.EBADF);
      bad(client, control(epid, EPOLL_CTL_ADD, -1, event), mtcp.EBADF);
      bad(client, control(epid, EPOLL_CTL_ADD, stream(server), event), mtcp.EBADF);
      bad(client, control(sockid, EPOLL_CTL_ADD, sockid, event), mtcp.EINVAL);
      bad(client, control(epid, EPOLL_CTL_ADD, epid, event), mtcp.EINVAL);
      bad(client, control(epid, EPOLL_CTL_ADD, epoll(client), event), mtcp.EINVAL);
      bad(client, control(epid, 4, sockid, event), mtcp.EINVAL);
      bad(client, control(epid, EPOLL_CTL_ADD, sockid, null), mtcp.EINVAL);
      const EPOLLPRI = 2;
      const never = { events: EPOLLPRI, data: 1 };
      bad(client, control(epid, EPOLL_CTL_ADD, sockid, never), mtcp.EINVAL);
      bad(client, control(epid, EPOLL_CTL_MOD, sockid, event), mtcp.ENOENT);
      bad(client, control(epid, EPOLL_CTL_DEL, sockid, null), mtcp.ENOENT);
      good(client, control(epid, EPOLL_CTL_ADD, sockid, event));
      bad(client, control(epid, EPOLL_CTL_ADD, sockid, event), mtcp.EEXIST);
      bad(client, control(epid, EPOLL_CTL_MOD, sockid, null), mtcp.EINVAL);
      good(client, control(epid, EPOLL_CTL_DEL, sockid, null));
      bad(client, control(epid, EPOLL_CTL_DEL, sockid, null), mtcp.ENOENT);
      yield* quiet(0);
    }));

  it("of epollWait: a time-out is for the twin", () =>
    inScene(function* ({ client }) {
      const epid = epoll(client);
      bad(client, mtcp.epollWait(client, -1, [], 1, 0), mtcp.EBADF);
      bad(client, mtcp.epollWait(client, stream(client), [], 1, 0), mtcp.EINVAL);
      bad(client, mtcp.epollWait(client, epid, null, 1, 0), mtcp.EFAULT);
      for (const most of [0, -1, 1.5]) {
        bad(client, mtcp.epollWait(client, epid, [], most, 0), mtcp.EINVAL);
      }
      for (const timeout of [-1, 1, 1_000]) {
        bad(client, mtcp.epollWait(client, epid, [], 1, timeout), mtcp.EINVAL);
      }
      expect(mtcp.epollWait(client, epid, [], 1, 0)).toBe(0);
      for (const wrong of [0, -1]) {
        const twin = mtcp.blocking.epollWait(client, epid, [], wrong, soon());
        bad(client, yield* twin, mtcp.EINVAL);
      }
    }));
});

describe("what is told", () => {
  it("fills in the objects that are there, and leaves the rest alone", () =>
    inScene(function* ({ client }) {
      const epid = epoll(client);
      const { reader, writer } = pipe(client);
      watch(client, epid, reader, EPOLLIN);
      write(client, writer);
      const first = { events: 0, data: 0 };
      const second = { events: 7, data: 7 };
      const events = [first, second];
      expect(mtcp.epollWait(client, epid, events, 8, 0)).toBe(1);
      expect(events).toEqual([
        { events: EPOLLIN, data: reader },
        { events: 7, data: 7 },
      ]);
      expect(events[0]).toBe(first);
      yield* quiet(0);
    }));

  it("gives each its turn when there is room for few", () =>
    inScene(function* ({ client }) {
      const epid = epoll(client);
      const pipes = [pipe(client), pipe(client), pipe(client), pipe(client), pipe(client)];
      for (const { reader, writer } of pipes) {
        watch(client, epid, reader, EPOLLIN);
        write(client, writer);
      }
      const told: number[] = [];
      for (let i = 0; i < 5; i++) told.push(...readyNow(client, epid, 2).map(([data]) => data));
      const readers = pipes.map(({ reader }) => reader);
      expect(told).toEqual([...readers, ...readers]);
      yield* quiet(0);
    }));

  it("EPOLL_CTL_MOD changes what is wanted and the data, for level and edge", () =>
    inScene(function* ({ client }) {
      const epid = epoll(client);
      const { reader, writer } = pipe(client);
      watch(client, epid, writer, EPOLLOUT);
      const change = (events: number, data: number): number =>
        mtcp.epollCtl(client, epid, EPOLL_CTL_MOD, writer, { events, data });
      good(client, change(EPOLLOUT | EPOLLET, 5));
      expect(readyNow(client, epid)).toEqual([[5, EPOLLOUT]]);
      expect(readyNow(client, epid)).toEqual([]);
      good(client, change(EPOLLIN, 6));
      expect(readyNow(client, epid)).toEqual([]);
      good(client, change(0, 7));
      good(client, mtcp.close(client, reader));
      expect(readyNow(client, epid)).toEqual([[7, mtcp.EPOLLERR]]);
      yield* quiet(0);
    }));

  it("one-shot is silent about errors too, until it is armed again", () =>
    inScene(function* ({ client }) {
      const epid = epoll(client);
      const { reader, writer } = pipe(client);
      watch(client, epid, reader, EPOLLIN | EPOLLONESHOT);
      write(client, writer);
      expect(readyNow(client, epid)).toEqual([[reader, EPOLLIN]]);
      good(client, mtcp.close(client, writer));
      expect(readyNow(client, epid)).toEqual([]);
      const event = { events: EPOLLIN | EPOLLONESHOT, data: 3 };
      good(client, mtcp.epollCtl(client, epid, EPOLL_CTL_MOD, reader, event));
      expect(readyNow(client, epid)).toEqual([[3, EPOLLIN | EPOLLHUP]]);
      yield* quiet(0);
    }));

  it("level: a write that fills the buffer to the last byte, and then there is room", () =>
    inScene(
      function* (it) {
        const { client } = it;
        const { dialed } = yield* connected(it);
        const epid = epoll(client);
        watch(client, epid, dialed, EPOLLOUT);
        expect(mtcp.write(client, dialed, new Uint8Array(64), 64)).toBe(64);
        expect(readyNow(client, epid)).toEqual([]);
        yield* quiet();
        expect(readyNow(client, epid)).toEqual([[dialed, EPOLLOUT]]);
      },
      { sndbuf: 64 },
    ));

  it("a socket that is neither connected nor connecting is not ready for anything", () =>
    inScene(function* ({ client }) {
      const epid = epoll(client);
      watch(client, epid, stream(client), EPOLLIN | EPOLLOUT);
      yield* quiet();
      expect(readyNow(client, epid)).toEqual([]);
    }));

  it("wakes several coroutines that wait in one instance", () =>
    inScene(function* ({ client }) {
      const epid = epoll(client);
      const pipes = [pipe(client), pipe(client), pipe(client)];
      for (const { reader } of pipes) watch(client, epid, reader, EPOLLIN | EPOLLET);
      const told: unknown[] = [];
      const waiting = [];
      for (let i = 0; i < 3; i++) {
        waiting.push(
          yield* go(function* () {
            const events: mtcp.EpollEvent[] = [];
            good(client, yield* mtcp.blocking.epollWait(client, epid, events, 1, soon()));
            told.push(events[0]?.data);
          }),
        );
      }
      yield* quiet(1);
      for (const { writer } of pipes) write(client, writer);
      for (const each of waiting) yield* each.join(soon());
      expect(new Set(told)).toEqual(new Set(pipes.map(({ reader }) => reader)));
    }));

  it("is a clause of choose", () =>
    inScene(function* ({ client }) {
      const epid = epoll(client);
      const { reader, writer } = pipe(client);
      watch(client, epid, reader, EPOLLIN | EPOLLET);
      const wait = () => mtcp.blocking.epollWait(client, epid, [], 4);
      expect((yield* choose([wait(), sleep(now() + 5)])).index).toBe(1);
      write(client, writer);
      expect(yield* choose([wait(), sleep(now() + 5)])).toEqual({ index: 0, value: 1 });
    }));
});

describe("cost", () => {
  it("asks only what may be ready, however much is watched", () =>
    inScene(
      function* ({ client }) {
        const epid = epoll(client);
        const pipes = Array.from({ length: 2_000 }, () => pipe(client));
        for (const { reader } of pipes) watch(client, epid, reader, EPOLLIN);
        let asked = 0;
        for (const { reader } of pipes) {
          const end = client.table.get(reader) as { readiness(): number };
          const real = end.readiness.bind(end);
          end.readiness = () => {
            asked++;
            return real();
          };
        }
        const { reader, writer } = pipes[1_000] as Ends;
        write(client, writer);
        for (let i = 0; i < 10; i++) {
          expect(readyNow(client, epid)).toEqual([[reader, EPOLLIN]]);
        }
        readAll(client, reader);
        expect(readyNow(client, epid)).toEqual([]);
        expect(readyNow(client, epid)).toEqual([]);
        expect(asked).toBe(11);
        yield* quiet(0);
      },
      { maxConcurrency: 5_000 },
    ));
});

describe("no event is lost", () => {
  it("level: what is told is what a naive model says", async () => {
    const steps = fc.array(fc.tuple(fc.nat(3), fc.constantFrom("write", "read", "wait")), {
      maxLength: 60,
    });
    await fc.assert(
      fc.asyncProperty(steps, (plan) =>
        inScene(function* ({ client }) {
          const epid = epoll(client);
          const pipes = [pipe(client), pipe(client), pipe(client), pipe(client)];
          const held = [0, 0, 0, 0];
          for (const { reader } of pipes) watch(client, epid, reader, EPOLLIN);
          for (const [i, what] of plan) {
            const { reader, writer } = pipes[i] as Ends;
            if (what === "write") {
              write(client, writer);
              held[i] = (held[i] as number) + 1;
            } else if (what === "read" && held[i] !== 0) {
              readAll(client, reader);
              held[i] = 0;
            }
            const told = new Set(readyNow(client, epid).map(([data]) => data));
            const full = pipes.filter((_, at) => held[at] !== 0).map((each) => each.reader);
            expect(told).toEqual(new Set(full));
          }
          yield* quiet(0);
        }).then(() => undefined),
      ),
      { numRuns: 30 },
    );
  });

  it("edge: a byte for each time it is told, over a lossy link", () =>
    simScene(
      function* (it) {
        const { server, client } = it;
        const { served, dialed } = yield* connected(it);
        const epid = epoll(server);
        watch(server, epid, served, EPOLLIN | EPOLLET);
        const total = 300;
        const writing = yield* go(function* () {
          for (let i = 0; i < total; i++) {
            yield* say(client, dialed, "x");
            yield* sleep(now() + (i % 7));
          }
        });
        let got = 0;
        const buf = new Uint8Array(1_000);
        while (got < total) {
          const waiting = mtcp.blocking.epollWait(server, epid, [], 4, now() + 60_000);
          expect(good(server, yield* waiting)).toBe(1);
          for (let n = 0; (n = mtcp.read(server, served, buf, buf.length)) > 0; ) got += n;
          expect(server.errno).toBe(mtcp.EAGAIN);
        }
        yield* writing.join(soon());
      },
      { server: { link: { loss: 0.2, delayMs: 3 } } },
    ));
});
