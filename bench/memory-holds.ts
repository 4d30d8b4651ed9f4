// SPDX-License-Identifier: MIT
// What a coroutine, a connection or a port holds while nothing happens. Each sample is taken in a
// process of its own, so that no earlier one has left anything in the heap:
//
//   node --expose-gc memory-holds.js KIND COUNT        prints the bytes of one

import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import {
  createContext,
  go,
  now,
  type Operation,
  run,
  sleep,
  tcp,
  useNetwork,
  yieldNow,
} from "../src/index.ts";
import { TcpPeer } from "./stack-peer.ts";
import { costFigure, type Figure } from "./support/figure.ts";
import type { Pace } from "./support/pace.ts";

const SELF = fileURLToPath(import.meta.url);
const FIRST_PORT = 1_024;
/** No more at once than a listener allows to be half-open. */
const OPEN_BATCH = 500;
const GO_BATCH = 100;
/** So long nothing happens before a connection counts as idle: it rests by then. */
const IDLE_MS = 2_000;

interface Kind {
  readonly title: string;
  /** Of a full run. */
  readonly count: number;
  readonly goal?: number;
  /** Makes and keeps `count` of them. @returns bytes of one */
  readonly hold: (count: number) => Operation<number>;
}

function inUse(): number {
  const collect = (globalThis as { gc?: () => void }).gc ?? (() => {});
  // Buffers are freed by finalizers of the first, which the second waits for.
  collect();
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

function* parkedInner(): Operation<void> {
  yield* sleep(-1);
}

function* parkedOuter(): Operation<void> {
  yield* parkedInner();
}

function* holdCoroutines(count: number): Operation<number> {
  const before = inUse();
  for (let i = 0; i < count; i++) {
    yield* go(parkedOuter);
    if (i % GO_BATCH === 0) yield* yieldNow();
  }
  yield* yieldNow();
  return (inUse() - before) / count;
}

function* holdConnections(count: number): Operation<number> {
  const shared = new Uint8Array(64);
  let held = -1; // one stands already when the measurement begins
  const peer = new TcpPeer(FIRST_PORT, count + 1);
  yield* useNetwork(createContext({ driver: peer, address: "10.0.0.1/24" }));
  const listener = yield* tcp.listen({ port: FIRST_PORT, backlog: 65_535 });
  yield* go(() =>
    listener.serve(function* (connection) {
      held++;
      yield* connection.recvSome(shared);
    }),
  );
  peer.open(count, count + 1);
  yield* sleep(now() + 50);
  const before = inUse();
  for (let from = 0; from < count; from += OPEN_BATCH) {
    const to = Math.min(count, from + OPEN_BATCH);
    peer.open(from, to);
    while (peer.opened <= to || held < to) yield* sleep(now() + 1);
  }
  yield* sleep(now() + IDLE_MS);
  peer.clear(); // what it has measured is no part of a connection
  return (inUse() - before) / count;
}

function* holdPorts(count: number): Operation<number> {
  const peer = new TcpPeer(FIRST_PORT, 1);
  const limits = { maxListeners: count + 1 };
  yield* useNetwork(createContext({ driver: peer, address: "10.0.0.1/24", limits }));
  const listeners = [yield* tcp.listen({ port: FIRST_PORT - 1 })];
  const before = inUse();
  for (let i = 0; i < count; i++) {
    const listener = yield* tcp.listen({ port: FIRST_PORT + i });
    yield* go(() => listener.serve(function* () {}));
    listeners.push(listener);
    if (i % GO_BATCH === 0) yield* yieldNow();
  }
  yield* yieldNow();
  return (inUse() - before) / count;
}

/** What can be held, by name. */
export const KINDS: Readonly<Record<"coroutine" | "connection" | "port", Kind>> = {
  coroutine: { title: "parked coroutine", count: 1_000_000, goal: 700, hold: holdCoroutines },
  connection: {
    title: "idle connection with its coroutine",
    count: 20_000,
    goal: 1_024,
    hold: holdConnections,
  },
  port: { title: "listening port with its coroutine", count: 10_000, hold: holdPorts },
};

function measureApart(kind: keyof typeof KINDS, count: number): number {
  const args = ["--expose-gc", "--max-old-space-size=8192", SELF, kind, `${count}`];
  const child = spawnSync(process.execPath, args, {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
  });
  const bytes = Number.parseFloat(child.stdout);
  if (child.status === 0 && Number.isFinite(bytes)) return bytes;
  throw new Error(`cannot measure what a ${kind} holds: see above`);
}

/** Measures what one of a kind holds, each time in a fresh process. */
export function heldBytesFigure(kind: keyof typeof KINDS, pace: Pace): Figure {
  const { title, count: most, goal } = KINDS[kind];
  const count = Math.max(500, Math.round(most * pace.share));
  const samples: number[] = [];
  const name = `${title}, one of ${count.toLocaleString("en-US")}`;
  for (let turn = 0; turn < pace.turns; turn++) {
    process.stderr.write(`${name}: turn ${turn + 1} of ${pace.turns}\n`);
    samples.push(measureApart(kind, count));
  }
  return costFigure(name, "bytes", samples, goal === undefined ? {} : { atMost: goal });
}

if (process.argv[1] === SELF) {
  const [kind = "", count = ""] = process.argv.slice(2);
  const { hold } = KINDS[kind as keyof typeof KINDS];
  const bytes = await run(() => hold(Number(count)));
  process.stdout.write(`${bytes}\n`, () => process.exit(0));
}
