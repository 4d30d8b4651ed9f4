import { run as runEffection, spawn, type Task } from "effection";
import { describe, expect, it } from "vitest";
import {
  channel,
  choose,
  go,
  now,
  type Operation,
  sleep,
  withDeadline,
  yieldNow,
} from "../../scheduler/index.ts";
import { failureOf, virtual } from "./support.ts";

describe("yieldNow", () => {
  it("may be kept, yielded again, and by several coroutines at once", () =>
    virtual(function* () {
      const turn = yieldNow();
      const order: string[] = [];
      for (const name of ["a", "b"]) {
        yield* go(function* () {
          for (let i = 0; i < 2; i++) {
            order.push(name + i);
            yield* turn;
          }
        });
      }
      yield* sleep(now() + 1);
      expect(order.join(" ")).toBe("a0 b0 a1 b1");
    }));

  it("is a clause of choose like any other, also twice, also kept", () =>
    virtual(function* () {
      const turn = yieldNow();
      const chooser = yield* go(() => choose([channel().recv(), turn, yieldNow()]));
      expect((yield* choose([turn, turn])).index).toBe(0);
      expect((yield* chooser.join()).index).toBe(1);
      yield* turn;
    }));

  it("throws ECANCELED in a cancelled coroutine, ETIMEDOUT past an enclosing deadline", () =>
    virtual(function* () {
      const seen: string[] = [];
      const cancelled = yield* go(function* () {
        yield* failureOf(() => sleep(-1));
        seen.push(yield* failureOf(yieldNow));
      });
      yield* yieldNow();
      cancelled.cancel();
      yield* sleep(now() + 1);
      seen.push(yield* failureOf(() => withDeadline(now(), yieldNow)));
      expect(seen).toEqual(["ECANCELED", "ETIMEDOUT"]);
    }));

  it("goes on with what it was given before a cancellation", () =>
    virtual(function* () {
      let seen = "";
      const other = yield* go(function* () {
        yield* yieldNow();
        seen = yield* failureOf(() => sleep(-1));
      });
      yield* yieldNow();
      other.cancel();
      yield* sleep(now() + 1);
      expect(seen).toBe("ECANCELED");
    }));

  it("lets others run in a plain Effection task", async () => {
    const order: string[] = [];
    await runEffection(function* () {
      const tasks: Task<void>[] = [];
      for (const name of ["a", "b"]) {
        const task = yield* spawn(function* () {
          for (let i = 0; i < 3; i++) {
            order.push(name + i);
            yield* yieldNow();
          }
        });
        tasks.push(task);
      }
      for (const task of tasks) yield* task;
    });
    expect(order.join(" ")).toBe("a0 b0 a1 b1 a2 b2");
  });
});

describe("an iterator of somebody else's around a wait", () => {
  /** Passes on what another iterator yields in objects of its own. */
  function wrapped<T>(op: Operation<T>): Operation<T> {
    return {
      [Symbol.iterator]() {
        const inner = op[Symbol.iterator]();
        return { next: (value?: unknown) => ({ ...inner.next(value as never) }) as never };
      },
    };
  }

  it("waits as the wait itself does", () =>
    virtual(function* () {
      const values = channel<number>();
      yield* go(() => wrapped(values.send(7)));
      expect(yield* wrapped(values.recv())).toBe(7);
      yield* wrapped(yieldNow());
      const start = now();
      yield* wrapped(sleep(start + 5));
      expect(now()).toBe(start + 5);
      expect(yield* failureOf(() => wrapped(values.recv(now() + 1)))).toBe("ETIMEDOUT");
    }));

  it("that yields once more what a wait has yielded is told so", () =>
    virtual(function* () {
      let kept: unknown;
      yield* go(function* (): Operation<void> {
        const step = yieldNow()[Symbol.iterator]().next();
        kept = step.value;
        yield step.value as never;
      });
      yield* sleep(now() + 1);
      const seen = yield* failureOf(function* (): Operation<void> {
        yield kept as never;
      });
      expect(seen).toMatch(/which is not an effect/);
    }));
});
