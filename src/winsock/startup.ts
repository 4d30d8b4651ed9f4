// SPDX-License-Identifier: MIT
// The beginning and the end of using Winsock, of one thread. A worker thread has its own.

import { isInCallback } from "./callbacks.ts";
import { WSAEINPROGRESS, WSANOTINITIALISED, WSAVERNOTSUPPORTED } from "./codes.ts";
import { fail } from "./last-error.ts";
import { allDescriptors, countCleanup, countStartup, isStarted } from "./table.ts";

/** Version 2.2: the minor number is the high byte. */
const VERSION = 0x0202;

/** What `startup` tells: WSADATA. */
export interface WsaData {
  /** The version to be used: the one asked for, 2.2 at most. */
  version: number;
  /** The highest version there is. */
  highVersion: number;
}

/**
 * Begins to use Winsock: every other call is WSANOTINITIALISED before. Each call wants a `cleanup`.
 *
 * @param versionRequested - MAKEWORD(major, minor): 0x0202 for 2.2
 * @param data - filled
 * @returns 0, or WSAVERNOTSUPPORTED (version 0)
 * @throws TypeError
 * @example
 * ```ts
 * startup(0x0202);
 * ```
 */
export function startup(versionRequested: number, data?: WsaData): number {
  if (typeof versionRequested !== "number") {
    throw new TypeError("startup: versionRequested must be a number");
  }
  const major = versionRequested & 0xff;
  const minor = (versionRequested >> 8) & 0xff;
  if (major === 0) return WSAVERNOTSUPPORTED;
  if (data !== undefined) {
    data.version = major > 2 || (major === 2 && minor > 2) ? VERSION : versionRequested;
    data.highVersion = VERSION;
  }
  countStartup();
  return 0;
}

/**
 * Takes one `startup` back. With the last one every socket is closed hard, and calls that wait end
 * with WSAEINTR.
 *
 * @returns 0; SOCKET_ERROR: WSAEINPROGRESS (in a completion routine), WSANOTINITIALISED
 * @example
 * ```ts
 * cleanup();
 * ```
 */
export function cleanup(): number {
  if (!isStarted()) return fail(WSANOTINITIALISED);
  if (isInCallback()) return fail(WSAEINPROGRESS);
  if (countCleanup() > 0) return 0;
  for (const descriptor of allDescriptors()) descriptor.abort();
  return 0;
}
