// SPDX-License-Identifier: MIT
// A simulated host: a NIC made of memory, and the same stack over it that runs on a real one. It
// can crash, which leaves no trace on the wire, and come back with the same addresses and nothing
// else.

import {
  go,
  type Handle,
  NetError,
  type Operation,
  type OperationLike,
} from "../../scheduler/index.ts";
import { currentCoroutine } from "../../scheduler/internal.ts";
import { withNetwork } from "../socket/network.ts";
import type { StackContext } from "../socket/stack-context.ts";
import { wrong } from "./check.ts";
import type { LinkConditions } from "./conditions.ts";
import type { FrameSink } from "./frame-sink.ts";
import { type HostContextOptions, startContext } from "./host-context.ts";
import { leftoversOf } from "./leftovers.ts";
import type { Link, LinkEnd } from "./link.ts";
import type { Random } from "./random.ts";
import type { Addressed } from "./raw-host.ts";
import { SimDriver, type SimDriverOptions } from "./sim-driver.ts";

/** How a host is made. */
export interface HostOptions {
  /** `"10.0.0.7"` or `"10.0.0.7/24"`; default: the next free address of its segment or link. */
  readonly address?: string;
  /** Name of its segment, made if need be; default `"lan"`; false: none, `net.link` follows. */
  readonly lan?: string | false;
  /** Conditions of its link to the segment, both directions. */
  readonly link?: LinkConditions;
  /** Six bytes; default 02:00:00:00:xx:xx in order of creation. */
  readonly macAddress?: Uint8Array;
  /** Its NIC: `mtu`, `rxSlots`, `txSlots`, `checksumTx`, `tsoMaxBytes`. */
  readonly driver?: Omit<SimDriverOptions, "name" | "macAddress">;
  /** Its stack: gateway, limits, TCP settings. */
  readonly context?: HostContextOptions;
}

/** The keys of {@link HostOptions}. */
export const HOST_OPTIONS = ["address", "lan", "link", "macAddress", "driver", "context"] as const;

/** A host with a stack. Made by `net.host(name)`. */
export class SimHost implements LinkEnd, FrameSink, Addressed {
  readonly name: string;
  readonly isSwitch = false;
  readonly macAddress: Uint8Array;
  /** The address the test asked for, if any. */
  readonly wishedAddress: string | undefined;
  /** Times the host has been started. */
  starts = 0;
  /** Frames that came for it while it was down. */
  missed = 0;
  private readonly random: Random;
  private readonly options: HostOptions;
  private cable: Link | null = null;
  private prefix = "";
  private nic: SimDriver | null = null;
  private stack: StackContext | null = null;
  /** Coroutines started with `go`, to be ended by a crash. */
  private programs: Handle<unknown>[] = [];

  /** @internal Use `net.host(name)`. */
  constructor(name: string, macAddress: Uint8Array, random: Random, options: HostOptions) {
    this.name = name;
    this.macAddress = macAddress;
    this.random = random;
    this.options = options;
    this.wishedAddress = options.address;
  }

  /** True once it is on a link. */
  get isPlugged(): boolean {
    return this.cable !== null;
  }

  /** True unless it has crashed or the network is closed. */
  get isUp(): boolean {
    return this.stack !== null;
  }

  /** The link this host is on. */
  get link(): Link {
    if (this.cable === null) throw wrong("sim.host", "link", "is missing: use net.link", this.name);
    return this.cable;
  }

  /** Its address: `"10.0.0.1"`. */
  get address(): string {
    return this.prefix.split("/")[0] as string;
  }

  /** Its stack, to be given to `tcp.connect` and `tcp.listen`; another one after a restart. */
  get context(): StackContext {
    if (this.stack === null)
      throw wrong("sim.host", "host", "must be plugged in and up", this.name);
    return this.stack;
  }

  /** Its NIC; another one after a restart. */
  get driver(): SimDriver {
    if (this.nic === null) throw wrong("sim.host", "host", "must be plugged in and up", this.name);
    return this.nic;
  }

  /**
   * Starts a coroutine as a program of this host: its sockets are this host's, and a crash ends it.
   *
   * @param op - an operation or a generator function
   * @returns a handle to join it
   * @throws NetError ECANCELED, EINVAL (the host is down)
   */
  *go<T>(op: OperationLike<T>): Operation<Handle<T>> {
    const handle = yield* go(withNetwork(this.context, op), { name: this.name });
    this.programs = this.programs.filter((program) => !program.isEnded);
    this.programs.push(handle);
    return handle;
  }

  /**
   * Runs an operation in the calling coroutine with the sockets of this host. What should go on
   * after it, as a server does, is started with {@link SimHost.go} instead.
   *
   * @param op - an operation or a generator function
   * @returns what the operation returns
   * @throws NetError EINVAL (the host is down); or what the operation throws
   */
  run<T>(op: OperationLike<T>): Operation<T> {
    return withNetwork(this.context, op);
  }

  /**
   * Crashes: from this moment no frame gets out, and connections, listeners, neighbours and
   * programs are gone. Its programs see ECANCELED; returns when they have ended.
   *
   * @throws NetError ECANCELED, EDEADLK (called by a program of this host)
   */
  *crash(): Operation<void> {
    this.refuseOwnPrograms();
    this.nic?.connect(null);
    this.nic?.fail();
    this.close();
    const programs = this.programs;
    this.programs = [];
    for (const program of programs) program.cancel();
    for (const program of programs) {
      try {
        yield* program.join(-1);
      } catch {
        // A dead machine reports no errors.
      }
    }
  }

  /**
   * Starts the host again after a crash, with an empty stack and new secrets.
   *
   * @throws NetError EINVAL: the host is up
   */
  restart(): void {
    if (this.isUp) throw wrong("sim.host", "host", "must have crashed", this.name);
    this.start();
  }

  /** @internal Plugs the host in, with an address like `10.0.0.7/24`, and starts it. */
  plug(link: Link, address: string): void {
    this.cable = link;
    this.prefix = address;
    this.start();
  }

  /** @internal Takes a frame from the link. */
  receive(bytes: Uint8Array, offset: number, length: number, nowMs: number): void {
    if (this.nic === null) this.missed++;
    else this.nic.receive(bytes, offset, length, nowMs);
  }

  /**
   * What is left of sockets, listeners, buffers and timers: one line each, none if all is well.
   *
   * @returns the lines: `"a: 1 sockets"`
   */
  leftovers(): string[] {
    if (this.stack === null) return [];
    return leftoversOf(this.stack).map((line) => `${this.name}: ${line}`);
  }

  /** @internal Ends the stack. Idempotent. */
  close(): void {
    const { nic, stack } = this;
    this.nic = null;
    this.stack = null;
    stack?.close();
    nic?.close();
  }

  // It would wait for its own end.
  private refuseOwnPrograms(): void {
    for (let at = currentCoroutine(); at !== null; at = at.bundle.parent) {
      if (this.programs.some((program) => program.coroutine === at)) {
        throw new NetError("EDEADLK", "sim.crash", {
          message: `a program of ${this.name} cannot crash it`,
        });
      }
    }
  }

  private start(): void {
    this.starts++;
    const name = `sim(${this.name})`;
    const nic = new SimDriver({ ...this.options.driver, name, macAddress: this.macAddress });
    nic.connect(this.link.from(this.name));
    this.nic = nic;
    const random = this.random.fork(`start ${this.starts}`);
    this.stack = startContext(nic, this.prefix, random, this.options.context);
  }
}
