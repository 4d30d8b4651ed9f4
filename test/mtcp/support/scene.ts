// SPDX-License-Identifier: MIT
// What the tests of caraway/mtcp share: two contexts on two networks that reach each other, and
// ways to say what a call must answer.

import { expect } from "vitest";
import { codeOf } from "../../../scheduler/internal.ts";
import {
  type Context,
  go,
  now,
  type Operation,
  type StackContext,
  sleep,
} from "../../../src/index.ts";
import * as mtcp from "../../../src/mtcp/index.ts";
import {
  type HostOptions,
  type SimHost,
  type SimNetwork,
  type Simulation,
  simulate,
} from "../../../src/testing.ts";
import { settled } from "../../socket/support/helpers.ts";

export const SOCKADDR_IN_BYTES: number = mtcp.SOCKADDR_IN_BYTES;
export const INT_BYTES: number = mtcp.INT_BYTES;

/** Two networks. */
export interface Networks {
  readonly server: Context;
  readonly client: Context;
}

/** Two contexts, core 0 the server's, core 1 the client's. */
export interface Scene {
  readonly server: mtcp.Mctx;
  readonly client: mtcp.Mctx;
  /** The server's address. */
  readonly host: string;
  readonly networks: Networks;
}

/** Differs from the defaults of `init`. */
export type Conf = Partial<mtcp.MtcpConf>;

/** Far enough not to pass by accident, near enough to end a test that hangs. */
export function soon(): number {
  return now() + 8_000;
}

/** Runs a test with two contexts over two networks; nothing may be left in either. */
export function* withContexts(
  networks: Networks,
  conf: Conf,
  op: (it: Scene) => Operation<void>,
): Operation<void> {
  const network = (cpu: number): Context => (cpu === 0 ? networks.server : networks.client);
  // A coroutine of its own: its end destroys the contexts before the check for leftovers.
  const running = yield* go(function* () {
    expect(mtcp.init({ numCores: 2, network, ...conf })).toBe(0);
    const server = mtcp.createContext(0) as mtcp.Mctx;
    const client = mtcp.createContext(1) as mtcp.Mctx;
    yield* op({ server, client, host: networks.server.address, networks });
  });
  try {
    yield* running.join(-1);
  } finally {
    mtcp.destroy();
  }
  yield* settled(networks);
}

/** A simulated scene, with the hosts. */
export interface SimScene extends Scene {
  readonly net: SimNetwork;
  readonly serverHost: SimHost;
  readonly clientHost: SimHost;
  readonly serverStack: StackContext;
  readonly clientStack: StackContext;
}

/** How a simulated scene differs from two healthy hosts 10 ms apart. */
export interface SimOptions {
  readonly conf?: Conf;
  readonly server?: HostOptions;
  readonly client?: HostOptions;
}

/** Runs a test on two simulated hosts 10 ms apart. */
export function simScene(
  op: (it: SimScene) => Operation<void>,
  options: SimOptions = {},
): Promise<Simulation<void>> {
  return simulate(1, function* (net) {
    const link = { delayMs: 5 };
    const serverHost = net.host("server", { link, ...options.server });
    const clientHost = net.host("client", { link, ...options.client });
    const { context: serverStack } = serverHost;
    const { context: clientStack } = clientHost;
    const networks = { server: serverStack, client: clientStack };
    yield* withContexts(networks, options.conf ?? {}, (it) =>
      op({ ...it, net, serverHost, clientHost, serverStack, clientStack }),
    );
  });
}

/** @returns the result of a call that must not fail */
export function good(mctx: mtcp.Mctx, result: number): number {
  if (result < 0) expect.fail(`should have succeeded, failed with ${codeOf(mctx.errno)}`);
  return result;
}

/** Asserts that a call has failed for a reason, which both the context and the thread tell. */
export function bad(mctx: mtcp.Mctx, result: number, errno: number): void {
  expect([result, result < 0 ? codeOf(mctx.errno) : "success"]).toEqual([-1, codeOf(errno)]);
  expect(codeOf(mtcp.errno())).toBe(codeOf(errno));
}

/** @returns a new stream socket */
export function stream(mctx: mtcp.Mctx): number {
  return good(mctx, mtcp.socket(mctx, mtcp.AF_INET, mtcp.SOCK_STREAM, 0));
}

/** @returns a new epoll instance */
export function epoll(mctx: mtcp.Mctx): number {
  return good(mctx, mtcp.epollCreate(mctx, 1));
}

/** @returns a socket that listens, on any port unless one is given */
export function listening(mctx: mtcp.Mctx, port = 0, backlog = 16): number {
  const sockid = stream(mctx);
  if (port !== 0) good(mctx, bindTo(mctx, sockid, mtcp.INADDR_ANY, port));
  good(mctx, mtcp.listen(mctx, sockid, backlog));
  return sockid;
}

/** `bind`, short. */
export function bindTo(mctx: mtcp.Mctx, sockid: number, address: string, port: number): number {
  return mtcp.bind(mctx, sockid, mtcp.sockaddrIn(address, port), SOCKADDR_IN_BYTES);
}

/** `connect`, short. */
export function dial(mctx: mtcp.Mctx, sockid: number, host: string, port: number): number {
  return mtcp.connect(mctx, sockid, mtcp.sockaddrIn(host, port), SOCKADDR_IN_BYTES);
}

/** `blocking.connect`, short. */
export function dialing(
  mctx: mtcp.Mctx,
  sockid: number,
  host: string,
  port: number,
  deadline: number = soon(),
): Operation<number> {
  const addr = mtcp.sockaddrIn(host, port);
  return mtcp.blocking.connect(mctx, sockid, addr, SOCKADDR_IN_BYTES, deadline);
}

/** @returns our end of a socket */
export function nameOf(mctx: mtcp.Mctx, sockid: number): mtcp.SockaddrIn {
  const addr = mtcp.sockaddrIn();
  good(mctx, mtcp.getsockname(mctx, sockid, addr, { value: SOCKADDR_IN_BYTES }));
  return addr;
}

/** @returns an option that is an int */
export function option(mctx: mtcp.Mctx, sockid: number, name: number, level = 1): number {
  const ref = { value: -1 };
  good(mctx, mtcp.getsockopt(mctx, sockid, level, name, ref, { value: INT_BYTES }));
  return ref.value;
}

/** @returns the pending error of a socket, which is cleared */
export function soError(mctx: mtcp.Mctx, sockid: number): number {
  return option(mctx, sockid, mtcp.SO_ERROR);
}

/** Both ends of a connection, and the listener it came through. */
export interface Pair {
  readonly listener: number;
  /** Of the server's context. */
  readonly served: number;
  /** Of the client's context. */
  readonly dialed: number;
  readonly port: number;
}

/** Connects the client to the server. */
export function* connected({ server, client, host }: Scene): Operation<Pair> {
  const listener = listening(server);
  const { port } = nameOf(server, listener);
  const dialed = stream(client);
  good(client, yield* dialing(client, dialed, host, port));
  const accepting = mtcp.blocking.accept(server, listener, null, null, soon());
  return { listener, dialed, port, served: good(server, yield* accepting) };
}

/** @returns bytes of text */
export function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Writes all of a text. */
export function* say(mctx: mtcp.Mctx, sockid: number, text: string): Operation<void> {
  const bytes = bytesOf(text);
  const writing = mtcp.blocking.write(mctx, sockid, bytes, bytes.length, soon());
  expect(good(mctx, yield* writing)).toBe(bytes.length);
}

/** Waits for bytes. @returns what `read` answered, and the text */
export function* hear(mctx: mtcp.Mctx, sockid: number, length = 1_000): Operation<string> {
  const buf = new Uint8Array(length);
  const n = good(mctx, yield* mtcp.blocking.read(mctx, sockid, buf, length, soon()));
  return new TextDecoder().decode(buf.subarray(0, n));
}

/** Registers a socket under its own number. */
export function watch(mctx: mtcp.Mctx, epid: number, sockid: number, events: number): void {
  const event = { events, data: sockid };
  good(mctx, mtcp.epollCtl(mctx, epid, mtcp.EPOLL_CTL_ADD, sockid, event));
}

/** @returns what is ready now: data and events */
export function readyNow(mctx: mtcp.Mctx, epid: number, most = 64): [number, number][] {
  const events: mtcp.EpollEvent[] = [];
  const count = good(mctx, mtcp.epollWait(mctx, epid, events, most, 0));
  return pairsOf(events, count);
}

/** Waits for events. @returns data and events */
export function* ready(mctx: mtcp.Mctx, epid: number, most = 64): Operation<[number, number][]> {
  const events: mtcp.EpollEvent[] = [];
  const count = good(mctx, yield* mtcp.blocking.epollWait(mctx, epid, events, most, soon()));
  return pairsOf(events, count);
}

function pairsOf(events: readonly mtcp.EpollEvent[], count: number): [number, number][] {
  return events.slice(0, count).map(({ data, events: bits }) => [data, bits]);
}

/** Lets what is on its way arrive. */
export function* quiet(ms = 100): Operation<void> {
  yield* sleep(now() + ms);
}

/** One test of the suite. */
export interface Scenario {
  readonly title: string;
  readonly conf: Conf;
  readonly body: (it: Scene) => Operation<void>;
}

/** Names a scenario. */
export function scenario(title: string, body: Scenario["body"], conf: Conf = {}): Scenario {
  return { title, conf, body };
}
