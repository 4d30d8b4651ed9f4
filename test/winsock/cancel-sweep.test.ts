// SPDX-License-Identifier: MIT
// Lives in which every blocking call of Winsock waits, cancelled at each of their waits and ended
// by a deadline just before, at and just after each frame. Every time nothing may be left, and the
// peer must have seen the end of the connection.

import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  bundle,
  go,
  now,
  type Operation,
  sleep,
  withDeadline,
  withNetwork,
} from "../../src/index.ts";
import * as winsock from "../../src/winsock/index.ts";
import { allDescriptors } from "../../src/winsock/table.ts";
import { settled } from "../socket/support/helpers.ts";
import { type Scene, scene } from "../socket/support/sim.ts";
import { type CancelWatch, sweepCancellations } from "../support/cancel-watch.ts";
import { linger, listening, nobody, pattern, readAll, stream } from "./support/helpers.ts";

/** Long enough for what is under way, shorter than the intervals of SO_LINGER. */
const SETTLE_MS = 3_000;
const LINGER_S = 60;
const LARGE = pattern(700_000);

/** A call of the life has failed. */
class Stopped extends Error {
  readonly code: number;

  constructor(code: number) {
    super(`stopped by ${code}`);
    this.code = code;
  }
}

function must(result: number): number {
  if (result === winsock.SOCKET_ERROR) throw new Stopped(winsock.getLastError());
  return result;
}

/** What a life does, and what its peer does meanwhile. */
interface Life {
  readonly title: string;
  readonly life: (it: Scene, name: winsock.Sockaddr) => Operation<void>;
  /** How it ends with the peer: 0 for the end of the stream. */
  readonly peer: (s: number) => Operation<void>;
  /** True: the life is the listening side, the peer connects. */
  readonly isServer: boolean;
}

function* receiveAll(s: number): Operation<number> {
  const buf = new Uint8Array(50_000);
  let total = 0;
  for (let n = 0; (n = must(yield* winsock.recv(s, buf, buf.length, 0))) > 0; ) total += n;
  return total;
}

/** Gives back what it gets, then closes. */
function* echo(s: number): Operation<void> {
  const { bytes } = yield* readAll(s);
  yield* winsock.send(s, bytes, bytes.length, 0);
  yield* winsock.closesocket(s);
}

const LIVES: readonly Life[] = [
  ...[true, false].map((isLinger) => ({
    title: `connect, send, shutdown, recv, closesocket ${isLinger ? "that lingers" : ""}`,
    isServer: false,
    peer: echo,
    *life(it: Scene, name: winsock.Sockaddr) {
      const s = stream();
      if (isLinger) linger(s, LINGER_S);
      must(yield* withNetwork(it.client, () => winsock.connect(s, name)));
      must(yield* winsock.send(s, LARGE, LARGE.length, 0));
      must(winsock.shutdown(s, winsock.SD_SEND));
      expect(yield* receiveAll(s)).toBe(LARGE.length);
      must(yield* winsock.closesocket(s));
    },
  })),
  {
    title: "closesocket that lingers with much to send",
    isServer: false,
    peer: echo,
    *life(it, name) {
      const s = stream();
      linger(s, LINGER_S);
      must(yield* withNetwork(it.client, () => winsock.connect(s, name)));
      must(yield* winsock.send(s, LARGE, LARGE.length, 0));
      must(yield* winsock.closesocket(s));
    },
  },
  {
    title: "accept, recv with MSG_WAITALL, send",
    isServer: true,
    *peer(s) {
      yield* winsock.send(s, LARGE, LARGE.length, 0);
      yield* readAll(s);
      yield* winsock.closesocket(s);
    },
    *life(it) {
      const { s: listener } = yield* listening(it.server);
      const s = must(yield* winsock.accept(listener));
      const buf = new Uint8Array(LARGE.length);
      const got = must(yield* winsock.recv(s, buf, buf.length, winsock.MSG_WAITALL));
      // More than a buffer holds comes in parts when it is interrupted.
      if (got < buf.length) must(yield* winsock.recv(s, buf, 1, 0));
      must(yield* winsock.send(s, buf, buf.length, 0));
      linger(s, LINGER_S);
      must(yield* winsock.closesocket(s));
    },
  },
  {
    title: "overlapped sending and receiving",
    isServer: false,
    peer: echo,
    *life(it, name) {
      const s = stream();
      must(yield* withNetwork(it.client, () => winsock.connect(s, name)));
      const event = winsock.wsaCreateEvent();
      const sending = new winsock.Overlapped({ event });
      winsock.wsaSend(s, LARGE, 0, sending);
      yield* waitFor(event);
      if (sending.error !== 0) throw new Stopped(sending.error);
      must(winsock.shutdown(s, winsock.SD_SEND));
      const receiving = new winsock.Overlapped({ event });
      winsock.wsaRecv(s, new Uint8Array(LARGE.length), winsock.MSG_WAITALL, receiving);
      yield* waitFor(event);
      must(yield* winsock.closesocket(s));
    },
  },
];

function* waitFor(event: winsock.WsaEvent): Operation<void> {
  const wait = winsock.wsaWaitForMultipleEvents;
  if ((yield* wait([event], true, winsock.WSA_INFINITE)) === winsock.WSA_WAIT_FAILED) {
    throw new Stopped(winsock.getLastError());
  }
}

/** Runs a life beside its peer, and checks what must hold after its end. */
function played(
  { life, peer, isServer }: Life,
  play: (living: () => Operation<void>) => Operation<void>,
): Promise<{ trace: readonly string[] }> {
  return scene(function* (it) {
    const acting = yield* go(function* () {
      const home = yield* bundle();
      const { s: listener, name } = yield* listening(it.server);
      let hasSeenEnd = true;
      yield* home.go(function* () {
        const s = isServer ? yield* reach(it, listener) : yield* winsock.accept(listener);
        if (s === winsock.INVALID_SOCKET) return;
        hasSeenEnd = false;
        yield* peer(s);
        hasSeenEnd = true;
      });
      yield* play(() => life(it, name));
      yield* sleep(now() + SETTLE_MS);
      expect(hasSeenEnd).toBe(true);
      yield* home.close();
    });
    yield* acting.join(-1);
    expect(allDescriptors()).toHaveLength(0);
    yield* settled(it);
  });
}

/** Connects to the socket that a life listens on, once it does. */
function* reach(it: Scene, other: number): Operation<number> {
  yield* sleep(now() + 3);
  const found = allDescriptors().find(
    ({ core, handle }) => core.listener !== null && handle !== other,
  );
  const name = nobody();
  if (found === undefined || winsock.getsockname(found.handle, name) !== 0) {
    return winsock.INVALID_SOCKET;
  }
  const s = stream();
  const result = yield* withNetwork(it.client, () => winsock.connect(s, name));
  return result === 0 ? s : winsock.INVALID_SOCKET;
}

/** Runs a life; @returns the code that has stopped it, 0 if nothing has */
function* lived(life: () => Operation<void>): Operation<number> {
  try {
    yield* life();
    return 0;
  } catch (error) {
    if (error instanceof Stopped) return error.code;
    throw error;
  }
}

describe.each(LIVES)("$title", (each) => {
  beforeEach(() => void winsock.startup(0x0202));
  afterEach(() => void winsock.cleanup());

  it("leaves nothing when it is cancelled at any of its waits", async () => {
    const codes = new Set<number>();
    const waits = await sweepCancellations(async (watch: CancelWatch) => {
      await played(each, function* (life) {
        const living = yield* go(function* () {
          codes.add(yield* lived(life));
        });
        watch.handle = living;
        const endMs = now() + SETTLE_MS;
        while (!living.isEnded && now() < endMs) yield* sleep(now() + 1);
        expect(living.isEnded).toBe(true);
      });
    });
    expect(waits).toBeGreaterThan(1);
    expect([...codes].sort()).toEqual([0, winsock.WSAEINTR]);
  });

  it("leaves nothing when a deadline ends it at any moment", async () => {
    const { trace } = await played(each, function* (life) {
      expect(yield* (yield* go(() => lived(life))).join(-1)).toBe(0);
    });
    const frames = new Set(trace.map((line) => Number.parseFloat(line)));
    expect(frames.size).toBeGreaterThan(5);
    const codes = new Set<number>();
    for (const frame of frames) {
      for (const edge of [-0.001, 0, 0.001, 5]) {
        await played(each, function* (life) {
          const living = yield* go(() => withDeadline(frame + edge, () => lived(life)));
          codes.add(yield* living.join(now() + SETTLE_MS));
        });
      }
    }
    expect([...codes].sort()).toEqual([0, winsock.WSAETIMEDOUT]);
  });
});
