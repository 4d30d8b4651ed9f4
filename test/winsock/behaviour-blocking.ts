// SPDX-License-Identifier: MIT
// Calls that block: cancelled, ended by a deadline, by closesocket in another coroutine, by
// cleanup. Part of the suite in behaviour.ts.

import { expect } from "vitest";
import {
  go,
  now,
  type Operation,
  shield,
  sleep,
  withDeadline,
  withNetwork,
  yieldNow,
} from "../../src/index.ts";
import * as winsock from "../../src/winsock/index.ts";
import {
  blocked,
  connected,
  expectAll,
  expectStale,
  FLOOD_BYTES,
  fails,
  fill,
  good,
  linger,
  listening,
  nonBlocking,
  pattern,
  readAll,
  type Scenario,
  scenario,
  sendAll,
  soon,
  stream,
  type TwoEnds,
} from "./support/helpers.ts";

const FLOOD = pattern(FLOOD_BYTES);
/** More than a backlog of one lets in, whoever counts. */
const CROWD = 6;

/** A call that is going to block, on `s`. */
interface Staged {
  readonly s: number;
  readonly call: () => Operation<number>;
}

type Stage = (net: TwoEnds) => Operation<Staged>;

/** Each call that can block, in a place where it does. */
const CALLS: Readonly<Record<string, Stage>> = {
  *accept(net) {
    const { s } = yield* listening(net.server);
    return { s, call: () => winsock.accept(s) };
  },
  *connect(net) {
    // A full backlog answers nobody.
    const { name } = yield* listening(net.server, 1);
    yield* withNetwork(net.client, function* () {
      for (let i = 0; i < CROWD; i++) {
        const s = stream();
        nonBlocking(s);
        yield* winsock.connect(s, name);
        yield* sleep(now() + 5);
      }
    });
    const s = stream();
    return { s, call: () => withNetwork(net.client, () => winsock.connect(s, name)) };
  },
  *send(net) {
    const { client: s } = yield* connected(net);
    return { s, call: () => winsock.send(s, FLOOD, FLOOD.length, 0) };
  },
  *recv(net) {
    const { client: s } = yield* connected(net);
    return { s, call: () => winsock.recv(s, new Uint8Array(1), 1, 0) };
  },
  *"recv with MSG_WAITALL"(net) {
    const { client: s, server } = yield* connected(net);
    yield* sendAll(server, pattern(10));
    const buf = new Uint8Array(20);
    return { s, call: () => winsock.recv(s, buf, 20, winsock.MSG_WAITALL) };
  },
  *closesocket(net) {
    const { client: s } = yield* connected(net);
    yield* fill(s, FLOOD);
    linger(s, 100);
    return { s, call: () => winsock.closesocket(s) };
  },
};

function closedMeanwhile(name: string, stage: Stage): Scenario {
  return scenario(`closesocket ends ${name}: WSAEINTR, then WSAENOTSOCK`, function* (net) {
    const { s, call } = yield* stage(net);
    const first = yield* blocked(call);
    // Only one connect can wait on a socket.
    const second = name === "connect" ? first : yield* blocked(call);
    good(yield* winsock.closesocket(s));
    expect(yield* first.ended()).toEqual([winsock.SOCKET_ERROR, winsock.WSAEINTR]);
    expect(yield* second.ended()).toEqual([winsock.SOCKET_ERROR, winsock.WSAEINTR]);
    yield* expectStale(s);
  });
}

const EACH: readonly Scenario[] = Object.entries(CALLS).flatMap(([name, stage]) => [
  scenario(
    `${name}, cancelled: WSAEINTR, and so is every later call that may block`,
    function* (net) {
      const { call } = yield* stage(net);
      const codes: number[] = [];
      const running = yield* blocked(function* () {
        for (let i = 0; i < 2; i++) {
          expect(yield* call()).toBe(winsock.SOCKET_ERROR);
          codes.push(winsock.getLastError());
        }
        return 0;
      });
      running.cancel();
      yield* running.ended();
      const isClosed = name === "closesocket";
      expect(codes).toEqual([winsock.WSAEINTR, isClosed ? winsock.WSAENOTSOCK : winsock.WSAEINTR]);
    },
  ),

  scenario(`${name} in a coroutine that is cancelled already: WSAEINTR`, function* (net) {
    const { call } = yield* stage(net);
    let code = 0;
    const worker = yield* go(function* () {
      try {
        yield* sleep(-1);
      } finally {
        expect(yield* call()).toBe(winsock.SOCKET_ERROR);
        code = winsock.getLastError();
      }
    });
    yield* sleep(now() + 1);
    worker.cancel();
    yield* sleep(now() + 10);
    expect(code).toBe(winsock.WSAEINTR);
  }),

  scenario(`${name} past the deadline around it: WSAETIMEDOUT`, function* (net) {
    const { call } = yield* stage(net);
    yield* fails(winsock.WSAETIMEDOUT, withDeadline(now() + 40, call));
  }),

  scenario(`${name} in a shield past its deadline: WSAETIMEDOUT`, function* (net) {
    const { call } = yield* stage(net);
    yield* fails(winsock.WSAETIMEDOUT, shield(now() + 40, call));
  }),

  scenario(`cleanup ends ${name}: WSAEINTR`, function* (net) {
    const { call } = yield* stage(net);
    const running = yield* blocked(call);
    good(winsock.cleanup());
    expect(yield* running.ended()).toEqual([winsock.SOCKET_ERROR, winsock.WSAEINTR]);
    yield* fails(winsock.WSANOTINITIALISED, call());
    winsock.startup(0x0202);
  }),

  ...(name === "closesocket" ? [] : [closedMeanwhile(name, stage)]),
]);

/** Blocking calls. */
export const BLOCKING: readonly Scenario[] = [
  ...EACH,

  scenario("a cancelled recv, send or accept spoils nothing", function* (net) {
    const { s: listener, name } = yield* listening(net.server);
    const accepting = yield* blocked(() => winsock.accept(listener));
    accepting.cancel();
    yield* accepting.ended();
    const client = stream();
    good(yield* withNetwork(net.client, () => winsock.connect(client, name)));
    const server = good(yield* winsock.accept(listener));
    const receiving = yield* blocked(() => winsock.recv(server, new Uint8Array(9), 9, 8));
    yield* sendAll(client, pattern(5));
    yield* sleep(now() + 20);
    receiving.cancel();
    expect(yield* receiving.ended()).toEqual([winsock.SOCKET_ERROR, winsock.WSAEINTR]);
    good(winsock.shutdown(client, winsock.SD_SEND));
    expectAll(yield* readAll(server), pattern(5));
  }),

  scenario("what a cancelled recv leaves is for the next in the queue", function* (net) {
    const { client, server } = yield* connected(net);
    const whole = yield* blocked(() => winsock.recv(server, new Uint8Array(9), 9, 8));
    const part = yield* blocked(() => winsock.recv(server, new Uint8Array(9), 9, 0));
    yield* sendAll(client, pattern(5));
    yield* sleep(now() + 20);
    expect([whole.outcome(), part.outcome()]).toEqual([null, null]);
    whole.cancel();
    expect(yield* whole.ended()).toEqual([winsock.SOCKET_ERROR, winsock.WSAEINTR]);
    expect((yield* part.ended())[0]).toBe(5);
  }),

  scenario(
    "MSG_WAITALL of more than a buffer holds: what it has when it is cancelled",
    function* (net) {
      const { client, server } = yield* connected(net);
      const bytes = pattern(3_000_000);
      const buf = new Uint8Array(4_000_000);
      const receiving = yield* blocked(() => winsock.recv(server, buf, buf.length, 8));
      yield* sendAll(client, bytes);
      good(winsock.shutdown(client, winsock.SD_SEND));
      receiving.cancel();
      const [got] = yield* receiving.ended();
      expect(got).toBeGreaterThan(1_000_000);
      // Together with the rest it is all there was.
      const rest = yield* readAll(server);
      expectAll({ ...rest, bytes: Buffer.concat([buf.subarray(0, got), rest.bytes]) }, bytes);
    },
  ),

  scenario("a connect that was cancelled can be tried again", function* (net) {
    const { s, call } = yield* (CALLS["connect"] as Stage)(net);
    const connecting = yield* blocked(call);
    connecting.cancel();
    yield* connecting.ended();
    const { name } = yield* listening(net.server);
    good(yield* withNetwork(net.client, () => winsock.connect(s, name)));
  }),

  scenario("calls that never wait work in a cancelled coroutine", function* (net) {
    const { client, server } = yield* connected(net);
    yield* sendAll(client, pattern(10));
    const results: number[] = [];
    const worker = yield* go(function* () {
      try {
        yield* sleep(-1);
      } finally {
        results.push(winsock.shutdown(client, winsock.SD_SEND));
        results.push(yield* winsock.closesocket(client));
        const s = stream();
        results.push(yield* winsock.closesocket(s));
      }
    });
    yield* sleep(now() + 1);
    worker.cancel();
    expectAll(yield* readAll(server), pattern(10));
    expect(results).toEqual([0, 0, 0]);
  }),

  scenario("a call that has not begun when its socket is closed: WSAEINTR", function* (net) {
    const { client, server } = yield* connected(net);
    nonBlocking(server);
    // It has had its share of calls that need not wait: the next begins when others have run.
    const asking = yield* go(function* () {
      const buf = new Uint8Array(1);
      while ((yield* winsock.recv(server, buf, 1, 0)) !== 1) {
        const code = winsock.getLastError();
        if (code !== winsock.WSAEWOULDBLOCK) return code;
      }
      return 0;
    });
    yield* yieldNow();
    expect(asking.isEnded).toBe(false);
    good(yield* winsock.closesocket(server));
    expect(yield* asking.join(soon())).toBe(winsock.WSAEINTR);
    expectAll(yield* readAll(client), new Uint8Array(0));
  }),

  scenario(
    "a coroutine that only asks again lets others run, and can be cancelled",
    function* (net) {
      const { server } = yield* connected(net);
      nonBlocking(server);
      let asked = 0;
      const asking = yield* go(function* () {
        const buf = new Uint8Array(1);
        do {
          expect(yield* winsock.recv(server, buf, 1, 0)).toBe(winsock.SOCKET_ERROR);
          asked++;
        } while (winsock.getLastError() === winsock.WSAEWOULDBLOCK);
        return winsock.getLastError();
      });
      for (let i = 0; i < 4; i++) yield* yieldNow();
      expect(asking.isEnded).toBe(false);
      asking.cancel();
      expect(yield* asking.join(soon())).toBe(winsock.WSAEINTR);
      expect(asked).toBeGreaterThan(100);
    },
  ),
];
