// SPDX-License-Identifier: MIT
// peer.c as a program: built once per test file, started with a mode and a path.

import { spawn, spawnSync } from "node:child_process";
import path from "node:path";
import { beforeAll, it } from "vitest";
import type { Operation } from "../../../src/index.ts";
import { TestFolder } from "../../support/folder.ts";
import { Program } from "../../support/program.ts";
import { type Scene, scene } from "./scene.ts";

const SOURCE = path.join(import.meta.dirname, "peer.c");

/** Starts programs that speak with local sockets. */
export class Peers {
  readonly #folder = new TestFolder();
  readonly #started: Program[] = [];

  /** Builds peer.c. */
  build(): void {
    const args = ["-O1", "-Wall", "-Wextra", "-Werror", "-o", this.#binary, SOURCE];
    const { status, stderr } = spawnSync("cc", args, { encoding: "utf8" });
    if (status !== 0) throw new Error(`cc: ${stderr}`);
  }

  /** Starts a mode of peer.c. */
  start(mode: string, at: string): Program {
    return this.run(this.#binary, mode, at);
  }

  /** Starts another program; what it reads from its standard input ends with `tell`. */
  run(command: string, ...args: readonly string[]): Program {
    const child = spawn(command, args, { detached: true, stdio: ["pipe", "pipe", "pipe"] });
    const program = new Program(child);
    this.#started.push(program);
    return program;
  }

  /** Ends the standard input of a program: it is told to go on. */
  tell(program: Program): void {
    program.child.stdin?.end();
  }

  /** Runs a test; what it has started ends with it. */
  scene(body: (it: Scene) => Operation<unknown>): Promise<void> {
    return scene(body, () => this.#stop());
  }

  async #stop(): Promise<void> {
    for (const program of this.#started.splice(0)) {
      program.signal("SIGKILL");
      await program.exitCode();
    }
  }

  get #binary(): string {
    return this.#folder.file("peer");
  }
}

/** Programs for the tests of one `describe`. */
export function peersForTests(): Peers {
  const peers = new Peers();
  beforeAll(() => peers.build());
  return peers;
}

/** `it` where a command of the shell succeeds; in CI it has to. */
export function itWith(probe: string, name: string, body: () => Promise<void>): void {
  const isThere = spawnSync("sh", ["-c", probe], { stdio: "ignore" }).status === 0;
  if (isThere || process.env["CARAWAY_REQUIRE_NIC"] === "1") it(name, body);
  else it(name, (context) => context.skip(`skip: not here: ${probe}`));
}
