// SPDX-License-Identifier: MIT
// How a connection of the kernel's receives: from the shared memory in the round of the arrival,
// from a buffer of its own later; and when it lets the kernel keep what comes.

import { describe, expect, it } from "vitest";
import { ECONNRESET } from "../../src/kernel/errno.ts";
import { bytes, Rig, takeAll } from "./support/rig.ts";

const ETIMEDOUT = -110;

describe("receiving", () => {
  it("takes bytes from the shared memory in the round in which they came", () => {
    const rig = new Rig();
    const { flow, socket, told } = rig.connection();
    socket.arrive(bytes(30));
    rig.round(() => {
      expect([flow.receivedBytes, told.take()]).toEqual([30, "readable"]);
      expect(takeAll(flow)).toEqual(bytes(30));
    });
    expect([flow.receivedBytes, flow.bytesReceived]).toEqual([0, 30]);
    expect(rig.sockets.leftovers().bufferedBytes).toBe(0);
  });

  it("keeps what nobody has taken, in order with what comes later", () => {
    const rig = new Rig();
    const { flow, socket } = rig.connection();
    socket.arrive(bytes(30));
    rig.round(() => {
      const into = new Uint8Array(12);
      expect(flow.receive(into, 2, 10)).toBe(10);
      expect([...into]).toEqual([0, 0, ...bytes(10)]);
    });
    rig.round();
    socket.arrive(bytes(20, 30));
    rig.round(() => {
      const peeked = new Uint8Array(40);
      expect(flow.peek(peeked, 0, 40)).toBe(40);
      expect(peeked).toEqual(bytes(40, 10));
      expect(takeAll(flow)).toEqual(bytes(40, 10));
    });
    expect(flow.receivedBytes).toBe(0);
  });

  it("takes one stream by pieces of every size, over kept bytes and those of the round", () => {
    for (let piece = 1; piece < 40; piece++) {
      const rig = new Rig();
      const { flow, socket } = rig.connection();
      const got: number[] = [];
      const take = (): void => {
        const into = new Uint8Array(piece);
        const taken = flow.receive(into, 0, piece);
        got.push(...into.subarray(0, Math.max(0, taken)));
      };
      for (let at = 0; at < 300; at += 15) {
        socket.arrive(bytes(15, at));
        rig.round(take);
      }
      for (let i = 0; i < 300; i++) rig.round(take);
      expect(got).toEqual([...bytes(300)]);
    }
  });

  it("lets the kernel keep what has no room, and asks for it once there is room again", () => {
    const rig = new Rig();
    const { flow, socket } = rig.connection({ receiveLimitBytes: 20 });
    socket.arrive(bytes(50));
    rig.settle();
    expect([flow.receivedBytes, socket.inbox.length]).toEqual([20, 30]);
    const { receives } = socket;
    for (let i = 0; i < 5; i++) rig.round();
    expect([socket.receives, rig.sockets.hasWork]).toEqual([receives, false]);
    const got: number[] = [];
    for (let i = 0; i < 10; i++) {
      rig.round(() => got.push(...takeAll(flow)));
    }
    expect(got).toEqual([...bytes(50)]);
    expect(rig.kernel.log.filter((line) => line === "resume 0").length).toBeGreaterThan(0);
  });

  it("asks again in the next round when there was no submission left to ask with", () => {
    const rig = new Rig({ submissions: 1 });
    const one = rig.connection({ receiveLimitBytes: 20 });
    const other = rig.connection();
    one.socket.arrive(bytes(50));
    rig.settle();
    const got: number[] = [];
    rig.round(() => {
      other.flow.send(bytes(5), 0, 5);
      got.push(...takeAll(one.flow));
    });
    expect(rig.sockets.hasWork).toBe(true);
    for (let i = 0; i < 6; i++) rig.round(() => got.push(...takeAll(one.flow)));
    expect(got).toEqual([...bytes(50)]);
  });

  it("never has more than its limit, whatever the user takes meanwhile", () => {
    const rig = new Rig();
    const { flow, socket } = rig.connection({ receiveLimitBytes: 16 });
    for (let i = 0; i < 40; i++) {
      socket.arrive(bytes(10, 10 * i));
      rig.round(() => {
        expect(flow.receivedBytes).toBeLessThanOrEqual(16);
        flow.receive(new Uint8Array(3), 0, 3);
      });
    }
  });
});

describe("the end of what is received", () => {
  it("is told after the last byte", () => {
    const rig = new Rig();
    const { flow, socket, told } = rig.connection();
    socket.arrive(bytes(10));
    socket.end();
    rig.round();
    rig.round();
    expect(told.take()).toBe("readable state");
    expect([flow.isFinished, flow.atEnd]).toEqual([true, false]);
    expect(takeAll(flow)).toEqual(bytes(10));
    expect([flow.atEnd, flow.receive(new Uint8Array(4), 0, 4)]).toEqual([true, 0]);
  });

  it("is an error when the connection was reset, after the bytes that came before", () => {
    const rig = new Rig();
    const { flow, socket, told } = rig.connection();
    socket.arrive(bytes(10));
    socket.fail(ECONNRESET);
    rig.settle();
    expect(told.take()).toBe("readable state");
    expect(takeAll(flow)).toEqual(bytes(10));
    expect([flow.receive(new Uint8Array(4), 0, 4), flow.atEnd]).toEqual([ECONNRESET, false]);
  });

  it("is no end at all when a send has met the reset first and recv only says 0", () => {
    // The kernel tells of a reset once. When send(2) has had it, recv(2) gives 0, as at the end.
    const rig = new Rig();
    const { flow, socket } = rig.connection();
    socket.sendError = ECONNRESET;
    socket.arrive(bytes(10));
    socket.end();
    rig.round(() => flow.send(bytes(5), 0, 5));
    rig.settle();
    expect(takeAll(flow)).toEqual(bytes(10));
    expect([flow.isFinished, flow.atEnd]).toEqual([false, false]);
    expect(flow.receive(new Uint8Array(4), 0, 4)).toBe(ECONNRESET);
  });

  it("stays an end when the reset comes after it", () => {
    const rig = new Rig();
    const { flow, socket } = rig.connection();
    socket.end();
    rig.settle();
    socket.sendError = EPIPE;
    rig.round(() => flow.send(bytes(5), 0, 5));
    rig.settle();
    expect([flow.failure, flow.atEnd]).toEqual([ECONNRESET, true]);
    expect(flow.receive(new Uint8Array(4), 0, 4)).toBe(0);
  });

  it("keeps the first failure", () => {
    const rig = new Rig();
    const { flow, socket } = rig.connection();
    socket.fail(ETIMEDOUT);
    rig.settle();
    socket.fail(ECONNRESET);
    rig.settle();
    expect(flow.failure).toBe(ETIMEDOUT);
    expect([flow.send(bytes(1), 0, 1), flow.finish(rig.nowMs)]).toEqual([ETIMEDOUT, ETIMEDOUT]);
  });
});

const EPIPE = -32;

describe("discarding", () => {
  it("drops what is kept, what is in the round, and what comes", () => {
    const rig = new Rig();
    const { flow, socket } = rig.connection({ receiveLimitBytes: 20 });
    socket.arrive(bytes(500));
    rig.round();
    rig.round(() => {
      flow.discardReceived();
      expect(flow.receivedBytes).toBe(0);
    });
    rig.settle();
    for (let i = 0; i < 60; i++) rig.round();
    expect([socket.inbox.length, flow.receivedBytes]).toEqual([0, 0]);
    expect(rig.sockets.leftovers().bufferedBytes).toBe(0);
    socket.end();
    rig.settle();
    expect(flow.atEnd).toBe(true);
  });

  it("begins with a connection that the kernel has stopped receiving from", () => {
    const rig = new Rig();
    const { flow, socket } = rig.connection({ receiveLimitBytes: 20 });
    socket.arrive(bytes(90));
    socket.end();
    rig.settle();
    expect(socket.inbox.length).toBe(70);
    rig.round(() => flow.discardReceived());
    for (let i = 0; i < 10; i++) rig.round();
    expect([socket.inbox.length, flow.atEnd]).toEqual([0, true]);
  });
});
