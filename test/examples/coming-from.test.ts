// SPDX-License-Identifier: MIT
// The echo servers of README.md's "Coming from ...", each run as it stands there, on a port of its
// own, and asked over the kernel's sockets.

import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, it } from "vitest";
import {
  go,
  isNetError,
  now,
  type Operation,
  run,
  sleep,
  type TcpConnection,
  tcp,
} from "../../src/index.ts";
import { MODULES } from "../../tools/public-api.ts";
import { pattern, soon } from "../socket/support/helpers.ts";
import { TestFolder } from "../support/folder.ts";
import { Program, ROOT } from "../support/program.ts";

const CONNECTIONS = 5;

/** Name and code of each block of the section. */
function servers(): readonly (readonly [name: string, code: string])[] {
  const readme = readFileSync(path.join(ROOT, "README.md"), "utf8");
  const section = /^## Coming from [\s\S]*?(?=^## )/m.exec(readme)?.[0] ?? "";
  const blocks = section.matchAll(/^\*\*(.+?)\.\*\*[\s\S]*?^```ts\n([\s\S]*?)^```/gm);
  return [...blocks].map(([, name = "", code = ""]) => [name, code] as const);
}

/** The code as a program of this repository, on another port. */
function asProgram(code: string, port: number): string {
  const imported = MODULES.reduce(
    (text, { name, entry }) =>
      text.replaceAll(`from "${name}"`, `from "${pathToFileURL(path.join(ROOT, entry)).href}"`),
    code,
  );
  return imported.replaceAll("7777", String(port));
}

function* freePort(): Operation<number> {
  const listener = yield* tcp.listen("127.0.0.1:0");
  const { port } = listener.local;
  listener.close();
  return port;
}

/** Connects as soon as the server is there. */
function* connect(port: number): Operation<TcpConnection> {
  const endMs = soon();
  for (;;) {
    try {
      return yield* tcp.connect({ host: "127.0.0.1", port }, endMs);
    } catch (error) {
      if (!isNetError(error, "ECONNREFUSED") || now() > endMs) throw error;
    }
    yield* sleep(now() + 20);
  }
}

function* ask(port: number, seed: number): Operation<void> {
  const conn = yield* connect(port);
  for (const length of [1, 64, 200]) {
    const message = pattern(length, seed);
    const answer = new Uint8Array(length);
    yield* conn.send(message, soon());
    yield* conn.recv(answer, soon());
    expect(answer).toEqual(message);
  }
  // Both ends: it would throw if the server did not close in order.
  yield* conn.close(soon());
}

describe("the echo server of", () => {
  const folder = new TestFolder();

  it("each vocabulary is there", () => {
    expect(servers().map(([name]) => name)).toEqual(["libdill", "mTCP", "Winsock", "Node's net"]);
  });

  it.each(servers())("%s", async (name, code) => {
    await run(function* () {
      const port = yield* freePort();
      const file = folder.file(`${name.replace(/\W/g, "")}.mts`);
      writeFileSync(file, asProgram(code, port));
      const server = Program.start(process.execPath, ["--import", "tsx", file]);
      try {
        yield* ask(port, 0);
        const asking = [];
        for (let i = 1; i <= CONNECTIONS; i++) asking.push(yield* go(() => ask(port, i)));
        for (const each of asking) yield* each.join(soon());
        expect(server.errors).toBe("");
      } finally {
        server.signal("SIGKILL");
      }
    });
  });
});
