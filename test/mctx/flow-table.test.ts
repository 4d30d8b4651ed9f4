// SPDX-License-Identifier: MIT
// The flow table finds what is in it and nothing else, however it has grown.

import { describe, expect, it } from "vitest";
import { IpAddress } from "../../src/ip/address.ts";
import { Flow, type FlowOwner } from "../../src/mctx/flow.ts";
import { FlowTable } from "../../src/mctx/flow-table.ts";
import { DEFAULT_TCP_CONFIG } from "../../src/tcp/config.ts";
import { Random } from "../tcp/support/random.ts";

const LOCAL = IpAddress.v4(0x0a000001);
const NOBODY = {} as FlowOwner;

function flowAt(table: FlowTable, key: number): Flow {
  const remote = IpAddress.v4(key >>> 10);
  const port = key & 1_023;
  const hash = table.hash(LOCAL, 80, remote, port);
  return new Flow(NOBODY, LOCAL, 80, remote, port, remote, hash, DEFAULT_TCP_CONFIG);
}

function found(table: FlowTable, flow: Flow): Flow | null {
  return table.find(flow.hash, LOCAL, 80, flow.remote, flow.remotePort);
}

describe("the flow table", () => {
  it("does as a Map does, while thousands come and go", () => {
    const random = new Random(1);
    const table = new FlowTable(random.int32());
    const model = new Map<number, Flow>();
    for (let step = 0; step < 40_000; step++) {
      const key = random.below(20_000);
      const known = model.get(key);
      if (known === undefined) {
        const flow = flowAt(table, key);
        expect(found(table, flow)).toBe(null);
        table.add(flow);
        model.set(key, flow);
      } else if (random.chance(0.3)) {
        expect(table.remove(known)).toBe(true);
        expect(table.remove(known)).toBe(false);
        model.delete(key);
      } else {
        expect(found(table, known)).toBe(known);
      }
    }
    expect(model.size).toBeGreaterThan(5_000);
    expect(table.size).toBe(model.size);
    expect(new Set(table.all())).toEqual(new Set(model.values()));
    for (const flow of model.values()) if (found(table, flow) !== flow) throw new Error("lost");
  });
});
