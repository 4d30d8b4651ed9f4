// SPDX-License-Identifier: MIT
// Where the simulation meets the stack: how a host gets its context.

import { setCurrent } from "../../scheduler/current.ts";
import { type ContextOptions, createContext, type StackContext } from "../socket/stack-context.ts";
import type { Random } from "./random.ts";
import type { SimDriver } from "./sim-driver.ts";

/** Settings of a host's stack that the simulation does not make itself. */
export type HostContextOptions = Omit<
  ContextOptions,
  "driver" | "address" | "macAddress" | "random"
>;

/** Makes the stack of a host and puts it on the running loop. */
export function startContext(
  driver: SimDriver,
  address: string,
  random: Random,
  options: HostContextOptions | undefined,
): StackContext {
  const fill = (bytes: Uint8Array): void => {
    random.fill(bytes);
  };
  // A context belongs to the coroutine that makes it. A host's belongs to the network instead: it
  // outlives the coroutine that first spoke of the host, and the check for leftovers comes after.
  const before = setCurrent(null);
  try {
    return createContext({ ...options, driver, address, random: fill });
  } finally {
    setCurrent(before);
  }
}
