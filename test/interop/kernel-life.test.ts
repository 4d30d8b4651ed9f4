// SPDX-License-Identifier: MIT
// R1: plain tasks wait for timers of Node's.
// The usual kernel context comes with the first socket and goes with `run`; it neither spins nor
// keeps a process when there is nothing to wait for. Several loops, threads, plain tasks.

import { once } from "node:events";
import { readdirSync } from "node:fs";
import net from "node:net";
import path from "node:path";
import { Worker } from "node:worker_threads";
import { run as runTask, until } from "effection";
import { describe, expect, it } from "vitest";
import {
  createContext,
  createKernelContext,
  currentLoop,
  go,
  type Loop,
  now,
  type Operation,
  run,
  shield,
  sleep,
  tcp,
  useNetwork,
  withNetwork,
} from "../../src/index.ts";
import { createCable, expectNothingLeft } from "../../src/testing.ts";
import { echo, fails, pattern, readAll, soon } from "../socket/support/helpers.ts";
import { Program } from "../support/program.ts";

const WORKER = path.join(import.meta.dirname, "support/kernel-worker.ts");

function openDescriptors(): number {
  return readdirSync("/proc/self/fd").length;
}

/** A connection over loopback and back, both in the running coroutine. */
function* chat(bytes: Uint8Array): Operation<void> {
  const listener = yield* tcp.listen("127.0.0.1:0");
  const serving = yield* go(() => listener.serve(echo));
  const conn = yield* tcp.connect({ ...listener.local }, soon());
  yield* conn.send(bytes, soon());
  conn.done();
  expect(Buffer.compare(yield* readAll(conn), bytes)).toBe(0);
  yield* conn.close(soon());
  serving.cancel();
}

/** A program from its text. @returns what it printed, once it has ended by itself */
async function program(text: string): Promise<string> {
  const started = Program.start(process.execPath, [
    "--import",
    "tsx",
    "--input-type=module",
    "-e",
    `import { go, now, run, sleep, tcp } from "./src/index.ts";\n${text}`,
  ]);
  const code = await started.exitCode();
  expect([code, started.errors]).toEqual([0, ""]);
  return started.output;
}

describe("the usual kernel context", () => {
  it("is made with the first socket, and is gone with run", async () => {
    await run(() => sleep(0));
    const before = openDescriptors();
    let loop: Loop | null = null;
    await run(
      function* () {
        expect([openDescriptors(), currentLoop().leftovers().pollers]).toEqual([before, 0]);
        const listener = yield* tcp.listen({ port: 0 });
        // The listener, and epoll.
        expect([openDescriptors(), currentLoop().leftovers().pollers]).toEqual([before + 2, 1]);
        listener.close();
        yield* chat(pattern(10_000));
        expect(currentLoop().leftovers().pollers).toBe(1);
      },
      {
        onLoop: (made) => {
          loop = made;
        },
      },
    );
    expectNothingLeft(loop as unknown as Loop);
    expect(openDescriptors()).toBe(before);
  });

  it("outlives the coroutine that has used it first", async () => {
    await run(function* () {
      const first = yield* go(() => tcp.listen({ port: 0 }));
      const closed = yield* first.join();
      expect(closed.isOpen).toBe(false);
      yield* chat(pattern(1_000));
      expect(currentLoop().leftovers().pollers).toBe(1);
    });
  });

  it("serves clean-up that is shielded at the end of run", async () => {
    const before = openDescriptors();
    await run(function* () {
      const worker = yield* go(function* () {
        try {
          yield* sleep(-1);
        } finally {
          yield* shield(soon(), () => chat(pattern(1_000)));
        }
      });
      yield* sleep(now() + 1);
      worker.cancel();
    });
    expect(openDescriptors()).toBe(before);
  });

  it("serves two runs, one after the other and at the same time", async () => {
    const before = openDescriptors();
    for (let i = 0; i < 3; i++) await run(() => chat(pattern(100_000, i)));
    await Promise.all(Array.from({ length: 5 }, (_, i) => run(() => chat(pattern(300_000, i)))));
    expect(openDescriptors()).toBe(before);
  });

  it("connects two runs with each other", async () => {
    let told: (port: number) => void = () => {};
    const port = new Promise<number>((resolve) => {
      told = resolve;
    });
    const bytes = pattern(2_000_000);
    const server = run(function* () {
      const listener = yield* tcp.listen("127.0.0.1:0");
      told(listener.local.port);
      const conn = yield* listener.accept(soon());
      yield* conn.send(bytes, soon());
      yield* conn.close(soon());
    });
    const client = run(function* () {
      const conn = yield* tcp.connect({ host: "127.0.0.1", port: yield* until(port) }, soon());
      expect(Buffer.compare(yield* readAll(conn), bytes)).toBe(0);
      yield* conn.close(soon());
    });
    await Promise.all([server, client]);
  });
});

describe("an idle loop", () => {
  /** Rounds and sleeps of a loop that idles for 200 ms. */
  async function idle(prepare: () => Operation<unknown>): Promise<{ rounds: number }> {
    let rounds = 0;
    await run(function* () {
      yield* prepare();
      yield* sleep(now() + 20);
      const before = currentLoop().statistics();
      yield* sleep(now() + 200);
      rounds = currentLoop().statistics().rounds - before.rounds;
    });
    return { rounds };
  }

  it("does not spin for a context without sockets, with a listener, or with a connection", async () => {
    // Some rounds of spinning before each sleep are meant; what must not be is 200 ms of them.
    const most = (await idle(() => sleep(0))).rounds + 5_000;
    const without = function* (): Operation<void> {
      (yield* tcp.listen("127.0.0.1:0")).close();
    };
    const listening = (): Operation<unknown> => tcp.listen("127.0.0.1:0");
    const open = function* (): Operation<void> {
      const listener = yield* tcp.listen("127.0.0.1:0");
      const conn = yield* tcp.connect({ ...listener.local }, soon());
      const peer = yield* listener.accept(soon());
      // Unread bytes, a half-close, and a send that has no room are no reasons to spin either.
      yield* peer.send(pattern(1_000), soon());
      peer.done();
      yield* go(() => conn.send(pattern(20_000_000)));
    };
    for (const prepare of [without, listening, open]) {
      expect((await idle(prepare)).rounds).toBeLessThan(most);
    }
  });

  it("is woken by data, however it polls", async () => {
    for (const busyPoll of ["never", "adaptive", "always"] as const) {
      await run(() => chat(pattern(200_000)), { busyPoll });
      await run(
        function* () {
          const listener = yield* tcp.listen("127.0.0.1:0");
          const conn = yield* tcp.connect({ ...listener.local }, soon());
          const peer = yield* listener.accept(soon());
          yield* go(function* () {
            for (let i = 0; i < 5; i++) {
              yield* sleep(now() + 10);
              yield* peer.send(Uint8Array.of(i), soon());
            }
          });
          const buf = new Uint8Array(1);
          for (let i = 0; i < 5; i++) {
            yield* conn.recv(buf, soon());
            expect(buf[0]).toBe(i);
          }
        },
        { busyPoll },
      );
    }
  });
});

describe("the end of a process", () => {
  it("comes by itself after run, with sockets left open by whoever", async () => {
    const text = await program(`
      await run(function* () {
        const listener = yield* tcp.listen("127.0.0.1:0");
        yield* go(() => listener.serve(() => sleep(-1)));
        yield* tcp.connect({ ...listener.local });
        const released = yield* tcp.connect({ ...listener.local });
        yield* released.send(new Uint8Array(1000));
        released.release();
      });
      console.log("over");
    `);
    expect(text).toBe("over\n");
  });

  it("is not kept off by a context of plain tasks once its sockets are closed", async () => {
    const text = await program(`
      import { run as runTask } from "effection";
      await runTask(function* () {
        const listener = yield* tcp.listen("127.0.0.1:0");
        const conn = yield* tcp.connect({ ...listener.local });
        const peer = yield* listener.accept();
        yield* peer.send(Uint8Array.of(1));
        console.log(yield* conn.recvSome(new Uint8Array(9)));
        conn.abort();
        peer.abort();
        listener.close();
      });
      console.log("over");
    `);
    expect(text).toBe("1\nover\n");
  });
});

describe("plain Effection tasks", () => {
  it("use the kernel's sockets", async () => {
    await runTask(function* () {
      const listener = yield* tcp.listen("127.0.0.1:0");
      const conn = yield* tcp.connect({ ...listener.local }, soon());
      const peer = yield* listener.accept(soon());
      const bytes = pattern(50_000);
      yield* conn.send(bytes, soon());
      conn.done();
      expect(Buffer.compare(yield* readAll(peer), bytes)).toBe(0);
      yield* fails("ETIMEDOUT", () => conn.recvSome(new Uint8Array(1), now() + 20));
      yield* peer.close(soon());
      yield* conn.close(soon());
      listener.close();
    });
  });

  it("wake a loop that sleeps", async () => {
    await runTask(function* () {
      const first = yield* tcp.listen("127.0.0.1:0");
      // The loop sleeps now, with one listener to wait for.
      yield* until(new Promise((resolve) => setTimeout(resolve, 50)));
      const second = yield* tcp.listen("127.0.0.1:0");
      const conn = yield* tcp.connect({ ...second.local }, soon());
      const peer = yield* second.accept(soon());
      peer.abort();
      conn.abort();
      first.close();
      second.close();
    });
  });
});

describe("what a plain task has sent or ended", () => {
  it("goes out although the task then waits for something that is not ours", async () => {
    const server = net.createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as net.AddressInfo;
    await runTask(function* () {
      const accepting = once(server, "connection") as Promise<[net.Socket]>;
      const conn = yield* tcp.connect({ host: "127.0.0.1", port }, soon());
      const [socket] = yield* until(accepting);
      yield* until(new Promise((resolve) => setTimeout(resolve, 20)));
      const coming = once(socket, "data");
      yield* conn.send(Uint8Array.of(7), soon());
      expect([...((yield* until(coming))[0] as Buffer)]).toEqual([7]);
      yield* until(new Promise((resolve) => setTimeout(resolve, 20)));
      const ending = once(socket, "end");
      conn.done();
      yield* until(ending);
      conn.abort();
      socket.destroy();
    });
    server.close();
  });
});

describe("which network", () => {
  it("is the one in scope, the one that is passed, and the kernel's by its name", async () => {
    await run(function* () {
      const [a, b] = createCable();
      const stack = createContext({ driver: a, address: "10.0.0.1/24" });
      const other = createContext({ driver: b, address: "10.0.0.2/24" });
      const kernel = createKernelContext({ address: "127.0.0.1" });
      yield* useNetwork(stack);
      const ours = yield* tcp.listen({ port: 80 });
      expect(ours.local.host).toBe("10.0.0.1");
      const passed = yield* tcp.listen({ port: 0, context: kernel });
      expect(passed.local.host).toBe("127.0.0.1");
      const named = yield* withNetwork("kernel", () => tcp.listen("127.0.0.1:0"));
      expect(named.local.host).toBe("127.0.0.1");
      // What is made outside and run inside runs inside.
      const made = tcp.listen("127.0.0.2:0");
      expect((yield* withNetwork("kernel", made)).local.host).toBe("127.0.0.2");
      // Children have what their parent had, and afterwards the scope is as before.
      yield* withNetwork("kernel", function* () {
        const child = yield* go(() => chat(pattern(1_000)));
        yield* child.join(soon());
        yield* withNetwork(other, function* () {
          const conn = yield* tcp.connect({ host: "10.0.0.1", port: 80 }, soon());
          expect(conn.local.host).toBe("10.0.0.2");
        });
        yield* chat(pattern(1_000));
      });
      yield* fails("EADDRINUSE", () => tcp.listen({ port: 80 }));
      // Loopback is not on the cable.
      yield* fails("ENETUNREACH", () => tcp.connect({ ...named.local }, soon()));
    });
  });

  it("is left as it was by an operation that fails or is cancelled", async () => {
    await run(function* () {
      const [a] = createCable();
      const stack = createContext({ driver: a, address: "10.0.0.1/24" });
      const boom = function* (): Operation<void> {
        throw new Error("boom");
      };
      try {
        yield* withNetwork(stack, boom);
      } catch (error) {
        expect(String(error)).toContain("boom");
      }
      yield* chat(pattern(100));
    });
  });

  it("on the virtual clock is never the kernel", async () => {
    await run(
      function* () {
        const error = yield* fails("ENETDOWN", () => tcp.listen({ port: 0 }));
        expect(error.message).toContain("on the virtual clock there is no kernel");
      },
      { clock: "virtual" },
    );
  });
});

/** A thread that runs support/kernel-worker.ts. */
class Thread {
  readonly #worker: Worker;
  readonly exited: Promise<unknown>;
  readonly #said: Set<unknown> = new Set();
  #wake: () => void = () => {};

  constructor(rounds: number) {
    // Threads do not inherit what loads TypeScript.
    const load = `import("tsx/esm/api").then(({ tsImport }) => tsImport("${WORKER}", "file:///"))`;
    this.#worker = new Worker(load, { eval: true, workerData: { rounds }, execArgv: [] });
    this.exited = once(this.#worker, "exit");
    this.#worker.on("message", (message) => {
      this.#said.add(message);
      this.#wake();
    });
  }

  async hasSaid(what: string): Promise<void> {
    while (!this.#said.has(what)) {
      await Promise.race([
        new Promise<void>((resolve) => {
          this.#wake = resolve;
        }),
        this.exited.then(() => {
          if (!this.#said.has(what)) throw new Error(`the thread ended without "${what}"`);
        }),
      ]);
    }
  }

  terminate(): Promise<number> {
    return this.#worker.terminate();
  }
}

describe("threads", () => {
  it("each have kernel sockets of their own", async () => {
    const before = openDescriptors();
    const threads = Array.from({ length: 3 }, () => new Thread(300));
    await Promise.all(threads.map((thread) => thread.exited));
    for (const thread of threads) await thread.hasSaid("done");
    expect(openDescriptors()).toBeLessThanOrEqual(before + 1);
  });

  it("can be terminated while they are busy, and leave nothing", async () => {
    await run(() => chat(pattern(100)));
    const before = openDescriptors();
    for (let i = 0; i < 4; i++) {
      const thread = new Thread(Number.POSITIVE_INFINITY);
      await thread.hasSaid("busy");
      await thread.terminate();
    }
    expect(openDescriptors()).toBeLessThanOrEqual(before + 1);
    await run(() => chat(pattern(100_000)));
  });
});
