// AF_XDP over a veth pair, a driver at each end, in both modes of XDP.

import { describe, expect, it } from "vitest";
import { RX_CHECKSUM_VALID, TX_CHECKSUM } from "../../src/link/driver.ts";
import { openNativeDriver } from "../../src/link/native-driver.ts";
import { commitFrame, pollUntil } from "../support/driver-io.ts";
import { describeWithNic } from "../support/netns.ts";
import { finishUdpChecksum, udpFrame, udpFrameToFinish } from "../support/udp-frame.ts";
import { numbered, VethPair } from "./support/veth-pair.ts";
import {
  itBoundsItsRings,
  itCarriesFrames,
  itSurvivesBadFrames,
  itVerifiesChecksums,
} from "./support/veth-suite.ts";

/** Where the frames of udp-frame.ts go. */
const ADDRESSES = ["10.0.0.2"];

describeWithNic("af_xdp over veth", () => {
  describe.each(["native", "generic"] as const)("%s", (mode) => {
    const pair = new VethPair((place, extra) =>
      openNativeDriver({ driver: "af_xdp", ...place, addresses: ADDRESSES, mode, ...extra }),
    );

    itCarriesFrames(pair);
    itBoundsItsRings(pair);
    itSurvivesBadFrames(pair);

    it("states what it can do", () => {
      const { one } = pair;
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

    it("sends a full ring in one poll", () => {
      const { one, other } = pair;
      let committed = 0;
      while (commitFrame(one, pair.frame(numbered(committed, 64)))) committed++;
      expect(committed).toBe(512);
      expect(one.poll(0)).toBe(0);
      expect(pollUntil(other, (frames) => frames.length === 512)).toHaveLength(512);
    });

    it("takes an own station address, and frames to it alone", () => {
      pair.reopen("other", { macAddress: "02:00:00:00:00:07" });
      const { one, other } = pair;
      expect(other.macAddress).toEqual(Uint8Array.of(2, 0, 0, 0, 0, 7));
      const stranger = Uint8Array.of(2, 0, 0, 0, 0, 8);
      commitFrame(one, udpFrame(stranger, one.macAddress, numbered(2, 20)));
      const ours = pair.frame(numbered(1, 20));
      commitFrame(one, ours);
      one.poll(0);
      const frames = pollUntil(other, (got) => got.length > 0);
      expect(frames.map((each) => each.bytes)).toEqual([ours]);
    });

    describe("checksums", () => {
      itVerifiesChecksums(pair);

      /** A frame whose checksum is left to finish. */
      function unfinished(length: number): { readonly bytes: Uint8Array; readonly field: number } {
        return udpFrameToFinish(pair.other.macAddress, pair.one.macAddress, numbered(1, length));
      }

      it("finishes a checksum that the stack left to it", () => {
        for (const length of [33, 127, 128, 1471, 1472]) {
          const { bytes, field } = unfinished(length);
          expect(pair.carry(bytes, TX_CHECKSUM, field)?.bytes).toEqual(finishUdpChecksum(bytes));
        }
      });

      it("takes an unfinished one of a local peer for valid, as veth does not say, or not", () => {
        const { bytes } = unfinished(33);
        expect(pair.carry(bytes)).toEqual({ bytes, flags: RX_CHECKSUM_VALID });
        pair.reopen("other", { trustUnfinishedChecksums: false });
        expect(pair.carry(bytes)).toEqual({ bytes, flags: 0 });
        expect(pair.carry(finishUdpChecksum(bytes))?.flags).toBe(RX_CHECKSUM_VALID);
      });
    });
  });
});
