// SPDX-License-Identifier: MIT
// Source ports whose answers come to the core that connects.

import { describe, expect, it } from "vitest";
import type { Operation } from "../../src/index.ts";
import { IpAddress } from "../../src/ip/address.ts";
import * as mtcp from "../../src/mtcp/index.ts";
import { MAX_RSS_PAIRS, queueOf, queueOfTuple, RssPools } from "../../src/mtcp/rss.ts";
import {
  bad,
  bindTo,
  type Conf,
  dial,
  dialing,
  good,
  listening,
  nameOf,
  quiet,
  type SimScene,
  simScene,
  stream,
} from "./support/scene.ts";

const PORTS = 65_535 - 1_025 + 1;
const ours = IpAddress.v4(0x0a00_0002);
const theirs = IpAddress.v4(0x0a00_0001);

function inScene(op: (it: SimScene) => Operation<void>, conf: Conf = {}): Promise<unknown> {
  return simScene(op, { conf });
}

function register(mctx: mtcp.Mctx, host: string, port: number): number {
  return mtcp.initRss(mctx, mtcp.INADDR_ANY, 1, host, port);
}

describe("the pools of a core", () => {
  for (const numCores of [1, 2, 3, 8]) {
    it(`${numCores} cores: every port belongs to exactly one`, () => {
      const seen = new Map<number, number>();
      let wrong = 0;
      for (let cpu = 0; cpu < numCores; cpu++) {
        const plan = { cpu, numCores, tableSize: 128 };
        const pools = new RssPools(plan);
        expect(pools.isActive).toBe(false);
        expect(pools.register([ours], theirs, 80)).toBe(0);
        expect(pools.isActive).toBe(true);
        const pool = pools.find(theirs, 80);
        if (pool === null) return expect.fail("no pool");
        for (let i = 0; i < pool.size; i++) {
          const port = pool.portOf(pool.next());
          if (seen.has(port)) wrong++;
          seen.set(port, cpu);
          // As the NIC sees an answer: the other way round.
          if (queueOfTuple(theirs, 80, ours, port, plan) !== cpu) wrong++;
          if (!pools.isOurs(ours, port, theirs, 80)) wrong++;
        }
      }
      expect(wrong).toBe(0);
      expect(seen.size).toBe(PORTS);
      expect([Math.min(...seen.keys()), Math.max(...seen.keys())]).toEqual([1_025, 65_535]);
    });
  }

  it("the queue is the hash masked by the table, modulo the cores", () => {
    expect(queueOf(0x1234_56ff, { cpu: 0, numCores: 3, tableSize: 128 })).toBe(127 % 3);
    expect(queueOf(0x1234_57ff, { cpu: 0, numCores: 3, tableSize: 512 })).toBe(511 % 3);
    expect(queueOf(0xffff_ffff | 0, { cpu: 0, numCores: 5, tableSize: 16 })).toBe(0);
  });

  it("a pair that was taken comes again last", () => {
    const pools = new RssPools({ cpu: 0, numCores: 1, tableSize: 128 });
    const other = IpAddress.v4(0x0a00_0003);
    pools.register([ours, other], theirs, 80);
    const pool = pools.find(theirs, 80);
    if (pool === null) return expect.fail("no pool");
    expect(pool.size).toBe(2 * PORTS);
    const first = pool.next();
    expect([pool.addressOf(first), pool.portOf(first)]).toEqual([ours, 1_025]);
    for (let i = 2; i < PORTS; i++) pool.next();
    expect(pool.addressOf(pool.next())).toBe(ours);
    expect(pool.addressOf(pool.next())).toBe(other);
    for (let i = 1; i < PORTS; i++) pool.next();
    expect(pool.next()).toBe(first);
  });

  it("hold so many pairs: ENOMEM beyond, and again for the same destination is no more", () => {
    const pools = new RssPools({ cpu: 0, numCores: 1, tableSize: 128 });
    const fits = Math.floor(MAX_RSS_PAIRS / PORTS);
    for (let i = 0; i < fits; i++) expect(pools.register([ours], theirs, 80 + i)).toBe(0);
    expect(pools.register([ours], theirs, 80 + fits)).toBe(-mtcp.ENOMEM);
    expect(pools.find(theirs, 80 + fits)).toBeNull();
    expect(pools.register([ours], theirs, 80)).toBe(0);
    const plenty = Array.from({ length: fits + 1 }, (_, i) => IpAddress.v4(ours.w3 + i));
    expect(pools.register(plenty, theirs, 80)).toBe(-mtcp.ENOMEM);
    expect(pools.find(theirs, 80)?.size).toBe(PORTS);
  });
});

describe("initRss", () => {
  it("connections leave from ports of this core, the lowest first", () =>
    inScene(function* ({ server, client, host }) {
      const { port } = nameOf(server, listening(server));
      good(client, register(client, host, port));
      const used: number[] = [];
      for (let i = 0; i < 5; i++) {
        const sockid = stream(client);
        good(client, yield* dialing(client, sockid, host, port));
        used.push(nameOf(client, sockid).port);
        const plan = { cpu: 1, numCores: 2, tableSize: 128 };
        expect(queueOfTuple(ours, used[i] as number, theirs, port, plan)).toBe(1);
      }
      expect([...used].sort((a, b) => a - b)).toEqual(used);
      expect(used.length).toBe(new Set(used).size);
    }));

  it("passes over ports that are taken", () =>
    inScene(function* ({ server, client, host }) {
      const { port } = nameOf(server, listening(server));
      const plan = { cpu: 1, numCores: 2, tableSize: 128 };
      const pools = new RssPools(plan);
      pools.register([ours], theirs, port);
      const pool = pools.find(theirs, port);
      if (pool === null) return expect.fail("no pool");
      const [first, second] = [pool.portOf(pool.next()), pool.portOf(pool.next())];
      const taken = stream(client);
      good(client, bindTo(client, taken, mtcp.INADDR_ANY, first));
      good(client, yield* dialing(client, taken, host, port));
      good(client, mtcp.initRss(client, "10.0.0.2", 1, host, port));
      const sockid = stream(client);
      good(client, yield* dialing(client, sockid, host, port));
      expect(nameOf(client, sockid).port).toBe(second);
    }));

  it("a socket bound to a port of another core is EINVAL, of this one fine", () =>
    inScene(function* ({ server, client, host }) {
      const { port } = nameOf(server, listening(server));
      const before = stream(client);
      good(client, bindTo(client, before, mtcp.INADDR_ANY, portOf(0, port)));
      good(client, yield* dialing(client, before, host, port));
      good(client, register(client, host, port));
      const [wrong, right] = [stream(client), stream(client)];
      good(client, bindTo(client, wrong, "10.0.0.2", portOf(0, port, 1)));
      bad(client, dial(client, wrong, host, port), mtcp.EINVAL);
      good(client, bindTo(client, right, "10.0.0.2", portOf(1, port)));
      good(client, yield* dialing(client, right, host, port));
    }));

  it("a destination that was not registered is connected to as ever", () =>
    inScene(function* ({ server, client, host }) {
      const { port } = nameOf(server, listening(server));
      good(client, register(client, host, port + 1));
      const sockid = stream(client);
      good(client, yield* dialing(client, sockid, host, port));
      expect(nameOf(client, sockid).port).toBeGreaterThanOrEqual(49_152);
    }));

  it("refuses addresses and ports that are none: EINVAL; too much: ENOMEM", () =>
    inScene(function* ({ client, host }) {
      const init = (base: string, count: number, to: string, port: number): number =>
        mtcp.initRss(client, base, count, to, port);
      for (const base of ["", "::1", host, "224.0.0.1"]) {
        bad(client, init(base, 1, host, 80), mtcp.EINVAL);
      }
      for (const count of [0, -1, 1.5, 1_025, 2]) {
        bad(client, init("0.0.0.0", count, host, 80), mtcp.EINVAL);
      }
      for (const to of ["", "::1", "0.0.0.0", "224.0.0.1", "255.255.255.255"]) {
        bad(client, init("0.0.0.0", 1, to, 80), mtcp.EINVAL);
      }
      for (const port of [0, -1, 65_536, 1.5]) {
        bad(client, init("0.0.0.0", 1, host, port), mtcp.EINVAL);
      }
      let count = 0;
      while (init("0.0.0.0", 1, host, 1 + count) === 0) count++;
      expect([client.errno, count > 30]).toEqual([mtcp.ENOMEM, true]);
      mtcp.destroyContext(client);
      bad(client, init("0.0.0.0", 1, host, 80), mtcp.EACCES);
      yield* quiet(0);
    }));

  it("no port of the core is free: EADDRNOTAVAIL", () =>
    inScene(function* ({ server, client, host }) {
      const { port } = nameOf(server, listening(server));
      good(client, register(client, host, port));
      // As if every pair were taken: a socket bound to an address that no pair has.
      const sockid = stream(client);
      const socket = client.table.get(sockid) as { boundAddress: IpAddress | null };
      socket.boundAddress = IpAddress.v4(0x0a00_0063);
      bad(client, dial(client, sockid, host, port), mtcp.EADDRNOTAVAIL);
      yield* quiet(0);
    }));
});

/** A port whose answers come to core `cpu` of two; the n-th of them. */
function portOf(cpu: number, remotePort: number, n = 0): number {
  let left = n;
  for (let port = 30_000; ; port++) {
    const plan = { cpu, numCores: 2, tableSize: 128 };
    if (queueOfTuple(ours, port, theirs, remotePort, plan) !== cpu) continue;
    if (left-- === 0) return port;
  }
}
