// SPDX-License-Identifier: MIT
// TCP segmentation offload of the simulated NIC: frame by frame, and under a whole stack.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { go, now, type Operation, type TcpConnection, tcp } from "../../src/index.ts";
import {
  DESCRIPTOR_FIELDS,
  DESCRIPTOR_FLAGS,
  DESCRIPTOR_LENGTH,
  DESCRIPTOR_OFFSET,
  TX_CHECKSUM,
  TX_HEAD,
  TX_SEGMENT,
  TX_TAIL,
} from "../../src/link/driver.ts";
import { craftTcp, TCP_FLAGS } from "../../src/sim/craft.ts";
import { cutSegments } from "../../src/sim/segmenter.ts";
import { SimDriver } from "../../src/sim/sim-driver.ts";
import { FrameView, type LinkConditions, simulate } from "../../src/testing.ts";
import { isChecksumValid, pseudoHeaderIpv4 } from "../../src/wire/checksum.ts";
import { patternAt, patternMismatch } from "../support/byte-pattern.ts";

const TCP_OFFSET = 34;
const FOREVER_MS = 80_000_000;

function superFrame(payload: Uint8Array): Uint8Array {
  return craftTcp({
    source: "10.0.0.1",
    destination: "10.0.0.2",
    sourcePort: 1_000,
    destinationPort: 2_000,
    seq: 0xffff_ff00,
    ack: 77,
    flags: TCP_FLAGS.FIN | TCP_FLAGS.PSH | TCP_FLAGS.ACK,
    options: Uint8Array.of(1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2),
    payload,
  });
}

describe("cutting a super-segment", () => {
  it("gives segments with right checksums that say the same together", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 9_000 }),
        fc.integer({ min: 1, max: 1_500 }),
        (n, cut) => {
          const frame = superFrame(patternAt(0, n));
          const frames = [...cutSegments(frame, cut)];
          expect(frames).toHaveLength(Math.ceil(n / cut));
          let at = 0;
          for (const bytes of frames) {
            const view = new FrameView().parse(bytes);
            expect(isChecksumValid(bytes, 14, 20)).toBe(true);
            const tcpBytes = bytes.length - TCP_OFFSET;
            const pseudo = pseudoHeaderIpv4(0x0a000001, 0x0a000002, 6, tcpBytes);
            expect(isChecksumValid(bytes, TCP_OFFSET, tcpBytes, pseudo)).toBe(true);
            expect(view.seq).toBe((0xffff_ff00 + at) >>> 0);
            expect(patternMismatch(view.payload, at)).toBe(-1);
            at += view.payloadLength;
            expect([view.fin, view.psh]).toEqual([at === n, at === n]);
          }
          expect(at).toBe(n);
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe("the simulated NIC", () => {
  it("takes a super-segment over the memory of several slots, and gives all of them back", () => {
    const nic = new SimDriver({ tsoMaxBytes: 65_535, txSlots: 16 });
    const lengths: number[] = [];
    nic.connect({ receive: (_bytes, _offset, length) => lengths.push(length) });
    const frame = superFrame(patternAt(0, 4_000));
    nic.frames.set(frame, nic.tx[DESCRIPTOR_OFFSET] as number);
    nic.tx[DESCRIPTOR_LENGTH] = frame.length;
    nic.tx[DESCRIPTOR_FLAGS] = (1_000 << 16) | TX_SEGMENT | TX_CHECKSUM;
    for (const slot of [1, 2]) nic.tx[slot * DESCRIPTOR_FIELDS + DESCRIPTOR_LENGTH] = 0;
    nic.control[TX_TAIL] = 3;
    nic.poll(0);
    expect(lengths).toEqual([1_066, 1_066, 1_066, 1_066]);
    expect(nic.control[TX_HEAD]).toBe(3);
    expect(nic.statistics()).toMatchObject({ txFrames: 4, txDropped: 0 });
    // What would be segments without payload is refused.
    nic.tx[3 * DESCRIPTOR_FIELDS + DESCRIPTOR_LENGTH] = frame.length;
    nic.tx[3 * DESCRIPTOR_FIELDS + DESCRIPTOR_FLAGS] = TX_SEGMENT | TX_CHECKSUM;
    nic.control[TX_TAIL] = 4;
    nic.poll(0);
    expect(nic.statistics()).toMatchObject({ txFrames: 4, txDropped: 1 });
    nic.close();
  });
});

interface Nic {
  readonly mtu?: number;
  readonly tsoMaxBytes?: number;
  readonly txSlots?: number;
}

/** Counts the super-segments that a NIC is given. */
function countSupers(nic: SimDriver): { count: number } {
  const supers = { count: 0 };
  const poll = nic.poll.bind(nic);
  nic.poll = (nowMs) => {
    const tail = nic.control[TX_TAIL] as number;
    for (let at = nic.control[TX_HEAD] as number; at !== tail; at = (at + 1) | 0) {
      const slot = (at & (nic.txSlots - 1)) * DESCRIPTOR_FIELDS;
      const isFrame = (nic.tx[slot + DESCRIPTOR_LENGTH] as number) > 0;
      if (isFrame && ((nic.tx[slot + DESCRIPTOR_FLAGS] as number) & TX_SEGMENT) !== 0)
        supers.count++;
    }
    return poll(nowMs);
  };
  return supers;
}

function* sendAll(conn: TcpConnection, total: number, chunk: number): Operation<void> {
  for (let at = 0; at < total; ) {
    const bytes = patternAt(at, Math.min(chunk, total - at));
    yield* conn.send(bytes, now() + FOREVER_MS);
    at += bytes.length;
  }
  conn.done();
}

function* receiveAll(conn: TcpConnection): Operation<number> {
  const buf = new Uint8Array(50_000);
  let position = 0;
  for (let n: number; (n = yield* conn.recvSome(buf, now() + FOREVER_MS)) > 0; position += n) {
    const wrongAt = patternMismatch(buf.subarray(0, n), position);
    if (wrongAt >= 0) throw new Error(`byte ${wrongAt} is wrong`);
  }
  return position;
}

/** Both ends send `total` bytes over a link that takes packets of 1,500 bytes, and read them. */
async function exchange(
  seed: number,
  link: LinkConditions,
  nic: Nic,
  total: number,
  chunk: number,
) {
  const { result } = await simulate(seed, function* (net) {
    const full = { ...link, mtu: 1_500 };
    const server = net.host("server", { link: full, driver: nic });
    const client = net.host("client", { link: full, driver: nic });
    const supers = countSupers(client.driver);
    const listener = yield* tcp.listen({ port: 80, context: server.context });
    const target = { host: server.address, port: 80, context: client.context };
    const conn = yield* tcp.connect(target, now() + FOREVER_MS);
    const peer = yield* listener.accept(now() + FOREVER_MS);
    yield* go(() => sendAll(conn, total, chunk));
    yield* go(() => sendAll(peer, total, chunk));
    const there = yield* go(() => receiveAll(peer));
    const back = yield* receiveAll(conn);
    const sent = { there: yield* there.join(now() + FOREVER_MS), back, supers: supers.count };
    yield* conn.close(now() + FOREVER_MS);
    yield* peer.close(now() + FOREVER_MS);
    return sent;
  });
  return result;
}

describe("a stream over a NIC that cuts segments up", () => {
  it("arrives byte for byte, in packets of the MTU, whatever the link does", async () => {
    const links = fc.record({
      loss: fc.constantFrom(0, 0.01, 0.05),
      reorder: fc.constantFrom(0, 0.05),
      duplicate: fc.constantFrom(0, 0.02),
      corrupt: fc.constantFrom(0, 0.01),
      delayMs: fc.constantFrom(0, 1, 10),
    });
    const nics = fc.record({
      tsoMaxBytes: fc.constantFrom(0, 1_600, 9_000, 65_535),
      txSlots: fc.constantFrom(16, 64, 256),
    });
    const sizes = fc.tuple(
      fc.integer({ min: 1, max: 300_000 }),
      fc.integer({ min: 500, max: 70_000 }),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.nat(1_000_000),
        links,
        nics,
        sizes,
        async (seed, link, nic, [total, chunk]) => {
          const { there, back } = await exchange(seed, link, nic, total, chunk);
          expect([there, back]).toEqual([total, total]);
        },
      ),
      { numRuns: 40 },
    );
  });

  it.each([
    [65_535, true],
    [0, false],
  ])("goes down in super-segments of at most %i bytes: %s", async (tsoMaxBytes, isSuper) => {
    const { there, supers } = await exchange(7, { delayMs: 1 }, { tsoMaxBytes }, 400_000, 65_536);
    expect(there).toBe(400_000);
    expect(supers > 5).toBe(isSuper);
  });

  it("goes to oneself in segments that need no NIC", async () => {
    const { result } = await simulate(3, function* (net) {
      const host = net.host("host", { driver: { tsoMaxBytes: 65_535 } });
      const supers = countSupers(host.driver);
      const listener = yield* tcp.listen({ port: 80, context: host.context });
      const target = { host: host.address, port: 80, context: host.context };
      const conn = yield* tcp.connect(target, now() + FOREVER_MS);
      const peer = yield* listener.accept(now() + FOREVER_MS);
      yield* go(() => sendAll(conn, 300_000, 65_536));
      const received = yield* receiveAll(peer);
      peer.abort();
      return { received, supers: supers.count };
    });
    expect(result).toEqual({ received: 300_000, supers: 0 });
  });
});
