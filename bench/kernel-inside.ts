// SPDX-License-Identifier: MIT
// The part of the suite `kernel` that runs inside its own network namespace. The load runs here;
// servers run here too, or in a second namespace at the far end of a veth pair.
//
//   here                            there
//   lo 127.0.0.1                             network "loopback"
//   c0 10.78.0.1 -- s0 10.78.0.2             network "veth"

import type { ChildProcess } from "node:child_process";
import type { InsideOptions } from "./support/comparison.ts";
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

const CHUNK_BYTES = 65_536;

const LOADS: readonly Load[] = [
  { name: "echo, 1 connection", connections: 1, mode: "echo", bytes: 64 },
  { name: "echo, 64 connections", connections: 64, mode: "echo", bytes: 64 },
  { name: "connect+echo+close, 64 at once", connections: 64, mode: "connect", bytes: 64 },
  { name: "bulk to the server", connections: 1, mode: "send", bytes: CHUNK_BYTES },
  { name: "bulk from the server", connections: 1, mode: "receive", bytes: CHUNK_BYTES },
];

function serversOn(
  network: string,
  host: string,
  before: readonly string[],
  options: InsideOptions,
): Server[] {
  const place = { network, host };
  const port = `${PORT}`;
  const epollServer = options.programs["epoll-server"] as string;
  const ours = (busyPoll: string): string[] => [
    ...before,
    ...nodeServer("kernel", host, port, busyPoll),
  ];
  return [
    { ...place, name: "kernel sockets", command: ours("adaptive") },
    { ...place, name: "node net", command: [...before, ...nodeServer("net", host, port)] },
    { ...place, name: "C epoll, spinning", command: [...before, epollServer, host, port, "spin"] },
    {
      ...place,
      name: "C epoll",
      command: [...before, epollServer, host, port, "block"],
      isFullRunOnly: true,
    },
    {
      ...place,
      name: "kernel sockets, busyPoll never",
      command: ours("never"),
      isFullRunOnly: true,
    },
  ];
}

function serversOf(there: ChildProcess, options: InsideOptions): Server[] {
  return [
    ...serversOn("loopback", "127.0.0.1", [], options),
    ...serversOn("veth", "10.78.0.2", enter(there), options),
  ];
}

await runTurns(async (options) => {
  quieten();
  const there = await makeNamespace();
  try {
    cable(there, 0, "10.78.0.1/24");
    addressThere(there, 0, "10.78.0.2/24");
    return await takeTurns(serversOf(there, options), LOADS, options);
  } finally {
    await stop(there);
  }
});
