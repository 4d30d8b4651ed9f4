// AF_PACKET over a veth pair, a driver at each end.

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { RX_CHECKSUM_VALID, TX_CHECKSUM } from "../../src/link/driver.ts";
import {
  type AfPacketOptions,
  type NativeDriver,
  openNativeDriver,
} from "../../src/link/native-driver.ts";
import {
  commitFrame,
  ethernetFrame,
  frameAt,
  pollFrames,
  pollUntil,
} from "../support/driver-io.ts";
import { describeWithNic, NetNs, ownNamespace } from "../support/netns.ts";
import { finishUdpChecksum, udpFrame, udpFrameToFinish } from "../support/udp-frame.ts";

/** A payload that tells its number and its length. */
function numbered(number: number, length: number): Uint8Array {
  const payload = new Uint8Array(length);
  for (let i = 0; i < length; i++) payload[i] = (number * 31 + i * 7) & 255;
  return payload;
}

describeWithNic("af_packet over veth", () => {
  let netns: NetNs;
  let one: NativeDriver;
  let other: NativeDriver;

  beforeAll(async () => {
    netns = await NetNs.create();
    netns.addVeth("one", "other");
  });
  afterAll(() => netns.remove());

  function open(name: string, options: Partial<AfPacketOptions> = {}): NativeDriver {
    return openNativeDriver({
      driver: "af_packet",
      interface: name,
      netns: netns.path,
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

  /** A frame from one to the other. */
  function frame(payload: Uint8Array): Uint8Array {
    return ethernetFrame(other.macAddress, one.macAddress, payload);
  }

  it("states what it can do", () => {
    expect(one.name).toBe("af_packet(one)");
    expect(one.isReal).toBe(true);
    expect(one.macAddress).toHaveLength(6);
    expect(one.capabilities).toEqual({
      mtu: 1500,
      checksumTx: true,
      checksumRx: true,
      tsoMaxBytes: 65_521,
      canWake: true,
    });
    expect(one.txFrameBytes).toBeGreaterThanOrEqual(1514);
  });

  it("leaves the process in its own network namespace", () => {
    const before = ownNamespace();
    open("one").close();
    expect(ownNamespace()).toBe(before);
  });

  it("carries frames of every length there and back, byte for byte", () => {
    for (const length of [46, 47, 60, 100, 512, 1000, 1499, 1500]) {
      const sent = frame(numbered(length, length));
      commitFrame(one, sent);
      one.poll(0);
      const [there] = pollUntil(other, (frames) => frames.length > 0);
      expect(there?.bytes).toEqual(sent);
      commitFrame(other, there?.bytes as Uint8Array);
      other.poll(0);
      const [back] = pollUntil(one, (frames) => frames.length > 0);
      expect(back?.bytes).toEqual(sent);
    }
  });

  it("does not receive what it sent itself, nor what the kernel sends on its interface", () => {
    netns.ip("addr add 10.7.0.1/24 dev one");
    netns.ip("neigh add 10.7.0.2 lladdr 02:00:00:00:00:02 dev one");
    netns.run("bash", "-c", "echo hello > /dev/udp/10.7.0.2/9");
    commitFrame(one, frame(numbered(1, 50)));
    expect(pollUntil(one, () => false, 50)).toEqual([]);
    netns.ip("addr del 10.7.0.1/24 dev one");
  });

  it("counts frames and bytes", () => {
    for (let i = 0; i < 5; i++) commitFrame(one, frame(numbered(i, 86)));
    one.poll(0);
    pollUntil(other, (frames) => frames.length === 5);
    expect(one.statistics()).toMatchObject({ txFrames: 5, txBytes: 500, txDropped: 0 });
    expect(other.statistics()).toMatchObject({ rxFrames: 5, rxBytes: 500, rxDropped: 0 });
    expect(other.statistics().polls).toBeGreaterThan(0);
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

  it("reads the monotonic clock once per poll", () => {
    one.poll(0);
    const first = one.polledAtMs;
    const now = Number(process.hrtime.bigint()) / 1e6;
    expect(Math.abs(now - first)).toBeLessThan(1000);
    one.poll(0);
    expect(one.polledAtMs).toBeGreaterThan(first);
  });

  describe("bad frames to send", () => {
    it("drops and counts a frame that is too large, and sends the next", () => {
      commitFrame(one, frame(new Uint8Array(1501)));
      commitFrame(one, frame(numbered(3, 64)));
      one.poll(0);
      const frames = pollUntil(other, (got) => got.length > 0);
      expect(frames.map((each) => each.bytes)).toEqual([frame(numbered(3, 64))]);
      expect(one.statistics()).toMatchObject({ txFrames: 1, txDropped: 1 });
    });

    it("drops and counts a frame without a header or of negative length", () => {
      for (const length of [1, 13, -1, 0x7fffffff]) {
        const slot = (one.control[0] as number) & (one.txSlots - 1);
        commitFrame(one, frame(numbered(1, 64)));
        one.tx[slot * 4 + 1] = length;
      }
      one.poll(0);
      expect(pollUntil(other, () => false, 30)).toEqual([]);
      expect(one.statistics()).toMatchObject({ txFrames: 0, txDropped: 4 });
    });

    it("drops and counts a frame whose checksum field lies outside of it", () => {
      commitFrame(one, frame(numbered(1, 64)), TX_CHECKSUM, (70 << 16) | 16);
      one.poll(0);
      expect(one.statistics()).toMatchObject({ txFrames: 0, txDropped: 1 });
    });

    it("does not follow an offset the stack must not change", () => {
      one.tx[0] = 0x7fffff00;
      const sent = frame(numbered(1, 64));
      const slot = other.tx[0] as number;
      one.frames.set(sent, slot);
      one.tx[1] = sent.length;
      one.control[0] = 1;
      one.poll(0);
      const [got] = pollUntil(other, (frames) => frames.length > 0);
      expect(got?.bytes).toEqual(sent);
    });

    it("survives a tail that overtakes the ring", () => {
      one.control[0] = 1_000_000;
      expect(one.poll(0)).toBeGreaterThanOrEqual(0);
      expect(one.poll(0)).toBeGreaterThanOrEqual(0);
    });
  });

  describe("checksums", () => {
    it("leaves a checksum to the kernel, which knows that the frame is still on this host", () => {
      const { bytes, field } = udpFrameToFinish(other.macAddress, one.macAddress, numbered(1, 33));
      commitFrame(one, bytes, TX_CHECKSUM, field);
      one.poll(0);
      const [got] = pollUntil(other, (frames) => frames.length > 0);
      expect(got?.flags).toBe(RX_CHECKSUM_VALID);
      expect(got?.bytes).toEqual(bytes);
    });

    it("finishes a checksum that the stack left to it, without sendOffload", () => {
      one.close();
      one = open("one", { sendOffload: false });
      const { bytes, field } = udpFrameToFinish(other.macAddress, one.macAddress, numbered(1, 33));
      commitFrame(one, bytes, TX_CHECKSUM, field);
      one.poll(0);
      const [got] = pollUntil(other, (frames) => frames.length > 0);
      expect(got?.bytes).toEqual(finishUdpChecksum(bytes));
    });

    it("marks a good checksum as verified", () => {
      commitFrame(one, udpFrame(other.macAddress, one.macAddress, numbered(1, 333)));
      one.poll(0);
      const [got] = pollUntil(other, (frames) => frames.length > 0);
      expect(got?.flags).toBe(RX_CHECKSUM_VALID);
    });

    it("leaves a wrong one to the stack", () => {
      const bytes = udpFrame(other.macAddress, one.macAddress, numbered(1, 333));
      bytes[100] = (bytes[100] as number) ^ 1;
      commitFrame(one, bytes);
      one.poll(0);
      const [got] = pollUntil(other, (frames) => frames.length > 0);
      expect(got?.flags).toBe(0);
    });

    it("leaves a fragment and an unknown protocol to the stack", () => {
      const fragment = udpFrame(other.macAddress, one.macAddress, numbered(1, 33));
      fragment[20] = 0x20;
      const unknown = udpFrame(other.macAddress, one.macAddress, numbered(1, 33));
      unknown[23] = 99;
      commitFrame(one, fragment);
      commitFrame(one, unknown);
      one.poll(0);
      const frames = pollUntil(other, (got) => got.length === 2);
      expect(frames.map((each) => each.flags)).toEqual([0, 0]);
    });

    it("accepts the unfinished checksum of a local kernel peer", () => {
      netns.ip("addr add 10.7.1.1/24 dev one");
      netns.ip("neigh add 10.7.1.2 lladdr 02:00:00:00:00:02 dev one");
      netns.run("bash", "-c", "echo hello > /dev/udp/10.7.1.2/9");
      const [got] = pollUntil(other, (frames) => frames.length > 0);
      netns.ip("addr del 10.7.1.1/24 dev one");
      expect(got?.flags).toBe(RX_CHECKSUM_VALID);
      expect(got?.bytes).not.toEqual(finishUdpChecksum(got?.bytes ?? new Uint8Array(64)));
    });
  });

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

  it("drops frames, counted, when the device does not take them, and then goes on", () => {
    netns.ip("link set other down");
    commitFrame(one, frame(numbered(1, 64)));
    const end = Date.now() + 500;
    while (one.control[1] === 0 && Date.now() < end) one.poll(0);
    expect(one.control[1]).toBe(1);
    expect(one.statistics()).toMatchObject({ txFrames: 0, txDropped: 1 });
    netns.ip("link set other up");
    other.close();
    other = open("other");
    commitFrame(one, frame(numbered(2, 64)));
    one.poll(0);
    const [got] = pollUntil(other, (frames) => frames.length > 0);
    expect(got?.bytes).toEqual(frame(numbered(2, 64)));
  });

  it("counts what the rx ring had no room for", () => {
    other.close();
    other = open("other", { rxSlots: 16 });
    for (let i = 0; i < 100; i++) commitFrame(one, frame(numbered(i, 64)));
    one.poll(0);
    pollUntil(other, () => false, 50);
    const { rxFrames, rxDropped, rxOverruns } = other.statistics();
    expect(rxFrames).toBeGreaterThanOrEqual(16);
    expect(rxDropped).toBeGreaterThan(0);
    expect(rxDropped).toBe(rxOverruns);
    expect(rxFrames + rxDropped).toBe(100);
  });

  it("drops frames of a VLAN instead of passing them off as untagged", () => {
    const tagged = ethernetFrame(other.macAddress, one.macAddress, numbered(1, 64), 0x8100);
    tagged[14] = 0;
    tagged[15] = 5;
    commitFrame(one, tagged);
    one.poll(0);
    const frames = pollUntil(other, (got) => got.length > 0, 50);
    // Kernels that leave the tag in the frame show it to the stack, which does not know the type.
    if (frames.length === 0) expect(other.statistics().rxDropped).toBe(1);
    else expect(frames[0]?.bytes).toEqual(tagged);
  });

  it("accounts for each of 100,000 frames", () => {
    const total = 100_000;
    let committed = 0;
    let received = 0;
    let inOrder = true;
    const payload = new Uint8Array(50);
    const view = new DataView(payload.buffer);
    const end = Date.now() + 20_000;
    while (received < total && Date.now() < end) {
      while (committed < total && committed - received < 256) {
        view.setUint32(0, committed);
        if (!commitFrame(one, frame(payload))) break;
        committed++;
      }
      one.poll(0);
      const count = other.poll(0);
      for (let i = 0; i < count; i++) {
        const bytes = frameAt(other, i);
        inOrder &&= new DataView(bytes.buffer, bytes.byteOffset).getUint32(14) === received;
        received++;
      }
    }
    one.poll(0);
    expect(inOrder).toBe(true);
    expect(one.statistics()).toMatchObject({ txFrames: total, txBytes: 64 * total, txDropped: 0 });
    expect(other.statistics()).toMatchObject({
      rxFrames: total,
      rxBytes: 64 * total,
      rxDropped: 0,
    });
  }, 30_000);

  it("shares the frames of an interface among the members of a fanout group", () => {
    const fanout = { id: process.pid & 0xffff, mode: "load-balance" } as const;
    const members = [1, 2].map(() =>
      openNativeDriver({ driver: "af_packet", interface: "other", netns: netns.path, fanout }),
    );
    for (let i = 0; i < 10; i++) commitFrame(one, frame(numbered(i, 64)));
    one.poll(0);
    const counts = members.map((each) => pollUntil(each, (got) => got.length >= 5, 200).length);
    for (const each of members) each.close();
    expect(counts).toEqual([5, 5]);
  });

  it("opens with a station address of its own, and with promiscuous mode", () => {
    const options = { driver: "af_packet", interface: "one", netns: netns.path } as const;
    const own = openNativeDriver({ ...options, macAddress: "02:00:00:00:00:07" });
    expect([...own.macAddress]).toEqual([2, 0, 0, 0, 0, 7]);
    own.close();
    openNativeDriver({ ...options, promiscuous: true }).close();
  });

  it("takes jumbo frames of an interface with a large MTU", () => {
    one.close();
    other.close();
    netns.ip("link set one mtu 9000");
    netns.ip("link set other mtu 9000");
    one = open("one");
    other = open("other");
    const sent = frame(numbered(9, 9000));
    commitFrame(one, sent);
    one.poll(0);
    expect(
      pollFrames(other).concat(pollUntil(other, (got) => got.length > 0, 50))[0]?.bytes,
    ).toEqual(sent);
    netns.ip("link set one mtu 1500");
    netns.ip("link set other mtu 1500");
  });
});
