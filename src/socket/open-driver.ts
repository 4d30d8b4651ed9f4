// SPDX-License-Identifier: MIT
// `openDriver`: a real device by name, with errors of the one class that users know.

import { NetError } from "../../scheduler/index.ts";
import { codeOf } from "../../scheduler/internal.ts";
import {
  type NativeDriver,
  type NativeDriverOptions,
  openNativeDriver,
} from "../link/native-driver.ts";
import { checkOptions } from "./arguments.ts";
import { ownDriver } from "./stack-context.ts";

/**
 * Opens a NIC, a TAP device or a memif of this host. Give it to `createContext`, which closes it.
 * Until then it belongs to the running coroutine, whose end closes it.
 *
 * @param options - which driver ("af_packet", "af_xdp", "memif" or "tap"), which interface, and how
 * @returns the open driver
 * @throws NetError EACCES, EADDRINUSE (another memif server is at that socket), EBUSY (the TAP
 *   device or the queue is in use), EINVAL (the message names the option), EMFILE, ENETDOWN (the
 *   interface is down), ENODEV (no such interface), ENOENT (no such network namespace, no
 *   /dev/net/tun, or no folder for the socket), ENOMEM, ENOSYS (no addon: the message says why),
 *   EOPNOTSUPP (the interface lacks what was asked for), EPERM (the message names the capability);
 *   TypeError
 * @example
 * ```ts
 * const driver = openDriver({ driver: "af_packet", interface: "veth0" });
 * ```
 */
export function openDriver(options: NativeDriverOptions): NativeDriver {
  checkOptions("openDriver", options, null);
  const driver = openDevice(options);
  ownDriver(driver);
  return driver;
}

function openDevice(options: NativeDriverOptions): NativeDriver {
  try {
    return openNativeDriver(options);
  } catch (error) {
    const { errno, message } = error as { errno?: unknown; message?: string };
    if (typeof errno !== "number") throw error;
    // The addon's message starts with the code, as that of NetError does.
    const detail = (message ?? "").replace(/^E[A-Z0-9]+: /, "");
    throw new NetError(codeOf(errno), "openDriver", { message: detail, cause: error });
  }
}
