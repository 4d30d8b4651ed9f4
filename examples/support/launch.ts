// SPDX-License-Identifier: MIT
// Runs a program of the examples on the kernel's sockets, on a NIC or a TAP device with our own
// TCP/IP stack, or on a simulated network. The program is the same in all four: it uses the
// network in scope and does not know what is below.

import {
  choose,
  createContext,
  createKernelContext,
  type Endpoint,
  isNetError,
  main,
  type NativeDriver,
  now,
  type Operation,
  openDriver,
  type StackContext,
  sleep,
  useNetwork,
} from "../../src/index.ts";
import { simulate } from "../../src/testing.ts";
import { type Settings, usageError } from "./command-line.ts";

const DEFAULT_ADDRESS = "10.77.0.2/24";

/** The options that say what a program runs on. */
export const NETWORK_OPTIONS = {
  driver: {
    help: "kernel; our stack on af_packet, af_xdp, tap or memif; sim, a simulation.",
    default: "kernel",
    value: "<kind>",
    choices: ["kernel", "af_packet", "af_xdp", "tap", "memif", "sim"],
  },
  interface: {
    help: "af_packet, af_xdp: the NIC. tap: a name for the device.",
    default: "",
    value: "<name>",
  },
  netns: { help: "Network namespace to be in.", default: "", value: "<name|path>" },
  address: {
    help: "Our address; default 10.77.0.2/24, over the kernel every one.",
    default: "",
    value: "<ip/bits>",
  },
  gateway: { help: "The router to other networks.", default: "", value: "<ip>" },
  "kernel-address": {
    help: "tap: the kernel's end.",
    default: "10.77.0.1/24",
    value: "<ip/bits>",
  },
  socket: {
    help: "memif: where the two processes meet, a path or @name.",
    default: "@caraway",
    value: "<name>",
  },
  role: {
    help: "memif: who makes the socket, and who the memory.",
    default: "server",
    choices: ["server", "client"],
  },
  seed: { help: "sim: the same seed, the same packets.", default: 1, value: "<integer>" },
} as const;

/** What the user chose of {@link NETWORK_OPTIONS}. */
export type NetworkSettings = Settings<typeof NETWORK_OPTIONS>;

/** What to run. */
export interface Program {
  /** The example's name. */
  readonly name: string;
  /** Runs with a context in scope, until it returns or Ctrl-C cancels it. */
  readonly run: () => Operation<unknown>;
  /** `--driver sim`: the other host of the network, and what it runs. */
  readonly peer: {
    readonly address: string;
    readonly run: () => Operation<unknown>;
  };
}

/**
 * Runs the program on what the user chose. Ctrl-C ends it in an orderly way, a second one at once;
 * an error goes to stderr and makes the exit code 1.
 */
export function launch(settings: NetworkSettings, program: Program): Promise<void> {
  const { driver } = settings;
  const run = driver === "sim" ? onSimulation : driver === "kernel" ? onKernel : onDevice;
  return run(settings, program).catch((error: unknown) => tell(program.name, error));
}

/** The same for a program that needs no network. */
export function launchLocal(name: string, run: () => Operation<unknown>): Promise<void> {
  return runMain({ name, run }, function* () {}).catch((error: unknown) => tell(name, error));
}

/** Our address with its prefix length, where the stack is ours. */
function addressOf(settings: NetworkSettings): string {
  return settings.address === "" ? DEFAULT_ADDRESS : settings.address;
}

/** The same without the prefix length. */
export function hostOf(settings: NetworkSettings): string {
  return addressOf(settings).split("/")[0] as string;
}

/** `10.0.0.1:80`, `[::]:80`. */
export function endpointText({ host, port }: Endpoint): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

function onDevice(settings: NetworkSettings, program: Program): Promise<void> {
  return runMain(program, function* () {
    const driver = openDevice(settings, program.name);
    const context = openContext(settings, driver);
    yield* useNetwork(context);
    console.log(`${program.name}: ${context.address} on ${driver.name}`);
    // Who waits to be called needs no peer yet; who calls does.
    const waits = settings.role === "client" && !driver.isConnected;
    if (waits) console.log(`${program.name}: waiting for the peer`);
    while (settings.role === "client" && !driver.isConnected) yield* sleep(now() + 5);
  });
}

function onKernel(settings: NetworkSettings, program: Program): Promise<void> {
  return runMain(program, function* () {
    const { address, netns } = settings;
    // Without these there is nothing to set up: kernel sockets are what `tcp` uses by itself.
    if (address === "" && netns === "") return;
    const host = address === "" ? {} : { address: hostOf(settings) };
    yield* useNetwork(createKernelContext({ netns, ...host }));
  });
}

function runMain(
  program: Pick<Program, "name" | "run">,
  setUp: () => Operation<void>,
): Promise<void> {
  return main(function* () {
    try {
      yield* setUp();
      yield* program.run();
    } catch (error) {
      if (isNetError(error, "ECANCELED")) throw error; // Ctrl-C: `main` knows the exit code
      tell(program.name, error);
    }
  });
}

/** One line for what can go wrong in operation; everything else is a bug and shows its stack. */
function tell(name: string, error: unknown): void {
  if (!isNetError(error)) throw error;
  console.error(`${name}: ${error.message}`);
  if (error.code === "EPERM" || error.code === "ENOSYS") {
    console.error("Without privileges or the native addon there is --driver sim.");
  }
  process.exitCode = 1;
}

/** Opens the device the user chose, with a stack on it, which the calling coroutine owns. */
function openContext(settings: NetworkSettings, driver: NativeDriver): StackContext {
  const { gateway } = settings;
  try {
    return createContext({
      driver,
      address: addressOf(settings),
      ...(gateway === "" ? {} : { gateway }),
    });
  } catch (error) {
    driver.close();
    throw error;
  }
}

function openDevice(settings: NetworkSettings, name: string): NativeDriver {
  const netns = settings.netns === "" ? {} : { netns: settings.netns };
  if (settings.driver === "memif") {
    const { socket, role } = settings;
    return openDriver({ driver: "memif", socket, role: role === "client" ? "client" : "server" });
  }
  if (settings.driver === "tap") {
    const device = settings.interface === "" ? {} : { interface: settings.interface };
    const kernelAddress = settings["kernel-address"];
    return openDriver({ driver: "tap", kernelAddress, ...device, ...netns });
  }
  const nic = settings.interface;
  if (nic === "") usageError(name, `--driver ${settings.driver} needs --interface <name>`);
  if (settings.driver === "af_xdp") {
    return openDriver({
      driver: "af_xdp",
      interface: nic,
      addresses: [hostOf(settings)],
      ...netns,
    });
  }
  return openDriver({ driver: "af_packet", interface: nic, ...netns });
}

/** The program on one simulated host, its peer on another; the end of either ends both. */
async function onSimulation(settings: NetworkSettings, program: Program): Promise<void> {
  const { seed } = settings;
  const { name, peer } = program;
  const address = addressOf(settings);
  const { virtualMs } = await simulate(seed, function* (net) {
    const link = { delayMs: 5 };
    const ours = net.host(name, { address, link });
    const theirs = net.host("peer", { address: peer.address, link });
    console.log(`${name}: ${ours.address} on a simulated network, its peer is ${theirs.address}`);
    const running = yield* ours.go(program.run);
    const other = yield* theirs.go(peer.run);
    yield* choose([running.join(), other.join()]);
  });
  console.log(`${name}: the simulation took ${virtualMs.toFixed(0)} ms of virtual time`);
}
