// SPDX-License-Identifier: MIT
// Errors of the native drivers, shaped like Node's system errors. A class of the scheduler cannot
// be used here: this folder imports nothing of ours, and the socket layer converts.

import { constants } from "node:os";
import { getSystemErrorName } from "node:util";

/** An error of opening a driver or a socket poller. */
export interface DriverError extends Error {
  /** Such as `"ENODEV"`. */
  readonly code: string;
  /** Negative. */
  readonly errno: number;
  /** `"driver.open"` or `"sockets.open"`. */
  readonly syscall: string;
}

const SYSCALL = "driver.open";

/** Makes an error by the name of its code. */
export function driverError(
  code: "EINVAL" | "ENOSYS",
  message: string,
  syscall: string = SYSCALL,
): DriverError {
  return Object.assign(new Error(`${code}: ${message}`), {
    code,
    errno: -constants.errno[code],
    syscall,
  });
}

/** Makes an error by its negative number. */
export function driverErrorOf(
  errno: number,
  message: string,
  syscall: string = SYSCALL,
): DriverError {
  const name = getSystemErrorName(errno);
  // libuv has one name for both, which are one number on Linux; every other error here says this.
  const code = name === "ENOTSUP" ? "EOPNOTSUPP" : name;
  return Object.assign(new Error(`${code}: ${message}`), { code, errno, syscall });
}
