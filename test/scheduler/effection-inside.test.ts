// Every Effection operation that DESIGN §4 names, inside our coroutines, and what cancellation does
// to each. Effection's own `sleep` takes real time, also on the virtual clock.

import * as effection from "effection";
import {
  action,
  all,
  call,
  createContext,
  createSignal,
  each,
  ensure,
  race,
  resource,
  scoped,
  spawn,
  suspend,
  until,
  useAbortSignal,
} from "effection";
import { describe, expect, it } from "vitest";
import {
  channel,
  currentLoop,
  go,
  now,
  type Operation,
  shield,
  sleep,
  withDeadline,
  yieldNow,
} from "../../scheduler/index.ts";
import { failureOf, rejectionOf, virtual } from "./support.ts";

/** Waits on our clock, then returns `value`. */
function* valueAfter<T>(ms: number, value: T): Operation<T> {
  yield* sleep(now() + ms);
  return value;
}

describe("inside a coroutine, Effection's", () => {
  it("sleep takes real time and lets the others go on", () =>
    virtual(function* () {
      yield* effection.sleep(2);
      yield* sleep(now() + 1_000);
    }));

  it("action resolves, rejects, and runs its clean-up", () =>
    virtual(function* () {
      let cleanUps = 0;
      expect(
        yield* action<number>((resolve) => {
          queueMicrotask(() => resolve(1));
          return () => cleanUps++;
        }),
      ).toBe(1);
      expect(
        yield* failureOf(() =>
          action((_, reject) => {
            queueMicrotask(() => reject(new Error("no")));
            return () => cleanUps++;
          }),
        ),
      ).toBe("no");
      expect(
        yield* failureOf(() =>
          action(() => {
            throw new Error("cannot begin");
          }),
        ),
      ).toBe("cannot begin");
      expect(cleanUps).toBe(2);
    }));

  it("spawn starts a task when the coroutine waits, and its result can be had", () =>
    virtual(function* () {
      const order: string[] = [];
      const task = yield* spawn(function* () {
        order.push("task");
        yield* sleep(now() + 5);
        return 42;
      });
      order.push("coroutine");
      expect(yield* task).toBe(42);
      expect(order).toEqual(["coroutine", "task"]);
    }));

  it("spawned tasks have waits of their own, apart from the coroutine's", () =>
    virtual(function* () {
      const values = channel<number>();
      yield* spawn(function* () {
        for (let i = 0; i < 3; i++) {
          yield* sleep(now() + 5);
          yield* values.send(i);
        }
      });
      const start = now();
      expect([yield* values.recv(), yield* values.recv(), yield* values.recv()]).toEqual([0, 1, 2]);
      expect(now() - start).toBe(15);
    }));

  it("race gives the winner and halts the losers, whose finally blocks run", () =>
    virtual(function* () {
      const ended: string[] = [];
      function* racer(name: string, ms: number): Operation<string> {
        try {
          return yield* valueAfter(ms, name);
        } finally {
          ended.push(name);
        }
      }
      expect(yield* race([racer("slow", 50), racer("fast", 5), racer("mid", 20)])).toBe("fast");
      expect(ended[0]).toBe("fast");
      expect(ended.length).toBe(3);
      expect(currentLoop().leftovers().timers).toBe(0);
    }));

  it("all gathers results, and fails with the first error", () =>
    virtual(function* () {
      const start = now();
      expect(yield* all([valueAfter(3, "a"), valueAfter(1, "b")])).toEqual(["a", "b"]);
      expect(now() - start).toBe(3);
      function* fails(): Operation<never> {
        yield* sleep(now() + 1);
        throw new Error("boom");
      }
      expect(yield* failureOf(() => all([valueAfter(1e9, 1), fails()]))).toBe("boom");
      expect(currentLoop().leftovers().foreignTasks).toBe(0);
    }));

  it("resource lives until the coroutine ends", async () => {
    const order: string[] = [];
    await virtual(function* () {
      const worker = yield* go(function* () {
        const value = yield* resource<number>(function* (provide) {
          order.push("open");
          try {
            yield* provide(7);
          } finally {
            yield* sleep(now() + 5);
            order.push("closed");
          }
        });
        order.push(`use ${value}`);
      });
      const start = now();
      yield* worker.join();
      expect(now() - start).toBe(5);
      order.push("joined");
    });
    expect(order).toEqual(["open", "use 7", "closed", "joined"]);
  });

  it("resource that fails to open throws into the coroutine", () =>
    virtual(function* () {
      const opening = resource<number>(function* () {
        yield* sleep(now() + 1);
        throw new Error("cannot open");
      });
      expect(yield* failureOf(() => opening)).toBe("cannot open");
    }));

  it("scoped ends what was started inside", () =>
    virtual(function* () {
      const order: string[] = [];
      const value = yield* scoped(function* () {
        yield* spawn(function* () {
          try {
            yield* sleep(-1);
          } finally {
            order.push("task ended");
          }
        });
        yield* ensure(() => void order.push("ensured"));
        yield* sleep(now() + 1);
        return 5;
      });
      order.push("after");
      expect(value).toBe(5);
      expect(order).toEqual(["ensured", "task ended", "after"]);
    }));

  it("scoped leaves alone what go has started inside", () =>
    virtual(function* () {
      const worker = yield* scoped(function* () {
        return yield* go(function* () {
          yield* effection.sleep(0);
          return yield* valueAfter(10, "alive");
        });
      });
      expect(yield* worker.join()).toBe("alive");
    }));

  it("ensure runs at the end of the coroutine, also when it is cancelled", () =>
    virtual(function* () {
      const order: string[] = [];
      const worker = yield* go(function* () {
        yield* ensure(function* () {
          yield* sleep(now() + 3);
          order.push("ensured");
        });
        yield* sleep(-1);
      });
      yield* sleep(now() + 1);
      worker.cancel();
      expect(yield* failureOf(() => worker.join())).toBe("ECANCELED");
      expect(order).toEqual(["ensured"]);
    }));

  it("until waits for a promise, also one that rejects", () =>
    virtual(function* () {
      expect(yield* until(Promise.resolve(3))).toBe(3);
      expect(yield* failureOf(() => until(Promise.reject(new Error("no"))))).toBe("no");
    }));

  it("signals reach `each`, sent from a coroutine on virtual time", () =>
    virtual(function* () {
      const signal = createSignal<number, void>();
      yield* go(function* () {
        for (let i = 0; i < 3; i++) {
          yield* sleep(now() + 10);
          signal.send(i);
        }
        yield* sleep(now() + 10);
        signal.close();
      });
      const got: number[] = [];
      for (const value of yield* each(signal)) {
        got.push(value);
        yield* each.next();
      }
      expect(got).toEqual([0, 1, 2]);
    }));

  it("contexts are seen by children, and set for a while by `with`", () =>
    virtual(function* () {
      const name = createContext<string>("name", "nobody");
      expect(yield* name.get()).toBe("nobody");
      yield* name.set("parent");
      const child = yield* go(function* () {
        const before = yield* name.expect();
        yield* name.set("child");
        return [before, yield* name.expect()];
      });
      expect(yield* child.join()).toEqual(["parent", "child"]);
      expect(yield* name.expect()).toBe("parent");
      expect(
        yield* name.with("inner", function* () {
          return yield* name.expect();
        }),
      ).toBe("inner");
      expect(yield* name.expect()).toBe("parent");
    }));

  it("call runs functions, async functions and operations", () =>
    virtual(function* () {
      expect(yield* call(() => 1)).toBe(1);
      expect(yield* call(async () => 2)).toBe(2);
      expect(yield* call(() => valueAfter(5, 3))).toBe(3);
    }));

  it("suspend waits for ever, without holding up virtual time", () =>
    virtual(function* () {
      const worker = yield* go(() => suspend());
      yield* sleep(now() + 1e6);
      worker.cancel();
      expect(yield* failureOf(() => worker.join())).toBe("ECANCELED");
    }));

  it("useAbortSignal is aborted when the coroutine ends", () =>
    virtual(function* () {
      const worker = yield* go(function* () {
        return yield* useAbortSignal();
      });
      expect((yield* worker.join()).aborted).toBe(true);
    }));
});

describe("an error of a task below a coroutine", () => {
  it("ends the coroutine with it", async () => {
    let ended = "";
    const run = virtual(function* () {
      yield* spawn(function* () {
        yield* sleep(now() + 1);
        throw new Error("child failed");
      });
      try {
        yield* sleep(-1);
      } finally {
        ended = "finally";
      }
    });
    expect(await rejectionOf(run)).toBe("child failed");
    expect(ended).toBe("finally");
  });

  it("is thrown by the scoped it was started in", () =>
    virtual(function* () {
      expect(
        yield* failureOf(() =>
          scoped(function* () {
            yield* spawn(function* () {
              yield* sleep(now() + 1);
              throw new Error("child failed");
            });
            yield* sleep(-1);
          }),
        ),
      ).toBe("child failed");
      yield* sleep(now() + 1);
    }));

  it("that it throws before it ever waits does the same", () =>
    virtual(function* () {
      expect(
        yield* failureOf(() =>
          scoped(function* () {
            yield* spawn(function* () {
              throw new Error("at once");
            });
            yield* suspend();
          }),
        ),
      ).toBe("at once");
    }));
});

describe("cancelling a coroutine runs the finally blocks of", () => {
  const ended: string[] = [];
  function* leaving(name: string): Operation<void> {
    try {
      yield* sleep(-1);
    } finally {
      yield* sleep(now() + 1);
      ended.push(name);
    }
  }
  const bodies: Record<string, () => Operation<unknown>> = {
    *spawn() {
      yield* spawn(() => leaving("spawn"));
      yield* sleep(-1);
    },
    *"spawn, while waiting for the task"() {
      yield* yield* spawn(() => leaving("spawn, while waiting for the task"));
    },
    *race() {
      yield* race([leaving("race"), sleep(-1)]);
    },
    *all() {
      yield* all([leaving("all"), sleep(-1)]);
    },
    *resource() {
      yield* resource<void>(function* (provide) {
        yield* spawn(() => leaving("resource"));
        yield* provide();
      });
      yield* sleep(-1);
    },
    *"resource, while it opens"() {
      yield* resource<void>(() => leaving("resource, while it opens"));
    },
    *scoped() {
      yield* scoped(function* () {
        yield* spawn(() => leaving("scoped"));
        yield* sleep(-1);
      });
    },
    *call() {
      yield* spawn(() => call(() => leaving("call")));
      yield* suspend();
    },
    *each() {
      yield* spawn(() => leaving("each"));
      for (const _ of yield* each(createSignal<void, void>())) yield* each.next();
    },
    *action() {
      yield* action(() => () => void ended.push("action"));
    },
    *"Effection's sleep"() {
      yield* spawn(() => leaving("Effection's sleep"));
      yield* effection.sleep(1e8);
    },
    *until() {
      yield* spawn(() => leaving("until"));
      yield* until(new Promise(() => {}));
    },
  };
  for (const [name, body] of Object.entries(bodies)) {
    it(`${name}, waits for them, and leaves nothing`, () =>
      virtual(function* () {
        ended.length = 0;
        const worker = yield* go(body);
        for (let i = 0; i < 10; i++) yield* yieldNow();
        worker.cancel();
        expect(yield* failureOf(() => worker.join())).toBe("ECANCELED");
        expect(ended).toEqual([name]);
        expect(currentLoop().leftovers()).toMatchObject({ timers: 0, foreignTasks: 0 });
      }));
  }
});

describe("a deadline", () => {
  it("bounds Effection's operations too, and leaves no task of theirs behind", () =>
    virtual(function* () {
      const start = now();
      const losers: string[] = [];
      function* loser(): Operation<void> {
        try {
          yield* sleep(-1);
        } finally {
          losers.push("ended");
        }
      }
      expect(yield* failureOf(() => withDeadline(start + 5, () => race([loser(), loser()])))).toBe(
        "ETIMEDOUT",
      );
      expect([now() - start, losers]).toEqual([5, ["ended", "ended"]]);
      expect(currentLoop().leftovers()).toMatchObject({ timers: 0, foreignTasks: 0 });
      expect(yield* failureOf(() => withDeadline(now() - 1, () => suspend()))).toBe("ETIMEDOUT");
    }));

  it("of a shield bounds them in a cancelled coroutine", () =>
    virtual(function* () {
      const seen: string[] = [];
      const worker = yield* go(function* () {
        try {
          yield* sleep(-1);
        } finally {
          seen.push(yield* failureOf(() => suspend()));
          seen.push(yield* failureOf(() => shield(now() + 5, () => suspend())));
        }
      });
      yield* yieldNow();
      worker.cancel();
      yield* failureOf(() => worker.join());
      expect(seen).toEqual(["ECANCELED", "ETIMEDOUT"]);
    }));
});

describe("what a coroutine must not yield", () => {
  it("is refused with a hint", () =>
    virtual(function* () {
      for (const value of [null, 1, "x", {}, sleep]) {
        expect(
          yield* failureOf(function* () {
            yield value as never;
          }),
        ).toMatch(/not an effect: use yield\*/);
      }
    }));

  it("is refused when it is one of our own operations, which yield* runs and yield does not", () =>
    virtual(function* () {
      expect(
        yield* failureOf(function* () {
          yield sleep(now() + 1) as never;
        }),
      ).toMatch(/yielded sleep itself: use yield\*/);
    }));

  it("swallowed cancellations of Effection's effects end by force", () =>
    virtual(function* () {
      const stderr = process.stderr.write;
      process.stderr.write = () => true;
      const worker = yield* go(function* () {
        for (;;) {
          try {
            yield* effection.sleep(1e8);
          } catch {}
        }
      });
      yield* yieldNow();
      worker.cancel();
      yield* failureOf(() => worker.join());
      process.stderr.write = stderr;
      expect(worker.isEnded).toBe(true);
    }));
});
