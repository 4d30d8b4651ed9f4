// SPDX-License-Identifier: MIT
// Where the simulation meets the stack: how a host gets its context and how that ends.

import type { Operation, OperationLike } from "../../scheduler/index.ts";
import {
  type Context,
  type ContextOptions,
  createContext,
  withContext,
} from "../socket/context.ts";
import type { Random } from "./random.ts";
import type { SimDriver } from "./sim-driver.ts";

export type { Context };

/** Settings of a host's stack that the simulation does not make itself. */
export type HostContextOptions = Omit<ContextOptions, "driver" | "address" | "random">;

/** Makes the stack of a host and puts it on the running loop. */
export function startContext(
  driver: SimDriver,
  address: string,
  random: Random,
  options: HostContextOptions | undefined,
): Context {
  return createContext({
    ...options,
    driver,
    address,
    random: (bytes: Uint8Array) => {
      random.fill(bytes);
    },
  });
}

/** Ends a stack at once. */
export function endContext(context: Context): void {
  context.abort();
}

/** Runs an operation with this context in scope. */
export function inContext<T>(context: Context, op: OperationLike<T>): Operation<T> {
  return withContext(context, op);
}
