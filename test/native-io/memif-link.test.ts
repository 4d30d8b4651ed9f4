// The link of a memif: peers that come late, go, come again or are refused; sockets; sleeping.
// R1: see test/support/driver-io.ts.

import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import path from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { TX_HEAD } from "../../src/link/driver.ts";
import {
  type DriverError,
  type NativeDriver,
  openNativeDriver,
} from "../../src/link/native-driver.ts";
import { commitFrame, pollFrames } from "../support/driver-io.ts";
import { MemifBench, numbered, pass, until, untilLater } from "./support/memif-pair.ts";

const ROOT = path.join(import.meta.dirname, "..", "..");

function sleepMs(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function errorOf(open: () => unknown): DriverError {
  try {
    open();
  } catch (error) {
    return error as DriverError;
  }
  throw new Error("opened");
}

describe("the link of a memif", () => {
  const bench = new MemifBench();
  const children: ChildProcess[] = [];

  afterEach(() => {
    for (const child of children.splice(0)) child.kill("SIGKILL");
  });

  /** A process with one end, which polls it all the time. */
  function elsewhere(role: "server" | "client", socket: string): ChildProcess {
    const program = `
      import { openNativeDriver } from ${JSON.stringify(path.join(ROOT, "src/link/native-driver.ts"))};
      const driver = openNativeDriver({ driver: "memif", role: "${role}", socket: "${socket}" });
      for (;;) driver.poll(0);`;
    const args = ["--import", "tsx", "--input-type=module", "-e", program];
    const child = spawn(process.execPath, args, { cwd: ROOT, stdio: "ignore" });
    children.push(child);
    return child;
  }

  it("is down without a peer: what is sent is dropped and counted, which is no error", () => {
    for (const role of ["server", "client"] as const) {
      const driver = bench.open(role, bench.freshSocket());
      commitFrame(driver, numbered(60, 1));
      commitFrame(driver, numbered(60, 2));
      expect(driver.poll(0)).toBe(0);
      expect(driver.isConnected).toBe(false);
      expect(driver.linkText()).toMatch(role === "server" ? /^no client yet$/ : /^no server at /);
      expect(driver.statistics()).toMatchObject({ txFrames: 0, txDropped: 2, connects: 0 });
      expect(driver.control[TX_HEAD]).toBe(2);
    }
  });

  it("comes up whoever opens first", () => {
    const socket = bench.freshSocket();
    const client = bench.open("client", socket);
    client.poll(0);
    const server = bench.open("server", socket);
    until(() => server.isConnected && client.isConnected, server, client);
    expect([server.linkText(), client.linkText()]).toEqual(Array(2).fill("connected to caraway"));
    expect(client.name).toBe(`memif(${socket})`);
  });

  it("works over an abstract name, which leaves no file", () => {
    const socket = `@caraway-test-${process.pid}`;
    const [server, client] = [bench.open("server", socket), bench.open("client", socket)];
    until(() => server.isConnected && client.isConnected, server, client);
    expect(pass(client, server, [numbered(60, 1)])).toEqual([numbered(60, 1)]);
    expect(existsSync(socket)).toBe(false);
  });

  it("comes up again with the next client after the first has closed", () => {
    const socket = bench.freshSocket();
    const server = bench.open("server", socket);
    for (const round of [1, 2, 3]) {
      const client = bench.open("client", socket);
      until(() => server.isConnected && client.isConnected, server, client);
      expect(server.statistics().connects).toBe(round);
      for (const [from, to] of [
        [server, client],
        [client, server],
      ] as const) {
        expect(pass(from, to, [numbered(60, round)])).toEqual([numbered(60, round)]);
      }
      client.close();
      until(() => !server.isConnected, server);
      expect(server.linkText()).toBe("the peer disconnected: closed");
    }
  });

  it("comes up again with the next server after the first has closed", () => {
    const socket = bench.freshSocket();
    const client = bench.open("client", socket);
    for (const round of [1, 2, 3]) {
      const server = bench.open("server", socket);
      until(() => server.isConnected && client.isConnected, server, client);
      expect(client.statistics().connects).toBe(round);
      expect(pass(client, server, [numbered(60, round)])).toEqual([numbered(60, round)]);
      server.close();
      until(() => !client.isConnected, client);
    }
  });

  it.each(["server", "client"] as const)("takes all that the %s sent before it left", (role) => {
    const [server, client] = bench.openPair();
    const [from, to] = role === "server" ? [server, client] : [client, server];
    const frames = Array.from({ length: 300 }, (_, index) => numbered(60, index));
    for (const frame of frames) commitFrame(from, frame);
    from.poll(0);
    from.close();
    // It learns of the end before it has looked for frames.
    expect(to.armWake(() => {})).toBe(false);
    const taken: Uint8Array[] = [];
    while (to.isConnected) taken.push(...pollFrames(to).map(({ bytes }) => bytes));
    expect(taken).toEqual(frames);
    expect(to.linkText()).toBe("the peer disconnected: closed");
  });

  it.each(["server", "client"] as const)("outlives the SIGKILL of its %s", async (role) => {
    const socket = bench.freshSocket();
    const ours = bench.open(role === "server" ? "client" : "server", socket);
    for (const round of [1, 2]) {
      const child = elsewhere(role, socket);
      await untilLater(() => ours.isConnected, ours);
      commitFrame(ours, numbered(60, round));
      ours.poll(0);
      child.kill("SIGKILL");
      await untilLater(() => !ours.isConnected, ours);
      expect(ours.statistics()).toMatchObject({ connects: round });
    }
  });

  it("refuses a second client while the first is connected, and takes it afterwards", () => {
    const socket = bench.freshSocket();
    const server = bench.open("server", socket);
    const first = bench.open("client", socket);
    until(() => server.isConnected && first.isConnected, server, first);
    const second = bench.open("client", socket);
    const told = "the peer disconnected: already connected to another client";
    until(() => second.linkText() === told, server, first, second);
    expect(first.isConnected).toBe(true);
    first.close();
    until(() => second.isConnected, server, second);
  });

  it("wants the same id and secret", () => {
    const refused = (server: object, client: object): string => {
      const socket = bench.freshSocket();
      const [one, other] = [
        bench.open("server", socket, server),
        bench.open("client", socket, client),
      ];
      until(() => other.linkText().startsWith("the peer"), one, other);
      expect(one.statistics().connects).toBe(0);
      return other.linkText();
    };
    const told = "the peer disconnected: ";
    expect(refused({ id: 1 }, { id: 2 })).toBe(`${told}no interface with this id`);
    expect(refused({ secret: "a" }, {})).toBe(`${told}wrong secret`);
    expect(refused({ secret: "a" }, { secret: "ab" })).toBe(`${told}wrong secret`);
    const same = { id: 0xffff_ffff, secret: "x".repeat(24) };
    bench.openPair(same);
    bench.openPair({}, { secret: "unasked" });
  });

  describe("the socket of a server", () => {
    it("is in use while a server is there: EADDRINUSE, and that one goes on", () => {
      const [server, client] = bench.openPair();
      const error = errorOf(() => bench.open("server", server.interfaceName));
      expect(error).toMatchObject({ code: "EADDRINUSE", syscall: "driver.open" });
      expect(error.message).toContain(server.interfaceName);
      for (let i = 0; i < 10; i++) for (const each of [server, client]) each.poll(0);
      expect([server.isConnected, client.isConnected]).toEqual([true, true]);
    });

    it("is replaced when a killed server has left it", async () => {
      const socket = bench.freshSocket();
      const child = elsewhere("server", socket);
      await untilLater(() => existsSync(socket));
      child.kill("SIGKILL");
      await new Promise((resolve) => child.once("exit", resolve));
      expect(existsSync(socket)).toBe(true);
      const [server, client] = [bench.open("server", socket), bench.open("client", socket)];
      until(() => server.isConnected && client.isConnected, server, client);
    });

    it("replaces neither a file nor a listening socket of another kind", async () => {
      const file = bench.freshSocket();
      writeFileSync(file, "precious");
      const error = errorOf(() => bench.open("server", file));
      expect(error.code).toBe("EADDRINUSE");
      expect(error.message).toContain("what is there is no socket: remove it");
      const stream = bench.freshSocket();
      const other = net.createServer();
      await new Promise<void>((resolve) => other.listen(stream, resolve));
      expect(errorOf(() => bench.open("server", stream)).code).toBe("EADDRINUSE");
      await new Promise((resolve) => other.close(resolve));
    });

    it("goes with the driver, unless another file is there by then", () => {
      const socket = bench.freshSocket();
      const server = bench.open("server", socket);
      expect(existsSync(socket)).toBe(true);
      server.close();
      expect(existsSync(socket)).toBe(false);
      const again = bench.open("server", socket);
      rmSync(socket);
      writeFileSync(socket, "precious");
      again.close();
      expect(readFileSync(socket, "utf8")).toBe("precious");
    });

    it("needs a folder: ENOENT; names the path", () => {
      const socket = path.join(bench.folder, "nowhere", "x.sock");
      const error = errorOf(() => bench.open("server", socket));
      expect(error.code).toBe("ENOENT");
      expect(error.message).toContain(socket);
      mkdirSync(path.dirname(socket));
      bench.open("server", socket);
    });
  });

  describe("sleeping", () => {
    it("wakes once for a frame, and not again until armed again", async () => {
      for (const [from, to] of [bench.openPair(), bench.openPair().reverse()]) {
        if (from === undefined || to === undefined) throw new Error("no pair");
        let calls = 0;
        expect(to.armWake(() => calls++)).toBe(true);
        await sleepMs(20);
        expect(calls).toBe(0);
        pass(from, from, []);
        commitFrame(from, numbered(60, 1));
        from.poll(0);
        await untilLater(() => calls === 1);
        commitFrame(from, numbered(60, 2));
        from.poll(0);
        await sleepMs(20);
        expect(calls).toBe(1);
        expect(pollFrames(to)).toHaveLength(2);
        expect(to.armWake(() => calls++)).toBe(true);
        commitFrame(from, numbered(60, 3));
        from.poll(0);
        await untilLater(() => calls === 2);
      }
    });

    it("refuses to sleep on a frame that is there, and on frames to send", () => {
      const [server, client] = bench.openPair();
      commitFrame(client, numbered(60, 1));
      expect(client.armWake(() => {})).toBe(false);
      client.poll(0);
      expect(server.armWake(() => {})).toBe(false);
      expect(pollFrames(server)).toHaveLength(1);
      expect(server.armWake(() => {})).toBe(true);
      expect(client.armWake(() => {})).toBe(true);
    });

    it("shakes hands, and learns of the end, asleep", async () => {
      const socket = bench.freshSocket();
      /** Polls only when woken. */
      const sleeper = (driver: NativeDriver): NativeDriver => {
        const turn = (): void => {
          while (driver.poll(0) > 0);
          // Closed, or there is work.
          if (driver.armWake(turn)) return;
          if (driver.poll(0) >= 0) setTimeout(turn, 1);
        };
        turn();
        return driver;
      };
      const client = sleeper(bench.open("client", socket));
      await sleepMs(30);
      const server = sleeper(bench.open("server", socket));
      await untilLater(() => server.isConnected && client.isConnected);
      await sleepMs(5);
      const { polls } = server.statistics();
      await sleepMs(60);
      expect(server.statistics().polls).toBe(polls);
      server.close();
      await untilLater(() => !client.isConnected);
      const next = sleeper(bench.open("server", socket));
      await untilLater(() => next.isConnected && client.isConnected);
    });

    it("does not wake after disarming", async () => {
      const [server, client] = bench.openPair();
      let calls = 0;
      server.armWake(() => calls++);
      server.disarmWake();
      commitFrame(client, numbered(60, 1));
      client.poll(0);
      await sleepMs(30);
      expect(calls).toBe(0);
    });
  });

  it("leaves no descriptor, no file and no mapping behind", async () => {
    const descriptors = () => readdirSync("/proc/self/fd").length;
    for (const round of [0, 1]) {
      const before = descriptors();
      for (let i = 0; i < 20; i++) {
        const [server, client] = bench.openPair();
        server.armWake(() => {});
        client.close();
        server.poll(0);
        server.close();
        const again = openNativeDriver({
          driver: "memif",
          role: "client",
          socket: server.interfaceName,
        });
        again.poll(0);
        again.close();
      }
      await sleepMs(20);
      if (round === 1) expect(descriptors()).toBe(before);
    }
    expect(readFileSync("/proc/self/maps", "utf8")).not.toContain("caraway-memif");
  });
});
