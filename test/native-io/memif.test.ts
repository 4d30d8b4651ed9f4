// Frames over memif between two of ours, both roles in one process: sizes, rings that go round,
// chains of buffers, checksums, limits.
// R1: see test/support/driver-io.ts.

import { describe, expect, it } from "vitest";
import { RX_CHECKSUM_VALID, TX_CHECKSUM, TX_HEAD } from "../../src/link/driver.ts";
import type { NativeDriver } from "../../src/link/native-driver.ts";
import { traceDriver } from "../../src/link/trace-driver.ts";
import { commitFrame, pollFrames, pollUntil } from "../support/driver-io.ts";
import { finishUdpChecksum, udpFrameToFinish } from "../support/udp-frame.ts";
import { MemifBench, numbered, pass } from "./support/memif-pair.ts";

describe("memif", () => {
  const bench = new MemifBench();

  /** Both directions between two drivers. */
  function ways(pair: readonly [NativeDriver, NativeDriver]) {
    const [server, client] = pair;
    return [
      { from: server, to: client },
      { from: client, to: server },
    ];
  }

  it("carries frames of every size both ways, in order", () => {
    for (const { from, to } of ways(bench.openPair())) {
      const sizes = [14, 15, 60, 61, 64, 65, 127, 128, 1000, 1513, 1514];
      const frames = sizes.map(numbered);
      expect(pass(from, to, frames)).toEqual(frames);
      expect(from.statistics()).toMatchObject({ txFrames: frames.length, txDropped: 0 });
      expect(to.statistics()).toMatchObject({ rxFrames: frames.length, rxDropped: 0 });
    }
  });

  it("goes round its rings many times, past the end of their 16-bit counters", () => {
    for (const { from, to } of ways(bench.openPair({ ringSlots: 16 }))) {
      const frames = Array.from({ length: 70_000 }, (_, i) => numbered(60, i));
      const got = pass(from, to, frames);
      expect(got.length).toBe(frames.length);
      const isSame = (frame: Uint8Array, i: number) =>
        Buffer.compare(frame, frames[i] as Uint8Array) === 0;
      expect(got.every(isSame)).toBe(true);
    }
  });

  it("chains buffers for frames that are longer, whole rings of them", () => {
    const big = { mtu: 65_521, ringSlots: 64, bufferBytes: 1088 };
    for (const { from, to } of ways(bench.openPair(big))) {
      expect(from.capabilities.mtu).toBe(65_521);
      const sizes = [1087, 1088, 1089, 2176, 2177, 9000, 65_535, 60, 65_535, 65_535, 64];
      const frames = sizes.map(numbered);
      expect(pass(from, to, frames)).toEqual(frames);
    }
  });

  it("has rings as deep as the client says, or as the server allows", () => {
    for (const [ofServer, ofClient] of [
      [16, 1024],
      [1024, 16],
    ] as const) {
      const [, from] = bench.openPair({ ringSlots: ofServer }, { ringSlots: ofClient });
      for (let i = 0; i < 100; i++) commitFrame(from, numbered(60, i));
      from.poll(0);
      expect(from.control[TX_HEAD]).toBe(16);
    }
  });

  it("keeps what finds the ring full for later, and drops it when the peer takes nothing", () => {
    const [server, client] = bench.openPair({ ringSlots: 16 });
    for (let i = 0; i < 40; i++) commitFrame(client, numbered(60, i));
    client.poll(0);
    expect(client.statistics()).toMatchObject({ txFrames: 16, txDropped: 0 });
    expect(client.armWake(() => {})).toBe(false);
    expect(pollFrames(server)).toHaveLength(16);
    client.poll(0);
    expect(client.statistics()).toMatchObject({ txFrames: 32, txDropped: 0 });
    pollUntil(client, () => client.statistics().txDropped > 0);
    expect(client.statistics()).toMatchObject({ txFrames: 32, txDropped: 8 });
    expect(pollFrames(server)).toHaveLength(16);
    expect(client.isConnected).toBe(true);
    expect(pass(client, server, [numbered(60, 1)])).toEqual([numbered(60, 1)]);
  });

  it("drops a frame that all of the ring could not hold at once, and sends what follows", () => {
    const [server, client] = bench.openPair({ ringSlots: 16 }, { mtu: 9000, bufferBytes: 128 });
    commitFrame(client, numbered(16 * 128 + 1, 1));
    commitFrame(client, numbered(60, 2));
    client.poll(0);
    expect(client.statistics()).toMatchObject({ txFrames: 1, txDropped: 1 });
    expect(pollFrames(server).map((frame) => frame.bytes)).toEqual([numbered(60, 2)]);
    expect(pass(client, server, [numbered(16 * 128, 3)])).toEqual([numbered(16 * 128, 3)]);
  });

  it("has no more frame memory than offsets reach", () => {
    const most = { mtu: 65_521, txSlots: 65_536 };
    expect(() => bench.open("client", bench.freshSocket(), most)).toThrow(
      /^ENOMEM: .*fewer txSlots need less/,
    );
  });

  it("polls EBADF once it is closed, traced or not", () => {
    const traced = traceDriver(bench.open("client", bench.freshSocket()), () => {});
    traced.poll(0);
    traced.close();
    expect(traced.poll(0)).toBe(-9);
  });

  it("counts, and drops frames that are too short or too long", () => {
    const [server, client] = bench.openPair();
    commitFrame(client, new Uint8Array(13));
    commitFrame(client, numbered(1515, 1));
    // No frame at all.
    commitFrame(client, new Uint8Array(0));
    commitFrame(client, numbered(60, 1));
    client.poll(0);
    expect(client.statistics()).toMatchObject({ txFrames: 1, txDropped: 2 });
    expect(pollFrames(server)).toHaveLength(1);
  });

  describe("checksums", () => {
    /** A datagram whose checksum the stack has left to the driver, as the other end gets it. */
    function through(from: NativeDriver, to: NativeDriver) {
      const payload = new TextEncoder().encode("datagram");
      const { bytes, field } = udpFrameToFinish(to.macAddress, from.macAddress, payload);
      commitFrame(from, bytes, TX_CHECKSUM, field);
      from.poll(0);
      return { sent: bytes, got: pollFrames(to)[0] };
    }

    it("finishes what is sent, and says that what is received is right", () => {
      const [server, client] = bench.openPair();
      const { sent, got } = through(client, server);
      expect(got?.bytes).toEqual(finishUdpChecksum(sent));
      expect(got?.flags).toBe(RX_CHECKSUM_VALID);
    });

    it("finishes it once, also when the frame has to wait", () => {
      const [server, client] = bench.openPair({ ringSlots: 16 });
      for (let i = 0; i < 16; i++) commitFrame(client, numbered(60, i));
      const { sent } = through(client, server);
      const [got] = pollUntil(server, (frames) => {
        client.poll(0);
        return frames.length > 0;
      });
      expect(got?.bytes).toEqual(finishUdpChecksum(sent));
    });

    it("does not vouch for a wrong one", () => {
      const [server, client] = bench.openPair();
      const { bytes } = udpFrameToFinish(server.macAddress, client.macAddress, new Uint8Array(9));
      commitFrame(client, bytes);
      client.poll(0);
      expect(pollFrames(server)[0]?.flags).toBe(0);
    });

    it("leaves them alone where both sides say so", () => {
      const [server, client] = bench.openPair({ checksums: false });
      const { sent, got } = through(client, server);
      expect(got?.bytes).toEqual(sent);
      expect(got?.flags).toBe(RX_CHECKSUM_VALID);
    });
  });
});
