// R1: signals, child processes and promises of the real world are what this file is about.

import { spawn as spawnProcess } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { isAbortError } from "abort-controller-x";
import { describe, expect, it } from "vitest";
import {
  abortable,
  bundle,
  channel,
  choose,
  currentLoop,
  go,
  type Loop,
  main,
  now,
  run,
  runWithSignal,
  shield,
  sleep,
  withDeadline,
  yieldNow,
} from "../../scheduler/index.ts";
import { failureOf, rejectionOf, virtual } from "./support.ts";

describe("run", () => {
  it("resolves with the result, of an operation or of a generator function", async () => {
    expect(
      await run(function* () {
        return 1;
      }),
    ).toBe(1);
    expect(await run({ [Symbol.iterator]: () => [][Symbol.iterator]() as never })).toBe(undefined);
    expect(await run(sleep(0))).toBe(undefined);
  });

  it("rejects with what the operation throws, and leaves nothing", async () => {
    const running = virtual(function* () {
      yield* go(() => sleep(-1));
      yield* go(() => channel().recv(now() + 1e6));
      yield* sleep(now() + 1);
      throw new Error("boom");
    });
    expect(await rejectionOf(running)).toBe("boom");
  });

  it("runs loops side by side, each with its own clock", async () => {
    const times = await Promise.all(
      [1e6, 5].map((ms) =>
        run(
          function* () {
            const start = now();
            yield* sleep(start + ms);
            return now() - start;
          },
          { clock: ms === 5 ? "real" : "virtual" },
        ),
      ),
    );
    expect(times[0]).toBe(1e6);
    expect(times[1]).toBeGreaterThanOrEqual(5);
  });

  it("never ends a sleep early on the real clock", async () => {
    await run(function* () {
      for (const ms of [1, 7, 20]) {
        const start = now();
        yield* sleep(start + ms);
        expect(now() - start).toBeGreaterThanOrEqual(ms);
      }
    });
  });
});

describe("wrong arguments are refused by name:", () => {
  const nothing = function* () {};
  const rejected: Record<string, [() => Promise<unknown>, RegExp | string]> = {
    "run(op)": [() => run(1 as never), /run: op must be/],
    "run(op) that makes no operation": [() => run((() => 1) as never), /must return an operation/],
    "run({ clock })": [() => run(nothing, { clock: "fake" as never }), "EINVAL"],
    "run({ busyPoll })": [() => run(nothing, { busyPoll: "often" as never }), "EINVAL"],
    "run(null options)": [() => run(nothing, null as never), /options must be an object/],
    "run({ spinUs })": [() => run(nothing, { spinUs: -1 }), "EINVAL"],
    "run({ spinUs }) of a wrong type": [() => run(nothing, { spinUs: "x" as never }), "EINVAL"],
    "runWithSignal(signal)": [() => runWithSignal({} as never, nothing), /signal must be/],
    "main(op)": [() => main(undefined as never), /op must be/],
  };
  for (const [name, [call, expected]] of Object.entries(rejected)) {
    it(name, async () => {
      expect(await rejectionOf(call())).toMatch(expected);
    });
  }

  it("an option that there is not, with those that there are", async () => {
    const mistaken = { clok: "virtual" } as never;
    const message = "options.clok is not known; there are busyPoll, clock, onLoop, spinUs";
    for (const call of [run, main]) await expect(call(nothing, mistaken)).rejects.toThrow(message);
    await virtual(function* () {
      try {
        yield* bundle({ nam: "workers" } as never);
        expect.unreachable();
      } catch (error) {
        expect(error).toMatchObject({ code: "EINVAL", syscall: "bundle" });
        expect(String(error)).toContain("options.nam is not known; there are name, onError");
      }
    });
  });

  const thrown: Record<string, [() => unknown, RegExp]> = {
    "go(op)": [() => go({} as never), /go: op must be/],
    "channel(capacity)": [() => channel(-1), /EINVAL.*capacity/],
    "channel(capacity), a fraction": [() => channel(1.5), /EINVAL.*capacity/],
    "channel(capacity), a string": [() => channel("1" as never), /capacity must be a number/],
    "sleep(deadline)": [() => sleep("1" as never), /sleep: deadline must be a number/],
    "sleep(deadline), NaN": [() => sleep(Number.NaN), /EINVAL.*deadline/],
    "recv(deadline)": [() => channel().recv(null as never), /channel.recv: deadline/],
    "choose(deadline)": [() => choose([], {} as never), /choose: deadline/],
  };
  for (const [name, [call, expected]] of Object.entries(thrown)) {
    it(name, () => {
      expect(call).toThrow(expected);
    });
  }

  it("withDeadline, shield, bundle, bundle.go, abortable", () =>
    virtual(function* () {
      const made = yield* bundle();
      expect(yield* failureOf(() => withDeadline("1" as never, nothing))).toMatch(/deadline must/);
      expect(yield* failureOf(() => withDeadline(1, 1 as never))).toMatch(/withDeadline: op must/);
      expect(yield* failureOf(() => shield(Number.NaN, nothing))).toBe("EINVAL");
      expect(yield* failureOf(() => shield(1, null as never))).toMatch(/shield: op must/);
      expect(yield* failureOf(() => bundle({ onError: 1 as never }))).toMatch(/onError must/);
      expect(yield* failureOf(() => made.go(1 as never))).toMatch(/bundle.go: op must/);
      expect(yield* failureOf(() => abortable(1 as never))).toMatch(/fn must be/);
    }));
});

describe("runWithSignal", () => {
  it("resolves when nobody aborts, and listens no longer", async () => {
    const controller = new AbortController();
    expect(
      await runWithSignal(controller.signal, function* () {
        yield* sleep(0);
        return 5;
      }),
    ).toBe(5);
    controller.abort();
  });

  it("rejects with AbortError once the operation has ended", async () => {
    const controller = new AbortController();
    const order: string[] = [];
    const running = runWithSignal(controller.signal, function* () {
      try {
        yield* sleep(-1);
      } finally {
        yield* shield(-1, () => sleep(now() + 5));
        order.push("cleaned");
      }
    });
    setTimeout(() => controller.abort(), 5);
    await expect(running).rejects.toSatisfy(isAbortError);
    expect(order).toEqual(["cleaned"]);
  });

  it("does not begin under a signal that is aborted already", async () => {
    let hasBegun = false;
    const running = runWithSignal(AbortSignal.abort(), function* () {
      hasBegun = true;
    });
    await expect(running).rejects.toSatisfy(isAbortError);
    expect(hasBegun).toBe(false);
  });

  it("rejects with the operation's own error, aborted or not", async () => {
    const controller = new AbortController();
    const running = runWithSignal(controller.signal, function* () {
      try {
        yield* sleep(-1);
      } finally {
        // biome-ignore lint/correctness/noUnsafeFinally: the point of the test
        throw new Error("clean-up failed");
      }
    });
    setTimeout(() => controller.abort(), 5);
    expect(await rejectionOf(running)).toBe("clean-up failed");
  });
});

describe("abortable", () => {
  it("returns what the promise resolves to, and throws what it rejects with", () =>
    virtual(function* () {
      expect(yield* abortable(async () => 3)).toBe(3);
      const failing = abortable(async () => {
        throw new Error("no");
      });
      expect(yield* failureOf(() => failing)).toBe("no");
      expect(
        yield* failureOf(() =>
          abortable(() => {
            throw new Error("at once");
          }),
        ),
      ).toBe("at once");
    }));

  for (const how of ["cancelled", "past its deadline"]) {
    it(`aborts the signal when ${how}, and goes on once the promise has settled`, async () => {
      const order: string[] = [];
      await run(function* () {
        const worker = yield* go(function* () {
          order.push(
            yield* failureOf(() =>
              withDeadline(how === "cancelled" ? -1 : now() + 5, () =>
                abortable(
                  (signal) =>
                    new Promise<void>((_, reject) => {
                      signal.addEventListener("abort", () => {
                        order.push("aborted");
                        setTimeout(() => {
                          order.push("settled");
                          reject(signal.reason);
                        }, 5);
                      });
                    }),
                ),
              ),
            ),
          );
        });
        yield* yieldNow();
        if (how === "cancelled") worker.cancel();
        yield* worker.join();
      });
      expect(order).toEqual([
        "aborted",
        "settled",
        how === "cancelled" ? "ECANCELED" : "ETIMEDOUT",
      ]);
    });
  }

  it("does not call the function in a cancelled coroutine", () =>
    virtual(function* () {
      let calls = 0;
      const worker = yield* go(function* () {
        yield* failureOf(() => sleep(-1));
        return yield* failureOf(() => abortable(async () => calls++));
      });
      yield* yieldNow();
      worker.cancel();
      expect(yield* worker.join()).toBe("ECANCELED");
      expect(calls).toBe(0);
    }));
});

describe("main", () => {
  const scheduler = fileURLToPath(new URL("../../scheduler/index.ts", import.meta.url));

  /** Runs a program that says "ready", then gets `signals`, each after the line before it. */
  async function program(
    body: string,
    signals: [line: string, signal: NodeJS.Signals][],
  ): Promise<{ status: number | null; output: string; errors: string }> {
    const script = `
      import { main, now, run, shield, sleep, yieldNow } from ${JSON.stringify(scheduler)};
      await main(function* () { ${body} });
      console.log("main returned");
    `;
    const child = spawnProcess(
      process.execPath,
      ["--import", "tsx", "--input-type=module", "-e", script],
      { stdio: ["ignore", "pipe", "pipe"] },
    );
    let output = "";
    let errors = "";
    const left = [...signals];
    child.stdout.on("data", (chunk) => {
      output += chunk;
      while (left[0] !== undefined && output.includes(left[0][0])) {
        child.kill((left.shift() as [string, NodeJS.Signals])[1]);
      }
    });
    child.stderr.on("data", (chunk) => {
      errors += chunk;
    });
    const [status] = (await once(child, "close")) as [number | null];
    return { status, output, errors };
  }

  const waitingForEver = `
    try {
      console.log("ready");
      yield* sleep(-1);
    } finally {
      yield* shield(now() + 20, function* () {
        try { yield* sleep(now() + 10); } finally { console.log("cleaned"); }
      });
    }`;

  it("returns when the operation does, with status 0", async () => {
    const { status, output } = await program(`yield* sleep(now() + 1);`, []);
    expect([status, output]).toEqual([0, "main returned\n"]);
  });

  it("stays alive while it waits, and SIGINT cancels it and runs its clean-up: status 130", async () => {
    const { status, output, errors } = await program(waitingForEver, [["ready", "SIGINT"]]);
    expect([status, output, errors]).toEqual([130, "ready\ncleaned\nmain returned\n", ""]);
  });

  it("does the same for SIGTERM: status 143", async () => {
    const { status, output } = await program(waitingForEver, [["ready", "SIGTERM"]]);
    expect([status, output]).toEqual([143, "ready\ncleaned\nmain returned\n"]);
  });

  it("ends at once at the second signal", async () => {
    const body = `
      try {
        console.log("ready");
        yield* sleep(-1);
      } finally {
        console.log("cleaning");
        yield* shield(-1, () => sleep(now() + 60_000));
      }`;
    const { status, output } = await program(body, [
      ["ready", "SIGINT"],
      ["cleaning", "SIGTERM"],
    ]);
    expect([status, output]).toEqual([143, "ready\ncleaning\n"]);
  });

  it("writes an error to stderr: status 1", async () => {
    const { status, errors } = await program(`throw new Error("boom");`, []);
    expect(status).toBe(1);
    expect(errors).toContain("boom");
  });

  it("writes an error of the clean-up after a signal", async () => {
    const body = `
      try {
        console.log("ready");
        yield* sleep(-1);
      } finally {
        throw new Error("clean-up failed");
      }`;
    const { status, errors } = await program(body, [["ready", "SIGINT"]]);
    expect(status).toBe(130);
    expect(errors).toContain("clean-up failed");
  });

  it("leaves no signal handler behind", async () => {
    const before = process.listenerCount("SIGINT");
    let loop: Loop | undefined;
    await main(
      function* () {
        loop = currentLoop();
        expect(process.listenerCount("SIGINT")).toBe(before + 1);
      },
      { clock: "virtual" },
    );
    expect(process.listenerCount("SIGINT")).toBe(before);
    expect(loop?.leftovers().coroutines).toBe(0);
  });
});
