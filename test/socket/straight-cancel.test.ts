// SPDX-License-Identifier: MIT
// Whoever waits for bytes is cancelled, halted, or overtaken by a deadline at each frame that
// arrives: before the stack has seen it, and after. What it was told it has, and what the next
// reader gets, must be the stream, each byte once.

import { run as runTask } from "effection";
import { describe, expect, it } from "vitest";
import {
  choose,
  currentLoop,
  go,
  isNetError,
  now,
  type Operation,
  sleep,
  type TcpConnection,
  withDeadline,
} from "../../src/index.ts";
import { Random } from "../../src/testing.ts";
import { expectSame, pattern, readAll, soon } from "./support/helpers.ts";
import { connectedScene, type Handles, type Scene } from "./support/sim.ts";

/** How somebody reads: puts what it was told it has into `got`, until it is stopped. */
type Reader = (conn: TcpConnection, got: Uint8Array[]) => Operation<void>;

/** What a call that failed has taken counts too. */
function* taking(
  buf: Uint8Array,
  got: Uint8Array[],
  call: () => Operation<unknown>,
): Operation<boolean> {
  try {
    const taken = yield* call();
    got.push(buf.slice(0, typeof taken === "number" ? taken : buf.length));
    return taken !== 0;
  } catch (error) {
    const { bytesReceived = 0 } = error as { bytesReceived?: number };
    got.push(buf.slice(0, bytesReceived));
    if (isNetError(error, "EPIPE")) return false;
    throw error;
  }
}

function recvOf(bytes: number): Reader {
  return function* (conn, got) {
    const buf = new Uint8Array(bytes);
    while (yield* taking(buf, got, () => conn.recv(buf)));
  };
}

function recvSomeOf(bytes: number): Reader {
  return function* (conn, got) {
    const buf = new Uint8Array(bytes);
    while (yield* taking(buf, got, () => conn.recvSome(buf)));
  };
}

const READERS: Record<string, Reader> = {
  "recv of all": recvOf(6_000),
  "recv of 1,000": recvOf(1_000),
  "recv of 7": recvOf(7),
  "recvSome of 10,000": recvSomeOf(10_000),
  "recvSome of 100": recvSomeOf(100),
  *"readable and consume"(conn, got) {
    while ((yield* conn.readable()) > 0) {
      const bytes = conn.peek();
      const count = Math.min(bytes.length, 333);
      got.push(bytes.slice(0, count));
      conn.consume(count);
    }
  },
  *"a clause of choose"(conn, got) {
    const buf = new Uint8Array(400);
    for (;;) {
      const { value } = yield* choose([conn.recvSome(buf), sleep(-1)] as const);
      if (value === 0) return;
      got.push(buf.slice(0, value as number));
    }
  },
  // Each call has a deadline of its own, which often passes.
  *"recv with deadlines"(conn, got) {
    const buf = new Uint8Array(900);
    for (;;) {
      const untilMs = now() + 3;
      try {
        if (!(yield* taking(buf, got, () => conn.recv(buf, untilMs)))) return;
      } catch (error) {
        if (!isNetError(error, "ETIMEDOUT") || now() < untilMs) throw error;
      }
    }
  },
};

/** Sends all in pieces of random lengths, at times several to a round, at times with pauses. */
function* sendAll(conn: TcpConnection, bytes: Uint8Array, random: Random): Operation<void> {
  for (let at = 0; at < bytes.length; ) {
    const end = Math.min(bytes.length, at + random.between(1, 1_400));
    yield* conn.send(bytes.subarray(at, end));
    if (random.chance(0.6)) yield* sleep(now() + random.between(0, 4));
    at = end;
  }
  conn.done();
}

/**
 * Calls `strike` at the k-th frame that reaches the server: before its stack sees it, or after.
 *
 * @param times - gets those at which frames came
 * @returns to be called at the end; says how many frames came
 */
function atFrame(
  it: Scene,
  k: number,
  isBefore: boolean,
  strike: () => void,
  times: Set<number> = new Set(),
): () => number {
  const { driver } = it.serverHost;
  const loop = currentLoop();
  const poll = driver.poll.bind(driver);
  let frames = 0;
  let isStruck = false;
  const look = (): void => {
    if (frames < k || isStruck) return;
    isStruck = true;
    strike();
  };
  driver.poll = (nowMs) => {
    const count = poll(nowMs);
    frames += count;
    if (count > 0) times.add(nowMs);
    if (isBefore) look();
    return count;
  };
  // It comes after the host's own in every round, and before the coroutines.
  const poller = {
    name: "striker",
    isReal: false,
    poll: () => {
      look();
      return 0;
    },
    flush: () => {},
    armWake: () => true,
    disarmWake: () => {},
  };
  loop.addPoller(poller);
  return () => {
    loop.removePoller(poller);
    driver.poll = poll;
    return frames;
  };
}

/** Runs what may fail with `code`. */
function* unless(code: string, op: () => Operation<void>): Operation<void> {
  try {
    yield* op();
  } catch (error) {
    if (!isNetError(error) || error.code !== code) throw error;
  }
}

const SEEDS = [1, 2] as const;
/** Of even seeds. */
const LINK = { jitterMs: 2, reorder: 0.1, reorderMs: 4, loss: 0.03 } as const;

/** One stream of 6,000 bytes, read by `first` until it is stopped, then by another to its end. */
async function streamRead(
  seed: number,
  first: (it: Scene & Handles, got: Uint8Array[]) => Operation<() => number>,
): Promise<number> {
  const bytes = pattern(6_000, seed);
  const { result } = await connectedScene(
    function* (it) {
      const { conn, peer } = it;
      yield* go(() => sendAll(conn, bytes, new Random(`${seed}`).fork("sender")));
      const got: Uint8Array[] = [];
      const end = yield* first(it, got);
      got.push(yield* readAll(peer, 512));
      expectSame(new Uint8Array(Buffer.concat(got)), bytes);
      expect(peer.info().bytesReceived).toBe(bytes.length);
      return end();
    },
    { seed, link: seed % 2 === 0 ? LINK : {} },
  );
  return result;
}

/** Stops it at each frame in turn, until there are no more. */
async function atEachFrame(stopAt: (k: number) => Promise<number>): Promise<number> {
  for (let k = 1; ; k++) if ((await stopAt(k)) < k) return k - 1;
}

const NAMES = Object.keys(READERS);
/** A plain task that is halted cannot tell how far a receive had come: those that take at once. */
const AT_ONCE = NAMES.filter((name) => !name.startsWith("recv of") && !name.includes("deadlines"));

describe("each byte comes once, to a reader or to the next, when the first is stopped", () => {
  it.each(NAMES)("by a cancellation at any frame, in %s", async (name) => {
    const reader = READERS[name] as Reader;
    for (const isBefore of [true, false]) {
      for (const seed of SEEDS) {
        const frames = await atEachFrame((k) =>
          streamRead(seed, function* (it, got) {
            const reading = yield* go(() => unless("ECANCELED", () => reader(it.peer, got)));
            const frames = atFrame(it, k, isBefore, () => reading.cancel());
            yield* reading.join(soon());
            return frames;
          }),
        );
        expect(frames).toBeGreaterThan(6);
      }
    }
  });

  it.each(NAMES)("by a deadline at the time of any frame, in %s", async (name) => {
    const reader = READERS[name] as Reader;
    for (const seed of SEEDS) {
      const times = new Set<number>();
      await streamRead(seed, function* (it, got) {
        const end = atFrame(it, Number.POSITIVE_INFINITY, true, () => {}, times);
        yield* reader(it.peer, got);
        return end;
      });
      expect(times.size).toBeGreaterThan(4);
      for (const atMs of times) {
        await streamRead(seed, function* (it, got) {
          yield* unless("ETIMEDOUT", () => withDeadline(atMs, () => reader(it.peer, got)));
          return () => 0;
        });
      }
    }
  });

  it.each(AT_ONCE)("by the halt of a plain Effection task at any frame, in %s", async (name) => {
    const reader = READERS[name] as Reader;
    for (const isBefore of [true, false]) {
      for (const seed of SEEDS) {
        const frames = await atEachFrame((k) =>
          streamRead(seed, function* (it, got) {
            let isEnded = false;
            const task = runTask(function* () {
              try {
                yield* reader(it.peer, got);
              } finally {
                isEnded = true;
              }
            });
            // A halt begins once somebody asks for its outcome.
            const frames = atFrame(it, k, isBefore, () => void task.halt().then(() => {}));
            // A promise would be waited for while virtual time stands still.
            while (!isEnded) yield* sleep(now() + 1);
            return frames;
          }),
        );
        expect(frames).toBeGreaterThan(6);
      }
    }
  });
});
