// SPDX-License-Identifier: MIT
// Drivers of the native addon behind the driver contract. This class only lays typed arrays over
// the shared memory: `poll` is the one crossing into C++ per round, and everything else that a
// round needs, counters and clock included, is read from memory (R6).

import {
  type Addon,
  type NativeDriverOptions,
  type OpenedDriver,
  openDevice,
  requireAddon,
  type Spinner,
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
  spinner,
  whyUnavailable,
} from "../../native-io/index.ts";
import {
  CONTROL_FIELDS,
  DESCRIPTOR_FIELDS,
  type Driver,
  type DriverCapabilities,
  type DriverStatistics,
} from "./driver.ts";

export type {
  AfPacketOptions,
  AfXdpOptions,
  DriverError,
  FanoutMode,
  FanoutOptions,
  MemifOptions,
  NativeDriverOptions,
  TapOptions,
  XdpMode,
} from "../../native-io/index.ts";

/** Counters of a native driver since it opened. All only grow. */
export interface NativeDriverStatistics extends DriverStatistics {
  /** Part of `rxDropped`: the kernel found the receive ring or the super-frame buffer full. */
  readonly rxOverruns: number;
  /** Part of `rxDropped`: a frame longer than there was room for. */
  readonly rxTooLarge: number;
  /** Part of `rxFrames`: several segments merged into one frame by a local peer or the kernel. */
  readonly rxSuperFrames: number;
  /** How often a peer has connected; 0 but for `memif`. */
  readonly connects: number;
}

/**
 * An open device of the native addon.
 *
 * @example
 * ```ts
 * import { openDriver } from "caraway";
 *
 * const driver = openDriver({ driver: "tap", kernelAddress: "10.9.0.1/24" });
 * console.log(driver.interfaceName, driver.statistics().rxFrames);
 * driver.close();
 * ```
 */
export class NativeDriver implements Driver {
  readonly name: string;
  /** The interface's name as the kernel knows it: what `%d` became. */
  readonly interfaceName: string;
  readonly macAddress: Uint8Array;
  readonly capabilities: DriverCapabilities;
  readonly frames: Uint8Array;
  readonly rx: Int32Array;
  readonly tx: Int32Array;
  readonly txSlots: number;
  readonly txFrameBytes: number;
  readonly control: Int32Array;
  readonly isReal = true;
  readonly addresses: readonly string[] | undefined;
  /** @internal */
  readonly spinner: Spinner = spinner;

  private readonly addon: Addon;
  private readonly handle: number;
  private readonly status: Float64Array;
  /** Whether it is open while there is nobody at the other end. */
  private readonly waitsForPeer: boolean;
  private atClose: NativeDriverStatistics | null = null;

  /** Takes over an opened device; {@link openNativeDriver} is the way to get one. */
  constructor(options: NativeDriverOptions, opened: OpenedDriver, addon: Addon) {
    const kind = options.driver;
    const { buffer } = opened;
    const how = opened.mode === "" ? "" : `, ${opened.mode}`;
    this.name = `${kind}(${opened.interface}${how})`;
    this.interfaceName = opened.interface;
    this.macAddress = Uint8Array.from(opened.macAddress);
    this.capabilities = {
      mtu: opened.mtu,
      checksumTx: true,
      checksumRx: true,
      tsoMaxBytes: opened.tsoMaxBytes,
      canWake: true,
    };
    this.addresses = options.driver === "af_xdp" ? [...options.addresses] : undefined;
    this.frames = new Uint8Array(buffer, 0, opened.framesBytes);
    this.rx = new Int32Array(buffer, opened.rxOffset, opened.rxEntries * DESCRIPTOR_FIELDS);
    this.tx = new Int32Array(buffer, opened.txOffset, opened.txSlots * DESCRIPTOR_FIELDS);
    this.txSlots = opened.txSlots;
    this.txFrameBytes = opened.txFrameBytes;
    this.control = new Int32Array(buffer, opened.controlOffset, CONTROL_FIELDS);
    this.status = new Float64Array(buffer, opened.statusOffset, STATUS_FIELDS);
    this.addon = addon;
    this.handle = opened.handle;
    this.waitsForPeer = kind === "memif";
  }

  /**
   * Whether somebody is at the other end. A `memif` is open without: what is sent then is dropped
   * and counted, and the peer may come, go and come again. It changes in `poll` and `armWake`.
   */
  get isConnected(): boolean {
    if (this.atClose !== null) return false;
    return !this.waitsForPeer || this.status[STATUS_IS_CONNECTED] === 1;
  }

  /**
   * Says who is at the other end of a `memif`, or why nobody is: "the peer has gone".
   *
   * @returns a text for humans, `""` for other drivers
   */
  linkText(): string {
    return this.addon.linkText(this.handle);
  }

  /** The monotonic clock as the last poll read it, in ms: the base of `process.hrtime`. */
  get polledAtMs(): number {
    return this.status[STATUS_NOW_MS] ?? 0;
  }

  /**
   * See {@link Driver.poll}. The time is not used: the addon reads the same clock itself.
   *
   * @returns frames in the rx table, `-ENETDOWN` once the device is down or gone, `-EBADF` after
   *   `close`.
   */
  poll(_nowMs: number): number {
    return this.addon.poll(this.handle);
  }

  /** See {@link Driver.armWake}. */
  armWake(wake: () => void): boolean {
    if (typeof wake !== "function") throw new TypeError("wake must be a function");
    return this.addon.armWake(this.handle, wake);
  }

  /** See {@link Driver.disarmWake}. */
  disarmWake(): void {
    this.addon.disarmWake(this.handle);
  }

  /**
   * See {@link Driver.statistics}. Read from shared memory, no crossing.
   *
   * @returns the counters as of the last poll; after `close` as they were then.
   */
  statistics(): NativeDriverStatistics {
    if (this.atClose !== null) return this.atClose;
    const { status } = this;
    return {
      rxFrames: status[STATUS_RX_FRAMES] as number,
      rxBytes: status[STATUS_RX_BYTES] as number,
      rxDropped: status[STATUS_RX_DROPPED] as number,
      txFrames: status[STATUS_TX_FRAMES] as number,
      txBytes: status[STATUS_TX_BYTES] as number,
      txDropped: status[STATUS_TX_DROPPED] as number,
      polls: status[STATUS_POLLS] as number,
      rxOverruns: status[STATUS_RX_OVERRUNS] as number,
      rxTooLarge: status[STATUS_RX_TOO_LARGE] as number,
      rxSuperFrames: status[STATUS_RX_SUPER_FRAMES] as number,
      connects: status[STATUS_CONNECTS] as number,
    };
  }

  /** See {@link Driver.close}. All views become empty, so that a late access reads undefined. */
  close(): void {
    if (this.atClose !== null) return;
    this.atClose = this.statistics();
    this.addon.close(this.handle);
  }
}

/**
 * Opens a NIC, a TAP device or a memif of this host. Does not wait, but for an `af_xdp` queue that
 * has just been closed: the kernel takes up to 35 ms to free it, and 70 ms are granted.
 *
 * @param options Which driver, which interface, and how; see {@link AfPacketOptions},
 *   {@link AfXdpOptions}, {@link MemifOptions} and {@link TapOptions}.
 * @returns The driver, which the caller must close.
 * @throws EACCES: the socket of a memif server may not be made there.
 * @throws EADDRINUSE: another memif server is at that socket.
 * @throws EBUSY: the TAP device or the queue is in use by another process.
 * @throws EINVAL: an option is wrong; the message names it.
 * @throws EMFILE: 64 drivers are open in this thread.
 * @throws ENETDOWN: the interface is down.
 * @throws ENODEV: there is no such interface.
 * @throws ENOENT: there is no such network namespace, no /dev/net/tun, or no folder for the socket.
 * @throws ENOMEM: the rings do not fit into memory.
 * @throws ENOSYS: the addon is not there; the message says why.
 * @throws EOPNOTSUPP: the interface does not carry Ethernet frames, or lacks what was asked for.
 * @throws EPERM: CAP_NET_RAW, CAP_NET_ADMIN, CAP_BPF or CAP_SYS_ADMIN is missing; the message says
 *   which.
 * @remarks Source: packet(7), Documentation/networking/tuntap.rst,
 *   Documentation/networking/af_xdp.rst.
 * @example
 * ```ts
 * const driver = openNativeDriver({ driver: "af_packet", interface: "veth0" });
 * const frames = driver.poll(0);
 * driver.close();
 * ```
 */
export function openNativeDriver(options: NativeDriverOptions): NativeDriver {
  const opened = openDevice(options);
  return new NativeDriver(options, opened, requireAddon());
}

/**
 * Says why there is no addon on this machine.
 *
 * @returns the reason, or null when there is one. Opening a device may still need privileges.
 * @example
 * ```ts
 * import { whyNoNativeDriver } from "caraway";
 *
 * const reason = whyNoNativeDriver();
 * if (reason !== null) console.log(`using the simulated driver: ${reason}`);
 * ```
 */
export function whyNoNativeDriver(): string | null {
  return whyUnavailable();
}
