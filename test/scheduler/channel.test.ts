import { describe, expect, it } from "vitest";
import { channel, go, now, sleep, yieldNow } from "../../scheduler/index.ts";
import { failureOf, virtual } from "./support.ts";

describe("a rendezvous channel", () => {
  it("hands over whichever side comes first", () =>
    virtual(function* () {
      const values = channel<string>();
      const receiver = yield* go(() => values.recv());
      yield* yieldNow();
      yield* values.send("receiver first");
      expect(yield* receiver.join()).toBe("receiver first");
      yield* go(() => values.send("sender first"));
      yield* yieldNow();
      expect(yield* values.recv(0)).toBe("sender first");
    }));

  it("blocks a sender until it is received", () =>
    virtual(function* () {
      const values = channel<number>();
      const start = now();
      const sender = yield* go(function* () {
        yield* values.send(1);
        return now() - start;
      });
      yield* sleep(start + 10);
      yield* values.recv();
      expect(yield* sender.join()).toBe(10);
    }));

  it("serves senders and receivers first come, first served", () =>
    virtual(function* () {
      const values = channel<number>();
      for (const value of [888, 999, 777]) yield* go(() => values.send(value));
      yield* yieldNow();
      expect([yield* values.recv(), yield* values.recv(), yield* values.recv()]).toEqual([
        888, 999, 777,
      ]);
      const got: string[] = [];
      for (const name of ["a", "b", "c"]) {
        yield* go(function* () {
          got.push(name + (yield* values.recv()));
        });
      }
      yield* yieldNow();
      for (const value of [1, 2, 3]) yield* values.send(value);
      yield* yieldNow();
      expect(got).toEqual(["a1", "b2", "c3"]);
    }));

  it("carries undefined, null and NaN like any value", () =>
    virtual(function* () {
      const values = channel<unknown>();
      yield* go(function* () {
        for (const value of [undefined, null, Number.NaN]) yield* values.send(value);
      });
      expect([yield* values.recv(), yield* values.recv(), yield* values.recv()]).toEqual([
        undefined,
        null,
        Number.NaN,
      ]);
    }));

  it("loses nothing to a receiver or a sender that times out", () =>
    virtual(function* () {
      const values = channel<number>();
      expect(yield* failureOf(() => values.recv(now() + 1))).toBe("ETIMEDOUT");
      expect(yield* failureOf(() => values.send(1, now() + 1))).toBe("ETIMEDOUT");
      yield* go(() => values.send(2));
      expect(yield* values.recv()).toBe(2);
      expect(yield* failureOf(() => values.recv(0))).toBe("ETIMEDOUT");
    }));
});

describe("a buffered channel", () => {
  it("takes as many values as it has room for, then blocks, and keeps their order", () =>
    virtual(function* () {
      const values = channel<number>(3);
      for (let i = 0; i < 3; i++) yield* values.send(i, 0);
      expect(yield* failureOf(() => values.send(3, 0))).toBe("ETIMEDOUT");
      const senders = [yield* go(() => values.send(3)), yield* go(() => values.send(4))];
      yield* yieldNow();
      expect(values.length).toBe(3);
      for (let i = 0; i < 5; i++) expect(yield* values.recv(0)).toBe(i);
      for (const sender of senders) yield* sender.join();
      expect(values.length).toBe(0);
    }));

  it("works round its ring many times", () =>
    virtual(function* () {
      const values = channel<number>(3);
      yield* go(function* () {
        for (let i = 0; i < 1_000; i++) yield* values.send(i);
        values.done();
      });
      let next = 0;
      while ((yield* failureOf(() => go(function* () {}))) === "nothing") {
        const seen = yield* failureOf(function* () {
          expect(yield* values.recv()).toBe(next++);
        });
        if (seen !== "nothing") {
          expect(seen).toBe("EPIPE");
          break;
        }
      }
      expect(next).toBe(1_000);
    }));
});

describe("done", () => {
  it("lets queued values and blocked senders through, then says EPIPE again and again", () =>
    virtual(function* () {
      const values = channel<number>(1);
      yield* values.send(1);
      yield* go(() => values.send(2));
      yield* yieldNow();
      values.done();
      expect(yield* failureOf(() => values.send(3))).toBe("EPIPE");
      expect([yield* values.recv(), yield* values.recv()]).toEqual([1, 2]);
      expect(yield* failureOf(() => values.recv())).toBe("EPIPE");
      expect(yield* failureOf(() => values.recv(0))).toBe("EPIPE");
      expect(() => values.done()).toThrow(/EPIPE/);
    }));

  it("wakes all blocked receivers with EPIPE", () =>
    virtual(function* () {
      const values = channel<number>();
      const receivers = [
        yield* go(() => failureOf(() => values.recv())),
        yield* go(() => failureOf(() => values.recv())),
      ];
      yield* yieldNow();
      values.done();
      for (const receiver of receivers) expect(yield* receiver.join()).toBe("EPIPE");
    }));
});

describe("close", () => {
  it("wakes both sides with EBADF, drops what is queued, and is idempotent", () =>
    virtual(function* () {
      const values = channel<number>(1);
      const empty = channel<number>();
      yield* values.send(1);
      const sender = yield* go(() => failureOf(() => values.send(2)));
      const receiver = yield* go(() => failureOf(() => empty.recv()));
      yield* yieldNow();
      for (const each of [values, empty]) {
        each.close();
        each.close();
      }
      expect([yield* sender.join(), yield* receiver.join()]).toEqual(["EBADF", "EBADF"]);
      expect(yield* failureOf(() => values.recv())).toBe("EBADF");
      expect(yield* failureOf(() => values.send(3))).toBe("EBADF");
      expect(values.length).toBe(0);
      expect(() => values.done()).toThrow(/EBADF/);
    }));

  it("does not take back a value that was handed over", () =>
    virtual(function* () {
      const values = channel<string>();
      const receiver = yield* go(() => values.recv());
      yield* yieldNow();
      yield* values.send("handed");
      values.close();
      expect(yield* receiver.join()).toBe("handed");
    }));
});

describe("a wait object", () => {
  it("can be used again after it has ended, whichever way", () =>
    virtual(function* () {
      const values = channel<number>(2);
      const recv = values.recv(now() + 5);
      yield* values.send(1);
      yield* values.send(2);
      expect([yield* recv, yield* recv]).toEqual([1, 2]);
      expect(yield* failureOf(() => recv)).toBe("ETIMEDOUT");
      yield* values.send(3);
      expect(yield* recv).toBe(3);
    }));

  it("that is being waited for is EBUSY to anyone else", () =>
    virtual(function* () {
      const values = channel<number>();
      const recv = values.recv();
      const first = yield* go(() => recv);
      yield* yieldNow();
      expect(yield* failureOf(() => recv)).toBe("EBUSY");
      yield* values.send(1);
      expect(yield* first.join()).toBe(1);
    }));
});
