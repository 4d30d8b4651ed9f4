// memif against DPDK's net_memif, both roles: dpdk-testpmd swaps the addresses of each frame and
// sends it back. It spins on a processor, so it lives for no longer than a test needs it.
// R1: the peer is real, and so is the time that it takes to start.

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { afterEach, describe, expect, it } from "vitest";
import type { NativeDriver } from "../../src/link/native-driver.ts";
import { commitFrame, pollFrames } from "../support/driver-io.ts";
import { MemifBench, numbered, untilLater } from "./support/memif-pair.ts";

// Sanitizers are for the addon.
const { LD_PRELOAD: _preload, ...ENVIRONMENT } = process.env;
/** It counts its memory, makes its pools, and waits for the link. */
const START_MS = 20_000;
/** Its own limit, should this process be killed. */
const LIFE_SECONDS = "45";

const hasTestpmd =
  spawnSync("dpdk-testpmd", ["--version"], { env: ENVIRONMENT, stdio: "ignore" }).error ===
  undefined;
if (!hasTestpmd) {
  console.log("skip: memif against DPDK: no dpdk-testpmd; packages dpdk and librte-net-memif");
}

describe.skipIf(!hasTestpmd)("memif with DPDK", () => {
  const bench = new MemifBench();
  let testpmd: ChildProcess | null = null;

  afterEach(async () => {
    const child = testpmd;
    testpmd = null;
    if (child === null || child.exitCode !== null) return;
    // Of `timeout`, which passes it on.
    child.kill("SIGTERM");
    await new Promise((resolve) => child.once("close", resolve));
  });

  function startTestpmd(role: "server" | "client", socket: string): void {
    const device = `net_memif0,role=${role},socket=${socket},id=7,secret=hush,socket-abstract=no`;
    const options = "--forward-mode=macswap --auto-start --total-num-mbufs=4096";
    const eal = `--no-huge --no-pci --no-telemetry -m 256 --vdev=${device}`;
    const args = ["-k", "1", LIFE_SECONDS, "dpdk-testpmd", ...`${eal} -- ${options}`.split(" ")];
    // What it writes about itself goes with the folder. At the end of its standard input it stops.
    const env = { ...ENVIRONMENT, RUNTIME_DIRECTORY: bench.folder };
    testpmd = spawn("timeout", args, { env, stdio: ["pipe", "ignore", "ignore"] });
  }

  /** Sends a frame, again if it got lost while the other side was starting. What came back. */
  async function echo(driver: NativeDriver, frame: Uint8Array): Promise<Uint8Array> {
    for (const end = Date.now() + START_MS; Date.now() < end; ) {
      commitFrame(driver, frame);
      for (let i = 0; i < 100; i++) {
        const back = pollFrames(driver).find((each) => each.bytes.length === frame.length);
        if (back !== undefined) return back.bytes;
        // It may share our processor.
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
    }
    throw new Error(`no frame came back; ${driver.linkText()}`);
  }

  it.each(["server", "client"] as const)(
    "has its frames sent back, chained ones too, as %s",
    { timeout: 2 * START_MS },
    async (role) => {
      const socket = bench.freshSocket();
      const driver = bench.open(role, socket, { id: 7, secret: "hush", mtu: 9_000 });
      startTestpmd(role === "server" ? "client" : "server", socket);
      for (const end = Date.now() + START_MS; !driver.isConnected && Date.now() < end; ) {
        driver.poll(0);
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      expect(driver.linkText()).toMatch(/^connected to DPDK /);
      for (const bytes of [60, 61, 1_514, 2_048, 2_049, 5_000, 9_014]) {
        const frame = numbered(bytes, bytes);
        const back = await echo(driver, frame);
        // Behind the addresses it is as it was.
        expect(Buffer.compare(back.subarray(12), frame.subarray(12))).toBe(0);
        expect(back.subarray(0, 6)).toEqual(frame.subarray(6, 12));
      }
      // Some times round the rings, without more under way than they hold.
      const before = driver.statistics();
      await untilLater(() => {
        const { txFrames, rxFrames } = driver.statistics();
        const [sent, back] = [txFrames - before.txFrames, rxFrames - before.rxFrames];
        const burst = Math.min(64, 5_000 - sent, 512 - (sent - back));
        for (let i = 0; i < burst; i++) commitFrame(driver, numbered(60, i));
        driver.poll(0);
        return back >= 5_000;
      }, driver);
    },
  );
});
