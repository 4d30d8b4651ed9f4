// SPDX-License-Identifier: MIT
// What the socket tests share: a connected pair, expected failures, byte patterns, and the wait
// for what has been closed to come to its end on the wire.

import { expect } from "vitest";
import {
  type Context,
  type ErrorCode,
  isNetError,
  type NetError,
  now,
  type Operation,
  sleep,
  type TcpConnection,
  type TcpListener,
  tcp,
} from "../../../src/index.ts";
import { expectNothingLeft } from "../../../src/testing.ts";

/** Two contexts that can reach each other. */
export interface TwoEnds {
  readonly server: Context;
  readonly client: Context;
  /** How `connected` connects; missing: by TCP. Others have handles of the same calls. */
  readonly connected?: () => Operation<Pair>;
}

/** One test of the suite: it ends with nothing left in either context. */
export interface Scenario {
  readonly title: string;
  readonly body: (net: TwoEnds) => Operation<void>;
}

/** Names a scenario. */
export function scenario(title: string, body: Scenario["body"]): Scenario {
  return { title, body };
}

/** A connection with both of its handles, and the listener it came through. */
export interface Pair {
  readonly listener: TcpListener;
  readonly client: TcpConnection;
  readonly server: TcpConnection;
}

/** Far enough not to pass by accident on a real clock, near enough to fail a test that hangs. */
export const PATIENCE_MS = 8_000;

/** @returns a deadline that nothing healthy reaches */
export function soon(): number {
  return now() + PATIENCE_MS;
}

/** Bytes that differ by position, so that a shift or a swap shows. */
export function pattern(length: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(length);
  let x = (seed * 2_654_435_761) | 1;
  for (let i = 0; i < length; i++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    bytes[i] = x;
  }
  return bytes;
}

/** Compares byte for byte, fast, and says where they differ first. */
export function expectSame(actual: Uint8Array, expected: Uint8Array): void {
  if (Buffer.compare(actual, expected) === 0) return;
  expect(actual.length).toBe(expected.length);
  const at = actual.findIndex((byte, i) => byte !== expected[i]);
  expect.fail(`byte ${at} of ${expected.length} is ${actual[at]} instead of ${expected[at]}`);
}

/** Connects `client` to a new listener of `server`; the caller owns all three handles. */
export function* connected(net: TwoEnds): Operation<Pair> {
  if (net.connected !== undefined) return yield* net.connected();
  const listener = yield* tcp.listen({ port: 0, context: net.server });
  const { host, port } = listener.local;
  const client = yield* tcp.connect({ host, port, context: net.client }, soon());
  const server = yield* listener.accept(soon());
  return { listener, client, server };
}

/** Runs what must fail. @returns the NetError */
export function* failure(op: () => Operation<unknown>): Operation<NetError> {
  try {
    yield* op();
  } catch (error) {
    if (isNetError(error)) return error;
    throw error;
  }
  throw new Error("should have failed, and did not");
}

/** Runs what must fail with `code`. @returns the NetError */
export function* fails(code: ErrorCode, op: () => Operation<unknown>): Operation<NetError> {
  const error = yield* failure(op);
  expect(error.code).toBe(code);
  return error;
}

/** @returns the code that `op` fails with, "none" if it does not */
export function codeOf(op: () => unknown): string {
  try {
    op();
  } catch (error) {
    return isNetError(error) ? error.code : String(error);
  }
  return "none";
}

/** Reads to the end of the stream. */
export function* readAll(conn: TcpConnection, chunkBytes = 16_384): Operation<Uint8Array> {
  const parts: Uint8Array[] = [];
  for (;;) {
    const buf = new Uint8Array(chunkBytes);
    const n = yield* conn.recvSome(buf, soon());
    if (n === 0) return new Uint8Array(Buffer.concat(parts));
    parts.push(buf.subarray(0, n));
  }
}

/** Sends back all that comes, then closes. */
export function* echo(conn: TcpConnection): Operation<void> {
  const buf = new Uint8Array(16_384);
  for (let n = 0; (n = yield* conn.recvSome(buf, soon())) > 0; ) {
    yield* conn.send(buf.subarray(0, n), soon());
  }
  yield* conn.close(soon());
}

/** Waits until nothing is left in either context but TIME-WAIT. */
export function* settled(net: TwoEnds): Operation<void> {
  const endMs = soon();
  for (;;) {
    const isLeft = [net.server, net.client].some(
      (context) => context.leftovers().sockets > 0 || context.leftovers().listeners > 0,
    );
    if (!isLeft || now() > endMs) break;
    yield* sleep(now() + 2);
  }
  expectNothingLeft(net.server, net.client);
}
