// SPDX-License-Identifier: MIT
// Very many connections in one process, both ends of each over our own stack, joined by the
// in-process cable: opened, used once each, kept, used by a few, closed. What `npm run scale`
// prints; the suite `scale` of the bench and a small test run it too.
//
// The server is the one that users write. The clients are coroutines that open their share one
// after the other and keep the handles; they meet between the phases.
//
// R1: it measures what the machine does, on the real clock.

import {
  type Channel,
  channel,
  createContext,
  go,
  now,
  type Operation,
  run,
  type StackContext,
  sleep,
  type TcpConnection,
  tcp,
  useNetwork,
} from "../../src/index.ts";
import { createCable } from "../../src/testing.ts";

const FIRST_PORT = 7_000;
/** So many connections per listening port leave the search for a free port short. */
const CONNECTIONS_PER_PORT = 40_000;
const MESSAGE_BYTES = 16;
const CLIENTS = 256;
const ACTIVE_SHARE = 100;
const ACTIVE_ROUNDS = 20;
/** Until every timer that was armed lazily has fired and connections are at rest. */
const SETTLE_MS = 2_500;
const PATIENCE_MS = 120_000;
const LOOK_MS = 10;
const MAX_LOOKS = 500;

/** How it runs. */
export interface ScaleOptions {
  readonly connections: number;
  /** Gets a line when something is done. */
  readonly onProgress?: (text: string) => void;
}

/** One phase: what it took, altogether and as the number of connections grew. */
export interface ScalePhase {
  readonly name: string;
  /** Operations done. */
  readonly count: number;
  readonly wallMs: number;
  /** CPU time of the process per operation, us: other work on the machine does not count. */
  readonly cpuUs: number;
  /** The same for the operations up to 1,000, 10,000, ... and the last. */
  readonly laps: readonly { readonly upTo: number; readonly cpuUs: number }[];
  /** The longest time in which no coroutine ran, ms. */
  readonly longestPauseMs: number;
}

/** What came out. */
export interface ScaleReport {
  readonly connections: number;
  readonly phases: readonly ScalePhase[];
  /** Heap and buffers per connection at rest, both ends and both programs. */
  readonly bytesPerConnection: number;
  readonly peakRssBytes: number;
  /** Sockets left in both contexts at the end. */
  readonly socketsLeft: number;
  readonly retransmits: number;
}

/** Lets clients meet between phases, and takes the time. */
class Phases {
  readonly phases: ScalePhase[] = [];
  readonly #gate: Channel<string> = channel<string>(CLIENTS);
  readonly #done: Channel<void> = channel<void>(CLIENTS);
  readonly #onProgress: (text: string) => void;
  #count = 0;
  #lapAt = 1_000;
  #laps: { upTo: number; cpuUs: number }[] = [];
  #lapCpuUs = 0;
  #lookedAtMs = 0;
  #longestPauseMs = 0;

  constructor(onProgress: (text: string) => void) {
    this.#onProgress = onProgress;
  }

  /** A client waits for a phase to begin. */
  *begun(): Operation<void> {
    yield* this.#gate.recv();
  }

  /** A client has done its share. */
  *finished(): Operation<void> {
    yield* this.#done.send();
  }

  /** One operation is done. */
  did(): void {
    if (++this.#count === this.#lapAt) this.#lap();
  }

  /** Looks at the clock, for ever: how long did nobody run? */
  *watch(): Operation<void> {
    for (;;) {
      this.#lookedAtMs = performance.now();
      yield* sleep(now() + LOOK_MS);
      const pauseMs = performance.now() - this.#lookedAtMs - LOOK_MS;
      if (pauseMs > this.#longestPauseMs) this.#longestPauseMs = pauseMs;
    }
  }

  /** Lets all clients run one phase. */
  *run(name: string): Operation<void> {
    this.#count = 0;
    this.#laps = [];
    this.#lapAt = 1_000;
    this.#longestPauseMs = 0;
    const startMs = performance.now();
    this.#lookedAtMs = startMs;
    const startUs = cpuUs();
    this.#lapCpuUs = startUs;
    for (let i = 0; i < CLIENTS; i++) yield* this.#gate.send(name);
    for (let i = 0; i < CLIENTS; i++) yield* this.#done.recv();
    const count = this.#count;
    if (count > (this.#laps.at(-1)?.upTo ?? 0)) this.#lap();
    const phase = {
      name,
      count,
      wallMs: performance.now() - startMs,
      cpuUs: (cpuUs() - startUs) / count,
      laps: this.#laps,
      longestPauseMs: this.#longestPauseMs,
    };
    this.phases.push(phase);
    this.#onProgress(describe(phase));
  }

  #lap(): void {
    const at = cpuUs();
    const done = this.#count - (this.#laps.at(-1)?.upTo ?? 0);
    this.#laps.push({ upTo: this.#count, cpuUs: (at - this.#lapCpuUs) / done });
    this.#lapCpuUs = at;
    this.#lapAt = this.#count * 10;
  }
}

/** One line for a reader. */
function describe({ name, count, wallMs, cpuUs: us, laps, longestPauseMs }: ScalePhase): string {
  const rate = Math.round((count * 1_000) / wallMs).toLocaleString("en");
  const grown = laps.map((lap) => `${lap.upTo.toLocaleString("en")}: ${lap.cpuUs.toFixed(1)}`);
  return (
    `${name}: ${count.toLocaleString("en")}, ${rate}/s, ${us.toFixed(1)} us CPU each ` +
    `(${grown.join(", ")}), longest pause ${longestPauseMs.toFixed(0)} ms`
  );
}

function cpuUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

function heldBytes(): number {
  const collect = (globalThis as { gc?: () => void }).gc ?? (() => {});
  // Buffers are freed by finalizers of the first, which the second waits for.
  collect();
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/** The server: sends back what comes, and holds no buffer while nothing does. */
function* echo(connection: TcpConnection): Operation<void> {
  while ((yield* connection.readable()) > 0) {
    const bytes = connection.peek();
    yield* connection.send(bytes);
    connection.consume(bytes.length);
  }
  yield* connection.close(now() + PATIENCE_MS);
}

/** A client: does its share of every phase, every `CLIENTS`-th connection. */
function* client(phases: Phases, first: number, options: ScaleOptions, ports: number) {
  const { connections } = options;
  const handles: TcpConnection[] = [];
  yield* phases.begun();
  for (let i = first; i < connections; i += CLIENTS) {
    const port = FIRST_PORT + (i % ports);
    handles.push(yield* tcp.connect({ host: "10.0.0.1", port }, now() + PATIENCE_MS));
    phases.did();
  }
  yield* phases.finished();
  const message = new Uint8Array(MESSAGE_BYTES).fill(first);
  const answer = new Uint8Array(MESSAGE_BYTES);
  yield* phases.begun();
  for (const handle of handles) {
    yield* handle.send(message, now() + PATIENCE_MS);
    yield* handle.recv(answer, now() + PATIENCE_MS);
    phases.did();
  }
  yield* phases.finished();
  yield* phases.begun();
  for (let round = 0; round < ACTIVE_ROUNDS; round++) {
    for (let i = 0; i < handles.length; i += ACTIVE_SHARE) {
      const handle = handles[i] as TcpConnection;
      yield* handle.send(message, now() + PATIENCE_MS);
      yield* handle.recv(answer, now() + PATIENCE_MS);
      phases.did();
    }
  }
  yield* phases.finished();
  yield* phases.begun();
  for (const handle of handles) {
    yield* handle.close(now() + PATIENCE_MS);
    phases.did();
  }
  yield* phases.finished();
}

/** Serves on so many ports. The listeners end with the caller. */
function* serveAll(server: StackContext, ports: number, connections: number): Operation<void> {
  for (let port = FIRST_PORT; port < FIRST_PORT + ports; port++) {
    const listener = yield* tcp.listen({ port, context: server });
    yield* go(() => listener.serve(echo, { maxConnections: connections }));
  }
}

/**
 * Opens, uses, keeps and closes connections.
 *
 * @param options - how many
 * @returns what it took
 */
export async function runScale(options: ScaleOptions): Promise<ScaleReport> {
  const { connections, onProgress = () => {} } = options;
  const ports = Math.ceil(connections / CONNECTIONS_PER_PORT);
  const phases = new Phases(onProgress);
  return await run(
    function* () {
      const [a, b] = createCable({ driver: { checksumTx: true, rxSlots: 4_096, txSlots: 1_024 } });
      const limits = { maxSockets: connections + 1, ephemeralFirst: 8_192 };
      const server = createContext({ driver: a, address: "10.0.0.1/24", limits });
      const near = createContext({ driver: b, address: "10.0.0.2/24", limits });
      yield* serveAll(server, ports, connections);
      yield* useNetwork(near);
      yield* go(() => phases.watch());
      for (let i = 0; i < CLIENTS; i++) yield* go(() => client(phases, i, options, ports));
      const before = heldBytes();
      yield* phases.run("connect");
      yield* phases.run("echo on each");
      yield* sleep(now() + SETTLE_MS);
      const bytesPerConnection = (heldBytes() - before) / connections;
      onProgress(`${bytesPerConnection.toFixed(0)} bytes per connection, both ends`);
      yield* phases.run("echo on 1 %");
      yield* phases.run("close");
      const left = () => server.leftovers().sockets + near.leftovers().sockets;
      // The last handlers have still to see that their connection is closed.
      for (let i = 0; i < MAX_LOOKS && left() > 0; i++) yield* sleep(now() + LOOK_MS);
      const retransmits = (context: StackContext): number =>
        context.statistics().tcp["retransmits"] as number;
      return {
        connections,
        phases: phases.phases,
        bytesPerConnection,
        peakRssBytes: process.resourceUsage().maxRSS * 1_024,
        socketsLeft: left(),
        retransmits: retransmits(server) + retransmits(near),
      };
    },
    { busyPoll: "always" },
  );
}
