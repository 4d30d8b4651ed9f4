// memif-peer.c as a program: built once per test file, told what to do by its arguments.

import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from "node:child_process";
import path from "node:path";
import { afterEach, beforeAll } from "vitest";
import type { NativeDriver } from "../../../src/link/native-driver.ts";
import { TestFolder } from "../../support/folder.ts";
import { untilLater } from "./memif-pair.ts";

const SOURCE = path.join(import.meta.dirname, "memif-peer.c");
// The sanitizers are for the addon: a compiler under LeakSanitizer fails.
const { LD_PRELOAD: _preload, ...ENVIRONMENT } = process.env;

/** 2.0, as messages have it. */
export const VERSION = 512;
/** In front of each ring. */
export const COOKIE = 0x3e31f20;
/** The rings that {@link asClient} makes: 16 descriptors each, one behind the other. */
export const LOG2 = 4;
export const TO_SERVER = 0;
export const TO_CLIENT: number = 128 + 16 * 16;
export const REGION_BYTES = 65_536;

/** A script for a client's handshake; other words for some of its steps. */
export function asClient(
  socket: string,
  step: { init?: string; region?: string; ring?: string; connect?: string } = {},
): string {
  const init = step.init ?? `init ${VERSION} 0 0`;
  const region = step.region ?? `region 0 ${REGION_BYTES} ${REGION_BYTES} sealed`;
  const ring = step.ring ?? `ring 1 0 0 ${TO_SERVER} ${LOG2} event`;
  const cookies = `u32 ${TO_SERVER} ${COOKIE} u32 ${TO_CLIENT} ${COOKIE}`;
  const connect = step.connect ?? "send 6";
  return (
    `connect ${socket} until 2 ${init} until 1 ${region} until 1 ${ring} until 1 ` +
    `ring 0 0 0 ${TO_CLIENT} ${LOG2} event until 1 ${cookies} ${connect} until 7`
  );
}

/** A script for a server's handshake; other words for its HELLO. */
export function asServer(socket: string, hello = `hello ${VERSION} ${VERSION} ${LOG2}`): string {
  const acks = "until 3 send 1 until 4 send 1 until 5 send 1 until 5 send 1";
  return `listen ${socket} ${hello} ${acks} until 6 send 7`;
}

/** A running peer. */
export class MemifPeer {
  readonly child: ChildProcessWithoutNullStreams;
  output = "";
  isEnded = false;

  constructor(binary: string, script: string) {
    this.child = spawn(binary, script.split(" "), { env: ENVIRONMENT });
    this.child.stdout.on("data", (text) => {
      this.output += text;
    });
    this.child.on("close", () => {
      this.isEnded = true;
    });
  }

  get lastLine(): string {
    return this.output.trimEnd().split("\n").at(-1) ?? "";
  }

  /** Polls the driver until the peer has printed this. */
  prints(text: string, driver: NativeDriver): Promise<void> {
    return untilLater(() => this.output.includes(text), driver);
  }

  /** Polls the driver until the peer has ended. @returns its last line */
  async ends(driver: NativeDriver): Promise<string> {
    await untilLater(() => this.isEnded, driver);
    return this.lastLine;
  }

  /** Answers a `line` of its script. */
  goOn(): void {
    this.child.stdin.write("\n");
  }
}

/** Builds the program for the tests of a file. @returns what starts one */
export function memifPeersForTests(): (script: string) => MemifPeer {
  const folder = new TestFolder();
  const peers: MemifPeer[] = [];
  beforeAll(() => {
    const args = ["-O1", "-Wall", "-Wextra", "-Werror", "-o", folder.file("memif-peer"), SOURCE];
    const { status, stderr } = spawnSync("cc", args, { encoding: "utf8", env: ENVIRONMENT });
    if (status !== 0) throw new Error(`cc: ${stderr}`);
  });
  afterEach(() => {
    for (const peer of peers.splice(0)) peer.child.kill("SIGKILL");
  });
  return (script) => {
    const peer = new MemifPeer(folder.file("memif-peer"), script);
    peers.push(peer);
    return peer;
  };
}
