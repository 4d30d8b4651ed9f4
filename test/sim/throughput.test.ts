// SPDX-License-Identifier: MIT
// Throughput by loss rate and buffer size, on virtual time: a golden table, after smoltcp's netsim.
// It changes when TCP sends differently, on purpose; then run vitest with `-u` and say why.

import { describe, expect, it } from "vitest";
import { go, now, tcp } from "../../src/index.ts";
import { simulate } from "../../src/testing.ts";

const LOSSES = [0, 0.001, 0.01, 0.05] as const;
const BUFFERS_KIB = [4, 16, 64, 256] as const;
const BYTES = 1_000_000;
const SEEDS = 3;
const FOREVER_MS = 80_000_000;

/** @returns kB per virtual second, from the first byte sent to the close */
async function throughput(seed: number, loss: number, bufferKib: number): Promise<number> {
  const bufferBytes = bufferKib * 1_024;
  const settings = { sendBufferBytes: bufferBytes, receiveBufferBytes: bufferBytes };
  // 20 ms of round trip, 100 Mbit/s, loss in both directions.
  const link = { delayMs: 5, bandwidthBps: 100_000_000, loss: loss / 2 };
  const { result } = await simulate(seed, function* (net) {
    const server = net.host("server", { link, context: { tcp: settings } });
    const client = net.host("client", { link, context: { tcp: settings } });
    const listener = yield* tcp.listen({ port: 80, context: server.context });
    const target = { host: server.address, port: 80, context: client.context };
    const conn = yield* tcp.connect(target, now() + FOREVER_MS);
    const peer = yield* listener.accept(now() + FOREVER_MS);
    const receiving = yield* go(function* () {
      const buf = new Uint8Array(65_536);
      while ((yield* peer.recvSome(buf, now() + FOREVER_MS)) > 0);
      yield* peer.close(now() + FOREVER_MS);
    });
    const startMs = now();
    yield* conn.send(new Uint8Array(BYTES), now() + FOREVER_MS);
    yield* conn.close(now() + FOREVER_MS);
    const tookMs = now() - startMs;
    yield* receiving.join(now() + FOREVER_MS);
    return BYTES / tookMs;
  });
  return result;
}

describe("throughput on virtual time", () => {
  it("is as in the golden table", async () => {
    const lines = ["kB/s, 20 ms round trip, 100 Mbit/s, loss of frames in each direction", ""];
    lines.push(["loss", ...BUFFERS_KIB.map((kib) => `${kib} KiB`)].map(cell).join(""));
    for (const loss of LOSSES) {
      const row = [`${loss * 100} %`];
      for (const bufferKib of BUFFERS_KIB) {
        let sum = 0;
        for (let seed = 1; seed <= SEEDS; seed++) sum += await throughput(seed, loss, bufferKib);
        row.push((sum / SEEDS).toFixed(0));
      }
      lines.push(row.map(cell).join(""));
    }
    await expect(`${lines.join("\n")}\n`).toMatchFileSnapshot("./throughput.txt");
  });
});

function cell(text: string): string {
  return text.padStart(10);
}
