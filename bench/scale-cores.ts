// SPDX-License-Identifier: MIT
// Contexts on several processors: a context per worker thread, each with its own driver, and
// nothing between them. The clients are stack-peer.ts, in the same threads, so that two processors
// suffice for two servers. A part of the suite `scale`.

import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import {
  createContext,
  go,
  now,
  run,
  sleep,
  type TcpConnection,
  tcp,
  useNetwork,
} from "../src/index.ts";
import { TcpPeer } from "./stack-peer.ts";
import type { Figure } from "./support/figure.ts";
import type { Pace } from "./support/pace.ts";

const SELF = fileURLToPath(import.meta.url);
const PORT = 7;
const CONNECTIONS = 64;

interface Work {
  readonly warmUpSeconds: number;
  readonly seconds: number;
}

function* echo(connection: TcpConnection) {
  const buffer = new Uint8Array(256);
  let count = yield* connection.recvSome(buffer);
  while (count > 0) {
    yield* connection.send(buffer.subarray(0, count));
    count = yield* connection.recvSome(buffer);
  }
}

/** @returns requests per second of one context */
async function serve({ warmUpSeconds, seconds }: Work): Promise<number> {
  const peer = new TcpPeer(PORT, CONNECTIONS);
  return await run(
    function* () {
      yield* useNetwork(createContext({ driver: peer, address: "10.0.0.1/24" }));
      const listener = yield* tcp.listen({ port: PORT });
      yield* go(() => listener.serve(echo));
      peer.open(0, CONNECTIONS);
      while (peer.opened < CONNECTIONS) yield* sleep(now() + 1);
      peer.start(CONNECTIONS);
      yield* sleep(now() + warmUpSeconds * 1_000);
      const before = peer.answers;
      const startMs = performance.now();
      yield* sleep(now() + seconds * 1_000);
      return ((peer.answers - before) * 1_000) / (performance.now() - startMs);
    },
    { busyPoll: "always" },
  );
}

async function rateOf(contexts: number, work: Work): Promise<number> {
  const workers = Array.from({ length: contexts }, () => new Worker(SELF, { workerData: work }));
  const rates = await Promise.all(
    workers.map(async (worker) => ((await once(worker, "message")) as [number])[0]),
  );
  return rates.reduce((a, b) => a + b, 0);
}

/** Requests per second of one context, and of two on two threads. */
export async function coresFigure(pace: Pace): Promise<Figure> {
  const names = ["1 context", "2 contexts, a thread each"];
  const samples = names.map((): number[] => []);
  for (let turn = 0; turn < pace.turns; turn++) {
    process.stderr.write(`scale: turn ${turn + 1} of ${pace.turns}: contexts on two processors\n`);
    for (const [at] of names.entries()) {
      samples[at]?.push(await rateOf(at + 1, pace));
    }
  }
  return {
    name: "64-byte requests without a device, contexts on two processors",
    unit: "requests/s",
    better: "higher",
    series: names.map((name, at) => ({ name, isOurs: true, samples: samples[at] ?? [] })),
    goals: [],
  };
}

if (!isMainThread && process.argv[1] !== undefined) {
  parentPort?.postMessage(await serve(workerData as Work));
}
