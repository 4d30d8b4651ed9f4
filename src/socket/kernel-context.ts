// SPDX-License-Identifier: MIT
// The kernel's sockets as a context: for programs without a NIC of their own, and beside one.

import { NetError } from "../../scheduler/index.ts";
import {
  codeOf,
  currentLoop,
  ERRNO,
  type Loop,
  type Poller,
  type Spinner,
} from "../../scheduler/internal.ts";
import type { IpAddress } from "../ip/address.ts";
import type { KernelListener } from "../kernel/kernel-listener.ts";
import { KernelSockets } from "../kernel/kernel-sockets.ts";
import { NameLookup } from "../kernel/lookup.ts";
import { AF_UNIX, NativeSockets, SOCK_DGRAM } from "../kernel/native-sockets.ts";
import { type KernelSettings, listenStream, openDatagram, openStream } from "../kernel/open.ts";
import type { DatagramFlow, DatagramPlace } from "../transport/datagram.ts";
import type {
  FlowSink,
  ListenerSink,
  StreamFlow,
  StreamListener,
  StreamPlace,
  StreamTarget,
} from "../transport/stream.ts";
import { checkHost, checkInteger, checkOptions } from "./arguments.ts";
import {
  type Context,
  type ContextLeftovers,
  type ContextStatistics,
  type Lookup,
  registerContext,
} from "./context.ts";
import { EINVAL, ENETDOWN, ENOENT, invalid, netError } from "./errors.ts";
import { Ownership } from "./ownership.ts";

/** How kernel sockets are used. */
export interface KernelContextOptions {
  /** Our address where a call names none. Default: as the routes say, and every one to listen. */
  readonly address?: string;
  /** A network namespace: a name under /run/netns or a path. Default: that of the process. */
  readonly netns?: string;
  /** Send buffer of each socket in the kernel, bytes. Default: the system's, which grows. */
  readonly sendBufferBytes?: number;
  /** Receive buffer of each socket in the kernel, bytes. Default: the system's, which grows. */
  readonly receiveBufferBytes?: number;
  /** Sockets open at once; default 65,536, at most 1,048,576. */
  readonly maxSockets?: number;
}

const KNOWN = ["address", "maxSockets", "netns", "receiveBufferBytes", "sendBufferBytes"];
const DEFAULT_MAX_SOCKETS = 65_536;
/** Bytes that may wait in our own buffers of a connection, beside those of the kernel. */
const FLOW_BUFFER_BYTES = 262_144;

/** The sockets of the kernel as this process finds them. Made by `createKernelContext`. */
export class KernelContext implements Context, Poller {
  readonly name: string;
  readonly isReal = true;
  /** @internal */
  readonly loop: Loop;
  /** @internal */
  readonly sockets: KernelSockets;
  /** @internal */
  readonly settings: KernelSettings;
  readonly #listeners: Set<KernelListener> = new Set();
  readonly #lookups: Set<NameLookup> = new Set();
  #ownership: Ownership | null = null;
  #isOpen = true;

  /** @internal Use `createKernelContext`. */
  constructor(loop: Loop, settings: KernelSettings, maxSockets: number, syscall: string) {
    this.loop = loop;
    this.settings = settings;
    this.name = settings.netns === "" ? "kernel" : `kernel ${settings.netns}`;
    // A plain Effection task may send, or end a stream, and then wait for something else.
    this.sockets = new KernelSockets(openNative(maxSockets, syscall), loop.timers, () =>
      loop.kick(),
    );
    registerContext(this);
    loop.addPoller(this);
  }

  /** Our address, `"0.0.0.0"` unless one was given. */
  get address(): string {
    return this.settings.address?.toString() ?? "0.0.0.0";
  }

  /** False once it is closed: every call fails with ENETDOWN. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** @internal Gives it to the running coroutine. */
  own(): void {
    this.#ownership = new Ownership(this);
  }

  /** Resets every connection, and frees everything. Idempotent. */
  close(): void {
    if (!this.#isOpen) return;
    const nowMs = this.loop.now();
    // What was sent in this very round has not reached the kernel yet.
    this.sockets.giveAll(nowMs);
    this.#isOpen = false;
    this.#ownership?.release();
    for (const lookup of this.#lookups) lookup.fail(-ENETDOWN);
    for (const socket of this.sockets.all()) socket.fail(-ENETDOWN, nowMs);
    this.loop.removePoller(this);
    this.sockets.native.destroy();
  }

  /** The same, as the end of its owner calls it. */
  abort(): void {
    this.close();
  }

  /**
   * Counts what has happened so far.
   *
   * @returns the counters
   */
  statistics(): ContextStatistics {
    for (const listener of this.#listeners) listener.countDrops();
    const { sockets } = this.sockets.leftovers();
    return { events: Object.fromEntries(this.sockets.counts), sockets, timeWait: 0 };
  }

  /**
   * Counts what is alive in it, for tests.
   *
   * @returns all zero when nothing was left behind
   */
  leftovers(): ContextLeftovers {
    return this.sockets.leftovers();
  }

  // --- Context ---------------------------------------------------------------------------------

  /** @internal */
  openStream(target: StreamTarget, sink: FlowSink): StreamFlow | number {
    if (!this.#isOpen) return -ENETDOWN;
    return openStream(this.sockets, this.settings, target, sink);
  }

  /** @internal */
  listenStream(place: StreamPlace, sink: ListenerSink): StreamListener | number {
    if (!this.#isOpen) return -ENETDOWN;
    const opened = listenStream(this.sockets, this.settings, place, sink, (listener) =>
      this.#listeners.delete(listener),
    );
    if (typeof opened !== "number") this.#listeners.add(opened);
    return opened;
  }

  /** @internal */
  openDatagram(place: DatagramPlace, sink: FlowSink): DatagramFlow | number {
    if (!this.#isOpen) return -ENETDOWN;
    return openDatagram(this.sockets, this.settings, place, sink);
  }

  /** @internal */
  lookup(host: string): Lookup {
    const lookup = new NameLookup(host, this.loop);
    if (lookup.addresses !== null) return lookup;
    this.#lookups.add(lookup);
    lookup.onEnd = () => this.#lookups.delete(lookup);
    return lookup;
  }

  // --- Poller ----------------------------------------------------------------------------------

  /** @internal */
  get spinner(): Spinner {
    return this.sockets.native.spinner;
  }

  /** @internal */
  poll(nowMs: number): number {
    return this.sockets.poll(nowMs);
  }

  /** @internal */
  flush(nowMs: number): void {
    this.sockets.flush(nowMs);
  }

  /** @internal */
  armWake(wake: () => void): boolean {
    if (this.sockets.hasWork) return false;
    // Without sockets there is nothing to wait for, nor to keep the process for.
    return this.sockets.size === 0 || this.sockets.native.armWake(wake);
  }

  /** @internal */
  disarmWake(): void {
    if (this.#isOpen) this.sockets.native.disarmWake();
  }
}

/**
 * Opens a view of the kernel's sockets that differs from the usual one: an address of our own, a
 * network namespace, other limits. It belongs to the running coroutine, whose end closes it. For
 * the usual one no call is needed.
 *
 * @param options - what differs
 * @returns the context
 * @throws NetError EAGAIN (no thread to enter the namespace with), EINVAL, EMFILE, ENFILE, ENOENT
 *   (no such network namespace), ENOMEM, ENOSYS (no addon: the message says why), EPERM (entering
 *   the namespace needs a capability, which the message names); TypeError
 * @example
 * ```ts
 * const context = createKernelContext({ address: "127.0.0.1" });
 * yield* useNetwork(context);
 * const listener = yield* tcp.listen({ port: 7777 });
 * ```
 */
export function createKernelContext(options: KernelContextOptions = {}): KernelContext {
  const call = "createKernelContext";
  checkOptions(call, options, KNOWN);
  const { address, netns = "", maxSockets = DEFAULT_MAX_SOCKETS } = options;
  if (typeof netns !== "string") throw new TypeError(`${call}: netns must be a string`);
  if (netns.includes("\0")) invalid(call, "netns must not contain a zero byte");
  const settings = {
    netns,
    address: address === undefined ? null : literal(call, address),
    kernelSendBytes: bufferSize(call, "sendBufferBytes", options.sendBufferBytes),
    kernelReceiveBytes: bufferSize(call, "receiveBufferBytes", options.receiveBufferBytes),
    flow: FLOW_SETTINGS,
  };
  const most = checkInteger(call, "maxSockets", maxSockets, 1, 2 ** 20);
  const context = new KernelContext(currentLoop(), settings, most, call);
  if (netns !== "") enterNamespace(context, call);
  context.own();
  return context;
}

const FLOW_SETTINGS = {
  sendLimitBytes: FLOW_BUFFER_BYTES,
  receiveLimitBytes: FLOW_BUFFER_BYTES,
} as const;

const USUAL: KernelSettings = {
  netns: "",
  address: null,
  kernelSendBytes: 0,
  kernelReceiveBytes: 0,
  flow: FLOW_SETTINGS,
};

const usual = new WeakMap<Loop, KernelContext>();

/**
 * @param syscall - the call that needs it, for the error if there is no addon
 * @returns the usual kernel context of a loop, which its root coroutine owns
 */
export function defaultKernelContext(loop: Loop, syscall: string): KernelContext {
  let context = usual.get(loop);
  if (context?.isOpen !== true) {
    context = new KernelContext(loop, USUAL, DEFAULT_MAX_SOCKETS, syscall);
    usual.set(loop, context);
    loop.root?.own(context);
  }
  return context;
}

/** @param syscall - the call that needs them */
function openNative(maxSockets: number, syscall: string): NativeSockets {
  try {
    return new NativeSockets(maxSockets);
  } catch (error) {
    const { errno, message } = error as { errno?: unknown; message?: string };
    if (typeof errno !== "number") throw error;
    // The addon's message starts with the code, as that of NetError does.
    const detail = (message ?? "").replace(/^E[A-Z0-9]+: /, "");
    throw new NetError(codeOf(errno), syscall, { message: detail, cause: error });
  }
}

/** Tries the network namespace, so that a mistake is told here and not by every later call. */
function enterNamespace(context: KernelContext, syscall: string): void {
  const { netns } = context.settings;
  const { native } = context.sockets;
  const id = native.open(AF_UNIX, SOCK_DGRAM, netns);
  if (id >= 0) {
    native.close(id, false);
    return;
  }
  context.close();
  const path = netns.includes("/") ? netns : `/run/netns/${netns}`;
  const isNoPath =
    id === -ENOENT || id === -ERRNO.ENOTDIR || id === -ERRNO.ELOOP || id === -ERRNO.ENAMETOOLONG;
  if (isNoPath) {
    const message = `netns: no network namespace at ${path}; \`ip netns add\` makes one`;
    throw netError("ENOENT", syscall, message);
  }
  if (id === -ERRNO.EPERM) {
    const message = `netns: entering ${path} needs CAP_SYS_ADMIN; run as root`;
    throw netError("EPERM", syscall, message);
  }
  if (id === -EINVAL) invalid(syscall, `netns: ${path} is not a network namespace`);
  throw netError(codeOf(id), syscall);
}

function literal(call: string, value: unknown): IpAddress {
  const address = checkHost(call, "address", value);
  if (typeof address === "string") {
    invalid(call, `address must be an IP address such as "127.0.0.1", got "${address}"`);
  }
  return address;
}

function bufferSize(call: string, name: string, value: number | undefined): number {
  return value === undefined ? 0 : checkInteger(call, name, value, 1_024, 2 ** 30);
}
