// SPDX-License-Identifier: MIT
// Twins in plain Effection tasks and under deadlines that enclose them; and that the same seed
// gives the same run.

import { spawn } from "effection";
import { describe, expect, it } from "vitest";
import { now, type Operation, shield, sleep, withDeadline } from "../../src/index.ts";
import * as mtcp from "../../src/mtcp/index.ts";
import {
  bad,
  connected,
  dialing,
  good,
  hear,
  quiet,
  type SimScene,
  say,
  simScene,
  soon,
  stream,
} from "./support/scene.ts";

const { blocking } = mtcp;

describe("in a plain Effection task", () => {
  it("a twin waits, and ends with a number", async () => {
    await simScene(function* (it) {
      const { server, client } = it;
      const { served, dialed } = yield* connected(it);
      const buf = new Uint8Array(10);
      const task = yield* spawn(() => blocking.read(server, served, buf, 10, soon()));
      const late = yield* spawn(() => blocking.read(server, served, buf, 10, now() + 1));
      expect(yield* late).toBe(-1);
      expect(server.errno).toBe(mtcp.ETIMEDOUT);
      yield* say(client, dialed, "task");
      expect(yield* task).toBe(4);
    });
  });

  it("a task that is halted takes its connection attempt along", async () => {
    await simScene(function* (it) {
      const { client, net, clientStack } = it;
      const { address } = net.silentHost("silent");
      const sockid = stream(client);
      const task = yield* spawn(() => dialing(client, sockid, address, 80, -1));
      yield* quiet(50);
      expect(clientStack.leftovers().sockets).toBe(1);
      yield* task.halt();
      expect([clientStack.leftovers().sockets, client.bufferCount]).toEqual([0, 0]);
      expect(mtcp.close(client, sockid)).toBe(0);
    });
  });
});

describe("under an enclosing deadline", () => {
  it("a twin ends with it, and says ETIMEDOUT instead of throwing", async () => {
    await simScene(function* (it) {
      const { server } = it;
      const { served } = yield* connected(it);
      const startMs = now();
      yield* withDeadline(startMs + 30, function* () {
        const buf = new Uint8Array(1);
        bad(server, yield* blocking.read(server, served, buf, 1), mtcp.ETIMEDOUT);
        bad(server, yield* blocking.read(server, served, buf, 1, soon()), mtcp.ETIMEDOUT);
        const closing = shield(startMs + 40, () => blocking.close(server, served));
        bad(server, yield* closing, mtcp.ETIMEDOUT);
      });
      expect(now() - startMs).toBe(40);
    });
  });
});

describe("the same seed", () => {
  function* program(it: SimScene): Operation<void> {
    const { server, client } = it;
    const { served, dialed } = yield* connected(it);
    for (let i = 0; i < 20; i++) {
      yield* say(client, dialed, "x".repeat(i * 100 + 1));
      yield* hear(server, served);
      yield* sleep(now() + i);
    }
    good(client, mtcp.close(client, dialed));
  }

  it("gives the same packets, whatever numbers the descriptors have", async () => {
    const options = { server: { link: { loss: 0.1, jitterMs: 2 } } };
    const first = await simScene(program, options);
    const second = await simScene(program, options);
    expect(second.traceHash).toBe(first.traceHash);
  });
});
