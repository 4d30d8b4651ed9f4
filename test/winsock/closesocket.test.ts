// SPDX-License-Identifier: MIT
// closesocket to the millisecond and on the wire, row by row of its table. One way takes 10 ms.

import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Timer } from "../../scheduler/internal.ts";
import { currentLoop, go, now, type Operation, sleep, withDeadline } from "../../src/index.ts";
import * as winsock from "../../src/winsock/index.ts";
import { allDescriptors } from "../../src/winsock/table.ts";
import {
  cut,
  expectGone,
  flagsBy,
  ONE_WAY_MS,
  type Scene,
  type SceneOptions,
  scene,
} from "../socket/support/sim.ts";
import {
  connected,
  connecting,
  dontLinger,
  expectAll,
  FLOOD_BYTES,
  fails,
  fill,
  good,
  linger,
  listening,
  nonBlocking,
  pattern,
  readAll,
  sendAll,
  soon,
} from "./support/helpers.ts";

const ROUND_TRIP_MS = 2 * ONE_WAY_MS;
/** Of the default settings: how long a connection that nobody holds may take. */
const ORPHAN_MS = 60_000;

/** A connection of the client's to the server, and both hosts. */
interface Line extends Scene {
  /** The client's socket. */
  readonly s: number;
  /** The server's. */
  readonly peer: number;
}

/** Runs a test with a connection. @returns how often the client has said FIN, and RST */
async function onWire(
  op: (line: Line) => Operation<void>,
  options: SceneOptions = {},
): Promise<{ fins: number; resets: number }> {
  const { trace } = await scene(function* (it) {
    const { client, server } = yield* connected(it);
    yield* op({ ...it, s: client, peer: server });
  }, options);
  const flags = flagsBy(trace, "client");
  return {
    fins: flags.filter((each) => each.includes("FIN")).length,
    resets: flags.filter((each) => each.includes("RST")).length,
  };
}

/** Closes `s`. @returns the result, why, and how long it took */
function* timed(s: number): Operation<{ result: number; code: number; tookMs: number }> {
  const startMs = now();
  winsock.setLastError(0);
  const result = yield* winsock.closesocket(s);
  return { result, code: winsock.getLastError(), tookMs: now() - startMs };
}

const DONE = { result: 0, code: 0 };

beforeEach(() => void winsock.startup(0x0202));
afterEach(() => void winsock.cleanup());

describe("SO_DONTLINGER", () => {
  it("returns at once; bytes, FIN and TIME-WAIT follow in the background, no RST", async () => {
    const seen = await onWire(function* ({ s, peer, client, server }) {
      yield* sendAll(s, pattern(200_000));
      expect(yield* timed(s)).toEqual({ ...DONE, tookMs: 0 });
      expectAll(yield* readAll(peer), pattern(200_000));
      good(yield* winsock.closesocket(peer));
      yield* sleep(now() + 100);
      expect(client.leftovers()).toMatchObject({ sockets: 0, timeWait: 1, bufferedBytes: 0 });
      expectGone(server);
    });
    expect(seen).toEqual({ fins: 1, resets: 0 });
  });

  it("goes on for as long as a connection that nobody holds may, then it is reset", async () => {
    const seen = await onWire(function* (line) {
      const { s, client } = line;
      yield* sendAll(s, pattern(1_000));
      cut(line);
      good(yield* winsock.closesocket(s));
      yield* sleep(now() + ORPHAN_MS - 10);
      expect(client.leftovers().sockets).toBe(1);
      yield* sleep(now() + 20);
      expectGone(client);
    });
    expect(seen.resets).toBe(1);
  });
});

describe("SO_LINGER with interval 0", () => {
  it("resets at once: one RST and no FIN, nothing left here", async () => {
    const seen = await onWire(function* ({ s, peer, client }) {
      yield* sendAll(s, pattern(200_000));
      linger(s, 0);
      expect(yield* timed(s)).toEqual({ ...DONE, tookMs: 0 });
      expectGone(client);
      expect((yield* readAll(peer)).end).toBe(winsock.WSAECONNRESET);
    });
    expect(seen).toEqual({ fins: 0, resets: 1 });
  });

  it("is what it is on a socket that waits for the peer's end after shutdown", async () => {
    const seen = await onWire(function* ({ s, client }) {
      good(winsock.shutdown(s, winsock.SD_SEND));
      yield* sleep(now() + 100);
      linger(s, 0);
      good(yield* winsock.closesocket(s));
      expectGone(client);
    });
    expect(seen).toEqual({ fins: 1, resets: 1 });
  });
});

describe("SO_LINGER with an interval, blocking", () => {
  it("waits for the acknowledgement of the FIN: one round trip with nothing to send", async () => {
    const seen = await onWire(function* ({ s, peer }) {
      linger(s, 5);
      expect(yield* timed(s)).toEqual({ ...DONE, tookMs: ROUND_TRIP_MS });
      expectAll(yield* readAll(peer), new Uint8Array(0));
      good(yield* winsock.closesocket(peer));
    });
    expect(seen).toEqual({ fins: 1, resets: 0 });
  });

  it("waits for every byte: a reader that starts late delays it", async () => {
    await onWire(function* ({ s, peer }) {
      const bytes = pattern(FLOOD_BYTES);
      const sent = yield* fill(s, bytes);
      linger(s, 60);
      const reading = yield* go(function* () {
        yield* sleep(now() + 1_000);
        return yield* readAll(peer);
      });
      const { result, tookMs } = yield* timed(s);
      expect(result).toBe(0);
      expect(tookMs).toBeGreaterThan(1_000);
      expectAll(yield* reading.join(soon()), bytes.subarray(0, sent));
    });
  });

  it("resets when the interval ends, to the ms, before it returns 0", async () => {
    const seen = await onWire(function* ({ s, client }) {
      yield* fill(s, pattern(FLOOD_BYTES));
      linger(s, 2);
      expect(yield* timed(s)).toEqual({ ...DONE, tookMs: 2_000 });
      expectGone(client);
    });
    // The FIN never came to be sent: the bytes before it did not fit.
    expect(seen).toEqual({ fins: 0, resets: 1 });
  });

  it("is complete if the last acknowledgement comes as the interval ends", async () => {
    const seen = await onWire(
      function* ({ s, peer }) {
        linger(s, 2);
        expect(yield* timed(s)).toEqual({ ...DONE, tookMs: 2_000 });
        expectAll(yield* readAll(peer), new Uint8Array(0));
      },
      // Two links one way: 4 * 500 ms there and back.
      {
        link: { delayMs: 500 },
        client: { context: { tcp: { rtoMinMs: 3_000, rtoInitialMs: 3_000 } } },
      },
    );
    // The RST is that of the listening side, not ours.
    expect(seen).toEqual({ fins: 1, resets: 0 });
  });

  it("a deadline around it: WSAETIMEDOUT if it ends first, else the interval counts", async () => {
    for (const [boundMs, code, tookMs] of [
      [1_500, winsock.WSAETIMEDOUT, 1_500],
      [2_000, 0, 2_000],
      [2_500, 0, 2_000],
    ] as const) {
      const seen = await onWire(function* ({ s, client }) {
        yield* fill(s, pattern(FLOOD_BYTES));
        linger(s, 2);
        const outcome = yield* withDeadline(now() + boundMs, () => timed(s));
        expect(outcome).toEqual({ result: code === 0 ? 0 : -1, code, tookMs });
        expectGone(client);
      });
      expect(seen.resets).toBe(1);
    }
  });

  it("returns 0 when TCP gives the connection up before the interval ends", async () => {
    await onWire(
      function* (line) {
        const { s, client } = line;
        cut(line);
        linger(s, 60);
        const { result, code, tookMs } = yield* timed(s);
        expect([result, code]).toEqual([0, 0]);
        expect(tookMs).toBeLessThan(10_000);
        expectGone(client);
      },
      { client: { context: { tcp: { r2Ms: 5_000 } } } },
    );
  });

  it("waits for nothing when all was acknowledged after shutdown, and resets nothing", async () => {
    const seen = await onWire(function* ({ s, peer }) {
      yield* sendAll(s, pattern(1_000));
      good(winsock.shutdown(s, winsock.SD_SEND));
      yield* sleep(now() + 100);
      linger(s, 60);
      expect(yield* timed(s)).toEqual({ ...DONE, tookMs: 0 });
      expectAll(yield* readAll(peer), pattern(1_000));
      good(yield* winsock.closesocket(peer));
    });
    expect(seen).toEqual({ fins: 1, resets: 0 });
  });
});

describe("SO_LINGER with an interval, non-blocking", () => {
  it("sends nothing while it fails: the wire is quiet until SO_DONTLINGER", async () => {
    let fins = 0;
    const seen = await onWire(function* ({ s, peer, clientHost }) {
      clientHost.link.rule((frame) => {
        if (frame.fin || frame.rst) fins++;
      }, "client");
      nonBlocking(s);
      linger(s, 60);
      for (let i = 0; i < 5; i++) {
        yield* fails(winsock.WSAEWOULDBLOCK, winsock.closesocket(s));
        yield* sleep(now() + 1_000);
      }
      expect(fins).toBe(0);
      dontLinger(s);
      expect(yield* timed(s)).toEqual({ ...DONE, tookMs: 0 });
      expectAll(yield* readAll(peer), new Uint8Array(0));
      good(yield* winsock.closesocket(peer));
    });
    expect(seen).toEqual({ fins: 1, resets: 0 });
  });

  it("is closed hard by the end of its owner, linger or not", async () => {
    const seen = await onWire(function* ({ client, s }) {
      const owner = yield* go(function* () {
        const mine = good(winsock.duplicateSocket(s));
        good(yield* winsock.closesocket(s));
        nonBlocking(mine);
        linger(mine, 60);
        yield* fails(winsock.WSAEWOULDBLOCK, winsock.closesocket(mine));
      });
      yield* owner.join(soon());
      expectGone(client);
    });
    expect(seen).toEqual({ fins: 0, resets: 1 });
  });
});

describe("WSAENETDOWN", () => {
  it("when the device is gone, whatever SO_LINGER says; the socket is closed", async () => {
    for (const seconds of [null, 0, 60]) {
      await onWire(function* ({ s, clientHost, client }) {
        if (seconds !== null) linger(s, seconds);
        clientHost.context.stack.fail(-100);
        expect(client.isOpen).toBe(false);
        const { result, code, tookMs } = yield* timed(s);
        expect([result, code, tookMs]).toEqual([-1, winsock.WSAENETDOWN, 0]);
        yield* fails(winsock.WSAENOTSOCK, winsock.closesocket(s));
        expectGone(client);
      });
    }
  });
});

/** Beyond what the test lasts. */
const NEVER_MS = 1_000_000;

/** Closes a descriptor between the arrival of frames and the next step of any coroutine. */
class Closer extends Timer {
  readonly #s: number;

  constructor(s: number) {
    super();
    this.#s = s;
  }

  override fire(): void {
    const found = allDescriptors().find(({ handle }) => handle === this.#s);
    found?.close(false);
  }
}

describe("accept", () => {
  /** Two accepts wait; the first one's descriptor is closed at `closeAtMs`. */
  function* accepted(it: Scene, closeAtMs: number): Operation<number> {
    const { s, name } = yield* listening(it.server);
    const other = good(winsock.duplicateSocket(s));
    const first = yield* go(() => winsock.accept(s));
    const second = yield* go(function* () {
      const mine = yield* winsock.accept(other);
      return mine === winsock.INVALID_SOCKET ? 0 : now();
    });
    yield* sleep(now() + 1);
    const closer = new Closer(s);
    const { timers } = currentLoop();
    timers.arm(closer, closeAtMs);
    yield* go(function* () {
      yield* connecting(it.client, name);
      yield* sleep(-1);
    });
    const firstResult = yield* first.join(soon());
    timers.cancel(closer);
    if (closeAtMs === NEVER_MS) return good(firstResult) > 0 ? now() : 0;
    expect(firstResult).toBe(winsock.INVALID_SOCKET);
    return yield* second.join(soon());
  }

  it("passes a connection on whose descriptor is closed in the moment it comes", async () => {
    // When it comes, from a run in which nobody closes anything.
    const { result: comesAtMs } = await scene((it) => accepted(it, NEVER_MS));
    const { result: passedOnAtMs } = await scene((it) => accepted(it, comesAtMs));
    expect(passedOnAtMs).toBe(comesAtMs);
  });
});
