// Turns of the event loop for who spins: Node's own business goes on between them, and nothing of
// them is left once they are stopped or their thread has ended.

import { spawnSync } from "node:child_process";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { expect, it } from "vitest";
import { spinner } from "../../native-io/index.ts";
import { abortable, currentLoop, now, run, sleep } from "../../scheduler/index.ts";
import type { Poller } from "../../scheduler/internal.ts";
import { describeWithSockets } from "./socket-poller.ts";

const HERE = path.dirname(fileURLToPath(import.meta.url));
const ADDON =
  process.env["CARAWAY_NATIVE_IO"] ??
  path.join(HERE, "..", "..", "native-io", "build", "Release", "caraway_native_io.node");

/** A device without work. */
const IDLE: Poller = {
  name: "idle device",
  isReal: true,
  spinner,
  poll: () => 0,
  flush: () => {},
  armWake: () => true,
  disarmWake: () => {},
};

/** Runs `body` in a process of its own, in which `addon` is the addon. */
function inProcess(body: string, timeout: number): ReturnType<typeof spawnSync> {
  const program = `import { createRequire } from "node:module";
    const addon = createRequire("/")(${JSON.stringify(ADDON)});
    ${body}`;
  const args = ["--input-type=module", "-e", program];
  // Node leaves memory of its own behind when it exits within a turn; the sanitizer would tell.
  const env = { ...process.env, ASAN_OPTIONS: "detect_leaks=0" };
  return spawnSync(process.execPath, args, { encoding: "utf8", timeout, env });
}

describeWithSockets("the spinner", () => {
  it("lets timers, immediates, promises, process.nextTick and files go on", async () => {
    const seen: string[] = [];
    let turns = 0;
    const turn = (): void => {
      if (++turns !== 1) return;
      process.nextTick(() => seen.push(`nextTick ${turns}`));
      void Promise.resolve().then(() => seen.push(`promise ${turns}`));
    };
    expect(spinner.start(turn)).toBe(true);
    await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect((await readFile(fileURLToPath(import.meta.url))).length).toBeGreaterThan(1_000);
    spinner.stop(turn);
    const atEnd = turns;
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(seen).toEqual(["nextTick 1", "promise 1"]);
    expect(turns).toBe(atEnd);
    expect(turns).toBeGreaterThan(10);
  });

  it("gives turns to two who spin, each until it stops", async () => {
    let ones = 0;
    let others = 0;
    const other = (): void => {
      others++;
    };
    await new Promise<void>((resolve) => {
      const one = (): void => {
        if (++ones < 3) return;
        spinner.stop(one);
        resolve();
      };
      spinner.start(one);
      spinner.start(one);
      spinner.start(other);
    });
    const before = others;
    await new Promise((resolve) => setTimeout(resolve, 5));
    spinner.stop(other);
    spinner.stop(other);
    expect(ones).toBe(3);
    expect(others).toBeGreaterThan(before);
  });

  it("turns a loop that always polls, and Node's files and timers go on", async () => {
    const given: (() => void)[] = [];
    const poller: Poller = {
      ...IDLE,
      spinner: {
        start: (turn) => given.push(turn) > 0 && spinner.start(turn),
        stop: (turn) => spinner.stop(turn),
      },
    };
    const { length } = await run(
      function* () {
        currentLoop().addPoller(poller);
        yield* sleep(now() + 2);
        const text = yield* abortable(() => readFile(fileURLToPath(import.meta.url), "utf8"));
        yield* abortable(() => new Promise((resolve) => setTimeout(resolve, 2)));
        currentLoop().removePoller(poller);
        return text;
      },
      { busyPoll: "always" },
    );
    expect(length).toBeGreaterThan(1_000);
    expect(given.length).toBeGreaterThan(0);
  });

  it("turns two loops of one thread", async () => {
    const spin = (ms: number): Promise<number> =>
      run(
        function* () {
          currentLoop().addPoller(IDLE);
          yield* sleep(now() + ms);
          currentLoop().removePoller(IDLE);
          return ms;
        },
        { busyPoll: "always" },
      );
    expect(await Promise.all([spin(2), spin(8)])).toEqual([2, 8]);
  });

  it("makes an error thrown in a turn an uncaught one, and goes on", () => {
    const result = inProcess(
      `let turns = 0;
       process.on("uncaughtException", (error) => console.log("uncaught", error.message));
       addon.startSpinning(() => {
         if (++turns === 1) throw new Error("thrown in a turn");
         addon.stopSpinning();
         console.log("turn", turns);
       });`,
      5000,
    );
    expect(result).toMatchObject({ status: 0, stdout: "uncaught thrown in a turn\nturn 2\n" });
  });

  it("keeps a process alive until it is stopped and no longer", () => {
    const spins = `addon.startSpinning(() => {}); console.log("spinning");`;
    expect(inProcess(spins, 1000)).toMatchObject({ signal: "SIGTERM", stdout: "spinning\n" });
    const stops = `${spins} setTimeout(() => addon.stopSpinning(), 10);`;
    expect(inProcess(stops, 5000)).toMatchObject({ status: 0, stdout: "spinning\n" });
  });

  it("is not taken from who has it, as another copy of the module would do", () => {
    const result = inProcess(
      `const first = () => { console.log("first"); addon.stopSpinning(); };
       console.log(addon.startSpinning(first), addon.startSpinning(() => console.log("other")));`,
      5000,
    );
    expect(result).toMatchObject({ status: 0, stdout: "true false\nfirst\n" });
  });

  it("ends with a process that exits within a turn", () => {
    const result = inProcess(`addon.startSpinning(() => process.exit(7));`, 5000);
    expect(result).toMatchObject({ status: 7, stderr: "" });
  });

  it("survives the end of a worker thread that spins, is within a turn, or has stopped", async () => {
    const program = (body: string): string => `
      const { parentPort } = require("node:worker_threads");
      const addon = require(${JSON.stringify(ADDON)});
      let turns = 0;
      addon.startSpinning(() => {
        if (++turns === 100) { parentPort.postMessage("spins"); ${body} }
      });`;
    for (const body of ["", "for (;;);", "addon.stopSpinning(); setInterval(() => {}, 1000);"]) {
      const worker = new Worker(program(body), { eval: true, execArgv: [] });
      expect(await new Promise((resolve) => worker.once("message", resolve))).toBe("spins");
      expect(await worker.terminate()).toBe(1);
    }
    const quits = new Worker(program("process.exit(3);"), { eval: true, execArgv: [] });
    expect(await new Promise((resolve) => quits.once("exit", resolve))).toBe(3);
  });
});
