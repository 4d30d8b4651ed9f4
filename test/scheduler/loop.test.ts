import { describe, expect, it } from "vitest";
import {
  bundle,
  channel,
  currentLoop,
  go,
  type Loop,
  now,
  type Operation,
  run,
  sleep,
  withDeadline,
  yieldNow,
} from "../../scheduler/index.ts";
import { type Poller, Timer } from "../../scheduler/internal.ts";
import { failureOf, rejectionOf, virtual } from "./support.ts";

/** A device that does what the test says. */
class TestPoller implements Poller {
  readonly name = "test device";
  isReal = false;
  polls = 0;
  flushes = 0;
  isArmed = false;
  onPoll: () => number = () => 0;
  onFlush: () => void = () => {};
  onArm: (wake: () => void) => boolean = () => true;

  poll(): number {
    this.polls++;
    return this.onPoll();
  }
  flush(): void {
    this.flushes++;
    this.onFlush();
  }
  armWake(wake: () => void): boolean {
    this.isArmed = true;
    return this.onArm(wake);
  }
  disarmWake(): void {
    this.isArmed = false;
  }
}

describe("a fair round", () => {
  it("makes a coroutine that always finds what it asks for yield after 128 operations", () =>
    virtual(function* () {
      const values = channel<number>(1);
      let count = 0;
      yield* go(function* () {
        for (;;) {
          yield* values.send(1);
          yield* values.recv();
          count += 2;
        }
      });
      yield* yieldNow();
      expect(count).toBe(128);
      yield* yieldNow();
      expect(count).toBeLessThanOrEqual(2 * 128 + 2);
    }));

  it("counts effects of Effection's that resolve at once, too", () =>
    virtual(function* () {
      const immediate = {
        description: "immediate",
        enter(resolve: (result: unknown) => void) {
          resolve({ ok: true, value: undefined });
          return (done: (result: unknown) => void) => done({ ok: true, value: undefined });
        },
      };
      let count = 0;
      yield* go(function* (): Operation<void> {
        for (;;) {
          yield immediate as never;
          count++;
        }
      });
      yield* yieldNow();
      expect(count).toBeGreaterThan(100);
      expect(count).toBeLessThan(200);
    }));

  it("lets each ready coroutine run once per yieldNow", () =>
    virtual(function* () {
      const order: string[] = [];
      for (const name of ["a", "b", "c"]) {
        yield* go(function* () {
          for (let i = 0; i < 3; i++) {
            order.push(name + i);
            yield* yieldNow();
          }
        });
      }
      yield* sleep(now() + 1);
      expect(order.join(" ")).toBe("a0 b0 c0 a1 b1 c1 a2 b2 c2");
    }));

  it("polls devices and timers although a coroutine never waits (real clock)", async () => {
    const poller = new TestPoller();
    await run(function* () {
      const loop = currentLoop();
      loop.addPoller(poller);
      let isOver = false;
      yield* go(function* () {
        while (!isOver) yield* yieldNow();
      });
      // More than once only where the machine takes the processor away for long.
      while (poller.polls < 2) {
        expect(yield* failureOf(() => channel().recv(now() + 10))).toBe("ETIMEDOUT");
      }
      isOver = true;
      loop.removePoller(poller);
    });
  });

  it("returns to Node while coroutines are busy (real clock)", async () => {
    await run(function* () {
      let turns = 0;
      const count = (): void => {
        turns++;
        // R1: turns of Node's event loop are what this test counts.
        setImmediate(count).unref();
      };
      count();
      const end = now() + 5_000;
      while (turns < 10 && now() < end) yield* yieldNow();
      expect(turns).toBe(10);
    });
  });
});

describe("the virtual clock", () => {
  it("jumps over a hundred years of timers in no time", () =>
    virtual(function* () {
      const start = now();
      for (let year = 1; year <= 100; year++) yield* sleep(start + year * 31_557_600_000);
      expect(now() - start).toBe(3_155_760_000_000);
    }));

  it("never goes back", () =>
    virtual(function* () {
      let last = now();
      for (const ms of [5, -3, 0, 0.001, -1e9]) {
        yield* sleep(Math.max(0, now() + ms));
        expect(now()).toBeGreaterThanOrEqual(last);
        last = now();
      }
    }));

  it("stands still while anything can run", () =>
    virtual(function* () {
      const start = now();
      for (let i = 0; i < 10_000; i++) yield* yieldNow();
      expect(now()).toBe(start);
    }));

  it("ends a run in which nothing can ever happen with EDEADLK and the tree", async () => {
    let ended = "";
    const running = virtual(function* () {
      yield* go(() => channel().recv(), { name: "stuck" });
      try {
        yield* sleep(-1);
      } finally {
        ended = "finally";
      }
    });
    await expect(running).rejects.toMatchObject({
      code: "EDEADLK",
      message: expect.stringContaining("stuck: channel.recv"),
    });
    expect(ended).toBe("finally");
  });

  it("ends a run whose clean-up waits for ever, too", async () => {
    const running = run(
      function* () {
        const loop = currentLoop();
        loop.reportForcedEnd = () => {};
        try {
          yield* sleep(-1);
        } finally {
          const made = yield* bundleThatNeverEnds();
          yield* made;
        }
      },
      { clock: "virtual" },
    );
    expect(await rejectionOf(running)).toMatch(/EDEADLK|ECANCELED/);
  });

  it("refuses to jump while a real device is open", async () => {
    const poller = new TestPoller();
    poller.isReal = true;
    const running = virtual(function* () {
      currentLoop().addPoller(poller);
      yield* sleep(now() + 1_000);
    });
    await expect(running).rejects.toMatchObject({
      code: "EINVAL",
      message: expect.stringContaining("test device"),
    });
  });

  it("does not jump while a promise is awaited that takes real time", async () => {
    const { abortable } = await import("../../scheduler/index.ts");
    await virtual(function* () {
      const start = now();
      let firedAt = 0;
      yield* go(function* () {
        yield* sleep(start + 1_000);
        firedAt = now();
      });
      // R1: a promise of the real world is the point of this test.
      yield* abortable(() => new Promise<void>((resolve) => setTimeout(resolve, 20)));
      expect(firedAt).toBe(0);
      expect(now()).toBe(start);
      yield* sleep(start + 2_000);
      expect(firedAt).toBe(start + 1_000);
    });
  });

  it("gives the same order and times on every run", async () => {
    const trace = async (): Promise<string> => {
      const lines: string[] = [];
      await virtual(function* () {
        const start = now();
        const values = channel<number>(2);
        const workers = yield* bundle();
        let seed = 12345;
        const random = (): number => (seed = (seed * 1103515245 + 12345) % 2147483648) / 2147483648;
        for (let id = 0; id < 20; id++) {
          yield* workers.go(function* () {
            for (let i = 0; i < 20; i++) {
              yield* sleep(now() + Math.floor(random() * 4));
              const seen =
                random() < 0.5
                  ? yield* failureOf(() => values.send(id, now() + 2))
                  : yield* failureOf(() => values.recv(now() + 3));
              lines.push(`${now() - start} ${id} ${seen}`);
            }
          });
        }
        yield* workers.wait();
      });
      return lines.join("\n");
    };
    expect(await trace()).toBe(await trace());
  });
});

function* bundleThatNeverEnds(): Operation<Operation<void>> {
  return sleep(-1);
}

describe("a device", () => {
  it("is polled and flushed once a round, also in the round in which the run ends", async () => {
    const poller = new TestPoller();
    let pollsAtEnd = 0;
    await virtual(function* () {
      currentLoop().addPoller(poller);
      yield* sleep(now() + 5);
      pollsAtEnd = poller.polls;
    });
    // Added during a round, it was flushed but not polled in that one.
    expect(poller.flushes).toBe(pollsAtEnd + 1);
    expect(poller.isArmed).toBe(false);
  });

  it("whose poll throws is taken off, and its error ends the run", async () => {
    const poller = new TestPoller();
    let seen = "";
    const running = virtual(function* () {
      currentLoop().addPoller(poller);
      poller.onPoll = () => {
        throw new Error("device broke");
      };
      seen = yield* failureOf(() => sleep(now() + 1));
    });
    expect(await rejectionOf(running)).toBe("device broke");
    expect(seen).toBe("ECANCELED");
  });

  it("whose flush throws does the same", async () => {
    const poller = new TestPoller();
    const running = virtual(function* () {
      currentLoop().addPoller(poller);
      poller.onFlush = () => {
        throw new Error("cannot send");
      };
      yield* sleep(now() + 1);
    });
    expect(await rejectionOf(running)).toBe("cannot send");
  });

  it("that wakes the loop while it is being armed is not missed (real clock)", async () => {
    const poller = new TestPoller();
    const values = channel<number>();
    let isThere = false;
    poller.onPoll = () => {
      if (!isThere || values.receivers.isEmpty) return 0;
      isThere = false;
      return 1;
    };
    poller.onArm = (wake) => {
      isThere = true;
      wake();
      return true;
    };
    await run(
      function* () {
        const loop = currentLoop();
        loop.addPoller(poller);
        const pollsBefore = poller.polls;
        yield* failureOf(() => values.recv(now() + 20));
        expect(poller.polls).toBeGreaterThan(pollsBefore + 2);
        loop.removePoller(poller);
      },
      { busyPoll: "never" },
    );
  });

  it("is not polled while the loop sleeps, with busyPoll never (real clock)", async () => {
    const poller = new TestPoller();
    await run(
      function* () {
        currentLoop().addPoller(poller);
        yield* sleep(now() + 30);
        expect(poller.polls).toBeLessThan(10);
        expect(currentLoop().statistics().sleeps).toBeGreaterThan(0);
      },
      { busyPoll: "never" },
    );
  });

  it("is polled all the time with busyPoll always (real clock)", async () => {
    const poller = new TestPoller();
    await run(
      function* () {
        currentLoop().addPoller(poller);
        const end = now() + 5_000;
        while (poller.polls < 100 && now() < end) yield* sleep(now() + 5);
        expect(poller.polls).toBeGreaterThanOrEqual(100);
        expect(currentLoop().statistics().sleeps).toBe(0);
      },
      { busyPoll: "always" },
    );
  });

  it("is spun on for a while after work, then slept on, with busyPoll adaptive (real clock)", async () => {
    const poller = new TestPoller();
    await run(
      function* () {
        currentLoop().addPoller(poller);
        yield* sleep(now() + 20);
        const { sleeps } = currentLoop().statistics();
        expect(sleeps).toBeGreaterThan(0);
        expect(poller.polls).toBeGreaterThan(1);
      },
      { busyPoll: "adaptive", spinUs: 200 },
    );
  });
});

describe("loop.tree", () => {
  it("shows bundles and coroutines with what each waits for and until when", () =>
    virtual(function* () {
      const values = channel<string>();
      yield* go(() => values.recv(now() + 250.5), { name: "reader" });
      yield* go(
        function* () {
          yield* go(() => sleep(now() + 1_000), { name: "nap" });
          yield* withDeadline(now() + 20, () => sleep(-1));
        },
        { name: "worker" },
      );
      const pool = yield* bundle({ name: "pool" });
      pool.own({ abort: () => {} });
      const doomed = yield* pool.go(() => sleep(-1));
      yield* yieldNow();
      yield* yieldNow();
      doomed.cancel();
      expect(currentLoop().tree()).toBe(
        [
          "bundle run (1)",
          "  main: running",
          "    bundle (2)",
          "      reader: channel.recv, 250.500 ms to go",
          "      worker: sleep, 20.000 ms to go",
          "        bundle (1)",
          "          nap: sleep, 1000.000 ms to go",
          "    bundle pool (1, owns 1 handle)",
          "      coroutine: ready (cancelled)",
        ].join("\n"),
      );
      // The worker's deadline will end the run.
      yield* values.send("done");
      yield* failureOf(() => sleep(now() + 10));
    }));

  it("counts what it does not show", () =>
    virtual(function* () {
      const many = yield* bundle({ name: "many" });
      for (let i = 0; i < 250; i++) yield* many.go(() => sleep(-1));
      yield* yieldNow();
      expect(currentLoop().tree()).toContain("... and 150 more");
      yield* many.close();
    }));
});

describe("loop.statistics", () => {
  it("counts coroutines, switches, timers and rounds", async () => {
    let loop: Loop | undefined;
    await run(
      function* () {
        for (let i = 0; i < 10; i++) yield* go(() => sleep(now() + 5));
        yield* yieldNow();
        expect(currentLoop().statistics()).toMatchObject({ started: 11, alive: 11, timers: 10 });
        yield* sleep(now() + 10);
      },
      { clock: "virtual", onLoop: (made) => (loop = made) },
    );
    expect(loop?.statistics()).toMatchObject({
      started: 11,
      alive: 0,
      timers: 0,
      timersFired: 11,
      forcedEnds: 0,
    });
    expect(loop?.statistics().switches).toBe(11 + 10 + 2);
  });
});

describe("a timer that throws", () => {
  it("ends the run with its error", async () => {
    class Bad extends Timer {
      override fire(): void {
        throw new Error("timer broke");
      }
    }
    const running = virtual(function* () {
      currentLoop().timers.arm(new Bad(), now() + 1);
      yield* sleep(now() + 5);
    });
    expect(await rejectionOf(running)).toBe("timer broke");
  });
});

describe("twenty thousand coroutines", () => {
  it("park, time out and end, and leave nothing", () =>
    virtual(function* () {
      const many = yield* bundle();
      const start = now();
      let ended = 0;
      for (let i = 0; i < 20_000; i++) {
        yield* many.go(function* () {
          yield* failureOf(() => sleep(start + 1 + (i % 1000)));
          ended++;
        });
      }
      yield* many.wait();
      expect(ended).toBe(20_000);
      expect(now() - start).toBe(1_000);
    }));
});
