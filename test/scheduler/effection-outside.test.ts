// Our operations inside plain Effection tasks, on the real clock of the default loop.

import { race, sleep as realSleep, run, scoped, spawn, suspend } from "effection";
import { describe, expect, it } from "vitest";
import {
  abortable,
  bundle,
  channel,
  choose,
  currentLoop,
  go,
  now,
  type Operation,
  shield,
  sleep,
  withDeadline,
  yieldNow,
} from "../../scheduler/index.ts";
import { failureOf, rejectionOf } from "./support.ts";

function nothingIsLeft(): void {
  expect(currentLoop().leftovers()).toEqual({
    coroutines: 0,
    timers: 0,
    pollers: 0,
    foreignTasks: 0,
  });
}

describe("inside a plain Effection task", () => {
  it("sleep, yieldNow, channels, choose and deadlines work", async () => {
    await run(function* () {
      const start = now();
      yield* sleep(start + 5);
      expect(now()).toBeGreaterThanOrEqual(start + 5);
      yield* yieldNow();
      const values = channel<number>();
      yield* spawn(() => values.send(1));
      expect(yield* values.recv(now() + 1_000)).toBe(1);
      expect(yield* failureOf(() => values.recv(now() + 2))).toBe("ETIMEDOUT");
      expect(yield* failureOf(() => values.recv(0))).toBe("ETIMEDOUT");
      expect(yield* choose([values.recv(), sleep(now() + 2)])).toEqual({
        index: 1,
        value: undefined,
      });
      expect(yield* failureOf(() => withDeadline(now() + 2, () => values.recv()))).toBe(
        "ETIMEDOUT",
      );
      expect(yield* shield(-1, () => withDeadline(-1, () => failureOf(() => sleep(0))))).toBe(
        "nothing",
      );
    });
    nothingIsLeft();
  });

  it("halting withdraws the wait and runs finally blocks", async () => {
    const values = channel<string>();
    let ended = "";
    const task = run(function* () {
      try {
        yield* values.recv();
      } finally {
        yield* sleep(now() + 2);
        ended = "finally";
      }
    });
    await task.halt();
    expect(ended).toBe("finally");
    expect(values.receivers.isEmpty).toBe(true);
    nothingIsLeft();
  });

  it("a halted task gives back a value that it was handed and did not get to see", async () => {
    const values = channel<string>();
    await run(function* () {
      const receiver = yield* spawn(() => values.recv());
      yield* yieldNow();
      yield* values.send("precious");
      yield* receiver.halt();
      expect(yield* values.recv(0)).toBe("precious");
    });
    nothingIsLeft();
  });

  it("race lets a loser take nothing", async () => {
    const values = channel<number>();
    await run(function* () {
      expect(
        yield* race([
          values.recv(),
          (function* (): Operation<string> {
            yield* sleep(now() + 2);
            return "timeout";
          })(),
        ]),
      ).toBe("timeout");
      expect(yield* failureOf(() => values.send(1, 0))).toBe("ETIMEDOUT");
    });
    nothingIsLeft();
  });

  it("go belongs to the scope: results, errors, cancellation at its end", async () => {
    let cancelled = "";
    await run(function* () {
      const worker = yield* go(function* () {
        yield* sleep(now() + 1);
        return 42;
      });
      expect(yield* worker.join()).toBe(42);
      yield* scoped(function* () {
        yield* go(function* () {
          cancelled = yield* failureOf(() => sleep(-1));
        });
        yield* realSleep(2);
      });
      expect(cancelled).toBe("ECANCELED");
    });
    const failing = run(function* () {
      yield* go(function* () {
        yield* sleep(now() + 1);
        throw new Error("boom");
      });
      yield* suspend();
    });
    expect(await rejectionOf(failing)).toBe("boom");
    nothingIsLeft();
  });

  it("bundles work, and the end of the scope closes them", async () => {
    let cancelled = "";
    await run(function* () {
      const made = yield* bundle();
      yield* made.go(() => sleep(now() + 1));
      yield* made.wait();
      yield* made.go(function* () {
        cancelled = yield* failureOf(() => sleep(-1));
      });
      yield* yieldNow();
    });
    expect(cancelled).toBe("ECANCELED");
    nothingIsLeft();
  });

  it("abortable aborts when the task is halted", async () => {
    let aborted = false;
    const task = run(() =>
      abortable(
        (signal) =>
          new Promise<void>((_, reject) => {
            signal.addEventListener("abort", () => {
              aborted = true;
              reject(signal.reason);
            });
          }),
      ),
    );
    await task.halt();
    expect(aborted).toBe(true);
    nothingIsLeft();
  });
});
