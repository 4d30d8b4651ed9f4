// SPDX-License-Identifier: MIT
// Two stacks without a loop: a test moves time and frames by hand. For what must be fast, or must
// see every frame.

import { TimerWheel } from "../../../scheduler/internal.ts";
import { IpAddress, parsePrefix } from "../../../src/ip/address.ts";
import { createStack } from "../../../src/mctx/create.ts";
import type { Flow } from "../../../src/mctx/flow.ts";
import type { Limits } from "../../../src/mctx/limits.ts";
import type { ListenerRecord } from "../../../src/mctx/listener.ts";
import type { Stack } from "../../../src/mctx/stack.ts";
import { SimDriver, type SimDriverOptions } from "../../../src/testing.ts";
import { Random } from "../../tcp/support/random.ts";

/** A stack with its driver and timers. */
export interface Bench {
  readonly stack: Stack;
  readonly driver: SimDriver;
  readonly timers: TimerWheel;
  readonly address: IpAddress;
  readonly mac: Uint8Array;
  /** Frames it has sent; cleared by the test. */
  readonly sent: Uint8Array[];
}

/** How a bench stack differs from the default. */
export interface BenchOptions {
  readonly seed?: number;
  readonly driver?: SimDriverOptions;
  readonly limits?: Partial<Limits>;
  readonly tcp?: Parameters<typeof createStack>[0]["tcp"];
  readonly random?: (into: Uint8Array) => void;
}

/** Makes the stack of host 10.0.0.`host`. */
export function benchStack(host: number, options: BenchOptions = {}): Bench {
  const mac = Uint8Array.of(2, 0, 0, 0, 0, host);
  const driver = new SimDriver({
    rxSlots: 1024,
    txSlots: 1024,
    ...options.driver,
    macAddress: mac,
  });
  const sent: Uint8Array[] = [];
  driver.connect({
    receive: (bytes, offset, length) => sent.push(bytes.slice(offset, offset + length)),
  });
  const timers = new TimerWheel(0);
  const random = new Random(options.seed ?? host);
  const prefix = parsePrefix(`10.0.0.${host}/24`);
  if (prefix === null) throw new Error("no prefix");
  const stack = createStack({
    driver,
    prefix,
    gateway: null,
    macAddress: mac,
    random:
      options.random ??
      ((into) => {
        for (let i = 0; i < into.length; i++) into[i] = random.int32();
      }),
    timers,
    limits: options.limits ?? {},
    tcp: options.tcp ?? {},
    neighbours: {},
    reassembly: {},
  });
  return { stack, driver, timers, address: prefix.address, mac, sent };
}

/** One round at `nowMs`. */
export function round(bench: Bench, nowMs: number): void {
  bench.stack.poll(nowMs);
  bench.timers.advance(nowMs);
  bench.stack.flush(nowMs);
  // The frames of this round leave at once, not with the next frames in.
  if (bench.stack.hasWork) bench.stack.poll(nowMs);
}

/** Gives a frame to a stack's driver. */
export function deliver(to: Bench, frame: Uint8Array, nowMs: number): void {
  to.driver.receive(frame, 0, frame.length, nowMs);
}

/** Lets two stacks talk until time `untilMs`, in steps of `stepMs`. @returns the time */
export function talk(a: Bench, b: Bench, fromMs: number, untilMs: number, stepMs = 1): number {
  let nowMs = fromMs;
  for (; nowMs <= untilMs; nowMs += stepMs) {
    exchange(a, b, nowMs);
  }
  return nowMs;
}

/** One round of both, and what they have sent to each other. */
export function exchange(a: Bench, b: Bench, nowMs: number): void {
  round(a, nowMs);
  for (const frame of a.sent.splice(0)) deliver(b, frame, nowMs);
  round(b, nowMs);
  for (const frame of b.sent.splice(0)) deliver(a, frame, nowMs);
}

/** Opens a connection; `talk` completes it. */
export function open(from: Bench, to: Bench, port: number, nowMs: number, localPort = 0): Flow {
  const sink = { flowEvents: () => {} };
  const { stack } = from;
  const flow = stack.connect(to.address, port, localPort, stack.tcpConfig, sink, nowMs);
  if (typeof flow === "number") throw new Error(`connect: ${flow}`);
  return flow;
}

/** Listens. */
export function listenOn(bench: Bench, port: number, backlog = 128): ListenerRecord {
  const record = bench.stack.listen(null, port, backlog, { listenerReady: () => {} });
  if (typeof record === "number") throw new Error(`listen: ${record}`);
  return record;
}

/** Takes an accepted flow and gives it a holder, as a handle would. */
export function take(record: ListenerRecord): Flow | null {
  const flow = record.take();
  if (flow !== null) flow.sink = { flowEvents: () => {} };
  return flow;
}

/** An address from text. */
export function ip(text: string): IpAddress {
  const address = IpAddress.parse(text);
  if (address === null) throw new Error(text);
  return address;
}
