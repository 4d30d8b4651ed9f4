// Every suite runs, with settings so small that the figures say nothing: so that none rots.

import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { ALIASES, SUITES } from "../../bench/suites.ts";
import type { Results } from "../../bench/support/results.ts";
import { ROOT } from "../../tools/project.ts";
import { TestFolder } from "../support/folder.ts";

/** Suites that find nothing to do on a machine that lends no network namespaces. */
const NEED_NAMESPACES = ["echo", "kernel", "connect", "bulk", "memif", "scale"];

interface Outcome {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

function node(...args: readonly string[]): Outcome {
  const env: NodeJS.ProcessEnv = { ...process.env, PATH: `${process.env["PATH"]}:/usr/sbin:/sbin` };
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8", env });
  return { code: status, out: stdout, err: stderr };
}

/** What `npm run bench` runs once it has compiled. */
function bench(...args: readonly string[]): Outcome {
  return node("--expose-gc", path.join(ROOT, "bench", "dist", "bench", "cli.js"), ...args);
}

/** Why no comparison can run here, or null. */
function whyNoNamespaces(): string | null {
  if (process.env["CARAWAY_REQUIRE_NIC"] === "1") return null;
  const tried = spawnSync("unshare", [process.getuid?.() === 0 ? "-n" : "-Urn", "true"]);
  return tried.status === 0 ? null : "no network namespaces here";
}

/** Servers of four runtimes start one after the other: on a busy machine that takes its time. */
const SUITE_MS = 180_000;

describe("npm run bench", () => {
  const folder = new TestFolder();
  const noNamespaces = whyNoNamespaces();
  let help: Outcome = { code: null, out: "", err: "" };
  beforeAll(() => {
    // This compiles everything.
    help = node(path.join(ROOT, "bench", "run.mjs"), "--help");
    const addon = path.join(ROOT, "native-io", "build", "Release", "caraway_native_io.node");
    if (existsSync(addon)) process.env["CARAWAY_NATIVE_IO"] ??= addon;
  }, 120_000);

  for (const name of Object.keys(SUITES)) {
    const needsMore = noNamespaces !== null && NEED_NAMESPACES.includes(name);
    it.skipIf(needsMore)(
      `runs the suite ${name} and keeps every run of every figure`,
      () => {
        const file = folder.file(`${name}.json`);
        const { code, out, err } = bench(name, "--tiny", "--json", file);
        expect(code, err).toBe(0);
        const { version, suites } = JSON.parse(readFileSync(file, "utf8")) as Results;
        expect(version).toBe(1);
        expect(suites.map((each) => each.suite)).toEqual([name]);
        const figures = suites[0]?.figures ?? [];
        expect(figures.length).toBeGreaterThan(0);
        for (const figure of figures) {
          expect(out).toContain(figure.name);
          expect(figure.series.length, figure.name).toBeGreaterThan(0);
        }
      },
      SUITE_MS,
    );
  }

  it("lists the suites with --help", () => {
    expect(help.code, help.err).toBe(0);
    for (const name of Object.keys(SUITES)) expect(help.out).toContain(`  ${name} `);
  });

  it("knows by every old name a suite that is there", () => {
    for (const name of Object.values(ALIASES)) expect(Object.keys(SUITES)).toContain(name);
  });

  it.each([
    ["echo", 'echo: nobody here is called "nosuch": there are af_xdp; tap; '],
    ["memory", "memory: --only is for suites that compare servers"],
  ])("refuses to confine %s to somebody who is not there", (suite, message) => {
    const { code, err } = bench(suite, "--tiny", "--only", "nosuch");
    expect(code).toBe(1);
    expect(err).toContain(message);
  });

  it.each([
    [["nosuch"], 'bench: no suite "nosuch": there are scheduler, '],
    [["--nosuch"], "bench: Unknown option '--nosuch'"],
    [["--only", "tap,,bun"], "bench: --only wants names: NAME[,NAME]"],
    [["--json"], "bench: Option '--json <value>' argument missing"],
    [["wire", "--out", "x"], "bench: --out is for report"],
    [["report", "--quick"], "bench: report measures nothing: it takes files and --out"],
    [["report", "/no/such.json"], "bench: /no/such.json: no such file; "],
  ])("refuses %j with a sentence that says why", (args, message) => {
    const { code, err } = bench(...args);
    expect(code).toBe(2);
    expect(err).toContain(message);
    expect(err).not.toContain("    at ");
  });
});
