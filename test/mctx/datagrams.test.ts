// SPDX-License-Identifier: MIT
// UDP sockets of a stack without a loop: who waits for the tx ring, ports, checksums, ends.

import { describe, expect, it } from "vitest";
import type { Stack } from "../../src/mctx/stack.ts";
import { EVENT_READABLE, EVENT_STATE, EVENT_WRITABLE } from "../../src/tcp/host.ts";
import { FrameView } from "../../src/testing.ts";
import type { DatagramFlow, DatagramPlace } from "../../src/transport/datagram.ts";
import {
  type Bench,
  benchStack,
  deliver,
  exchange,
  ip,
  open as openTcp,
  round,
  talk,
} from "./support/bench-stack.ts";

const EAGAIN = -11;
const EACCES = -13;
const ENFILE = -23;
const EDESTADDRREQ = -89;
const EMSGSIZE = -90;
const EAFNOSUPPORT = -97;
const EADDRINUSE = -98;
const EADDRNOTAVAIL = -99;
const ENETDOWN = -100;
const ENETUNREACH = -101;
const EHOSTUNREACH = -113;

const BYTES = Uint8Array.of(1, 2, 3);

/** A socket and the events that it was told. */
interface Opened {
  readonly flow: DatagramFlow;
  readonly events: number[];
}

function tryOpen(stack: Stack, place: Partial<DatagramPlace> = {}): Opened | number {
  const events: number[] = [];
  const sink = { flowEvents: (each: number) => void events.push(each) };
  const flow = stack.openDatagram({ address: null, port: 0, remote: null, ...place }, sink);
  return typeof flow === "number" ? flow : { flow, events };
}

function open(bench: Bench, place: Partial<DatagramPlace> = {}): Opened {
  const opened = tryOpen(bench.stack, place);
  if (typeof opened === "number") throw new Error(`open: ${opened}`);
  return opened;
}

function send(
  flow: DatagramFlow,
  bytes: Uint8Array = BYTES,
  to: Bench | null = null,
  port = 0,
): number {
  const end = to === null ? null : { address: to.address, port };
  return flow.send(end, bytes, 0, bytes.length);
}

const about = { lengthBytes: 0, from: { host: "", port: 0 } };

function receive(flow: DatagramFlow, room = 100): number {
  return flow.receive(new Uint8Array(room), about);
}

/** Two stacks that know each other's MAC address, and a connected socket at the first. */
function pair(options: Parameters<typeof benchStack>[1] = {}) {
  const [a, b] = [benchStack(1, options), benchStack(2)];
  const server = open(b, { port: 53 });
  const client = open(a, { remote: { address: b.address, port: 53 } });
  send(client.flow);
  talk(a, b, 0, 5);
  expect(receive(server.flow)).toBe(3);
  server.events.length = 0;
  return { a, b, server, client };
}

describe("datagrams between two stacks", () => {
  it("tell their sender, true length and the part of the buffer that they fill", () => {
    const { a, b, server, client } = pair();
    expect(about).toEqual({ lengthBytes: 3, from: client.flow.localEnd });
    const big = new Uint8Array(1_472).fill(7);
    expect(send(client.flow, big)).toBe(0);
    exchange(a, b, 6);
    round(b, 6);
    expect(server.events).toEqual([EVENT_READABLE]);
    expect([server.flow.hasReceived, b.stack.leftovers().bufferedBytes]).toEqual([true, 1_472]);
    expect([receive(server.flow, 100), about.lengthBytes]).toEqual([100, 1_472]);
    expect([receive(server.flow), server.flow.hasReceived]).toEqual([EAGAIN, false]);
    expect(client.flow.sendLimitBytes).toBe(1_472);
    expect(send(client.flow, new Uint8Array(1_473))).toBe(EMSGSIZE);
  });

  it("are sent from the part of the array that was meant", () => {
    const { a, b, server, client } = pair();
    expect(client.flow.send(null, Uint8Array.of(9, 1, 2, 9), 1, 2)).toBe(0);
    exchange(a, b, 6);
    round(b, 6);
    const into = new Uint8Array(5);
    expect(server.flow.receive(into, about)).toBe(2);
    expect(into).toEqual(Uint8Array.of(1, 2, 0, 0, 0));
  });

  it("remember the sender's text, and change it with the sender", () => {
    const { a, b, server, client } = pair();
    const other = open(a, {});
    const ends: unknown[] = [];
    for (const flow of [client.flow, client.flow, other.flow, client.flow]) {
      expect(send(flow, BYTES, flow === other.flow ? b : null, 53)).toBe(0);
      exchange(a, b, 6);
      round(b, 6);
      receive(server.flow);
      ends.push(about.from);
    }
    const mine = client.flow.localEnd;
    expect(ends).toEqual([mine, mine, { host: "10.0.0.1", port: other.flow.localEnd.port }, mine]);
    expect(ends[0]).toBe(ends[1]);
  });

  it("go from a stack to itself", () => {
    const a = benchStack(1);
    const server = open(a, { port: 53 });
    const client = open(a, { remote: { address: a.address, port: 53 } });
    expect(send(client.flow)).toBe(0);
    round(a, 1);
    expect([receive(server.flow), about.from]).toEqual([3, client.flow.localEnd]);
    expect(a.sent).toEqual([]);
  });

  for (const checksumTx of [false, true]) {
    it(`a checksum of 0 is sent as 0xffff, ${checksumTx ? "by the NIC" : "by us"}`, () => {
      const { a, b, server, client } = pair({ driver: { checksumTx } });
      const checksumOf = (payload: Uint8Array): number => {
        a.sent.length = 0;
        send(client.flow, payload);
        round(a, 6);
        const frame = a.sent[0] as Uint8Array;
        deliver(b, frame, 6);
        round(b, 6);
        expect(receive(server.flow)).toBe(2);
        return ((frame[40] as number) << 8) | (frame[41] as number);
      };
      // One's complement: payload 0 has checksum c, so payload c has checksum 0.
      const c = checksumOf(Uint8Array.of(0, 0));
      expect(checksumOf(Uint8Array.of(c >>> 8, c & 0xff))).toBe(0xffff);
    });
  }
});

describe("the tx ring", () => {
  it("leaves a quarter to TCP; who finds no room is told when there is some, in order", () => {
    const { a, b, client } = pair({ driver: { txSlots: 8 } });
    const other = open(a, { remote: { address: b.address, port: 53 } });
    for (let i = 0; i < 6; i++) expect(send(client.flow)).toBe(0);
    expect([send(other.flow), send(client.flow), send(other.flow)]).toEqual([
      EAGAIN,
      EAGAIN,
      EAGAIN,
    ]);
    expect(a.stack.hasWork).toBe(true);
    const told: string[] = [];
    other.flow.sink = { flowEvents: (events) => told.push(`other ${events}`) };
    client.flow.sink = { flowEvents: (events) => told.push(`client ${events}`) };
    // TCP still gets a segment out in this round.
    openTcp(a, b, 80, 6);
    a.sent.length = 0;
    round(a, 6);
    const tcp = a.sent.filter((frame) => new FrameView().parse(frame).isTcp);
    expect([a.sent.length, tcp.length]).toEqual([7, 1]);
    expect(told).toEqual([`other ${EVENT_WRITABLE}`, `client ${EVENT_WRITABLE}`]);
    expect(send(client.flow)).toBe(0);
  });

  it("wakes as many as there are slots, the others later", () => {
    const { a, b } = pair({ driver: { txSlots: 4 } });
    const flows = [1, 2, 3, 4, 5].map(() => open(a, { remote: { address: b.address, port: 53 } }));
    const results = flows.map(({ flow }) => send(flow));
    expect(results).toEqual([0, 0, 0, EAGAIN, EAGAIN]);
    // No poll of the driver, no room.
    expect(flows.map(({ events }) => events.length)).toEqual([0, 0, 0, 0, 0]);
    const more = flows.map(({ flow }) => send(flow));
    expect(more).toEqual([EAGAIN, EAGAIN, EAGAIN, EAGAIN, EAGAIN]);
    a.stack.poll(6);
    expect(flows.map(({ events }) => events.length)).toEqual([1, 0, 0, 1, 1]);
    expect(a.stack.hasWork).toBe(true);
    a.stack.poll(6);
    expect(flows.map(({ events }) => events.length)).toEqual([1, 1, 1, 1, 1]);
  });

  it("forgets who closes while it waits", () => {
    const { a, client } = pair({ driver: { txSlots: 1 } });
    expect([send(client.flow), send(client.flow)]).toEqual([0, EAGAIN]);
    client.flow.close(6);
    client.flow.close(6);
    round(a, 6);
    expect([client.events, a.stack.hasWork]).toEqual([[], false]);
  });
});

describe("places", () => {
  it("are refused for what cannot work", () => {
    const a = benchStack(1);
    expect(tryOpen(a.stack, { address: ip("10.0.0.9") })).toBe(EADDRNOTAVAIL);
    const remote = (text: string) => ({ remote: { address: ip(text), port: 1 } });
    expect(tryOpen(a.stack, remote("192.0.2.1"))).toBe(ENETUNREACH);
    for (const group of ["10.0.0.255", "255.255.255.255", "224.0.0.1", "0.0.0.0"]) {
      expect(tryOpen(a.stack, remote(group))).toBe(EACCES);
    }
    const { flow } = open(a);
    const to = (text: string) => flow.send({ address: ip(text), port: 1 }, BYTES, 0, 3);
    expect(to("192.0.2.1")).toBe(ENETUNREACH);
    for (const group of ["10.0.0.255", "255.255.255.255", "224.0.0.1"]) {
      expect(to(group)).toBe(EACCES);
    }
    expect(to("::1")).toBe(EAFNOSUPPORT);
    expect(send(flow)).toBe(EDESTADDRREQ);
    expect(a.stack.leftovers()).toMatchObject({ sockets: 1, bufferedBytes: 0 });
  });

  it("count as sockets, with connections, up to the limit", () => {
    const limits = { maxSockets: 2 };
    const [a, b] = [benchStack(1, { limits }), benchStack(2)];
    const { flow } = open(a);
    openTcp(a, b, 80, 0);
    expect([a.stack.socketCount, a.stack.leftovers().sockets]).toEqual([2, 2]);
    expect(tryOpen(a.stack)).toBe(ENFILE);
    const sink = { flowEvents: () => {} };
    expect(a.stack.connect(b.address, 81, 0, a.stack.tcpConfig, sink, 0)).toBe(ENFILE);
    flow.close(0);
    expect(a.stack.socketCount).toBe(1);
    open(a);
  });

  it("get free ports until there is none", () => {
    const a = benchStack(1, { limits: { ephemeralFirst: 50_000, ephemeralLast: 50_002 } });
    const ports = [open(a), open(a), open(a)].map(({ flow }) => flow.localEnd.port);
    expect(ports.sort()).toEqual([50_000, 50_001, 50_002]);
    expect(tryOpen(a.stack)).toBe(EADDRNOTAVAIL);
    expect(tryOpen(a.stack, { port: 50_001 })).toBe(EADDRINUSE);
    expect(tryOpen(a.stack, { port: 50_003 })).toBeTypeOf("object");
  });

  it("share a port if each has another peer", () => {
    const { b, server } = pair();
    const address = ip("10.0.0.1");
    const one = open(b, { port: 53, remote: { address, port: 1 } });
    open(b, { port: 53, remote: { address, port: 2 } });
    expect(tryOpen(b.stack, { port: 53, remote: { address, port: 1 } })).toBe(EADDRINUSE);
    const a = benchStack(1);
    const from = open(a, { port: 1 });
    send(from.flow, BYTES, b, 53);
    talk(a, b, 6, 10);
    expect([receive(server.flow), receive(one.flow)]).toEqual([EAGAIN, 3]);
    expect(one.flow.localEnd).toEqual({ host: "10.0.0.2", port: 53 });
  });

  it("have ports that the next one does not follow from", () => {
    const a = benchStack(1);
    const ports = Array.from({ length: 200 }, () => open(a).flow.localEnd.port);
    const steps = new Set(ports.slice(1).map((port, i) => port - (ports[i] as number)));
    expect(steps.size).toBeGreaterThan(150);
  });
});

describe("the silence of ARP", () => {
  it("is EHOSTUNREACH, once, for a connected socket whose datagrams it has cost", () => {
    const a = benchStack(1);
    const place = (host: string) => ({ remote: { address: ip(host), port: 53 } });
    const [lost, other, idle] = [open(a, place("10.0.0.9")), open(a, place("10.0.0.8")), open(a)];
    send(lost.flow);
    for (let nowMs = 0; nowMs < 10_000; nowMs += 100) round(a, nowMs);
    expect([lost.events, idle.events]).toEqual([[EVENT_READABLE], []]);
    expect(other.events).toEqual([]);
    expect([lost.flow.hasReceived, receive(lost.flow)]).toEqual([true, EHOSTUNREACH]);
    expect([lost.flow.hasReceived, receive(lost.flow), lost.flow.failure]).toEqual([
      false,
      EAGAIN,
      0,
    ]);
    expect(a.stack.network.neighbours.queuedBytes).toBe(0);
  });

  it("does not concern a socket that has been answered since", () => {
    const { a, b, client } = pair();
    send(client.flow);
    exchange(a, b, 6);
    a.stack.hopUnreachable(b.address, 7);
    expect(client.events).toEqual([]);
  });
});

describe("the end of a context", () => {
  it("ends its sockets, with what waits in them", () => {
    const { a, b, server, client } = pair({ driver: { txSlots: 1 } });
    send(client.flow);
    exchange(a, b, 6);
    round(b, 6);
    expect(b.stack.leftovers()).toMatchObject({ sockets: 1, bufferedBytes: 3 });
    expect([send(client.flow), send(client.flow)]).toEqual([0, EAGAIN]);
    for (const [bench, { flow, events }] of [
      [a, client],
      [b, server],
    ] as const) {
      events.length = 0;
      bench.stack.close(ENETDOWN, 7);
      expect(events).toEqual([EVENT_READABLE | EVENT_WRITABLE | EVENT_STATE]);
      expect([flow.failure, send(flow), receive(flow)]).toEqual([ENETDOWN, ENETDOWN, ENETDOWN]);
      expect(bench.stack.leftovers()).toMatchObject({ sockets: 0, bufferedBytes: 0, timers: 0 });
      flow.close(8);
      expect(tryOpen(bench.stack)).toBe(ENETDOWN);
    }
  });
});
