// AF_PACKET over a veth pair, a driver at each end.

import { describe, expect, it } from "vitest";
import { RX_CHECKSUM_VALID, TX_CHECKSUM } from "../../src/link/driver.ts";
import { openNativeDriver } from "../../src/link/native-driver.ts";
import { commitFrame, ethernetFrame, pollUntil } from "../support/driver-io.ts";
import { describeWithNic } from "../support/netns.ts";
import { finishUdpChecksum, udpFrameToFinish } from "../support/udp-frame.ts";
import { numbered, VethPair } from "./support/veth-pair.ts";
import {
  itBoundsItsRings,
  itCarriesFrames,
  itSurvivesBadFrames,
  itVerifiesChecksums,
} from "./support/veth-suite.ts";

describeWithNic("af_packet over veth", () => {
  const pair = new VethPair((place, extra) =>
    openNativeDriver({ driver: "af_packet", ...place, ...extra }),
  );

  itCarriesFrames(pair);
  itBoundsItsRings(pair);
  itSurvivesBadFrames(pair);

  it("states what it can do", () => {
    const { one } = pair;
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

  it("does not receive what it sent itself, nor what the kernel sends on its interface", () => {
    pair.netns.ip("addr add 10.7.0.1/24 dev one");
    pair.netns.ip("neigh add 10.7.0.2 lladdr 02:00:00:00:00:02 dev one");
    pair.netns.run("bash", "-c", "echo hello > /dev/udp/10.7.0.2/9");
    commitFrame(pair.one, pair.frame(numbered(1, 50)));
    expect(pollUntil(pair.one, () => false, 50)).toEqual([]);
    pair.netns.ip("addr del 10.7.0.1/24 dev one");
  });

  it("counts frames and bytes", () => {
    const { one, other } = pair;
    for (let i = 0; i < 5; i++) commitFrame(one, pair.frame(numbered(i, 58)));
    one.poll(0);
    pollUntil(other, (frames) => frames.length === 5);
    expect(one.statistics()).toMatchObject({ txFrames: 5, txBytes: 500, txDropped: 0 });
    expect(other.statistics()).toMatchObject({ rxFrames: 5, rxBytes: 500, rxDropped: 0 });
    expect(other.statistics().polls).toBeGreaterThan(0);
  });

  it("reads the monotonic clock once per poll", () => {
    const { one } = pair;
    one.poll(0);
    const first = one.polledAtMs;
    const now = Number(process.hrtime.bigint()) / 1e6;
    expect(Math.abs(now - first)).toBeLessThan(1000);
    one.poll(0);
    expect(one.polledAtMs).toBeGreaterThan(first);
  });

  describe("checksums", () => {
    itVerifiesChecksums(pair);

    it("leaves a checksum to the kernel, which knows that the frame is still on this host", () => {
      const { one, other } = pair;
      const { bytes, field } = udpFrameToFinish(other.macAddress, one.macAddress, numbered(1, 33));
      expect(pair.carry(bytes, TX_CHECKSUM, field)).toEqual({ bytes, flags: RX_CHECKSUM_VALID });
    });

    it("finishes a checksum that the stack left to it, without sendOffload", () => {
      pair.reopen("one", { sendOffload: false });
      const { one, other } = pair;
      const { bytes, field } = udpFrameToFinish(other.macAddress, one.macAddress, numbered(1, 33));
      expect(pair.carry(bytes, TX_CHECKSUM, field)?.bytes).toEqual(finishUdpChecksum(bytes));
    });

    it("leaves an unknown protocol to the stack", () => {
      const bytes = pair.frame(numbered(1, 33));
      bytes[23] = 99;
      expect(pair.carry(bytes)).toEqual({ bytes, flags: 0 });
    });

    it("accepts the unfinished checksum of a local kernel peer", () => {
      pair.netns.ip("addr add 10.7.1.1/24 dev one");
      pair.netns.ip("neigh add 10.7.1.2 lladdr 02:00:00:00:00:02 dev one");
      pair.netns.run("bash", "-c", "echo hello > /dev/udp/10.7.1.2/9");
      const [got] = pollUntil(pair.other, (frames) => frames.length > 0);
      pair.netns.ip("addr del 10.7.1.1/24 dev one");
      expect(got?.flags).toBe(RX_CHECKSUM_VALID);
      expect(got?.bytes).not.toEqual(finishUdpChecksum(got?.bytes ?? new Uint8Array(64)));
    });
  });

  it("drops frames, counted, when the device does not take them, and then goes on", () => {
    const { one } = pair;
    pair.netns.ip("link set other down");
    commitFrame(one, pair.frame(numbered(1, 64)));
    const end = Date.now() + 500;
    while (one.control[1] === 0 && Date.now() < end) one.poll(0);
    expect(one.control[1]).toBe(1);
    expect(one.statistics()).toMatchObject({ txFrames: 0, txDropped: 1 });
    pair.netns.ip("link set other up");
    pair.reopen("other");
    const next = pair.frame(numbered(2, 64));
    expect(pair.carry(next)?.bytes).toEqual(next);
  });

  it("drops frames of a VLAN instead of passing them off as untagged", () => {
    const { one, other } = pair;
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

  it("shares the frames of an interface among the members of a fanout group", () => {
    const fanout = { id: process.pid & 0xffff, mode: "load-balance" } as const;
    const members = [1, 2].map(() => pair.open("other", { fanout }));
    for (let i = 0; i < 10; i++) commitFrame(pair.one, pair.frame(numbered(i, 64)));
    pair.one.poll(0);
    const counts = members.map((each) => pollUntil(each, (got) => got.length >= 5, 200).length);
    for (const each of members) each.close();
    expect(counts).toEqual([5, 5]);
  });

  it("opens with a station address of its own, and with promiscuous mode", () => {
    const own = pair.open("one", { macAddress: "02:00:00:00:00:07" });
    expect([...own.macAddress]).toEqual([2, 0, 0, 0, 0, 7]);
    own.close();
    pair.open("one", { promiscuous: true }).close();
  });

  it("takes jumbo frames of an interface with a large MTU", () => {
    pair.netns.ip("link set one mtu 9000");
    pair.netns.ip("link set other mtu 9000");
    pair.reopen("one");
    pair.reopen("other");
    const sent = pair.frame(numbered(9, 8972));
    expect(pair.carry(sent)?.bytes).toEqual(sent);
    pair.netns.ip("link set one mtu 1500");
    pair.netns.ip("link set other mtu 1500");
  });
});
