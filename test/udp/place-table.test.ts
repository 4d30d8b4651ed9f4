// SPDX-License-Identifier: MIT
// Who gets a datagram, and who may share a port, against a list that is searched from end to end.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Place, PlaceTable } from "../../src/udp/place-table.ts";
import type { AddressWords } from "../../src/udp/receive-queue.ts";

const A = address(1);
const B = address(2);
const PEER = address(9);

function address(w3: number): AddressWords {
  return { w0: 0, w1: 0, w2: 0xffff, w3 };
}

function place(
  local: AddressWords | null,
  localPort: number,
  remote: AddressWords | null = null,
  remotePort = 0,
): Place {
  return { local, localPort, remote, remotePort };
}

/** A hash that puts everything into few chains. */
const POOR = { hash: (_l: AddressWords, port: number) => port & 1 };

describe("the table of UDP places", () => {
  it("prefers the connected one, then the one on the address, then the one on all", () => {
    const table = new PlaceTable(POOR);
    const any = place(null, 53);
    const connected = place(A, 53, PEER, 7);
    expect([table.add(any), table.add(connected)]).toEqual([true, true]);
    expect(table.find(A, 53, PEER, 7)).toBe(connected);
    expect(table.find(A, 53, PEER, 8)).toBe(any);
    expect(table.find(B, 53, PEER, 7)).toBe(any);
    expect(table.find(A, 54, PEER, 7)).toBeNull();
    expect(table.remove(any)).toBe(true);
    expect(table.find(A, 53, PEER, 8)).toBeNull();
    const exact = place(A, 53);
    expect(table.add(exact)).toBe(true);
    expect(table.find(A, 53, PEER, 7)).toBe(connected);
    expect(table.find(A, 53, PEER, 8)).toBe(exact);
    expect(table.find(B, 53, PEER, 8)).toBeNull();
  });

  it("gives what was sent to everybody to a place on all addresses alone", () => {
    const table = new PlaceTable(POOR);
    table.add(place(A, 67));
    table.add(place(A, 68, PEER, 67));
    expect([table.findForAll(67), table.findForAll(68), table.findForAll(69)]).toEqual([
      null,
      null,
      null,
    ]);
    const any = place(null, 68);
    table.add(any);
    expect(table.findForAll(68)).toBe(any);
  });

  it("lets a port be shared by different addresses, and by different peers", () => {
    const table = new PlaceTable(POOR);
    expect(table.add(place(A, 1))).toBe(true);
    expect(table.add(place(A, 1))).toBe(false);
    expect(table.add(place(null, 1))).toBe(false);
    expect(table.add(place(B, 1))).toBe(true);
    expect(table.add(place(A, 1, PEER, 1))).toBe(true);
    expect(table.add(place(A, 1, PEER, 1))).toBe(false);
    expect(table.add(place(A, 1, PEER, 2))).toBe(true);
    expect(table.add(place(A, 1, B, 1))).toBe(true);
    expect([table.size, table.all().length]).toEqual([5, 5]);
    table.clear();
    expect([table.size, table.hasPort(1), table.all()]).toEqual([0, false, []]);
  });

  it("does what a list would do", () => {
    const words = fc.constantFrom(A, B, PEER);
    const ports = fc.integer({ min: 1, max: 3 });
    const step = fc.record({
      isAdded: fc.boolean(),
      local: fc.option(words),
      localPort: ports,
      remote: fc.option(words),
      remotePort: ports,
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const table = new PlaceTable<Place>(POOR);
        const list: Place[] = [];
        for (const { isAdded, local, localPort, remote, remotePort } of steps) {
          if (isAdded) {
            const isConnected = remote !== null;
            const added = isConnected
              ? place(local ?? A, localPort, remote, remotePort)
              : place(local, localPort);
            const isFree = !list.some((other) => clashes(other, added));
            expect(table.add(added)).toBe(isFree);
            if (isFree) list.push(added);
          } else {
            const removed = list.shift();
            if (removed !== undefined) {
              expect(table.remove(removed)).toBe(true);
              expect(table.remove(removed)).toBe(false);
            }
          }
          expect(table.size).toBe(list.length);
          for (const port of [1, 2, 3]) {
            expect(table.hasPort(port)).toBe(list.some((other) => other.localPort === port));
            expect(table.find(A, port, PEER, 1)).toBe(best(list, A, port, PEER, 1));
          }
        }
      }),
    );
  });
});

function clashes(a: Place, b: Place): boolean {
  if (a.localPort !== b.localPort || (a.remote === null) !== (b.remote === null)) return false;
  if (a.remote === null) return a.local === null || b.local === null || a.local === b.local;
  return a.local === b.local && a.remote === b.remote && a.remotePort === b.remotePort;
}

function best(
  list: readonly Place[],
  local: AddressWords,
  port: number,
  remote: AddressWords,
  remotePort: number,
): Place | null {
  const here = list.filter((each) => each.localPort === port);
  const isPeer = (each: Place): boolean => each.remote === remote && each.remotePort === remotePort;
  return (
    here.find((each) => each.local === local && isPeer(each)) ??
    here.find((each) => each.remote === null && each.local === local) ??
    here.find((each) => each.remote === null && each.local === null) ??
    null
  );
}
