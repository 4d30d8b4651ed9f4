// SPDX-License-Identifier: MIT
// What the tests of local sockets share: a folder for their files, and the check that nothing is
// left, neither in the kernel context nor among the descriptors of this process.

import { mkdtempSync, readdirSync, readlinkSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect } from "vitest";
import {
  abortable,
  currentLoop,
  go,
  type IpcConnection,
  type IpcListener,
  ipc,
  now,
  type Operation,
  run,
  sleep,
} from "../../../src/index.ts";
import { defaultKernelContext, type KernelContext } from "../../../src/socket/kernel-context.ts";
import { soon } from "../../socket/support/helpers.ts";

/** What a test has. */
export interface Scene {
  /** Of its own; gone after the test. */
  readonly folder: string;
  /** A path in it where nobody listens yet. */
  readonly path: string;
  /** The context that local sockets are in. */
  readonly kernel: KernelContext;
}

/** Both ends of a connection, and the listener it came through. */
export interface Ends {
  readonly listener: IpcListener;
  readonly client: IpcConnection;
  readonly server: IpcConnection;
}

/** Sockets and files that this process has open. */
export function openDescriptors(): string[] {
  return readdirSync("/proc/self/fd")
    .map((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`);
      } catch {
        // The one that the folder was read with.
        return "";
      }
    })
    .filter((target) => /^(socket|pipe):|^\//.test(target))
    .sort();
}

/**
 * Runs a test in a coroutine of its own; its end must leave nothing.
 *
 * @param cleanUp - ends what the test has started besides, before descriptors are counted
 */
export async function scene(
  body: (it: Scene) => Operation<unknown>,
  cleanUp: () => Promise<void> = async () => {},
): Promise<void> {
  const folder = mkdtempSync(path.join(tmpdir(), "caraway-ipc-"));
  const before = openDescriptors();
  try {
    await run(function* () {
      const kernel = defaultKernelContext(currentLoop(), "test");
      const it = { folder, path: path.join(folder, "socket"), kernel };
      const [opened, timers] = [openDescriptors(), currentLoop().statistics().timers];
      yield* (yield* go(() => body(it))).join();
      yield* settled(kernel);
      // Before the end of `run` closes what was forgotten.
      yield* abortable(cleanUp);
      expect(openDescriptors()).toEqual(opened);
      expect(currentLoop().statistics().timers).toBe(timers);
    });
    expect(openDescriptors()).toEqual(before);
  } finally {
    await cleanUp();
    rmSync(folder, { recursive: true });
  }
}

/** Waits until nothing is left. */
export function* settled(kernel: KernelContext): Operation<void> {
  const endMs = soon();
  while (kernel.leftovers().sockets > 0 && now() < endMs) yield* sleep(now() + 2);
  const nothing = { sockets: 0, timeWait: 0, listeners: 0, bufferedBytes: 0, timers: 0 };
  expect(kernel.leftovers()).toEqual(nothing);
}

/** Listens, connects, accepts. */
export function* connected(it: Scene): Operation<Ends> {
  const listener = yield* ipc.listen(it.path);
  const client = yield* ipc.connect(it.path, soon());
  const server = yield* listener.accept(soon());
  return { listener, client, server };
}

/** Reads to the end of the stream. */
export function* readAll(conn: IpcConnection, chunkBytes = 65_536): Operation<Uint8Array> {
  const parts: Uint8Array[] = [];
  for (;;) {
    const buf = new Uint8Array(chunkBytes);
    const n = yield* conn.recvSome(buf, soon());
    if (n === 0) return new Uint8Array(Buffer.concat(parts));
    parts.push(buf.subarray(0, n));
  }
}

/** Sends back all that comes, then closes. */
export function* echo(conn: IpcConnection): Operation<void> {
  const buf = new Uint8Array(16_384);
  for (let n = 0; (n = yield* conn.recvSome(buf, soon())) > 0; ) {
    yield* conn.send(buf.subarray(0, n), soon());
  }
  yield* conn.close(soon());
}

/** Text as bytes. */
export function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Receives exactly as much text. */
export function* recvText(conn: IpcConnection, length: number): Operation<string> {
  const buf = new Uint8Array(length);
  yield* conn.recv(buf, soon());
  return new TextDecoder().decode(buf);
}
