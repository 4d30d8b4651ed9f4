// SPDX-License-Identifier: MIT
// What `leftovers` counts as buffered, so that nothing held goes unseen.

import { describe, expect, it } from "vitest";
import { TIME_WAIT } from "../../src/tcp/state.ts";
import { benchStack, ip, listenOn, open, take, talk } from "./support/bench-stack.ts";

const PORT = 80;
const EIO = -5;

describe("buffered bytes", () => {
  it("include what can still be read in TIME-WAIT", () => {
    const [a, b] = [benchStack(1), benchStack(2)];
    const listener = listenOn(b, PORT);
    const flow = open(a, b, PORT, 0);
    let nowMs = talk(a, b, 0, 10);
    const peer = take(listener);
    peer?.send(new Uint8Array(100), 0, 100);
    flow.finish(nowMs);
    nowMs = talk(a, b, nowMs, nowMs + 10);
    peer?.finish(nowMs);
    nowMs = talk(a, b, nowMs, nowMs + 10);
    expect(flow.tcb.state).toBe(TIME_WAIT);
    expect(a.stack.leftovers()).toMatchObject({ sockets: 0, timeWait: 1, bufferedBytes: 100 });
    flow.receive(new Uint8Array(60), 0, 60);
    expect(a.stack.leftovers().bufferedBytes).toBe(40);
    flow.sink = null;
    expect(a.stack.leftovers()).toMatchObject({ timeWait: 1, bufferedBytes: 0, timers: 0 });
  });

  it("include fragments", () => {
    const bench = benchStack(1);
    const { stack } = bench;
    const header = {
      headerBytes: 20,
      totalBytes: 1_020,
      payloadBytes: 1_000,
      fragmentOffset: 0,
      moreFragments: true,
      protocol: 17,
      src: ip("10.0.0.2").w3,
      dst: bench.address.w3,
      id: 1,
      tos: 0,
      ttl: 64,
    };
    stack.network.reassembler.add(new Uint8Array(1_020), 0, header as never, 0);
    expect(stack.leftovers().bufferedBytes).toBe(1_000);
    stack.fail(EIO);
    expect(stack.leftovers()).toMatchObject({ sockets: 0, bufferedBytes: 0, timers: 0 });
  });
});
