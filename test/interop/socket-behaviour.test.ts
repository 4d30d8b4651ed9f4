// The suite of socket behaviour on real devices: two stacks of ours, one at each end of a veth
// pair, two on TAP devices with the kernel as the router between them, and two that share memory.

import { afterAll, beforeAll, describe } from "vitest";
import { describeSocketBehaviour } from "../socket/behaviour.ts";
import { describeWithNic, type NetNs } from "../support/netns.ts";
import {
  overMemif,
  overPacket,
  overTap,
  overXdp,
  twoStackNamespace,
} from "./support/two-stacks.ts";

describeWithNic("socket behaviour on devices", () => {
  let netns: NetNs;

  beforeAll(async () => {
    netns = await twoStackNamespace();
  });
  afterAll(() => netns?.remove());

  describe("af_packet", () => {
    describeSocketBehaviour(
      "af_packet",
      overPacket(() => netns),
    );
  });

  describe("af_xdp", () => {
    describeSocketBehaviour(
      "af_xdp",
      overXdp(() => netns),
    );
  });

  describe("tap", () => {
    describeSocketBehaviour(
      "tap",
      overTap(() => netns),
    );
  });
});

describe("socket behaviour over shared memory", () => {
  describe("memif", () => {
    describeSocketBehaviour("memif", overMemif(1_500));
  });

  describe("memif with frames of 64 KB", () => {
    describeSocketBehaviour("memif with frames of 64 KB", overMemif(65_521));
  });
});
