// SPDX-License-Identifier: MIT
// What the real kernel does but rarely, by one that is told what to say: errors in the midst of a
// send, a peer that sends faster than it can be drained, a released stream that never ends.

import { beforeEach, describe, expect, it } from "vitest";
import { CONTROL_FIELDS } from "../../native-io/sockets.ts";
import { TimerWheel } from "../../scheduler/internal.ts";
import { choose, currentLoop, go, now, type Operation, run, sleep } from "../../src/index.ts";
import { KernelSockets } from "../../src/kernel/kernel-sockets.ts";
import { LocalFlow } from "../../src/kernel/local-flow.ts";
import {
  ABOUT_MORE,
  EVENT_FIELDS,
  EVENT_HANGUP,
  EVENT_ROOM,
  EVENT_TELL,
  type NativeSockets,
  SUBMISSION_FIELDS,
} from "../../src/kernel/native-sockets.ts";
import { Stream, streamCalls } from "../../src/socket/stream.ts";
import { fails, pattern } from "../socket/support/helpers.ts";

const ID = (1 << 20) | 3;
const EAGAIN = -11;
const EPIPE = -32;
const ENETDOWN = -100;
const ENOBUFS = -105;
const ECONNRESET = -104;

/** A kernel of one socket, that says what a test has put into its lists. */
class ScriptedKernel {
  /** What each send takes, or -errno; then all. */
  readonly sends: number[] = [];
  /** What each receive gives, or -errno; then EAGAIN. */
  readonly receives: number[] = [];
  unread = 0;
  isShut = false;
  isClosed = false;
  received = 0;

  readonly shared = {
    rx: new Uint8Array(8),
    rxWords: new Int32Array(2),
    tx: new Uint8Array(8),
    txWords: new Int32Array(2),
    events: new Int32Array(EVENT_FIELDS),
    submissions: new Int32Array(SUBMISSION_FIELDS),
    maxSubmissions: 1,
    control: new Int32Array(CONTROL_FIELDS),
    room: new Int32Array(8),
  };

  send(_id: number, _bytes: Uint8Array, _offset: number, length: number): number {
    return this.sends.shift() ?? length;
  }

  receive(
    _id: number,
    into: Uint8Array,
    offset: number,
    length: number,
    about: Int32Array,
  ): number {
    const result = this.receives.shift() ?? EAGAIN;
    about.fill(0);
    if (result <= 0) return result;
    const count = Math.min(result, length);
    into.fill(7, offset, offset + count);
    about[ABOUT_MORE] = this.receives.length > 0 ? 1 : 0;
    this.received += count;
    return count;
  }

  shutDown(): number {
    this.isShut = true;
    return 0;
  }

  unsent(): number {
    return this.unread;
  }

  info(): Float64Array {
    return new Float64Array(32);
  }

  close(): void {
    this.isClosed = true;
  }

  closeDescriptor(): void {}
}

let kernel: ScriptedKernel;
beforeEach(() => {
  kernel = new ScriptedKernel();
});

function open(timers: TimerWheel): { sockets: KernelSockets; flow: LocalFlow } {
  const sockets = new KernelSockets(kernel as unknown as NativeSockets, timers, () => {});
  return { sockets, flow: new LocalFlow(sockets, ID, { path: "/p", local: "", remote: "/p" }) };
}

/** A stream over the scripted kernel, on virtual time. */
async function onStream(
  body: (it: { stream: Stream; flow: LocalFlow }) => Operation<void>,
): Promise<void> {
  await run(
    function* () {
      const { flow } = open(currentLoop().timers);
      yield* body({ stream: new Stream(currentLoop(), flow, streamCalls("ipc")), flow });
    },
    { clock: "virtual" },
  );
}

describe("a send", () => {
  it("of which the kernel takes a part and then fails tells both, at once", () =>
    onStream(function* ({ stream }) {
      kernel.sends.push(10, EPIPE);
      const error = yield* fails("ECONNRESET", () => stream.send(pattern(100)));
      expect(error.bytesSent).toBe(10);
    }));

  it("for which the kernel has no memory harms nobody, but in its midst", () =>
    onStream(function* ({ stream }) {
      kernel.sends.push(ENOBUFS);
      const first = yield* fails("ENOBUFS", () => stream.send(pattern(100)));
      expect(first.bytesSent).toBe(0);
      yield* stream.send(pattern(100), 0);
      kernel.sends.push(10, ENOBUFS);
      const second = yield* fails("ENOBUFS", () => stream.send(pattern(100)));
      expect(second.bytesSent).toBe(10);
      yield* fails("ENOBUFS", () => stream.send(pattern(100)));
    }));

  it("goes on where the kernel had no room, however little it takes at a time", () =>
    onStream(function* ({ stream, flow }) {
      kernel.sends.push(3, EAGAIN, 1, EAGAIN, EAGAIN);
      const sending = yield* go(() => stream.send(pattern(100)));
      for (let i = 0; i < 3; i++) {
        yield* sleep(now() + 1);
        expect(sending.isEnded).toBe(false);
        flow.event(EVENT_ROOM, 0, 0);
      }
      yield* sending.join(now() + 1);
    }));

  it("in a choose that cannot be finished fails the stream, and keeps nothing", () =>
    onStream(function* ({ stream, flow }) {
      kernel.sends.push(10, EAGAIN, 5, EPIPE);
      yield* choose([stream.send(pattern(100))]);
      expect(flow.bufferedBytes).toBe(90);
      flow.event(EVENT_ROOM, 0, 0);
      expect([flow.failure, flow.bufferedBytes]).toEqual([ECONNRESET, 0]);
      kernel.sends.push(10, EPIPE);
      yield* fails("ECONNRESET", () => choose([stream.send(pattern(100))]));
    }));
});

describe("dropping what arrives", () => {
  it("takes a bounded part of it in each round, until the end", () => {
    const { sockets, flow } = open(new TimerWheel(0));
    kernel.receives.push(...Array<number>(100).fill(1_000), 0);
    flow.finish(0);
    flow.discardReceived();
    let rounds = 1;
    for (; !flow.isFinished && rounds < 100; rounds++) {
      expect(kernel.received).toBeLessThanOrEqual(rounds * 16_000);
      sockets.flush(rounds);
    }
    expect([kernel.received, rounds]).toEqual([100_000, 7]);
    expect(flow.isOrderlyClosed).toBe(true);
  });

  it("goes on when more comes, and hears of an error", () => {
    const { flow } = open(new TimerWheel(0));
    flow.discardReceived();
    kernel.receives.push(10);
    flow.event(EVENT_TELL, 0, 0);
    kernel.receives.push(20, ECONNRESET);
    flow.event(EVENT_TELL, 0, 0);
    expect([kernel.received, flow.failure]).toEqual([30, ECONNRESET]);
  });
});

describe("a stream that was released", () => {
  it("is closed once the peer has read all and ended", () => {
    const timers = new TimerWheel(0);
    const { sockets, flow } = open(timers);
    kernel.unread = 5;
    flow.release(0);
    expect([kernel.isShut, kernel.isClosed, timers.size]).toEqual([true, false, 1]);
    kernel.receives.push(0);
    flow.event(EVENT_TELL, 0, 0);
    expect(kernel.isClosed).toBe(false);
    kernel.unread = 0;
    flow.event(EVENT_HANGUP, 0, 0);
    expect([kernel.isClosed, timers.size, sockets.size]).toEqual([true, 0, 0]);
  });

  it("is closed after a minute whatever the peer does", () => {
    const timers = new TimerWheel(0);
    const { sockets, flow } = open(timers);
    flow.release(0);
    timers.advance(59_999);
    expect(kernel.isClosed).toBe(false);
    timers.advance(60_000);
    expect([kernel.isClosed, timers.size, sockets.size]).toEqual([true, 0, 0]);
    // What the kernel tells of it afterwards finds nobody.
    flow.event(EVENT_TELL, 0, 0);
    flow.flush();
    flow.abort(0);
  });

  it("is closed at once when it has failed already, or its context closes", () => {
    const { sockets, flow } = open(new TimerWheel(0));
    kernel.sends.push(EPIPE);
    expect(flow.send(pattern(1), 0, 1)).toBe(ECONNRESET);
    flow.release(0);
    expect([kernel.isClosed, sockets.size]).toEqual([true, 0]);
    const other = open(new TimerWheel(0));
    other.flow.release(0);
    other.flow.fail(ENETDOWN, 0);
    expect([other.flow.failure, other.sockets.size]).toEqual([ENETDOWN, 0]);
  });
});
