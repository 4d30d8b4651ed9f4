// SPDX-License-Identifier: MIT
// The suite `tcp`: what the stack and the coroutines above it cost, in this process, without a
// device. The server is the one that users write; its client is tcp-peer.ts, which takes no part
// in the figures. Bulk data goes between two contexts over the in-process cable, so that figure
// has both ends in it.

import {
  createContext,
  go,
  now,
  type Operation,
  run,
  sleep,
  type TcpConnection,
  tcp,
  useNetwork,
  withNetwork,
} from "../src/index.ts";
import { createCable } from "../src/testing.ts";
import { type Figure, summary } from "./figure.ts";
import { type PeerMode, TcpPeer } from "./tcp-peer.ts";

const PORT = 7;
const MEGABYTE = 1e6;
const OPEN_BATCH = 500;

function* echo(connection: TcpConnection): Operation<void> {
  const buffer = new Uint8Array(4_096);
  let count = yield* connection.recvSome(buffer, now() + 10_000);
  while (count > 0) {
    yield* connection.send(buffer.subarray(0, count), now() + 1_000);
    count = yield* connection.recvSome(buffer, now() + 10_000);
  }
  yield* connection.close(now() + 1_000);
}

/** Serves the peer. The listener ends with the caller. */
function* serve(
  peer: TcpPeer,
  handler: (connection: TcpConnection) => Operation<void>,
): Operation<void> {
  yield* useNetwork(createContext({ driver: peer, address: "10.0.0.1/24" }));
  const listener = yield* tcp.listen({ port: PORT, backlog: 65_535 });
  yield* go(() => listener.serve(handler));
}

/** Median window of the server's time per request, per life or per empty round. */
async function measure(
  name: string,
  mode: PeerMode,
  connections: number,
  quick: boolean,
): Promise<Figure> {
  const peer = new TcpPeer(PORT, connections);
  await run(
    function* () {
      yield* serve(peer, echo);
      if (mode === "life") peer.mode = mode;
      if (mode !== "idle") peer.open(0, connections);
      while (mode === "echo" && peer.opened < connections) yield* sleep(now() + 1);
      if (mode === "echo") peer.start(connections);
      yield* sleep(now() + (quick ? 300 : 1_500));
      peer.clear();
      yield* sleep(now() + (quick ? 300 : 2_000));
    },
    { busyPoll: "always" },
  );
  const sorted = peer.windowsUs.map((us) => us * 1_000).sort((a, b) => a - b);
  const at = (share: number): number => sorted[Math.floor(sorted.length * share)] ?? Number.NaN;
  // The slowest windows are those in which the machine did something else.
  return { name, unit: "ns", median: at(0.5), spread: [at(0.1), at(0.9)] };
}

function* receiveAll(connection: TcpConnection): Operation<void> {
  const buffer = new Uint8Array(65_536);
  while ((yield* connection.recvSome(buffer)) > 0);
  yield* connection.close();
}

/** One connection over the cable, one way, both ends in this process. */
async function bulk(totalBytes: number): Promise<number> {
  return await run(function* () {
    const [left, right] = createCable({ driver: { checksumTx: true } });
    const server = createContext({ driver: left, address: "10.0.0.1/24" });
    const client = createContext({ driver: right, address: "10.0.0.2/24" });
    return yield* withNetwork(server, function* () {
      const listener = yield* tcp.listen({ port: PORT });
      const receiver = yield* go(function* () {
        yield* receiveAll(yield* listener.accept());
      });
      const connection = yield* tcp.connect({ host: "10.0.0.1", port: PORT, context: client });
      const chunk = new Uint8Array(65_536);
      const startMs = performance.now();
      for (let sent = 0; sent < totalBytes; sent += chunk.length) yield* connection.send(chunk);
      yield* connection.close();
      const seconds = (performance.now() - startMs) / 1_000;
      yield* receiver.join();
      return totalBytes / seconds / MEGABYTE;
    });
  });
}

async function bulkFigure(quick: boolean): Promise<Figure> {
  const runs: number[] = [];
  for (let i = 0; i < (quick ? 3 : 7); i++) runs.push(await bulk((quick ? 20 : 100) * MEGABYTE));
  return {
    name: "bulk data over the cable, both ends in one process",
    unit: "MB/s",
    ...summary(runs.slice(1)),
  };
}

/** Heap and buffers of an ESTABLISHED connection on which a coroutine waits. */
async function idleBytes(connections: number): Promise<Figure> {
  const collect = (globalThis as { gc?: () => void }).gc ?? (() => {});
  const inUse = (): number => {
    // Buffers are freed by finalizers of the first, which the second waits for.
    collect();
    collect();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return heapUsed + arrayBuffers;
  };
  const shared = new Uint8Array(64);
  let held = -1; // one stands already when the measurement begins
  const peer = new TcpPeer(PORT, connections + 1);
  const bytes = await run(function* () {
    yield* serve(peer, function* (connection) {
      held++;
      yield* connection.recvSome(shared);
    });
    peer.open(connections, connections + 1);
    yield* sleep(now() + 50);
    const before = inUse();
    // No more at once than a listener allows to be half-open.
    for (let from = 0; from < connections; from += OPEN_BATCH) {
      const to = Math.min(connections, from + OPEN_BATCH);
      peer.open(from, to);
      while (peer.opened <= to || held < to) yield* sleep(now() + 1);
    }
    return (inUse() - before) / connections;
  });
  return {
    name: `idle connection with its coroutine, one of ${connections}`,
    unit: "bytes",
    median: bytes,
  };
}

/**
 * Measures the stack in the process.
 *
 * @param options - `quick`: a smoke test
 * @returns cost of a request and of a life, bulk rate, bytes per idle connection
 */
export async function runTcpSuite(options: { quick: boolean }): Promise<Figure[]> {
  const { quick } = options;
  return [
    await measure("64-byte request, frame in to frame out, 1 at once", "echo", 1, quick),
    await measure("64-byte request, frame in to frame out, 64 at once", "echo", 64, quick),
    await measure("connect, 64-byte request, close, 1 at once", "life", 1, quick),
    await measure("connect, 64-byte request, close, 64 at once", "life", 64, quick),
    await measure("a round without work", "idle", 1, quick),
    await bulkFigure(quick),
    await idleBytes(quick ? 2_000 : 20_000),
  ];
}
