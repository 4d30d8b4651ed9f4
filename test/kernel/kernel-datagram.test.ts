// SPDX-License-Identifier: MIT
// A datagram socket of the kernel's: datagrams in the shared memory and kept ones, a full kernel,
// errors, and the end.

import { describe, expect, it } from "vitest";
import { EAGAIN, ECONNREFUSED, EMSGSIZE, ENETDOWN } from "../../src/kernel/errno.ts";
import { KernelDatagram } from "../../src/kernel/kernel-datagram.ts";
import { KernelFlow } from "../../src/kernel/kernel-flow.ts";
import type { ReceivedDatagram } from "../../src/transport/datagram.ts";
import type { FakeSizes, FakeSocket } from "./support/fake-kernel.ts";
import { bytes, Rig, Told } from "./support/rig.ts";

const LIMIT = 64;

interface Place {
  readonly rig: Rig;
  readonly flow: KernelDatagram;
  readonly socket: FakeSocket;
  readonly told: Told;
}

function open(sizes: FakeSizes = { rxBytes: 16_384 }, rig: Rig = new Rig(sizes)): Place {
  const socket = rig.kernel.make();
  const told = new Told();
  const flow = new KernelDatagram(rig.sockets, socket.id, told, () => new Uint8Array(16));
  return { rig, flow, socket, told };
}

/** Sends a datagram that says its number. @returns as `send` */
function send({ flow }: Place, number: number, length = 4): number {
  return flow.send(null, new Uint8Array(length).fill(number), 0, length);
}

/** Takes a datagram. @returns its number, or -errno */
function take({ flow }: Place): number {
  const into = new Uint8Array(1_000);
  const about: ReceivedDatagram = { lengthBytes: 0, from: { host: "", port: 0 } };
  const count = flow.receive(into, about);
  if (count < 0) return count;
  expect(about).toEqual({ lengthBytes: count, from: { host: "10.0.0.2", port: 9 } });
  expect(into.subarray(0, count).every((byte) => byte === into[0])).toBe(true);
  return into[0] as number;
}

function arrive({ socket }: Place, ...numbers: readonly number[]): void {
  for (const number of numbers) socket.arriveDatagram(new Uint8Array(1 + number).fill(number));
}

function taken({ socket }: Place): number[] {
  return socket.takenDatagrams.map((payload) => payload[0] as number);
}

describe("receiving datagrams", () => {
  it("takes them from the shared memory, and from copies in later rounds, in order", () => {
    const place = open();
    const { rig, flow, told } = place;
    arrive(place, 1, 2, 3);
    rig.round(() => expect([told.take(), take(place)]).toEqual(["readable", 1]));
    arrive(place, 4, 5);
    rig.round(() => expect(take(place)).toBe(2));
    rig.round();
    expect(flow.bufferedBytes).toBeGreaterThan(0);
    expect([take(place), take(place), take(place), take(place)]).toEqual([3, 4, 5, EAGAIN]);
    expect(flow.bufferedBytes).toBe(0);
  });

  it("tells the whole length of one that has no room, and drops the rest", () => {
    const { rig, flow, socket } = open();
    socket.arriveDatagram(bytes(100));
    rig.round();
    const about: ReceivedDatagram = { lengthBytes: 0, from: { host: "", port: 0 } };
    const into = new Uint8Array(10);
    expect([flow.receive(into, about), about.lengthBytes]).toEqual([10, 100]);
    expect(into).toEqual(bytes(10));
    expect(flow.receive(into, about)).toBe(EAGAIN);
  });

  it("leaves what has no room in the kernel, and resumes when there is some", () => {
    const place = open();
    const { rig, socket } = place;
    const all = Array.from({ length: 3 * LIMIT }, (_, i) => i);
    arrive(place, ...all);
    for (let i = 0; i < 6; i++) rig.round();
    expect(socket.datagrams.length).toBe(2 * LIMIT);
    const { receives } = socket;
    rig.settle();
    expect([socket.receives, rig.sockets.hasWork]).toEqual([receives, false]);
    const got: number[] = [];
    for (let i = 0; i < 100; i++) {
      rig.round(() => {
        for (let n = take(place); n >= 0; n = take(place)) got.push(n);
      });
    }
    expect(got).toEqual(all);
  });

  it("resumes also when there was no submission left to resume with", () => {
    const place = open({ rxBytes: 16_384, submissions: 1 });
    const { rig, socket } = place;
    const other = rig.connection();
    arrive(place, ...Array.from({ length: LIMIT + 1 }, (_, i) => i));
    for (let i = 0; i < 6; i++) rig.round();
    expect(socket.datagrams.length).toBe(1);
    rig.round(() => {
      other.flow.send(bytes(5), 0, 5);
      while (take(place) >= 0);
    });
    rig.settle();
    expect([take(place), take(place)]).toEqual([LIMIT, EAGAIN]);
  });
});

describe("sending datagrams", () => {
  it("goes out with the next crossing", () => {
    const place = open();
    place.rig.round(() => expect([send(place, 1), send(place, 2)]).toEqual([0, 0]));
    place.rig.round();
    expect(taken(place)).toEqual([1, 2]);
  });

  it("keeps what the kernel or the memory has no room for, in order", () => {
    const place = open({ txBytes: 64 });
    const { rig, socket } = place;
    socket.room = 1;
    rig.round(() => {
      for (let i = 1; i <= 9; i++) expect(send(place, i, 12)).toBe(0);
    });
    rig.settle();
    expect(taken(place)).toEqual([1]);
    rig.round(() => send(place, 10));
    rig.settle();
    expect([taken(place), rig.sockets.hasWork]).toEqual([[1], false]);
    for (let i = 0; i < 20; i++) {
      socket.admit(2);
      rig.settle();
    }
    expect(taken(place)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });

  it("is EAGAIN when too many wait, and tells when they do not", () => {
    const place = open();
    const { rig, socket, told } = place;
    socket.room = 0;
    rig.round(() => send(place, 0));
    rig.settle();
    for (let i = 1; i < LIMIT; i++) expect(send(place, i)).toBe(0);
    expect([send(place, 99), send(place, 99)]).toEqual([EAGAIN, EAGAIN]);
    told.take();
    rig.settle();
    expect(told.take()).toBe("");
    socket.admit(1_000);
    rig.settle();
    expect([told.take(), send(place, LIMIT)]).toEqual(["writable", 0]);
    rig.settle();
    expect(taken(place)).toEqual(Array.from({ length: LIMIT + 1 }, (_, i) => i));
  });

  it("refuses what is too long, and what has an address of another kind", () => {
    const { rig, flow } = open();
    expect(flow.send(null, new Uint8Array(65_508), 0, 65_508)).toBe(EMSGSIZE);
    const foreign = new KernelDatagram(rig.sockets, rig.kernel.make().id, new Told(), () => -97);
    const to = { address: null as never, port: 1 };
    expect(foreign.send(to, bytes(1), 0, 1)).toBe(-97);
  });
});

describe("errors of datagrams", () => {
  it("are told once, by whichever call comes first", () => {
    const place = open();
    const { rig, socket, flow, told } = place;
    socket.sendError = ECONNREFUSED;
    rig.round(() => send(place, 1));
    rig.round();
    expect([told.take(), flow.hasReceived]).toEqual(["readable", true]);
    expect([take(place), take(place)]).toEqual([ECONNREFUSED, EAGAIN]);
    socket.fail(ECONNREFUSED);
    rig.round();
    expect([send(place, 2), send(place, 3)]).toEqual([ECONNREFUSED, 0]);
    rig.round();
    expect(taken(place)).toEqual([3]);
  });

  it("of the network end it for good", () => {
    const place = open();
    const { rig, flow, told, socket } = place;
    flow.fail(ENETDOWN, rig.nowMs);
    expect([told.take(), send(place, 1), take(place), socket.isOpen]).toEqual([
      "readable writable state",
      ENETDOWN,
      ENETDOWN,
      false,
    ]);
  });
});

describe("the end of a datagram socket", () => {
  it("comes after everything that was sent, as far as the kernel takes it", () => {
    const place = open({ txBytes: 64 });
    const { rig, flow } = place;
    rig.round(() => {
      for (let i = 1; i <= 9; i++) send(place, i, 12);
      flow.close(rig.nowMs);
      flow.close(rig.nowMs);
    });
    expect(taken(place)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(rig.sockets.leftovers()).toMatchObject({ sockets: 0, bufferedBytes: 0 });
    rig.settle();
  });

  it("leaves what others have received and reserved where it is", () => {
    const place = open();
    const { rig, flow } = place;
    const socket = rig.kernel.make();
    const settings = { sendLimitBytes: 1_000, receiveLimitBytes: 1_000 };
    const other = new KernelFlow(rig.sockets, socket.id, settings, true, null);
    socket.arrive(bytes(3, 1));
    rig.round(() => {
      const view = other.view();
      const room = other.reserve(4) as Uint8Array;
      room.fill(7);
      socket.arrive(bytes(2, 4));
      const { round } = other;
      for (let i = 1; i <= 3; i++) send(place, i);
      flow.close(rig.nowMs);
      expect(taken(place)).toEqual([1, 2, 3]);
      expect(other.send(bytes(1), 0, 1)).toBe(1);
      expect([[...view], [...room], other.round]).toEqual([[1, 2, 3], [7, 7, 7, 7], round]);
    });
    rig.settle();
    expect([...other.view()]).toEqual([1, 2, 3, 4, 5]);
  });

  it("does not wait for a full kernel", () => {
    const place = open();
    const { rig, flow, socket } = place;
    socket.room = 0;
    rig.round(() => send(place, 1));
    rig.settle();
    flow.close(rig.nowMs);
    expect([taken(place), socket.isOpen, flow.bufferedBytes]).toEqual([[], false, 0]);
  });
});
