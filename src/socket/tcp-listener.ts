// SPDX-License-Identifier: MIT
// A listening port as a handle, and `serve`, the accept loop that servers want.

import {
  type Bundle,
  bundle,
  isNetError,
  now,
  type Operation,
  shield,
} from "../../scheduler/index.ts";
import { currentCoroutine, PENDING, READY, Wait, WaitQueue } from "../../scheduler/internal.ts";
import type { Flow } from "../mctx/flow.ts";
import type { ListenerRecord, ListenerSink } from "../mctx/listener.ts";
import { checkInteger, checkOptions } from "./arguments.ts";
import type { Context } from "./context.ts";
import { ErrorReporter } from "./error-reporter.ts";
import { EBADF, errnoError, netError } from "./errors.ts";
import { Ownership } from "./ownership.ts";
import { type Endpoint, TcpConnection } from "./tcp-connection.ts";

/** How `serve` serves. */
export interface ServeOptions {
  /** Connections served at once; more wait in the backlog. Default 65,536. */
  readonly maxConnections?: number;
  /** When `serve` is cancelled: ms that handlers may go on before they are cancelled. Default 0. */
  readonly graceMs?: number;
  /**
   * Gets what a handler throws. Default: counted, and written to stderr at most once a second; so
   * is what `onError` itself throws.
   */
  readonly onError?: (error: unknown, connection: TcpConnection) => void;
}

/** What a listener has done so far. */
export interface ListenerStatistics {
  readonly accepted: number;
  /** Handlers of `serve` that threw. */
  readonly failed: number;
  /** Calls of `onError` that threw. */
  readonly failedReports: number;
  /** Connections that wait to be accepted. */
  readonly waiting: number;
  readonly halfOpen: number;
}

const DEFAULT_MAX_CONNECTIONS = 65_536;

/** A listening TCP port, got from `tcp.listen`. */
export class TcpListener implements ListenerSink {
  readonly #context: Context;
  readonly #acceptors: WaitQueue = new WaitQueue();
  /** Where each `serve` waits that serves as many as it may. */
  readonly #slots: WaitQueue = new WaitQueue();
  readonly #ownership: Ownership;
  #record: ListenerRecord | null = null;
  #port = 0;
  #isOpen = true;
  #accepted = 0;
  #failed = 0;
  #failedReports = 0;

  /** @internal Use `tcp.listen`. */
  constructor(context: Context) {
    this.#context = context;
    this.#ownership = new Ownership(this);
  }

  /** @internal Ties it to the stack's record. */
  attach(record: ListenerRecord): void {
    this.#record = record;
    this.#port = record.port;
  }

  /** Where it listens; the port is the one chosen if 0 was asked for. */
  get local(): Endpoint {
    const address = this.#record?.address ?? null;
    return { host: address?.toString() ?? this.#context.address, port: this.#port };
  }

  /** False once it is closed. */
  get isOpen(): boolean {
    return this.#isOpen;
  }

  /**
   * Takes the ESTABLISHED connection that has waited longest. It belongs to the calling coroutine.
   *
   * @param deadline - absolute ms on the loop's clock, -1 never, 0 now
   * @returns the connection
   * @throws NetError EBADF, ECANCELED, ENETDOWN (the device is gone), ETIMEDOUT; none of them harms
   *   the listener
   */
  accept(deadline?: number): Wait<TcpConnection> {
    return new AcceptWait(this, deadline);
  }

  /**
   * Accepts for ever, each connection in a coroutine of its own, which owns it: at its end the
   * connection is aborted unless it was closed. An error in one handler aborts that connection
   * alone. When cancelled it closes the listener, lets handlers go on for `graceMs`, then cancels
   * them.
   *
   * @param handler - gets the connection
   * @param options - limits, grace time, what becomes of errors
   * @throws NetError EBADF (the listener was closed), ECANCELED, EINVAL, ENETDOWN
   */
  *serve(
    handler: (connection: TcpConnection) => Operation<unknown>,
    options: ServeOptions = {},
  ): Operation<never> {
    const { max, graceMs, onError } = this.#checkServe(handler, options);
    const handlers = yield* bundle({ name: `serve :${this.#port}`, onError: () => {} });
    let active = 0;
    const self = this;
    function* serveOne(connection: TcpConnection, group: Bundle): Operation<void> {
      try {
        yield* group.go(function* () {
          connection.moveToCurrent();
          try {
            yield* handler(connection);
          } catch (error) {
            // Of another coroutine it is an error as any: `join` of one that was cancelled, say.
            const isOurEnd = currentCoroutine()?.isCancelled && isNetError(error, "ECANCELED");
            if (!isOurEnd) {
              self.#failed++;
              onError(error, connection);
            }
          } finally {
            connection.abort();
            active--;
            // All: the first in the queue may be another `serve`, which has no slot free.
            self.#slots.wakeAll();
          }
        });
        active++;
      } catch (error) {
        connection.abort();
        throw error;
      }
    }
    try {
      for (;;) {
        while (active >= max) yield* new SlotWait(this, () => active < max);
        yield* serveOne(yield* this.accept(), handlers);
      }
    } finally {
      this.close();
      yield* shield(-1, () => endHandlers(handlers, graceMs));
    }
  }

  /** Stops listening: connections that nobody has accepted are reset. Never waits; idempotent. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#ownership.release();
    if (this.#record !== null) {
      this.#context.stack.unlisten(this.#record, this.#context.loop.now());
    }
    this.#wakeAll();
  }

  /** The same, as the end of its owner calls it. */
  abort(): void {
    this.close();
  }

  /**
   * Hands the listener to another bundle, which closes it when it ends.
   *
   * @param owner - the new owner
   * @throws NetError EBADF (the listener or the bundle is closed)
   */
  moveTo(owner: Bundle): void {
    if (!this.#isOpen) throw netError("EBADF", "tcp.moveTo");
    this.#ownership.moveTo("tcp.moveTo", owner);
  }

  /**
   * Counts what it has done so far.
   *
   * @returns the counters
   */
  statistics(): ListenerStatistics {
    return {
      accepted: this.#accepted,
      failed: this.#failed,
      failedReports: this.#failedReports,
      waiting: this.#record?.ready.size ?? 0,
      halfOpen: this.#record?.halfOpen.size ?? 0,
    };
  }

  /** @internal From the stack: marks, resumes nobody. */
  listenerReady(): void {
    if ((this.#record?.error ?? 0) !== 0) this.#wakeAll();
    else this.#acceptors.wakeOne();
  }

  /** @internal One try to accept. @returns the flow, or as `Wait.poll` */
  pollAccept(): Flow | number {
    const errno = this.errno;
    return errno !== 0 ? errno : (this.#record?.take() ?? PENDING);
  }

  /** @internal Why nothing can be accepted any more, as -errno; 0 while it can. */
  get errno(): number {
    return this.#isOpen ? (this.#record?.error ?? -EBADF) : -EBADF;
  }

  /** @internal */
  accepted(flow: Flow): TcpConnection {
    this.#accepted++;
    return new TcpConnection(this.#context, flow);
  }

  /** @internal A flow that was taken and is not wanted any more. */
  refuse(flow: Flow): void {
    this.#context.abortFlow(flow);
  }

  /** @internal Tells the next acceptor if a connection waits. */
  wakeNext(): void {
    if ((this.#record?.ready.size ?? 0) > 0) this.#acceptors.wakeOne();
  }

  /** @internal */
  get acceptors(): WaitQueue {
    return this.#acceptors;
  }

  /** @internal */
  get slots(): WaitQueue {
    return this.#slots;
  }

  #wakeAll(): void {
    this.#acceptors.wakeAll();
    this.#slots.wakeAll();
  }

  #checkServe(
    handler: unknown,
    options: ServeOptions,
  ): { max: number; graceMs: number; onError: (error: unknown, of: TcpConnection) => void } {
    if (typeof handler !== "function") {
      throw new TypeError("tcp.serve: handler must be a generator function");
    }
    checkOptions("tcp.serve", options);
    const { maxConnections = DEFAULT_MAX_CONNECTIONS, graceMs = 0, onError } = options;
    if (onError !== undefined && typeof onError !== "function") {
      throw new TypeError("tcp.serve: onError must be a function");
    }
    const reporter = new ErrorReporter(`tcp.serve :${this.#port}`);
    return {
      max: checkInteger("tcp.serve", "maxConnections", maxConnections, 1, 2 ** 31 - 1),
      graceMs: checkInteger("tcp.serve", "graceMs", graceMs, 0, 2 ** 31 - 1),
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

class AcceptWait extends Wait<TcpConnection> {
  readonly listener: TcpListener;
  flow: Flow | null;

  constructor(listener: TcpListener, deadline?: number) {
    super("tcp.accept", deadline);
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

  override take(): TcpConnection {
    const flow = this.flow as Flow;
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
    const { host, port } = this.listener.local;
    return errnoError(errno, this.syscall, host, port);
  }
}

/** Waits until fewer connections than allowed are being served, or the listener has ended. */
class SlotWait extends Wait<void> {
  readonly #listener: TcpListener;
  readonly #hasSlot: () => boolean;

  constructor(listener: TcpListener, hasSlot: () => boolean) {
    super("tcp.serve", -1);
    this.#listener = listener;
    this.#hasSlot = hasSlot;
  }

  override poll(): number {
    const { errno } = this.#listener;
    if (errno !== 0) return errno;
    return this.#hasSlot() ? READY : PENDING;
  }

  override queue(): WaitQueue {
    return this.#listener.slots;
  }

  override take(): void {}

  override error(errno: number): Error {
    const { host, port } = this.#listener.local;
    return errnoError(errno, this.syscall, host, port);
  }
}
