// R1: turns of Node's event loop are what these tests are about.

import { describe, expect, it } from "vitest";
import { currentLoop, go, now, run, sleep, yieldNow } from "../../scheduler/index.ts";
import type { Poller, Spinner } from "../../scheduler/internal.ts";
import { rejectionOf, virtual } from "./support.ts";

/** A spinner over `setImmediate` that counts. */
class TestSpinner implements Spinner {
  starts = 0;
  stops = 0;
  turns = 0;
  isRefusing = false;
  #turn: (() => void) | null = null;

  start(turn: () => void): boolean {
    this.starts++;
    if (this.isRefusing) return false;
    this.#turn = turn;
    const again = (): void => {
      if (this.#turn === null) return;
      setImmediate(again);
      this.turns++;
      this.#turn();
    };
    setImmediate(again);
    return true;
  }
  stop(): void {
    this.stops++;
    this.#turn = null;
  }
}

function deviceWith(spinner: Spinner): Poller {
  return {
    name: "test device",
    isReal: false,
    spinner,
    poll: () => 0,
    flush: () => {},
    armWake: () => true,
    disarmWake: () => {},
  };
}

describe("the spinner of a device", () => {
  it("gives the turns while the loop spins, and is stopped when the run ends", async () => {
    const spinner = new TestSpinner();
    await run(
      function* () {
        currentLoop().addPoller(deviceWith(spinner));
        while (spinner.turns < 3) yield* sleep(now() + 1);
      },
      { busyPoll: "always" },
    );
    expect(spinner).toMatchObject({ starts: 1, stops: 1 });
  });

  it("is stopped while the loop sleeps", async () => {
    const spinner = new TestSpinner();
    await run(
      function* () {
        currentLoop().addPoller(deviceWith(spinner));
        for (let i = 0; i < 3; i++) yield* sleep(now() + 20);
        expect(currentLoop().statistics().sleeps).toBeGreaterThan(0);
      },
      { busyPoll: "adaptive", spinUs: 500 },
    );
    expect(spinner.starts).toBeGreaterThan(1);
    expect(spinner.stops).toBe(spinner.starts);
  });

  it("outlives its device: the loop goes on turning while it has work", async () => {
    const spinner = new TestSpinner();
    await run(
      function* () {
        const device = deviceWith(spinner);
        currentLoop().addPoller(device);
        yield* sleep(now() + 2);
        currentLoop().removePoller(device);
        const end = now() + 2;
        yield* go(function* () {
          while (now() < end) yield* yieldNow();
        });
      },
      { busyPoll: "always" },
    );
    expect(spinner.starts).toBeGreaterThan(0);
    expect(spinner.stops).toBe(spinner.starts);
  });

  it("that refuses is asked once; the clock gives the turns", async () => {
    const spinner = new TestSpinner();
    spinner.isRefusing = true;
    await run(
      function* () {
        currentLoop().addPoller(deviceWith(spinner));
        yield* sleep(now() + 3);
      },
      { busyPoll: "always" },
    );
    expect(spinner).toMatchObject({ starts: 1, stops: 0, turns: 0 });
  });

  it("is stopped when the run fails", async () => {
    const spinner = new TestSpinner();
    const device = deviceWith(spinner);
    const running = run(
      function* () {
        currentLoop().addPoller(device);
        yield* sleep(now() + 1);
        device.poll = () => {
          throw new Error("device broke");
        };
        yield* sleep(-1);
      },
      { busyPoll: "always" },
    );
    expect(await rejectionOf(running)).toBe("device broke");
    expect(spinner.starts).toBeGreaterThan(0);
    expect(spinner.stops).toBe(spinner.starts);
  });

  it("is left alone on the virtual clock", async () => {
    const spinner = new TestSpinner();
    await virtual(function* () {
      const device = deviceWith(spinner);
      currentLoop().addPoller(device);
      for (let i = 0; i < 5_000; i++) yield* yieldNow();
      currentLoop().removePoller(device);
    });
    expect(spinner.starts).toBe(0);
  });
});
