// SPDX-License-Identifier: MIT
// The main job, on real frames: our TCP and the kernel's at the two ends of a cable, in a network
// namespace of its own; without one, our TCP in two processes that share memory. It touches nothing
// on the host and leaves nothing behind.

import {
  createContext,
  go,
  isNetError,
  main,
  now,
  type Operation,
  sleep,
  type TcpConnection,
  tcp,
  useNetwork,
} from "../src/index.ts";
import { expectNothingLeft, type FrameDirection, traceDriver } from "../src/testing.ts";
import { endWithParent, isInside, runInside, wayIn } from "./demo/namespace.ts";
import type { Peer } from "./demo/peer.ts";
import {
  OUR_ADDRESS,
  PREFIX_BITS,
  SILENT_ADDRESS,
  STAGES,
  STAGES_FOR_ALL,
  type Stage,
  StageError,
  setStage,
} from "./demo/stage.ts";
import { Trace } from "./demo/trace.ts";
import { commandLine } from "./support/command-line.ts";

const settings = commandLine(
  {
    name: "demo",
    text: [
      "Our TCP and the Linux kernel's at the two ends of a cable, in a network namespace",
      "of its own: handshakes, orderly closes, ETIMEDOUT, ECANCELED, as packet traces.",
      "Exit code 0 only when everything went as shown.",
    ].join("\n"),
    examples: ["npm run demo", "npm run demo -- --driver tap"],
  },
  {
    driver: {
      help: "auto: the first that can be had of af_packet, tap, memif, sim.",
      default: "auto",
      choices: STAGES,
    },
  },
);

const ECHO_PORT = 7777;
const BULK_BYTES = 10_000_000;
/** A prime number of bytes, again and again: no shift by a segment or a buffer goes unnoticed. */
const BULK = Buffer.alloc(
  BULK_BYTES,
  Uint8Array.from({ length: 251 }, (_, i) => i),
);
/** For what goes well. It does in a few ms, on a busy machine too in less than this. */
const PATIENCE_MS = 10_000;
/** How long the last ACK of a scene may take to pass. */
const SETTLE_MS = 60;

/** Throws unless what a scene claims is so. */
function check(isSo: boolean, claim: string): void {
  if (!isSo) throw new Error(`it did not go as shown: ${claim}`);
  console.log(`  ok: ${claim}`);
}

/** Throws unless a connection was opened and closed as it should be, on the wire. */
function checkWhole(trace: Trace, opener: FrameDirection): void {
  const wrong = trace.whatIsWrong(opener);
  check(wrong === "", `a handshake, both FINs, both ACKs, no RST${wrong && ` (${wrong})`}`);
}

/** Runs one scene and prints its trace. */
function* scene(trace: Trace, title: string, play: () => Operation<void>): Operation<void> {
  console.log(`\n--- ${title}`);
  trace.begin();
  yield* play();
  yield* sleep(now() + SETTLE_MS);
  trace.print();
}

function* echo(conn: TcpConnection): Operation<void> {
  const buf = new Uint8Array(65_536);
  for (let n: number; (n = yield* conn.recvSome(buf, now() + PATIENCE_MS)) > 0; ) {
    yield* conn.send(buf.subarray(0, n), now() + PATIENCE_MS);
  }
  yield* conn.close(now() + PATIENCE_MS);
}

/** The peer connects to our server, exchanges data and closes. */
function* serving(peer: Peer, trace: Trace): Operation<void> {
  const listener = yield* tcp.listen({ port: ECHO_PORT });
  const server = yield* go(() => listener.serve(echo));
  yield* scene(trace, `${peer.name} connects to our echo server and closes first`, function* () {
    const answer = yield* peer.call(OUR_ADDRESS, ECHO_PORT, Buffer.from("hello"));
    check(Buffer.from(answer).toString() === "hello", `${peer.name} got "hello" back`);
  });
  checkWhole(trace, "in");

  const title = `${peer.name} sends ${BULK_BYTES / 1e6} MB and gets them back`;
  yield* scene(trace, title, function* () {
    const startMs = now();
    const answer = yield* peer.call(OUR_ADDRESS, ECHO_PORT, BULK);
    const ms = (now() - startMs).toFixed(0);
    check(Buffer.compare(BULK, answer) === 0, `every byte came back as it was sent, in ${ms} ms`);
  });
  checkWhole(trace, "in");
  server.cancel();
}

/** We connect to a server of the peer, exchange data and close. */
function* connecting(peer: Peer, trace: Trace): Operation<void> {
  yield* peer.serveEcho(ECHO_PORT);
  yield* scene(trace, `we connect to a server of ${peer.name} and close first`, function* () {
    const host = peer.address;
    const conn = yield* tcp.connect({ host, port: ECHO_PORT }, now() + PATIENCE_MS);
    const buf = Buffer.from("good morning");
    yield* conn.send(buf, now() + PATIENCE_MS);
    yield* conn.recv(buf, now() + PATIENCE_MS);
    check(buf.toString() === "good morning", `we got "${buf}" back`);
    yield* conn.close(now() + PATIENCE_MS);
    check(true, "close returned: every byte and our FIN acknowledged, the peer's FIN is here");
  });
  checkWhole(trace, "out");
}

/** A deadline that passes. */
function* timingOut(silence: string, trace: Trace): Operation<void> {
  const deadlineMs = 1_500;
  yield* scene(trace, `we connect to ${silence}, deadline ${deadlineMs} ms`, function* () {
    const startMs = now();
    try {
      yield* tcp.connect({ host: SILENT_ADDRESS, port: 80 }, startMs + deadlineMs);
      check(false, "connect throws");
    } catch (error) {
      const passedMs = now() - startMs;
      if (!isNetError(error, "ETIMEDOUT")) throw error;
      check(passedMs >= deadlineMs, `after ${passedMs.toFixed(1)} ms ${error.message}`);
    }
  });
}

/** A coroutine that is cancelled while it waits. */
function* cancelling(peer: Peer, trace: Trace): Operation<void> {
  yield* scene(trace, "we cancel a coroutine that waits for data", function* () {
    let isWaiting = false;
    let code = "";
    const reader = yield* go(function* () {
      const { address: host } = peer;
      const conn = yield* tcp.connect({ host, port: ECHO_PORT }, now() + PATIENCE_MS);
      isWaiting = true;
      try {
        yield* conn.recvSome(new Uint8Array(1), now() + 60_000);
      } catch (error) {
        if (isNetError(error)) code = error.code;
        throw error;
      }
    });
    while (!isWaiting) yield* sleep(now() + 1);
    yield* sleep(now() + 100);
    reader.cancel();
    yield* sleep(now() + 1);
    check(reader.isEnded && code === "ECANCELED", `recvSome threw ${code} at once`);
  });
  check(trace.segments.at(-1)?.startsWith("out RST") === true, "its connection was reset");
}

function* play(stage: Stage): Operation<void> {
  const { peer, silence } = stage;
  const trace = new Trace(peer.name);
  const driver = traceDriver(stage.driver, trace.record);
  const mctx = createContext({ driver, address: `${OUR_ADDRESS}/${PREFIX_BITS}` });
  yield* useNetwork(mctx);
  const scenes = yield* go(function* () {
    yield* serving(peer, trace);
    yield* connecting(peer, trace);
    yield* timingOut(silence, trace);
    yield* cancelling(peer, trace);
  });
  yield* scenes.join();
  console.log("\n--- what is left");
  expectNothingLeft(mctx);
  const { timeWait } = mctx.leftovers();
  check(true, `no socket, listener, buffer or timer; connections in TIME-WAIT: ${timeWait}`);
}

function demo(whyNoNamespace: string | null): Promise<void> {
  return main(function* () {
    try {
      const stage = setStage(settings.driver, whyNoNamespace);
      console.log(`The stage: ${stage.text}.`);
      yield* play(stage);
      console.log("\nEverything went as shown.");
    } catch (error) {
      if (!(error instanceof StageError)) throw error;
      console.error(`demo: ${error.message}`);
      process.exitCode = 1;
    }
  });
}

if (isInside()) {
  endWithParent();
  await demo(null);
} else if (STAGES_FOR_ALL.includes(settings.driver)) {
  await demo(`asked for --driver ${settings.driver}`);
} else {
  const way = wayIn();
  if (typeof way === "string") await demo(way);
  else process.exitCode = await runInside(way);
}
