// SPDX-License-Identifier: MIT
// The typed door to the C++ addon: NIC drivers that share their frame memory with us, and the
// monotonic clock. Imported by src/link/native-driver.ts alone. How the addon is laid out and
// what each of its functions does is told in addon.ts.

import { type Addon, loadAddon, type OpenedDriver } from "./addon.ts";
import { checkAfXdp } from "./af-xdp-options.ts";
import { driverError, driverErrorOf } from "./error.ts";
import { checkMemif } from "./memif-options.ts";
import { checkAfPacket, checkTap, type NativeDriverOptions } from "./options.ts";

export {
  type Addon,
  type OpenedDriver,
  STATUS_CONNECTS,
  STATUS_FIELDS,
  STATUS_IS_CONNECTED,
  STATUS_NOW_MS,
  STATUS_POLLS,
  STATUS_RX_BYTES,
  STATUS_RX_DROPPED,
  STATUS_RX_FRAMES,
  STATUS_RX_OVERRUNS,
  STATUS_RX_SUPER_FRAMES,
  STATUS_RX_TOO_LARGE,
  STATUS_TX_BYTES,
  STATUS_TX_DROPPED,
  STATUS_TX_FRAMES,
} from "./addon.ts";
export type { AfXdpOptions, XdpMode } from "./af-xdp-options.ts";
export type { DriverError } from "./error.ts";
export type { MemifOptions } from "./memif-options.ts";
export type {
  AfPacketOptions,
  FanoutMode,
  FanoutOptions,
  NativeDriverOptions,
  TapOptions,
} from "./options.ts";
export { type Spinner, spinner } from "./spinner.ts";

/** Says why there is no addon, or null when there is one. */
export function whyUnavailable(): string | null {
  const loaded = loadAddon();
  return "addon" in loaded ? null : loaded.reason;
}

/**
 * Returns the addon.
 *
 * @throws ENOSYS: it is not there; the message says why.
 */
export function requireAddon(): Addon {
  const loaded = loadAddon();
  if ("addon" in loaded) return loaded.addon;
  throw driverError("ENOSYS", `the native drivers are not available: ${loaded.reason}`);
}

/**
 * Opens a device.
 *
 * @param options Which driver, and how.
 * @returns The shared memory and the handle. `addon.close(handle)` frees both.
 * @throws EACCES: the socket of a memif server may not be made there.
 * @throws EADDRINUSE: another memif server is at that socket.
 * @throws EBUSY: the TAP device or the queue is in use.
 * @throws EINVAL: an option is wrong; the message names it.
 * @throws EMFILE: 64 drivers are open in this thread.
 * @throws ENETDOWN: the interface is down.
 * @throws ENODEV: there is no such interface.
 * @throws ENOENT: there is no such network namespace, no /dev/net/tun, or no folder for the socket.
 * @throws ENOMEM: the rings do not fit into memory.
 * @throws ENOSYS: there is no addon.
 * @throws EOPNOTSUPP: the interface does not carry Ethernet frames, or lacks what was asked for.
 * @throws EPERM: a capability is missing; the message names it.
 */
export function openDevice(options: NativeDriverOptions): OpenedDriver {
  if (typeof options !== "object" || options === null) {
    throw new TypeError("options must be an object { driver, interface, ... }");
  }
  const opened = opener(options)(requireAddon());
  if ("message" in opened) throw driverErrorOf(opened.errno, opened.message);
  return opened;
}

/** Checks the options. @returns what opens the device */
function opener(options: NativeDriverOptions): (addon: Addon) => ReturnType<Addon["openAfPacket"]> {
  switch (options.driver) {
    case "af_packet": {
      const checked = checkAfPacket(options);
      return (addon) => addon.openAfPacket(checked);
    }
    case "af_xdp": {
      const checked = checkAfXdp(options);
      return (addon) => addon.openAfXdp(checked);
    }
    case "memif": {
      const checked = checkMemif(options);
      return (addon) => addon.openMemif(checked);
    }
    case "tap": {
      const checked = checkTap(options);
      return (addon) => addon.openTap(checked);
    }
    default: {
      // Of JavaScript it may be anything.
      const given: unknown = (options as { readonly driver?: unknown }).driver;
      const shown = typeof given === "string" ? JSON.stringify(given.slice(0, 40)) : String(given);
      const kinds = '"af_packet", "af_xdp", "memif" or "tap"';
      throw driverError("EINVAL", `driver must be ${kinds}, got ${shown}`);
    }
  }
}
