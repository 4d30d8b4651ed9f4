// Network namespaces for tests that talk to the kernel. A namespace is held by a process of its
// own that ends when its standard input closes: it goes with the test process, however that ends,
// and takes its devices with it. Drivers enter it by the `netns` option, commands by nsenter.

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readlinkSync } from "node:fs";
import { describe, it } from "vitest";
import { whyNoNativeDriver } from "../../src/link/native-driver.ts";

/** Commands of iproute2 live where an ordinary user's PATH does not look. */
const ENVIRONMENT: NodeJS.ProcessEnv = {
  ...process.env,
  PATH: `${process.env["PATH"] ?? ""}:/usr/sbin:/sbin`,
  // The sanitizer's library is for the addon, not for `ip`.
  LD_PRELOAD: "",
};

/** One network namespace with its loopback interface up and IPv6 off. */
export class NetNs {
  /** For the `netns` option of a driver. */
  readonly path: string;
  /** Process that holds the namespace; for `ip link set ... netns <pid>`. */
  readonly pid: number;
  private readonly holder: ChildProcess;

  private constructor(holder: ChildProcess) {
    this.holder = holder;
    this.pid = holder.pid as number;
    this.path = `/proc/${this.pid}/ns/net`;
  }

  /** Makes a namespace. */
  static async create(): Promise<NetNs> {
    const script = "echo ready; exec cat >/dev/null";
    const holder = spawn("unshare", ["--net", "sh", "-c", script], {
      env: ENVIRONMENT,
      stdio: ["pipe", "pipe", "inherit"],
    });
    const [line] = (await Promise.race([
      once(holder.stdout as NodeJS.ReadableStream, "data"),
      once(holder, "exit").then(([code]) => [`unshare ended with ${code}`]),
    ])) as [unknown];
    if (!String(line).startsWith("ready")) throw new Error(`no network namespace: ${line}`);
    holder.unref();
    const netns = new NetNs(holder);
    // Neighbour discovery of IPv6 would be frames that no test asked for.
    netns.run("sh", "-c", "echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6; true");
    netns.run("sh", "-c", "echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6; true");
    netns.ip("link set lo up");
    return netns;
  }

  /** Runs a command in the namespace and returns what it printed. Throws when it fails. */
  run(command: string, ...args: readonly string[]): string {
    const result = spawnSync("nsenter", [`--net=${this.path}`, command, ...args], {
      env: ENVIRONMENT,
      encoding: "utf8",
    });
    if (result.status === 0) return result.stdout;
    throw new Error(`${command} ${args.join(" ")}: ${result.stderr || String(result.error)}`);
  }

  /** Runs `ip`, with its arguments in one string. */
  ip(args: string): string {
    return this.run("ip", ...args.split(" "));
  }

  /** Starts a command in the namespace. The caller ends it. */
  spawn(command: string, ...args: readonly string[]): ChildProcess {
    return spawn("nsenter", [`--net=${this.path}`, command, ...args], {
      env: ENVIRONMENT,
      stdio: ["ignore", "pipe", "inherit"],
    });
  }

  /** Makes a pair of interfaces joined by a cable, both up. */
  addVeth(one: string, other: string): void {
    this.ip(`link add ${one} type veth peer name ${other}`);
    this.ip(`link set ${one} up`);
    this.ip(`link set ${other} up`);
  }

  /** Ends the namespace with all devices in it. Idempotent. */
  remove(): void {
    this.holder.stdin?.destroy();
    this.holder.stdout?.destroy();
    this.holder.kill();
  }
}

/** Says why devices cannot be had here, or null. */
export function whyNoNic(): string | null {
  const reason = whyNoNativeDriver();
  if (reason !== null) return reason;
  // Tried rather than asked: root in a container may lack what an ordinary user elsewhere has.
  const probe = "ip link add probe type veth peer name eborp && test -r /dev/net/tun";
  const result = spawnSync("unshare", ["--net", "sh", "-c", probe], {
    env: ENVIRONMENT,
    encoding: "utf8",
  });
  if (result.status === 0) return null;
  return `network namespaces, veth and TAP need root: ${result.stderr || String(result.error)}`;
}

/**
 * A group of tests that need devices. Where there are none they are skipped with the reason, or
 * fail when CARAWAY_REQUIRE_NIC=1.
 */
export function describeWithNic(name: string, body: () => void): void {
  const reason = whyNoNic();
  if (reason === null) {
    describe(name, body);
  } else if (process.env["CARAWAY_REQUIRE_NIC"] === "1") {
    it(name, () => {
      throw new Error(`CARAWAY_REQUIRE_NIC=1, but ${reason}`);
    });
  } else {
    it(name, (context) => context.skip(`skip: ${reason}`));
  }
}

/** Whether this process is still where it was: opening a driver elsewhere must not move it. */
export function ownNamespace(): string {
  return readlinkSync("/proc/thread-self/ns/net");
}
