// The echo examples over real frames: with each other, and with the kernel's TCP and UDP.

import { afterEach, beforeEach, expect, it } from "vitest";
import { abortable, run } from "../../src/index.ts";
import { KernelPeer } from "../support/kernel-peer.ts";
import { describeWithNic, NetNs } from "../support/netns.ts";
import { Program } from "../support/program.ts";

describeWithNic("the echo examples", () => {
  let netns: NetNs;
  const started: Program[] = [];

  beforeEach(async () => {
    netns = await NetNs.create();
  });
  afterEach(() => {
    for (const program of started.splice(0)) program.signal("SIGKILL");
    netns?.remove();
  });

  function start(name: string, ...args: readonly string[]): Program {
    const program = Program.example(name, "--netns", netns.path, ...args);
    started.push(program);
    return program;
  }

  it.each(["af_packet", "af_xdp"])("talk to each other over a veth pair, %s", async (driver) => {
    netns.addVeth("veth-a", "veth-b");
    const nic = ["--driver", driver, "--interface"] as const;
    const server = start("echo-server", ...nic, "veth-a", "--address", "10.78.0.1/24");
    await server.printed(/listening on 10\.78\.0\.1:7777/);
    const client = start(
      "echo-client",
      ...nic,
      "veth-b",
      "--address",
      "10.78.0.2/24",
      "--host",
      "10.78.0.1",
    );
    expect(await client.exitCode()).toBe(0);
    expect(client.output).toMatch(/^3: "hello" came back/m);
    expect(client.output).toMatch(/^closed: the server has acknowledged everything/m);
    server.signal("SIGINT");
    expect(await server.exitCode()).toBe(130);
    expect(server.output).toContain("connections served: 1");
    expect(client.errors + server.errors).toBe("");
    netns.ip("link del veth-a");
  });

  it("talk to each other through the kernel's sockets, by name", async () => {
    const server = start("echo-server", "--port", "7070");
    await server.printed(/listening on (\[::\]|0\.0\.0\.0):7070/);
    const client = start("echo-client", "--host", "localhost", "--port", "7070");
    expect(await client.exitCode()).toBe(0);
    expect(client.output).toMatch(/^3: "hello" came back/m);
    server.signal("SIGINT");
    expect(await server.exitCode()).toBe(130);
    expect(server.output).toContain("connections served: 1");
    expect(client.errors + server.errors).toBe("");
  });

  it("serve the kernel's clients on a TAP device", async () => {
    const server = start("echo-server", "--driver", "tap");
    await server.printed(/listening on 10\.77\.0\.2:7777/);
    const kernel = await KernelPeer.start(netns);
    try {
      await run(function* () {
        expect(yield* kernel.call("echoMany", "10.77.0.2", 7777, 20)).toBe(20);
      });
    } finally {
      kernel.close();
    }
    server.signal("SIGINT");
    expect(await server.exitCode()).toBe(130);
    expect(server.output).toContain("connections served: 20");
  });

  it.each(["tap", "kernel"])("echo the kernel's datagrams, driver %s", async (driver) => {
    const server = start("udp-echo", "--driver", driver);
    await server.printed(/receiving at .*:7777/);
    const to = driver === "tap" ? "10.77.0.2" : "127.0.0.1";
    const kernel = await KernelPeer.start(netns);
    try {
      await run(function* () {
        const peer = yield* kernel.call("udpOpen", "0.0.0.0", 0, false);
        // The last one comes in fragments, and has to go in fragments, which our stack cannot.
        for (const bytes of [0, 1, 1_472, 3_000]) {
          yield* kernel.call("udpSend", peer, bytes, to, 7777);
          if (driver === "tap" && bytes > 1_472) continue;
          const back = yield* kernel.call("udpReceive", peer);
          expect(back).toEqual({ bytes, host: to, port: 7777, wrongAt: -1 });
        }
        yield* kernel.call("udpSend", peer, 5, to, 7777);
        expect((yield* kernel.call("udpReceive", peer)).bytes).toBe(5);
      });
    } finally {
      kernel.close();
    }
    server.signal("SIGINT");
    expect(await server.exitCode()).toBe(130);
    const figures = driver === "tap" ? "4, not to be answered: 1" : "5, not to be answered: 0";
    expect(server.output).toContain(`datagrams echoed: ${figures}`);
  });

  it("call the kernel's servers on a TAP device, and tell when there is none", async () => {
    const kernel = await KernelPeer.start(netns);
    try {
      await run(function* () {
        // Not the address of the device: it is made later.
        yield* kernel.call("listen", "0.0.0.0", 7777, true);
        const client = start(
          "echo-client",
          "--driver",
          "tap",
          "--count",
          "2",
          "--message",
          "to the kernel",
        );
        expect(yield* abortable(() => client.exitCode())).toBe(0);
        expect(client.output).toMatch(/^2: "to the kernel" came back/m);
      });
    } finally {
      kernel.close();
    }
    const refused = start("echo-client", "--driver", "tap", "--port", "9");
    expect(await refused.exitCode()).toBe(1);
    expect(refused.errors).toMatch(/^echo-client: ECONNREFUSED: .*10\.77\.0\.1:9\n$/);
  });
});
