// SPDX-License-Identifier: MIT
// The suite `stack`: what our own code costs, in this process, without a device: the whole way of
// a request, then single pieces (stack-wire.ts, stack-neighbours.ts). The server is the one that
// users write; its client is stack-peer.ts, which takes no part in the figures. Bulk data goes
// between two contexts over the in-process cable, so that figure has both ends in it.

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
import { heldBytesFigure } from "./memory-holds.ts";
import { neighbourFigures } from "./stack-neighbours.ts";
import { type PeerMode, TcpPeer } from "./stack-peer.ts";
import { wireFigures } from "./stack-wire.ts";
import { costFigure, type Figure, medianOf, OURS } from "./support/figure.ts";
import type { Pace } from "./support/pace.ts";
import type { Outcome, Suite } from "./support/suite.ts";

const PORT = 7;
const MEGABYTE = 1e6;
const BULK_BYTES = 100 * MEGABYTE;
/** The first run of a load in this process warms up that much longer, in turns. */
const FIRST_WARM_UP = 3;

interface Load {
  readonly name: string;
  readonly mode: PeerMode;
  readonly connections: number;
  readonly goalNs?: number;
}

const LOADS: readonly Load[] = [
  { name: "64-byte request, 1 at once", mode: "echo", connections: 1, goalNs: 1_000 },
  { name: "64-byte request, 64 at once", mode: "echo", connections: 64, goalNs: 1_000 },
  { name: "connect, 64-byte request, close, 1 at once", mode: "life", connections: 1 },
  { name: "connect, 64-byte request, close, 64 at once", mode: "life", connections: 64 },
  { name: "a round without work", mode: "idle", connections: 1 },
];

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

/** The server's time per request, per life or per empty round, in ns: the median window. */
async function measure(load: Load, pace: Pace, warmUpTurns: number): Promise<number> {
  const { mode, connections } = load;
  const peer = new TcpPeer(PORT, connections);
  await run(
    function* () {
      yield* serve(peer, echo);
      if (mode === "life") peer.mode = mode;
      if (mode !== "idle") peer.open(0, connections);
      while (mode === "echo" && peer.opened < connections) yield* sleep(now() + 1);
      if (mode === "echo") peer.start(connections);
      yield* sleep(now() + pace.warmUpSeconds * warmUpTurns * 1_000);
      peer.clear();
      const endMs = now() + pace.seconds * 1_000;
      while (now() < endMs || peer.windowsUs.length === 0) yield* sleep(now() + 5);
    },
    { busyPoll: "always" },
  );
  // The slowest windows are those in which the machine did something else.
  return medianOf(peer.windowsUs) * 1_000;
}

async function loadFigures(pace: Pace): Promise<Figure[]> {
  const samples = LOADS.map((): number[] => []);
  for (let turn = 0; turn < pace.turns; turn++) {
    process.stderr.write(`stack: turn ${turn + 1} of ${pace.turns}\n`);
    for (const [at, load] of LOADS.entries()) {
      samples[at]?.push(await measure(load, pace, turn === 0 ? FIRST_WARM_UP : 1));
    }
  }
  return LOADS.map(({ name, goalNs }, at) =>
    costFigure(name, "ns", samples[at] ?? [], goalNs === undefined ? {} : { atMost: goalNs }),
  );
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

async function bulkFigure(pace: Pace): Promise<Figure> {
  const samples: number[] = [];
  for (let i = -1; i < pace.turns; i++) {
    const rate = await bulk(Math.max(MEGABYTE, BULK_BYTES * pace.share));
    if (i >= 0) samples.push(rate);
  }
  return {
    name: "bulk data over the cable, both ends in one process",
    unit: "MB/s",
    better: "higher",
    series: [{ name: OURS, isOurs: true, samples }],
    goals: [],
  };
}

/** The suite `stack`. */
export const suite: Suite = {
  expectedSeconds(pace) {
    const turns = pace.turns + FIRST_WARM_UP - 1;
    const loads = LOADS.length * (pace.warmUpSeconds * turns + pace.seconds * pace.turns);
    return Math.ceil(loads + 5 + 60 * pace.share);
  },
  async run(pace): Promise<Outcome> {
    const figures = [
      ...(await loadFigures(pace)),
      await bulkFigure(pace),
      heldBytesFigure("connection", pace),
      ...wireFigures(pace),
      ...neighbourFigures(pace),
    ];
    return { figures, notes: [] };
  },
};
