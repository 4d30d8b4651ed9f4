// SPDX-License-Identifier: MIT
// What the Winsock tests share: connected sockets, calls that must succeed or fail with a code, and
// what a peer has seen.

import { expect } from "vitest";
import { type Context, go, now, type Operation, sleep, withNetwork } from "../../../src/index.ts";
import * as winsock from "../../../src/winsock/index.ts";
import { soon, type TwoEnds } from "../../socket/support/helpers.ts";

export { pattern, soon, type TwoEnds } from "../../socket/support/helpers.ts";

/** More than the buffers of both ends hold, whatever network it is. */
export const FLOOD_BYTES = 16_000_000;

/** One test of the suite: it ends with nothing left in either context, and with Winsock unused. */
export interface Scenario {
  readonly title: string;
  readonly body: (net: TwoEnds) => Operation<void>;
}

/** Names a scenario. */
export function scenario(title: string, body: Scenario["body"]): Scenario {
  return { title, body };
}

/** A connection with both of its sockets, and the one it came through. */
export interface Sockets {
  readonly listener: number;
  readonly client: number;
  readonly server: number;
}

/** A call that must succeed. @returns what it returned */
export function good(result: number): number {
  if (result === winsock.SOCKET_ERROR) expect.fail(`failed with ${winsock.getLastError()}`);
  return result;
}

/** A plain call that must fail with `code`. */
export function bad(code: number, result: number): void {
  expect([result, winsock.getLastError()]).toEqual([winsock.SOCKET_ERROR, code]);
}

/** The same of a call that may block. */
export function* fails(code: number, op: Operation<number>): Operation<void> {
  winsock.setLastError(0);
  bad(code, yield* op);
}

/** A blocking stream socket. */
export function stream(): number {
  return good(winsock.socket(winsock.AF_INET, winsock.SOCK_STREAM, winsock.IPPROTO_TCP));
}

/** An address to be filled in. */
export function nobody(): winsock.Sockaddr {
  return { family: 0, port: 0, address: "" };
}

/** A listening socket of a context, and where it listens. */
export function* listening(
  context: Context,
  backlog = 5,
): Operation<{ s: number; name: winsock.Sockaddr }> {
  return yield* withNetwork(context, function* () {
    const s = stream();
    const { address } = context;
    good(winsock.bind(s, { family: winsock.AF_INET, port: 0, address }));
    good(winsock.listen(s, backlog));
    const name = nobody();
    good(winsock.getsockname(s, name));
    return { s, name };
  });
}

/** A new socket of a context, connected to `name`. */
export function* connecting(context: Context, name: winsock.Sockaddr): Operation<number> {
  const s = stream();
  good(yield* withNetwork(context, () => winsock.connect(s, name)));
  return s;
}

/** A connection; the caller owns all three sockets. */
export function* connected(net: TwoEnds): Operation<Sockets> {
  const { s: listener, name } = yield* listening(net.server);
  const client = yield* connecting(net.client, name);
  const server = good(yield* winsock.accept(listener));
  return { listener, client, server };
}

/** Makes a socket blocking or not. */
export function nonBlocking(s: number, isOn = true): void {
  good(winsock.ioctlsocket(s, winsock.FIONBIO, { value: isOn ? 1 : 0 }));
}

/** Sets SO_LINGER. */
export function linger(s: number, seconds: number): void {
  const optval = { onOff: 1, linger: seconds };
  good(winsock.setsockopt(s, winsock.SOL_SOCKET, winsock.SO_LINGER, optval));
}

/** Sets SO_DONTLINGER. */
export function dontLinger(s: number): void {
  good(winsock.setsockopt(s, winsock.SOL_SOCKET, winsock.SO_DONTLINGER, true));
}

/** Sends all of it. */
export function* sendAll(s: number, bytes: Uint8Array): Operation<void> {
  expect(good(yield* winsock.send(s, bytes, bytes.length, 0))).toBe(bytes.length);
}

/** Fills the buffers of both ends. @returns the bytes that were taken */
export function* fill(s: number, bytes: Uint8Array): Operation<number> {
  nonBlocking(s);
  let sent = 0;
  // Until nothing has moved for a while: the peer's buffer is full too.
  for (let idleMs = 0; idleMs < 60; ) {
    const rest = bytes.subarray(sent);
    const n = yield* winsock.send(s, rest, rest.length, 0);
    if (n > 0) {
      sent += n;
      idleMs = 0;
    } else {
      expect(winsock.getLastError()).toBe(winsock.WSAEWOULDBLOCK);
      yield* sleep(now() + 5);
      idleMs += 5;
    }
  }
  nonBlocking(s, false);
  return sent;
}

/** What a peer has seen: all bytes, and 0 for the end of the stream or the code of a failure. */
export interface Seen {
  readonly bytes: Uint8Array;
  readonly end: number;
}

/** Receives to the end, whichever it is. */
export function* readAll(s: number): Operation<Seen> {
  const parts: Uint8Array[] = [];
  for (;;) {
    const buf = new Uint8Array(16_384);
    const n = yield* winsock.recv(s, buf, buf.length, 0);
    if (n > 0) parts.push(buf.subarray(0, n));
    else {
      const end = n === 0 ? 0 : winsock.getLastError();
      return { bytes: new Uint8Array(Buffer.concat(parts)), end };
    }
  }
}

/** Every byte and then the end of the stream. */
export function expectAll(seen: Seen, bytes: Uint8Array): void {
  expect([seen.bytes.length, seen.end]).toEqual([bytes.length, 0]);
  expect(Buffer.compare(seen.bytes, bytes)).toBe(0);
}

/** A number of a closed socket, in every call. */
export function* expectStale(s: number): Operation<void> {
  const buf = new Uint8Array(1);
  const name = { family: winsock.AF_INET, port: 1, address: "127.0.0.1" };
  const overlapped = new winsock.Overlapped();
  const { WSAENOTSOCK } = winsock;
  bad(WSAENOTSOCK, winsock.bind(s, name));
  bad(WSAENOTSOCK, winsock.listen(s, 1));
  yield* fails(WSAENOTSOCK, winsock.accept(s));
  yield* fails(WSAENOTSOCK, winsock.connect(s, name));
  yield* fails(WSAENOTSOCK, winsock.send(s, buf, 1, 0));
  yield* fails(WSAENOTSOCK, winsock.recv(s, buf, 1, 0));
  bad(WSAENOTSOCK, winsock.wsaSend(s, buf, 0, overlapped));
  bad(WSAENOTSOCK, winsock.wsaRecv(s, buf, 0, overlapped));
  bad(WSAENOTSOCK, winsock.wsaGetOverlappedResult(s, overlapped));
  bad(WSAENOTSOCK, winsock.shutdown(s, winsock.SD_BOTH));
  bad(WSAENOTSOCK, winsock.setsockopt(s, winsock.SOL_SOCKET, winsock.SO_DONTLINGER, true));
  bad(WSAENOTSOCK, winsock.getsockopt(s, winsock.SOL_SOCKET, winsock.SO_ERROR, { value: 0 }));
  bad(WSAENOTSOCK, winsock.ioctlsocket(s, winsock.FIONBIO, { value: 1 }));
  bad(WSAENOTSOCK, winsock.duplicateSocket(s));
  bad(WSAENOTSOCK, winsock.getsockname(s, nobody()));
  bad(WSAENOTSOCK, winsock.getpeername(s, nobody()));
  yield* fails(WSAENOTSOCK, winsock.closesocket(s));
}

/** A call that must block: what it returns and why, once it has ended. */
export interface Blocked {
  /** Null while it blocks. */
  readonly outcome: () => readonly [number, number] | null;
  readonly cancel: () => void;
  /** Waits for it. */
  readonly ended: () => Operation<readonly [number, number]>;
}

/** Starts a call in a coroutine of its own; it must block. */
export function* blocked(op: () => Operation<number>): Operation<Blocked> {
  let outcome: readonly [number, number] | null = null;
  const handle = yield* go(function* () {
    const result = yield* op();
    outcome = [result, winsock.getLastError()];
  });
  yield* sleep(now() + 20);
  expect(outcome).toBe(null);
  return {
    outcome: () => outcome,
    cancel: () => handle.cancel(),
    *ended() {
      const endMs = soon();
      while (outcome === null && now() < endMs) yield* sleep(now() + 1);
      expect(outcome).not.toBe(null);
      return outcome as unknown as readonly [number, number];
    },
  };
}
