// The suite of socket behaviour on real devices: two stacks of ours, one at each end of a veth
// pair, and two on TAP devices with the kernel as the router between them.

import { afterAll, beforeAll, describe } from "vitest";
import {
  type Context,
  type ContextOptions,
  createContext,
  go,
  type Operation,
  openDriver,
  run,
} from "../../src/index.ts";
import { describeSocketBehaviour, type SocketNetwork } from "../socket/behaviour.ts";
import { describeWithNic, NetNs } from "../support/netns.ts";

type Ends = { readonly server: Context; readonly client: Context };

/** Opens two stacks, runs the operation in a coroutine of its own, closes everything. */
function network(open: () => readonly [ContextOptions, ContextOptions]): SocketNetwork {
  return {
    async run(op: (net: Ends) => Operation<void>) {
      await run(function* () {
        const [atServer, atClient] = open();
        const ends = { server: createContext(atServer), client: createContext(atClient) };
        yield* (yield* go(() => op(ends))).join();
      });
    },
  };
}

describeWithNic("socket behaviour on devices", () => {
  let netns: NetNs;

  beforeAll(async () => {
    netns = await NetNs.create();
    netns.addVeth("veth-a", "veth-b");
    netns.run("sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward");
  });
  afterAll(() => netns?.remove());

  describe("af_packet", () => {
    const open = (device: string, address: string): ContextOptions => ({
      driver: openDriver({ driver: "af_packet", interface: device, netns: netns.path }),
      address,
    });
    describeSocketBehaviour(
      "af_packet",
      network(() => [open("veth-a", "10.78.0.1/24"), open("veth-b", "10.78.0.2/24")]),
    );
  });

  describe("tap", () => {
    const open = (device: string, subnet: string): ContextOptions => ({
      driver: openDriver({
        driver: "tap",
        interface: device,
        netns: netns.path,
        kernelAddress: `${subnet}.1/24`,
      }),
      address: `${subnet}.2/24`,
      gateway: `${subnet}.1`,
    });
    describeSocketBehaviour(
      "tap",
      network(() => [open("tap-a", "10.79.1"), open("tap-b", "10.79.2")]),
    );
  });
});
