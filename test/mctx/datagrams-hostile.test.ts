// SPDX-License-Identifier: MIT
// UDP from a hostile neighbour: lengths that lie, checksums, martians, broadcasts, floods, and ICMP
// errors about what was never sent (hostile input A2, B4, B5, B7, G1, G2).

import { describe, expect, it } from "vitest";
import { go, now, type Operation, sleep, type UdpSocket, udp } from "../../src/index.ts";
import {
  type CraftUdp,
  craftIcmp,
  craftIpv4,
  craftUdp,
  FrameView,
  type HostOptions,
  type RawHost,
  type SimHost,
  simulate,
} from "../../src/testing.ts";
import { fails, pattern } from "../socket/support/helpers.ts";

/** What a test gets: a host with a socket on all addresses, and a neighbour without manners. */
interface Victim {
  readonly host: SimHost;
  readonly raw: RawHost;
  readonly socket: UdpSocket;
  /** Fields of a datagram from the neighbour to the socket. */
  readonly fields: CraftUdp;
}

function withVictim(
  op: (victim: Victim) => Operation<void>,
  options: HostOptions = {},
): Promise<unknown> {
  return simulate(1, function* (net) {
    const host = net.host("host", options);
    const raw = net.rawHost("raw");
    yield* (yield* go(function* () {
      const socket = yield* udp.open({ port: 53, context: host.context });
      const fields = { ...raw.to(host), sourcePort: 7, destinationPort: 53, payload: "hello" };
      yield* op({ host, raw, socket, fields });
    })).join(-1);
  });
}

/** What the socket has received after a while: sender's port and payload of each. */
function* taken({ socket }: Pick<Victim, "socket">): Operation<string[]> {
  yield* sleep(now() + 20);
  const buf = new Uint8Array(65_535);
  const got: string[] = [];
  for (;;) {
    try {
      const { length, port } = yield* socket.recv(buf, 0);
      got.push(`${port} ${new TextDecoder().decode(buf.subarray(0, length))}`);
    } catch (error) {
      if ((error as { code: string }).code === "ETIMEDOUT") return got;
      throw error;
    }
  }
}

/** ICMP errors that the neighbour has got. */
function* complaints(raw: RawHost): Operation<number> {
  yield* sleep(now() + 20);
  let count = 0;
  for (let frame = raw.take(); frame !== null; frame = raw.take()) {
    if (new FrameView().parse(frame).isIcmp) count++;
  }
  return count;
}

function eventsOf({ host }: Victim): Record<string, number> {
  return host.context.statistics().events;
}

describe("headers", () => {
  it("a length that lies is counted and dropped, without an answer", () =>
    withVictim(function* (victim) {
      const { raw, fields } = victim;
      for (const lengthBytes of [0, 1, 7, 14, 100, 65_535]) {
        raw.send(craftUdp({ ...fields, lengthBytes }));
        raw.send(craftUdp({ ...fields, destinationPort: 9, lengthBytes }));
      }
      raw.send(craftIpv4({ ...raw.to(victim.host), protocol: 17 }, new Uint8Array(7)));
      raw.send(craftIpv4({ ...raw.to(victim.host), protocol: 17 }, new Uint8Array(0)));
      expect(yield* taken(victim)).toEqual([]);
      expect(yield* complaints(raw)).toBe(0);
      expect(eventsOf(victim)).toMatchObject({ "udp.length": 12, "udp.truncated": 2 });
    }));

  it("padding of the link, and of the IP packet, never becomes payload", () =>
    withVictim(function* (victim) {
      const { raw, fields } = victim;
      const framed = craftUdp({ ...fields, payload: "hi" });
      const padded = new Uint8Array(60).fill(0x41);
      padded.set(framed);
      raw.send(padded);
      const inside = craftUdp({ ...fields, payload: "hi", checksum: 0 });
      const view = new DataView(inside.buffer, inside.byteOffset);
      const long = craftIpv4(
        { ...raw.to(victim.host), protocol: 17 },
        Uint8Array.of(...inside.subarray(34), 0x41, 0x41, 0x41),
      );
      expect(view.getUint16(38)).toBe(10);
      raw.send(long);
      expect(yield* taken(victim)).toEqual(["7 hi", "7 hi"]);
    }));

  it("a wrong checksum is dropped silently, none at all is fine, 0xffff stands for 0", () =>
    withVictim(function* (victim) {
      const { raw, fields } = victim;
      const right = craftUdp(fields);
      const checksum = ((right[40] as number) << 8) | (right[41] as number);
      for (const wrong of [checksum ^ 1, checksum ^ 0x8000, ~checksum & 0xffff, 0xffff]) {
        raw.send(craftUdp({ ...fields, checksum: wrong }));
        raw.send(craftUdp({ ...fields, destinationPort: 9, checksum: wrong }));
      }
      raw.send(craftUdp({ ...fields, checksum: 0, payload: "none" }));
      // A payload that makes the sum come out as 0.
      const zeros = craftUdp({ ...fields, payload: new Uint8Array(2) });
      const even = craftUdp({ ...fields, payload: zeros.subarray(40, 42) });
      expect([even[40], even[41]]).toEqual([0xff, 0xff]);
      raw.send(even);
      const got = yield* taken(victim);
      expect([got.length, got[0]]).toEqual([2, "7 none"]);
      expect(yield* complaints(raw)).toBe(0);
      expect(eventsOf(victim)["udp.checksum"]).toBe(8);
    }));

  it("port 0 is nobody's; as a sender's it is told, and cannot be answered", () =>
    withVictim(function* (victim) {
      const { raw, fields, socket } = victim;
      raw.send(craftUdp({ ...fields, destinationPort: 0 }));
      raw.send(craftUdp({ ...fields, sourcePort: 0 }));
      expect(yield* taken(victim)).toEqual(["0 hello"]);
      expect(eventsOf(victim)["udp.portZero"]).toBe(1);
      yield* fails("EINVAL", () => socket.send(pattern(1), { host: raw.address, port: 0 }));
    }));
});

describe("addresses", () => {
  it("martians are dropped, and nobody is answered", () =>
    withVictim(function* (victim) {
      const { raw, fields, host } = victim;
      const martians = ["0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255", "10.0.0.255"];
      for (const source of [...martians, "240.0.0.1", host.address]) {
        raw.send(craftUdp({ ...fields, source }));
        raw.send(craftUdp({ ...fields, source, destinationPort: 9 }));
      }
      expect(yield* taken(victim)).toEqual([]);
      expect(yield* complaints(raw)).toBe(0);
      const names = Object.keys(eventsOf(victim)).filter((each) => each.startsWith("ipv4.source"));
      expect(names).toHaveLength(6);
    }));

  it("what is sent to everybody is for a socket on all addresses, and never refused", () =>
    withVictim(function* (victim) {
      const { raw, fields, host } = victim;
      const remote = { host: raw.address, port: 7 };
      const exact = yield* udp.open({ port: 54, host: host.address, context: host.context });
      const connected = yield* udp.open({ port: 55, remote, context: host.context });
      const everybody = { ...fields, destinationMac: "ff:ff:ff:ff:ff:ff" };
      for (const destination of ["10.0.0.255", "255.255.255.255"]) {
        for (const destinationPort of [53, 54, 55, 9]) {
          raw.send(craftUdp({ ...everybody, destination, destinationPort }));
        }
      }
      expect(yield* taken(victim)).toEqual(["7 hello", "7 hello"]);
      expect(yield* taken({ socket: exact })).toEqual([]);
      expect(yield* taken({ socket: connected })).toEqual([]);
      expect(yield* complaints(raw)).toBe(0);
      expect(eventsOf(victim)["udp.noPort"]).toBe(6);
    }));

  it("groups, and one host by its address but all by the link, are dropped", () =>
    withVictim(function* (victim) {
      const { raw, fields } = victim;
      const group = { destination: "224.0.0.251", destinationMac: "01:00:5e:00:00:fb" };
      raw.send(craftUdp({ ...fields, ...group }));
      raw.send(craftUdp({ ...fields, destinationMac: "ff:ff:ff:ff:ff:ff" }));
      raw.send(craftUdp({ ...fields, destinationPort: 9, destinationMac: "ff:ff:ff:ff:ff:ff" }));
      expect(yield* taken(victim)).toEqual([]);
      expect(yield* complaints(raw)).toBe(0);
      expect(eventsOf(victim)).toMatchObject({ "udp.multicast": 1, "udp.linkBroadcast": 2 });
    }));
});

describe("floods", () => {
  for (const [name, length, kept] of [
    ["by count", 0, 100],
    ["by bytes", 1_000, 20],
  ] as const) {
    it(`a socket that nobody reads keeps some, bounded ${name}, and others go on`, () =>
      withVictim(
        function* (victim) {
          const { raw, fields, host } = victim;
          const other = yield* udp.open({ port: 54, context: host.context });
          for (let i = 0; i < 5_000; i++) {
            raw.send(craftUdp({ ...fields, payload: new Uint8Array(length) }));
            if (i % 100 === 0) yield* sleep(now() + 1);
          }
          expect(host.context.leftovers().bufferedBytes).toBe(length * kept);
          raw.send(craftUdp({ ...fields, destinationPort: 54 }));
          expect(yield* taken({ socket: other })).toEqual(["7 hello"]);
          expect(yield* taken(victim)).toHaveLength(kept);
          expect(eventsOf(victim)["udp.queueFull"]).toBe(5_000 - kept);
        },
        { context: { limits: { maxQueuedDatagrams: 100, maxQueuedDatagramBytes: 20_999 } } },
      ));
  }
});

/** An ICMP error about a datagram of `victim`. */
function errorAbout(
  { host, raw }: Victim,
  fields: { code: number; type?: number; rest?: number; checksum?: number },
  quoted: Partial<CraftUdp> & { cutTo?: number } = {},
): Uint8Array {
  const packet = craftUdp({
    source: host.address,
    destination: raw.address,
    sourcePort: 1,
    destinationPort: 7,
    payload: "hello",
    ...quoted,
  }).subarray(14);
  const payload = packet.subarray(0, quoted.cutTo ?? 28);
  return craftIcmp({ ...raw.to(host), type: 3, ...fields, payload });
}

describe("ICMP errors", () => {
  /** Runs with a socket connected to the neighbour, which has sent 5 bytes. */
  function withClient(op: (victim: Victim, client: UdpSocket) => Operation<void>) {
    return withVictim(function* (victim) {
      const { host, raw } = victim;
      const remote = { host: raw.address, port: 7 };
      const client = yield* udp.open({ port: 1, remote, context: host.context });
      yield* client.send(new TextEncoder().encode("hello"));
      yield* op(victim, client);
    });
  }

  it("are told once, each by its meaning, and the socket lives on", () =>
    withClient(function* (victim, client) {
      const { raw } = victim;
      const cases = [
        [{ code: 0 }, "ENETUNREACH"],
        [{ code: 1 }, "EHOSTUNREACH"],
        [{ code: 2 }, "ECONNREFUSED"],
        [{ code: 3 }, "ECONNREFUSED"],
        [{ code: 4, rest: 32 }, "EMSGSIZE"],
        // Old routers do not say how much would fit.
        [{ code: 4, rest: 0 }, "EMSGSIZE"],
        [{ code: 13 }, "EHOSTUNREACH"],
        [{ type: 11, code: 0 }, "EHOSTUNREACH"],
        [{ type: 12, code: 0 }, "EHOSTUNREACH"],
      ] as const;
      for (const [fields, code] of cases) {
        raw.send(errorAbout(victim, fields));
        const error = yield* fails(code, () => client.recv(new Uint8Array(9), now() + 10));
        expect([error.port, error.bytesReceived]).toEqual([7, 0]);
        yield* fails("ETIMEDOUT", () => client.recv(new Uint8Array(9), now() + 10));
        raw.send(errorAbout(victim, fields));
        yield* sleep(now() + 10);
        yield* fails(code, () => client.send(pattern(1)));
        yield* client.send(pattern(1));
      }
    }));

  it("are ignored about what the socket cannot have sent", () =>
    withClient(function* (victim, client) {
      const { raw, host } = victim;
      const wrong: (Partial<CraftUdp> & { cutTo?: number })[] = [
        { sourcePort: 2 },
        { destinationPort: 8 },
        { destination: "10.0.0.77" },
        { source: "10.0.0.77" },
        { payload: "longer" },
        { lengthBytes: 7 },
        { lengthBytes: 0 },
        { lengthBytes: 65_535 },
        { fragment: 0x0001 },
        { protocol: 132 },
        { cutTo: 27 },
        { cutTo: 20 },
        { cutTo: 0 },
        { version: 6 },
        { headerBytes: 60 },
      ];
      for (const quoted of wrong) raw.send(errorAbout(victim, { code: 3 }, quoted));
      raw.send(errorAbout(victim, { code: 3, checksum: 1 }));
      // It would have fitted.
      raw.send(errorAbout(victim, { code: 4, rest: 33 }));
      raw.send(errorAbout(victim, { code: 4, rest: 1_500 }));
      // Source quench, redirect.
      raw.send(errorAbout(victim, { type: 4, code: 0 }));
      raw.send(errorAbout(victim, { type: 5, code: 1 }));
      yield* fails("ETIMEDOUT", () => client.recv(new Uint8Array(9), now() + 30));
      expect(host.context.statistics().events["icmp.noFlow"]).toBe(9);
    }));

  it("are ignored before anything was sent, and by sockets without a remote", () =>
    withVictim(function* (victim) {
      const { raw, host, socket } = victim;
      const remote = { host: raw.address, port: 7 };
      const client = yield* udp.open({ port: 1, remote, context: host.context });
      yield* socket.send(new Uint8Array(100), remote);
      raw.send(errorAbout(victim, { code: 3 }));
      raw.send(errorAbout(victim, { code: 3 }, { sourcePort: 53 }));
      yield* fails("ETIMEDOUT", () => client.recv(new Uint8Array(9), now() + 30));
      yield* fails("ETIMEDOUT", () => socket.recv(new Uint8Array(9), now() + 30));
    }));
});

describe("fragments", () => {
  it("of a datagram are put together; its checksum covers the whole", () =>
    withVictim(function* (victim) {
      const { raw, fields } = victim;
      const payload = pattern(3_000);
      for (const checksum of [undefined, 1]) {
        const whole = craftUdp({ ...fields, payload, ...(checksum ? { checksum } : {}) });
        const bytes = whole.subarray(34);
        for (const at of [2_400, 0, 1_200]) {
          const isLast = at === 2_400;
          const part = bytes.subarray(at, isLast ? bytes.length : at + 1_200);
          const fragment = (isLast ? 0 : 0x2000) | (at / 8);
          const id = checksum ?? 9;
          raw.send(craftIpv4({ ...raw.to(victim.host), protocol: 17, id, fragment }, part));
        }
      }
      yield* sleep(now() + 20);
      const buf = new Uint8Array(4_000);
      const { length } = yield* victim.socket.recv(buf, 0);
      expect([length, Buffer.compare(buf.subarray(0, length), payload)]).toEqual([3_000, 0]);
      yield* fails("ETIMEDOUT", () => victim.socket.recv(buf, 0));
      expect(eventsOf(victim)).toMatchObject({ "ipv4.reassembled": 2, "udp.checksum": 1 });
    }));
});
