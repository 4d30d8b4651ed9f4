// SPDX-License-Identifier: MIT
// A simulated server and client, and what the wire showed.

import { expect } from "vitest";
import {
  currentLoop,
  go,
  now,
  type Operation,
  type StackContext,
  sleep,
  type TcpConnection,
  tcp,
} from "../../../src/index.ts";
import {
  type HostOptions,
  type LinkConditions,
  type SimHost,
  type SimNetwork,
  type Simulation,
  simulate,
} from "../../../src/testing.ts";
import { connected } from "./helpers.ts";

/** One way over the two links of a scene, ms. */
export const ONE_WAY_MS = 10;

/** A server and a client in one simulated network. */
export interface Scene {
  readonly net: SimNetwork;
  readonly serverHost: SimHost;
  readonly clientHost: SimHost;
  readonly server: StackContext;
  readonly client: StackContext;
}

/** How a scene differs from two healthy hosts 10 ms apart. */
export interface SceneOptions {
  readonly seed?: number | string;
  readonly link?: LinkConditions;
  readonly server?: HostOptions;
  readonly client?: HostOptions;
}

/** Runs a test on two hosts 10 ms apart; it fails on leftovers. */
export function scene<T>(
  op: (scene: Scene) => Operation<T>,
  options: SceneOptions = {},
): Promise<Simulation<T>> {
  const link = { delayMs: ONE_WAY_MS / 2, ...options.link };
  return simulate(options.seed ?? 1, function* (net) {
    const serverHost = net.host("server", { link, ...options.server });
    const clientHost = net.host("client", { link, ...options.client });
    const { context: server } = serverHost;
    const { context: client } = clientHost;
    // A coroutine of its own, so that what the test leaves open is reset before the check.
    const body = yield* go(() => op({ net, serverHost, clientHost, server, client }));
    return yield* body.join(-1);
  });
}

/** The same with a connection, which the test owns. */
export function connectedScene<T>(
  op: (scene: Scene & Handles) => Operation<T>,
  options: SceneOptions = {},
): Promise<Simulation<T>> {
  return scene(function* (it) {
    const { client, server } = yield* connected(it);
    return yield* op({ ...it, conn: client, peer: server });
  }, options);
}

/** Both handles of a connection. */
export interface Handles {
  /** The client's. */
  readonly conn: TcpConnection;
  /** The server's. */
  readonly peer: TcpConnection;
}

/** Cuts the client off, both ways. */
export function cut({ net, clientHost, serverHost }: Scene): void {
  net.partition([clientHost], [serverHost]);
}

/** Undoes `cut`. */
export function heal({ net, clientHost, serverHost }: Scene): void {
  net.repair([clientHost], [serverHost]);
}

/** @returns lines of the trace that a host sent, whatever became of them */
export function sentBy(trace: readonly string[], host: string): string[] {
  return trace.filter((line) => line.includes(`${host} > `));
}

/** @returns the flags of each TCP segment that a host sent */
export function flagsBy(trace: readonly string[], host: string): string[] {
  return sentBy(trace, host)
    .map((line) => /\[(.*?)\]/.exec(line)?.[1])
    .filter((flags) => flags !== undefined);
}

/** Nothing of a connection is left in these contexts, not even TIME-WAIT; listeners may be. */
export function expectGone(...contexts: readonly StackContext[]): void {
  for (const context of contexts) {
    const { listeners, ...left } = context.leftovers();
    expect(left).toEqual({ sockets: 0, timeWait: 0, bufferedBytes: 0, timers: 0 });
    expect(listeners).toBeLessThan(3);
  }
}

/** Coroutines alive, the caller included. */
export function coroutines(): number {
  return currentLoop().leftovers().coroutines;
}

/** Lets frames under way arrive. */
export function* quiet(ms = 100): Operation<void> {
  yield* sleep(now() + ms);
}

/** Connects from the client to a port of the server. */
export function connectTo(it: Scene, port: number, deadline?: number): Operation<TcpConnection> {
  return tcp.connect({ host: it.serverHost.address, port, context: it.client }, deadline);
}
