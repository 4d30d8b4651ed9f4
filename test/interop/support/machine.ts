// A namespace with the kernel at one end of a wire and a driver of ours at the other: a veth pair
// with af_packet or af_xdp, or TAP. Each test gets a stack of its own on it.

import {
  type Context,
  createContext,
  type Driver,
  go,
  type Loop,
  now,
  type Operation,
  openDriver,
  run,
  sleep,
  useNetwork,
  withDeadline,
} from "../../../src/index.ts";
import { expectNothingLeft, traceDriver } from "../../../src/testing.ts";
import { KernelPeer } from "../../support/kernel-peer.ts";
import { NetNs } from "../../support/netns.ts";
import { Wire } from "./wire.ts";

/** The drivers that the interop tests run on. */
export const DRIVERS = ["af_packet", "af_xdp", "tap"] as const;

/** One of them. */
export type DriverName = (typeof DRIVERS)[number];

/** Our address on the wire, and the kernel's. */
export const OURS = "10.77.0.2";
export const KERNEL = "10.77.0.1";
/** An address that nobody has. */
export const NOBODY = "10.77.0.77";
export const BITS = 24;

/** The interface that has our driver on it: the veth end, or the TAP device. */
export const DEVICE = "ours0";

/** No healthy test comes near it; one that hangs ends with ETIMEDOUT. */
const PATIENCE_MS = 30_000;
/** How long connections may take to vanish after a test. */
const SETTLE_MS = 3_000;

/** What a test gets. */
export interface Lab {
  readonly mctx: Context;
  readonly wire: Wire;
  readonly kernel: KernelPeer;
  readonly netns: NetNs;
}

/** The kernel and our driver on one wire. */
export class Machine {
  readonly driver: DriverName;
  readonly netns: NetNs;
  readonly kernel: KernelPeer;

  private constructor(driver: DriverName, netns: NetNs, kernel: KernelPeer) {
    this.driver = driver;
    this.netns = netns;
    this.kernel = kernel;
  }

  /** Makes the namespace and what is in it. */
  static async create(driver: DriverName): Promise<Machine> {
    const netns = await NetNs.create();
    if (driver !== "tap") {
      netns.addVeth("kernel0", DEVICE);
      netns.ip(`addr add ${KERNEL}/${BITS} dev kernel0`);
    }
    return new Machine(driver, netns, await KernelPeer.start(netns));
  }

  /** The interface that the kernel uses. */
  get kernelDevice(): string {
    return this.driver === "tap" ? DEVICE : "kernel0";
  }

  /** Opens our driver. */
  open(): Driver {
    const netns = this.netns.path;
    if (this.driver === "af_packet") {
      return openDriver({ driver: "af_packet", interface: DEVICE, netns });
    }
    if (this.driver === "af_xdp") {
      return openDriver({ driver: "af_xdp", interface: DEVICE, addresses: [OURS], netns });
    }
    const kernelAddress = `${KERNEL}/${BITS}`;
    return openDriver({ driver: "tap", interface: DEVICE, netns, kernelAddress });
  }

  /** Runs a test on a stack of its own. Nothing may be left at its end but TIME-WAIT. */
  async run(op: (lab: Lab) => Operation<void>): Promise<void> {
    const loops: Loop[] = [];
    await run(() => withDeadline(now() + PATIENCE_MS, () => this.#play(op)), {
      onLoop: (loop) => loops.push(loop),
    });
    expectNothingLeft(...loops);
  }

  *#play(op: (lab: Lab) => Operation<void>): Operation<void> {
    const { kernel, netns } = this;
    const wire = new Wire();
    const driver = traceDriver(this.open(), wire.record);
    const mctx = createContext({ driver, address: `${OURS}/${BITS}` });
    yield* useNetwork(mctx);
    // A coroutine of its own: its end closes what the test has left open.
    const test = yield* go(() => op({ mctx, wire, kernel, netns }));
    yield* test.join();
    yield* settled(mctx);
  }

  /** Ends it all. Idempotent. */
  remove(): void {
    this.kernel.close();
    this.netns.remove();
  }
}

/** Waits until nothing is left but TIME-WAIT: what was closed ends on the wire. */
function* settled(mctx: Context): Operation<void> {
  for (const endMs = now() + SETTLE_MS; now() < endMs && mctx.isOpen; ) {
    if (mctx.leftovers().sockets === 0) break;
    yield* sleep(now() + 5);
  }
  expectNothingLeft(mctx);
}

/** Runs what must fail, and returns the code of its error, ours or the kernel's. */
export function* codeOf(op: () => Operation<unknown>): Operation<string> {
  try {
    yield* op();
  } catch (error) {
    const { code } = error as { code?: unknown };
    if (typeof code === "string" && code !== "") return code;
    throw error;
  }
  return "none";
}
