// Datagrams of the kernel: UDP, and AF_UNIX where UDP cannot be long enough.

import { afterEach, beforeEach, expect, it } from "vitest";
import {
  AF_INET,
  AF_INET6,
  AF_UNIX,
  EVENT_DATAGRAM,
  EVENT_DATAGRAM_TRUNCATED,
  EVENT_ERROR,
  EVENT_WRITABLE,
  OP_SENDTO,
  SOCK_DGRAM,
  SOCKET_STATUS_RECV_CALLS,
} from "../../native-io/sockets.ts";
import {
  describeWithSockets,
  EAGAIN,
  ECONNREFUSED,
  EINVAL,
  ok,
  Poller,
  pattern,
  sockaddrIn,
  sockaddrUn,
  textOf,
} from "./socket-poller.ts";

const EMSGSIZE = -90;
const EDESTADDRREQ = -89;
const CONNECTED = new Uint8Array(0);
const SOL_SOCKET = 1;
const SO_SNDBUF = 7;

describeWithSockets("datagrams of the kernel", () => {
  let poller: Poller;
  beforeEach(() => {
    poller = new Poller();
    poller.defaultRoom = 32;
  });
  afterEach(() => poller.close());

  function unix(name: string): number {
    const id = poller.open(AF_UNIX, SOCK_DGRAM);
    ok(poller.addon.socketBind(poller.handle, id, sockaddrUn(`\0caraway-${process.pid}-${name}`)));
    return id;
  }

  it("arrive with the sender's address, one by one, also empty", () => {
    const [one, other] = [poller.udp(), poller.udp()];
    const to = poller.name(other);
    const sent = ["first", "", "third"].map((text) => poller.sendTo(one, to, text));
    const events = poller.until((all) => all.length >= 3);
    expect(sent.map((index) => poller.result(index))).toEqual([5, 0, 5]);
    const datagrams = events.map((each) => each.datagram);
    expect(datagrams.map((each) => textOf(each?.payload as Uint8Array))).toEqual([
      "first",
      "",
      "third",
    ]);
    for (const each of datagrams) expect(each?.sockaddr).toEqual(poller.name(one));
    expect(datagrams.map((each) => each?.payloadBytes)).toEqual([5, 0, 5]);
    expect(poller.settle()).toEqual([]);
  });

  it("can be sent between two polls, which disturbs nothing that was received", () => {
    const [one, other] = [poller.udp(), poller.udp()];
    poller.sendTo(one, poller.name(other), "received");
    poller.until((all) => all.length > 0);
    const { buffer, rxOffset } = poller.opened;
    const rx = new Uint8Array(buffer, rxOffset, 64);
    const received = rx.slice();
    expect(textOf(received)).toContain("received");
    const index = poller.sendTo(one, poller.name(other), "sent");
    expect(poller.addon.socketsSubmit(poller.handle)).toBe(1);
    expect(poller.result(index)).toBe(4);
    expect(rx).toEqual(received);
    // Once is enough.
    expect(poller.addon.socketsSubmit(poller.handle)).toBe(0);
    const next = poller.until((all) => all.length > 0);
    expect(next.map((each) => textOf(each.datagram?.payload as Uint8Array))).toEqual(["sent"]);
    expect(poller.settle()).toEqual([]);
  });

  it("of IPv6 carry 28 bytes of address", () => {
    const make = () => {
      const id = poller.open(AF_INET6, SOCK_DGRAM);
      const loopback = new Uint8Array(28);
      loopback.set(poller.name(id).subarray(0, 2));
      loopback[23] = 1;
      return poller.addon.socketBind(poller.handle, id, loopback) === 0 ? id : 0;
    };
    const [one, other] = [make(), make()];
    if (one === 0 || other === 0) return; // IPv6 is off here.
    poller.sendTo(one, poller.name(other), "six");
    const [event] = poller.untilKind(other, EVENT_DATAGRAM);
    expect(event?.datagram?.sockaddr).toEqual(poller.name(one));
    expect(textOf(event?.datagram?.payload as Uint8Array)).toBe("six");
  });

  it("go to the connected peer without an address, and come from nobody else", () => {
    const [one, other, stranger] = [poller.udp(), poller.udp(), poller.udp()];
    ok(poller.addon.socketConnect(poller.handle, one, poller.name(other)));
    poller.sendTo(stranger, poller.name(one), "from a stranger");
    poller.sendTo(one, CONNECTED, "to the peer");
    const [event] = poller.untilKind(other, EVENT_DATAGRAM);
    expect(textOf(event?.datagram?.payload as Uint8Array)).toBe("to the peer");
    expect(poller.settle()).toEqual([]);
  });

  it("that cannot be sent say why", () => {
    const one = poller.udp();
    const to = poller.name(one);
    const indices = [
      poller.sendTo(one, CONNECTED, "to nobody"),
      poller.sendTo(one, to, pattern(65_508)),
      poller.sendTo(one, new Uint8Array(4), "no address"),
      poller.submit(one, OP_SENDTO, 0, 7),
    ];
    poller.poll();
    const results = indices.map((index) => poller.result(index));
    expect(results).toEqual([EDESTADDRREQ, EMSGSIZE, EINVAL, EINVAL]);
  });

  it("with an address that reaches beyond them are EINVAL", () => {
    const one = poller.udp();
    const header = new Int32Array(poller.opened.buffer, poller.opened.txOffset, 2);
    for (const length of [-1, 1, 9, 113, 2 ** 31 - 1]) {
      header[0] = length;
      const index = poller.submit(one, OP_SENDTO, 0, 8);
      poller.poll();
      expect(poller.result(index)).toBe(EINVAL);
    }
  });

  it("of the longest UDP size arrive whole", () => {
    const [one, other] = [poller.udp(), poller.udp()];
    poller.sendTo(one, poller.name(other), pattern(65_507));
    const [event] = poller.untilKind(other, EVENT_DATAGRAM);
    expect(event?.datagram?.payload).toEqual(pattern(65_507));
  });

  it("longer than there is room for are cut, and say how long they were", () => {
    const [one, other] = [unix("long-one"), unix("long-other")];
    poller.sendTo(one, poller.name(other), pattern(70_000));
    poller.sendTo(one, poller.name(other), pattern(65_535));
    const events = poller.until((all) => all.length >= 2);
    expect(events.map((each) => each.kind)).toEqual([EVENT_DATAGRAM_TRUNCATED, EVENT_DATAGRAM]);
    for (const each of events) {
      expect(each.datagram?.payload).toEqual(pattern(65_535));
      expect(each.datagram?.sockaddr).toEqual(poller.name(one));
    }
    expect(events.map((each) => each.datagram?.payloadBytes)).toEqual([70_000, 65_535]);
  });

  it("from an unnamed AF_UNIX socket carry no address", () => {
    const other = unix("named");
    poller.sendTo(poller.open(AF_UNIX, SOCK_DGRAM), poller.name(other), "who");
    const [event] = poller.untilKind(other, EVENT_DATAGRAM);
    expect(event?.datagram?.sockaddr).toHaveLength(0);
    expect(textOf(event?.datagram?.payload as Uint8Array)).toBe("who");
  });

  it("lie one behind the other however long each is", () => {
    const [one, other] = [poller.udp(), poller.udp()];
    const lengths = [1, 0, 1400, 3, 60_000, 2, 7, 65_507, 5];
    const sent = lengths.map((length, i) => {
      poller.sendTo(one, poller.name(other), pattern(length, i));
      return pattern(length, i);
    });
    const events = poller.until((all) => all.length === lengths.length);
    expect(events.map((each) => each.datagram?.payload)).toEqual(sent);
    const status = poller.status.slice();
    for (let i = 0; i < 3; i++) {
      poller.sendTo(one, poller.name(other), "ping");
      poller.untilKind(other, EVENT_DATAGRAM);
    }
    // One call for each, and none to learn that there is no other.
    const calls =
      (poller.status[SOCKET_STATUS_RECV_CALLS] as number) -
      (status[SOCKET_STATUS_RECV_CALLS] as number);
    expect(calls).toBe(3);
  });

  it("are received as many as there is room for, 32 at most, and the others later", () => {
    const [one, other] = [poller.udp(), poller.udp()];
    const to = poller.name(other);
    poller.setRoom(other, 3);
    for (let i = 0; i < 50; i++) poller.sendTo(one, to, `number ${i}`);
    const counts = [poller.poll().length];
    const rest = [];
    poller.setRoom(other, 0);
    expect(poller.settle()).toEqual([]);
    poller.setRoom(other, 1000);
    poller.resume(other);
    for (let i = 0; i < 4; i++) {
      const events = poller.poll();
      rest.push(...events);
      counts.push(events.length);
    }
    expect(counts).toEqual([3, 32, 15, 0, 0]);
    expect(textOf(rest.at(-1)?.datagram?.payload as Uint8Array)).toBe("number 49");
  });

  it("wait for the next poll when rx is full", () => {
    poller.close();
    poller = new Poller({ rxBytes: 131_072 });
    poller.defaultRoom = 32;
    const [one, other] = [poller.udp(), poller.udp()];
    for (let i = 0; i < 3; i++) poller.sendTo(one, poller.name(other), pattern(50_000, i));
    const lengths = [0, 1, 2, 3].map(() => poller.poll().length);
    expect(lengths.reduce((sum, each) => sum + each, 0)).toBe(3);
    expect(Math.max(...lengths)).toBeLessThan(3);
  });

  it("to nobody are an error of the connected sender, which goes on", () => {
    const [one, other] = [poller.udp(), poller.udp()];
    const to = poller.name(other);
    ok(poller.addon.socketConnect(poller.handle, one, to));
    poller.socketClose(other);
    for (const room of [32, 0]) {
      poller.setRoom(one, room);
      poller.sendTo(one, CONNECTED, "anybody?");
      const events = poller.untilKind(one, EVENT_ERROR).concat(poller.settle());
      expect(events).toEqual([{ id: one, kind: EVENT_ERROR, length: ECONNREFUSED }]);
    }
    const again = poller.udp();
    poller.setRoom(one, 32);
    ok(poller.addon.socketConnect(poller.handle, one, poller.name(again)));
    poller.sendTo(again, poller.name(one), "here");
    const [event] = poller.untilKind(one, EVENT_DATAGRAM);
    expect(textOf(event?.datagram?.payload as Uint8Array)).toBe("here");
  });

  it("without room to send are EAGAIN, and writability is told of once there is", () => {
    const [one, other] = [unix("full-one"), unix("full-other")];
    ok(poller.addon.socketOption(poller.handle, one, SOL_SOCKET, SO_SNDBUF, 4096));
    ok(poller.addon.socketConnect(poller.handle, one, poller.name(other)));
    poller.setRoom(other, 0);
    let index: number;
    do {
      index = poller.sendTo(one, CONNECTED, pattern(1000));
      poller.poll();
    } while (poller.result(index) === 1000);
    expect(poller.result(index)).toBe(EAGAIN);
    expect(poller.settle()).toEqual([]);
    poller.setRoom(other, 32);
    poller.resume(other);
    const events = poller.untilKind(one, EVENT_WRITABLE).concat(poller.settle());
    expect(events.filter((each) => each.kind === EVENT_WRITABLE)).toHaveLength(1);
  });

  it("tell nothing of a socket that nobody uses", () => {
    const one = poller.open(AF_INET, SOCK_DGRAM);
    ok(poller.addon.socketBind(poller.handle, one, sockaddrIn("127.0.0.1", 0)));
    expect(poller.settle()).toEqual([]);
  });
});
