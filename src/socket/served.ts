// SPDX-License-Identifier: MIT
// What a coroutine of `serve` runs: the handler of one connection, and what follows when it ends.
// An object and no generator, since there may be a million of them; it aborts the connection in
// whatever way the handler ends, so that no coroutine needs to own that.

import { type Bundle, isNetError, type Operation } from "../../scheduler/index.ts";
import { currentCoroutine } from "../../scheduler/internal.ts";

/** What a handler must be. */
export const HANDLER_RULE = "handler must be a generator function or return an operation";

/** What `serve` makes of a flow: the handle of a connection. */
export interface Accepted {
  abort(): void;
  /** No coroutine owns it any more. */
  disown(): void;
}

/** One call of `serve`. */
export interface Service<C> {
  /** Connections being served. */
  active: number;
  /** As users know it: `"tcp.serve"`. */
  readonly call: string;
  readonly handler: (connection: C) => Operation<unknown>;
  /** A handler has thrown. Must not throw. */
  failed(error: unknown, connection: C): void;
  /** One connection less is being served. */
  freed(): void;
}

type Step = IteratorResult<unknown, void>;

/** One connection that is served. */
export class Served<C extends Accepted> {
  readonly #service: Service<C>;
  readonly #connection: C;
  /** What the handler has made, null before the first step. */
  #iterator: Iterator<unknown, unknown, unknown> | null = null;

  constructor(service: Service<C>, connection: C) {
    this.#service = service;
    this.#connection = connection;
  }

  /** Starts a coroutine that runs it. */
  *start(bundle: Bundle): Operation<void> {
    try {
      yield* bundle.go(this as unknown as Operation<void>);
    } catch (error) {
      this.#connection.abort();
      throw error;
    }
    this.#service.active++;
  }

  [Symbol.iterator](): this {
    return this;
  }

  next(value: unknown): Step {
    try {
      this.#iterator ??= this.begin();
      return this.went(this.#iterator.next(value));
    } catch (error) {
      return this.threw(error);
    }
  }

  throw(error: unknown): Step {
    const iterator = this.#iterator;
    if (iterator?.throw === undefined) return this.threw(error);
    try {
      return this.went(iterator.throw(error));
    } catch (thrown) {
      return this.threw(thrown);
    }
  }

  return(value: unknown): Step {
    const iterator = this.#iterator;
    if (iterator?.return === undefined) return this.ended();
    try {
      return this.went(iterator.return(value));
    } catch (thrown) {
      return this.threw(thrown);
    }
  }

  /** The handler does not end, and is stepped no more. */
  abandon(): void {
    this.ended();
  }

  // `#methods` would cost each of them a word.

  private begin(): Iterator<unknown, unknown, unknown> {
    this.#connection.disown();
    const { handler, call } = this.#service;
    const made = handler(this.#connection);
    // From an async function it is a promise.
    if (typeof made?.[Symbol.iterator] === "function") return made[Symbol.iterator]();
    throw new TypeError(`${call}: ${HANDLER_RULE}`);
  }

  private went(step: IteratorResult<unknown, unknown>): Step {
    return step.done === true ? this.ended() : step;
  }

  private threw(error: unknown): Step {
    // Of another coroutine ECANCELED is an error as any: `join` of one that was cancelled, say.
    const isOurEnd = currentCoroutine()?.isCancelled && isNetError(error, "ECANCELED");
    if (!isOurEnd) this.#service.failed(error, this.#connection);
    return this.ended();
  }

  private ended(): Step {
    this.#connection.abort();
    this.#service.active--;
    this.#service.freed();
    return { done: true, value: undefined };
  }
}
