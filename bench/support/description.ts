// SPDX-License-Identifier: MIT
// The machine and the versions of everybody who was measured: a figure without them says little.

import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import os from "node:os";
import { PEER_VERSIONS } from "./peers.ts";

/** What a report says about where it was measured. */
export interface MachineDescription {
  readonly cpu: string;
  readonly cores: number;
  readonly isVirtual: boolean;
  readonly governor: string;
  readonly memoryGb: number;
  readonly kernel: string;
  readonly arch: string;
  /** By name: Node, V8, Bun, Deno, the C compiler, iperf3. */
  readonly versions: Readonly<Record<string, string>>;
}

const GOVERNOR = "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor";

function textOf(file: string): string | null {
  try {
    return readFileSync(file, "utf8").trim();
  } catch {
    return null;
  }
}

function firstLineOf(program: string): string {
  const { stdout } = spawnSync(program, ["--version"], { encoding: "utf8" });
  return stdout?.split("\n")[0]?.trim() ?? "not there";
}

/** Looks at this machine. */
export function describeMachine(): MachineDescription {
  const cpus = os.cpus();
  const { node = "", v8 = "" } = process.versions;
  return {
    cpu: cpus[0]?.model ?? "unknown",
    cores: cpus.length,
    isVirtual: / hypervisor /.test(textOf("/proc/cpuinfo") ?? ""),
    governor: textOf(GOVERNOR) ?? "not told",
    memoryGb: Math.round(os.totalmem() / 2 ** 30),
    kernel: `${os.type()} ${os.release()}`,
    arch: process.arch,
    versions: {
      node,
      v8,
      ...PEER_VERSIONS,
      cc: firstLineOf("cc"),
      iperf3: firstLineOf("iperf3"),
    },
  };
}
