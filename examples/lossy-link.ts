// SPDX-License-Identifier: MIT
// A transfer over a simulated link that loses, duplicates and reorders frames: byte-exact all the
// same, and the same seed gives the same packets. `--pcap` writes what Wireshark opens.

import { createWriteStream } from "node:fs";
import { go, now, type Operation, tcp } from "../src/index.ts";
import { Random, simulate } from "../src/testing.ts";
import { commandLine } from "./support/command-line.ts";

const PROBABILITY = { value: "<0 to 1>", range: [0, 1] } as const;

const settings = commandLine(
  {
    name: "lossy-link",
    text: "Sends data over a simulated link with faults and shows what it took.",
    examples: [
      "npx tsx examples/lossy-link.ts --loss 0.1 --trace 20",
      "npx tsx examples/lossy-link.ts --pcap loss.pcap   # then: wireshark loss.pcap",
    ],
  },
  {
    loss: { help: "Frames lost.", default: 0.02, ...PROBABILITY },
    duplicate: { help: "Frames that arrive twice.", default: 0.01, ...PROBABILITY },
    reorder: { help: "Frames that are overtaken.", default: 0.01, ...PROBABILITY },
    "delay-ms": { help: "Delay each way.", default: 10, range: [0, 10_000] },
    mbps: { help: "Bandwidth in Mbit/s.", default: 100, range: [0.001, 1e6] },
    bytes: { help: "How much to send.", default: 1_000_000, range: [1, 1e9] },
    seed: { help: "The same seed, the same packets.", default: 1, value: "<integer>" },
    trace: { help: "Print the last so many frames.", default: 0, range: [0, 100_000] },
    pcap: { help: "Write all frames to this file.", default: "", value: "<file>" },
  },
);

const HOUR_MS = 3_600_000;
const CHUNK_BYTES = 65_536;

/** Sends pseudo-random bytes, and closes once the peer has acknowledged them all. */
function* sender(host: string): Operation<{ retransmits: number; srttMs: number }> {
  const conn = yield* tcp.connect({ host, port: 80 }, now() + HOUR_MS);
  const random = new Random(settings.seed);
  for (let left = settings.bytes; left > 0; left -= CHUNK_BYTES) {
    const chunk = new Uint8Array(Math.min(left, CHUNK_BYTES));
    random.fill(chunk);
    yield* conn.send(chunk, now() + HOUR_MS);
  }
  yield* conn.close(now() + HOUR_MS);
  return conn.info();
}

/** Receives until the sender closes, and compares every byte. Returns their number. */
function* receiver(): Operation<number> {
  const listener = yield* tcp.listen({ port: 80 });
  const conn = yield* listener.accept(now() + HOUR_MS);
  const random = new Random(settings.seed);
  let total = 0;
  while (total < settings.bytes) {
    const expected = new Uint8Array(Math.min(settings.bytes - total, CHUNK_BYTES));
    const got = new Uint8Array(expected.length);
    random.fill(expected);
    yield* conn.recv(got, now() + HOUR_MS);
    if (Buffer.compare(got, expected) !== 0) throw new Error(`wrong bytes after ${total}`);
    total += got.length;
  }
  yield* conn.close(now() + HOUR_MS);
  return total;
}

const { seed, loss, duplicate, reorder, mbps } = settings;
const { result, virtualMs, traceHash, trace } = await simulate(seed, function* (net) {
  const link = net.link("sender", "receiver", {
    loss,
    duplicate,
    reorder,
    delayMs: settings["delay-ms"],
    bandwidthBps: mbps * 1e6,
  });
  if (settings.pcap !== "") {
    const file = createWriteStream(settings.pcap);
    link.capture((bytes) => void file.write(bytes));
  }
  const [from, to] = [net.host("sender"), net.host("receiver")];
  const startMs = now();
  const receiving = yield* to.go(receiver);
  const sending = yield* go(() => from.run(() => sender(to.address)));
  const bytes = yield* receiving.join();
  const { retransmits, srttMs } = yield* sending.join();
  const lost = Object.values(link.statistics()).reduce((sum, pipe) => sum + pipe.lost, 0);
  return { bytes, retransmits, srttMs, lost, seconds: (now() - startMs) / 1_000 };
});

for (const line of settings.trace === 0 ? [] : trace.slice(-settings.trace)) console.log(line);
const { bytes, lost, retransmits, srttMs, seconds } = result;
console.log(`${bytes} bytes in ${seconds.toFixed(3)} s of virtual time, every one as it was sent`);
console.log(`goodput ${((bytes * 8) / seconds / 1e6).toFixed(3)} of ${mbps} Mbit/s`);
console.log(`frames lost ${lost}, segments sent again ${retransmits}, RTT ${srttMs.toFixed(1)} ms`);
console.log(
  `with seed ${seed} always: trace hash ${traceHash}, ${virtualMs.toFixed(3)} ms to the end`,
);
