// The folder of a bench goes with it, however it ends. R1: see test/support/program.ts.

import { existsSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { withFolder } from "../../bench/support/folder.ts";
import { Program } from "../support/program.ts";

const WAIT_INSIDE = `
  import { withFolder } from "./bench/support/folder.ts";
  withFolder(async (folder) => {
    console.log("in " + folder);
    await new Promise((resolve) => setTimeout(resolve, 60_000));
  });`;

describe("the folder of a bench", () => {
  it("is gone once it is done with, and after an error", async () => {
    const folder = await withFolder(async (made) => {
      writeFileSync(path.join(made, "x"), "");
      return made;
    });
    expect(existsSync(folder)).toBe(false);
    let at = "";
    const failing = withFolder(async (made) => {
      at = made;
      throw new Error("no");
    });
    await expect(failing).rejects.toThrow("no");
    expect(at).not.toBe("");
    expect(existsSync(at)).toBe(false);
  });

  it.each([
    ["SIGINT", 130],
    ["SIGTERM", 143],
    ["SIGHUP", 129],
  ] as const)("is gone after %s, which ends the bench with %i", async (signal, code) => {
    const args = ["--import", "tsx", "--input-type=module", "-e", WAIT_INSIDE];
    const program = Program.start(process.execPath, args);
    await program.printed(/^in .*\n/);
    const folder = program.output.slice("in ".length).trimEnd();
    expect(existsSync(folder)).toBe(true);
    program.signal(signal);
    expect(await program.exitCode()).toBe(code);
    expect(existsSync(folder)).toBe(false);
  });
});
