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

import type { ChildProcess } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { addressThere, cable, enter, makeNamespace, quieten } from "./support/namespaces.ts";
import {
  type Load,
  nodeServer,
  PORT,
  runTurns,
  type Server,
  stop,
  takeTurns,
} from "./support/turns.ts";

const LOADS: readonly Load[] = [
  { name: "echo, 1 connection", connections: 1, mode: "echo", bytes: 64 },
  { name: "echo, 64 connections", connections: 64, mode: "echo", bytes: 64 },
  { name: "connect+echo+close, 1 at once", connections: 1, mode: "connect", bytes: 64 },
  { name: "connect+echo+close, 64 at once", connections: 64, mode: "connect", bytes: 64 },
];

function serversOf(there: ChildProcess): Server[] {
  const ours = (busyPoll: string): string[] => [
    ...enter(there),
    ...nodeServer("af_packet", "10.77.0.2/24", `${PORT}`, busyPoll, "s0"),
  ];
  const tap = nodeServer("tap", "10.77.2.2/24", `${PORT}`, "adaptive", "t0", "10.77.2.1/24");
  const node = [...enter(there), ...nodeServer("net", "10.77.1.2", `${PORT}`)];
  const network = "";
  const servers: Server[] = [
    { name: "af_packet", network, host: "10.77.0.2", command: ours("adaptive") },
    { name: "node net", network, host: "10.77.1.2", command: node },
    { name: "tap", network, host: "10.77.2.2", command: tap },
    {
      name: "af_packet, busyPoll always",
      network,
      host: "10.77.0.2",
      command: ours("always"),
      isFullRunOnly: true,
    },
  ];
  const noTap = whyNoTap();
  if (noTap === null) return servers;
  process.stderr.write(`veth: not measuring tap: ${noTap}\n`);
  return servers.filter((server) => server.name !== "tap");
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

await runTurns(async (options) => {
  quieten();
  const there = await makeNamespace();
  try {
    cable(there, 0, "10.77.0.1/24");
    cable(there, 1, "10.77.1.1/24");
    addressThere(there, 1, "10.77.1.2/24");
    return await takeTurns(serversOf(there), LOADS, options);
  } finally {
    await stop(there);
  }
});
