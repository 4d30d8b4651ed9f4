// The ends of a driver: closed, gone with its device, or left by a thread that was terminated; and
// sleeping until a frame comes. In each case nothing hangs and nothing is left.

import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { type NativeDriver, openNativeDriver } from "../../src/link/native-driver.ts";
import { commitFrame, ethernetFrame, pollUntil, pollUntilError } from "../support/driver-io.ts";
import { describeWithNic, NetNs } from "../support/netns.ts";
import { udpFrame } from "../support/udp-frame.ts";

const HERE = path.dirname(fileURLToPath(import.meta.url));
const ADDON =
  process.env["CARAWAY_NATIVE_IO"] ??
  path.join(HERE, "..", "..", "native-io", "build", "Release", "caraway_native_io.node");
const ENETDOWN = -100;
const EBADF = -9;

function sleepMs(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Descriptors and ring mappings this process holds. */
function holdings(): { readonly descriptors: number; readonly rings: number } {
  const maps = readFileSync("/proc/self/maps", "utf8");
  return {
    descriptors: readdirSync("/proc/self/fd").length,
    rings: maps.split("\n").filter((line) => line.includes("socket:[")).length,
  };
}

describeWithNic("life and death of a driver", () => {
  let netns: NetNs;
  const opened: NativeDriver[] = [];
  let number = 0;

  beforeAll(async () => {
    netns = await NetNs.create();
  });
  afterAll(() => netns.remove());
  afterEach(() => {
    for (const driver of opened.splice(0)) driver.close();
  });

  function openAt(name: string): NativeDriver {
    const driver = openNativeDriver({ driver: "af_packet", interface: name, netns: netns.path });
    opened.push(driver);
    return driver;
  }
  function openXdp(name: string): NativeDriver {
    const driver = openNativeDriver({
      driver: "af_xdp",
      interface: name,
      netns: netns.path,
      addresses: ["10.0.0.2"],
    });
    opened.push(driver);
    return driver;
  }
  function openTap(): NativeDriver {
    const driver = openNativeDriver({ driver: "tap", netns: netns.path });
    opened.push(driver);
    return driver;
  }
  /** A fresh veth pair: the names of its ends. */
  function openVeth(): [string, string] {
    number++;
    netns.addVeth(`one${number}`, `other${number}`);
    return [`one${number}`, `other${number}`];
  }
  /** A fresh veth pair with a driver at each end. */
  function openPair(): { one: NativeDriver; other: NativeDriver } {
    const [one, other] = openVeth();
    return { one: openAt(one), other: openAt(other) };
  }
  function sendOne(from: NativeDriver, to: NativeDriver): void {
    commitFrame(from, ethernetFrame(to.macAddress, from.macAddress, new Uint8Array(50)));
    from.poll(0);
  }
  const kinds: readonly (readonly [string, () => NativeDriver])[] = [
    ["af_packet", () => openPair().one],
    ["af_xdp", () => openXdp(openVeth()[0])],
    ["tap", openTap],
  ];

  for (const [kind, open] of kinds) {
    describe(kind, () => {
      it("polls ENETDOWN for ever once the interface has been deleted", () => {
        const driver = open();
        expect(driver.poll(0)).toBeGreaterThanOrEqual(0);
        netns.ip(`link del ${driver.interfaceName}`);
        expect(pollUntilError(driver)).toBe(ENETDOWN);
        for (let i = 0; i < 3; i++) expect(driver.poll(0)).toBe(ENETDOWN);
      });

      it("polls ENETDOWN for ever once the interface has gone down, also when it comes back", () => {
        const driver = open();
        netns.ip(`link set ${driver.interfaceName} down`);
        expect(pollUntilError(driver)).toBe(ENETDOWN);
        netns.ip(`link set ${driver.interfaceName} up`);
        expect(driver.poll(0)).toBe(ENETDOWN);
      });

      it("tells ENETDOWN to a sender", () => {
        const driver = open();
        netns.ip(`link set ${driver.interfaceName} down`);
        commitFrame(driver, new Uint8Array(60));
        expect(pollUntilError(driver, 10)).toBe(ENETDOWN);
      });

      it("wakes a sleeper when the interface goes down", async () => {
        const driver = open();
        pollUntil(driver, () => false, 20);
        const woken = new Promise<string>((resolve) => {
          expect(driver.armWake(() => resolve("woken"))).toBe(true);
        });
        netns.ip(`link set ${driver.interfaceName} down`);
        expect(await Promise.race([woken, sleepMs(2000)])).toBe("woken");
        expect(pollUntilError(driver)).toBe(ENETDOWN);
        expect(driver.armWake(() => {})).toBe(false);
      });

      it("closes twice, and polls EBADF afterwards", () => {
        const driver = open();
        const views = [driver.frames, driver.rx, driver.tx, driver.control];
        driver.poll(0);
        driver.close();
        driver.close();
        expect(driver.poll(0)).toBe(EBADF);
        expect(driver.armWake(() => {})).toBe(false);
        driver.disarmWake();
        expect(views.map((view) => view.length)).toEqual([0, 0, 0, 0]);
        expect(driver.statistics()).toMatchObject({ polls: 1 });
      });

      it("is closed by its own wake-up call", async () => {
        const driver = open();
        pollUntil(driver, () => false, 20);
        const closed = new Promise((resolve) => {
          driver.armWake(() => {
            driver.close();
            resolve("closed");
          });
        });
        netns.ip(`link set ${driver.interfaceName} down`);
        expect(await Promise.race([closed, sleepMs(2000)])).toBe("closed");
        expect(driver.poll(0)).toBe(EBADF);
      });

      it("is closed while armed", async () => {
        const driver = open();
        pollUntil(driver, () => false, 20);
        driver.armWake(() => {
          throw new Error("woken after close");
        });
        driver.close();
        await sleepMs(20);
      });
    });
  }

  it("leaves no descriptor and no mapping behind", async () => {
    const { one } = openPair();
    // The first pass may load what stays.
    for (const round of [0, 1]) {
      const before = holdings();
      for (let i = 0; i < 20; i++) {
        const packet = openAt(one.interfaceName);
        const tap = openTap();
        const xdp = openXdp(one.interfaceName);
        packet.armWake(() => {});
        xdp.armWake(() => {});
        packet.close();
        tap.close();
        xdp.close();
      }
      await sleepMs(20);
      if (round === 1) expect(holdings()).toEqual(before);
    }
  });

  describe("sleeping", () => {
    it("wakes once for a frame, and not again until armed again", async () => {
      const { one, other } = openPair();
      let calls = 0;
      const arm = () => other.armWake(() => calls++);
      expect(arm()).toBe(true);
      await sleepMs(20);
      expect(calls).toBe(0);
      sendOne(one, other);
      await sleepMs(50);
      expect(calls).toBe(1);
      sendOne(one, other);
      await sleepMs(50);
      expect(calls).toBe(1);
      expect(pollUntil(other, (got) => got.length === 2)).toHaveLength(2);
      other.poll(0);
      expect(arm()).toBe(true);
      sendOne(one, other);
      await sleepMs(50);
      expect(calls).toBe(2);
    });

    it("refuses to sleep on a frame that is there, on frames held, and on frames to send", () => {
      const { one, other } = openPair();
      sendOne(one, other);
      expect(other.armWake(() => {})).toBe(false);
      pollUntil(other, (got) => got.length === 1);
      expect(other.armWake(() => {})).toBe(false);
      other.poll(0);
      commitFrame(other, ethernetFrame(one.macAddress, other.macAddress, new Uint8Array(50)));
      expect(other.armWake(() => {})).toBe(false);
      other.poll(0);
      expect(other.armWake(() => {})).toBe(true);
    });

    it("wakes for a frame that an XDP program takes, and not for one that it leaves", async () => {
      const [one, other] = openVeth();
      const sender = openAt(one);
      const driver = openXdp(other);
      pollUntil(driver, () => false, 20);
      let calls = 0;
      expect(driver.armWake(() => calls++)).toBe(true);
      sendOne(sender, driver);
      await sleepMs(50);
      expect(calls).toBe(0);
      const { macAddress } = driver;
      commitFrame(sender, udpFrame(macAddress, sender.macAddress, new Uint8Array(20)));
      sender.poll(0);
      await sleepMs(50);
      expect(calls).toBe(1);
      expect(driver.poll(0)).toBe(1);
      expect(driver.armWake(() => {})).toBe(false);
    });

    it("does not wake after disarming", async () => {
      const { one, other } = openPair();
      let calls = 0;
      other.armWake(() => calls++);
      other.disarmWake();
      sendOne(one, other);
      await sleepMs(50);
      expect(calls).toBe(0);
    });

    it("wakes for a frame from the kernel on a TAP device", async () => {
      const driver = openNativeDriver({
        driver: "tap",
        netns: netns.path,
        kernelAddress: "10.6.0.1/24",
      });
      opened.push(driver);
      netns.ip(`neigh add 10.6.0.2 lladdr 02:00:00:00:00:02 dev ${driver.interfaceName}`);
      pollUntil(driver, () => false, 20);
      const woken = new Promise((resolve) => driver.armWake(() => resolve("woken")));
      netns.run("bash", "-c", "echo hello > /dev/udp/10.6.0.2/9");
      expect(await Promise.race([woken, sleepMs(2000)])).toBe("woken");
      expect(driver.poll(0)).toBe(1);
    });

    it("makes an error thrown by the wake-up call an uncaught one, and goes on", () => {
      const program = `
        import { createRequire } from "node:module";
        const addon = createRequire("/")(${JSON.stringify(ADDON)});
        const driver = addon.openTap({ interface: "thrown0", netns: ${JSON.stringify(netns.path)},
          txSlots: 16, mtu: 0, persist: false, linkUp: true, receiveOffload: true });
        process.once("uncaughtException", (error) => {
          console.log("uncaught", error.message);
          addon.close(driver.handle);
        });
        addon.armWake(driver.handle, () => { throw new Error("thrown in wake"); });
        spawnSync("nsenter", [${JSON.stringify(`--net=${netns.path}`)}, "ip", "link", "set",
          "thrown0", "down"], { env: { PATH: process.env.PATH + ":/sbin:/usr/sbin" } });`;
      const result = spawnSync(
        process.execPath,
        ["--input-type=module", "-e", `import { spawnSync } from "node:child_process"; ${program}`],
        { encoding: "utf8", timeout: 5000 },
      );
      expect(result).toMatchObject({ status: 0, stdout: "uncaught thrown in wake\n" });
    });

    it("keeps a process alive while armed and only then", () => {
      const { one } = openPair();
      const run = (armed: boolean) =>
        spawnSync(
          process.execPath,
          [path.join(HERE, "raw-driver.mjs"), ADDON, one.interfaceName, netns.path, String(armed)],
          { encoding: "utf8", timeout: 1500 },
        );
      expect(run(false)).toMatchObject({ status: 0, stdout: "open\n" });
      expect(run(true)).toMatchObject({ signal: "SIGTERM", stdout: "open\n" });
    });
  });

  it("survives the end of a worker thread with drivers open, armed or not, and frees all", async () => {
    const { one, other } = openPair();
    const before = holdings();
    for (const armed of ["true", "false"]) {
      const worker = new Worker(path.join(HERE, "raw-driver.mjs"), {
        argv: [ADDON, one.interfaceName, netns.path, armed, "spin"],
        execArgv: [],
      });
      await new Promise((resolve) => worker.once("message", resolve));
      sendOne(other, one);
      await worker.terminate();
    }
    expect(holdings()).toEqual(before);
    sendOne(other, one);
    expect(pollUntil(one, (got) => got.length > 0).length).toBeGreaterThan(0);
  });

  it("keeps drivers of two threads apart", async () => {
    const { one } = openPair();
    const worker = new Worker(path.join(HERE, "raw-driver.mjs"), {
      argv: [ADDON, one.interfaceName, netns.path, "true", "close"],
      execArgv: [],
    });
    const code = await new Promise((resolve) => worker.once("exit", resolve));
    expect(code).toBe(0);
    expect(one.poll(0)).toBeGreaterThanOrEqual(0);
  });
});
