// SPDX-License-Identifier: MIT
// What a context does with frames that are not TCP of a connection: ARP, ICMP, UDP, fragments.

import { describe, expect, it } from "vitest";
import { go, now, type Operation, sleep, tcp } from "../../src/index.ts";
import {
  craftArp,
  craftIcmp,
  craftTcp,
  craftUdp,
  FrameView,
  type RawHost,
  type SimHost,
  simulate,
  TCP_FLAGS,
} from "../../src/testing.ts";
import { fails, pattern, soon } from "../socket/support/helpers.ts";

/** Runs `op` with a host and a raw endpoint. */
function withRaw(op: (host: SimHost, raw: RawHost) => Operation<void>): Promise<unknown> {
  return simulate(1, function* (net) {
    const host = net.host("host");
    const raw = net.rawHost("raw");
    yield* (yield* go(() => op(host, raw))).join(-1);
  });
}

/** All frames that have come, parsed. */
function* arrived(raw: RawHost): Operation<FrameView[]> {
  yield* sleep(now() + 20);
  const views: FrameView[] = [];
  for (let frame = raw.take(); frame !== null; frame = raw.take()) {
    views.push(new FrameView().parse(frame));
  }
  return views;
}

describe("ARP", () => {
  it("answers who asks for our address, and nobody else", () =>
    withRaw(function* (host, raw) {
      const ask = { senderMac: raw.macAddress, senderIp: raw.address };
      raw.send(craftArp({ ...ask, targetIp: host.address }));
      raw.send(craftArp({ ...ask, targetIp: "10.0.0.200" }));
      raw.send(craftArp({ ...ask, senderIp: "0.0.0.0", targetIp: host.address }));
      const answers = (yield* arrived(raw)).filter((view) => view.isArp);
      expect(answers).toHaveLength(2);
      for (const view of answers) expect(view.arpOperation).toBe(2);
      expect(host.context.statistics().events["arp.ignored"]).toBeUndefined();
    }));

  it("learns from who asks us: no request of our own before the answer", () =>
    withRaw(function* (host, raw) {
      const { SYN } = TCP_FLAGS;
      const fields = { ...raw.to(host), sourcePort: 7, destinationPort: 9 };
      raw.send(
        craftArp({ senderMac: raw.macAddress, senderIp: raw.address, targetIp: host.address }),
      );
      yield* arrived(raw);
      raw.send(craftTcp({ ...fields, flags: SYN }));
      expect((yield* arrived(raw)).map((view) => view.protocol)).toEqual(["tcp"]);
    }));

  it("defends its address at most once in 10 s (RFC 5227 §2.4)", () =>
    withRaw(function* (host, raw) {
      const conflict = craftArp({
        senderMac: raw.macAddress,
        senderIp: host.address,
        targetIp: host.address,
      });
      for (let i = 0; i < 5; i++) raw.send(conflict);
      expect((yield* arrived(raw)).filter((view) => view.isArp)).toHaveLength(1);
      yield* sleep(now() + 10_000);
      raw.send(conflict);
      expect((yield* arrived(raw)).filter((view) => view.isArp)).toHaveLength(1);
      expect(host.context.statistics().events["arp.conflict"]).toBe(6);
    }));

  it("a flood from distinct senders leaves the cache bounded and our peers known (A5)", () =>
    simulate(1, function* (net) {
      const host = net.host("host");
      const peer = net.host("peer");
      const raw = net.rawHost("raw");
      yield* (yield* go(function* () {
        const listener = yield* tcp.listen({ port: 80, context: peer.context });
        const conn = yield* tcp.connect({ ...listener.local, context: host.context }, soon());
        const server = yield* listener.accept(soon());
        for (let i = 0; i < 20_000; i++) {
          raw.send(
            craftArp({
              senderMac: Uint8Array.of(2, 1, 1, 1, i >> 8, i),
              senderIp: `10.0.0.${3 + (i % 240)}`,
              targetIp: host.address,
            }),
          );
          if (i % 100 === 0) yield* sleep(now() + 0.1);
        }
        const { requests } = host.context.statistics().neighbours;
        yield* conn.send(Uint8Array.of(1), soon());
        yield* server.recv(new Uint8Array(1), soon());
        expect(host.context.statistics().neighbours.requests).toBe(requests);
        expect(host.context.stack.network.neighbours.size).toBeLessThanOrEqual(1_024);
      })).join(-1);
    }));

  it("frames wait for the answer, and go out in order when it comes", () =>
    simulate(1, function* (net) {
      const host = net.host("host");
      const raw = net.rawHost("raw", { answersArp: false });
      yield* (yield* go(function* () {
        const target = { host: raw.address, context: host.context };
        const first = yield* go(() =>
          fails("ECANCELED", () => tcp.connect({ ...target, port: 1 })),
        );
        const second = yield* go(() =>
          fails("ECANCELED", () => tcp.connect({ ...target, port: 2 })),
        );
        const asked = yield* arrived(raw);
        expect(asked.map((view) => view.protocol)).toEqual(["arp"]);
        raw.send(
          craftArp({
            operation: 2,
            senderMac: raw.macAddress,
            senderIp: raw.address,
            targetIp: host.address,
            destinationMac: host.macAddress,
          }),
        );
        const syns = yield* arrived(raw);
        expect(syns.map((view) => view.destinationPort)).toEqual([1, 2]);
        first.cancel();
        second.cancel();
        yield* sleep(now() + 1);
      })).join(-1);
    }));
});

describe("ICMP and UDP", () => {
  it("answers echo requests with the same data, up to what fits", () =>
    withRaw(function* (host, raw) {
      const data = pattern(1_000);
      raw.send(craftIcmp({ ...raw.to(host), type: 8, rest: 0x1234_0001, payload: data }));
      const replies = (yield* arrived(raw)).filter((view) => view.isIcmp);
      expect(replies).toHaveLength(1);
      expect(replies[0]?.icmpType).toBe(0);
      const { bytes } = replies[0] as FrameView;
      expect(Buffer.compare(bytes.subarray(42, 1_042), data)).toBe(0);
      expect(host.context.statistics().events["icmp.echo"]).toBe(1);
    }));

  it("does not answer broadcasts, errors, or a wrong checksum", () =>
    withRaw(function* (host, raw) {
      const to = raw.to(host);
      raw.send(craftIcmp({ ...to, destination: "10.0.0.255", type: 8 }));
      raw.send(craftIcmp({ ...to, type: 8, checksum: 1 }));
      raw.send(craftIcmp({ ...to, type: 3, code: 3, payload: new Uint8Array(28) }));
      raw.send(craftIcmp({ ...to, type: 13 }));
      expect((yield* arrived(raw)).filter((view) => view.isIcmp)).toHaveLength(0);
      expect(host.context.statistics().events["icmp.checksum"]).toBe(1);
    }));

  it("says port unreachable for UDP, and limits such errors", () =>
    withRaw(function* (host, raw) {
      const datagram = { ...raw.to(host), sourcePort: 5, destinationPort: 53, payload: "hello" };
      raw.send(craftUdp(datagram));
      const [error] = (yield* arrived(raw)).filter((view) => view.isIcmp);
      expect([error?.icmpType, error?.icmpCode]).toEqual([3, 3]);
      for (let i = 0; i < 400; i++) raw.send(craftUdp(datagram));
      const more = (yield* arrived(raw)).filter((view) => view.isIcmp);
      expect(more.length).toBeLessThan(60);
      expect(host.context.statistics().events["icmp.errorLimited"]).toBeGreaterThan(300);
      raw.send(craftUdp({ ...datagram, destination: "10.0.0.255" }));
      expect((yield* arrived(raw)).filter((view) => view.isIcmp)).toHaveLength(0);
    }));
});

describe("fragments", () => {
  it("a SYN in two fragments is answered; overlapping ones are dropped and counted", () =>
    withRaw(function* (host, raw) {
      const listener = yield* tcp.listen({ port: 80, context: host.context });
      const { SYN, ACK } = TCP_FLAGS;
      const whole = craftTcp({
        ...raw.to(host),
        sourcePort: 7,
        destinationPort: 80,
        flags: SYN,
        payload: new Uint8Array(44),
      });
      const fragment = (from: number, to: number, isLast: boolean): Uint8Array => {
        const out = new Uint8Array(34 + to - from);
        out.set(whole.subarray(0, 34));
        out.set(whole.subarray(34 + from, 34 + to), 34);
        const view = new DataView(out.buffer);
        view.setUint16(16, 20 + to - from);
        view.setUint16(18, 77);
        view.setUint16(20, (isLast ? 0 : 0x2000) | (from / 8));
        view.setUint16(24, 0);
        let sum = 0;
        for (let i = 14; i < 34; i += 2) sum += view.getUint16(i);
        while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
        view.setUint16(24, ~sum & 0xffff);
        return out;
      };
      raw.send(fragment(24, 64, true));
      raw.send(fragment(0, 24, false));
      const [answer] = (yield* arrived(raw)).filter((view) => view.isTcp);
      expect([answer?.syn, answer?.hasAck]).toEqual([true, true]);
      const { events } = host.context.statistics();
      expect(events["ipv4.reassembled"]).toBe(1);
      expect(listener.statistics().halfOpen).toBe(1);
      raw.send(fragment(0, 32, false));
      raw.send(fragment(24, 64, true));
      expect((yield* arrived(raw)).filter((view) => view.isTcp && view.rst)).toHaveLength(0);
      expect(host.context.statistics().events["ipv4.fragment.overlap"]).toBe(1);
      void ACK;
    }));
});
