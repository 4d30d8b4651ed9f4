// How those that are compared take turns: with servers and loads that are shell commands.

import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { type Comparison, figuresOf, type Server } from "../../bench/support/comparison.ts";
import { type Load, RATE } from "../../bench/support/load.ts";
import { allowedProcessors } from "../../bench/support/machine.ts";
import { PACES } from "../../bench/support/pace.ts";
import { takeTurns } from "../../bench/support/turns.ts";
import { TestFolder } from "../support/folder.ts";

const RESULT = {
  bytesPerSecond: 64_000,
  p50Us: 1,
  p99Us: 2,
  p999Us: 3,
  requests: 10,
  total: 12,
  failed: 0,
  openSeconds: 0,
  loadSeconds: 0,
};
const SLOW: Load = { name: "one", mode: "echo", connections: 1, bytes: 64 };
const FAST: Load = { name: "many", mode: "echo", connections: 1_000, active: 10, bytes: 64 };

const SERVING = ["sh", "-c", "echo ready; exec cat >/dev/null"];

/** A load that reports this rate. */
function load(perSecond: number): string[] {
  return ["sh", "-c", `echo '${JSON.stringify({ ...RESULT, perSecond })}'`];
}

function server(name: string, more: Partial<Server> = {}): Server {
  return { name, host: "-", command: SERVING, client: load(100), ...more };
}

const hasTaskset = spawnSync("taskset", ["--version"]).status === 0;

describe.skipIf(!hasTaskset)("a comparison", () => {
  const folder = new TestFolder();

  async function compare(servers: readonly Server[], only: readonly string[] = []) {
    const comparison: Comparison = {
      name: "test",
      servers: () => servers,
      loads: [SLOW, FAST],
      metrics: () => [RATE],
      goals: [
        { load: "one", metric: RATE, ours: "ours", theirs: "peer", is: "at least", limit: 2 },
      ],
    };
    const [processor = 0] = allowedProcessors();
    const outcome = await takeTurns(comparison, {
      suite: "test",
      pace: { ...PACES.tiny, turns: 2, only },
      programs: {},
      peers: {},
      folder: folder.path,
      serverProcessor: processor,
      loadProcessor: processor,
      there: [],
    });
    return { ...outcome, figures: figuresOf(comparison, outcome.samples, only) };
  }

  it("goes through the servers, then backwards, every load on each", async () => {
    const { samples, notes, figures } = await compare([
      server("ours", { isOurs: true, client: load(300) }),
      server("peer", { loads: ["one"] }),
    ]);
    expect(notes).toEqual([]);
    expect(samples.map((each) => [each.turn, each.server, each.load])).toEqual([
      [0, "ours", "one"],
      [0, "ours", "many"],
      [0, "peer", "one"],
      [1, "peer", "one"],
      [1, "ours", "one"],
      [1, "ours", "many"],
    ]);
    expect(figures[0]?.series).toEqual([
      { name: "ours", isOurs: true, samples: [300, 300] },
      { name: "peer", isOurs: false, samples: [100, 100] },
    ]);
    expect(figures[0]?.goals).toEqual([{ ours: "ours", theirs: "peer", is: "at least", limit: 2 }]);
    expect(figures[1]?.series.map((each) => each.name)).toEqual(["ours"]);
    expect(figures[1]?.goals).toEqual([]);
  });

  it("is confined to whom --only names, with goals among them alone", async () => {
    const servers = [server("ours", { isOurs: true }), server("peer"), server("peer, spinning")];
    const compared = async (only: readonly string[]) => {
      const { samples, figures } = await compare(servers, only);
      const names = [...new Set(samples.map((each) => each.server))];
      return { names, goals: figures[0]?.goals.length };
    };
    expect(await compared(["OUR"])).toEqual({ names: ["ours"], goals: 0 });
    expect(await compared(["pe"])).toEqual({ names: ["peer", "peer, spinning"], goals: 0 });
    expect(await compared(["ours", "peer"])).toEqual({ names: ["ours", "peer"], goals: 1 });
  });

  it("leaves out who does not start, with the reason, and goes on", async () => {
    const failing = ["sh", "-c", "echo 'at f (g)\nError: no such NIC\nbye' >&2; exit 1"];
    const { samples, notes } = await compare([
      server("broken", { command: failing }),
      server("unprepared", { prepare: "echo no ethtool >&2; false", restore: "false" }),
      server("peer"),
    ]);
    expect(notes).toEqual([
      "left out: broken: Error: no such NIC",
      expect.stringMatching(/^left out: unprepared: .*no ethtool/s),
    ]);
    expect(new Set(samples.map((each) => each.server))).toEqual(new Set(["peer"]));
  });

  it("keeps the other loads of a server when one fails", async () => {
    const script = `case "$*" in *" 1000 "*) echo "load: too many" >&2; exit 1;; esac`;
    const client = ["sh", "-c", `${script}; ${load(5)[2]}`, "load"];
    const { samples, notes } = await compare([
      server("peer", { client: client.map((each) => each.replace("1000", "256")) }),
    ]);
    expect(notes).toEqual(["peer: many: load: too many"]);
    expect(samples.map((each) => [each.turn, each.load, each.perSecond])).toEqual([
      [0, "one", 5],
      [1, "one", 5],
    ]);
  });

  it("prepares before and restores after each visit", async () => {
    const file = folder.file("prepared");
    const { samples } = await compare([
      server("peer", {
        prepare: `test ! -e ${file}; touch ${file}`,
        restore: `rm ${file}`,
        command: ["sh", "-c", `test -e ${file} && echo ready; exec cat >/dev/null`],
      }),
    ]);
    expect(samples).toHaveLength(4);
    expect(existsSync(file)).toBe(false);
  });
});
