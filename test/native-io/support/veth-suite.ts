// What every driver of an interface does alike, over a veth pair.
// R1: the devices are real, and so is the time that a frame takes to come.

import { describe, expect, it } from "vitest";
import { RX_CHECKSUM_VALID, TX_CHECKSUM } from "../../../src/link/driver.ts";
import { commitFrame, frameAt, pollUntil } from "../../support/driver-io.ts";
import { ownNamespace } from "../../support/netns.ts";
import { udpFrame } from "../../support/udp-frame.ts";
import { numbered, type VethPair } from "./veth-pair.ts";

/** Tests that frames go there and back, all of them and unchanged. */
export function itCarriesFrames(pair: VethPair): void {
  it("leaves the process in its own network namespace", () => {
    const before = ownNamespace();
    pair.reopen("other");
    expect(ownNamespace()).toBe(before);
  });

  it("carries frames of every length there and back, byte for byte", () => {
    for (const length of [0, 1, 18, 19, 100, 512, 1000, 1471, 1472]) {
      const { one, other } = pair;
      const sent = pair.frame(numbered(length, length));
      expect(pair.carry(sent)?.bytes).toEqual(sent);
      const answer = udpFrame(one.macAddress, other.macAddress, numbered(length + 1, length));
      commitFrame(other, answer);
      other.poll(0);
      const [back] = pollUntil(one, (frames) => frames.length > 0);
      expect(back?.bytes).toEqual(answer);
    }
  });

  it("keeps received frames until the next poll", () => {
    const { one, other } = pair;
    commitFrame(one, pair.frame(numbered(1, 60)));
    one.poll(0);
    while (other.poll(0) === 0);
    const view = frameAt(other, 0);
    const copy = view.slice();
    for (let i = 2; i < 200; i++) {
      commitFrame(one, pair.frame(numbered(i, 60)));
      one.poll(0);
    }
    expect(view).toEqual(copy);
  });

  it("accounts for each of 50,000 frames, in order, over rings that wrap", () => {
    const total = 50_000;
    pair.reopen("one", { txSlots: 64 });
    pair.reopen("other", { rxSlots: 256 });
    const { one, other } = pair;
    const sent = pair.frame(new Uint8Array(22));
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
    const bytes = 64 * total;
    expect(one.statistics()).toMatchObject({ txFrames: total, txBytes: bytes, txDropped: 0 });
    expect(other.statistics()).toMatchObject({ rxFrames: total, rxBytes: bytes, rxDropped: 0 });
  }, 30_000);
}

/** Tests what happens when a ring is full. */
export function itBoundsItsRings(pair: VethPair): void {
  it("refuses frames when the tx ring is full, and takes them once it is not", () => {
    pair.reopen("one", { txSlots: 16 });
    const { one, other } = pair;
    let committed = 0;
    while (commitFrame(one, pair.frame(numbered(committed, 64)))) committed++;
    expect(committed).toBe(16);
    one.poll(0);
    expect(pollUntil(other, (frames) => frames.length === 16)).toHaveLength(16);
    one.poll(0);
    expect(commitFrame(one, pair.frame(numbered(17, 64)))).toBe(true);
  });

  it("counts what the rx ring had no room for", () => {
    pair.reopen("other", { rxSlots: 16 });
    const { one, other } = pair;
    for (let i = 0; i < 100; i++) commitFrame(one, pair.frame(numbered(i, 64)));
    one.poll(0);
    pollUntil(other, () => false, 50);
    const { rxFrames, rxDropped, rxOverruns } = other.statistics();
    expect(rxFrames).toBeGreaterThanOrEqual(16);
    expect(rxDropped).toBeGreaterThan(0);
    expect(rxDropped).toBe(rxOverruns);
    expect(rxFrames + rxDropped).toBe(100);
  });
}

/** Tests what becomes of frames that cannot be sent, and of a stack that breaks the contract. */
export function itSurvivesBadFrames(pair: VethPair): void {
  describe("bad frames to send", () => {
    it("drops and counts a frame that is too large, and sends the next", () => {
      const { one } = pair;
      commitFrame(one, pair.frame(new Uint8Array(1473)));
      const next = pair.frame(numbered(3, 64));
      expect(pair.carry(next)?.bytes).toEqual(next);
      expect(pollUntil(pair.other, () => false, 30)).toEqual([]);
      expect(one.statistics()).toMatchObject({ txFrames: 1, txDropped: 1 });
    });

    it("drops and counts a frame without a header or of negative length; of length 0 is none", () => {
      const { one, other } = pair;
      for (const length of [0, 1, 13, -1, 0x7fffffff]) {
        const slot = (one.control[0] as number) & (one.txSlots - 1);
        commitFrame(one, pair.frame(numbered(1, 64)));
        one.tx[slot * 4 + 1] = length;
      }
      one.poll(0);
      expect(pollUntil(other, () => false, 30)).toEqual([]);
      expect(one.statistics()).toMatchObject({ txFrames: 0, txDropped: 4 });
      expect(one.control[1]).toBe(5);
    });

    it("drops and counts a frame whose checksum field lies outside of it", () => {
      const { one } = pair;
      commitFrame(one, pair.frame(numbered(1, 64)), TX_CHECKSUM, (200 << 16) | 16);
      one.poll(0);
      expect(one.statistics()).toMatchObject({ txFrames: 0, txDropped: 1 });
    });

    it("does not follow an offset the stack must not change", () => {
      const { one, other } = pair;
      const sent = pair.frame(numbered(1, 64));
      one.frames.set(sent, one.tx[0]);
      one.tx[0] = 0x7fffff00;
      one.tx[1] = sent.length;
      one.control[0] = 1;
      one.poll(0);
      const [got] = pollUntil(other, (frames) => frames.length > 0);
      expect(got?.bytes).toEqual(sent);
    });

    it("survives a tail that overtakes the ring, and a table of received frames overwritten", () => {
      const { one, other } = pair;
      other.rx.fill(0x7fffff00);
      one.control[0] = 1_000_000;
      expect(one.poll(0)).toBeGreaterThanOrEqual(0);
      expect(one.poll(0)).toBeGreaterThanOrEqual(0);
      expect(other.poll(0)).toBeGreaterThanOrEqual(0);
      other.rx.fill(-1);
      expect(other.poll(0)).toBeGreaterThanOrEqual(0);
    });
  });
}

/** Tests which checksums of received frames the stack need not look at. */
export function itVerifiesChecksums(pair: VethPair): void {
  it("marks a good checksum as verified, and leaves a wrong one to the stack", () => {
    const bytes = pair.frame(numbered(1, 333));
    expect(pair.carry(bytes)).toEqual({ bytes, flags: RX_CHECKSUM_VALID });
    bytes[100] = (bytes[100] as number) ^ 1;
    expect(pair.carry(bytes)).toEqual({ bytes, flags: 0 });
  });

  it("leaves a fragment to the stack", () => {
    const bytes = pair.frame(numbered(1, 33));
    bytes[20] = 0x20;
    expect(pair.carry(bytes)).toEqual({ bytes, flags: 0 });
  });
}
