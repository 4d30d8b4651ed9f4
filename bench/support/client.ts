// SPDX-License-Identifier: MIT
// A load generator on our own stack: takes the arguments of programs/load.c, after what it is told
// as JSON, and prints the same line. Each connection is a coroutine, so its cost is in the figures.
//
//   client.js '{"driver":{...},"address":"..."}' HOST PORT CONNECTIONS ACTIVE WARM_UP SECONDS
//             BYTES echo|connect|send|receive|both

import {
  createContext,
  go,
  NetError,
  now,
  type Operation,
  openDriver,
  run,
  sleep,
  type TcpConnection,
  tcp,
  useNetwork,
} from "../../src/index.ts";
import type { Load, LoadResult } from "./load.ts";
import { leaveWithInput, type StackPlace } from "./place.ts";

/** Latencies by 0.1 us up to 10 ms, then all together. */
const BUCKETS = 100_000;
/** Connection attempts under way at once before the measurement. */
const OPENING = 64;
const OPEN_MS = 20_000;
/** The driver of the other side may still be on its way. */
const LINK_MS = 5_000;
/** All lives are with one server, and 100,000 a second would use up its ports in a second. */
const MANY_PORTS = { limits: { ephemeralFirst: 1_024 }, tcp: { timeWaitReuseMs: 100 } } as const;
const PORT_OFFSETS = { echo: 0, connect: 0, send: 1, receive: 2 } as const;

/** Counts what is done between two moments. */
class Meter {
  done = 0;
  total = 0;
  failed = 0;
  bytes = 0;
  isMeasuring = false;
  private readonly histogram = new Uint32Array(BUCKETS + 1);

  record(startedMs: number, bytes: number): void {
    this.total++;
    if (!this.isMeasuring) return;
    const bucket = Math.min(BUCKETS, Math.floor((performance.now() - startedMs) * 10_000));
    this.histogram[bucket] = (this.histogram[bucket] as number) + 1;
    this.bytes += bytes;
    this.done++;
  }

  percentileUs(share: number): number {
    const rank = this.done * share;
    let seen = 0;
    for (let bucket = 0; bucket <= BUCKETS; bucket++) {
      seen += this.histogram[bucket] as number;
      if (seen > rank) return bucket / 10;
    }
    return BUCKETS / 10;
  }
}

type Mode = keyof typeof PORT_OFFSETS;

/** What all connections share. */
class Client {
  readonly meter = new Meter();
  private readonly host: string;
  private readonly port: number;
  private readonly bytes: number;

  constructor(host: string, port: number, bytes: number) {
    this.host = host;
    this.port = port;
    this.bytes = bytes;
  }

  connect(mode: Mode): Operation<TcpConnection> {
    const place = { host: this.host, port: this.port + PORT_OFFSETS[mode] };
    return tcp.connect(place, now() + OPEN_MS);
  }

  /** What a connection that stands is for, until the process ends. */
  *use(connection: TcpConnection, mode: Mode): Operation<void> {
    const { meter } = this;
    const request = new Uint8Array(this.bytes);
    const reply = new Uint8Array(this.bytes);
    for (;;) {
      const startedMs = performance.now();
      if (mode !== "receive") yield* connection.send(request);
      if (mode === "receive") {
        meter.record(startedMs, yield* connection.recvSome(reply));
      } else {
        if (mode === "echo") yield* connection.recv(reply);
        meter.record(startedMs, request.length);
      }
    }
  }

  /** Whole lives, one after the other. */
  *live(): Operation<void> {
    const request = new Uint8Array(this.bytes);
    const reply = new Uint8Array(this.bytes);
    for (;;) {
      const startedMs = performance.now();
      try {
        const connection = yield* this.connect("connect");
        yield* connection.send(request);
        yield* connection.recv(reply);
        yield* connection.close(now() + OPEN_MS);
        this.meter.record(startedMs, request.length);
      } catch (error) {
        if (!(error instanceof NetError) || error.code === "ECANCELED") throw error;
        this.meter.failed++;
        // One that fails at once must not keep the others from their turns.
        yield* sleep(now());
      }
    }
  }
}

/** Opens all, a few at a time, and waits until they stand; then those at `isActive` begin. */
function* startAll(
  client: Client,
  modes: readonly Mode[],
  isActive: (at: number) => boolean,
): Operation<void> {
  let opened = 0;
  const life = function* (at: number): Operation<void> {
    const mode = modes[at] as Mode;
    const connection = yield* client.connect(mode);
    opened++;
    if (!isActive(at)) yield* sleep(-1);
    while (opened < modes.length) yield* sleep(now() + 1);
    yield* client.use(connection, mode);
  };
  for (let at = 0; at < modes.length; at++) {
    while (at - opened >= OPENING) yield* sleep(now());
    yield* go(() => life(at));
  }
  while (opened < modes.length) yield* sleep(now());
}

/** The first connection: the link to a driver of another process may take its time. */
function* awaitLink(client: Client): Operation<void> {
  const endMs = now() + LINK_MS;
  for (;;) {
    try {
      const connection = yield* client.connect("echo");
      yield* connection.close(now() + OPEN_MS);
      return;
    } catch (error) {
      if (!(error instanceof NetError) || now() > endMs) throw error;
      yield* sleep(now() + 20);
    }
  }
}

function* measure(args: readonly string[]): Operation<LoadResult> {
  const [host = "", ...numbers] = args;
  const [port = 0, connections = 0, active = 0, warmUp = 0, seconds = 0, bytes = 0] =
    numbers.map(Number);
  const mode = args[7] as Load["mode"];
  const client = new Client(host, port, bytes);
  const { meter } = client;
  yield* awaitLink(client);
  const startedMs = now();
  if (mode === "connect") {
    for (let i = 0; i < connections; i++) yield* go(() => client.live());
  } else {
    const modes: Mode[] = [];
    for (let i = 0; i < connections; i++) {
      if (mode === "both") modes.push("send", "receive");
      else modes.push(mode);
    }
    const step = mode === "both" ? 1 : Math.floor(connections / active);
    yield* startAll(
      client,
      modes,
      (at) => at % step === 0 && (mode === "both" || at < active * step),
    );
  }
  const openSeconds = (now() - startedMs) / 1_000;
  yield* sleep(now() + warmUp * 1_000);
  meter.isMeasuring = true;
  const measuredMs = performance.now();
  yield* sleep(now() + seconds * 1_000);
  const took = (performance.now() - measuredMs) / 1_000;
  const { user, system } = process.cpuUsage();
  return {
    perSecond: meter.done / took,
    bytesPerSecond: meter.bytes / took,
    p50Us: meter.percentileUs(0.5),
    p99Us: meter.percentileUs(0.99),
    p999Us: meter.percentileUs(0.999),
    requests: meter.done,
    total: meter.total,
    failed: meter.failed,
    openSeconds,
    loadSeconds: (user + system) / 1e6,
  };
}

leaveWithInput();
const [placeText = "{}", ...args] = process.argv.slice(2);
const place = JSON.parse(placeText) as StackPlace;
await run(
  function* () {
    const { driver, address } = place;
    yield* useNetwork(createContext({ driver: openDriver(driver), address, ...MANY_PORTS }));
    const result = yield* measure(args);
    // What is still under way is cut short with the process.
    process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
    yield* sleep(-1);
  },
  { busyPoll: "always" },
);
