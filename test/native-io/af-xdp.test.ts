// AF_XDP over a veth pair, a driver at each end, in both modes of XDP.

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { RX_CHECKSUM_VALID, TX_CHECKSUM } from "../../src/link/driver.ts";
import {
  type AfXdpOptions,
  type NativeDriver,
  openNativeDriver,
} from "../../src/link/native-driver.ts";
import { commitFrame, frameAt, pollUntil } from "../support/driver-io.ts";
import { describeWithNic, NetNs, ownNamespace } from "../support/netns.ts";
import { finishUdpChecksum, udpFrame, udpFrameToFinish } from "../support/udp-frame.ts";

/** Where the frames of udp-frame.ts go. */
const ADDRESSES = ["10.0.0.2"];

/** A payload that tells its number and its length. */
function numbered(number: number, length: number): Uint8Array {
  const payload = new Uint8Array(length);
  for (let i = 0; i < length; i++) payload[i] = (number * 31 + i * 7) & 255;
  return payload;
}

describeWithNic("af_xdp over veth", () => {
  let netns: NetNs;

  beforeAll(async () => {
    netns = await NetNs.create();
    netns.addVeth("one", "other");
  });
  afterAll(() => netns.remove());

  describe.each(["native", "generic"] as const)("%s", (mode) => {
    let one: NativeDriver;
    let other: NativeDriver;

    function open(name: string, options: Partial<AfXdpOptions> = {}): NativeDriver {
      return openNativeDriver({
        driver: "af_xdp",
        interface: name,
        netns: netns.path,
        addresses: ADDRESSES,
        mode,
        ...options,
      });
    }
    beforeEach(() => {
      one = open("one");
      other = open("other");
    });
    afterEach(() => {
      one.close();
      other.close();
    });

    /** A datagram from one to the other. */
    function frame(payload: Uint8Array): Uint8Array {
      return udpFrame(other.macAddress, one.macAddress, payload);
    }
    /** Opens the other end anew, with other options. */
    function reopen(options: Partial<AfXdpOptions>): void {
      other.close();
      other = open("other", options);
    }

    it("states what it can do", () => {
      expect(one.name).toBe(`af_xdp(one, ${mode})`);
      expect(one.interfaceName).toBe("one");
      expect(one.isReal).toBe(true);
      expect(one.macAddress).toHaveLength(6);
      expect(one.capabilities).toMatchObject({
        mtu: 1500,
        checksumTx: true,
        checksumRx: true,
        tsoMaxBytes: 0,
        canWake: true,
      });
      expect(one.txFrameBytes).toBeGreaterThanOrEqual(1514);
    });

    it("leaves the process in its own network namespace", () => {
      const before = ownNamespace();
      reopen({});
      expect(ownNamespace()).toBe(before);
    });

    it("carries frames of every length there and back, byte for byte", () => {
      for (const length of [0, 1, 18, 19, 100, 512, 1000, 1471, 1472]) {
        const sent = frame(numbered(length, length));
        commitFrame(one, sent);
        one.poll(0);
        const [there] = pollUntil(other, (frames) => frames.length > 0);
        expect(there?.bytes).toEqual(sent);
        const answer = udpFrame(one.macAddress, other.macAddress, numbered(length + 1, length));
        commitFrame(other, answer);
        other.poll(0);
        const [back] = pollUntil(one, (frames) => frames.length > 0);
        expect(back?.bytes).toEqual(answer);
      }
    });

    it("keeps received frames until the next poll", () => {
      commitFrame(one, frame(numbered(1, 60)));
      one.poll(0);
      while (other.poll(0) === 0);
      const view = frameAt(other, 0);
      const copy = view.slice();
      for (let i = 2; i < 200; i++) {
        commitFrame(one, frame(numbered(i, 60)));
        one.poll(0);
      }
      expect(view).toEqual(copy);
    });

    it("accounts for each of 50,000 frames, in order, over rings that wrap", () => {
      const total = 50_000;
      one.close();
      one = open("one", { txSlots: 64 });
      reopen({ rxSlots: 256 });
      const sent = frame(new Uint8Array(22));
      const payload = new DataView(sent.buffer, 42);
      let committed = 0;
      let received = 0;
      let inOrder = true;
      const end = Date.now() + 20_000;
      while (received < total && Date.now() < end) {
        for (; committed < total && committed - received < 128; committed++) {
          payload.setUint32(0, committed);
          if (!commitFrame(one, sent)) break;
        }
        one.poll(0);
        const count = other.poll(0);
        for (let i = 0; i < count; i++) {
          const bytes = frameAt(other, i);
          inOrder &&= new DataView(bytes.buffer, bytes.byteOffset).getUint32(42) === received;
          received++;
        }
      }
      one.poll(0);
      expect(inOrder).toBe(true);
      const figures = { txFrames: total, txBytes: 64 * total, txDropped: 0 };
      expect(one.statistics()).toMatchObject(figures);
      expect(other.statistics()).toMatchObject({
        rxFrames: total,
        rxBytes: 64 * total,
        rxDropped: 0,
      });
    }, 30_000);

    it("refuses frames when the tx ring is full, and takes them once it is not", () => {
      one.close();
      one = open("one", { txSlots: 16 });
      let committed = 0;
      while (commitFrame(one, frame(numbered(committed, 64)))) committed++;
      expect(committed).toBe(16);
      one.poll(0);
      expect(pollUntil(other, (frames) => frames.length === 16)).toHaveLength(16);
      one.poll(0);
      expect(commitFrame(one, frame(numbered(17, 64)))).toBe(true);
    });

    it("sends a full ring in one poll", () => {
      let committed = 0;
      while (commitFrame(one, frame(numbered(committed, 64)))) committed++;
      expect(committed).toBe(512);
      expect(one.poll(0)).toBe(0);
      expect(pollUntil(other, (frames) => frames.length === 512)).toHaveLength(512);
    });

    it("counts what the rx ring had no room for", () => {
      reopen({ rxSlots: 16 });
      for (let i = 0; i < 100; i++) commitFrame(one, frame(numbered(i, 64)));
      one.poll(0);
      pollUntil(other, () => false, 50);
      const { rxFrames, rxDropped, rxOverruns } = other.statistics();
      expect(rxFrames).toBeGreaterThanOrEqual(16);
      expect(rxDropped).toBeGreaterThan(0);
      expect(rxDropped).toBe(rxOverruns);
      expect(rxFrames + rxDropped).toBe(100);
    });

    it("takes an own station address, and frames to it alone", () => {
      const to = Uint8Array.of(2, 0, 0, 0, 0, 7);
      reopen({ macAddress: "02:00:00:00:00:07" });
      expect(other.macAddress).toEqual(to);
      const ours = udpFrame(to, one.macAddress, numbered(1, 20));
      commitFrame(one, udpFrame(Uint8Array.of(2, 0, 0, 0, 0, 8), one.macAddress, numbered(2, 20)));
      commitFrame(one, ours);
      one.poll(0);
      const frames = pollUntil(other, (got) => got.length > 0);
      expect(frames.map((each) => each.bytes)).toEqual([ours]);
    });

    describe("bad frames to send", () => {
      it("drops and counts a frame that is too large, and sends the next", () => {
        commitFrame(one, frame(new Uint8Array(1473)));
        commitFrame(one, frame(numbered(3, 64)));
        one.poll(0);
        const frames = pollUntil(other, (got) => got.length > 0);
        expect(frames.map((each) => each.bytes)).toEqual([frame(numbered(3, 64))]);
        expect(one.statistics()).toMatchObject({ txFrames: 1, txDropped: 1 });
      });

      it("drops and counts a frame without a header or of negative length; of length 0 is none", () => {
        for (const length of [0, 13, -1, 0x7fffffff]) {
          const slot = (one.control[0] as number) & (one.txSlots - 1);
          commitFrame(one, frame(numbered(1, 64)));
          one.tx[slot * 4 + 1] = length;
        }
        one.poll(0);
        expect(pollUntil(other, () => false, 30)).toEqual([]);
        expect(one.statistics()).toMatchObject({ txFrames: 0, txDropped: 3 });
        expect(one.control[1]).toBe(4);
      });

      it("drops and counts a frame whose checksum field lies outside of it", () => {
        commitFrame(one, frame(numbered(1, 64)), TX_CHECKSUM, (200 << 16) | 16);
        one.poll(0);
        expect(one.statistics()).toMatchObject({ txFrames: 0, txDropped: 1 });
      });

      it("does not follow an offset the stack must not change", () => {
        const sent = frame(numbered(1, 64));
        one.frames.set(sent, one.tx[0]);
        one.tx[0] = 0x7fffff00;
        one.tx[1] = sent.length;
        one.control[0] = 1;
        one.poll(0);
        const [got] = pollUntil(other, (frames) => frames.length > 0);
        expect(got?.bytes).toEqual(sent);
      });

      it("survives a tail that overtakes the ring, and a table of received frames overwritten", () => {
        other.rx.fill(0x7fffff00);
        one.control[0] = 1_000_000;
        expect(one.poll(0)).toBeGreaterThanOrEqual(0);
        expect(one.poll(0)).toBeGreaterThanOrEqual(0);
        expect(other.poll(0)).toBeGreaterThanOrEqual(0);
        other.rx.fill(-1);
        expect(other.poll(0)).toBeGreaterThanOrEqual(0);
      });
    });

    describe("checksums", () => {
      /** Sends a frame as it is; tells the flags it is received with. */
      function flagsOf(bytes: Uint8Array): number {
        commitFrame(one, bytes);
        one.poll(0);
        const [got] = pollUntil(other, (frames) => frames.length > 0);
        expect(got?.bytes).toEqual(bytes);
        return got?.flags ?? -1;
      }

      it("finishes a checksum that the stack left to it", () => {
        for (const length of [33, 127, 128, 1471, 1472]) {
          const { bytes, field } = udpFrameToFinish(
            other.macAddress,
            one.macAddress,
            numbered(1, length),
          );
          commitFrame(one, bytes, TX_CHECKSUM, field);
          one.poll(0);
          const [got] = pollUntil(other, (frames) => frames.length > 0);
          expect(got?.bytes).toEqual(finishUdpChecksum(bytes));
        }
      });

      it("marks a good checksum as verified, and leaves a wrong one to the stack", () => {
        const bytes = frame(numbered(1, 333));
        expect(flagsOf(bytes)).toBe(RX_CHECKSUM_VALID);
        bytes[100] = (bytes[100] as number) ^ 1;
        expect(flagsOf(bytes)).toBe(0);
      });

      it("takes an unfinished one of a local peer for valid, as veth does not say, or not", () => {
        const { bytes } = udpFrameToFinish(other.macAddress, one.macAddress, numbered(1, 33));
        expect(flagsOf(bytes)).toBe(RX_CHECKSUM_VALID);
        reopen({ trustUnfinishedChecksums: false });
        expect(flagsOf(bytes)).toBe(0);
        expect(flagsOf(finishUdpChecksum(bytes))).toBe(RX_CHECKSUM_VALID);
      });

      it("leaves a fragment to the stack", () => {
        const fragment = frame(numbered(1, 33));
        fragment[20] = 0x20;
        expect(flagsOf(fragment)).toBe(0);
      });
    });
  });
});
