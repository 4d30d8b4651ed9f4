// SPDX-License-Identifier: MIT
// The part of the suite `veth` that runs inside its own network namespace. The load runs here; the
// kernel's server runs in a second namespace at the far end of a veth pair. Our server holds the
// far end of another pair, whose interface has no address, so that the kernel there answers
// nothing; or a TAP device of this namespace.
//
//   here            there
//   c0 10.77.0.1 -- s0 (no address)  af_packet: we are 10.77.0.2
//   c1 10.77.1.1 -- s1 10.77.1.2     Node's net
//   t0 10.77.2.1                     tap: we are 10.77.2.2
//
// Everything is a child of this process and ends when its standard input does; both namespaces end
// with their last process. Prints the samples as one line of JSON.

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { shareOfOthers } from "./support/machine.ts";
import type { InsideOptions, LoadResult, Sample } from "./veth.ts";

const PORT = 7_777;
const REQUEST_BYTES = 64;
const SERVER = fileURLToPath(new URL("./support/server.js", import.meta.url));

interface Server {
  readonly name: string;
  /** Where the load connects to. */
  readonly host: string;
  /** Arguments of support/server. */
  readonly args: readonly string[];
  readonly isThere: boolean;
  readonly isFullRunOnly?: boolean;
}

interface Load {
  readonly name: string;
  readonly connections: number;
  readonly mode: "echo" | "connect";
}

function ours(name: string, busyPoll: string, isFullRunOnly: boolean): Server {
  const args = ["af_packet", "10.77.0.2/24", `${PORT}`, busyPoll, "s0"];
  return { name, host: "10.77.0.2", args, isThere: true, isFullRunOnly };
}

const SERVERS: readonly Server[] = [
  ours("af_packet", "adaptive", false),
  { name: "node net", host: "10.77.1.2", args: ["net", "10.77.1.2", `${PORT}`], isThere: true },
  {
    name: "tap",
    host: "10.77.2.2",
    args: ["tap", "10.77.2.2/24", `${PORT}`, "adaptive", "t0", "10.77.2.1/24"],
    isThere: false,
  },
  ours("af_packet, busyPoll always", "always", true),
];

const LOADS: readonly Load[] = [
  { name: "echo, 1 connection", connections: 1, mode: "echo" },
  { name: "echo, 64 connections", connections: 64, mode: "echo" },
  { name: "connect+echo+close, 1 at once", connections: 1, mode: "connect" },
  { name: "connect+echo+close, 64 at once", connections: 64, mode: "connect" },
];

function shell(script: string): void {
  const done = spawnSync("sh", ["-ec", script], { encoding: "utf8" });
  if (done.status !== 0) throw new Error(`setting up the namespaces failed: ${done.stderr}`);
}

/** Makes the namespace there. @returns the process that holds it */
async function setUp(): Promise<ChildProcess> {
  // IPv6 is silenced: its neighbour discovery would be traffic that nobody asked for. TIME-WAIT of
  // the load's side is cut short, else its ports run out within seconds.
  shell(`
    ip link set lo up
    echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6 || true
    echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6 || true
    echo 500 > /proc/sys/net/ipv4/tcp_max_tw_buckets || true
    echo "2000 65000" > /proc/sys/net/ipv4/ip_local_port_range`);
  const there = spawn("unshare", ["-n", "sh", "-c", "echo ready; exec cat"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  await once(there.stdout, "data");
  const enter = `nsenter -t ${there.pid} -n`;
  shell(`
    ${enter} sh -c 'echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6' || true
    for n in 0 1; do
      ip link add c$n type veth peer name s$n netns ${there.pid}
      ip addr add 10.77.$n.1/24 dev c$n
      ip link set c$n up
      ${enter} ip link set s$n up
    done
    ${enter} ip link set lo up
    ${enter} ip addr add 10.77.1.2/24 dev s1`);
  return there;
}

async function startServer(
  server: Server,
  there: ChildProcess,
  options: InsideOptions,
): Promise<ChildProcess> {
  const enter = server.isThere ? ["nsenter", "-t", `${there.pid}`, "-n"] : [];
  const flags = (process.env["CARAWAY_BENCH_NODE_FLAGS"] ?? "").split(" ").filter(Boolean);
  const pin = ["taskset", "-c", `${options.serverProcessor}`];
  const command = [...enter, ...pin, process.execPath, ...flags, SERVER, ...server.args];
  const child = spawn(command[0] as string, command.slice(1), {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const started = await Promise.race([
    once(child.stdout, "data").then(() => true),
    once(child, "exit").then(() => false),
  ]);
  if (!started) throw new Error(`the server "${server.name}" does not start`);
  return child;
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.stdin?.end();
  const timer = setTimeout(() => child.kill("SIGKILL"), 5_000);
  await exited;
  clearTimeout(timer);
}

async function runLoad(server: Server, load: Load, options: InsideOptions): Promise<LoadResult> {
  const seconds = options.quick ? 0.7 : 1.5;
  const warmUp = options.quick ? 0.4 : 0.7;
  const args = [server.host, PORT, load.connections, warmUp, seconds, REQUEST_BYTES, load.mode];
  const pinned = ["-c", `${options.loadProcessor}`, options.loadBinary, ...args.map(String)];
  const child = spawn("taskset", pinned, { stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    output += text;
  });
  const [code] = (await once(child, "close")) as [number | null];
  if (code !== 0) throw new Error(`"${load.name}" against "${server.name}" failed`);
  return JSON.parse(output) as LoadResult;
}

/** Why no TAP device can be made, or null. */
function whyNoTap(): string | null {
  try {
    closeSync(openSync("/dev/net/tun", "r+"));
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

/** Every server in turn, every load on each. */
async function measure(there: ChildProcess, options: InsideOptions): Promise<Sample[]> {
  const samples: Sample[] = [];
  const noTap = whyNoTap();
  if (noTap !== null) process.stderr.write(`veth: not measuring tap: ${noTap}\n`);
  const servers = SERVERS.filter((server) => {
    if (server.name === "tap" && noTap !== null) return false;
    if (options.servers.length > 0) return options.servers.includes(server.name);
    return !(options.quick && server.isFullRunOnly === true);
  });
  const loads = LOADS.filter(
    (load) => options.loads.length === 0 || options.loads.includes(load.name),
  );
  for (let turn = 0; turn < options.turns; turn++) {
    for (const server of servers) {
      process.stderr.write(`veth: turn ${turn + 1} of ${options.turns}: ${server.name} `);
      const others = await shareOfOthers([options.serverProcessor, options.loadProcessor]);
      const child = await startServer(server, there, options);
      try {
        for (const load of loads) {
          const result = await runLoad(server, load, options);
          samples.push({ turn, server: server.name, load: load.name, others, ...result });
          process.stderr.write(` ${Math.round(result.perSecond)}/s ${result.p50Us} us;`);
        }
      } finally {
        await stop(child);
        process.stderr.write("\n");
      }
    }
  }
  return samples;
}

// Whoever started this has gone: so does this, and by their standard inputs all the others.
process.stdin.on("end", () => process.exit(1)).resume();
const options = JSON.parse(process.argv[2] ?? "{}") as InsideOptions;
const there = await setUp();
try {
  const samples = await measure(there, options);
  process.stdout.write(`${JSON.stringify(samples)}\n`);
} catch (error) {
  process.stderr.write(`veth: ${(error as Error).message}\n`);
  process.exitCode = 1;
} finally {
  await stop(there);
  process.stdin.destroy();
}
