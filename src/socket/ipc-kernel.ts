// SPDX-License-Identifier: MIT
// Local sockets are the kernel's, whatever network is in scope.

import { currentLoop } from "../../scheduler/internal.ts";
import { endpointError, netError } from "./errors.ts";
import { defaultKernelContext, type KernelContext } from "./kernel-context.ts";

/** @returns the kernel's sockets; on the virtual clock there are none */
export function kernelFor(syscall: string): KernelContext {
  const loop = currentLoop();
  if (!loop.clock.isVirtual) return defaultKernelContext(loop, syscall);
  const message = "local sockets are the kernel's, and on the virtual clock there is no kernel";
  throw netError("ENETDOWN", syscall, message);
}

/** @returns the error of opening something at a path, or from a descriptor */
export function openError(errno: number, syscall: string, path: string, message?: string): Error {
  return endpointError(errno, syscall, { host: path, port: 0 }, message);
}
