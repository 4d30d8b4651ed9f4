// SPDX-License-Identifier: MIT
// Network namespaces of a comparison, from the inside: the process that calls this is in one of
// its own already (see comparison.ts). They end with their last process.

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";

/** Runs a shell script that sets something up; throws with what it said if it fails. */
export function shell(script: string): void {
  const done = spawnSync("sh", ["-ec", script], { encoding: "utf8" });
  if (done.status !== 0) throw new Error(`setting up failed: ${done.stderr.trim()}`);
}

/** Makes this namespace ready for a load. */
export function quieten(): void {
  // IPv6 is silenced: its neighbour discovery would be traffic that nobody asked for. TIME-WAIT of
  // the load's side is cut short, else its ports run out within seconds.
  shell(`
    ip link set lo up
    echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6 || true
    echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6 || true
    echo 500 > /proc/sys/net/ipv4/tcp_max_tw_buckets || true
    echo "2000 65000" > /proc/sys/net/ipv4/ip_local_port_range`);
}

/** Makes a second namespace. @returns the process that holds it until its input ends */
export async function makeNamespace(): Promise<ChildProcess> {
  const there = spawn("unshare", ["-n", "sh", "-c", "echo ready; exec cat"], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  await once(there.stdout, "data");
  shell(`
    ${enterText(there)} sh -c 'echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6' || true
    ${enterText(there)} ip link set lo up`);
  return there;
}

/** Joins both namespaces by a cable: c`n` here with an address, s`n` there without one. */
export function cable(there: ChildProcess, n: number, address: string): void {
  shell(`
    ip link add c${n} type veth peer name s${n} netns ${there.pid}
    ip addr add ${address} dev c${n}
    ip link set c${n} up
    ${enterText(there)} ip link set s${n} up`);
}

/** Gives s`n` there an address. */
export function addressThere(there: ChildProcess, n: number, address: string): void {
  shell(`${enterText(there)} ip addr add ${address} dev s${n}`);
}

/** What to put before a command that is to run there. */
export function enter(there: ChildProcess): string[] {
  return ["nsenter", "-t", `${there.pid}`, "-n"];
}

function enterText(there: ChildProcess): string {
  return enter(there).join(" ");
}
