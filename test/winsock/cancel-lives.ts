// SPDX-License-Identifier: MIT
// Lives in which every blocking call of Winsock waits, beside a peer, and what must hold once they
// have ended: for sweeps of cancellations and deadlines over any network.

import { expect } from "vitest";
import { bundle, now, type Operation, sleep, withNetwork } from "../../src/index.ts";
import * as winsock from "../../src/winsock/index.ts";
import { allDescriptors } from "../../src/winsock/table.ts";
import {
  linger,
  listening,
  nobody,
  pattern,
  readAll,
  type Seen,
  soon,
  stream,
  type TwoEnds,
} from "./support/helpers.ts";

const LINGER_S = 60;
const LARGE = pattern(700_000);
/** Long enough for what has been sent to arrive. */
const ARRIVAL_MS = 50;

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
export interface Life {
  readonly title: string;
  readonly life: (it: TwoEnds, name: winsock.Sockaddr) => Operation<void>;
  /** Gets LARGE, unless the life is stopped. @returns what it has seen */
  readonly peer: (s: number) => Operation<Seen>;
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
function* echo(s: number): Operation<Seen> {
  const seen = yield* readAll(s);
  yield* winsock.send(s, seen.bytes, seen.bytes.length, 0);
  yield* winsock.closesocket(s);
  return seen;
}

/** What was sent in part is sent on: who is interrupted there fails in the next call. */
function* sendLarge(s: number): Operation<void> {
  for (let sent = 0; sent < LARGE.length; ) {
    const rest = LARGE.subarray(sent);
    sent += must(yield* winsock.send(s, rest, rest.length, 0));
  }
}

/** Every blocking call of Winsock. */
export const LIVES: readonly Life[] = [
  ...[true, false].map((isLinger) => ({
    title: `connect, send, shutdown, recv, closesocket ${isLinger ? "that lingers" : ""}`,
    isServer: false,
    peer: echo,
    *life(it: TwoEnds, name: winsock.Sockaddr) {
      const s = stream();
      if (isLinger) linger(s, LINGER_S);
      must(yield* withNetwork(it.client, () => winsock.connect(s, name)));
      yield* sendLarge(s);
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
      yield* sendLarge(s);
      must(yield* winsock.closesocket(s));
    },
  },
  {
    title: "accept, recv with MSG_WAITALL, send",
    isServer: true,
    *peer(s) {
      yield* winsock.send(s, LARGE, LARGE.length, 0);
      const seen = yield* readAll(s);
      yield* winsock.closesocket(s);
      return seen;
    },
    *life(it) {
      const { s: listener } = yield* listening(it.server);
      const s = must(yield* winsock.accept(listener));
      const buf = new Uint8Array(LARGE.length);
      const got = must(yield* winsock.recv(s, buf, buf.length, winsock.MSG_WAITALL));
      // More than a buffer holds comes in parts when it is interrupted.
      if (got < buf.length) must(yield* winsock.recv(s, buf, 1, 0));
      yield* sendLarge(s);
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

/**
 * Runs a life beside its peer, and checks what must hold after its end: no descriptor is left but
 * the listener's, and a peer that was connected has seen every byte and the end, or a reset.
 *
 * @param play - runs the life to its end; what it runs tells the code that has stopped it
 */
export function* played(
  net: TwoEnds,
  { life, peer, isServer }: Life,
  play: (living: () => Operation<number>) => Operation<void>,
): Operation<void> {
  const home = yield* bundle();
  const { s: listener, name } = yield* listening(net.server);
  const seen: Seen[] = [];
  let isPlaying = false;
  let isComplete = false;
  const other = yield* home.go(function* () {
    const s = isServer ? yield* reach(net, listener) : yield* winsock.accept(listener);
    if (s === winsock.INVALID_SOCKET) return;
    isPlaying = true;
    seen.push(yield* peer(s));
    isPlaying = false;
  });
  yield* play(function* () {
    const code = yield* lived(() => life(net, name));
    isComplete = code === 0;
    return code;
  });
  yield* sleep(now() + ARRIVAL_MS);
  const endMs = soon();
  while (isPlaying && now() < endMs) yield* sleep(now() + 1);
  expect(isPlaying).toBe(false);
  if (isComplete) expect(seen).toHaveLength(1);
  for (const { bytes, end } of seen) {
    expect(isComplete ? [0] : [0, winsock.WSAECONNRESET]).toContain(end);
    if (end === 0) expect(Buffer.compare(bytes, LARGE)).toBe(0);
  }
  yield* home.close();
  expect(other.isEnded).toBe(true);
  yield* winsock.closesocket(listener);
  while (allDescriptors().length > 0 && now() < endMs) yield* sleep(now() + 1);
  expect(allDescriptors()).toHaveLength(0);
}

/** Connects to the socket that a life listens on, once it does. */
function* reach(it: TwoEnds, other: number): Operation<number> {
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
