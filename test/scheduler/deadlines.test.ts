import { describe, expect, it } from "vitest";
import {
  bundle,
  channel,
  choose,
  go,
  type Handle,
  now,
  type Operation,
  shield,
  sleep,
  type Wait,
  withDeadline,
  yieldNow,
} from "../../scheduler/index.ts";
import { failureOf, virtual } from "./support.ts";

function* forever(): Operation<void> {
  yield* sleep(-1);
}

/** Every kind of wait that takes a deadline, none of which can be satisfied. */
const WAITS: Record<string, (deadline?: number) => Operation<Wait<unknown>>> = {
  *"channel.recv"(deadline) {
    return channel<number>().recv(deadline);
  },
  *"channel.send"(deadline) {
    return channel<number>().send(1, deadline);
  },
  *"channel.send to a full channel"(deadline) {
    const full = channel<number>(1);
    yield* full.send(0);
    return full.send(1, deadline);
  },
  *join(deadline) {
    return (yield* go(forever)).join(deadline);
  },
  *"bundle.wait"(deadline) {
    const made = yield* bundle();
    yield* made.go(forever);
    return made.wait(deadline);
  },
  *choose(deadline) {
    return choose([channel().recv(), sleep(-1)], deadline);
  },
  *"choose of nothing"(deadline) {
    return choose([], deadline);
  },
};

/** Every kind of wait, ready at once. */
const READY_WAITS: Record<string, (deadline?: number) => Operation<Wait<unknown>>> = {
  *"channel.recv"(deadline) {
    const values = channel<number>(1);
    yield* values.send(1);
    return values.recv(deadline);
  },
  *"channel.send"(deadline) {
    return channel<number>(1).send(1, deadline);
  },
  *join(deadline) {
    const ended = yield* go(function* () {});
    yield* sleep(now() + 1);
    return ended.join(deadline);
  },
  *"bundle.wait"(deadline) {
    return (yield* bundle()).wait(deadline);
  },
  *"bundle.close"(deadline) {
    return (yield* bundle()).close(deadline);
  },
  *choose(deadline) {
    return choose([sleep(0)], deadline);
  },
};

for (const [name, make] of Object.entries(WAITS)) {
  describe(`the deadline of ${name}`, () => {
    it("0 means now: ETIMEDOUT without waiting, and nobody else runs meanwhile", () =>
      virtual(function* () {
        const wait = yield* make(0);
        let others = 0;
        yield* go(function* () {
          others++;
        });
        expect(yield* failureOf(() => wait)).toBe("ETIMEDOUT");
        expect(others).toBe(0);
      }));

    it("in the past is ETIMEDOUT at once", () =>
      virtual(function* () {
        const before = now();
        const wait = yield* make(before - 0.5);
        expect(yield* failureOf(() => wait)).toBe("ETIMEDOUT");
        expect(now()).toBe(before);
      }));

    it("ends the wait at that time, to fractions of a ms", () =>
      virtual(function* () {
        const start = now();
        const wait = yield* make(start + 2.25);
        expect(yield* failureOf(() => wait)).toBe("ETIMEDOUT");
        expect(now()).toBe(start + 2.25);
      }));

    it("-1 means never: only cancellation ends it", () =>
      virtual(function* () {
        let seen = "";
        const waiting = yield* go(function* () {
          const wait = yield* make(-1);
          seen = yield* failureOf(() => wait);
        });
        yield* sleep(now() + 1e9);
        expect(waiting.isEnded).toBe(false);
        waiting.cancel();
        yield* sleep(now() + 1);
        expect(seen).toBe("ECANCELED");
      }));

    it("omitted is that of the enclosing withDeadline", () =>
      virtual(function* () {
        const start = now();
        expect(
          yield* failureOf(() =>
            withDeadline(start + 5, function* () {
              yield* yield* make();
            }),
          ),
        ).toBe("ETIMEDOUT");
        expect(now()).toBe(start + 5);
      }));

    it("and that of an enclosing withDeadline: the earlier one wins", () =>
      virtual(function* () {
        for (const [inner, outer, end] of [
          [3, 7, 3],
          [7, 3, 3],
          [-1, 3, 3],
        ] as const) {
          const start = now();
          const given = inner < 0 ? -1 : start + inner;
          const wait = yield* make(given);
          expect(yield* failureOf(() => withDeadline(start + outer, () => wait))).toBe("ETIMEDOUT");
          expect(now()).toBe(start + end);
        }
      }));

    it("must be a number and no NaN", () =>
      virtual(function* () {
        expect(yield* failureOf(() => make("soon" as never))).toMatch(/deadline must be a number/);
        expect(yield* failureOf(() => make(Number.NaN))).toBe("EINVAL");
      }));
  });
}

for (const [name, make] of Object.entries(READY_WAITS)) {
  describe(`${name} that need not wait`, () => {
    it("beats a deadline of 0, of the past and an expired enclosing one", () =>
      virtual(function* () {
        for (const deadline of [0, now() - 1]) {
          const wait = yield* make(deadline);
          expect(yield* failureOf(() => wait)).toBe("nothing");
        }
        const wait = yield* make();
        expect(
          yield* failureOf(() =>
            withDeadline(now() - 1, function* () {
              yield* wait;
            }),
          ),
        ).toBe("nothing");
      }));

    it("is beaten by cancellation", () =>
      virtual(function* () {
        const seen: string[] = [];
        const waiting = yield* go(function* () {
          const wait = yield* make();
          yield* failureOf(() => sleep(-1));
          seen.push(yield* failureOf(() => wait));
        });
        yield* sleep(now() + 2);
        waiting.cancel();
        yield* sleep(now() + 2);
        // Closing what was started works in a cancelled coroutine too.
        expect(seen).toEqual([name === "bundle.close" ? "nothing" : "ECANCELED"]);
      }));
  });
}

describe("sleep", () => {
  it("returns at once for 0 and the past, and at its time else", () =>
    virtual(function* () {
      const start = now();
      yield* sleep(0);
      yield* sleep(start - 10);
      expect(now()).toBe(start);
      yield* sleep(start + 120_000.5);
      expect(now()).toBe(start + 120_000.5);
    }));

  it("wakes sleepers in order of time, and equal ones in the order they were set", () =>
    virtual(function* () {
      const order: string[] = [];
      const start = now();
      for (const [name, ms] of [
        ["c", 30],
        ["a", 10],
        ["d", 40],
        ["b1", 20],
        ["b2", 20],
        ["b3", 20],
      ] as const) {
        yield* go(function* () {
          yield* sleep(start + ms);
          order.push(name);
        });
      }
      yield* sleep(start + 100);
      expect(order).toEqual(["a", "b1", "b2", "b3", "c", "d"]);
    }));
});

describe("withDeadline", () => {
  it("returns what the operation returns", () =>
    virtual(function* () {
      expect(
        yield* withDeadline(now() + 1, function* () {
          return 42;
        }),
      ).toBe(42);
    }));

  it("bounds what is started inside with go, also after it has ended", () =>
    virtual(function* () {
      const start = now();
      let handle: Handle<string> | undefined;
      yield* withDeadline(start + 5, function* () {
        handle = yield* go(() => failureOf(() => sleep(-1)));
      });
      expect(yield* (handle as Handle<string>).join()).toBe("ETIMEDOUT");
      expect(now()).toBe(start + 5);
      expect(yield* failureOf(() => sleep(now() + 1))).toBe("nothing");
    }));

  it("with a negative deadline sets no bound of its own", () =>
    virtual(function* () {
      const start = now();
      const seen = yield* failureOf(() =>
        withDeadline(start + 2, () => withDeadline(-1, () => sleep(-1))),
      );
      expect([seen, now() - start]).toEqual(["ETIMEDOUT", 2]);
    }));

  it("bounds yieldNow in a loop that would never end", () =>
    virtual(function* () {
      const deadline = now() + 3;
      yield* go(function* () {
        for (let i = 0; i < 10; i++) yield* sleep(now() + 1);
      });
      const seen = yield* failureOf(() =>
        withDeadline(deadline, function* () {
          for (;;) {
            yield* yieldNow();
            yield* choose([sleep(now() + 1)]);
          }
        }),
      );
      expect(seen).toBe("ETIMEDOUT");
    }));

  it("bounds bundle.close: the coroutines stay cancelled and the scope's end waits for them", async () => {
    let hasEnded = false;
    await virtual(function* () {
      const start = now();
      const made = yield* bundle();
      yield* made.go(function* () {
        try {
          yield* sleep(-1);
        } finally {
          yield* shield(-1, () => sleep(start + 50));
          hasEnded = true;
        }
      });
      yield* yieldNow();
      expect(yield* failureOf(() => withDeadline(start + 5, () => made.close()))).toBe("ETIMEDOUT");
      expect([now() - start, hasEnded]).toEqual([5, false]);
    });
    expect(hasEnded).toBe(true);
  });
});

describe("shield", () => {
  it("feels neither cancellation nor an enclosing deadline, and cancellation goes on after it", () =>
    virtual(function* () {
      const start = now();
      const seen: unknown[] = [];
      const closing = yield* go(function* () {
        try {
          yield* withDeadline(start + 3, () => sleep(-1));
        } catch {
          yield* shield(-1, () => sleep(start + 20));
          seen.push(now() - start);
          seen.push(yield* failureOf(() => sleep(now() + 1)));
        }
      });
      yield* sleep(start + 10);
      closing.cancel();
      seen.push("cancelled");
      yield* failureOf(() => closing.join());
      expect(seen).toEqual(["cancelled", 20, "ECANCELED"]);
    }));

  it("ends by its own deadline", () =>
    virtual(function* () {
      const start = now();
      const seen: unknown[] = [];
      const closing = yield* go(function* () {
        try {
          yield* sleep(-1);
        } finally {
          seen.push(yield* failureOf(() => shield(start + 15, () => channel().recv())));
          seen.push(now() - start);
        }
      });
      yield* sleep(start + 10);
      closing.cancel();
      yield* failureOf(() => closing.join());
      expect(seen).toEqual(["ETIMEDOUT", 15]);
    }));

  it("lets a cancellation that came inside be felt right after it", () =>
    virtual(function* () {
      const seen: string[] = [];
      const worker = yield* go(function* () {
        yield* shield(-1, () => sleep(now() + 5));
        seen.push(yield* failureOf(() => sleep(0)));
      });
      yield* yieldNow();
      worker.cancel();
      yield* sleep(now() + 10);
      expect(seen).toEqual(["ECANCELED"]);
    }));

  it("can start coroutines in a cancelled one", () =>
    virtual(function* () {
      let cleaned = 0;
      const worker = yield* go(function* () {
        try {
          yield* sleep(-1);
        } finally {
          cleaned = yield* shield(now() + 100, function* () {
            const helper = yield* go(function* () {
              yield* sleep(now() + 10);
              return 7;
            });
            return yield* helper.join();
          });
        }
      });
      yield* yieldNow();
      worker.cancel();
      yield* failureOf(() => worker.join());
      expect(cleaned).toBe(7);
    }));
});
