// SPDX-License-Identifier: MIT
// What blocks on a listening place, whoever carries its connections, and `serve`, the accept loop
// that servers want. `TcpListener` and `IpcListener` are its faces.

import {
  type Bundle,
  bundle,
  isNetError,
  now,
  type Operation,
  shield,
} from "../../scheduler/index.ts";
import { type Loop, PENDING, READY, Wait, WaitQueue } from "../../scheduler/internal.ts";
import type { ListenerSink, StreamFlow, StreamListener } from "../transport/stream.ts";
import { checkInteger, checkOptions } from "./arguments.ts";
import { ErrorReporter } from "./error-reporter.ts";
import { EBADF, endpointError, netError } from "./errors.ts";
import { Ownership } from "./ownership.ts";
import { type Accepted, HANDLER_RULE, Served, type Service } from "./served.ts";

/** What kind of listener it is. */
export interface ListenerKind<C extends Accepted> {
  /** `"tcp"`, for the names of the calls. */
  readonly name: string;
  connection(loop: Loop, flow: StreamFlow): C;
}

/** How `serve` serves. */
export interface ServeOptions<C> {
  /** Connections served at once; more wait in the backlog. Default 65,536. */
  readonly maxConnections?: number;
  /** When `serve` is cancelled: ms that handlers may go on before they are cancelled. Default 0. */
  readonly graceMs?: number;
  /**
   * Gets what a handler throws. Default: counted, and written to stderr at most once a second; so
   * is what `onError` itself throws.
   */
  readonly onError?: (error: unknown, connection: C) => void;
}

/** What a listener has done so far. */
export interface ListenerStatistics {
  readonly accepted: number;
  /** Handlers of `serve` that threw. */
  readonly failed: number;
  /** Calls of `onError` that threw. */
  readonly failedReports: number;
  /** Times that `serve` had no descriptor or no memory for a connection that waits. */
  readonly shortages: number;
  /** Connections that wait to be accepted. */
  readonly waiting: number;
  readonly halfOpen: number;
}

const DEFAULT_MAX_CONNECTIONS = 65_536;
/** What an accept may lack, and have again later: the listener is as good as before. */
const SHORTAGES: ReadonlySet<string> = new Set([
  "EMFILE",
  "ENFILE",
  "ENOBUFS",
  "ENOMEM",
  // Of epoll(7): more sockets are watched than a user may.
  "ENOSPC",
]);
/** After a shortage nothing tells that it is over; how soon `serve` tries again. */
const SHORTAGE_PAUSE_MS = 100;

/** One listening place: the state of a handle, and who waits on it. */
export class Listener<C extends Accepted> implements ListenerSink {
  readonly #loop: Loop;
  readonly #kind: ListenerKind<C>;
  /** Where acceptors wait. */
  readonly acceptors: WaitQueue = new WaitQueue();
  /** Where each `serve` waits that serves as many as it may. */
  readonly slots: WaitQueue = new WaitQueue();
  readonly #ownership: Ownership;
  #place: StreamListener | null = null;
  #isOpen = true;
  #accepted = 0;
  #failed = 0;
  #failedReports = 0;
  #shortages = 0;

  constructor(loop: Loop, kind: ListenerKind<C>) {
    this.#loop = loop;
    this.#kind = kind;
    this.#ownership = new Ownership(this);
  }

  /** Ties it to what it listens with. */
  attach(place: StreamListener): void {
    this.#place = place;
  }

  /** What it listens with. */
  get place(): StreamListener {
    return this.#place as StreamListener;
  }

  /** False once it is closed. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** As `TcpListener.accept`. */
  accept(deadline?: number): Wait<C> {
    return new AcceptWait(this, `${this.#kind.name}.accept`, deadline);
  }

  /** As `TcpListener.serve`. */
  *serve(
    handler: (connection: C) => Operation<unknown>,
    options: ServeOptions<C> = {},
  ): Operation<never> {
    const { max, graceMs, onError, onShortage } = this.#checkServe(handler, options);
    const handlers = yield* bundle({ name: `serve ${this.#where}`, onError: () => {} });
    const service: Service<C> = {
      active: 0,
      call: `${this.#kind.name}.serve`,
      handler,
      failed: (error, connection) => {
        this.#failed++;
        onError(error, connection);
      },
      // All: the first in the queue may be another `serve`, which has no slot free.
      freed: () => this.slots.wakeAll(),
    };
    try {
      for (;;) {
        const accepted = yield* this.#acceptForServe(() => service.active, max, onShortage);
        yield* new Served(service, accepted).start(handlers);
      }
    } finally {
      this.close();
      yield* shield(-1, () => endHandlers(handlers, graceMs));
    }
  }

  /** Accepts as soon as fewer than `max` are being served, and there is what it takes. */
  *#acceptForServe(
    active: () => number,
    max: number,
    onShortage: (error: unknown) => void,
  ): Operation<C> {
    const call = `${this.#kind.name}.serve`;
    for (;;) {
      while (active() >= max) yield* new SlotWait(this, call, () => active() < max);
      try {
        return yield* this.accept();
      } catch (error) {
        if (!isNetError(error) || !SHORTAGES.has(error.code)) throw error;
        onShortage(error);
      }
      // The end of a handler may end the shortage; so may others, who do not tell.
      const before = active();
      yield* new SlotWait(this, call, () => active() < before, now() + SHORTAGE_PAUSE_MS);
    }
  }

  /** As `TcpListener.close`. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#ownership.release();
    this.#place?.close(this.#loop.now());
    this.#wakeAll();
  }

  /** The same, as the end of its owner calls it. */
  abort(): void {
    this.close();
  }

  /** As `TcpListener.moveTo`. */
  moveTo(owner: Bundle): void {
    const call = `${this.#kind.name}.moveTo`;
    if (!this.#isOpen) throw netError("EBADF", call, this.#ownership.detailOf(EBADF));
    this.#ownership.moveTo(call, owner);
  }

  /** No coroutine owns it any more: whoever holds it sees to its end. */
  disown(): void {
    this.#ownership.release();
  }

  /** As `TcpListener.statistics`. */
  statistics(): ListenerStatistics {
    return {
      accepted: this.#accepted,
      failed: this.#failed,
      failedReports: this.#failedReports,
      shortages: this.#shortages,
      waiting: this.#isOpen ? this.place.waiting : 0,
      halfOpen: this.#isOpen ? this.place.opening : 0,
    };
  }

  /** From the stack: marks, resumes nobody. */
  listenerReady(): void {
    if ((this.#place?.error ?? 0) !== 0) this.#wakeAll();
    else this.acceptors.wakeOne();
  }

  /** One try to accept. @returns the flow, or as `Wait.poll` */
  pollAccept(): StreamFlow | number {
    const errno = this.errno;
    return errno !== 0 ? errno : (this.place.take() ?? PENDING);
  }

  /** Why nothing can be accepted any more, as -errno; 0 while it can. */
  get errno(): number {
    return this.#isOpen ? this.place.error : -EBADF;
  }

  /** Makes the handle of a flow that was taken. */
  accepted(flow: StreamFlow): C {
    this.#accepted++;
    // The kernel tells once of all that have come.
    this.wakeNext();
    return this.#kind.connection(this.#loop, flow);
  }

  /** A flow that was taken and is not wanted any more. */
  refuse(flow: StreamFlow): void {
    flow.abort(this.#loop.now());
  }

  /** Tells the next acceptor if a connection waits. */
  wakeNext(): void {
    if (this.#isOpen && !this.acceptors.isEmpty && this.place.waiting > 0) {
      this.acceptors.wakeOne();
    }
  }

  /** The error of a call on this listener. */
  errorOf(errno: number, syscall: string): Error {
    return endpointError(errno, syscall, this.place.localEnd, this.#ownership.detailOf(errno));
  }

  get #where(): string {
    const { host, port } = this.place.localEnd;
    return port === 0 ? host : `:${port}`;
  }

  #wakeAll(): void {
    this.acceptors.wakeAll();
    this.slots.wakeAll();
  }

  #checkServe(handler: unknown, options: ServeOptions<C>): ServeSettings<C> {
    const call = `${this.#kind.name}.serve`;
    if (typeof handler !== "function") {
      throw new TypeError(`${call}: ${HANDLER_RULE}`);
    }
    checkOptions(call, options, ["graceMs", "maxConnections", "onError"]);
    const { maxConnections = DEFAULT_MAX_CONNECTIONS, graceMs = 0, onError } = options;
    if (onError !== undefined && typeof onError !== "function") {
      throw new TypeError(`${call}: onError must be a function`);
    }
    const reporter = new ErrorReporter(`${call} ${this.#where}`);
    const shortages = new ErrorReporter(`${call} ${this.#where}`);
    return {
      max: checkInteger(call, "maxConnections", maxConnections, 1, 2 ** 31 - 1),
      graceMs: checkInteger(call, "graceMs", graceMs, 0, 2 ** 31 - 1),
      onShortage: (error) => {
        this.#shortages++;
        shortages.report(error, now());
      },
      onError: (error, connection) => {
        if (onError === undefined) {
          reporter.report(error, now());
          return;
        }
        try {
          onError(error, connection);
        } catch (thrown) {
          this.#failedReports++;
          reporter.report(thrown, now());
        }
      },
    };
  }
}

/** Options of `serve`, checked. */
interface ServeSettings<C> {
  readonly max: number;
  readonly graceMs: number;
  readonly onError: (error: unknown, connection: C) => void;
  readonly onShortage: (error: unknown) => void;
}

/** Lets handlers end by themselves within the grace time, then cancels them. */
function* endHandlers(handlers: Bundle, graceMs: number): Operation<void> {
  if (graceMs > 0) {
    try {
      yield* handlers.wait(now() + graceMs);
    } catch (error) {
      if (!isNetError(error, "ETIMEDOUT")) throw error;
    }
  }
  yield* handlers.close();
}

class AcceptWait<C extends Accepted> extends Wait<C> {
  readonly listener: Listener<C>;
  flow: StreamFlow | null;

  constructor(listener: Listener<C>, syscall: string, deadline?: number) {
    super(syscall, deadline);
    this.listener = listener;
    this.flow = null;
  }

  override reset(): void {
    this.flow = null;
  }

  override poll(): number {
    const taken = this.listener.pollAccept();
    if (typeof taken === "number") return taken;
    this.flow = taken;
    return READY;
  }

  override queue(): WaitQueue {
    return this.listener.acceptors;
  }

  override take(): C {
    const flow = this.flow as StreamFlow;
    this.flow = null;
    return this.listener.accepted(flow);
  }

  override withdrawn(): void {
    if (this.flow !== null) this.listener.refuse(this.flow);
    this.flow = null;
    // This wait may have used up the wake-up of a connection that it does not take.
    this.listener.wakeNext();
  }

  override error(errno: number): Error {
    return this.listener.errorOf(errno, this.syscall);
  }
}

/** What a `SlotWait` asks of its listener. */
interface SlotOwner {
  readonly errno: number;
  readonly slots: WaitQueue;
  errorOf(errno: number, syscall: string): Error;
}

/** Waits until fewer connections than allowed are being served, or the listener has ended. */
class SlotWait extends Wait<void> {
  readonly #listener: SlotOwner;
  readonly #hasSlot: () => boolean;

  /** @param untilMs - goes on at this time in any case */
  constructor(listener: SlotOwner, syscall: string, hasSlot: () => boolean, untilMs?: number) {
    super(syscall, -1);
    this.#listener = listener;
    this.#hasSlot = hasSlot;
    this.dueMs = untilMs ?? null;
  }

  override poll(nowMs: number): number {
    const { errno } = this.#listener;
    if (errno !== 0) return errno;
    const isOver = this.dueMs !== null && nowMs >= this.dueMs;
    return isOver || this.#hasSlot() ? READY : PENDING;
  }

  override queue(): WaitQueue {
    return this.#listener.slots;
  }

  override take(): void {}

  override error(errno: number): Error {
    return this.#listener.errorOf(errno, this.syscall);
  }
}
