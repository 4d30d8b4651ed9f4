// What the tools of every day say to us: ping, and curl to the HTTP example.

import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { abortable } from "../../src/index.ts";
import { describeWithNic } from "../support/netns.ts";
import { Program } from "../support/program.ts";
import { BITS, DEVICE, DRIVERS, KERNEL, Machine, OURS } from "./support/machine.ts";

describeWithNic("tools of every day", () => {
  describe.each(DRIVERS)("%s", (driver) => {
    let machine: Machine;
    const started: Program[] = [];

    beforeAll(async () => {
      machine = await Machine.create(driver);
    });
    afterEach(() => {
      for (const program of started.splice(0)) program.signal("SIGKILL");
    });
    afterAll(() => machine?.remove());

    /** Runs a command on the kernel's side; returns what it printed, and "exit <code>" if not 0. */
    async function tool(command: string, ...args: readonly string[]): Promise<string> {
      const program = new Program(machine.netns.spawn(command, ...args));
      const code = await program.exitCode();
      return code === 0 ? program.output : `${program.output}exit ${code}`;
    }

    const curl = (...args: readonly string[]): Promise<string> =>
      tool("curl", "--silent", "--show-error", "--max-time", "20", ...args);

    it("answers ping, small and large", async () => {
      await machine.run(function* () {
        for (const size of ["0", "56", "1472"]) {
          const ping = [
            "ping",
            "-n",
            "-c",
            "3",
            "-i",
            "0.05",
            "-W",
            "5",
            "-s",
            size,
            OURS,
          ] as const;
          expect(yield* abortable(() => tool(...ping))).toMatch(/3 received/);
        }
      });
    });

    /** Starts the HTTP example and waits until it listens. */
    async function serveHttp(...options: readonly string[]): Promise<Program> {
      const program = Program.example(
        "http-server",
        ...[
          "--driver",
          driver,
          "--interface",
          DEVICE,
          "--netns",
          machine.netns.path,
          "--port",
          "80",
        ],
        ...["--address", `${OURS}/${BITS}`, "--kernel-address", `${KERNEL}/${BITS}`],
        ...options,
      );
      started.push(program);
      await program.printed(/listening on/);
      return program;
    }

    const url = `http://${OURS}`;

    it("serves curl: GET, HEAD, keep-alive, errors, 10 MB", async () => {
      const server = await serveHttp();
      expect(await curl(`${url}/hello?name=curl`)).toBe("Hello, curl!\n");
      expect(await curl("--head", `${url}/`)).toMatch(
        /^HTTP\/1.1 200 OK\r\n[\s\S]*Content-Length: 33/,
      );
      const verbose = ["--verbose", "--stderr", "-"];
      expect(await curl(...verbose, `${url}/`, `${url}/hello`)).toMatch(/Re-using existing/i);
      expect(await curl("--http1.0", `${url}/hello`)).toBe("Hello, you!\n");
      const code = ["--output", "/dev/null", "--write-out", "%{http_code} %{size_download}"];
      expect(await curl(...code, `${url}/none`)).toBe("404 14");
      expect(await curl(...code, "--data", "x=y", `${url}/`)).toMatch(/^405 /);
      expect(await curl(...code, "--request", "GET", "--data", "x", `${url}/`)).toMatch(/^413 /);
      const large = `X-Large: ${"x".repeat(10_000)}`;
      expect(await curl(...code, "--header", large, `${url}/`)).toMatch(/^431 /);
      expect(await curl(...code, `${url}/bytes/10000000`)).toBe("200 10000000");
      server.signal("SIGINT");
      expect(await server.exitCode()).toBe(130);
      expect(server.output).toMatch(/connections served: 9/);
      expect(server.errors).toBe("");
    });

    it("answers 408 to a client that falls asleep", async () => {
      const server = await serveHttp("--head-ms", "200");
      // telnet:// sends what is on stdin and shows the answer; nothing but a beginning comes.
      const script = `(printf 'GET / HTTP/1.1\\r\\nHost:'; sleep 2) | curl -s telnet://${OURS}:80`;
      expect(await tool("sh", "-c", script)).toMatch(/^HTTP\/1.1 408 Request Timeout\r\n/);
      server.signal("SIGTERM");
      expect(await server.exitCode()).toBe(143);
    });
  });
});
