// Super-segments to send: frames longer than the MTU that the kernel is to cut up.

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  DESCRIPTOR_FIELDS,
  DESCRIPTOR_LENGTH,
  DESCRIPTOR_OFFSET,
  TX_CHECKSUM,
  TX_HEAD,
  TX_SEGMENT,
  TX_TAIL,
} from "../../src/link/driver.ts";
import { type NativeDriver, openNativeDriver } from "../../src/link/native-driver.ts";
import { craftTcp } from "../../src/testing.ts";
import { patternAt } from "../support/byte-pattern.ts";
import { commitFrame, ethernetFrame, pollUntil } from "../support/driver-io.ts";
import { describeWithNic, NetNs } from "../support/netns.ts";

/** Where the checksum of a TCP segment starts and lies, behind Ethernet and 20 bytes of IPv4. */
const TCP_CHECKSUM = (34 << 16) | 16;
const HEADER_BYTES = 54;
const MTU = 1500;

function cutInto(payloadBytes: number): number {
  return (payloadBytes << 16) | TX_SEGMENT | TX_CHECKSUM;
}

/** Puts a frame over as many slots as its memory takes. */
function commitLong(driver: NativeDriver, bytes: Uint8Array, flags: number): void {
  const first = driver.control[TX_TAIL] as number;
  const slotOf = (count: number) => (count & (driver.txSlots - 1)) * DESCRIPTOR_FIELDS;
  const offset = driver.tx[slotOf(first) + DESCRIPTOR_OFFSET] as number;
  const end = offset + bytes.length;
  commitFrame(driver, new Uint8Array(60), flags, TCP_CHECKSUM);
  driver.frames.set(bytes, offset);
  driver.tx[slotOf(first) + DESCRIPTOR_LENGTH] = bytes.length;
  for (let next = first + 1; next < first + driver.txSlots; next++) {
    const at = driver.tx[slotOf(next) + DESCRIPTOR_OFFSET] as number;
    if (at < offset || at >= end) break;
    driver.tx[slotOf(next) + DESCRIPTOR_LENGTH] = 0;
    driver.control[TX_TAIL] = next + 1;
  }
}

describeWithNic("super-segments to send", () => {
  describe.each(["tap", "af_packet"] as const)("%s", (kind) => {
    let netns: NetNs;
    let driver: NativeDriver;
    /** Sees what arrives at the kernel. */
    let watcher: NativeDriver;
    const watched = kind === "tap" ? "ours0" : "kernel0";

    beforeAll(async () => {
      netns = await NetNs.create();
      if (kind === "af_packet") netns.addVeth("ours0", "kernel0");
    });
    afterAll(() => netns.remove());

    function open(options: { sendOffload?: boolean; txSlots?: number } = {}): void {
      driver = openNativeDriver({
        driver: kind,
        netns: netns.path,
        interface: "ours0",
        ...options,
      });
      watcher = openNativeDriver({ driver: "af_packet", netns: netns.path, interface: watched });
    }
    beforeEach(() => open());
    afterEach(() => {
      driver.close();
      watcher.close();
    });

    function tcpFrame(payloadBytes: number): Uint8Array {
      return craftTcp({
        sourceMac: driver.macAddress,
        destinationMac: watcher.macAddress,
        source: "10.6.0.2",
        destination: "10.6.0.1",
        sourcePort: 7,
        destinationPort: 8,
        payload: patternAt(0, payloadBytes),
      });
    }

    it("states how long they may be", () => {
      expect(driver.capabilities).toMatchObject({ tsoMaxBytes: 65_521, checksumTx: true });
    });

    it("arrive whole, of every length, and give all of their slots back", () => {
      for (const length of [1_461, 3_000, 9_999, 65_521 - 40]) {
        const sent = tcpFrame(length);
        commitLong(driver, sent, cutInto(1_460));
        const small = ethernetFrame(watcher.macAddress, driver.macAddress, patternAt(length, 60));
        commitFrame(driver, small);
        driver.poll(0);
        const frames = pollUntil(watcher, (got) => got.length === 2);
        expect(frames.map((each) => each.bytes.length)).toEqual([sent.length, small.length]);
        expect(Buffer.compare(frames[0]?.bytes ?? small, sent)).toBe(0);
        expect(frames[1]?.bytes).toEqual(small);
        expect(driver.control[TX_HEAD]).toBe(driver.control[TX_TAIL]);
      }
      expect(driver.statistics()).toMatchObject({ txFrames: 8, txDropped: 0 });
      expect(watcher.statistics().rxSuperFrames).toBe(4);
    });

    it("are dropped and counted where their descriptor makes no sense", () => {
      commitLong(driver, tcpFrame(3_000), cutInto(0));
      commitLong(driver, tcpFrame(3_000), cutInto(1_461));
      commitLong(driver, tcpFrame(3_000), (1_460 << 16) | TX_SEGMENT);
      commitLong(driver, tcpFrame(3_000), TX_CHECKSUM);
      commitLong(driver, new Uint8Array(65_522 + 14), cutInto(1_460));
      commitLong(driver, tcpFrame(3_000).fill(0xff, 46, 47).subarray(0, 60), cutInto(1_000));
      driver.poll(0);
      expect(pollUntil(watcher, () => false, 30)).toEqual([]);
      expect(driver.statistics()).toMatchObject({ txFrames: 0, txDropped: 6 });
      expect(driver.control[TX_HEAD]).toBe(driver.control[TX_TAIL]);
    });

    it("never reach beyond the ring", () => {
      driver.close();
      watcher.close();
      open({ txSlots: 16 });
      for (let i = 0; i < 15; i++) commitFrame(driver, tcpFrame(10));
      driver.poll(0);
      pollUntil(watcher, (got) => got.length === 15);
      commitFrame(driver, tcpFrame(1_000), cutInto(500), TCP_CHECKSUM);
      driver.tx[15 * DESCRIPTOR_FIELDS + DESCRIPTOR_LENGTH] = 1_600 + HEADER_BYTES;
      driver.poll(0);
      expect(driver.statistics()).toMatchObject({ txFrames: 15, txDropped: 1 });
    });

    if (kind === "af_packet")
      it("are cut up by the kernel where the device does not", () => {
        netns.ip("link set ours0 gso_max_size 2000");
        const sent = tcpFrame(4_000);
        commitLong(driver, sent, cutInto(1_460));
        driver.poll(0);
        const frames = pollUntil(watcher, (got) => got.length === 3);
        netns.ip("link set ours0 gso_max_size 65536");
        expect(frames.map((each) => each.bytes.length)).toEqual([1_514, 1_514, 1_134]);
        const payload = frames.flatMap((each) => [...each.bytes.subarray(HEADER_BYTES)]);
        expect(Uint8Array.from(payload)).toEqual(sent.subarray(HEADER_BYTES));
        expect(driver.statistics()).toMatchObject({ txFrames: 1, txDropped: 0 });
      });

    it("are refused without sendOffload, and checksums are finished by the driver", () => {
      driver.close();
      watcher.close();
      open({ sendOffload: false });
      expect(driver.capabilities).toMatchObject({ tsoMaxBytes: 0, checksumTx: true });
      commitLong(driver, tcpFrame(3_000), cutInto(1_460));
      const finished = tcpFrame(500);
      const unfinished = finished.slice();
      // What the stack leaves there: the folded sum of the pseudo-header.
      const view = new DataView(unfinished.buffer);
      let pseudo = 0x0a06 + 0x0002 + 0x0a06 + 0x0001 + 6 + 520;
      pseudo = (pseudo & 0xffff) + (pseudo >> 16);
      view.setUint16(50, pseudo);
      commitFrame(driver, unfinished, TX_CHECKSUM, TCP_CHECKSUM);
      driver.poll(0);
      const frames = pollUntil(watcher, (got) => got.length > 0);
      expect(frames.map((each) => each.bytes)).toEqual([finished]);
      expect(driver.statistics()).toMatchObject({ txFrames: 1, txDropped: 1 });
    });

    it("leave an MTU-sized frame as the longest without the flag", () => {
      commitFrame(driver, ethernetFrame(watcher.macAddress, driver.macAddress, patternAt(0, MTU)));
      commitLong(driver, tcpFrame(MTU - 39), 0);
      driver.poll(0);
      const frames = pollUntil(watcher, (got) => got.length > 0);
      expect(frames.map((each) => each.bytes.length)).toEqual([MTU + 14]);
      expect(driver.statistics()).toMatchObject({ txFrames: 1, txDropped: 1 });
    });
  });
});
