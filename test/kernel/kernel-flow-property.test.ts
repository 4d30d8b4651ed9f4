// SPDX-License-Identifier: MIT
// Any calls of users, mixed with anything that a kernel may do, over a shared memory of any size:
// the byte streams are those of a naive model, and in the end nothing is left.

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ECONNRESET, ENOBUFS } from "../../src/kernel/errno.ts";
import { bytes, type Connection, Rig } from "./support/rig.ts";

const SEND_LIMIT = 100;
const RECEIVE_LIMIT = 60;
const FLOWS = 3;

/** One connection, and what must hold of it. */
class Model {
  readonly it: Connection;
  readonly #rig: Rig;
  /** Bytes of the user's that the flow has taken. */
  #accepted = 0;
  /** Bytes that the kernel has taken and that were found right. */
  #checked = 0;
  /** Bytes that the peer has sent, and those that the user has read. */
  #arrived = 0;
  #read = 0;
  #wantsEnd = false;
  #peerEnded = false;
  #isBroken = false;
  #isDiscarding = false;
  #isHeld = true;

  constructor(rig: Rig) {
    this.#rig = rig;
    this.it = rig.connection({ sendLimitBytes: SEND_LIMIT, receiveLimitBytes: RECEIVE_LIMIT });
  }

  send(count: number): void {
    if (!this.#isHeld) return;
    const { flow } = this.it;
    const space = flow.sendSpaceBytes;
    const taken = flow.send(bytes(count + 2, this.#accepted - 1), 1, count);
    if (flow.failure !== 0) expect(taken).toBe(flow.failure);
    else if (this.#wantsEnd) expect(taken).toBeLessThan(0);
    else {
      expect(taken).toBe(Math.min(count, space));
      this.#accepted += taken;
    }
  }

  receive(count: number): void {
    if (!this.#isHeld) return;
    const into = new Uint8Array(count + 2);
    const peeked = new Uint8Array(count);
    const there = this.it.flow.peek(peeked, 0, count);
    const taken = this.it.flow.receive(into, 1, count);
    expect(Math.max(0, taken)).toBe(there);
    if (there === 0) return;
    expect(this.#isDiscarding).toBe(false);
    const expected = bytes(count + 2, this.#read - 1).fill(0, there + 1);
    expected[0] = 0;
    expect(Buffer.compare(into, expected)).toBe(0);
    expect(Buffer.compare(peeked, expected.subarray(1, 1 + count))).toBe(0);
    this.#read += there;
  }

  finish(): void {
    if (!this.#isHeld) return;
    this.it.flow.finish(this.#rig.nowMs);
    this.#wantsEnd = true;
  }

  discard(): void {
    if (!this.#isHeld) return;
    this.it.flow.discardReceived();
    this.#isDiscarding = true;
  }

  release(): void {
    if (!this.#isHeld) return;
    this.it.flow.release(this.#rig.nowMs);
    this.#isHeld = false;
    this.#wantsEnd = true;
  }

  abort(): void {
    if (!this.#isHeld) return;
    this.it.flow.abort(this.#rig.nowMs);
    this.#isHeld = false;
  }

  arrive(count: number): void {
    if (this.#peerEnded || this.#isBroken) return;
    this.it.socket.arrive(bytes(count, this.#arrived));
    this.#arrived += count;
  }

  peerEnds(): void {
    if (this.#peerEnded || this.#isBroken) return;
    this.it.socket.end();
    this.#peerEnded = true;
  }

  breaks(how: number): void {
    const { socket } = this.it;
    if (this.#isBroken || this.#peerEnded) return;
    this.#isBroken = true;
    if (how === 0) {
      // The next send is told of it; whoever receives sees but an end.
      socket.sendError = ECONNRESET;
      socket.end();
    } else socket.fail(ECONNRESET);
  }

  full(): void {
    this.it.socket.room = 0;
  }

  admit(count: number): void {
    this.it.socket.admit(count);
  }

  /** The next send finds no memory in the kernel. */
  starves(): void {
    if (!this.#isBroken) this.it.socket.sendError = ENOBUFS;
  }

  unacknowledged(count: number): void {
    this.it.socket.unsent = count;
  }

  /** What must hold at any time. */
  check(): void {
    const { flow, socket } = this.it;
    const { length } = socket.taken;
    for (; this.#checked < length; this.#checked++) {
      if (socket.taken[this.#checked] !== this.#checked % 251) expect.fail(`${this.#checked}`);
    }
    // One comparison: there are millions of them.
    const isFine =
      length <= this.#accepted &&
      (!socket.hasFin || length === this.#accepted) &&
      flow.receivedBytes <= RECEIVE_LIMIT &&
      flow.unsentBytes <= SEND_LIMIT &&
      (flow.failure !== 0 || !socket.isOpen || flow.unsentBytes === this.#accepted - length);
    if (isFine) return;
    const { hasFin } = socket;
    const { receivedBytes, unsentBytes, failure } = flow;
    expect.fail(JSON.stringify({ length, hasFin, receivedBytes, unsentBytes, failure }));
  }

  /** The kernel takes everything and the user reads everything: both streams must be whole. */
  complete(): void {
    const { flow, socket } = this.it;
    if (flow.failure !== 0 || !socket.isOpen || this.#isBroken) return;
    expect(socket.taken.length).toBe(this.#accepted);
    expect(socket.hasFin).toBe(this.#wantsEnd);
    if (this.#isHeld && !this.#isDiscarding) expect(this.#read).toBe(this.#arrived);
    expect([flow.atEnd, socket.inbox.length]).toEqual([this.#peerEnded, 0]);
  }
}

type Step = (models: readonly Model[], rig: Rig) => void;

/** A step that does `act` to one of the connections. */
function step<A extends unknown[]>(
  act: (model: Model, ...args: A) => void,
  ...args: { readonly [K in keyof A]: fc.Arbitrary<A[K]> }
): fc.Arbitrary<Step> {
  return fc.tuple(fc.nat(FLOWS - 1), ...args).map(
    ([which, ...values]) =>
      (models) =>
        act(models[which] as Model, ...(values as A)),
  );
}

const count = fc.integer({ min: 1, max: 80 });
const round: fc.Arbitrary<Step> = fc
  .nat(120)
  .map((ms) => (_models, rig) => (ms > 60 ? rig.pass(ms - 60) : rig.round()));
const steps: fc.Arbitrary<Step> = fc.oneof(
  { weight: 12, arbitrary: round },
  { weight: 8, arbitrary: step((model, n) => model.send(n), count) },
  { weight: 6, arbitrary: step((model, n) => model.receive(n), count) },
  { weight: 6, arbitrary: step((model, n) => model.arrive(n), count) },
  { weight: 4, arbitrary: step((model, n) => model.admit(n), count) },
  { weight: 3, arbitrary: step((model) => model.full()) },
  { weight: 2, arbitrary: step((model, n) => model.unacknowledged(n), fc.nat(2)) },
  { weight: 2, arbitrary: step((model) => model.starves()) },
  step((model) => model.finish()),
  step((model) => model.peerEnds()),
  step((model) => model.discard()),
  step((model) => model.release()),
  step((model) => model.abort()),
  step((model, how) => model.breaks(how), fc.nat(1)),
);

/** Lets everything come to its end: the kernel takes all, users read all. */
function complete(models: readonly Model[], rig: Rig): void {
  for (const model of models) {
    model.admit(Number.POSITIVE_INFINITY);
    model.unacknowledged(0);
  }
  for (let i = 0; i < 100; i++) {
    rig.round(() => {
      for (const model of models) model.receive(RECEIVE_LIMIT);
    });
    for (const model of models) model.check();
  }
  expect([rig.sockets.hasWork, rig.sockets.submissions.count]).toEqual([false, 0]);
  for (const model of models) model.complete();
}

/** Half are reset, half released; nothing is left. */
function end(models: readonly Model[], rig: Rig): void {
  models.forEach((model, i) => {
    if (i % 2 === 0) model.abort();
    else model.release();
    model.peerEnds();
  });
  rig.pass(61_000);
  for (const model of models) expect(model.it.socket.isOpen).toBe(false);
  expect(rig.kernel.open).toEqual([]);
  expect(rig.sockets.leftovers()).toEqual({
    sockets: 0,
    timeWait: 0,
    listeners: 0,
    bufferedBytes: 0,
    timers: 0,
  });
  expect([rig.timers.size, rig.sockets.submissions.count]).toEqual([0, 0]);
}

describe("connections of a kernel that may do anything", () => {
  it("carry their streams as a naive model does, and leave nothing", () => {
    fc.assert(
      fc.property(
        fc.record({
          txBytes: fc.integer({ min: 4, max: 80 }).map((words) => 4 * words),
          rxBytes: fc.integer({ min: 4, max: 80 }).map((words) => 8 * words),
          submissions: fc.integer({ min: 1, max: 9 }),
        }),
        fc.array(steps, { minLength: 20, maxLength: 150 }),
        (sizes, all) => {
          const rig = new Rig(sizes);
          const models = Array.from({ length: FLOWS }, () => new Model(rig));
          for (const each of all) {
            each(models, rig);
            for (const model of models) model.check();
          }
          complete(models, rig);
          end(models, rig);
        },
      ),
      { numRuns: 1_000 },
    );
  });
});
