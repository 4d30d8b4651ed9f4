// SPDX-License-Identifier: MIT
// Channels: values from one coroutine to another, in order. Without capacity a send meets a
// receive (rendezvous); with capacity so many values may wait in between.

import { Clause } from "./choose.ts";
import { NetError } from "./net-error.ts";
import { PENDING, READY, Wait } from "./wait.ts";
import { type Waiter, WaitQueue } from "./wait-queue.ts";

const EPIPE = -32;
const EBADF = -9;
/** Largest capacity: a bound, not a recommendation. */
const MAX_CAPACITY = 1 << 24;

/** A typed queue between coroutines. Made by `channel()`. */
export class Channel<T> {
  readonly capacity: number;
  readonly senders: WaitQueue = new WaitQueue();
  readonly receivers: WaitQueue = new WaitQueue();
  private values: (T | undefined)[];
  private head: number;
  private count: number;
  /** Values that came back from receivers that went away, to be had first; null for none. */
  private returned: T[] | null;
  private isDone: boolean;
  private isClosed: boolean;

  /** @internal Use `channel()`. */
  constructor(capacity: number) {
    this.capacity = capacity;
    this.values = [];
    this.head = 0;
    this.count = 0;
    this.returned = null;
    this.isDone = false;
    this.isClosed = false;
  }

  /** Values that wait in the channel's own queue. */
  get length(): number {
    return this.count + (this.returned?.length ?? 0);
  }

  /**
   * Hands over a value: returns once a receiver has it, or it is in the queue.
   *
   * @param value - anything
   * @param deadline - absolute ms on the loop's clock, -1 never, 0 now
   * @throws NetError EBADF (closed), ECANCELED, EPIPE (`done` was called), ETIMEDOUT
   */
  send(value: T, deadline?: number): Wait<void> {
    return new SendWait<T>(this, value, deadline);
  }

  /**
   * Takes the next value.
   *
   * @param deadline - absolute ms on the loop's clock, -1 never, 0 now
   * @returns the value
   * @throws NetError EBADF (closed), ECANCELED, EPIPE (`done` was called and nothing is left),
   *   ETIMEDOUT
   */
  recv(deadline?: number): Wait<T> {
    return new RecvWait<T>(this, deadline);
  }

  /**
   * Says that no more values follow: what is queued, and what blocked senders hold, still gets
   * through, then receivers get EPIPE. Never waits.
   *
   * @throws NetError EBADF (closed), EPIPE (done already)
   */
  done(): void {
    if (this.isClosed) throw new NetError("EBADF", "channel.done");
    if (this.isDone) throw new NetError("EPIPE", "channel.done");
    this.isDone = true;
    // Receivers are waiting, so nothing is queued: they see the end now.
    this.receivers.wakeAll();
  }

  /** Ends the channel for both sides: who waits gets EBADF, values are dropped. Idempotent. */
  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.values = [];
    this.count = 0;
    this.returned = null;
    this.senders.wakeAll();
    this.receivers.wakeAll();
  }

  /** @internal One try to send. @returns as `Wait.poll` */
  pollSend(wait: SendWait<T>): number {
    if (wait.isHanded) return READY;
    if (this.isClosed) return EBADF;
    // A send that was blocked when `done` was called still gets through.
    if (this.isDone && !wait.wasBlocked) return EPIPE;
    const receiver = firstFor(wait, this.receivers);
    if (receiver !== null) {
      this.give(receiver, wait.value);
      return READY;
    }
    if (this.count < this.capacity) {
      this.put(wait.value);
      return READY;
    }
    wait.wasBlocked = true;
    return PENDING;
  }

  /** @internal One try to receive. @returns as `Wait.poll` */
  pollRecv(wait: RecvWait<T>): number {
    if (wait.isHanded) return READY;
    if (this.isClosed) return EBADF;
    if (this.returned !== null) {
      wait.value = this.returned.shift() as T;
      if (this.returned.length === 0) this.returned = null;
    } else if (this.count > 0) {
      wait.value = this.shift();
      const sender = firstFor(wait, this.senders);
      if (sender !== null) this.put(this.takeFrom(sender));
    } else {
      const sender = firstFor(wait, this.senders);
      if (sender === null) return this.isDone ? EPIPE : PENDING;
      wait.value = this.takeFrom(sender);
    }
    wait.isHanded = true;
    return READY;
  }

  /** @internal A receiver goes away with a value that it was handed: it is the next to be had. */
  giveBack(value: T): void {
    if (this.isClosed) return;
    const receiver = this.receivers.first;
    if (receiver === null) this.returned = [value, ...(this.returned ?? [])];
    else this.give(receiver, value);
  }

  private give(receiver: Waiter, value: T): void {
    const wait = receiver.wait as RecvWait<T>;
    wait.value = value;
    wait.isHanded = true;
    this.receivers.wake(receiver);
  }

  private takeFrom(sender: Waiter): T {
    const wait = sender.wait as SendWait<T>;
    wait.isHanded = true;
    this.senders.wake(sender);
    return wait.value;
  }

  private put(value: T): void {
    this.values[(this.head + this.count++) % this.capacity] = value;
  }

  private shift(): T {
    const value = this.values[this.head] as T;
    this.values[this.head] = undefined;
    this.count--;
    this.head = this.count === 0 ? 0 : (this.head + 1) % this.capacity;
    return value;
  }
}

class SendWait<T> extends Wait<void> {
  readonly channel: Channel<T>;
  readonly value: T;
  wasBlocked: boolean;

  constructor(channel: Channel<T>, value: T, deadline?: number) {
    super("channel.send", deadline);
    this.channel = channel;
    this.value = value;
    this.wasBlocked = false;
  }

  override reset(): void {
    this.wasBlocked = false;
  }

  override poll(): number {
    return this.channel.pollSend(this);
  }

  override queue(): WaitQueue {
    return this.channel.senders;
  }

  override take(): void {}
}

class RecvWait<T> extends Wait<T> {
  readonly channel: Channel<T>;
  value: T | undefined;

  constructor(channel: Channel<T>, deadline?: number) {
    super("channel.recv", deadline);
    this.channel = channel;
    this.value = undefined;
  }

  override reset(): void {
    this.value = undefined;
  }

  override poll(): number {
    return this.channel.pollRecv(this);
  }

  override queue(): WaitQueue {
    return this.channel.receivers;
  }

  override take(): T {
    const { value } = this;
    this.value = undefined;
    return value as T;
  }

  override withdrawn(): void {
    if (this.isHanded) this.channel.giveBack(this.take());
  }
}

/** @returns the first in `queue` whom `wait` may meet: two clauses of one `choose` must not */
function firstFor(wait: Wait<unknown>, queue: WaitQueue): Waiter | null {
  let { first } = queue;
  if (first === null || wait.waiter === null) return first;
  const own = outermost(wait.waiter);
  while (first !== null && outermost(first) === own) first = first.nextInQueue;
  return first;
}

/** @returns who waits for the outermost `choose` that `waiter` is of, `waiter` itself if of none */
function outermost(waiter: Waiter): Waiter | null {
  let at: Waiter | null = waiter;
  while (at instanceof Clause) at = at.choose.waiter;
  return at;
}

/**
 * Makes a channel.
 *
 * @param capacity - values that may wait in it; 0: each send meets a receive
 * @returns an empty channel
 * @throws NetError EINVAL
 * @example
 * ```ts
 * const lines = channel<string>();
 * yield* go(function* () {
 *   yield* lines.send("hello");
 *   lines.done();
 * });
 * console.log(yield* lines.recv());
 * ```
 */
export function channel<T>(capacity = 0): Channel<T> {
  if (typeof capacity !== "number") throw new TypeError("channel: capacity must be a number");
  if (!Number.isInteger(capacity) || capacity < 0 || capacity > MAX_CAPACITY) {
    throw new NetError("EINVAL", "channel", {
      message: `capacity must be an integer from 0 to ${MAX_CAPACITY}, got ${capacity}`,
    });
  }
  return new Channel<T>(capacity);
}
