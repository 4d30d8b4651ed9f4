// SPDX-License-Identifier: MIT
// What the demo plays on: our driver at one end of a cable, somebody else's TCP at the other. Best
// the kernel's over a veth pair, else over a TAP device, else a second stack of our own: in another
// process, with which we share memory, or in this one.

import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { type Driver, isNetError, openDriver, whyNoNativeDriver } from "../../src/index.ts";
import { createCable } from "../../src/testing.ts";
import { ENVIRONMENT } from "./namespace.ts";
import { KernelPeer, type Peer, StackPeer } from "./peer.ts";
import { ProcessPeer } from "./process-peer.ts";

/** Addresses on the cable. Nobody else can see them. */
export const OUR_ADDRESS = "10.77.0.2";
export const PEER_ADDRESS = "10.77.0.1";
/** A host that answers ARP and nothing else, where one can be set up; else nobody. */
export const SILENT_ADDRESS = "10.77.0.9";
/** Of the network on the cable. */
export const PREFIX_BITS = 24;

/** Where a demo can play. */
export interface Stage {
  /** Says in a line what there is. */
  readonly text: string;
  readonly driver: Driver;
  readonly peer: Peer;
  /** What kind of silence is at SILENT_ADDRESS. */
  readonly silence: string;
}

/** The names `--driver` takes. */
export const STAGES = ["auto", "af_packet", "tap", "memif", "sim"] as const;
/** Those that need no namespace. */
export const STAGES_FOR_ALL: readonly string[] = ["memif", "sim"];

/**
 * Sets up the best stage there is, telling why a better one is not to be had.
 *
 * @param kind - one of {@link STAGES}
 * @param whyNoNamespace - null inside a namespace of our own; else devices are out of the question
 */
export function setStage(kind: string, whyNoNamespace: string | null): Stage {
  if (kind === "sim") return cable();
  const whyNoDriver = whyNoNativeDriver();
  if (whyNoDriver !== null) return orElse(kind, whyNoDriver, cable);
  if (kind === "memif") return memif();
  if (whyNoNamespace !== null) return orElse(kind, whyNoNamespace, memif);
  disableIpv6();
  if (kind === "tap") return tap();
  return attempt(kind, veth, () => attempt(kind, tap, cable));
}

function attempt(kind: string, first: () => Stage, second: () => Stage): Stage {
  try {
    return first();
  } catch (error) {
    if (!(error instanceof StageError) && !isNetError(error)) throw error;
    return orElse(kind, error.message, second);
  }
}

/** Falls back, unless the user asked for exactly what is not to be had. */
function orElse(kind: string, reason: string, second: () => Stage): Stage {
  if (kind !== "auto") throw new StageError(`no ${kind} here: ${reason}`);
  console.log(`(${reason})`);
  return second();
}

/** A stage that cannot be had here. */
export class StageError extends Error {}

/** A veth pair, the kernel at one end. The other has no address: the kernel keeps off it. */
function veth(): Stage {
  ip("link add cw-kernel type veth peer name cw-ours");
  ip(`addr add ${PEER_ADDRESS}/${PREFIX_BITS} dev cw-kernel`);
  ip("link set cw-kernel up");
  ip("link set cw-ours up");
  return {
    text: "our stack on af_packet, the Linux kernel's TCP at the other end of a veth pair",
    driver: openDriver({ driver: "af_packet", interface: "cw-ours" }),
    peer: new KernelPeer(PEER_ADDRESS),
    silence: silentHost(),
  };
}

/** Our addon makes the device and gives the kernel its address: nothing else is needed. */
function tap(): Stage {
  const kernelAddress = `${PEER_ADDRESS}/${PREFIX_BITS}`;
  return {
    text: "our stack on a TAP device, the Linux kernel's TCP at its other end",
    driver: openDriver({ driver: "tap", interface: "cw-tap", kernelAddress }),
    peer: new KernelPeer(PEER_ADDRESS),
    silence: "an address that nobody has",
  };
}

/** Memory that two processes share: no privileges, and no kernel on the way. */
function memif(): Stage {
  const socket = `@caraway-demo-${process.pid}`;
  return {
    text: "two processes with a stack of ours each, which share memory (memif)",
    driver: openDriver({ driver: "memif", role: "server", socket }),
    peer: new ProcessPeer(socket, PEER_ADDRESS, PREFIX_BITS),
    silence: "an address that nobody has",
  };
}

/** No device at all: the peer is a second stack of ours. */
function cable(): Stage {
  const [ours, theirs] = createCable();
  return {
    text: "two stacks of ours on an in-process link, on the real clock",
    driver: ours,
    peer: new StackPeer(theirs, PEER_ADDRESS, PREFIX_BITS),
    silence: "an address that nobody has",
  };
}

/** The kernel gets a second address whose packets it must not send: it hears and says nothing. */
function silentHost(): string {
  try {
    ip(`addr add ${SILENT_ADDRESS}/32 dev cw-kernel`);
    ip(`rule add from ${SILENT_ADDRESS} blackhole`);
    return "a host that drops every packet";
  } catch {
    return "an address that nobody has";
  }
}

function ip(args: string): void {
  const result = spawnSync("ip", args.split(" "), { env: ENVIRONMENT, encoding: "utf8" });
  if (result.status === 0) return;
  if ((result.error as NodeJS.ErrnoException | undefined)?.code === "ENOENT") {
    throw new StageError("there is no ip command; on Debian and Ubuntu: apt-get install iproute2");
  }
  throw new StageError(`ip ${args}: ${(result.stderr || String(result.error)).trim()}`);
}

/** Neighbour discovery of IPv6 would only be noise in the traces. */
function disableIpv6(): void {
  for (const which of ["all", "default"]) {
    try {
      writeFileSync(`/proc/sys/net/ipv6/conf/${which}/disable_ipv6`, "1");
    } catch {
      // No IPv6, or not ours to switch off: the traces show IPv4 alone anyhow.
    }
  }
}
