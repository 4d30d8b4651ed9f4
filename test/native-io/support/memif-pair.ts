// Memif drivers for tests: in a folder of their own, closed after each test.
// R1: the peers are real, and so is the time that their handshake takes.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, afterEach, beforeAll } from "vitest";
import {
  type MemifOptions,
  type NativeDriver,
  openNativeDriver,
} from "../../../src/link/native-driver.ts";
import { commitFrame, ethernetFrame, pollFrames } from "../../support/driver-io.ts";

const LIMIT_MS = 20_000;

/** What a test may choose. */
export type Extra = Partial<Omit<MemifOptions, "driver" | "role" | "socket">>;

/** Polls all of them until it is so. */
export function until(isSo: () => boolean, ...drivers: NativeDriver[]): void {
  for (const end = Date.now() + LIMIT_MS; !isSo(); ) {
    for (const driver of drivers) driver.poll(0);
    if (Date.now() > end) throw new Error(`never: ${isSo}; ${drivers.map((d) => d.linkText())}`);
  }
}

/** The same, with turns of the event loop in between. */
export async function untilLater(isSo: () => boolean, ...drivers: NativeDriver[]): Promise<void> {
  for (const end = Date.now() + LIMIT_MS; !isSo(); ) {
    for (const driver of drivers) driver.poll(0);
    await new Promise((resolve) => setTimeout(resolve, 1));
    if (Date.now() > end) throw new Error(`never: ${isSo}; ${drivers.map((d) => d.linkText())}`);
  }
}

/** A frame of so many bytes, told from others by its number. */
export function numbered(bytes: number, seed: number): Uint8Array {
  const payload = Uint8Array.from({ length: bytes - 14 }, (_, i) => (i * 7 + seed) & 255);
  const station = Uint8Array.of(2, 0, 0, 0, 0, 1);
  return ethernetFrame(station, station, payload);
}

/** Sends frames one way, polling both ends. What came. */
export function pass(
  from: NativeDriver,
  to: NativeDriver,
  frames: readonly Uint8Array[],
): Uint8Array[] {
  const got: Uint8Array[] = [];
  let sent = 0;
  for (const end = Date.now() + LIMIT_MS; got.length < frames.length && Date.now() < end; ) {
    while (sent < frames.length && commitFrame(from, frames[sent] as Uint8Array)) sent++;
    from.poll(0);
    got.push(...pollFrames(to).map((each) => each.bytes));
  }
  return got;
}

/** Opens drivers for the tests of a file. */
export class MemifBench {
  folder = "";
  #number = 0;
  readonly #opened: NativeDriver[] = [];

  constructor() {
    beforeAll(() => {
      this.folder = mkdtempSync(path.join(tmpdir(), "memif-"));
    });
    afterEach(() => {
      for (const driver of this.#opened.splice(0)) driver.close();
    });
    afterAll(() => rmSync(this.folder, { recursive: true }));
  }

  freshSocket(): string {
    return path.join(this.folder, `${++this.#number}.sock`);
  }

  open(role: "server" | "client", socket: string, extra: Extra = {}): NativeDriver {
    const driver = openNativeDriver({ driver: "memif", socket, role, ...extra });
    this.#opened.push(driver);
    return driver;
  }

  /** A server and a client that are connected. */
  openPair(server: Extra = {}, client: Extra = server): [NativeDriver, NativeDriver] {
    const socket = this.freshSocket();
    const one = this.open("server", socket, server);
    const other = this.open("client", socket, client);
    until(() => one.isConnected && other.isConnected, one, other);
    return [one, other];
  }
}
