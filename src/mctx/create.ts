// SPDX-License-Identifier: MIT
// Puts a stack together from checked options.

import type { TimerWheel } from "../../scheduler/timer-wheel.ts";
import type { IpAddress, Prefix } from "../ip/address.ts";
import type { ReassemblyLimits } from "../ip/reassembly.ts";
import type { Driver } from "../link/driver.ts";
import type { NeighbourLimits } from "../link/neighbours.ts";
import { type TcpConfig, tcpConfig } from "../tcp/config.ts";
import { DEFAULT_LIMITS, type Limits } from "./limits.ts";
import { Network } from "./network.ts";
import { type RandomSource, Secrets } from "./secrets.ts";
import { Stack } from "./stack.ts";

export { DEFAULT_REASSEMBLY_LIMITS } from "../ip/reassembly.ts";
export { DEFAULT_NEIGHBOUR_LIMITS } from "../link/neighbours.ts";
export { parseStationMac } from "../link/station.ts";
export { DEFAULT_TCP_CONFIG, type TcpConfig, tcpConfig } from "../tcp/config.ts";
export { DEFAULT_LIMITS } from "./limits.ts";

/** How a stack is made; everything has been checked. */
export interface StackOptions {
  readonly driver: Driver;
  readonly prefix: Prefix;
  readonly gateway: IpAddress | null;
  readonly macAddress: Uint8Array;
  readonly random: RandomSource;
  readonly timers: TimerWheel;
  readonly limits: Partial<Limits>;
  readonly tcp: Partial<TcpConfig>;
  readonly neighbours: Partial<NeighbourLimits>;
  readonly reassembly: Partial<ReassemblyLimits>;
}

/** Makes a stack over a driver that is open. */
export function createStack(options: StackOptions): Stack {
  const limits = { ...DEFAULT_LIMITS, ...options.limits };
  const secrets = new Secrets(options.random);
  let stack: Stack | null = null;
  const network = new Network({
    driver: options.driver,
    prefix: options.prefix,
    gateway: options.gateway,
    macAddress: options.macAddress,
    maxLoopbackFrames: limits.maxLoopbackFrames,
    neighbourLimits: options.neighbours,
    reassemblyLimits: options.reassembly,
    hashSeed: secrets.flowSeed,
    chance: () => secrets.chance(),
    onUnreachable: (nextHop) => stack?.hopUnreachable(nextHop, network.nowMs),
  });
  stack = new Stack(network, options.timers, secrets, limits, tcpConfig(options.tcp));
  return stack;
}
