// SPDX-License-Identifier: MIT
// Who takes part in comparisons, and how each is started. See inside.ts for the addresses.

import { fileURLToPath } from "node:url";
import type { BusyPoll, NativeDriverOptions } from "../../src/index.ts";
import type { Server, Site } from "./comparison.ts";
import { sourceOf } from "./machine.ts";
import type { StackPlace } from "./place.ts";

/** Where servers echo. At the next port they drop what comes, at the one after they send. */
export const PORT = 7_777;

/** The kernel's sockets: on this side of the cable, or at its far end. */
export type KernelPlace = "loopback" | "veth";

const HOSTS: Readonly<Record<KernelPlace, string>> = {
  loopback: "127.0.0.1",
  veth: "10.77.0.3",
};
const STACK_HOST = "10.77.0.2";
const TAP_HOST = "10.77.2.2";
const TAP_KERNEL_ADDRESS = "10.77.2.1/24";

/** A stack of ours on this side of the cable, which the kernel shares with it. */
const CLIENT_HOST = "10.77.0.9";

/** The command of a program of this folder, with what it is told as JSON. */
export function nodeProgram(name: "server" | "client", options: unknown): string[] {
  return [...compiled(`./${name}.js`), JSON.stringify(options)];
}

function compiled(file: string): string[] {
  const flags = (process.env["CARAWAY_BENCH_NODE_FLAGS"] ?? "").split(" ").filter(Boolean);
  return [process.execPath, ...flags, fileURLToPath(new URL(file, import.meta.url))];
}

function before(site: Site, place: KernelPlace): readonly string[] {
  return place === "veth" ? site.there : [];
}

/** Our stack at the far end of the cable, or on a TAP device at this one. */
export function ourStack(
  site: Site,
  kind: "af_packet" | "af_xdp" | "tap",
  more: { name?: string; busyPoll?: BusyPoll; driver?: Readonly<Record<string, unknown>> } = {},
): Server {
  const isTap = kind === "tap";
  const host = isTap ? TAP_HOST : STACK_HOST;
  const device = isTap
    ? { interface: "t0", kernelAddress: TAP_KERNEL_ADDRESS }
    : { interface: "s0", ...(kind === "af_xdp" ? { addresses: [host] } : {}) };
  const driver = { driver: kind, ...device, ...more.driver } as unknown as NativeDriverOptions;
  const place: StackPlace = { driver, address: `${host}/24` };
  const { name = kind, busyPoll = "adaptive" } = more;
  const command = nodeProgram("server", { kind: "stack", busyPoll, ...place });
  return { name, isOurs: true, host, command: isTap ? command : [...site.there, ...command] };
}

/** Ours on the kernel's sockets. */
export function kernelSockets(
  site: Site,
  place: KernelPlace,
  busyPoll: BusyPoll = "adaptive",
): Server {
  const host = HOSTS[place];
  return {
    name: `kernel sockets${busyPoll === "adaptive" ? "" : `, busyPoll ${busyPoll}`}`,
    isOurs: true,
    host,
    command: [...before(site, place), ...nodeProgram("server", { kind: "kernel", host, busyPoll })],
  };
}

/** Node's `net`. */
export function nodeNet(site: Site, place: KernelPlace): Server {
  const host = HOSTS[place];
  const command = [...before(site, place), ...nodeProgram("server", { kind: "net", host })];
  return { name: "node net", host, command };
}

/** epoll in C. */
export function cEpoll(site: Site, place: KernelPlace, how: "spin" | "block"): Server {
  const host = HOSTS[place];
  const program = site.programs["epoll-server"] ?? "";
  return {
    name: how === "spin" ? "C epoll, spinning" : "C epoll",
    host,
    command: [...before(site, place), program, host, `${PORT}`, how],
  };
}

/** Bun and Deno, as far as they are there. */
export function bunAndDeno(site: Site, place: KernelPlace): Server[] {
  const host = HOSTS[place];
  const { bun, deno } = site.peers;
  const servers: Server[] = [];
  const start = (name: string, program: readonly string[], script: string): void => {
    const args = [sourceOf(`programs/${script}`), host, `${PORT}`];
    servers.push({ name, host, command: [...before(site, place), ...program, ...args] });
  };
  if (bun !== undefined) start("bun", [bun, "run"], "bun-server.mjs");
  if (deno !== undefined) start("deno", [deno, "run", "--allow-net"], "deno-server.mjs");
  return servers;
}

/**
 * The same server, with our stack instead of the kernel at the client's end of the cable: what the
 * kernel's client takes of each round trip is not in these figures.
 */
export function withOurClient(
  server: Server,
  kind: "af_packet" | "af_xdp",
  loads: readonly string[],
): Server {
  const driver: NativeDriverOptions =
    kind === "af_packet"
      ? { driver: kind, interface: "c0" }
      : { driver: kind, interface: "c0", addresses: [CLIENT_HOST] };
  const place: StackPlace = { driver, address: `${CLIENT_HOST}/24` };
  const client = nodeProgram("client", place);
  return { ...server, name: ourClient(server.name), client, loads };
}

/** What a server is called when our client loads it. */
export function ourClient(name: string): string {
  return `${name}, our client`;
}

/**
 * The upper bound: a stateless responder in C on the same driver. It answers as a server would
 * whose every connection goes well, and has no state, timer or coroutine.
 */
export function responder(site: Site, kind: "af_packet" | "af_xdp" | "tap"): Server {
  const program = site.programs["responder"] ?? "";
  const name = boundOf(kind);
  if (kind !== "tap") {
    const command = [...site.there, program, kind, "s0", STACK_HOST];
    return { name, host: STACK_HOST, command };
  }
  return {
    name,
    host: TAP_HOST,
    command: [program, kind, "t1", TAP_HOST],
    prepare: `ip tuntap add t1 mode tap; ip addr add ${TAP_KERNEL_ADDRESS} dev t1; ip link set t1 up`,
    restore: "ip link del t1",
  };
}

/** What the upper bound of a driver is called. */
export function boundOf(kind: string): string {
  return `responder in C, ${kind}`;
}

/** All who serve at the far end of the cable or on a TAP device, and what bounds them. */
export function everybody(site: Site): Server[] {
  return [
    ourStack(site, "af_xdp"),
    ourStack(site, "tap"),
    ourStack(site, "af_packet"),
    kernelSockets(site, "veth"),
    nodeNet(site, "veth"),
    ...bunAndDeno(site, "veth"),
    cEpoll(site, "veth", "block"),
    cEpoll(site, "veth", "spin"),
    responder(site, "af_xdp"),
    responder(site, "tap"),
    responder(site, "af_packet"),
  ];
}

/** One stream of the kernel's, as iperf3 makes it: what the cable and the kernel can do. */
export function iperf(site: Site): Server {
  const program = compiled("./iperf.js");
  const host = HOSTS.veth;
  const command = [...site.there, ...program, "serve", host, `${PORT}`];
  return { name: "iperf3", host, command, client: [...program, "load"] };
}

/** The same with segments that fit the MTU of 1,500 on the cable: nothing merged, nothing cut. */
export function withoutOffloads(site: Site, server: Server): Server {
  const set = (how: string): string => {
    const ethtool = (name: string): string => `ethtool -K ${name} tso ${how} gso ${how} gro ${how}`;
    return `${ethtool("c0")}; ${site.there.join(" ")} ${ethtool("s0")}`;
  };
  const { name } = server;
  return { ...server, name: `${name}, 1500`, prepare: set("off"), restore: set("on") };
}

const MEMIF_HOSTS = { server: "10.77.3.2", client: "10.77.3.1" } as const;

function memifPlace(site: Site, role: "server" | "client", more: object): StackPlace {
  const driver = { driver: "memif", socket: `${site.folder}/memif`, role, ...more } as const;
  return { driver, address: `${MEMIF_HOSTS[role]}/24` };
}

/** Our stack in two processes, which share the memory of a memif: the kernel sees nothing of it. */
export function memif(
  site: Site,
  name = "memif",
  more: { readonly mtu?: number; readonly bufferBytes?: number } = {},
): Server {
  return {
    name,
    isOurs: true,
    host: MEMIF_HOSTS.server,
    command: nodeProgram("server", { kind: "stack", ...memifPlace(site, "server", more) }),
    client: nodeProgram("client", memifPlace(site, "client", more)),
  };
}

/** Frames over the same rings without a stack: what the driver itself can do from JavaScript. */
export function memifFrames(site: Site): Server {
  const program = compiled("../driver-frames.js");
  const driver = (role: "server" | "client"): string =>
    JSON.stringify(memifPlace(site, role, {}).driver);
  return {
    name: "frames over memif",
    host: "-",
    command: [...program, "echo", driver("server")],
    client: [...program, "load", driver("client")],
  };
}

/** A UNIX socket, which is what two processes of one machine have without us. */
export function unixServers(site: Site): Server[] {
  const host = `unix:${site.folder}/echo`;
  const program = site.programs["epoll-server"] ?? "";
  const inC = (how: string): string[] => [program, host, `${PORT}`, how];
  const net = nodeProgram("server", { kind: "net", host });
  return [
    { name: "unix, node net", host, command: net, prepare: `rm -f ${site.folder}/echo.*` },
    { name: "unix, C epoll", host, command: inC("block") },
    { name: "unix, C epoll, spinning", host, command: inC("spin") },
  ];
}
