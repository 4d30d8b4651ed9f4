import { describe, expect, it } from "vitest";
import {
  type Bundle,
  bundle,
  channel,
  choose,
  go,
  now,
  type Operation,
  shield,
  sleep,
  yieldNow,
} from "../../scheduler/index.ts";
import { failureOf, rejectionOf, virtual } from "./support.ts";

function* failing(message: string, afterMs = 1): Operation<never> {
  yield* sleep(now() + afterMs);
  throw new Error(message);
}

describe("bundle.wait", () => {
  it("returns at once for an empty bundle, and can be used again and again", () =>
    virtual(function* () {
      const made = yield* bundle();
      yield* made.wait(0);
      for (let i = 0; i < 3; i++) {
        yield* made.go(() => sleep(now() + 1));
        yield* made.go(() => sleep(now() + 2));
        const start = now();
        yield* made.wait();
        expect(now() - start).toBe(2);
      }
    }));

  it("wakes several waiters", () =>
    virtual(function* () {
      const made = yield* bundle();
      yield* made.go(() => sleep(now() + 5));
      const waiters = [yield* go(() => made.wait()), yield* go(() => made.wait())];
      yield* made.wait();
      for (const waiter of waiters) yield* waiter.join();
    }));

  it("that times out leaves the coroutines alone", () =>
    virtual(function* () {
      const made = yield* bundle();
      const worker = yield* made.go(function* () {
        yield* sleep(now() + 10);
        return "done";
      });
      expect(yield* failureOf(() => made.wait(now() + 1))).toBe("ETIMEDOUT");
      expect(yield* worker.join()).toBe("done");
      yield* made.wait();
    }));

  it("throws EBADF when another coroutine closes the bundle meanwhile", () =>
    virtual(function* () {
      const made = yield* bundle();
      yield* made.go(function* () {
        try {
          yield* sleep(-1);
        } finally {
          yield* shield(-1, () => sleep(now() + 5));
        }
      });
      const waiter = yield* go(() => failureOf(() => made.wait()));
      yield* yieldNow();
      yield* made.close();
      expect(yield* waiter.join()).toBe("EBADF");
    }));

  it("from inside would wait for itself: EDEADLK", () =>
    virtual(function* () {
      const made = yield* bundle();
      const inside = yield* made.go(() => failureOf(() => made.wait()));
      expect(yield* inside.join()).toBe("EDEADLK");
    }));
});

describe("bundle.close", () => {
  it("cancels all at once, and goes on when all have finished", () =>
    virtual(function* () {
      const made = yield* bundle();
      const cancelledAt: number[] = [];
      for (const cleanUpMs of [30, 10, 20]) {
        yield* made.go(function* () {
          try {
            yield* sleep(-1);
          } finally {
            cancelledAt.push(now());
            yield* shield(-1, () => sleep(now() + cleanUpMs));
          }
        });
      }
      yield* yieldNow();
      const start = now();
      yield* made.close();
      expect(cancelledAt).toEqual([start, start, start]);
      expect(now() - start).toBe(30);
    }));

  it("works for empty bundles and for coroutines that have ended", () =>
    virtual(function* () {
      yield* (yield* bundle()).close();
      const made = yield* bundle();
      yield* made.go(function* () {});
      yield* yieldNow();
      yield* made.close(0);
    }));

  it("a second time is EBADF, and so is go", () =>
    virtual(function* () {
      const made = yield* bundle();
      yield* made.close();
      expect(yield* failureOf(() => made.close())).toBe("EBADF");
      expect(yield* failureOf(() => made.go(function* () {}))).toBe("EBADF");
      expect(made.isClosed).toBe(true);
    }));

  it("from inside is EDEADLK, at any depth and out of turn too", () =>
    virtual(function* () {
      const made = yield* bundle();
      const direct = yield* made.go(() => failureOf(() => made.close()));
      const deeper = yield* made.go(function* () {
        const child = yield* go(() => failureOf(() => made.close()));
        return yield* child.join();
      });
      const outOfTurn = yield* made.go(function* () {
        const ready = channel<number>(1);
        // Uses up the budget, so that the close is looked at by the loop.
        for (let i = 0; i < 64; i++) {
          yield* ready.send(i);
          yield* ready.recv();
        }
        return yield* failureOf(() => made.close());
      });
      for (const each of [direct, deeper, outOfTurn]) {
        expect(yield* each.join()).toBe("EDEADLK");
      }
    }));

  it("works in a cancelled coroutine", () =>
    virtual(function* () {
      let hasEnded = false;
      const parent = yield* go(function* () {
        const made = yield* bundle();
        yield* made.go(function* () {
          try {
            yield* sleep(-1);
          } finally {
            yield* shield(-1, () => sleep(now() + 1));
            hasEnded = true;
          }
        });
        try {
          yield* sleep(-1);
        } finally {
          yield* made.close();
          expect(hasEnded).toBe(true);
        }
      });
      yield* sleep(now() + 1);
      parent.cancel();
      expect(yield* failureOf(() => parent.join())).toBe("ECANCELED");
      expect(hasEnded).toBe(true);
    }));

  it("throws what a coroutine threw, also one that failed in its clean-up", () =>
    virtual(function* () {
      const made = yield* bundle();
      yield* made.go(function* () {
        try {
          yield* sleep(-1);
        } finally {
          // biome-ignore lint/correctness/noUnsafeFinally: the point of the test
          throw new Error("clean-up failed");
        }
      });
      yield* yieldNow();
      expect(yield* failureOf(() => made.close())).toBe("clean-up failed");
    }));

  it("that times out leaves a late failure to the end of the scope", async () => {
    const run = virtual(function* () {
      const made = yield* bundle();
      yield* made.go(function* () {
        try {
          yield* sleep(-1);
        } finally {
          yield* shield(-1, () => failing("late", 10));
        }
      });
      yield* yieldNow();
      expect(yield* failureOf(() => made.close(now() + 1))).toBe("ETIMEDOUT");
      yield* sleep(now() + 20);
    });
    expect(await rejectionOf(run)).toBe("late");
  });

  it("aborts what the bundle owns", () =>
    virtual(function* () {
      const made = yield* bundle();
      let aborted = 0;
      const resource = { abort: () => void aborted++ };
      made.own(resource);
      expect(made.resourceCount).toBe(1);
      yield* made.close();
      expect(aborted).toBe(1);
      expect(() => made.own(resource)).toThrow(/EBADF/);
      expect(aborted).toBe(2);
    }));
});

describe("an error in a bundle", () => {
  it("cancels the siblings and is thrown by wait", () =>
    virtual(function* () {
      const made = yield* bundle();
      const sibling = yield* made.go(() => sleep(-1));
      yield* made.go(() => failing("boom"));
      expect(yield* failureOf(() => made.wait())).toBe("boom");
      expect(sibling.isEnded).toBe(true);
      yield* made.wait();
    }));

  it("is thrown by close if nobody waited", () =>
    virtual(function* () {
      const made = yield* bundle();
      yield* made.go(() => failing("boom"));
      yield* sleep(now() + 5);
      expect(yield* failureOf(() => made.close())).toBe("boom");
    }));

  it("is thrown to everyone who waits, once each", () =>
    virtual(function* () {
      const made = yield* bundle();
      yield* made.go(() => failing("boom"));
      const other = yield* go(() => failureOf(() => made.wait()));
      expect(yield* failureOf(() => made.wait())).toBe("boom");
      expect(yield* other.join()).toBe("boom");
      yield* made.wait();
    }));

  it("that nobody asks for is thrown by the coroutine that made the bundle, at its end", () =>
    virtual(function* () {
      const parent = yield* go(function* () {
        const made = yield* bundle();
        yield* made.go(() => failing("boom"));
        yield* sleep(now() + 5);
        return "fine so far";
      });
      expect(yield* failureOf(() => parent.join())).toBe("boom");
    }));

  it("goes to onError instead, and the others go on", () =>
    virtual(function* () {
      const errors: unknown[] = [];
      const made: Bundle = yield* bundle({ onError: (error) => errors.push(error) });
      const sibling = yield* made.go(function* () {
        yield* sleep(now() + 10);
        return "still here";
      });
      yield* made.go(() => failing("one"));
      yield* made.go(() => failing("two", 2));
      expect(yield* sibling.join()).toBe("still here");
      yield* made.wait();
      expect(errors.map((each) => (each as Error).message)).toEqual(["one", "two"]);
    }));

  it("thrown by onError itself is the bundle's error", () =>
    virtual(function* () {
      const made = yield* bundle({
        onError: () => {
          throw new Error("onError failed");
        },
      });
      const sibling = yield* made.go(() => sleep(-1));
      yield* made.go(() => failing("boom"));
      expect(yield* failureOf(() => made.wait())).toBe("onError failed");
      expect(sibling.isEnded).toBe(true);
    }));

  it("may be any value", () =>
    virtual(function* () {
      const made = yield* bundle();
      yield* made.go(function* () {
        throw undefined;
      });
      let caught = false;
      try {
        yield* made.wait();
      } catch (error) {
        caught = error === undefined;
      }
      expect(caught).toBe(true);
    }));

  it("is not lost when choose took another clause in the same moment", async () => {
    const run = virtual(function* () {
      const made = yield* bundle();
      const values = channel<string>();
      yield* made.go(function* () {
        throw new Error("boom");
      });
      const choosing = yield* go(function* () {
        yield* choose([values.recv(), made.wait()]);
      });
      yield* choosing.join();
    });
    expect(await rejectionOf(run)).toBe("boom");
  });
});

describe("the implicit bundle of go", () => {
  it("ends the parent with the error of a child that nobody joins", async () => {
    let wasCancelled = "";
    const run = virtual(function* () {
      yield* go(() => failing("boom"));
      wasCancelled = yield* failureOf(() => sleep(-1));
    });
    expect(await rejectionOf(run)).toBe("boom");
    expect(wasCancelled).toBe("ECANCELED");
  });

  it("gives the error of a joined child to the joiner alone", () =>
    virtual(function* () {
      const child = yield* go(() => failing("boom"));
      expect(yield* failureOf(() => child.join())).toBe("boom");
      expect(yield* failureOf(() => child.join())).toBe("boom");
      yield* sleep(now() + 1);
    }));

  it("gives it to every joiner", () =>
    virtual(function* () {
      const child = yield* go(() => failing("boom"));
      const other = yield* go(() => failureOf(() => child.join()));
      expect(yield* failureOf(() => child.join())).toBe("boom");
      expect(yield* other.join()).toBe("boom");
    }));

  it("ends the parent if the joiner has given up before", async () => {
    const run = virtual(function* () {
      const child = yield* go(() => failing("boom", 5));
      expect(yield* failureOf(() => child.join(now() + 1))).toBe("ETIMEDOUT");
      yield* sleep(-1);
    });
    expect(await rejectionOf(run)).toBe("boom");
  });

  it("passes the error of a grandchild up", async () => {
    const run = virtual(function* () {
      yield* go(function* () {
        yield* go(() => failing("deep"));
        yield* sleep(-1);
      });
      yield* sleep(-1);
    });
    expect(await rejectionOf(run)).toBe("deep");
  });
});

describe("join", () => {
  it("returns what the coroutine returned, again and again, undefined too", () =>
    virtual(function* () {
      const child = yield* go(function* () {
        return { a: 1 };
      });
      expect(yield* child.join()).toEqual({ a: 1 });
      expect(yield* child.join(0)).toEqual({ a: 1 });
      const empty = yield* go(function* () {});
      empty.cancel();
      expect(yield* empty.join()).toBe(undefined);
    }));

  it("of a cancelled coroutine throws ECANCELED", () =>
    virtual(function* () {
      const child = yield* go(() => sleep(-1));
      yield* yieldNow();
      child.cancel();
      expect(yield* failureOf(() => child.join())).toBe("ECANCELED");
    }));

  it("of itself is EDEADLK", () =>
    virtual(function* () {
      const box: { self?: { join(): Operation<unknown> } } = {};
      const child = yield* go(function* () {
        yield* yieldNow();
        return yield* failureOf(() => (box.self as { join(): Operation<unknown> }).join());
      });
      box.self = child;
      expect(yield* child.join()).toBe("EDEADLK");
    }));

  it("leaves alone a coroutine that ended before", () =>
    virtual(function* () {
      const children = [];
      for (let i = 0; i < 20; i++) {
        children.push(
          yield* go(function* () {
            return i;
          }),
        );
      }
      yield* sleep(now() + 1);
      let sum = 0;
      for (const child of children) sum += yield* child.join(0);
      expect(sum).toBe(190);
    }));
});
