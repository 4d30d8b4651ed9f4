// Sleeping until a socket has something, and the ends of a poller: closed, or left by a thread
// that was terminated. Nothing hangs and no descriptor is left.

import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { EVENT_END, EVENT_WRITABLE } from "../../native-io/sockets.ts";
import { describeWithSockets, Poller, pattern } from "./socket-poller.ts";

const HERE = path.dirname(fileURLToPath(import.meta.url));
const PROGRAM = path.join(HERE, "raw-sockets.mjs");
const ADDON =
  process.env["CARAWAY_NATIVE_IO"] ??
  path.join(HERE, "..", "..", "native-io", "build", "Release", "caraway_native_io.node");
const PATIENCE_MS = 2000;

function sleepMs(ms: number): Promise<string> {
  return new Promise((resolve) => setTimeout(() => resolve("not woken"), ms));
}

function openDescriptors(): number {
  return readdirSync("/proc/self/fd").length;
}

describeWithSockets("life and death of a socket poller", () => {
  let poller: Poller;
  beforeEach(() => {
    poller = new Poller();
  });
  afterEach(() => poller.close());
  const arm = (wake: () => void = () => {}) => poller.addon.armWake(poller.handle, wake);
  const disarm = () => poller.addon.disarmWake(poller.handle);

  describe("sleeping", () => {
    it("ends when bytes come, and not again until armed again", async () => {
      const [one, other] = poller.tcpPair();
      const elsewhere = new Poller();
      const fd = poller.addon.socketDetach(poller.handle, one);
      const sender = elsewhere.take(elsewhere.addon.socketAdopt(elsewhere.handle, fd, 2, false));
      elsewhere.settle();
      poller.settle();
      let calls = 0;
      expect(arm(() => calls++)).toBe(true);
      await sleepMs(20);
      expect(calls).toBe(0);
      for (const expected of [1, 1]) {
        elsewhere.send(sender, "wake up");
        elsewhere.poll();
        await sleepMs(50);
        expect(calls).toBe(expected);
      }
      poller.receive(other, 14);
      expect(arm(() => calls++)).toBe(true);
      elsewhere.send(sender, "again");
      elsewhere.poll();
      await sleepMs(50);
      expect(calls).toBe(2);
      elsewhere.close();
    });

    it("ends when a connection comes, is made, is refused, or ends", async () => {
      const woken = () => {
        const promise = new Promise<string>((resolve) => {
          if (!arm(() => resolve("woken"))) resolve("woken");
        });
        return Promise.race([promise, sleepMs(PATIENCE_MS)]);
      };
      const listener = poller.listen();
      const client = poller.connect(poller.name(listener));
      expect(await woken()).toBe("woken");
      poller.untilKind(client, EVENT_WRITABLE);
      const server = poller.take(poller.accept(listener));
      poller.settle();
      poller.socketClose(client);
      expect(await woken()).toBe("woken");
      poller.untilKind(server, EVENT_END);
      const to = poller.name(listener);
      poller.socketClose(listener);
      poller.settle();
      poller.connect(to);
      expect(await woken()).toBe("woken");
    });

    it("is refused for submissions, and for bytes that there is room for", () => {
      const [one, other] = poller.unixPair();
      poller.settle();
      expect(arm()).toBe(true);
      disarm();
      poller.send(one, "nine byte");
      expect(arm()).toBe(false);
      poller.setRoom(other, 4);
      expect(poller.poll()).toHaveLength(1);
      expect(arm()).toBe(false);
      // Without room the other five wait in the kernel, and nobody waits for them.
      poller.setRoom(other, 0);
      poller.settle();
      expect(arm()).toBe(true);
      disarm();
      poller.resume(other);
      expect(arm()).toBe(false);
      poller.setRoom(other, 100);
      expect(poller.receive(other, 5)).toHaveLength(5);
      poller.settle();
      expect(arm()).toBe(true);
    });

    it("is refused for an edge that nobody has asked epoll about", () => {
      const [one, other] = poller.unixPair();
      poller.settle();
      poller.addon.socketClose(poller.handle, one, false);
      // Asking does not take the edge away.
      expect(arm()).toBe(false);
      expect(arm()).toBe(false);
      poller.untilKind(other, EVENT_END);
      poller.settle();
      expect(arm()).toBe(true);
    });

    it("does not end after disarming", async () => {
      const [one, other] = poller.unixPair();
      poller.settle();
      let calls = 0;
      arm(() => calls++);
      disarm();
      poller.socketClose(one);
      await sleepMs(30);
      expect(calls).toBe(0);
      poller.untilKind(other, EVENT_END);
    });

    it("may be ended by closing, and closing may be its wake-up call", async () => {
      arm(() => {
        throw new Error("woken after close");
      });
      poller.close();
      await sleepMs(20);
      poller = new Poller();
      const [one] = poller.unixPair();
      poller.settle();
      const closed = new Promise<string>((resolve) => {
        arm(() => {
          poller.close();
          resolve("closed");
        });
      });
      poller.socketClose(one);
      expect(await Promise.race([closed, sleepMs(PATIENCE_MS)])).toBe("closed");
    });

    it("does not keep the event loop busy while bytes wait that nobody polls for", () => {
      // In a process of its own, where nothing else turns the loop.
      const program = `
        const fs = require("node:fs");
        const addon = require(${JSON.stringify(ADDON)});
        const limits = { maxSockets: 8, rxBytes: 131072, txBytes: 4096, submissions: 64, events: 64 };
        const { handle } = addon.openSockets(limits);
        const pair = new Int32Array(2);
        addon.socketPair(handle, pair);
        addon.poll(handle);
        const fd = addon.socketDetach(handle, pair[0]);
        let calls = 0;
        const armed = [addon.armWake(handle, () => calls++)];
        addon.disarmWake(handle);
        fs.writeSync(fd, "unpolled");
        const turns = () => performance.nodeTiming.uvMetricsInfo.loopCount;
        const before = turns();
        setTimeout(() => {
          const isBusy = turns() - before > 50;
          // It is still told of once somebody wants to know.
          armed.push(addon.armWake(handle, () => {}));
          addon.poll(handle);
          armed.push(addon.armWake(handle, () => console.log(isBusy, calls, armed.join())));
          fs.writeSync(fd, "polled");
        }, 100);`;
      const result = spawnSync(process.execPath, ["-e", program], { encoding: "utf8" });
      expect(result).toMatchObject({ stderr: "", stdout: "false 0 true,false,true\n" });
    });

    it("keeps a process alive while armed and only then", () => {
      const run = (armed: boolean) =>
        spawnSync(process.execPath, [PROGRAM, ADDON, String(armed)], {
          encoding: "utf8",
          timeout: 1500,
        });
      expect(run(false)).toMatchObject({ status: 0, stdout: "open\n" });
      expect(run(true)).toMatchObject({ signal: "SIGTERM", stdout: "open\n" });
    });
  });

  it("closing closes every socket", () => {
    for (const round of [0, 1]) {
      const before = openDescriptors();
      for (let i = 0; i < 20; i++) {
        const each = new Poller();
        const listener = each.listen();
        const [one, other] = each.tcpPair(listener);
        each.udp();
        each.unixPair();
        each.connect(each.name(listener));
        each.send(one, pattern(1000));
        each.poll();
        each.send(other, pattern(1000));
        each.close();
      }
      // The first round may load what stays.
      if (round === 1) expect(openDescriptors()).toBe(before);
    }
  });

  it("a thousand connections made and closed leave nothing", () => {
    const listener = poller.listen(undefined, 1024);
    const before = openDescriptors();
    for (let i = 0; i < 10; i++) {
      const to = poller.name(listener);
      const clients = Array.from({ length: 100 }, () => poller.connect(to));
      const servers: number[] = [];
      poller.until(() => {
        for (let id = poller.accept(listener); id > 0; id = poller.accept(listener)) {
          servers.push(poller.take(id));
        }
        return servers.length === clients.length;
      });
      for (const id of clients.concat(servers)) expect(poller.socketClose(id, true)).toBe(0);
    }
    expect(openDescriptors()).toBe(before);
    expect(poller.settle()).toEqual([]);
  });

  it("a descriptor table that is full is EMFILE, and the poller goes on", () => {
    const program = `
      const addon = require(${JSON.stringify(ADDON)});
      const limits = { maxSockets: 256, rxBytes: 131072, txBytes: 4096, submissions: 64, events: 64 };
      const { handle } = addon.openSockets(limits);
      const ids = [];
      for (let id; (id = addon.socketOpen(handle, 1, 1, "")) > 0; ) ids.push(id);
      const full = addon.socketOpen(handle, 2, 1, "");
      const pair = addon.socketPair(handle, new Int32Array(2));
      for (const id of ids.splice(0, 2)) addon.socketClose(handle, id, false);
      console.log(full, pair, addon.socketPair(handle, new Int32Array(2)), addon.poll(handle));
      const second = addon.openSockets(limits);
      console.log(second.errno, /epoll/.test(second.message));`;
    const script = 'ulimit -n 100 && exec "$0" -e "$1"';
    const result = spawnSync("sh", ["-c", script, process.execPath, program], { encoding: "utf8" });
    expect(result.stderr).toBe("");
    expect(result.stdout).toBe("-24 -24 0 0\n-24 true\n");
  });

  it("survives the end of a worker thread with sockets open, armed or not, and frees all", async () => {
    const before = openDescriptors();
    for (const armed of ["true", "false"]) {
      const worker = new Worker(PROGRAM, { argv: [ADDON, armed, "spin"], execArgv: [] });
      await new Promise((resolve, reject) => {
        worker.once("message", resolve);
        worker.once("error", reject);
      });
      expect(openDescriptors()).toBeGreaterThan(before + 80);
      await worker.terminate();
    }
    expect(openDescriptors()).toBe(before);
  });

  it("keeps the pollers of two threads apart", async () => {
    const [one, other] = poller.unixPair();
    const worker = new Worker(PROGRAM, { argv: [ADDON, "true", "close"], execArgv: [] });
    const code = await new Promise((resolve) => worker.once("exit", resolve));
    expect(code).toBe(0);
    poller.send(one, "still here");
    expect(poller.receive(other, 10)).toHaveLength(10);
  });
});
