// SPDX-License-Identifier: MIT
// Ports that are listened on: who else may use them, and how they are found.

import { describe, expect, it } from "vitest";
import { ListenerTable } from "../../src/mctx/listener-table.ts";
import { benchStack, ip, listenOn, open } from "./support/bench-stack.ts";

const PORT = 80;
const EADDRINUSE = -98;
const ENFILE = -23;

describe("connect from a port of one's own", () => {
  it("fails with EADDRINUSE while somebody listens there", () => {
    const { stack, address } = benchStack(1);
    const server = { address: ip("10.0.0.2") } as never;
    const sink = { flowEvents: () => {} };
    const connect = (port: number) =>
      stack.connect(ip("10.0.0.2"), PORT, port, stack.tcpConfig, sink, 0);
    const any = listenOn({ stack } as never, 4_000);
    const own = stack.listen(address, 4_001, 1, { listenerReady: () => {} });
    expect(connect(4_000)).toBe(EADDRINUSE);
    expect(connect(4_001)).toBe(EADDRINUSE);
    expect(stack.socketCount).toBe(0);
    expect(open({ stack } as never, server, PORT, 0, 4_002).localPort).toBe(4_002);
    stack.unlisten(any, 0);
    stack.unlisten(own as never, 0);
    expect(typeof connect(4_000)).toBe("object");
    expect(typeof connect(4_001)).toBe("object");
  });
});

describe("the table of listeners", () => {
  it("finds by port and address, and tells all of a failure in the same order each time", () => {
    const table = new ListenerTable(4);
    const told: string[] = [];
    const add = (address: string | null, port: number) =>
      table.add(address === null ? null : ip(address), port, 1, {
        listenerReady: () => told.push(`${address}:${port}`),
      });
    const first = add("10.0.0.1", 7);
    const all = add(null, 5);
    const second = add("10.0.0.2", 7);
    expect([add(null, 7), add("10.0.0.1", 7), add("10.0.0.9", 5)]).toEqual([-98, -98, -98]);
    expect(table.find(ip("10.0.0.1"), 7)).toBe(first);
    expect(table.find(ip("10.0.0.2"), 7)).toBe(second);
    expect(table.find(ip("10.0.0.3"), 7)).toBeNull();
    expect(table.find(ip("10.0.0.3"), 5)).toBe(all);
    add(null, 6);
    expect([table.size, table.isFull, add(null, 8)]).toEqual([4, true, ENFILE]);
    table.fail(-100);
    expect(told).toEqual(["10.0.0.1:7", "10.0.0.2:7", "null:5", "null:6"]);
    expect(table.remove(first as never)).toBe(true);
    expect(table.remove(first as never)).toBe(false);
    expect([table.size, table.hasPort(7)]).toEqual([3, true]);
    expect(table.remove(second as never)).toBe(true);
    expect([table.size, table.hasPort(7), table.find(ip("10.0.0.2"), 7)]).toEqual([2, false, null]);
    expect(table.remove(second as never)).toBe(false);
    table.clear();
    expect([table.size, table.hasPort(5)]).toEqual([0, false]);
  });
});
