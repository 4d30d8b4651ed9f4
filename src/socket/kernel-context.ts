// SPDX-License-Identifier: MIT
// The kernel's sockets as a context.

import type { Loop } from "../../scheduler/internal.ts";
import type { Context } from "./context.ts";
import { netError } from "./errors.ts";

/** The kernel context of a loop, made when first asked for. */
export function defaultKernelContext(_loop: Loop): Context {
  throw netError("ENETDOWN", "network", "kernel sockets are not there yet");
}
