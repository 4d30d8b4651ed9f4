// SPDX-License-Identifier: MIT
// iperf3 as a contestant: it is started and asked like the others.
//
//   iperf.js serve HOST PORT
//   iperf.js load HOST PORT STREAMS ACTIVE WARM_UP SECONDS BYTES send|receive|both
//
// It measures in whole seconds, so it takes somewhat longer than asked.

import { spawn, spawnSync } from "node:child_process";
import type { LoadResult } from "./load.ts";
import { leaveWithInput } from "./place.ts";

interface Sum {
  readonly bits_per_second: number;
}

/** What `iperf3 --json` prints, as far as it is read here. */
interface Report {
  readonly error?: string;
  readonly end: {
    readonly sum_received: Sum;
    readonly sum_received_bidir_reverse?: Sum;
    readonly cpu_utilization_percent: { readonly host_total: number };
  };
}

const DIRECTIONS: Readonly<Record<string, readonly string[]>> = {
  send: [],
  receive: ["--reverse"],
  both: ["--bidir"],
};

function serve(host: string, port: string): void {
  const server = spawn("iperf3", ["-s", "-B", host, "-p", port, "--forceflush"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  server.on("error", (error) => {
    process.stderr.write(`Error: iperf3: ${error.message}\n`);
    process.exit(1);
  });
  server.on("exit", () => process.exit(1));
  server.stdout.once("data", () => process.stdout.write("ready\n")).resume();
  process.on("exit", () => server.kill());
}

function load(args: readonly string[]): LoadResult {
  const [host = "", port = "", streams = "1", , warmUp = "0", seconds = "1", , mode = ""] = args;
  const direction = DIRECTIONS[mode];
  if (direction === undefined) throw new Error(`iperf3 has no "${mode}"`);
  const length = Math.max(1, Math.round(Number(seconds)));
  const omitted = Math.round(Number(warmUp));
  const { stdout } = spawnSync(
    "iperf3",
    ["-c", host, "-p", port, "-P", streams, "-t", `${length}`, "-O", `${omitted}`, "-J"].concat(
      direction,
    ),
    { encoding: "utf8" },
  );
  const { error, end } = JSON.parse(stdout) as Report;
  if (error !== undefined) throw new Error(error);
  const back = end.sum_received_bidir_reverse?.bits_per_second ?? 0;
  const none = { perSecond: 0, p50Us: 0, p99Us: 0, p999Us: 0, requests: 0, failed: 0 };
  return {
    ...none,
    bytesPerSecond: (end.sum_received.bits_per_second + back) / 8,
    total: 0,
    openSeconds: 0,
    loadSeconds: (end.cpu_utilization_percent.host_total / 100) * (length + omitted),
  };
}

leaveWithInput();
const [role, ...args] = process.argv.slice(2);
if (role === "serve") {
  const [host = "", port = ""] = args;
  serve(host, port);
} else {
  process.stdout.write(`${JSON.stringify(load(args))}\n`, () => process.exit(0));
}
