// Each example as a user runs it: what it prints, how it ends. R1: see test/support/program.ts.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { TestFolder } from "../support/folder.ts";
import { Program, ROOT } from "../support/program.ts";

const EXAMPLES = readdirSync(path.join(ROOT, "examples"))
  .filter((file) => file.endsWith(".ts"))
  .map((file) => file.slice(0, -3));

/** Runs an example to its end. */
async function run(name: string, ...args: readonly string[]): Promise<Program & { code: number }> {
  const program = Program.example(name, ...args);
  const code = await program.exitCode();
  return Object.assign(program, { code });
}

describe.each(EXAMPLES)("%s", (name) => {
  it("prints its options with --help", async () => {
    const { code, output, errors } = await run(name, "--help");
    expect({ code, errors }).toEqual({ code: 0, errors: "" });
    expect(output).toContain(`Usage: npx tsx examples/${name}.ts [options]`);
    expect(output).toMatch(/^ {2}--help, -h +Print this\.$/m);
    // Every line fits a terminal of some width.
    expect(output.split("\n").filter((line) => line.length > 120)).toEqual([]);
  });

  it("is described in the README of the examples", () => {
    expect(readFileSync(path.join(ROOT, "examples/README.md"), "utf8")).toContain(`(${name}.ts)`);
  });
});

describe("options", () => {
  it.each([
    [["--no-such-option"], "Unknown option '--no-such-option'"],
    [["--port", "70000"], '--port must be a number from 1 to 65535, got "70000"'],
    [
      ["--driver", "nic"],
      '--driver must be one of kernel, af_packet, af_xdp, tap, memif, sim, got "nic"',
    ],
    [["--driver", "af_packet"], "--driver af_packet needs --interface <name>"],
    [["--driver", "af_xdp"], "--driver af_xdp needs --interface <name>"],
  ])("says what is wrong with %j, exit code 2", async (args, message) => {
    const { code, output, errors } = await run("echo-server", ...args);
    expect({ code, output }).toEqual({ code: 2, output: "" });
    expect(errors).toBe(`echo-server: ${message}\nTry: npx tsx examples/echo-server.ts --help\n`);
  });

  it("tells what the driver says in one line, exit code 1", async () => {
    const args = ["--driver", "af_packet", "--interface", "nosuch0"];
    const { code, errors } = await run("echo-client", ...args);
    expect(code).toBe(1);
    expect(errors).toMatch(/^echo-client: (ENODEV|EPERM|ENOSYS): .*\n/);
    expect(errors).not.toMatch(/ at /);
  });

  it("tells a wrong address in one line, exit code 1", async () => {
    const { code, errors } = await run("echo-client", "--driver", "sim", "--host", "server");
    expect(code).toBe(1);
    expect(errors).toMatch(/^echo-client: EINVAL: .*"server/);
  });
});

describe("on a simulated network", () => {
  it.each([
    { how: "with a buffer", args: [] },
    { how: "without one", args: ["--in-place"] },
  ])("echo-server $how talks to its client", async ({ args }) => {
    const { code, output, errors } = await run("echo-server", "--driver", "sim", ...args);
    expect({ code, errors }).toEqual({ code: 0, errors: "" });
    expect(output).toContain('the client got "hello" back');
    expect(output).toContain("connections served: 1");
  });

  it("echo-client sends what is asked for", async () => {
    const args = ["--driver", "sim", "--count", "2", "--message", "huhu"];
    const { code, output, errors } = await run("echo-client", ...args);
    expect({ code, errors }).toEqual({ code: 0, errors: "" });
    expect(output).toMatch(/2: "huhu" came back in 20\.00 ms\nclosed/);
  });

  it("udp-echo talks to its client", async () => {
    const { code, output, errors } = await run("udp-echo", "--driver", "sim");
    expect({ code, errors }).toEqual({ code: 0, errors: "" });
    expect(output).toContain('the client got "hello" back\nthe client got "and good-bye" back');
    expect(output).toContain("datagrams echoed: 2, not to be answered: 0");
  });

  it("mtcp-echo talks to its client", async () => {
    const { code, output, errors } = await run("mtcp-echo", "--driver", "sim");
    expect({ code, errors }).toEqual({ code: 0, errors: "" });
    expect(output).toContain('the client got "hello" back\nthe client got "and good-bye" back');
    expect(output).toContain("connections served: 1");
  });

  it("http-server answers 200, 400, 404, 405 and 408", async () => {
    const { code, output, errors } = await run("http-server", "--driver", "sim");
    expect({ code, errors }).toEqual({ code: 0, errors: "" });
    const statuses = [...output.matchAll(/^HTTP\/1\.1 (\d+)/gm)].map(([, status]) => status);
    expect(statuses).toEqual(["200", "200", "404", "405", "400", "408"]);
    expect(output).toContain("<h1>Caraway</h1>");
  });

  it("deadlines shows each end at its exact time", async () => {
    const { code, output, errors } = await run("deadlines");
    expect({ code, errors }).toEqual({ code: 0, errors: "" });
    for (const line of [
      "after 120000 ms: ETIMEDOUT: connection timed out, tcp.connect 10.0.0.9:80",
      "after 40 ms: ECONNREFUSED: connection refused, tcp.connect 10.0.0.1:81",
      "after 500 ms: ETIMEDOUT: connection timed out, tcp.recv 10.0.0.1:80, 4 bytes came",
      "after 20 ms: four+ six!",
      "after 300 ms: ETIMEDOUT",
      "after 50 ms: 50 ms are over",
      "after 120 ms: ECANCELED",
      "after 100 ms: all are cancelled and their connections reset",
      "after 3000 ms: ETIMEDOUT: connection timed out, tcp.close 10.0.0.1:82",
      "after 0 ms: EBADF",
      "no socket, timer, buffer or coroutine is left",
    ]) {
      expect(output).toContain(line);
    }
  });
});

describe("ipc-echo", () => {
  it("talks to itself, and leaves no file", async () => {
    const { code, output, errors } = await run("ipc-echo", "--count", "2");
    expect({ code, errors }).toEqual({ code: 0, errors: "" });
    const file = /^listening at (\S+)$/m.exec(output)?.[1] as string;
    expect(output).toMatch(/^the server says hello from process \d+$/m);
    expect(output).toMatch(/^2: "hello" came back\nclosed: .*\nconnections served: 1$/m);
    expect(existsSync(file)).toBe(false);
  });

  it("talks between two processes; the server says hello on the client's output", async () => {
    const at = ["--path", path.join(tmpdir(), `caraway-example-${process.pid}`)];
    const server = Program.example("ipc-echo", "--role", "server", ...at);
    await server.printed(/^listening at/m);
    const { code, output, errors } = await run("ipc-echo", "--role", "client", ...at);
    expect({ code, errors }).toEqual({ code: 0, errors: "" });
    expect(output).toMatch(
      new RegExp(`^the server says hello from process ${server.child.pid}$`, "m"),
    );
    server.signal("SIGINT");
    expect(await server.exitCode()).toBe(130);
    expect(server.output).toMatch(/connections served: 1\n$/);
    expect(server.errors).toBe("");
    const late = await run("ipc-echo", "--role", "client", ...at);
    expect(late.code).toBe(1);
    expect(late.errors).toMatch(
      /^ipc-echo: ENOENT: no such file or directory, ipc.connect \/.*\n$/,
    );
  });
});

describe("lossy-link", () => {
  const folder = new TestFolder();

  it("delivers every byte, and the same seed gives the same run", async () => {
    const args = ["--loss", "0.05", "--bytes", "200000", "--trace", "3"];
    const first = await run("lossy-link", ...args);
    expect({ code: first.code, errors: first.errors }).toEqual({ code: 0, errors: "" });
    expect(first.output).toMatch(/^200000 bytes in \d+\.\d+ s of virtual time, every one as/m);
    expect(first.output).toMatch(/^frames lost [1-9]\d*, segments sent again [1-9]/m);
    expect(first.output).toMatch(/\[ACK\] seq/);
    expect((await run("lossy-link", ...args)).output).toBe(first.output);
    const other = await run("lossy-link", ...args, "--seed", "2");
    expect(other.output).not.toBe(first.output);
  });

  it("writes a capture", async () => {
    const file = folder.file("x.pcap");
    const { code } = await run("lossy-link", "--bytes", "1000", "--pcap", file);
    expect(code).toBe(0);
    expect(existsSync(file)).toBe(true);
    // Nanosecond pcap, in the byte order of its writer.
    const magic = readFileSync(file).subarray(0, 4);
    expect([magic.readUInt32LE(0), magic.readUInt32BE(0)]).toContain(0xa1b23c4d);
  });
});
