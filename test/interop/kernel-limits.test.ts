// SPDX-License-Identifier: MIT
// What a kernel context may be told, where its limits are, and what it tells.

import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import {
  createKernelContext,
  go,
  type KernelContextOptions,
  now,
  type Operation,
  run,
  sleep,
  type TcpConnection,
  tcp,
} from "../../src/index.ts";
import { expectNothingLeft } from "../../src/testing.ts";
import { connected, fails, pattern, readAll, soon } from "../socket/support/helpers.ts";
import { Program } from "../support/program.ts";

const FLOOD = pattern(12_000_000);
const MAIN = "test/interop/support/few-descriptors-main.ts";
const NOBODY = 65_534;

/** What making a context with these options throws. */
async function refusal(options: KernelContextOptions): Promise<unknown> {
  let thrown: unknown;
  await run(function* () {
    try {
      createKernelContext(options);
    } catch (error) {
      thrown = error;
    }
  });
  return thrown;
}

describe("options of a kernel context", () => {
  const WRONG: readonly [KernelContextOptions, string][] = [
    [{ address: "localhost" }, 'address must be an IP address such as "127.0.0.1"'],
    [{ maxSockets: 0 }, "maxSockets must be an integer from 1 to 1048576"],
    [{ maxSockets: 2 ** 20 + 1 }, "maxSockets"],
    [{ sendBufferBytes: 1_023 }, "sendBufferBytes must be an integer from 1024 to 1073741824"],
    [{ receiveBufferBytes: 1e99 }, "receiveBufferBytes"],
    [{ netns: "a\0b" }, "netns must not contain a zero byte"],
    [
      { adress: "127.0.0.1" } as KernelContextOptions,
      "options.adress is not known; there are address, maxSockets, netns",
    ],
  ];
  for (const [options, text] of WRONG) {
    it(`refuses ${JSON.stringify(options)}`, async () => {
      const error = await refusal(options);
      expect(error).toMatchObject({ code: "EINVAL", syscall: "createKernelContext" });
      expect(String(error)).toContain(text);
    });
  }

  it("refuses what has the wrong type", async () => {
    for (const [name, value] of [
      ["netns", 1],
      ["address", 1],
      ["maxSockets", "1"],
      ["sendBufferBytes", null],
    ] as const) {
      const options = { [name]: value } as unknown as KernelContextOptions;
      const error = await refusal(options);
      expect(error).toBeInstanceOf(TypeError);
      expect(String(error)).toContain(name);
    }
  });

  it("a network namespace that is none is ENOENT or EINVAL, and nothing is left", async () => {
    const WHERE: readonly [string, string, string][] = [
      ["caraway-none", "ENOENT", "no network namespace at /run/netns/caraway-none; `ip netns add`"],
      ["/no/such/file", "ENOENT", "no network namespace at /no/such/file"],
      ["/dev/null/file", "ENOENT", "no network namespace at /dev/null/file"],
      ["/proc/self/ns/mnt", "EINVAL", "/proc/self/ns/mnt is not a network namespace"],
    ];
    for (const [netns, code, text] of WHERE) {
      if (code === "EINVAL" && process.getuid?.() !== 0) continue;
      const error = await refusal({ netns });
      expect(error).toMatchObject({ code, syscall: "createKernelContext" });
      expect(String(error)).toContain(text);
    }
  });

  it("a network namespace that is there is entered once, and no descriptor of that stays", async () => {
    if (process.getuid?.() !== 0) return;
    await run(function* () {
      const context = createKernelContext({ netns: "/proc/self/ns/net" });
      expectNothingLeft(context);
      const listener = yield* tcp.listen({ port: 0, context });
      expect(listener.local.port).toBeGreaterThan(0);
    });
  });

  it.skipIf(process.getuid?.() === 0 && !existsSync("/usr/bin/setpriv"))(
    "without privileges a namespace is EPERM, and a port below 1024 EACCES",
    async () => {
      const script = `
        import { createKernelContext, run, tcp } from "./src/index.ts";
        const codes = [];
        await run(function* () {
          for (const [options, port] of [[{ netns: "/proc/1/ns/net" }, 0], [{}, 81]]) {
            try {
              yield* tcp.listen({ port, context: createKernelContext(options) });
            } catch (error) {
              codes.push(error.message);
            }
          }
        });
        console.log(codes.join("\\n"));`;
      const node = [process.execPath, "--import", "tsx", "--input-type=module", "-e", script];
      const lower = ["setpriv", "--reuid", `${NOBODY}`, "--clear-groups", "--no-new-privs"];
      const command = process.getuid?.() === 0 ? [...lower, ...node] : node;
      const program = Program.start(command[0] as string, command.slice(1), { TMPDIR: "/tmp" });
      expect([await program.exitCode(), program.errors]).toEqual([0, expect.anything()]);
      // Containers may give every port to everybody.
      const first = Number(readFileSync("/proc/sys/net/ipv4/ip_unprivileged_port_start", "utf8"));
      expect(program.output.trim()).toMatch(
        first > 81
          ? /^EPERM: .*CAP_SYS_ADMIN.*\nEACCES: .*CAP_NET_BIND_SERVICE.*$/
          : /^EPERM: .*CAP_SYS_ADMIN.*$/,
      );
    },
  );

  it("small buffers hold less of what the peer does not read", async () => {
    const held: number[] = [];
    for (const bytes of [16_384, 1_048_576]) {
      await run(function* () {
        const options = { address: "127.0.0.1", sendBufferBytes: bytes, receiveBufferBytes: bytes };
        const net = { server: createKernelContext(options), client: createKernelContext(options) };
        const { client } = yield* connected(net);
        const error = yield* fails("ETIMEDOUT", () => client.send(FLOOD, now() + 200));
        held.push(error.bytesSent as number);
      });
    }
    const [small = 0, large = 0] = held;
    // Our own buffers hold 256 KB at each end besides.
    expect(small).toBeLessThan(800_000);
    expect(large).toBeGreaterThan(small + 1_000_000);
  });
});

describe("more sockets than allowed", () => {
  it("is ENFILE to listen, connect and accept, and the connection waits", async () => {
    await run(function* () {
      const server = createKernelContext({ address: "127.0.0.1", maxSockets: 2 });
      const client = createKernelContext({ maxSockets: 3 });
      const listener = yield* tcp.listen({ port: 0, context: server });
      const to = { ...listener.local, context: client };
      for (let i = 0; i < 3; i++) yield* tcp.connect(to, soon());
      yield* fails("ENFILE", () => tcp.connect(to, soon()));
      yield* fails("ENFILE", () => tcp.listen({ port: 0, context: client }));
      const first = yield* listener.accept(soon());
      yield* fails("ENFILE", () => listener.accept(soon()));
      yield* fails("ENFILE", () => listener.accept(soon()));
      expect(listener.statistics().waiting).toBe(2);
      first.abort();
      const second = yield* listener.accept(soon());
      second.abort();
      yield* listener.accept(soon());
    });
  });

  it("does not stop serve: who waits is served when others have gone", async () => {
    await run(function* () {
      const server = createKernelContext({ address: "127.0.0.1", maxSockets: 4 });
      const client = createKernelContext();
      const listener = yield* tcp.listen({ port: 0, context: server });
      let most = 0;
      const serving = yield* go(() =>
        listener.serve(function* (conn: TcpConnection) {
          most = Math.max(most, server.leftovers().sockets);
          const bytes = yield* readAll(conn);
          yield* conn.send(bytes, soon());
          yield* conn.close(soon());
        }),
      );
      const clients = [];
      for (let i = 0; i < 20; i++) {
        clients.push(yield* go(() => exchange(pattern(5_000, i))));
      }
      function* exchange(bytes: Uint8Array): Operation<void> {
        const conn = yield* tcp.connect({ ...listener.local, context: client }, soon());
        yield* conn.send(bytes, soon());
        conn.done();
        expect(Buffer.compare(yield* readAll(conn), bytes)).toBe(0);
        yield* conn.close(soon());
      }
      for (const each of clients) yield* each.join(soon());
      expect([most, listener.statistics().accepted]).toEqual([3, 20]);
      expect(listener.statistics().shortages).toBeGreaterThan(0);
      serving.cancel();
    });
  });
});

describe("a process without file descriptors", () => {
  it("hears EMFILE from connect, accept and createKernelContext, and its server goes on", async () => {
    const script = `ulimit -n 64; exec "${process.execPath}" --import tsx ${MAIN}`;
    const program = Program.start("sh", ["-c", script]);
    expect([await program.exitCode(), program.errors]).toEqual([
      0,
      expect.stringContaining("EMFILE: too many open files in the process, tcp.accept"),
    ]);
    const [said, after, leftovers] = program.output
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(said).toMatchObject({
      connectCode: "EMFILE",
      acceptCode: "EMFILE",
      contextCode: "EMFILE",
      shortages: true,
    });
    expect(said.open).toBeGreaterThan(4);
    expect(after).toEqual({ descriptors: true });
    expect(leftovers).toEqual({ coroutines: 0, timers: 0, pollers: 0, foreignTasks: 0 });
  });
});

describe("what is told", () => {
  it("info tells of a connection in our terms", async () => {
    await run(function* () {
      const address = { address: "127.0.0.1" };
      const net = { server: createKernelContext(address), client: createKernelContext(address) };
      const { client, server } = yield* connected(net);
      yield* client.send(pattern(100_000), soon());
      yield* server.recv(new Uint8Array(60_000), soon());
      yield* sleep(now() + 50);
      const there = client.info();
      expect(there).toMatchObject({ state: "ESTABLISHED", error: 0, retries: 0, retransmits: 0 });
      expect(there.bytesAcked).toBeGreaterThanOrEqual(100_000);
      expect(there.bytesUnacknowledged).toBe(0);
      expect(there.mss).toBeGreaterThan(500);
      expect(there.congestionWindow).toBeGreaterThanOrEqual(2 * there.mss);
      expect(there.sendWindow).toBeGreaterThan(0);
      expect(there.srttMs).toBeGreaterThan(0);
      expect(there.srttMs).toBeLessThan(1_000);
      expect(there.rtoMs).toBeGreaterThanOrEqual(there.srttMs);
      expect(there.segmentsOut).toBeGreaterThan(2);
      expect(server.info()).toMatchObject({ bytesReceived: 100_000, bytesReadable: 40_000 });
      client.done();
      yield* readAll(server);
      // The acknowledgement may be delayed.
      yield* sleep(now() + 200);
      expect([client.info().state, server.info().state]).toEqual(["FIN-WAIT-2", "CLOSE-WAIT"]);
      client.abort();
      expect(client.info()).toMatchObject({ state: "CLOSED", bytesReadable: 0 });
    });
  });

  it("statistics count sockets, and connections that a full backlog has dropped", async () => {
    await run(function* () {
      const server = createKernelContext({ address: "127.0.0.1" });
      const client = createKernelContext();
      const listener = yield* tcp.listen({ port: 0, backlog: 2, context: server });
      const to = { ...listener.local, context: client };
      yield* tcp.connect(to, soon());
      yield* tcp.connect(to, soon());
      expect(listener.statistics()).toMatchObject({ accepted: 0, waiting: 2 });
      yield* fails("ETIMEDOUT", () => tcp.connect(to, now() + 30));
      expect(server.statistics().events["tcp.backlogFull"]).toBeGreaterThan(0);
      const conn = yield* listener.accept(soon());
      expect(listener.statistics()).toMatchObject({ accepted: 1, waiting: 1, halfOpen: 0 });
      expect(server.statistics()).toMatchObject({ sockets: 1, timeWait: 0 });
      expect(client.statistics()).toMatchObject({ sockets: 2, events: {} });
      expect(client.leftovers()).toMatchObject({ sockets: 2, listeners: 0 });
      conn.abort();
      listener.close();
      client.close();
      expectNothingLeft(server, client);
    });
  });
});
