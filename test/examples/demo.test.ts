// The demo as a user runs it: on veth, on TAP, without namespaces; and ended by signals.
// R1: see test/support/program.ts.

import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { describeWithNic } from "../support/netns.ts";
import { Program } from "../support/program.ts";

/** Waits for its end; when it fails, says why. */
async function expectSuccess(demo: Program): Promise<void> {
  const code = await demo.exitCode();
  const output = code === 0 ? "" : demo.output.slice(-2_000);
  expect({ code, output, errors: demo.errors }).toEqual({ code: 0, output: "", errors: "" });
}

/** What every stage shows. */
function expectWhole(output: string, peer: string): void {
  for (const line of [
    `--- ${peer} connects to our echo server and closes first`,
    `ok: ${peer} got "hello" back`,
    `--- ${peer} sends 10 MB and gets them back`,
    "ok: every byte came back as it was sent",
    `--- we connect to a server of ${peer} and close first`,
    'ok: we got "good morning" back',
    "ms ETIMEDOUT: connection timed out, tcp.connect 10.77.0.9:80",
    "ok: recvSome threw ECANCELED at once",
    "ok: its connection was reset",
    "ok: no socket, listener, buffer or timer",
    "Everything went as shown.",
  ]) {
    expect(output).toContain(line);
  }
  expect(output.split("a handshake, both FINs, both ACKs, no RST")).toHaveLength(4);
  const packet = (from: string, to: string, flags: string): RegExp =>
    new RegExp(
      `^ *\\d+\\.\\d{3} ${from} > ${to} +10\\.77\\.0\\.\\S+ > 10\\.\\S+ \\[${flags}\\]`,
      "m",
    );
  expect(output).toMatch(packet(peer, "us", "SYN"));
  expect(output).toMatch(packet("us", peer, "SYN,ACK"));
  expect(output).toMatch(packet("us", peer, "FIN,ACK"));
  expect(output).toMatch(packet(peer, "us", "FIN,ACK"));
  expect(output).toMatch(packet("us", peer, "RST,ACK"));
}

/** Interfaces of this host that the demo could have forgotten. */
function devices(): string[] {
  return readdirSync("/sys/class/net").filter((name) => name.startsWith("cw-"));
}

describeWithNic("demo in a namespace", () => {
  it("runs on af_packet, against the kernel", async () => {
    const demo = Program.example("demo");
    await expectSuccess(demo);
    expect(demo.output).toContain("our stack on af_packet");
    expectWhole(demo.output, "the kernel");
    // A SYN that nobody answers is sent again.
    const syns = demo.output.match(/10\.77\.0\.9:80 \[SYN\]/g);
    expect(syns?.length).toBeGreaterThanOrEqual(1);
    expect(devices()).toEqual([]);
  });

  it("runs on tap, against the kernel", async () => {
    const demo = Program.example("demo", "--driver", "tap");
    await expectSuccess(demo);
    expect(demo.output).toContain("our stack on a TAP device");
    expectWhole(demo.output, "the kernel");
  });

  it.each(["SIGINT", "SIGTERM"] as const)("ends on %s and leaves nothing", async (signal) => {
    const demo = Program.example("demo");
    await demo.printed(/--- we connect to a host/);
    demo.signal(signal);
    expect(await demo.exitCode()).toBe(signal === "SIGINT" ? 130 : 143);
    expect(demo.output).not.toContain("Everything went as shown");
    expect(demo.errors).toBe("");
    expect(devices()).toEqual([]);
  });

  it("ends when the process that started it is killed", async () => {
    const demo = Program.example("demo");
    await demo.printed(/--- we connect to a host/);
    const group = demo.child.pid as number;
    process.kill(group, "SIGKILL");
    // Its output stays open until the second process has ended, too.
    await demo.exitCode();
    expect(demo.output).not.toContain("Everything went as shown");
    const ps = spawnSync("ps", ["-o", "stat=,args=", "-g", String(group)], { encoding: "utf8" });
    const alive = (ps.stdout ?? "").split("\n").filter((line) => /^[^Z].*demo\.ts/.test(line));
    expect(alive).toEqual([]);
  });
});

describe("demo without a namespace", () => {
  it("plays on an in-process link when asked to", async () => {
    const demo = Program.example("demo", "--driver", "sim");
    await expectSuccess(demo);
    expect(demo.output).toContain("two stacks of ours on an in-process link");
    expectWhole(demo.output, "the second stack");
  });

  it("plays between two processes that share memory when asked to", async () => {
    const demo = Program.example("demo", "--driver", "memif");
    await expectSuccess(demo);
    expect(demo.output).toContain("two processes with a stack of ours each");
    expectWhole(demo.output, "the second process");
  });

  it.each(["SIGINT", "SIGKILL"] as const)("leaves no second process on %s", async (signal) => {
    const demo = Program.example("demo", "--driver", "memif");
    await demo.printed(/--- we connect to an address/);
    const group = demo.child.pid as number;
    demo.signal(signal);
    // Its output stays open until the second process has ended, too.
    await demo.exitCode();
    const ps = spawnSync("ps", ["-o", "stat=,args=", "-g", String(group)], { encoding: "utf8" });
    const alive = (ps.stdout ?? "")
      .split("\n")
      .filter((line) => /^[^Z].*second-process/.test(line));
    expect(alive).toEqual([]);
  });

  it("says why, and plays between two processes", async () => {
    const empty = mkdtempSync(path.join(tmpdir(), "caraway-"));
    try {
      const args = ["--import", "tsx", "examples/demo.ts"];
      const demo = Program.start(process.execPath, args, { PATH: empty });
      await expectSuccess(demo);
      expect(demo.output).toMatch(/^\(there is no unshare; .*apt-get install util-linux\)$/m);
      expectWhole(demo.output, "the second process");
    } finally {
      rmSync(empty, { recursive: true });
    }
  });

  it("plays on an in-process link without the addon, and says why", async () => {
    const args = ["--import", "tsx", "examples/demo.ts"];
    const demo = Program.start(process.execPath, args, { CARAWAY_NATIVE_IO: "/nowhere.node" });
    await expectSuccess(demo);
    expect(demo.output).toMatch(/^\(.*\/nowhere\.node does not load/m);
    expectWhole(demo.output, "the second stack");
  });

  it("fails when the driver that was asked for is not to be had", async () => {
    const args = ["--import", "tsx", "examples/demo.ts", "--driver", "tap"];
    const demo = Program.start(process.execPath, args, { PATH: "/nonexistent" });
    expect(await demo.exitCode()).toBe(1);
    expect(demo.errors).toMatch(/^demo: no tap here: there is no unshare/);
  });
});
