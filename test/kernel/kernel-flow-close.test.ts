// SPDX-License-Identifier: MIT
// How a connection of the kernel's opens and ends: connecting, abort, release and its limit, the
// timer that looks for what the kernel does not tell, and the end of everything.

import { describe, expect, it } from "vitest";
import { ECONNREFUSED, ECONNRESET, ENETDOWN } from "../../src/kernel/errno.ts";
import { EVENT_HANGUP, EVENT_ROOM } from "./support/fake-kernel.ts";
import { bytes, type Connection, Rig } from "./support/rig.ts";

const EHOSTUNREACH = -113;
const EPERM = -1;
const NOTHING = { sockets: 0, timeWait: 0, listeners: 0, bufferedBytes: 0, timers: 0 };

/** The socket is closed, and nothing is left of the flow. */
function expectEnd(rig: Rig, { flow, socket }: Connection, how: "reset" | "plain"): void {
  expect([socket.isOpen, socket.isReset ? "reset" : "plain"]).toEqual([false, how]);
  expect(rig.sockets.leftovers()).toEqual(NOTHING);
  expect([rig.timers.size, flow.receivedBytes, flow.unsentBytes]).toEqual([0, 0, 0]);
}

describe("opening", () => {
  it("is established when the kernel says so", () => {
    const rig = new Rig();
    const { flow, socket, told } = rig.connection({}, false);
    rig.round();
    expect([flow.isEstablished, flow.openFailure]).toEqual([false, 0]);
    socket.connected();
    rig.round();
    expect([flow.isEstablished, told.take()]).toEqual([true, "writable state"]);
  });

  it("fails with what the kernel says, told by an event or with the readiness", () => {
    const rig = new Rig();
    const refused = rig.connection({}, false);
    refused.socket.fail(ECONNREFUSED);
    const unreachable = rig.connection({}, false);
    unreachable.socket.error = EHOSTUNREACH;
    unreachable.socket.connected();
    rig.round();
    for (const [it, errno] of [
      [refused, ECONNREFUSED],
      [unreachable, EHOSTUNREACH],
    ] as const) {
      expect([it.flow.isEstablished, it.flow.openFailure]).toEqual([false, errno]);
      expect(it.told.take()).toBe("state");
      it.flow.abort(rig.nowMs);
      expect([it.socket.isOpen, it.socket.isReset]).toEqual([false, false]);
    }
    expect(rig.sockets.leftovers()).toEqual(NOTHING);
  });

  it("is refused when the kernel says so", () => {
    const rig = new Rig();
    const { flow, socket } = rig.connection({}, false);
    socket.fail(ECONNREFUSED);
    rig.round();
    expect(flow.openFailure).toBe(ECONNREFUSED);
  });

  it("given up is reset, and what comes later is nobody's", () => {
    const rig = new Rig();
    const it = rig.connection({}, false);
    it.flow.abort(rig.nowMs);
    // The kernel may be further than we have been told: its peer must see no end of a stream.
    expectEnd(rig, it, "reset");
    // The same slot, another socket: the event of the first must not open it.
    const next = rig.connection({}, false);
    expect(next.socket.slot).toBe(it.socket.slot);
    rig.kernel.stray.push([it.socket.id, EVENT_ROOM, 0, 0]);
    rig.round();
    expect(next.flow.isEstablished).toBe(false);
  });
});

describe("abort", () => {
  it("resets, and what was submitted is sent by nobody", () => {
    const rig = new Rig();
    const it = rig.connection();
    it.flow.send(bytes(30), 0, 30);
    it.flow.abort(rig.nowMs);
    expectEnd(rig, it, "reset");
    const next = rig.connection();
    rig.settle();
    expect([it.socket.taken, next.socket.taken]).toEqual([[], []]);
    expect([next.flow.failure, next.flow.unsentBytes]).toEqual([0, 0]);
  });

  it("resets with bytes in the backlog, kept bytes, and a look in preparation", () => {
    const rig = new Rig({ txBytes: 16 });
    const it = rig.connection();
    it.socket.room = 0;
    it.socket.unsent = 9;
    it.socket.arrive(bytes(40));
    rig.round(() => it.flow.send(bytes(50), 0, 50));
    rig.round(() => it.flow.finish(rig.nowMs));
    it.socket.admit(100);
    rig.settle();
    expect(rig.timers.size).toBe(1);
    it.flow.abort(rig.nowMs);
    expectEnd(rig, it, "reset");
    it.flow.abort(rig.nowMs);
    rig.pass(1_000);
  });

  it("resets after an error that has not ended the connection for the peer", () => {
    const rig = new Rig();
    const it = rig.connection();
    it.socket.sendError = EPERM;
    rig.round(() => it.flow.send(bytes(30), 0, 30));
    rig.settle();
    expect(it.flow.failure).toBe(EPERM);
    it.flow.abort(rig.nowMs);
    // A plain close would tell the peer that the stream ends here.
    expectEnd(rig, it, "reset");
  });

  it("only closes what has come to its orderly end", () => {
    const rig = new Rig();
    const it = rig.connection();
    it.socket.end();
    rig.round(() => it.flow.finish(rig.nowMs));
    rig.settle();
    expect(it.flow.isOrderlyClosed).toBe(true);
    it.flow.abort(rig.nowMs);
    expectEnd(rig, it, "plain");
  });
});

describe("release", () => {
  it("sends what is queued, then the end, drops what arrives, and closes", () => {
    const rig = new Rig({ txBytes: 16 });
    const it = rig.connection();
    it.socket.room = 20;
    it.socket.unsent = 1;
    it.socket.arrive(bytes(70));
    rig.round(() => {
      it.flow.send(bytes(60), 0, 60);
      it.flow.release(rig.nowMs);
    });
    rig.settle();
    expect([it.socket.hasFin, it.flow.sink, rig.sockets.size]).toEqual([false, null, 1]);
    it.socket.arrive(bytes(70));
    it.socket.admit(100);
    rig.settle();
    expect(it.socket.taken).toEqual([...bytes(60)]);
    expect([it.socket.hasFin, it.socket.isOpen]).toEqual([true, true]);
    it.socket.unsent = 0;
    rig.pass(200);
    expect(it.socket.isOpen).toBe(true);
    it.socket.end();
    rig.pass(200);
    expectEnd(rig, it, "plain");
  });

  it("resets what has not ended after 60 s, and not before", () => {
    const rig = new Rig();
    const it = rig.connection();
    it.socket.unsent = 1;
    rig.round(() => it.flow.release(rig.nowMs));
    const { polls } = rig.kernel;
    rig.pass(59_999);
    expect(it.socket.isOpen).toBe(true);
    rig.pass(1);
    expectEnd(rig, it, "reset");
    expect(rig.kernel.polls - polls).toBeLessThan(100);
  });

  it("resets after 60 s although the peer never stops sending", () => {
    const rig = new Rig();
    const it = rig.connection({ receiveLimitBytes: 20 });
    rig.round(() => it.flow.release(rig.nowMs));
    for (let i = 0; i < 700; i++) {
      it.socket.arrive(bytes(50));
      rig.pass(100);
    }
    expectEnd(rig, it, "reset");
  });

  it("closes when the connection breaks meanwhile", () => {
    for (const breaks of [
      (it: Connection) => it.socket.fail(ECONNRESET),
      (it: Connection) => {
        it.socket.unsent = ECONNRESET;
      },
      (it: Connection) => {
        it.socket.shutdownError = -107;
      },
    ]) {
      const rig = new Rig();
      const it = rig.connection();
      it.socket.unsent = 1;
      rig.round(() => it.flow.release(rig.nowMs));
      breaks(it);
      rig.round();
      rig.pass(200);
      expect(it.socket.isOpen).toBe(false);
      expect(rig.sockets.leftovers()).toEqual(NOTHING);
      expect(rig.timers.size).toBe(0);
    }
  });

  it("closes at once what is over, what has failed, and what never opened", () => {
    const rig = new Rig();
    const failed = rig.connection();
    failed.socket.fail(ECONNRESET);
    const over = rig.connection();
    over.socket.end();
    const opening = rig.connection({}, false);
    rig.round(() => over.flow.finish(rig.nowMs));
    rig.settle();
    for (const it of [failed, over, opening]) {
      it.flow.release(rig.nowMs);
      expect(it.socket.isOpen).toBe(false);
    }
    expect(rig.sockets.leftovers()).toEqual(NOTHING);
  });

  it("is not disturbed by the events of a socket that closed before in the same crossing", () => {
    const rig = new Rig();
    const released = rig.connection();
    const other = rig.connection();
    rig.round(() => released.flow.release(rig.nowMs));
    rig.settle();
    released.socket.end();
    released.socket.tell(EVENT_HANGUP);
    other.socket.arrive(bytes(10));
    rig.round();
    rig.pass(100);
    expect(released.socket.isOpen).toBe(false);
    expect(other.flow.receivedBytes).toBe(10);
  });
});

describe("the look for what the kernel does not tell", () => {
  it("tells of the acknowledgement, and stops", () => {
    const rig = new Rig();
    const { flow, socket, told } = rig.connection();
    socket.unsent = 5;
    rig.round(() => flow.finish(rig.nowMs));
    rig.settle();
    told.take();
    rig.pass(300);
    expect([told.take(), flow.isAcknowledged]).toEqual(["", false]);
    socket.unsent = 0;
    rig.pass(1_000);
    expect([told.take(), flow.isAcknowledged, rig.timers.size]).toEqual(["state", true, 0]);
  });

  it("tells of a failure, and stops", () => {
    const rig = new Rig();
    const { flow, socket, told } = rig.connection();
    socket.unsent = 5;
    rig.round(() => flow.finish(rig.nowMs));
    rig.settle();
    told.take();
    socket.unsent = ECONNRESET;
    rig.pass(1_000);
    expect([told.take(), flow.failure, rig.timers.size]).toEqual(["state", ECONNRESET, 0]);
  });

  it("backs off to one a second", () => {
    const rig = new Rig();
    const { flow, socket } = rig.connection();
    socket.unsent = 5;
    rig.round(() => flow.finish(rig.nowMs));
    rig.settle();
    const { polls } = rig.kernel;
    rig.pass(60_000);
    expect(rig.kernel.polls - polls).toBeLessThan(75);
    expect(rig.timers.size).toBe(1);
  });
});

describe("the end of the network", () => {
  it("fails everyone, resets what is held, and leaves to the kernel what it was given", () => {
    const rig = new Rig();
    const held = rig.connection();
    const given = rig.connection();
    const unfinished = rig.connection();
    given.socket.unsent = 3;
    unfinished.socket.room = 0;
    rig.round(() => {
      given.flow.send(bytes(3), 0, 3);
      given.flow.release(rig.nowMs);
      unfinished.flow.send(bytes(3), 0, 3);
      unfinished.flow.release(rig.nowMs);
    });
    rig.settle();
    held.told.take();
    for (const socket of rig.sockets.all()) socket.fail(ENETDOWN, rig.nowMs);
    expect([held.flow.failure, held.told.take()]).toEqual([ENETDOWN, "state"]);
    expect(held.flow.send(bytes(1), 0, 1)).toBe(ENETDOWN);
    expect([held, given, unfinished].map(({ socket }) => socket.isReset)).toEqual([
      true,
      false,
      true,
    ]);
    expect(rig.sockets.leftovers()).toEqual(NOTHING);
    expect(rig.timers.size).toBe(0);
  });
});
