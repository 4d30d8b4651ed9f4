// SPDX-License-Identifier: MIT
// How a connection of the kernel's sends: straight from the user, from the backlog when the kernel
// or the shared memory is full, and always in order.

import { describe, expect, it } from "vitest";
import { EPIPE } from "../../src/kernel/errno.ts";
import { bytes, type Connection, Rig } from "./support/rig.ts";

/** Sends `count` bytes that go on where `from` says. @returns bytes taken */
function send({ flow }: Connection, count: number, from: number): number {
  return flow.send(bytes(count, from), 0, count);
}

/** What the kernel has must be the first bytes of the stream. */
function expectTaken({ socket }: Connection, count: number): void {
  expect(socket.taken).toEqual([...bytes(count)]);
}

describe("sending", () => {
  it("goes straight to the kernel with the next crossing, and holds nothing", () => {
    const rig = new Rig();
    const it = rig.connection();
    rig.round(() => expect(send(it, 30, 0)).toBe(30));
    expect([it.flow.unsentBytes, it.flow.sendSpaceBytes]).toEqual([30, 70]);
    rig.round();
    expectTaken(it, 30);
    expect([it.flow.unsentBytes, it.flow.sendSpaceBytes, it.flow.bytesSent]).toEqual([0, 100, 30]);
    expect(it.told.take()).toBe("writable");
    expect(rig.kernel.log).toEqual(["send 0 30"]);
  });

  it("takes no more than the limit, over direct bytes and backlog together", () => {
    const rig = new Rig({ txBytes: 40 });
    const it = rig.connection();
    rig.round(() => {
      expect(send(it, 90, 0)).toBe(90);
      expect(send(it, 90, 90)).toBe(10);
      expect(send(it, 1, 100)).toBe(0);
    });
    rig.settle();
    expectTaken(it, 100);
  });

  it("keeps the rest of a short send in front of what was sent after it", () => {
    const rig = new Rig({ txBytes: 40 });
    const it = rig.connection();
    it.socket.room = 7;
    rig.round(() => {
      // 40 direct, 20 in the backlog.
      expect(send(it, 60, 0)).toBe(60);
    });
    rig.round(() => expect(send(it, 10, 60)).toBe(10));
    expectTaken(it, 7);
    it.socket.admit(1_000);
    rig.settle();
    expectTaken(it, 70);
  });

  it("keeps the order of several direct sends of a round of which the first falls short", () => {
    const rig = new Rig();
    const it = rig.connection();
    it.socket.room = 4;
    rig.round(() => {
      for (let i = 0; i < 5; i++) expect(send(it, 10, 10 * i)).toBe(10);
    });
    rig.settle();
    expectTaken(it, 4);
    it.socket.admit(1_000);
    rig.settle();
    expectTaken(it, 50);
  });

  it("keeps the order when the second of three direct sends falls short", () => {
    const rig = new Rig({ txBytes: 36 });
    const it = rig.connection();
    it.socket.room = 15;
    rig.round(() => {
      // The third has room for 12 - 1 bytes in the arena; the rest of it is backlog.
      for (let i = 0; i < 3; i++) expect(send(it, 11, 11 * i)).toBe(11);
      expect(send(it, 20, 33)).toBe(20);
    });
    rig.settle();
    it.socket.admit(1);
    rig.settle();
    it.socket.admit(1_000);
    rig.settle();
    expectTaken(it, 53);
  });

  it("does not try again before the kernel says that there is room", () => {
    const rig = new Rig();
    const it = rig.connection();
    it.socket.room = 0;
    rig.round(() => send(it, 10, 0));
    rig.settle();
    rig.round(() => send(it, 10, 10));
    rig.settle();
    expect(rig.kernel.log).toEqual(["send 0 10"]);
    expect(rig.sockets.hasWork).toBe(false);
    it.socket.admit(3);
    rig.settle();
    expect(rig.kernel.log).toEqual(["send 0 10", "send 0 20"]);
    expectTaken(it, 3);
  });

  it("goes on as before when the socket has no room, as EAGAIN too says", () => {
    const rig = new Rig();
    const it = rig.connection();
    it.socket.sendError = -11;
    rig.round(() => send(it, 10, 0));
    rig.settle();
    expect(it.flow.failure).toBe(0);
    it.socket.admit(0);
    it.socket.connected();
    rig.settle();
    expectTaken(it, 10);
  });

  it("tries again also what came after that in the same crossing", () => {
    for (const errno of [-105, -12]) {
      const rig = new Rig({ txBytes: 64 });
      const it = rig.connection();
      it.socket.sendError = errno;
      rig.round(() => {
        for (let i = 0; i < 3; i++) expect(send(it, 30, 30 * i)).toBe(30);
      });
      rig.settle();
      expect(it.flow.failure).toBe(0);
      expectTaken(it, 90);
    }
  });

  it("tries again when the kernel had no memory", () => {
    const rig = new Rig();
    const { flow, socket } = rig.connection();
    socket.sendError = -105;
    rig.round(() => flow.send(bytes(30), 0, 30));
    rig.round();
    expect([flow.failure, flow.unsentBytes]).toEqual([0, 30]);
    rig.settle();
    expect([flow.failure, flow.unsentBytes]).toEqual([0, 0]);
  });

  it("is direct again once the backlog has gone out", () => {
    const rig = new Rig({ txBytes: 16 });
    const it = rig.connection();
    rig.round(() => send(it, 40, 0));
    rig.settle();
    rig.kernel.log.length = 0;
    rig.round(() => send(it, 8, 40));
    expect(rig.sockets.submissions.count).toBe(1);
    rig.settle();
    expect(rig.kernel.log).toEqual(["send 0 8"]);
    expectTaken(it, 48);
  });

  it("waits for the next round when there are too many submissions", () => {
    const rig = new Rig({ submissions: 2 });
    const all = [rig.connection(), rig.connection(), rig.connection()];
    rig.round(() => {
      for (const it of all) {
        send(it, 5, 0);
        it.flow.finish(rig.nowMs);
      }
    });
    rig.settle();
    for (const it of all) {
      expectTaken(it, 5);
      expect(it.socket.hasFin).toBe(true);
    }
  });

  it("shares the memory: what has no room goes out in later rounds", () => {
    const rig = new Rig({ txBytes: 64 });
    const all = Array.from({ length: 5 }, () => rig.connection());
    rig.round(() => {
      for (const it of all) expect(send(it, 100, 0)).toBe(100);
    });
    rig.settle();
    for (const it of all) expectTaken(it, 100);
  });

  it("sends part of a larger array", () => {
    const rig = new Rig();
    const it = rig.connection();
    rig.round(() => expect(it.flow.send(bytes(60), 0, 20)).toBe(20));
    rig.round(() => expect(it.flow.send(bytes(60), 20, 40)).toBe(40));
    rig.settle();
    expectTaken(it, 60);
  });

  it("queues what is sent before the connection is open", () => {
    const rig = new Rig();
    const it = rig.connection({}, false);
    rig.round(() => expect(send(it, 20, 0)).toBe(20));
    rig.settle();
    expectTaken(it, 0);
    it.socket.connected();
    rig.settle();
    expectTaken(it, 20);
  });
});

describe("the end of what is sent", () => {
  it("follows the last byte of the backlog, and no byte follows it", () => {
    const rig = new Rig({ txBytes: 16 });
    const it = rig.connection();
    it.socket.room = 10;
    rig.round(() => {
      send(it, 50, 0);
      expect(it.flow.finish(rig.nowMs)).toBe(0);
      expect([send(it, 1, 50), it.flow.finish(rig.nowMs), it.flow.sendSpaceBytes]).toEqual([
        EPIPE,
        EPIPE,
        0,
      ]);
    });
    rig.settle();
    expect(it.socket.hasFin).toBe(false);
    it.socket.admit(30);
    rig.settle();
    expect(it.socket.hasFin).toBe(false);
    it.socket.admit(30);
    rig.settle();
    expectTaken(it, 50);
    expect([it.socket.hasFin, rig.kernel.log.filter((line) => line.startsWith("shut"))]).toEqual([
      true,
      ["shutdown 0"],
    ]);
  });

  it("is acknowledged once the kernel has nothing unsent, and not before it was told", () => {
    const rig = new Rig();
    const it = rig.connection();
    rig.round(() => it.flow.finish(rig.nowMs));
    expect(it.flow.isAcknowledged).toBe(false);
    it.socket.unsent = 1;
    rig.round();
    expect(it.flow.isAcknowledged).toBe(false);
    it.socket.unsent = 0;
    expect([it.flow.isAcknowledged, it.flow.isOrderlyClosed]).toEqual([true, false]);
    it.socket.end();
    rig.round();
    expect(it.flow.isOrderlyClosed).toBe(true);
  });

  it("fails as a reset when the peer has reset the connection", () => {
    const rig = new Rig();
    const it = rig.connection();
    it.socket.shutdownError = -107;
    rig.round(() => it.flow.finish(rig.nowMs));
    rig.settle();
    expect([it.flow.failure, it.flow.isAcknowledged]).toEqual([-104, false]);
  });
});
