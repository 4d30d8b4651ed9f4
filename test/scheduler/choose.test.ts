import { describe, expect, it } from "vitest";
import { bundle, channel, choose, go, now, sleep, yieldNow } from "../../scheduler/index.ts";
import { PENDING, READY, Wait, WaitQueue } from "../../scheduler/internal.ts";
import { failureOf, textOf, virtual } from "./support.ts";

describe("choose", () => {
  it("takes the first ready clause in array order", () =>
    virtual(function* () {
      const one = channel<string>(1);
      const two = channel<string>(1);
      yield* one.send("one");
      yield* two.send("two");
      expect(yield* choose([two.recv(), one.recv()])).toEqual({ index: 0, value: "two" });
      expect(yield* choose([two.recv(), one.recv()])).toEqual({ index: 1, value: "one" });
    }));

  it("waits for channels, sends, joins, bundles and timers alike", () =>
    virtual(function* () {
      const start = now();
      const values = channel<string>();
      const slow = yield* go(() => sleep(start + 40));
      const made = yield* bundle();
      yield* made.go(() => sleep(start + 30));
      yield* go(function* () {
        yield* sleep(start + 10);
        yield* values.send("v");
        yield* sleep(start + 20);
        yield* values.recv();
      });
      const clauses = () => [values.recv(), slow.join(), made.wait(), sleep(start + 50)] as const;
      expect(yield* choose(clauses())).toEqual({ index: 0, value: "v" });
      expect((yield* choose([sleep(start + 35), values.send("w")])).index).toBe(1);
      expect(now() - start).toBe(20);
      expect((yield* choose(clauses())).index).toBe(2);
      expect((yield* choose([values.recv(), slow.join(), sleep(start + 50)])).index).toBe(1);
      expect((yield* choose([values.recv(), sleep(start + 50)])).index).toBe(1);
      expect(now() - start).toBe(50);
    }));

  it("of nothing waits for its deadline", () =>
    virtual(function* () {
      const start = now();
      expect(yield* failureOf(() => choose([], start + 5))).toBe("ETIMEDOUT");
      expect(now() - start).toBe(5);
    }));

  it("withdraws the other clauses without effect", () =>
    virtual(function* () {
      const one = channel<number>();
      const two = channel<number>();
      const chooser = yield* go(() => choose([one.recv(), two.recv(), two.send(9)]));
      yield* yieldNow();
      yield* one.send(1);
      expect(yield* chooser.join()).toEqual({ index: 0, value: 1 });
      expect(yield* failureOf(() => two.send(2, 0))).toBe("ETIMEDOUT");
      expect(yield* failureOf(() => two.recv(0))).toBe("ETIMEDOUT");
    }));

  it("is handed one value only, even if many are sent at once", () =>
    virtual(function* () {
      const one = channel<number>();
      const two = channel<number>();
      const chooser = yield* go(() => choose([one.recv(), two.recv()]));
      yield* yieldNow();
      yield* two.send(2, 0);
      expect(yield* failureOf(() => one.send(1, 0))).toBe("ETIMEDOUT");
      expect(yield* chooser.join()).toEqual({ index: 1, value: 2 });
    }));

  it("is handed nothing once yieldNow among its clauses is true", () =>
    virtual(function* () {
      const values = channel<number>();
      const chooser = yield* go(() => choose([yieldNow(), values.recv()]));
      const sender = yield* go(() => failureOf(() => values.send(1, 0)));
      expect((yield* chooser.join()).index).toBe(0);
      expect(yield* sender.join()).toBe("ETIMEDOUT");
      expect(values.length).toBe(0);
    }));

  it("meets another choose on a rendezvous channel", () =>
    virtual(function* () {
      const values = channel<string>();
      const never = channel<string>();
      const receiver = yield* go(() => choose([never.recv(), values.recv()]));
      yield* yieldNow();
      expect((yield* choose([never.recv(), values.send("met")])).index).toBe(1);
      expect(yield* receiver.join()).toEqual({ index: 1, value: "met" });
    }));

  it("does not meet itself on a channel that it both sends to and receives from", () =>
    virtual(function* () {
      const values = channel<string>();
      const chooser = yield* go(() => choose([values.send("own"), values.recv()]));
      const nested = yield* go(() =>
        failureOf(() => choose([channel().recv(), choose([sleep(now() + 3)])], now() + 1)),
      );
      yield* yieldNow();
      expect(chooser.isEnded).toBe(false);
      expect(yield* values.recv()).toBe("own");
      expect(yield* chooser.join()).toEqual({ index: 0, value: undefined });
      expect(yield* nested.join()).toBe("ETIMEDOUT");
    }));

  it("does not meet itself on a full buffered channel when it is woken", () =>
    virtual(function* () {
      const values = channel<string>(1);
      const wake = channel<string>();
      const chooser = yield* go(() => choose([values.recv(), wake.recv(), values.send("own")]));
      yield* yieldNow();
      // The first poll already sent, since there was room.
      expect(yield* chooser.join()).toEqual({ index: 2, value: undefined });
      expect(yield* values.recv()).toBe("own");
    }));

  it("nested takes no value that it does not report", () =>
    virtual(function* () {
      const one = channel<string>();
      const two = channel<string>();
      const chooser = yield* go(() => choose([one.recv(), choose([two.recv()])]));
      yield* yieldNow();
      yield* two.send("inner");
      expect(yield* failureOf(() => one.send("outer", 0))).toBe("ETIMEDOUT");
      expect(yield* chooser.join()).toEqual({ index: 1, value: { index: 0, value: "inner" } });
    }));

  it("tells in `clause` which clause an error comes from", () =>
    virtual(function* () {
      const ended = channel<number>();
      ended.done();
      const failed = yield* go(function* () {
        yield* sleep(now() + 1);
        throw new Error("boom");
      });
      const seen: unknown[] = [];
      for (const clauses of [
        [sleep(-1), ended.recv()],
        [sleep(-1), sleep(-1), failed.join()],
        [sleep(-1), channel().recv(now() + 3)],
      ]) {
        try {
          yield* choose(clauses);
        } catch (error) {
          seen.push([textOf(error), (error as { clause?: number }).clause]);
        }
      }
      expect(seen).toEqual([
        ["EPIPE", 1],
        ["boom", 2],
        ["ETIMEDOUT", 1],
      ]);
    }));

  it("ends by its own deadline without a clause", () =>
    virtual(function* () {
      let clause: unknown = "none";
      try {
        yield* choose([sleep(-1)], now() + 1);
      } catch (error) {
        if (error instanceof Error && "clause" in error) clause = error.clause;
      }
      expect(clause).toBe("none");
    }));

  it("prefers a ready clause to an earlier one whose deadline has passed", () =>
    virtual(function* () {
      const ready = channel<number>(1);
      yield* ready.send(1);
      expect((yield* choose([channel().recv(0), ready.recv()])).index).toBe(1);
    }));

  it("can be waited for again, and its clauses too", () =>
    virtual(function* () {
      const values = channel<number>(2);
      yield* values.send(1);
      yield* values.send(2);
      const recv = values.recv();
      const choice = choose([recv]);
      expect([yield* choice, yield* choice]).toEqual([
        { index: 0, value: 1 },
        { index: 0, value: 2 },
      ]);
      yield* values.send(3);
      expect(yield* recv).toBe(3);
    }));

  it("refuses clauses that are no waits, stand twice, or are waited for elsewhere", () =>
    virtual(function* () {
      const values = channel<number>();
      const recv = values.recv();
      expect(() => choose("x" as never)).toThrow(TypeError);
      expect(() => choose([1 as never])).toThrow(/clauses\[0\]/);
      expect(() => choose([recv, recv])).toThrow(/EINVAL.*clauses\[1\]/);
      const busy = yield* go(() => recv);
      yield* yieldNow();
      expect(yield* failureOf(() => choose([recv]))).toBe("EBUSY");
      yield* values.send(1);
      yield* busy.join();
    }));

  it("passes on a wake-up that it does not use", () =>
    virtual(function* () {
      const queue = new WaitQueue();
      let stock = 0;
      class Take extends Wait<void> {
        constructor() {
          super("take");
        }
        override poll(): number {
          return stock > 0 ? READY : PENDING;
        }
        override queue(): WaitQueue {
          return queue;
        }
        override take(): void {
          stock--;
        }
      }
      const values = channel<number>();
      const chooser = yield* go(() => choose([values.recv(), new Take()]));
      const taker = yield* go(() => new Take());
      yield* yieldNow();
      stock = 1;
      queue.wakeOne();
      yield* values.send(1);
      expect((yield* chooser.join()).index).toBe(0);
      yield* taker.join(now() + 1);
      expect(stock).toBe(0);
    }));
});
