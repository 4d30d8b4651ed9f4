// Two stacks of ours on real devices, for the suites of socket behaviour: one at each end of a veth
// pair, two on TAP devices with the kernel as the router between them, and two that share memory.

import {
  type Context,
  type ContextOptions,
  createContext,
  go,
  type Operation,
  openDriver,
  run,
} from "../../../src/index.ts";
import type { SocketNetwork } from "../../socket/behaviour.ts";
import { NetNs } from "../../support/netns.ts";

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

/** A namespace with room for both kinds of network. */
export async function twoStackNamespace(): Promise<NetNs> {
  const netns = await NetNs.create();
  netns.addVeth("veth-a", "veth-b");
  netns.run("sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward");
  return netns;
}

/** Two stacks at the ends of a veth pair. */
export function overPacket(netns: () => NetNs): SocketNetwork {
  const open = (device: string, address: string): ContextOptions => ({
    driver: openDriver({ driver: "af_packet", interface: device, netns: netns().path }),
    address,
  });
  return network(() => [open("veth-a", "10.78.0.1/24"), open("veth-b", "10.78.0.2/24")]);
}

/** The same, with XDP programs at both ends. */
export function overXdp(netns: () => NetNs): SocketNetwork {
  const open = (device: string, address: string): ContextOptions => ({
    driver: openDriver({
      driver: "af_xdp",
      interface: device,
      addresses: [address],
      netns: netns().path,
    }),
    address: `${address}/24`,
  });
  return network(() => [open("veth-a", "10.78.0.1"), open("veth-b", "10.78.0.2")]);
}

/** Two stacks on TAP devices, the kernel routes. */
export function overTap(netns: () => NetNs): SocketNetwork {
  const open = (device: string, subnet: string): ContextOptions => ({
    driver: openDriver({
      driver: "tap",
      interface: device,
      netns: netns().path,
      kernelAddress: `${subnet}.1/24`,
    }),
    address: `${subnet}.2/24`,
    gateway: `${subnet}.1`,
  });
  return network(() => [open("tap-a", "10.79.1"), open("tap-b", "10.79.2")]);
}

let memifs = 0;

/** Two stacks that share memory. Needs no privileges. */
export function overMemif(mtu: number): SocketNetwork {
  return network(() => {
    const socket = `@caraway-stacks-${process.pid}-${++memifs}`;
    const server = openDriver({ driver: "memif", role: "server", socket, mtu });
    const client = openDriver({ driver: "memif", role: "client", socket, mtu });
    while (!(server.isConnected && client.isConnected)) {
      server.poll(0);
      client.poll(0);
    }
    return [
      { driver: server, address: "10.80.0.1/24" },
      { driver: client, address: "10.80.0.2/24" },
    ];
  });
}
