// SPDX-License-Identifier: MIT
// `simulate`: a whole network in one test, on virtual time, from one seed. It ends the way a
// production loop must: with nothing left.

import {
  currentLoop,
  go,
  type Loop,
  NetError,
  now,
  type Operation,
  run,
  sleep,
} from "../../scheduler/index.ts";
import { functionArgument, knownKeys, numberIn } from "./check.ts";
import { annotate, type FailedSimulation } from "./failure.ts";
import { leftoversOf } from "./leftovers.ts";
import type { MediumOptions } from "./medium.ts";
import { SimNetwork } from "./network.ts";
import { Random } from "./random.ts";

/** Virtual time after which a simulation has failed, unless said otherwise: a day. */
const LIMIT_MS = 86_400_000;
/** Virtual time that connections get to end after the program, unless said otherwise. */
const SETTLE_MS = 600_000;
/** How often settling looks, at first, and by what the pause grows. */
const SETTLE_STEP_MS = 1;
const SETTLE_GROWTH = 2;

/** How a simulation runs. */
export interface SimulateOptions extends MediumOptions {
  /** It fails when it has not ended after this much virtual time, ms; default a day. */
  readonly limitMs?: number;
  /** Virtual time for connections to end in after the program has ended, ms; default 10 min. */
  readonly settleMs?: number;
}

/** What a simulation has shown. */
export interface Simulation<T> {
  /** What the program returned. */
  readonly result: T;
  readonly seed: number | string;
  /** Hash over every frame: same seed and same code, same hash. */
  readonly traceHash: string;
  /** The last frames as lines, oldest first. */
  readonly trace: string[];
  /** Virtual time that passed, ms. */
  readonly virtualMs: number;
}

/**
 * Runs a program on a simulated network under the virtual clock, and checks that nothing is left.
 *
 * @param seed - everything random comes from it: the same seed gives the same run
 * @param program - a generator function that is given the network
 * @param options - limits of time and memory
 * @returns the result, the trace and its hash
 * @throws NetError EINVAL (an argument is wrong), ETIMEDOUT (no end within `limitMs`); an Error
 *   naming what was left of sockets, listeners, buffers, timers or coroutines; or what the program
 *   threw. The message ends with the seed and the last packets.
 * @example
 * ```ts
 * import { now, tcp } from "caraway";
 * import { simulate } from "caraway/testing";
 *
 * const { virtualMs } = await simulate(42, function* (net) {
 *   const server = net.host("server");
 *   const client = net.host("client", { link: { delayMs: 10, loss: 0.05 } });
 *   yield* server.go(function* () {
 *     const listener = yield* tcp.listen({ port: 80 });
 *     const conn = yield* listener.accept();
 *     yield* conn.close(now() + 60_000);
 *   });
 *   yield* client.run(function* () {
 *     const conn = yield* tcp.connect({ host: server.address, port: 80 }, now() + 60_000);
 *     yield* conn.close(now() + 60_000);
 *   });
 * });
 * ```
 */
export async function simulate<T>(
  seed: number | string,
  program: (net: SimNetwork) => Operation<T>,
  options: SimulateOptions = {},
): Promise<Simulation<T>> {
  functionArgument("simulate", "program", program);
  const known = ["limitMs", "settleMs", "framesUnderWay", "traceFrames"];
  knownKeys("simulate", "options", options, known);
  numberIn("simulate", "limitMs", options.limitMs ?? LIMIT_MS, 0, Number.MAX_SAFE_INTEGER);
  numberIn("simulate", "settleMs", options.settleMs ?? SETTLE_MS, 0, Number.MAX_SAFE_INTEGER);
  const random = new Random(seed).fork("network");
  const seen: Partial<FailedSimulation> & { loop?: Loop; startMs?: number } = {};
  let result: T;
  try {
    result = await run(() => whole(program, random, options, seen), {
      clock: "virtual",
      onLoop: (loop) => {
        seen.loop = loop;
        seen.startMs = loop.nowMs;
      },
    });
    const left = leftoversOf(seen.loop as Loop);
    if (left.length > 0) throw new Error(`left over after the simulation: ${left.join(", ")}`);
  } catch (error) {
    throw annotate(error, { seed, network: seen.network, loop: seen.loop as Loop });
  }
  const network = seen.network as SimNetwork;
  const virtualMs = (seen.loop as Loop).nowMs - (seen.startMs as number);
  return { result, seed, traceHash: network.traceHash, trace: network.trace(), virtualMs };
}

function* whole<T>(
  program: (net: SimNetwork) => Operation<T>,
  random: Random,
  options: SimulateOptions,
  seen: { network?: SimNetwork | undefined },
): Operation<T> {
  const network = new SimNetwork(currentLoop(), random, options);
  seen.network = network;
  try {
    const limitMs = options.limitMs ?? LIMIT_MS;
    // A coroutine of its own: its end closes what it has opened before the check for leftovers.
    const running = yield* go(() => program(network), { name: "simulation" });
    const result = yield* joinWithin(running, limitMs);
    yield* settle(network, options.settleMs ?? SETTLE_MS);
    return result;
  } finally {
    network.close();
  }
}

function* joinWithin<T>(
  running: { join(deadline: number): Operation<T>; readonly isEnded: boolean },
  limitMs: number,
): Operation<T> {
  const loop = currentLoop();
  try {
    return yield* running.join(now() + limitMs);
  } catch (error) {
    if (running.isEnded || !(error instanceof NetError) || error.code !== "ETIMEDOUT") throw error;
    throw new NetError("ETIMEDOUT", "simulate", {
      message: `no end within ${limitMs} ms of virtual time; what waits:\n${loop.tree()}`,
    });
  }
}

/** Lets what the program has closed come to its end on the wire, then insists that it has. */
function* settle(network: SimNetwork, settleMs: number): Operation<void> {
  const endMs = now() + settleMs;
  let stepMs = SETTLE_STEP_MS;
  while (network.framesUnderWay > 0 || network.leftovers().length > 0) {
    if (now() >= endMs) {
      const left = network.leftovers();
      if (left.length === 0) return;
      throw new Error(`left over ${settleMs} ms after the simulation: ${left.join("; ")}`);
    }
    yield* sleep(Math.min(now() + stepMs, endMs));
    stepMs *= SETTLE_GROWTH;
  }
}
