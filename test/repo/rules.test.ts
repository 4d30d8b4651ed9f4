// The checks of tools/ are run on the repository by `npm test`. Here they are shown small wrong
// programs, because a check that never fails proves nothing.

import { describe, expect, it } from "vitest";
import { checkImports, mayImport } from "../../tools/imports.ts";
import { type Finding, type Project, projectOfFiles } from "../../tools/project.ts";
import { checkFunctionSizes } from "../../tools/size.ts";
import { checkTime } from "../../tools/time.ts";
import { checkYieldStar } from "../../tools/yield-star.ts";

const OPERATIONS = `
  import type { Operation } from "effection";
  export abstract class Wait<T> { abstract take(): T; *[Symbol.iterator](): Generator<never, T> {
    return this.take(); } }
  export class Recv extends Wait<number> { take(): number { return 1; } }
  export declare function op(): Operation<void>;
  export function* generator(): Generator<never, void> {}
  export declare function each(visit: (n: number) => void): void;
  export declare function go(body: () => Operation<void>): Operation<void>;
`;

/** Lines of the findings in one file. */
function linesOf(findings: readonly Finding[], file: string): number[] {
  return findings.filter((each) => each.file === file).map((each) => each.line);
}

/** A project of in-memory files only, so that findings speak of nothing else. */
function only(files: Readonly<Record<string, string>>): Project {
  const project = projectOfFiles(files);
  const sources = project.sources.filter((file) =>
    Object.keys(files).some((name) => file.fileName.endsWith(`/${name}`)),
  );
  return { ...project, sources };
}

describe("imports", () => {
  it("keeps layers apart, and knows every way to import", () => {
    const project = only({
      "src/ip/zz-fixture.ts": [
        'import { a } from "../tcp/seq.ts";',
        'export * from "../mctx/context.ts";',
        'export type B = import("../socket/tcp.ts").B;',
        'export const c = import("node:fs");',
        'import type { D } from "../link/driver.ts";',
        'import { e } from "../wire/ipv4.ts";',
        'import { f } from "./address.ts";',
      ].join("\n"),
    });
    expect(linesOf(checkImports(project), "src/ip/zz-fixture.ts")).toEqual([1, 2, 3, 4, 5]);
  });

  it.each([
    ["src/wire/tcp.ts", "src/wire/checksum.ts", true],
    ["src/wire/tcp.ts", "node:fs", false],
    ["src/wire/tcp.ts", "src/ip/address.ts", false],
    ["src/tcp/tcb.ts", "src/udp/udp.ts", false],
    ["src/link/native-driver.ts", "native-io/index.ts", true],
    ["src/link/driver.ts", "native-io/index.ts", false],
    ["src/mctx/rx.ts", "src/tcp/tcb.ts", true],
    ["src/mctx/rx.ts", "scheduler/timer-wheel.ts", true],
    ["src/mctx/rx.ts", "scheduler/loop.ts", false],
    ["src/mctx/rx.ts", "src/socket/tcp.ts", false],
    ["src/mctx/rx.ts", "src/transport/stream.ts", true],
    ["src/mctx/rx.ts", "src/kernel/streams.ts", false],
    ["src/udp/table.ts", "src/wire/udp.ts", true],
    ["src/udp/table.ts", "src/transport/stream.ts", false],
    ["src/transport/stream.ts", "src/ip/address.ts", true],
    ["src/transport/stream.ts", "src/ip/routes.ts", false],
    ["src/transport/stream.ts", "src/mctx/flow.ts", false],
    ["src/transport/stream.ts", "scheduler/wait.ts", false],
    ["src/kernel/streams.ts", "src/transport/stream.ts", true],
    ["src/kernel/streams.ts", "src/tcp/byte-ring.ts", true],
    ["src/kernel/streams.ts", "src/kernel/native-sockets.ts", true],
    ["src/kernel/streams.ts", "src/tcp/tcb.ts", false],
    ["src/kernel/streams.ts", "scheduler/timer-wheel.ts", true],
    ["src/kernel/streams.ts", "scheduler/wait.ts", false],
    ["src/kernel/streams.ts", "native-io/sockets.ts", false],
    ["src/kernel/streams.ts", "node:dns", false],
    ["src/kernel/native-sockets.ts", "native-io/sockets.ts", true],
    ["src/kernel/native-sockets.ts", "scheduler/wait.ts", false],
    ["src/kernel/lookup.ts", "node:dns", true],
    ["src/kernel/lookup.ts", "scheduler/wait.ts", true],
    ["src/kernel/lookup.ts", "node:net", false],
    ["src/kernel/lookup.ts", "native-io/sockets.ts", false],
    ["src/socket/tcp.ts", "src/tcp/tcb.ts", false],
    ["src/socket/tcp.ts", "src/kernel/streams.ts", true],
    ["src/socket/tcp.ts", "src/transport/stream.ts", true],
    ["src/socket/tcp.ts", "native-io/sockets.ts", false],
    ["src/mtcp/index.ts", "src/socket/tcp.ts", true],
    ["src/mtcp/index.ts", "scheduler/index.ts", true],
    ["src/mtcp/index.ts", "src/mctx/flow.ts", false],
    ["src/mtcp/index.ts", "src/kernel/streams.ts", false],
    ["src/winsock/calls.ts", "src/socket/tcp.ts", true],
    ["src/winsock/calls.ts", "src/mtcp/index.ts", false],
    ["src/winsock/calls.ts", "npm:effection", false],
    ["src/index.ts", "src/socket/tcp.ts", true],
    ["scheduler/loop.ts", "src/index.ts", false],
    ["scheduler/loop.ts", "node:async_hooks", false],
    ["scheduler/clock-real.ts", "node:worker_threads", true],
    ["scheduler/loop.ts", "npm:effection", true],
    ["native-io/index.ts", "src/link/driver.ts", false],
    ["examples/echo.ts", "src/index.ts", true],
    ["examples/echo.ts", "src/mtcp/index.ts", true],
    ["examples/echo.ts", "src/mtcp/calls.ts", false],
    ["examples/echo.ts", "src/mctx/context.ts", false],
    ["bench/echo.ts", "src/winsock/index.ts", true],
    ["bench/stack-rounds.ts", "src/wire/tcp.ts", true],
    ["bench/veth.ts", "src/wire/tcp.ts", false],
    ["unknown/place.ts", "src/index.ts", false],
  ])("%s importing %s: %s", (from, target, allowed) => {
    expect(mayImport(from, target, false)).toBe(allowed);
  });

  it.each(["src/socket/tcp.ts", "src/mtcp/index.ts", "src/winsock/index.ts"])(
    "lets %s import types of any layer, but not their code",
    (from) => {
      expect(mayImport(from, "src/tcp/tcb.ts", true)).toBe(true);
      expect(mayImport(from, "src/tcp/tcb.ts", false)).toBe(false);
    },
  );

  it("gives the kernel's sockets not even types of other rooms", () => {
    expect(mayImport("src/kernel/streams.ts", "src/mctx/flow.ts", true)).toBe(false);
    expect(mayImport("src/transport/stream.ts", "src/socket/tcp.ts", true)).toBe(false);
  });
});

describe("R1: time is an argument", () => {
  const wrong = [
    "export const a = Date.now();",
    "export const b = new Date();",
    "setTimeout(() => {}, 1);",
    "export const c = performance.now();",
    "export const d = Math.random();",
    "export const e = process.hrtime.bigint();",
    "export const f = globalThis.setImmediate;",
    'import "node:timers/promises";',
    'import { sleep } from "effection"; // R1: no excuse in the library',
  ].join("\n");
  const right = [
    "export const performance = { now: () => 0 };",
    "export const a = performance.now();",
    "export type T = Date;",
    "export const b = { setTimeout: 1 };",
    "export const c = b.setTimeout;",
    "export function f(Date: () => number): number { return Date(); }",
  ].join("\n");

  it("finds every real clock and every unseeded choice", () => {
    const project = only({ "scheduler/zz-fixture.ts": wrong, "src/tcp/zz-fixture.ts": wrong });
    const expected = [1, 2, 3, 4, 5, 6, 7, 8, 9];
    expect(linesOf(checkTime(project), "scheduler/zz-fixture.ts")).toEqual(expected);
    expect(linesOf(checkTime(project), "src/tcp/zz-fixture.ts")).toEqual(expected);
  });

  it("leaves namesakes, types, clock files, benches and explained tests alone", () => {
    const project = only({
      "src/tcp/zz-fixture.ts": right,
      "scheduler/clock-zz.ts": wrong,
      "bench/zz-fixture.ts": wrong,
      "test/interop/zz-fixture.test.ts": wrong,
      "test/scheduler/zz-file.test.ts": `// R1: measures the real clock.\n${wrong}`,
      "test/scheduler/zz-line.test.ts": "// R1: starves the loop.\nsetTimeout(() => {}, 1);",
    });
    expect(checkTime(project)).toEqual([]);
  });

  it("wants tests to explain themselves", () => {
    const project = only({ "test/scheduler/zz-line.test.ts": "setTimeout(() => {}, 1);" });
    expect(linesOf(checkTime(project), "test/scheduler/zz-line.test.ts")).toEqual([1]);
  });
});

describe("yield*", () => {
  it("finds operations that nobody runs", () => {
    const project = only({
      "src/zz-operations.ts": OPERATIONS,
      "src/zz-fixture.ts": [
        'import { each, generator, go, op, Recv } from "./zz-operations.ts";',
        "export function* f(flag: boolean): Generator<never, void> {",
        "  op();",
        "  generator();",
        "  new Recv();",
        "  flag && op();",
        "  flag ? op() : undefined;",
        "  void op();",
        "  each((n) => op());",
        "  each(function* () {});",
        "  go(() => op());",
        "}",
      ].join("\n"),
      "test/zz-fixture.test.ts": [
        'import { it } from "vitest";',
        'it("runs nothing", function* () {});',
      ].join("\n"),
    });
    const findings = checkYieldStar(project);
    expect(linesOf(findings, "src/zz-fixture.ts")).toEqual([3, 4, 5, 6, 7, 8, 9, 10, 11]);
    expect(linesOf(findings, "test/zz-fixture.test.ts")).toEqual([2]);
  });

  it("accepts operations that are run, kept or handed on", () => {
    const project = only({
      "src/zz-operations.ts": OPERATIONS,
      "src/zz-fixture.ts": [
        'import { type Operation, run } from "effection";',
        'import { each, go, op, Recv } from "./zz-operations.ts";',
        "run(() => op());",
        "export function* f(): Operation<void> {",
        "  yield* op();",
        "  yield* go(() => op());",
        "  const kept = [new Recv()];",
        "  let count = 0;",
        "  each((n) => (count += n + kept.length));",
        "  each(() => { [1].map((n) => n + 1); });",
        "  return yield* op();",
        "}",
      ].join("\n"),
    });
    expect(checkYieldStar(project)).toEqual([]);
  });
});

describe("sizes", () => {
  const long = `${"  void 0;\n".repeat(70)}`;

  it("finds a function of more than 70 lines, but lets describe be long", () => {
    const project = only({
      "src/zz-fixture.ts": `export function f(): void {\n${long}}\n`,
      "test/zz-fixture.test.ts": [
        'import { describe, it } from "vitest";',
        `describe("a", () => {\n${long}it("b", () => {\n${long}});\n});`,
      ].join("\n"),
    });
    const findings = checkFunctionSizes(project);
    expect(linesOf(findings, "src/zz-fixture.ts")).toEqual([1]);
    expect(linesOf(findings, "test/zz-fixture.test.ts")).toEqual([73]);
  });
});
