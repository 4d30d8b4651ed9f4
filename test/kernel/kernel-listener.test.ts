// SPDX-License-Identifier: MIT
// A listening socket of the kernel's, and the table of all sockets: stale ids, slots that are used
// again, the count of what is there.

import { describe, expect, it } from "vitest";
import { ENETDOWN } from "../../src/kernel/errno.ts";
import { KernelFlow } from "../../src/kernel/kernel-flow.ts";
import { KernelListener } from "../../src/kernel/kernel-listener.ts";
import { EVENT_ACCEPTABLE, EVENT_HANGUP, type FakeSocket } from "./support/fake-kernel.ts";
import { bytes, Rig } from "./support/rig.ts";

const EMFILE = -24;
const SETTINGS = { sendLimitBytes: 100, receiveLimitBytes: 100 };

interface Listening {
  readonly listener: KernelListener;
  readonly socket: FakeSocket;
  /** Times that it was said to be ready. */
  readonly ready: () => number;
  readonly closed: KernelListener[];
}

function listen(rig: Rig): Listening {
  const socket = rig.kernel.make();
  let ready = 0;
  const sink = { listenerReady: () => void ready++ };
  const closed: KernelListener[] = [];
  const listener = new KernelListener(rig.sockets, socket.id, SETTINGS, sink, (which) =>
    closed.push(which),
  );
  return { listener, socket, ready: () => ready, closed };
}

describe("a listener", () => {
  it("gives what waits, in order, and then nothing until the kernel tells of more", () => {
    const rig = new Rig();
    const { listener, socket, ready } = listen(rig);
    const peers = [rig.kernel.make(), rig.kernel.make()];
    socket.backlog.push(...peers);
    socket.tell(EVENT_ACCEPTABLE);
    rig.round();
    expect([ready(), listener.waiting]).toEqual([1, 2]);
    const taken = [listener.take(), listener.take()] as KernelFlow[];
    expect(taken.map(({ id }) => id)).toEqual(peers.map(({ id }) => id));
    expect([listener.take(), listener.waiting]).toEqual([null, 0]);
    expect(taken[0]?.isEstablished).toBe(true);
    expect(rig.sockets.leftovers()).toMatchObject({ sockets: 2, listeners: 1 });
  });

  it("gives bytes that came before it was asked", () => {
    const rig = new Rig();
    const { listener, socket } = listen(rig);
    const peer = rig.kernel.make();
    peer.arrive(bytes(20));
    socket.backlog.push(peer);
    rig.round();
    const flow = listener.take() as KernelFlow;
    // The kernel tells its readiness anew to a socket that has just come under watch.
    peer.resume();
    rig.round();
    expect(flow.receivedBytes).toBe(20);
  });

  it("tells why it cannot accept, and goes on when it can", () => {
    const rig = new Rig();
    const { listener, socket } = listen(rig);
    socket.backlog.push(EMFILE, EMFILE, rig.kernel.make());
    expect([listener.take(), listener.take()]).toEqual([EMFILE, EMFILE]);
    expect(listener.take()).toBeInstanceOf(KernelFlow);
    expect([listener.take(), listener.error]).toEqual([null, 0]);
  });

  it("counts what a full backlog has dropped, once", () => {
    const rig = new Rig();
    const { listener, socket } = listen(rig);
    listener.countDrops();
    expect(rig.sockets.counts.size).toBe(0);
    socket.drops = 3;
    listener.countDrops();
    listener.countDrops();
    socket.drops = 5;
    listener.close(0);
    expect(rig.sockets.counts.get("tcp.backlogFull")).toBe(5);
  });

  it("closes once, and is asked nothing more", () => {
    const rig = new Rig();
    const { listener, socket, closed } = listen(rig);
    listener.close(0);
    listener.close(0);
    listener.countDrops();
    expect([closed, listener.waiting, socket.isOpen]).toEqual([[listener], 0, false]);
    expect(rig.sockets.leftovers()).toMatchObject({ sockets: 0, listeners: 0 });
  });

  it("fails with the network, and says so", () => {
    const rig = new Rig();
    const { listener, socket, ready } = listen(rig);
    listener.fail(ENETDOWN, 0);
    expect([listener.error, ready(), socket.isOpen]).toEqual([ENETDOWN, 1, false]);
  });

  it("makes nothing of a hang-up", () => {
    const rig = new Rig();
    const { socket, ready } = listen(rig);
    socket.tell(EVENT_HANGUP);
    rig.round();
    expect(ready()).toBe(0);
  });
});

describe("the table of sockets", () => {
  it("takes no event for a socket that had the slot before, and none for an empty slot", () => {
    const rig = new Rig();
    const first = rig.connection();
    first.flow.abort(0);
    const second = rig.connection();
    expect(second.socket.slot).toBe(first.socket.slot);
    rig.kernel.shared.rx.fill(7);
    rig.kernel.stray.push([first.socket.id, 1, 0, 5], [first.socket.id, 2, 0, 0], [5, 1, 0, 5]);
    rig.round();
    expect([second.flow.receivedBytes, second.flow.isFinished]).toEqual([0, false]);
    // Of a descriptor whoever is told must be the owner.
    rig.kernel.stray.push([first.socket.id, 8, 0, 71]);
    rig.round();
    expect(rig.kernel.closedDescriptors).toEqual([71]);
  });

  it("crosses only when there is something open or something to be sent", () => {
    const rig = new Rig();
    const { polls } = rig.kernel;
    for (let i = 0; i < 5; i++) rig.round();
    expect(rig.kernel.polls).toBe(polls);
    const { flow } = rig.connection();
    rig.round(() => flow.send(bytes(5), 0, 5));
    flow.abort(0);
    // What it had submitted is cleared away by one more.
    for (let i = 0; i < 5; i++) rig.round();
    expect(rig.kernel.polls).toBe(polls + 2);
    expect(rig.sockets.submissions.count).toBe(0);
  });

  it("keeps what was received in this round when a socket sends before its end", () => {
    const rig = new Rig();
    const one = rig.connection();
    const other = rig.connection();
    one.socket.arrive(bytes(20));
    rig.round(() => {
      other.flow.send(bytes(9), 0, 9);
      rig.sockets.submitNow();
      expect(other.socket.taken).toEqual([...bytes(9)]);
      const into = new Uint8Array(20);
      expect(one.flow.receive(into, 0, 20)).toBe(20);
      expect(into).toEqual(bytes(20));
    });
  });
});
