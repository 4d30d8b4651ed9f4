// SPDX-License-Identifier: MIT
// raw-peer.c as a program: built once per test file, told what to do by lines.

import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { createInterface } from "node:readline";
import { until } from "effection";
import { beforeAll } from "vitest";
import type { Operation } from "../../../src/index.ts";
import { TestFolder } from "../../support/folder.ts";

const SOURCE = path.join(import.meta.dirname, "raw-peer.c");

/** What a peer has read. */
export interface ReadReport {
  readonly bytes: number;
  /** FNV-1a of them. */
  readonly hash: string;
  /** `"end"`, the error, or `""`: there may be more. */
  readonly end: string;
}

/** A running peer. */
export class RawPeer {
  readonly port: number;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;

  private constructor(
    port: number,
    child: ChildProcessWithoutNullStreams,
    lines: AsyncIterator<string>,
  ) {
    this.port = port;
    this.#child = child;
    this.#lines = lines;
  }

  static async start(binary: string): Promise<RawPeer> {
    const child = spawn(binary, { stdio: ["pipe", "pipe", "inherit"] }) as never;
    const peer = child as ChildProcessWithoutNullStreams;
    const lines = createInterface({ input: peer.stdout })[Symbol.asyncIterator]();
    const { value } = await lines.next();
    return new RawPeer(Number(/^port (\d+)$/.exec(String(value))?.[1]), peer, lines);
  }

  /** Tells it to do something. @returns a promise of its answer */
  async ask(line: string): Promise<string> {
    this.#child.stdin.write(`${line}\n`);
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error(`the peer ended instead of answering "${line}"`);
    return value;
  }

  /** The same, for a coroutine. */
  tell(line: string): Operation<string> {
    return until(this.ask(line));
  }

  /** Reads `count` bytes, 0: to the end. */
  *read(count = 0, pauseMs = 0): Operation<ReadReport> {
    return reportOf(yield* this.tell(`read ${count} ${pauseMs}`));
  }

  /** SIGKILL. @returns a promise of its end */
  async kill(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill("SIGKILL");
    await once(this.#child, "exit");
  }
}

/** @returns what an answer to `read` says */
export function reportOf(answer: string): ReadReport {
  const [, bytes, hash = "", end = ""] = /^read (\d+) ([0-9a-f]{8})(?: (\w+))?$/.exec(answer) ?? [];
  if (bytes === undefined) throw new Error(`no report: ${answer}`);
  return { bytes: Number(bytes), hash, end };
}

/** The hash that a peer tells of these bytes. */
export function hashOf(bytes: Uint8Array): string {
  let hash = 2_166_136_261;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 16_777_619);
  return (hash >>> 0).toString(16).padStart(8, "0");
}

/** Builds the program for the tests of a file. @returns what starts one */
export function rawPeersForTests(): () => Promise<RawPeer> {
  const folder = new TestFolder();
  beforeAll(() => {
    const args = ["-O1", "-Wall", "-Wextra", "-Werror", "-o", folder.file("raw-peer"), SOURCE];
    const { status, stderr } = spawnSync("cc", args, { encoding: "utf8" });
    if (status !== 0) throw new Error(`cc: ${stderr}`);
  });
  return () => RawPeer.start(folder.file("raw-peer"));
}
