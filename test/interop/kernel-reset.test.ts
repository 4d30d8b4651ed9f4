// SPDX-License-Identifier: MIT
// A peer that accepts, sends perhaps, and resets at once: to us it was open, so that connecting
// succeeds, what was sent can be read, and the reset is told after that. A port where nobody
// listens is another matter.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { now, run, tcp } from "../../src/index.ts";
import { fails, soon } from "../socket/support/helpers.ts";

/** Accepts for ever; each connection gets `sent`, then perhaps a FIN, then a RST. */
const PEER = `
import net from "node:net";
const [sent, ends] = process.argv.slice(1);
const server = net.createServer({ allowHalfOpen: true }, (socket) => {
  socket.on("error", () => {});
  const reset = () => socket.resetAndDestroy();
  if (ends === "fin") socket.end(sent, reset);
  else if (sent === "") reset();
  else socket.write(sent, reset);
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
process.stdin.resume().on("end", () => process.exit());
`;
const TIMES = 20;

describe.each([
  ["resets at once", "", ""],
  ["sends and resets", "hello", ""],
  ["sends, ends and resets", "hello", "fin"],
])("a peer that %s", (_title, sent, ends) => {
  const peer = spawn(process.execPath, ["--input-type=module", "-e", PEER, sent, ends], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  let port = 0;

  beforeAll(async () => {
    const [line] = await once(createInterface({ input: peer.stdout }), "line");
    port = Number(line);
  });
  afterAll(() => {
    peer.stdin.end();
  });

  it("is connected to, read to its last byte, and then found reset or ended", async () => {
    await run(function* () {
      for (let i = 0; i < TIMES; i++) {
        const conn = yield* tcp.connect({ host: "127.0.0.1", port }, soon());
        const got = new Uint8Array(5);
        if (sent !== "") {
          yield* conn.recv(got, soon());
          expect(new TextDecoder().decode(got)).toBe(sent);
        }
        if (ends === "") yield* fails("ECONNRESET", () => conn.recvSome(got, soon()));
        conn.abort();
      }
    });
  });
});

it("a port where nobody listens refuses", async () => {
  await run(function* () {
    const listener = yield* tcp.listen("127.0.0.1:0");
    const { local } = listener;
    listener.close();
    yield* fails("ECONNREFUSED", () => tcp.connect(local, now() + 5_000));
  });
});
