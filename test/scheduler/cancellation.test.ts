import { describe, expect, it, vi } from "vitest";
import {
  bundle,
  type Channel,
  channel,
  choose,
  currentLoop,
  go,
  type Handle,
  now,
  type Operation,
  shield,
  sleep,
  yieldNow,
} from "../../scheduler/index.ts";
import { PENDING, READY, Wait, WaitQueue } from "../../scheduler/internal.ts";
import { failureOf, virtual } from "./support.ts";

/** A wait that is true when it is looked at for the third time. */
class ThirdTimeLucky extends Wait<number> {
  readonly waiters: WaitQueue = new WaitQueue();
  polls = 0;

  constructor() {
    super("third time lucky");
  }

  override poll(): number {
    return ++this.polls < 3 ? PENDING : READY;
  }

  override queue(): WaitQueue {
    return this.waiters;
  }

  override take(): number {
    return 7;
  }
}

describe("cancel", () => {
  it("ends a pending wait, and each later one at once, before it is looked at", () =>
    virtual(function* () {
      const ready = channel<number>(1);
      yield* ready.send(1);
      const seen: string[] = [];
      const worker = yield* go(function* () {
        seen.push(yield* failureOf(() => sleep(-1)));
        seen.push(yield* failureOf(() => ready.recv()));
        seen.push(yield* failureOf(() => ready.recv(0)));
        seen.push(yield* failureOf(() => sleep(0)));
        seen.push(yield* failureOf(() => yieldNow()));
        seen.push(yield* failureOf(() => choose([ready.recv()])));
        seen.push(yield* failureOf(() => go(function* () {})));
        seen.push(yield* failureOf(() => bundle()));
      });
      yield* yieldNow();
      worker.cancel();
      yield* sleep(now() + 1);
      expect(seen).toEqual(Array(8).fill("ECANCELED"));
      expect(ready.length).toBe(1);
    }));

  it("is idempotent, and after the end does nothing", () =>
    virtual(function* () {
      let caught = 0;
      const worker = yield* go(function* () {
        try {
          yield* sleep(-1);
        } catch {
          caught++;
        }
        return "ended";
      });
      yield* yieldNow();
      worker.cancel();
      worker.cancel();
      expect(yield* worker.join()).toBe("ended");
      worker.cancel();
      expect([yield* worker.join(), caught]).toEqual(["ended", 1]);
    }));

  it("lets a value arrive that was handed over before", () =>
    virtual(function* () {
      const values = channel<string>();
      const seen: string[] = [];
      const receiver = yield* go(function* () {
        seen.push(yield* values.recv());
        seen.push(yield* failureOf(() => values.recv()));
      });
      yield* yieldNow();
      yield* values.send("handed");
      receiver.cancel();
      yield* sleep(now() + 1);
      expect(seen).toEqual(["handed", "ECANCELED"]);
    }));

  it("takes the coroutine out of the queue at once: nothing is handed to it any more", () =>
    virtual(function* () {
      const values = channel<string>();
      const receiver = yield* go(() => values.recv());
      const next = yield* go(() => values.recv());
      yield* yieldNow();
      receiver.cancel();
      yield* values.send("for the next");
      expect(yield* next.join()).toBe("for the next");
      expect(yield* failureOf(() => receiver.join())).toBe("ECANCELED");
    }));

  it("before the first step runs the body up to its first wait", () =>
    virtual(function* () {
      const seen: string[] = [];
      const worker = yield* go(function* () {
        seen.push("began");
        yield* sleep(0);
        seen.push("never");
      });
      worker.cancel();
      expect(yield* failureOf(() => worker.join())).toBe("ECANCELED");
      expect(seen).toEqual(["began"]);
    }));

  it("by the coroutine itself is felt at its next wait", () =>
    virtual(function* () {
      const seen: string[] = [];
      const box: { self?: Handle<void> } = {};
      box.self = yield* go(function* () {
        yield* sleep(now() + 1);
        box.self?.cancel();
        seen.push("goes on");
        yield* sleep(0);
        seen.push("never");
      });
      expect(yield* failureOf(() => (box.self as Handle<void>).join())).toBe("ECANCELED");
      expect(seen).toEqual(["goes on"]);
    }));

  it("leaves calls that never wait alone", () =>
    virtual(function* () {
      const one = channel<number>();
      const two = channel<number>();
      const worker = yield* go(function* () {
        try {
          yield* sleep(-1);
        } finally {
          one.done();
          two.close();
        }
      });
      yield* yieldNow();
      worker.cancel();
      expect(yield* failureOf(() => one.recv())).toBe("EPIPE");
      expect(yield* failureOf(() => two.recv())).toBe("EBADF");
    }));

  it("reaches the children at the end of the body, which waits for their clean-up", () =>
    virtual(function* () {
      const order: string[] = [];
      const parent = yield* go(function* () {
        for (const name of ["one", "two"]) {
          yield* go(function* () {
            try {
              yield* sleep(-1);
            } finally {
              yield* shield(-1, () => sleep(now() + 5));
              order.push(name);
            }
          });
        }
        try {
          yield* sleep(-1);
        } finally {
          order.push("parent");
        }
      });
      yield* yieldNow();
      yield* yieldNow();
      const start = now();
      parent.cancel();
      expect(yield* failureOf(() => parent.join())).toBe("ECANCELED");
      expect(order).toEqual(["parent", "one", "two"]);
      expect(now() - start).toBe(5);
    }));

  it("also reaches relays that always find a value", () =>
    virtual(function* () {
      const ping = channel<number>(1);
      const pong = channel<number>(1);
      const relays = yield* bundle();
      const relay = (from: Channel<number>, to: Channel<number>) =>
        relays.go(function* () {
          for (;;) yield* to.send(yield* from.recv());
        });
      yield* relay(ping, pong);
      yield* relay(pong, ping);
      yield* ping.send(1);
      for (let i = 0; i < 100; i++) yield* yieldNow();
      yield* relays.close();
    }));

  it("of a chain of ten thousand nested coroutines ends all of them", () =>
    virtual(function* () {
      let alive = 0;
      function* nested(depth: number): Operation<void> {
        alive++;
        if (depth > 0) yield* go(() => nested(depth - 1));
        try {
          yield* sleep(-1);
        } finally {
          alive--;
        }
      }
      const outermost = yield* go(() => nested(10_000));
      yield* sleep(now() + 1);
      expect(alive).toBe(10_001);
      outermost.cancel();
      expect(yield* failureOf(() => outermost.join())).toBe("ECANCELED");
      expect(alive).toBe(0);
    }));
});

describe("a coroutine that swallows ECANCELED for ever", () => {
  const bodies: Record<string, () => Operation<void>> = {
    *"in a loop of waits"() {
      for (;;) {
        try {
          yield* sleep(-1);
        } catch {}
      }
    },
    *"in a loop of go"() {
      yield* failureOf(() => sleep(-1));
      for (;;) {
        try {
          yield* go(function* () {});
        } catch {}
      }
    },
    *"in a loop of bundle"() {
      yield* failureOf(() => sleep(-1));
      for (;;) {
        try {
          yield* bundle();
        } catch {}
      }
    },
    *"in finally blocks"() {
      for (let rounds = 0; ; rounds++) {
        try {
          yield* sleep(-1);
        } finally {
          // biome-ignore lint/correctness/noUnsafeFinally: the point of the test
          if (rounds >= 0) continue;
        }
      }
    },
  };
  for (const [name, body] of Object.entries(bodies)) {
    it(`${name} is ended by force and reported`, () =>
      virtual(function* () {
        const written = vi.spyOn(process.stderr, "write").mockReturnValue(true);
        try {
          const before = currentLoop().statistics().forcedEnds;
          const worker = yield* go(body, { name: "stubborn" });
          yield* yieldNow();
          worker.cancel();
          expect(yield* failureOf(() => worker.join())).toMatch(/nothing|ECANCELED/);
          expect(worker.isEnded).toBe(true);
          expect(currentLoop().statistics().forcedEnds).toBe(before + 1);
          expect(written.mock.calls.join()).toContain("stubborn");
        } finally {
          written.mockRestore();
        }
      }));
  }

  it("still waits in a shield, also when it is woken in vain", () =>
    virtual(function* () {
      const written = vi.spyOn(process.stderr, "write").mockReturnValue(true);
      const wait = new ThirdTimeLucky();
      let got = 0;
      const worker = yield* go(function* () {
        try {
          for (;;) yield* failureOf(() => sleep(-1));
        } finally {
          got = yield* shield(-1, () => wait);
        }
      });
      yield* yieldNow();
      worker.cancel();
      for (let i = 0; i < 3; i++) {
        yield* sleep(now() + 1);
        wait.waiters.wakeAll();
      }
      yield* failureOf(() => worker.join());
      expect([got, wait.polls]).toEqual([7, 3]);
      written.mockRestore();
    }));

  it("still runs its finally blocks", () =>
    virtual(function* () {
      const written = vi.spyOn(process.stderr, "write").mockReturnValue(true);
      let cleaned = false;
      const worker = yield* go(function* () {
        try {
          while (!cleaned) {
            try {
              yield* sleep(-1);
            } catch {}
          }
        } finally {
          cleaned = true;
        }
      });
      yield* yieldNow();
      worker.cancel();
      yield* failureOf(() => worker.join());
      written.mockRestore();
      expect(cleaned).toBe(true);
    }));
});

describe("the end of a scope", () => {
  it("cancels what still runs in it and waits for it", () =>
    virtual(function* () {
      const start = now();
      let endedAt = 0;
      const parent = yield* go(function* () {
        yield* go(function* () {
          try {
            yield* sleep(-1);
          } finally {
            yield* shield(-1, () => sleep(start + 7));
            endedAt = now();
          }
        });
        yield* yieldNow();
        return "result";
      });
      expect(yield* parent.join()).toBe("result");
      expect(endedAt).toBe(start + 7);
    }));

  it("takes no newcomers: a child that shields itself cannot start siblings", () =>
    virtual(function* () {
      const seen: string[] = [];
      const parent = yield* go(function* () {
        const made = yield* bundle();
        yield* made.go(function* () {
          try {
            yield* sleep(-1);
          } finally {
            seen.push(yield* failureOf(() => shield(-1, () => made.go(() => sleep(-1)))));
          }
        });
        yield* yieldNow();
      });
      yield* parent.join();
      expect(seen).toEqual(["EBADF"]);
    }));

  it("aborts what the coroutine owns, the latest first, once its children are gone", () =>
    virtual(function* () {
      const order: string[] = [];
      const owner = yield* go(function* () {
        const made = yield* bundle();
        made.own({ abort: () => order.push("first") });
        made.own({ abort: () => order.push("second") });
        yield* made.go(function* () {
          try {
            yield* sleep(-1);
          } finally {
            order.push("child");
          }
        });
        yield* yieldNow();
      });
      yield* owner.join();
      expect(order).toEqual(["child", "second", "first"]);
    }));
});
