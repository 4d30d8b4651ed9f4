// SPDX-License-Identifier: MIT
// Effection steps a task that a coroutine starts in its body before the body goes on: what the
// task waits for is the task's, not the coroutine's.

import { run as runTask } from "effection";
import { describe, expect, it } from "vitest";
import { abortable, channel, now, run, sleep, yieldNow } from "../../scheduler/index.ts";

describe("a plain Effection task that a coroutine starts in its body", () => {
  it("waits by itself, while the coroutine goes on to its own wait", async () => {
    const order: string[] = [];
    await run(function* () {
      const values = channel<string>();
      const task = runTask(function* () {
        order.push(yield* values.recv());
        return "task";
      });
      order.push("body");
      yield* sleep(now() + 1);
      order.push("slept");
      yield* values.send("sent");
      order.push(yield* abortable(() => task));
    });
    expect(order).toEqual(["body", "slept", "sent", "task"]);
  });

  it("is withdrawn when it is halted", async () => {
    await run(function* () {
      const values = channel<string>();
      const task = runTask(() => values.recv());
      yield* sleep(now() + 1);
      yield* abortable(async () => {
        await task.halt();
      });
      // Nobody is there to take it any more.
      let code = "";
      try {
        yield* values.send("lost", now());
      } catch (error) {
        code = (error as { code: string }).code;
      }
      expect(code).toBe("ETIMEDOUT");
    });
  });

  it("may let others run, however little of its share the coroutine has left", async () => {
    let isDone = false;
    await run(function* () {
      const values = channel<number>(1_000);
      for (let i = 0; i < 1_000; i++) {
        yield* values.send(i);
        if (i !== 126) continue;
        const task = runTask(function* () {
          yield* yieldNow();
          yield* sleep(-1);
        });
        yield* sleep(now());
        isDone = true;
        yield* abortable(async () => {
          await task.halt();
        });
      }
    });
    expect(isDone).toBe(true);
  });
});
