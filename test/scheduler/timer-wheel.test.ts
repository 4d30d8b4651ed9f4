import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Timer, TimerWheel } from "../../scheduler/timer-wheel.ts";

class Recorder extends Timer {
  readonly log: Recorder[];
  readonly id: number;
  onFire: (nowMs: number) => void = () => {};
  firedAt = Number.NaN;
  constructor(log: Recorder[], id: number) {
    super();
    this.log = log;
    this.id = id;
  }
  override fire(nowMs: number): void {
    this.log.push(this);
    this.firedAt = nowMs;
    this.onFire(nowMs);
  }
}

function setUp(count: number, startMs = 0) {
  const wheel = new TimerWheel(startMs);
  const log: Recorder[] = [];
  const timers = Array.from({ length: count }, (_, id) => new Recorder(log, id));
  const ids = (): number[] => log.splice(0).map((t) => t.id);
  return { wheel, log, timers, ids, t: (i: number) => timers[i] as Recorder };
}

const HOUR = 3_600_000;

describe("TimerWheel", () => {
  it("fires nothing before its exact time, and at that time", () => {
    const { wheel, t, ids } = setUp(1);
    wheel.arm(t(0), 10.3);
    expect(t(0).isArmed).toBe(true);
    expect(t(0).whenMs).toBe(10.3);
    expect(wheel.nextMs()).toBe(10.3);
    expect(wheel.advance(10.299999)).toBe(0);
    expect(wheel.advance(10.3)).toBe(1);
    expect(ids()).toEqual([0]);
    expect(t(0).firedAt).toBe(10.3);
    expect(t(0).isArmed).toBe(false);
    expect(t(0).whenMs).toBe(Infinity);
    expect(wheel.nextMs()).toBe(Infinity);
    expect(wheel.size).toBe(0);
  });

  it("settles the order within a tick by time, and equal times by arming", () => {
    const { wheel, t, ids } = setUp(5);
    [5.09, 5.01, 5.05, 5.01, 5.05].forEach((when, i) => {
      wheel.arm(t(i), when);
    });
    wheel.arm(t(1), 5.01); // armed again: last among its equals
    expect(wheel.nextMs()).toBe(5.01);
    expect(wheel.advance(5.05)).toBe(4);
    expect(ids()).toEqual([3, 1, 2, 4]);
    expect(wheel.nextMs()).toBe(5.09);
  });

  it("keeps the order of equal times on every level and beyond", () => {
    for (const when of [50, 5_000, 10 * HOUR, 100 * HOUR]) {
      const { wheel, t, ids } = setUp(4);
      wheel.arm(t(2), when);
      wheel.advance(when / 2);
      wheel.arm(t(0), when);
      wheel.advance(when - 1);
      wheel.arm(t(3), when);
      wheel.advance(when - 0.01);
      wheel.arm(t(1), when);
      expect(wheel.advance(when)).toBe(4);
      expect(ids()).toEqual([2, 0, 3, 1]);
    }
  });

  it("fires a time in the past at the next advance, even when time stands still or goes back", () => {
    const { wheel, t, ids } = setUp(3);
    wheel.advance(1_000);
    wheel.arm(t(0), 500);
    wheel.arm(t(1), -Infinity);
    wheel.arm(t(2), 800);
    expect(wheel.nextMs()).toBe(-Infinity);
    expect(wheel.advance(700)).toBe(2);
    expect(ids()).toEqual([1, 0]);
    expect(wheel.advance(1_000)).toBe(1);
  });

  it("cancels idempotently, and arming for Infinity cancels", () => {
    const { wheel, t } = setUp(2);
    wheel.cancel(t(0));
    wheel.arm(t(0), 5);
    wheel.arm(t(1), 7);
    wheel.cancel(t(0));
    wheel.cancel(t(0));
    expect(wheel.nextMs()).toBe(7);
    expect(wheel.size).toBe(1);
    wheel.arm(t(1), Infinity);
    expect(t(1).isArmed).toBe(false);
    expect(wheel.nextMs()).toBe(Infinity);
    expect(wheel.advance(1e9)).toBe(0);
  });

  it("refuses NaN, another wheel's timer, and an advance within a fire", () => {
    const { wheel, t } = setUp(1);
    expect(() => wheel.arm(t(0), Number.NaN)).toThrow(RangeError);
    wheel.arm(t(0), 1);
    const other = new TimerWheel();
    expect(() => other.arm(t(0), 2)).toThrow("another wheel");
    expect(() => other.cancel(t(0))).toThrow("another wheel");
    t(0).onFire = () => wheel.advance(2);
    expect(() => wheel.advance(1)).toThrow("reentrant");
    expect(wheel.advance(3)).toBe(0);
  });

  it("jumps over years, with timers on every level, in order", () => {
    const whens = [0.1, 90, 4_000, 2 * HOUR, 36 * HOUR, 38 * HOUR, 9_000 * HOUR, 1e15];
    const { wheel, t, ids } = setUp(whens.length, 1e9 + 0.3);
    whens.forEach((when, i) => {
      wheel.arm(t(i), 1e9 + when);
    });
    for (const when of whens.slice(0, 7)) {
      expect(wheel.nextMs()).toBe(1e9 + when);
      wheel.advance(wheel.nextMs());
    }
    expect(ids()).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(wheel.advance(2e15)).toBe(1);
  });

  it("fires what a fire arms for a time within the same jump, in order of time", () => {
    const { wheel, t, ids } = setUp(3);
    wheel.arm(t(0), 10);
    wheel.arm(t(2), 50);
    t(0).onFire = () => wheel.arm(t(1), 20);
    expect(wheel.advance(100)).toBe(3);
    expect(ids()).toEqual([0, 1, 2]);
  });

  it("ends an advance although a timer always arms itself anew, and starves no other", () => {
    const { wheel, t, log } = setUp(3);
    t(0).onFire = (nowMs) => wheel.arm(t(0), nowMs);
    t(2).onFire = () => wheel.arm(t(2), 1);
    wheel.arm(t(0), 10);
    wheel.arm(t(1), 100);
    wheel.arm(t(2), 1);
    expect(wheel.advance(100)).toBe(3 + 256);
    expect(log.filter((x) => x.id === 1).length).toBe(1);
    expect(wheel.size).toBe(2);
    expect(wheel.nextMs()).toBe(1);
    expect(wheel.advance(100)).toBeGreaterThanOrEqual(2);
    expect(wheel.nextMs()).toBe(1);
  });

  it("lets a fire cancel and move timers that are due with it", () => {
    const { wheel, t, ids } = setUp(4);
    for (let i = 0; i < 4; i++) wheel.arm(t(i), 10);
    t(0).onFire = () => {
      wheel.cancel(t(1));
      wheel.arm(t(2), 10_000);
      expect(wheel.nextMs()).toBe(10);
    };
    expect(wheel.advance(10)).toBe(2);
    expect(ids()).toEqual([0, 3]);
    expect(wheel.nextMs()).toBe(10_000);
  });

  it("loses no timer when a fire throws", () => {
    const { wheel, t, ids } = setUp(4);
    for (let i = 0; i < 3; i++) wheel.arm(t(i), 10 + i);
    wheel.arm(t(3), 50 * HOUR);
    t(0).onFire = () => {
      throw new Error("from fire");
    };
    expect(() => wheel.advance(60 * HOUR)).toThrow("from fire");
    expect(wheel.nextMs()).toBe(11);
    expect(wheel.size).toBe(3);
    expect(wheel.advance(60 * HOUR)).toBe(3);
    expect(ids()).toEqual([0, 1, 2, 3]);
  });

  it("knows the earliest of many in one slot, however they come, move and go", () => {
    for (const fromMs of [0.03, 200, 5 * 131_072, 40 * HOUR]) {
      const count = 500;
      const { wheel, timers, t } = setUp(count);
      const slotMs = fromMs < 1 ? 0.09 : 100;
      const timeOf = (n: number): number => fromMs + (((n * 7_919) % 1_009) / 1_009) * slotMs;
      const check = (): void =>
        expect(wheel.nextMs()).toBe(Math.min(...timers.map(({ whenMs }) => whenMs)));
      const earliest = (): Recorder =>
        timers.reduce((a, b) => (b.whenMs < a.whenMs ? b : a)) as Recorder;
      for (const timer of timers) wheel.arm(timer, timeOf(timer.id));
      check();
      for (let i = 0; i < 300; i++) {
        const timer = earliest();
        const wasMs = timer.whenMs;
        wheel.cancel(timer);
        // Stretches of cancellations alone, then moves, also back to where it was.
        if (i % 100 < 50) check();
        if (i % 100 >= 50 || i % 3 === 0) wheel.arm(t((i * 31) % count), timeOf(i * 17));
        if (i % 7 === 0) {
          wheel.arm(t((i * 13) % count), timeOf(i) - slotMs / 2_000);
          wheel.arm(timer, wasMs);
        }
        check();
      }
    }
  });

  it("grows past its first capacity", () => {
    const { wheel, timers, ids } = setUp(20_000);
    for (const timer of timers) wheel.arm(timer, 1 + (20_000 - timer.id) * 0.7);
    expect(wheel.size).toBe(20_000);
    expect(wheel.advance(20_000)).toBe(20_000);
    expect(ids()).toEqual(timers.map((x) => x.id).reverse());
  });
});

interface Armed {
  readonly id: number;
  readonly whenMs: number;
  readonly order: number;
}

/** What the wheel is meant to be: a sorted list. */
class Model {
  armed: Armed[] = [];
  #order = 0;
  arm(id: number, whenMs: number): void {
    this.cancel(id);
    this.armed.push({ id, whenMs, order: this.#order++ });
    this.armed.sort((a, b) => a.whenMs - b.whenMs || a.order - b.order);
  }
  cancel(id: number): void {
    this.armed = this.armed.filter((a) => a.id !== id);
  }
  advance(nowMs: number): number[] {
    const due = this.armed.filter((a) => a.whenMs <= nowMs);
    this.armed = this.armed.filter((a) => a.whenMs > nowMs);
    return due.map((a) => a.id);
  }
}

describe("TimerWheel against a sorted list", () => {
  // Few distinct values on several scales, so that equal times, ticks and slots are common.
  const span = fc.oneof(
    fc.integer({ min: -4, max: 8 }).map((n) => n / 32),
    fc.integer({ min: -10, max: 4_000 }).map((n) => n / 16),
    fc.integer({ min: 0, max: 3_000 }).map((n) => n * 100),
    fc.integer({ min: 0, max: 200 }).map((n) => n * HOUR),
    fc.double({ min: 0, max: 1e9, noNaN: true }),
  );
  const step = fc.oneof(
    { weight: 5, arbitrary: fc.tuple(fc.constant("arm" as const), fc.nat(15), span) },
    { weight: 2, arbitrary: fc.tuple(fc.constant("cancel" as const), fc.nat(15), fc.constant(0)) },
    { weight: 2, arbitrary: fc.tuple(fc.constant("advance" as const), fc.constant(0), span) },
    {
      weight: 2,
      arbitrary: fc.tuple(fc.constant("jump" as const), fc.constant(0), fc.constant(0)),
    },
  );

  it("fires the same timers in the same order, and knows the same next time", () => {
    const start = fc.constantFrom<number>(0, 0.07, 1.7e12, 12_345.678);
    fc.assert(
      fc.property(start, fc.array(step, { maxLength: 120 }), (startMs, steps) => {
        const { wheel, t, ids } = setUp(16, startMs);
        const model = new Model();
        let nowMs: number = startMs;
        for (const [what, id, ms] of steps) {
          if (what === "arm") {
            wheel.arm(t(id), nowMs + ms);
            model.arm(id, nowMs + ms);
          } else if (what === "cancel") {
            wheel.cancel(t(id));
            model.cancel(id);
          } else {
            const next = wheel.nextMs();
            nowMs =
              what === "jump" && next < Infinity ? Math.max(nowMs, next) : nowMs + Math.abs(ms);
            const due = model.advance(nowMs);
            expect(wheel.advance(nowMs)).toBe(due.length);
            expect(ids()).toEqual(due);
          }
          expect(wheel.nextMs()).toBe(model.armed[0]?.whenMs ?? Infinity);
          expect(wheel.size).toBe(model.armed.length);
        }
        expect(wheel.advance(1e300)).toBe(model.advance(1e300).length);
      }),
      { numRuns: 600 },
    );
  });

  it("agrees when each fire arms and cancels others", () => {
    const reaction = fc.record({ target: fc.nat(7), ms: span, cancels: fc.boolean() });
    fc.assert(
      fc.property(
        fc.array(span, { minLength: 8, maxLength: 8 }),
        fc.array(reaction, { minLength: 1, maxLength: 60 }),
        (whens, reactions) => {
          const { wheel, timers, t, ids } = setUp(8);
          const model = new Model();
          const left = reactions.slice();
          for (const timer of timers) {
            timer.onFire = (nowMs) => {
              model.cancel(timer.id);
              const r = left.pop();
              if (r === undefined) return;
              if (r.cancels) wheel.cancel(t(r.target));
              else wheel.arm(t(r.target), nowMs + r.ms);
              if (r.cancels) model.cancel(r.target);
              else model.arm(r.target, nowMs + r.ms);
            };
          }
          whens.forEach((when, i) => {
            wheel.arm(t(i), when);
            model.arm(i, when);
          });
          let nowMs = 0;
          while (model.armed.length > 0) {
            const expected = (model.armed[0] as Armed).whenMs;
            expect(wheel.nextMs()).toBe(expected);
            nowMs = Math.max(nowMs, expected);
            expect(wheel.advance(nowMs)).toBeGreaterThan(0);
            for (const a of model.armed) expect(a.whenMs).toBeGreaterThan(nowMs);
          }
          expect(wheel.size).toBe(0);
          expect(ids().length).toBeGreaterThanOrEqual(1);
        },
      ),
      { numRuns: 400 },
    );
  });
});
